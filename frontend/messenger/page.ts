/**
 * The page around the chats: what state it is in, the notice above, and the card to sign in or to create an account.
 *
 * The body's `data-state` tells where we are: loading, signed-out, connecting, online, reconnecting; `data-node` is the
 * WebSocket address in use.
 */

import type { Api } from "converse";
import { say } from "./words";

export type State = "loading" | "signed-out" | "connecting" | "online" | "reconnecting";

/** What a node tells about its cluster. */
export interface Config {
  domain: string;
  websockets: string[];
  open_registration: boolean;
}

const CONFIG_RETRY_MS = 2000;

function element<Kind extends HTMLElement>(id: string): Kind {
  return document.getElementById(id) as Kind;
}

const form = element<HTMLFormElement>("entry-form");

export function state(): State {
  return document.body.dataset.state as State;
}

export function setState(next: State): void {
  document.body.dataset.state = next;
  performance.mark(`raftline-${next}`);
  element("entry").hidden = next !== "signed-out" && next !== "connecting";
  for (const button of form.querySelectorAll("button")) button.disabled = next === "connecting";
}

function show(id: string, text: string): void {
  element(id).textContent = text;
  element(id).hidden = text === "";
}

/** Say why there is no signing in; "" takes it away. */
export const showError = (text: string): void => show("entry-error", text);

/** Say something about the link above everything; "" takes it away. */
export const showNotice = (text: string): void => show("link-notice", text);

/** The card is done with. */
export const emptyForm = (): void => form.reset();

/** Ask the node for its configuration, again until it answers. */
export async function fetchConfig(): Promise<Config> {
  for (;;) {
    try {
      const response = await fetch("/client-config.json", { cache: "no-store" });
      if (response.ok) {
        showNotice("");
        return (await response.json()) as Config;
      }
      showNotice(say("linkNotReady", response.status));
    } catch (cause) {
      console.warn("no configuration from the server", cause);
      showNotice(say("linkSilent"));
    }
    await new Promise((resolve) => setTimeout(resolve, CONFIG_RETRY_MS));
  }
}

/** Fill in what the node told. */
export function prepareCard(config: Config): void {
  document.body.dataset.domain = config.domain;
  element("entry-domain").textContent = config.domain;
  element("create-account").hidden = !config.open_registration;
}

/** Create an account; returns its address, or the reason why there is none. */
async function register(username: string, password: string): Promise<{ jid: string; refusal: string }> {
  const response = await fetch("/client/register", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username, password }),
  });
  const type = response.headers.get("Content-Type") ?? "";
  const reply = type.startsWith("application/json") ? await response.json() : {};
  if (response.status === 201) return { jid: reply.jid, refusal: "" };
  if (response.status === 409 && reply.condition === "conflict") return { jid: "", refusal: say("accountTaken") };
  return { jid: "", refusal: reply.text || reply.condition || say("accountRefused", response.status) };
}

/** Sign in, or create an account and sign in, when the card says so. */
export function serveCard(api: Api): void {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = new FormData(form);
    const username = String(fields.get("username")).trim();
    const password = String(fields.get("password"));
    const isNew = (event.submitter as HTMLButtonElement | null)?.value === "create-account";
    showError("");
    setState("connecting");
    try {
      const known = username.includes("@") ? username : `${username}@${document.body.dataset.domain}`;
      const { jid, refusal } = isNew ? await register(username, password) : { jid: known, refusal: "" };
      if (refusal !== "") {
        showError(refusal);
        setState("signed-out");
        return;
      }
      await api.user.login(jid, password);
    } catch (cause) {
      console.error("signing in failed", cause);
      showError(say("accountOffline"));
      setState("signed-out");
    }
  });
}
