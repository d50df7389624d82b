/**
 * Raftline's page: a card to sign in or to create an account, and Converse.js behind it.
 *
 * The body's `data-state` tells where we are: loading, signed-out, connecting, online, reconnecting; `data-node` is the
 * WebSocket address in use.
 */

import converse from "./converse/converse.min.js";
import { provideBlocklist } from "./absent.js";
import { ConnectTimer, repairConnection } from "./link.js";
import { NodeRing } from "./nodes.js";
import { Outbox } from "./outbox.js";

const CONFIG_RETRY_MS = 2000;

const entry = document.getElementById("entry");
const form = document.getElementById("entry-form");
const error = document.getElementById("entry-error");
const notice = document.getElementById("link-notice");

function setState(state) {
  document.body.dataset.state = state;
  entry.hidden = state !== "signed-out" && state !== "connecting";
  for (const button of form.querySelectorAll("button")) {
    button.disabled = state === "connecting";
  }
}

function showError(text) {
  error.textContent = text;
  error.hidden = text === "";
}

function showNotice(text) {
  notice.textContent = text;
  notice.hidden = text === "";
}

/** What the node tells about its cluster; asked again until it answers. */
async function fetchConfig() {
  for (;;) {
    try {
      const response = await fetch("/client-config.json", { cache: "no-store" });
      if (response.ok) {
        return await response.json();
      }
      showNotice(`The server is not ready (${response.status}). Trying again…`);
    } catch (cause) {
      console.warn("no configuration from the server", cause);
      showNotice("The server does not answer. Trying again…");
    }
    await new Promise((resolve) => setTimeout(resolve, CONFIG_RETRY_MS));
  }
}

/** Create an account; returns its address, or the reason why there is none. */
async function register(username, password) {
  const response = await fetch("/client/register", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username, password }),
  });
  const type = response.headers.get("Content-Type") ?? "";
  const reply = type.startsWith("application/json") ? await response.json() : {};
  if (response.status === 201) {
    return { jid: reply.jid, refusal: "" };
  }
  if (response.status === 409 && reply.condition === "conflict") {
    return { jid: "", refusal: "This name is taken." };
  }
  return { jid: "", refusal: reply.text || reply.condition || `The server refused (${response.status}).` };
}

/** Ties Converse.js to the ring of nodes, the outbox and the card. */
function addPlugin(ring, outbox) {
  converse.plugins.add("raftline", {
    initialize() {
      const { _converse } = this;
      const { api } = _converse;
      const { Strophe } = converse.env;

      const useNode = (url) => {
        document.body.dataset.node = url;
        api.settings.set("websocket_url", url);
        const connection = api.connection.get();
        if (connection) {
          connection.service = url;
        }
      };
      useNode(ring.current);
      api.elements.define("converse-footer", class extends HTMLElement {}); // Converse's own loads pictures from the net

      const timer = new ConnectTimer(() => {
        const connection = api.connection.get();
        if (connection && !connection.authenticated) {
          connection._changeConnectStatus(Strophe.Status.CONNFAIL, "timeout");
          connection._doDisconnect();
        }
      });
      api.listen.on("connectionInitialized", () => {
        repairConnection(api.connection.get());
        timer.start();
      });
      api.listen.on("will-reconnect", () => {
        if (document.body.dataset.state === "online") {
          setState("reconnecting");
          showNotice("The link broke. Moving to another server…");
        } else {
          showNotice("The server does not answer. Trying the next one…");
        }
        useNode(ring.advance());
        timer.start();
      });
      const goOnline = () => {
        timer.stop();
        showNotice("");
        showError("");
        form.reset();
        setState("online");
      };
      api.listen.on("connected", goOnline);
      api.listen.on("reconnected", () => {
        for (const stanza of outbox.stanzasToResend()) {
          api.send(stanza);
        }
        goOnline();
      });
      api.listen.on("disconnected", () => {
        timer.stop();
        showNotice("");
        setState("signed-out");
      });
      api.listen.on("logout", () => outbox.clear());

      api.listen.on("createMessageStanza", (chat, data) => {
        const { stanza } = data;
        outbox.written(stanza instanceof Element ? stanza : stanza.tree());
        return data;
      });
      api.listen.on("send", (stanza) => outbox.sent(stanza, Boolean(_converse.session.get("smacks_enabled"))));
      api.listen.on("userSessionInitialized", () => {
        _converse.session.on("change:unacked_stanzas", (session) => {
          if (session.get("smacks_enabled")) {
            outbox.acknowledged(session.get("unacked_stanzas"));
          }
        });
      });

      _converse.state.connfeedback.on("change:connection_status", (feedback) => {
        if (feedback.get("connection_status") === Strophe.Status.AUTHFAIL) {
          showError("The name or the password is wrong.");
        }
      });
      api.listen.once("initialized", () => {
        const isBusy = api.connection.get()?.status !== undefined;
        setState(isBusy ? "connecting" : "signed-out");
      });
      provideBlocklist(_converse);
      addFormHandler(api);
    },
  });
}

function addFormHandler(api) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const username = form.elements.username.value.trim();
    const password = form.elements.password.value;
    const isNew = event.submitter?.value === "create-account";
    showError("");
    setState("connecting");
    try {
      const domain = document.body.dataset.domain;
      const known = username.includes("@") ? username : `${username}@${domain}`;
      const { jid, refusal } = isNew ? await register(username, password) : { jid: known, refusal: "" };
      if (refusal !== "") {
        showError(refusal);
        setState("signed-out");
        return;
      }
      await api.user.login(jid, password);
    } catch (cause) {
      console.error("signing in failed", cause);
      showError("The server does not answer. Please try again.");
      setState("signed-out");
    }
  });
}

async function start() {
  const config = await fetchConfig();
  showNotice("");
  document.body.dataset.domain = config.domain;
  document.getElementById("entry-domain").textContent = config.domain;
  document.getElementById("create-account").hidden = !config.open_registration;

  const ring = new NodeRing(window.location, config.websockets);
  addPlugin(ring, new Outbox());
  await converse.initialize({
    allow_registration: false, // the card does it
    archived_messages_page_size: "100",
    assets_path: "/static/converse",
    authentication: "login",
    autocomplete_providers_url: "", // nothing is loaded from elsewhere
    auto_login: false,
    auto_reconnect: true,
    blacklisted_plugins: [
      "converse-omemo", // needs PEP, which the server does not have yet
      "converse-omemo-views",
      "converse-register", // looks up providers on the net
    ],
    default_domain: config.domain,
    discover_connection_methods: false, // the ring knows
    embed_3rd_party_media_players: false,
    keepalive: true,
    locked_domain: config.domain,
    ping_interval: 25, // seconds
    mam_request_all_pages: true,
    notification_icon: "/static/icon.svg",
    smacks_max_unacked_stanzas: 1, // ask after each stanza: an acknowledgement means that it is safe
    use_system_emojis: true,
    view_mode: "fullscreen",
    websocket_url: ring.current,
    whitelisted_plugins: ["raftline"],
  });
}

start();
