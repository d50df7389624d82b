// What happened: a strip of who led when, and below it the events, newest first.

import { element, fill, setText } from "./dom";
import { clock, moment } from "./format";
import type { State } from "./state";
import { text } from "./texts";

const WINDOW_MS = 15 * 60 * 1000;
const SHOWN_COUNT_MAX = 100;
const COLOUR_COUNT = 6;

interface Reign {
  node: number;
  fromMs: number;
  toMs: number;
}

export class TimeLine {
  readonly root: HTMLElement;
  #strip = element("div", { class: "strip", role: "img" });
  #from = element("span");
  #list = element("ol");

  constructor() {
    this.root = element(
      "section",
      { class: "panel", "aria-labelledby": "time-line-title" },
      element("h2", { id: "time-line-title" }, text("timeLine")),
      this.#strip,
      element("div", { class: "strip-ends" }, this.#from, element("span", { class: "now" })),
      element("div", { class: "events", role: "log", "aria-label": text("timeLine"), tabindex: "0" }, this.#list),
    );
  }

  /** Draw the strip anew: time goes by even when nothing happens. */
  showStrip(state: State): void {
    const nowMs = state.frame?.reading.time_ms ?? 0;
    const reigns = reignsOf(state, nowMs);
    const fromMs = Math.max(nowMs - WINDOW_MS, Math.min(nowMs - 60_000, reigns[0]?.fromMs ?? nowMs));
    const parts: HTMLElement[] = [];
    let reachedMs = fromMs;
    for (const reign of reigns) {
      if (reign.toMs <= fromMs) continue;
      const startMs = Math.max(reign.fromMs, fromMs);
      if (startMs > reachedMs) parts.push(gap(startMs - reachedMs));
      const part = element("span", { class: `reign colour-${reign.node % COLOUR_COUNT}` }, String(reign.node));
      part.style.flexGrow = String(Math.max(1, reign.toMs - startMs));
      parts.push(part);
      reachedMs = reign.toMs;
    }
    if (nowMs > reachedMs) parts.push(gap(nowMs - reachedMs));
    fill(this.#strip, ...parts);
    const words = reigns
      .filter((reign) => reign.toMs > fromMs)
      .map((reign) => `${clock(reign.fromMs)} ${text("nodeNumber", { node: reign.node })}`);
    this.#strip.setAttribute("aria-label", `${text("whoLed")}: ${words.join(", ")}`);
    setText(this.#from, clock(fromMs));
    const end = this.root.querySelector(".now");
    if (end !== null) setText(end, clock(nowMs));
  }

  /** List the events anew. */
  showEvents(state: State): void {
    const happenings = state.happenings().slice(0, SHOWN_COUNT_MAX);
    if (happenings.length === 0) {
      fill(this.#list, element("li", { class: "empty" }, text("nothingYet")));
      return;
    }
    fill(
      this.#list,
      ...happenings.map((happening) =>
        element(
          "li",
          { class: `event ${happening.kind}`, "data-kind": happening.kind, "data-node": String(happening.node) },
          element(
            "time",
            { datetime: new Date(happening.timeMs).toISOString(), title: moment(happening.timeMs) },
            clock(happening.timeMs),
          ),
          element("span", { class: "mark", "aria-hidden": "true" }),
          element("span", {}, happening.words),
        ),
      ),
    );
  }
}

function gap(lengthMs: number): HTMLElement {
  const part = element("span", { class: "gap" });
  part.style.flexGrow = String(lengthMs);
  return part;
}

/** Who led from when to when, oldest first; a reign ends when it is lost or the next begins. */
function reignsOf(state: State, nowMs: number): Reign[] {
  const reigns: Reign[] = [];
  for (const change of state.changes) {
    const last = reigns.at(-1);
    if (change.kind === "stands") continue;
    if (last !== undefined && last.toMs > change.time_ms) last.toMs = Math.max(last.fromMs, change.time_ms);
    if (change.kind === "leads") reigns.push({ node: change.node, fromMs: change.time_ms, toMs: nowMs });
  }
  return reigns;
}
