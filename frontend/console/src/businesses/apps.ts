// The applications of a business: secrets, tokens, callbacks, and events that nobody took.

import { confirm } from "../dialogs";
import { button, element } from "../dom";
import { count, moment } from "../format";
import type { Desk } from "./desk";
import { askFor, type Field, tellOnce } from "./forms";
import type { App, AppDetails, Business, Callback, DeadLetter, Token } from "./shapes";
import { row, table } from "./table";
import { say } from "./words";

const LETTERS_SHOWN = 50;
const MANAGEMENT = "whatsapp_business_management";
const MESSAGING = "whatsapp_business_messaging";

/** Read and show all applications of a business; null if that was refused. */
export async function appsOf(desk: Desk, business: Business): Promise<HTMLElement | null> {
  const shown: HTMLElement[] = [];
  for (const app of business.apps) {
    const path = pathOf(app);
    const details = await desk.read<AppDetails>(path);
    const tokens = await desk.read<{ tokens: Token[] }>(`${path}/tokens`);
    const dead = await desk.read<{ dead_letters: DeadLetter[] }>(`${path}/dead-letters?limit=${LETTERS_SHOWN}`);
    if (details === null || tokens === null || dead === null) return null;
    shown.push(appOf(desk, business, details, tokens.tokens, dead.dead_letters));
  }
  return element(
    "section",
    { "aria-labelledby": "apps-title", "data-part": "apps" },
    element(
      "div",
      { class: "section-head" },
      element("h4", { id: "apps-title" }, say("apps")),
      button(say("addApp"), "small", () => void add(desk, business), { "data-action": "add-app" }),
    ),
    ...shown,
  );
}

function pathOf(app: App): string {
  return `/apps/${app.app_id}`;
}

function appOf(desk: Desk, business: Business, app: AppDetails, tokens: Token[], letters: DeadLetter[]): HTMLElement {
  const streams = say(app.streams ? "streamsOff" : "streamsOn");
  return element(
    "article",
    { class: "business-app", "data-app": app.app_id },
    element(
      "header",
      {},
      element("h5", {}, app.name),
      element("span", { class: "address" }, app.app_id),
      element("span", { class: "badge" }, say("waiting", { count: count(app.waiting_events) })),
    ),
    row(
      button(say("issue"), "small", () => void issue(desk, app), { "data-action": "issue" }),
      button(say("setCallback"), "small", () => void setCallback(desk, business, app), { "data-action": "callback" }),
      button(say("rotate"), "small", () => void rotate(desk, app), { "data-action": "rotate" }),
      button(streams, "small", () => void desk.change("PUT", `${pathOf(app)}/streams`, { streams: !app.streams })),
      button(say("remove"), "small danger", () => void remove(desk, app), { "data-action": "remove-app" }),
    ),
    tokensOf(desk, app, tokens),
    callbacksOf(desk, app),
    lettersOf(desk, app, letters),
  );
}

function part(title: string, name: string, ...content: HTMLElement[]): HTMLElement {
  return element("div", { "data-part": name }, element("h6", {}, title), ...content);
}

function empty(words: string): HTMLElement {
  return element("p", { class: "empty" }, words);
}

function tokensOf(desk: Desk, app: App, tokens: Token[]): HTMLElement {
  if (tokens.length === 0) return part(say("tokens"), "tokens", empty(say("noTokens")));
  const rows = tokens.map((token) => [
    token.label === "" ? token.token_id : token.label,
    scopesIn(token.scopes),
    moment(token.created_ms),
    token.expires_ms === null ? say("forEver") : moment(token.expires_ms),
    row(button(say("revoke"), "small danger", () => void revoke(desk, app, token), { "data-action": "revoke" })),
  ]);
  return part(
    say("tokens"),
    "tokens",
    table(say("tokens"), [say("label"), say("scopes"), say("since"), say("until")], rows),
  );
}

function callbacksOf(desk: Desk, app: App): HTMLElement {
  if (app.callbacks.length === 0) return part(say("callbacks"), "callbacks", empty(say("noCallback")));
  const rows = app.callbacks.map((callback: Callback) => [
    callback.scope,
    callback.url,
    callback.fields.join(", "),
    row(
      button(say("removeCallback"), "small danger", () => {
        void desk.change("DELETE", `${pathOf(app)}/callbacks?scope=${callback.scope}`);
      }),
    ),
  ]);
  return part(
    say("callbacks"),
    "callbacks",
    table(say("callbacks"), [say("scope"), say("address"), say("fieldsTold")], rows),
  );
}

function lettersOf(desk: Desk, app: AppDetails, letters: DeadLetter[]): HTMLElement {
  const title = `${say("dead")} (${count(app.dead_letters)})`;
  if (letters.length === 0) return part(title, "dead-letters", empty(say("noDead")));
  const path = `${pathOf(app)}/dead-letters`;
  const rows = letters.map((letter) => [
    letter.status === null ? letter.kind : `${letter.kind} ${letter.status}`,
    letter.peer,
    moment(letter.died_ms),
    letter.callback ?? say("nowhere"),
    row(
      button(say("replay"), "small", () => void desk.change("POST", `${path}/replay`, { ids: [letter.id] })),
      button(say("discard"), "small danger", () => void desk.change("DELETE", `${path}/${letter.id}`)),
    ),
  ]);
  return part(
    title,
    "dead-letters",
    row(
      button(say("replayAll"), "small", () => void desk.change("POST", `${path}/replay`, {}), {
        "data-action": "replay-all",
      }),
      button(say("discardAll"), "small danger", () => void discardAll(desk, app), { "data-action": "discard-all" }),
    ),
    table(say("dead"), [say("what"), say("about"), say("diedAt"), say("wasFor")], rows),
  );
}

function scopesIn(scopes: string[]): string {
  if (scopes.length > 1) return say("scopeBoth");
  return say(scopes[0] === MANAGEMENT ? "scopeManage" : "scopeSend");
}

async function add(desk: Desk, business: Business): Promise<void> {
  const values = await askFor(say("addApp"), "", [{ name: "name", label: say("name") }], say("addApp"));
  if (values === null) return;
  const path = `/businesses/${business.waba_id}/apps`;
  const told = await desk.change<{ app_id: string; app_secret: string }>("POST", path, values);
  if (told !== null) tellSecret(values.name ?? "", told);
}

function tellSecret(name: string, told: { app_id: string; app_secret: string }): void {
  tellOnce(say("secretTitle", { name }), [
    ["app_id", told.app_id],
    ["app_secret", told.app_secret],
  ]);
}

async function rotate(desk: Desk, app: App): Promise<void> {
  const title = say("rotateTitle", { name: app.name });
  if (!(await confirm(title, say("rotateText"), say("rotate").replace("…", ""), true))) return;
  const told = await desk.change<{ app_id: string; app_secret: string }>("POST", `${pathOf(app)}/secret`);
  if (told !== null) tellSecret(app.name, told);
}

async function remove(desk: Desk, app: App): Promise<void> {
  const title = say("removeApp", { name: app.name });
  if (await confirm(title, say("removeAppText"), say("remove").replace("…", ""), true)) {
    await desk.change("DELETE", pathOf(app));
  }
}

async function issue(desk: Desk, app: App): Promise<void> {
  const fields: Field[] = [
    { name: "label", label: say("label"), isNeeded: false },
    {
      name: "scopes",
      label: say("scopes"),
      choices: [
        [`${MANAGEMENT} ${MESSAGING}`, say("scopeBoth")],
        [MESSAGING, say("scopeSend")],
        [MANAGEMENT, say("scopeManage")],
      ],
    },
    { name: "days", label: say("days"), kind: "number", isNeeded: false },
  ];
  const values = await askFor(say("issueTitle", { name: app.name }), "", fields, say("issue").replace("…", ""));
  if (values === null) return;
  const days = Number(values.days ?? "");
  const told = await desk.change<{ token: string }>("POST", `${pathOf(app)}/tokens`, {
    label: values.label,
    scopes: (values.scopes ?? "").split(" "),
    expires_s: days > 0 ? Math.round(days * 86_400) : null,
  });
  if (told !== null) tellOnce(say("issuedTitle", { name: app.name }), [["token", told.token]]);
}

async function revoke(desk: Desk, app: App, token: Token): Promise<void> {
  const title = say("revokeTitle", { name: token.label === "" ? token.token_id : token.label });
  if (await confirm(title, say("revokeText"), say("revoke").replace("…", ""), true)) {
    await desk.change("DELETE", `${pathOf(app)}/tokens/${token.token_id}`);
  }
}

async function setCallback(desk: Desk, business: Business, app: App): Promise<void> {
  const scopes: [string, string][] = [
    ["app", app.name],
    [business.waba_id, business.name],
    ...business.numbers.map((number): [string, string] => [number.phone_number_id, number.number]),
  ];
  const values = await askFor(
    say("setCallbackTitle", { name: app.name }),
    say("setCallbackText"),
    [
      { name: "scope", label: say("scope"), choices: scopes },
      { name: "url", label: say("url"), kind: "url" },
      { name: "verify_token", label: say("verifyToken") },
      { name: "fields", label: say("fields"), value: "messages" },
    ],
    say("save"),
  );
  if (values === null) return;
  const fields = (values.fields ?? "").split(",").map((field) => field.trim());
  await desk.change("PUT", `${pathOf(app)}/callbacks`, { ...values, fields });
}

async function discardAll(desk: Desk, app: App): Promise<void> {
  const title = say("discardTitle", { name: app.name });
  if (await confirm(title, say("discardText"), say("discard"), true)) {
    await desk.change("DELETE", `${pathOf(app)}/dead-letters`);
  }
}
