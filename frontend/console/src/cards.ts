// Each node as a card: role, figures, and what can be done to it. Cards stay in place, so that the focus does as well.

import { button, element, setText } from "./dom";
import { bytes, count, duration, figure, uptime } from "./format";
import { isTextKey, type TextKey, text } from "./texts";
import type { Frame, NodeReading } from "./types";

export interface Actions {
  transfer(node: number): void;
  drain(node: number, isDrained: boolean): void;
  replace(node: number): void;
  remove(node: number): void;
}

const FIGURES: TextKey[] = [
  "term",
  "last",
  "committed",
  "applied",
  "lag",
  "disk",
  "sync",
  "connections",
  "messages",
  "inFlight",
  "up",
  "release",
];

class Card {
  readonly root: HTMLElement;
  #role = element("span", { class: "badge" });
  #drained = element("span", { class: "badge drained", hidden: true }, text("drained"));
  #address = element("p", { class: "address" });
  #values = new Map<TextKey, HTMLElement>();
  #lead: HTMLButtonElement;
  #drain: HTMLButtonElement;
  #isDrained = false;

  constructor(
    readonly id: number,
    actions: Actions,
  ) {
    const title = text("nodeNumber", { node: id });
    const list = element("dl", { class: "figures" });
    for (const name of FIGURES) {
      const value = element("dd", { "data-figure": name });
      this.#values.set(name, value);
      list.append(element("div", {}, element("dt", {}, text(name)), value));
    }
    this.#lead = button(text("makeLeader"), "", () => actions.transfer(id), { "data-action": "transfer" });
    this.#drain = button(text("drain"), "", () => actions.drain(id, !this.#isDrained), { "data-action": "drain" });
    this.root = element(
      "article",
      { class: "card", "data-node": String(id), "aria-labelledby": `node-${id}` },
      element("header", {}, element("h3", { id: `node-${id}` }, title), this.#drained, this.#role),
      this.#address,
      list,
      element(
        "div",
        { class: "actions", role: "group", "aria-label": text("actionsOf", { node: id }) },
        this.#lead,
        this.#drain,
        button(text("replace"), "", () => actions.replace(id), { "data-action": "replace" }),
        button(text("remove"), "danger", () => actions.remove(id), { "data-action": "remove" }),
      ),
    );
  }

  show(node: NodeReading, frame: Frame): void {
    const { figures } = node;
    const rates = frame.rates[String(node.id)];
    const role = `role_${node.role}`;
    this.#isDrained = figures?.is_drained ?? false;
    this.root.dataset.role = node.role;
    setText(this.#role, isTextKey(role) ? text(role) : node.role);
    this.#drained.hidden = !this.#isDrained;
    setText(this.#address, node.http_url || node.address);
    setText(this.#drain, text(this.#isDrained ? "undrain" : "drain"));
    this.#drain.disabled = !node.is_reachable;
    this.#lead.disabled = !node.is_reachable || node.role !== "follower" || this.#isDrained;
    const lag = node.applied_index === null ? null : Math.max(0, frame.reading.commit_index - node.applied_index);
    this.root.classList.toggle("behind", lag !== null && lag > 1000);
    const disk = figures === null ? "–" : bytes(figures.disk_room_bytes);
    const state = figures === null || figures.disk_state === "ample" ? "" : ` · ${text(`disk_${figures.disk_state}`)}`;
    const shown: Partial<Record<TextKey, string>> = {
      term: count(figures?.term),
      last: count(figures?.last_index),
      committed: count(figures?.commit_index),
      applied: count(node.applied_index),
      lag: lag === null ? "–" : text("entries", { count: count(lag) }),
      disk: disk + state,
      sync: duration(rates?.sync_ms ?? mean(figures)),
      connections: count(figures?.connection_count),
      messages:
        rates?.messages === null || rates === undefined ? "–" : text("perSecond", { value: figure(rates.messages) }),
      inFlight: count(figures?.in_flight_count),
      up: figures === null ? "–" : uptime(figures.elapsed_ns / 1e9),
      release: figures?.release ?? "–",
    };
    for (const [name, value] of this.#values) setText(value, shown[name] ?? "–");
  }
}

/** The mean since the start, for while nothing is written. */
function mean(figures: NodeReading["figures"]): number | null {
  return figures === null || figures.sync_count === 0 ? null : (figures.sync_seconds / figures.sync_count) * 1000;
}

export class Cards {
  readonly root = element("div", { class: "cards", id: "nodes", tabindex: "-1" });
  #cards = new Map<number, Card>();

  constructor(private readonly actions: Actions) {}

  show(frame: Frame): void {
    const wanted = frame.reading.nodes;
    for (const [id, card] of this.#cards) {
      if (!wanted.some((node) => node.id === id)) {
        card.root.remove();
        this.#cards.delete(id);
      }
    }
    for (const node of wanted) {
      let card = this.#cards.get(node.id);
      if (card === undefined) {
        card = new Card(node.id, this.actions);
        this.#cards.set(node.id, card);
        this.root.append(card.root);
      }
      card.show(node, frame);
    }
  }
}
