/** Ties Converse.js to the ring of nodes, the outbox and the card: the session goes on when a node is gone. */

import converse, { type Builder, type Outgoing, type Shared } from "converse";
import { ConnectTimer, repairConnection } from "./link";
import type { NodeRing } from "./nodes";
import type { Outbox } from "./outbox";
import { emptyForm, serveCard, setState, showError, showNotice, state } from "./page";
import { say } from "./words";

/** The tree of a stanza, whatever Converse.js made it with. */
export function treeOf(stanza: Element | Builder): Element {
  return stanza instanceof Element ? stanza : stanza.tree();
}

export function keepSession(shared: Shared, ring: NodeRing, outbox: Outbox): void {
  const { api } = shared;
  const { Strophe } = converse.env;

  const useNode = (url: string) => {
    document.body.dataset.node = url;
    api.settings.set("websocket_url", url);
    const connection = api.connection.get();
    if (connection) connection.service = url;
  };
  useNode(ring.current);

  const timer = new ConnectTimer(() => {
    const connection = api.connection.get();
    if (connection && !connection.authenticated) {
      connection._changeConnectStatus(Strophe.Status.CONNFAIL, "timeout");
      connection._doDisconnect();
    }
  });
  const goOnline = () => {
    timer.stop();
    showNotice("");
    showError("");
    emptyForm();
    setState("online");
  };
  api.listen.on("connectionInitialized", () => {
    const connection = api.connection.get();
    if (connection) repairConnection(connection);
    timer.start();
  });
  api.listen.on("will-reconnect", () => {
    const isFirst = state() === "online";
    if (isFirst) setState("reconnecting");
    showNotice(say(isFirst ? "linkBroke" : "linkNext"));
    useNode(ring.advance());
    timer.start();
  });
  api.listen.on("connected", goOnline);
  api.listen.on("reconnected", () => {
    for (const stanza of outbox.stanzasToResend()) api.send(stanza);
    goOnline();
  });
  api.listen.on("disconnected", () => {
    timer.stop();
    showNotice("");
    setState("signed-out");
  });
  shared.state.connfeedback.on("change:connection_status", () => {
    if (shared.state.connfeedback.get("connection_status") === Strophe.Status.AUTHFAIL) showError(say("accountWrong"));
  });
  api.listen.once("initialized", () => {
    setState(api.connection.get()?.status === undefined ? "signed-out" : "connecting");
  });
  fillOutbox(shared, outbox);
  serveCard(api);
}

function fillOutbox(shared: Shared, outbox: Outbox): void {
  const { api } = shared;
  api.listen.on("createMessageStanza", (_chat: unknown, data: Outgoing) => {
    outbox.written(treeOf(data.stanza));
    return data;
  });
  api.listen.on("send", (stanza: Element) => outbox.sent(stanza, Boolean(shared.session.get("smacks_enabled"))));
  api.listen.on("userSessionInitialized", () => {
    shared.session.on("change:unacked_stanzas", () => {
      if (shared.session.get("smacks_enabled"))
        outbox.acknowledged(shared.session.get<string[]>("unacked_stanzas") ?? []);
    });
  });
  api.listen.on("logout", () => outbox.clear());
}
