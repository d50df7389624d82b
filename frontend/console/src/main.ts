// The console page: signs in, listens to a node, goes to the next one when it dies, and shows what it hears.
//
//   loading ─(cookie is good)─> watching <─> reconnecting
//      └──────> signed-out ──(sign in)──┘
//
// `body[data-state]` and `body[data-node]` tell which; what was heard (state.ts) outlives all of it.

import { Api } from "./api";
import { Board } from "./board";
import { button, element, fill } from "./dom";
import { entryCard } from "./entry";
import { State } from "./state";
import { listen, type StreamEvent } from "./stream";
import "./style.css";
import "./board.css";
import { type Language, language, setLanguage, type TextKey, text } from "./texts";
import type { About, Change, Frame } from "./types";

const RETRY_MS = 300;

/** Frames without a majority before another node is asked; frames come each second. */
const PATIENCE_MIN = 10;
const PATIENCE_MAX = 160;
const THEME_KEY = "raftline-console-theme";

const app = document.getElementById("app") as HTMLElement;
const api = new Api();
const state = new State();
let board: Board | null = null;
let listening: AbortController | null = null;
let renewTimer = 0;
let said: TextKey | null = null;
let isWatching = false;
let lonelyCount = 0;
let patience = PATIENCE_MIN;

function controls(): HTMLElement {
  const names: [Language, string][] = [
    ["en", "English"],
    ["zh", "中文"],
  ];
  const select = element("select", {
    "aria-label": text("languageName"),
    change: (event) => {
      setLanguage((event.target as HTMLSelectElement).value as Language);
      mount();
    },
  });
  for (const [value, name] of names) {
    select.append(element("option", { value, lang: value, selected: value === language() }, name));
  }
  return element(
    "div",
    { class: "controls" },
    select,
    button("◐", "small icon", switchTheme, { "aria-label": text("theme"), title: text("theme") }),
  );
}

function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  return chosen === undefined ? matchMedia("(prefers-color-scheme: dark)").matches : chosen === "dark";
}

function switchTheme(): void {
  const wanted = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = wanted;
  localStorage.setItem(THEME_KEY, wanted);
  board?.repaint();
}

/** Build the page anew, in the language of now. */
function mount(): void {
  document.documentElement.lang = language();
  document.title = text("title");
  board?.end();
  if (!api.isSignedIn) {
    board = null;
    document.body.dataset.state = "signed-out";
    fill(app, entryCard(api, said, controls(), start));
    return;
  }
  board = new Board(api, state, controls(), () => void signOut());
  fill(app, board.root);
  board.begin();
  showStatus();
}

function start(): void {
  said = null;
  mount();
  if (!isWatching) void watch();
}

async function signOut(): Promise<void> {
  await api.signOut();
  listening?.abort();
  mount();
}

function showStatus(): void {
  const node = state.frame?.reading.node ?? "";
  const isLive = document.body.dataset.state === "watching";
  const lost = node === "" ? text("connecting") : text("lostStream", { node });
  board?.showStatus(isLive ? text("live", { node }) : lost, isLive);
}

/** Listen until nobody is signed in any more. */
async function watch(): Promise<void> {
  isWatching = true;
  while (api.isSignedIn) {
    listening = new AbortController();
    let isRenewal = false;
    clearTimeout(renewTimer);
    renewTimer = window.setTimeout(() => {
      void api.renew().then(
        (isGood) => {
          isRenewal = isGood;
          listening?.abort();
        },
        () => undefined,
      );
    }, api.renewAfterMs);
    const ending = await listenOnce(listening.signal);
    if (!api.isSignedIn || isRenewal) continue;
    document.body.dataset.state = "reconnecting";
    showStatus();
    if (ending === "signed-out") {
      if (!(await api.renew().catch(() => true))) said = "signedOut";
      continue;
    }
    api.turn();
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  isWatching = false;
  clearTimeout(renewTimer);
  mount();
}

/** Listen to one node; returns why it ended. */
async function listenOnce(aborted: AbortSignal): Promise<string> {
  const events = listen(api.base, api.pass, aborted);
  for (;;) {
    let next: IteratorResult<StreamEvent>;
    try {
      next = await events.next();
    } catch {
      return "lost"; // what a browser throws for a dead, refusing or silent node says no more than that
    }
    if (next.done === true) return "ended";
    if (next.value.name === "over") return (next.value.data as { reason: string }).reason;
    take(next.value.name, next.value.data);
    if (isCutOff()) return "cut off";
  }
}

/**
 * Whether the node that is listened to has seen no majority for a while: another one may. How long grows from round to
 * round, since there may be none at all.
 */
function isCutOff(): boolean {
  const nodes = state.frame?.reading.nodes ?? [];
  const seen = nodes.filter((node) => node.is_reachable).length;
  if (2 * seen > nodes.length) {
    lonelyCount = 0;
    patience = PATIENCE_MIN;
    return false;
  }
  lonelyCount += 1;
  if (lonelyCount < patience) return false;
  lonelyCount = 0;
  patience = Math.min(patience * 2, PATIENCE_MAX);
  return true;
}

function take(name: string, data: unknown): void {
  if (name === "cluster") state.about = data as About;
  if (name === "changes") {
    state.changes = data as Change[];
    board?.showChanges();
  }
  if (name !== "frame") return;
  const isNews = state.takeFrame(data as Frame);
  document.body.dataset.state = "watching";
  document.body.dataset.node = String(state.frame?.reading.node);
  board?.showFrame();
  if (isNews) board?.showChanges();
  showStatus();
}

const theme = localStorage.getItem(THEME_KEY);
if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => board?.repaint());

await api.findNodes().catch(() => undefined);
await api.forget().catch(() => undefined);
await api.renew().catch(() => undefined);
start();
