// The console itself: head, figures of the cluster, cards, plots, time line, tables; and what its buttons do.

import { type Api, Refusal } from "./api";
import { Businesses } from "./businesses";
import { Cards } from "./cards";
import { confirm, showInvitation } from "./dialogs";
import { button, element, fill, setText } from "./dom";
import { count } from "./format";
import { Plots } from "./plots";
import type { State } from "./state";
import { Tables } from "./tables";
import { text } from "./texts";
import { TimeLine } from "./timeline";
import type { Invitation } from "./types";

const TOTALS_MS = 10_000;
const logo = new URL("./icon.svg", import.meta.url).href;

export class Board {
  readonly root: HTMLElement;
  #status = element("p", { class: "status", role: "status" });
  #domain = element("span", { class: "domain" });
  #figures = new Map<string, HTMLElement>();
  #notice = element("p", { class: "notice", role: "status", hidden: true });
  #noticeTimer = 0;
  #totalsTimer = 0;
  #cards: Cards;
  #plots = new Plots();
  #timeLine = new TimeLine();
  #tables: Tables;
  #businesses: Businesses;
  #invited: { node: number; done: () => void } | null = null;

  constructor(
    private readonly api: Api,
    private readonly state: State,
    controls: HTMLElement,
    onSignOut: () => void,
  ) {
    this.#cards = new Cards({
      transfer: (node) => void this.#transfer(node),
      drain: (node, isDrained) => void this.#drain(node, isDrained),
      replace: (node) => void this.#invite(node),
      remove: (node) => void this.#remove(node),
    });
    this.#tables = new Tables(api, (error) => this.#failed(error));
    this.#businesses = new Businesses(api, (error) => this.#failed(error));
    const add = button(text("addNode"), "primary", () => void this.#invite(null), { "data-action": "add" });
    this.root = element(
      "div",
      { class: "board" },
      element("a", { class: "skip", href: "#nodes" }, text("skip")),
      element(
        "header",
        { class: "head" },
        element("img", { src: logo, alt: "", width: "36", height: "36" }),
        element("div", { class: "names" }, element("h1", {}, text("title")), this.#domain),
        element("a", { class: "button small", href: "#businesses" }, text("businesses")),
        this.#status,
        controls,
        button(text("signOut"), "small", onSignOut, { "data-action": "sign-out" }),
      ),
      element(
        "main",
        {},
        this.#summary(),
        this.#notice,
        element(
          "section",
          { "aria-labelledby": "nodes-title" },
          element("div", { class: "section-head" }, element("h2", { id: "nodes-title" }, text("nodes")), add),
          this.#cards.root,
        ),
        this.#plots.root,
        element("div", { class: "columns" }, this.#timeLine.root, this.#tables.root),
        this.#businesses.root,
      ),
    );
  }

  /** Begin once the board is in the page. */
  begin(): void {
    this.#tables.begin();
    void this.#businesses.refresh();
    void this.#readTotals();
    this.#totalsTimer = window.setInterval(() => void this.#readTotals(), TOTALS_MS);
    this.showChanges();
    if (this.state.frame !== null) this.showFrame();
  }

  /** End what goes on by itself: another board takes the place of this one. */
  end(): void {
    clearInterval(this.#totalsTimer);
  }

  #summary(): HTMLElement {
    const names = ["leader", "term", "committed", "reachable", "accounts"] as const;
    const list = element("dl", { class: "summary" });
    for (const name of names) {
      const value = element("dd", { "data-summary": name }, "–");
      this.#figures.set(name, value);
      list.append(element("div", {}, element("dt", {}, text(name)), value));
    }
    return list;
  }

  async #readTotals(): Promise<void> {
    try {
      const totals = (await this.api.call("GET", "/admin/v1/overview")) as { accounts: number; online: number };
      this.#setFigure("accounts", `${count(totals.accounts)} · ${count(totals.online)} ${text("online")}`);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#setFigure("accounts", "–"); // without a quorum nobody knows
    }
  }

  #setFigure(name: string, value: string): void {
    const target = this.#figures.get(name);
    if (target !== undefined) setText(target, value);
  }

  /** Say how the page is connected. */
  showStatus(words: string, isLive: boolean): void {
    setText(this.#status, words);
    this.#status.classList.toggle("live", isLive);
  }

  showFrame(): void {
    const { frame, about } = this.state;
    if (frame === null) return;
    const { reading } = frame;
    setText(this.#domain, about?.domain ?? "");
    this.#setFigure(
      "leader",
      reading.leader === null ? text("noLeader") : text("nodeNumber", { node: reading.leader }),
    );
    this.#setFigure("term", count(reading.term));
    this.#setFigure("committed", count(reading.commit_index));
    const up = reading.nodes.filter((node) => node.is_reachable).length;
    this.#setFigure("reachable", `${up} / ${reading.nodes.length}`);
    this.#figures.get("reachable")?.classList.toggle("alarm", up < reading.nodes.length);
    this.#cards.show(frame);
    this.#plots.show(this.state);
    this.#timeLine.showStrip(this.state);
    const invited = this.#invited;
    if (
      invited !== null &&
      reading.nodes.some((node) => node.id === invited.node && ["follower", "leader"].includes(node.role))
    ) {
      invited.done();
      this.#invited = null;
    }
  }

  showChanges(): void {
    this.#timeLine.showEvents(this.state);
  }

  repaint(): void {
    this.#plots.repaint(this.state);
  }

  async #transfer(node: number): Promise<void> {
    const isSure = await confirm(text("confirmTransfer", { node }), text("explainTransfer"), text("makeLeader"));
    if (isSure) await this.#ask("POST", "/admin/v1/cluster/transfer", { to: node }, text("confirmTransfer", { node }));
  }

  async #drain(node: number, isDrained: boolean): Promise<void> {
    const title = text(isDrained ? "confirmDrain" : "confirmUndrain", { node });
    const explanation = text(isDrained ? "explainDrain" : "explainUndrain");
    if (await confirm(title, explanation, text(isDrained ? "drain" : "undrain"))) {
      await this.#ask("POST", `/admin/v1/cluster/nodes/${node}/drain`, { drained: isDrained }, title);
    }
  }

  async #remove(node: number): Promise<void> {
    const left = (this.state.frame?.reading.nodes.length ?? 1) - 1;
    const title = text("confirmRemove", { node });
    const yes = text("remove").replace("…", "");
    if (
      await confirm(title, text("explainRemove", { left, spare: Math.max(0, Math.floor((left - 1) / 2)) }), yes, true)
    ) {
      await this.#ask("DELETE", `/admin/v1/cluster/nodes/${node}`, undefined, title);
    }
  }

  async #invite(replaces: number | null): Promise<void> {
    const isSure =
      replaces === null
        ? await confirm(text("confirmAdd"), text("explainAdd"), text("invite"))
        : await confirm(
            text("confirmReplace", { node: replaces }),
            text("explainReplace", { node: replaces }),
            text("invite"),
          );
    if (!isSure) return;
    const told = await this.#ask("POST", "/admin/v1/cluster/invitations", { replaces }, "");
    if (told !== null) {
      const invitation = told as Invitation;
      const { done } = showInvitation(invitation, this.state.about?.directory ?? null);
      this.#invited = { node: invitation.node_id, done };
    }
  }

  /** Ask for something; null if it was refused, which is said. */
  async #ask(method: string, path: string, body: unknown, said: string): Promise<unknown> {
    try {
      const told = await this.api.call(method, path, body);
      if (said !== "") this.#say(text("asked", { what: said.replace(/[?？]$/, "") }), false);
      return told ?? {};
    } catch (error) {
      this.#failed(error);
      return null;
    }
  }

  #failed(error: unknown): void {
    if (!(error instanceof Refusal)) throw error;
    this.#say(text("failed", { why: error.message || text("unreachableAll") }), true);
  }

  #say(words: string, isFailure: boolean): void {
    fill(this.#notice, words);
    this.#notice.hidden = false;
    this.#notice.classList.toggle("failure", isFailure);
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = window.setTimeout(() => (this.#notice.hidden = true), isFailure ? 15_000 : 6_000);
  }
}
