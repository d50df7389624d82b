/**
 * A poll in a chat: its options with bars and counts, to be chosen by a click, as radio buttons or check boxes are.
 *
 * The card is built once and then brought up to date in place, so that neither the focus nor a screen reader loses
 * its place when others vote. While a vote is under way the boxes stay as the user left them.
 */

import { language } from "../../shared/language";
import { ask, make, tell } from "../dialog";
import { say } from "../words";
import { type Poll, sayRefusal, type Tally } from "./poll";

/** What a card shows, and what can be done about it; the actions reject with the servers' refusal. */
export interface PollView {
  poll: Poll;
  /** Absent until the servers have told it. */
  tally: Tally | undefined;
  /** The servers count it, or may yet. */
  isCounted: boolean;
  mayClose: boolean;
  vote(options: number[]): Promise<void>;
  close(): Promise<void>;
  /** The names of those who voted, for each option. */
  names(): Promise<string[][]>;
}

interface Row {
  label: HTMLLabelElement;
  input: HTMLInputElement;
  count: HTMLElement;
  bar: HTMLElement;
}

const TIME = new Intl.DateTimeFormat(navigator.language, { dateStyle: "medium", timeStyle: "short" });

let cardCount = 0;

export class PollCard extends HTMLElement {
  private shown: PollView | null = null;
  private rows: Row[] = [];
  private pendingCount = 0;
  private readonly fields = make("fieldset");
  private readonly note = make("div", { class: "raftline-poll-note" });
  private readonly wrong = make("p", { class: "raftline-wrong", role: "alert" });
  private readonly total = make("span");
  private readonly back = make("button", { type: "button", class: "raftline-poll-back" }, say("pollTakeBack"));
  private readonly names = make("button", { type: "button", class: "raftline-poll-names" }, say("pollNames"));
  private readonly end = make("button", { type: "button", class: "raftline-poll-end" }, say("pollClose"));

  /** Set by the message around it, anew whenever something has changed. */
  set view(view: PollView) {
    this.shown = view;
    if (this.childElementCount > 0) this.show(view);
  }

  connectedCallback(): void {
    if (this.childElementCount > 0 || !this.shown) return;
    const { poll } = this.shown;
    cardCount += 1;
    const kind = poll.choiceCountMax > 1 ? "checkbox" : "radio";
    this.rows = poll.options.map((text, place) => this.row(kind, text, place + 1));
    const labels = this.rows.map(({ label }) => label);
    this.fields.append(make("legend", { dir: "auto" }, poll.question), this.note, ...labels);
    const foot = make("div", { class: "raftline-poll-foot" }, this.total, this.names, this.back, this.end);
    this.append(this.fields, this.wrong, foot);
    this.back.addEventListener("click", () => this.act(({ vote }) => vote([])));
    this.end.addEventListener("click", () => this.finish());
    this.names.addEventListener("click", () => this.act((view) => this.showNames(view)));
    this.show(this.shown);
  }

  private row(kind: string, text: string, number: number): Row {
    const input = make("input", { type: kind, name: `raftline-poll-${cardCount}`, value: String(number) });
    const count = make("span", { class: "raftline-poll-count" });
    const bar = make("span", { class: "raftline-poll-bar" });
    const words = make("span", { class: "raftline-poll-option", dir: "auto" }, text);
    const track = make("span", { class: "raftline-poll-track", "aria-hidden": "true" }, bar);
    input.addEventListener("change", () => this.act(({ vote }) => vote(this.checked())));
    return { label: make("label", {}, input, words, count, track), input, count, bar };
  }

  private checked(): number[] {
    return this.rows.filter(({ input }) => input.checked).map(({ input }) => Number(input.value));
  }

  private async finish(): Promise<void> {
    const help = make("p", { class: "raftline-note" }, say("pollCloseHelp"));
    if (await ask(say("pollClose"), say("pollClose"), [help])) await this.act(({ close }) => close());
  }

  private async showNames({ poll, names }: PollView): Promise<void> {
    const found = await names();
    const lists = poll.options.flatMap((option, place) => {
      const people = (found[place] ?? []).map((name) => make("li", { dir: "auto" }, name));
      return people.length > 0 ? [make("h3", { dir: "auto" }, option), make("ul", {}, ...people)] : [];
    });
    tell(poll.question, lists.length > 0 ? lists : [make("p", {}, say("pollNobody"))]);
  }

  /** Do something at the servers, and say if they would not. */
  private async act(action: (view: PollView) => Promise<void>): Promise<void> {
    if (!this.shown) return;
    this.wrong.textContent = "";
    this.limit(this.shown.poll);
    this.pendingCount += 1;
    try {
      await action(this.shown);
    } catch (cause) {
      this.wrong.textContent = sayRefusal(cause);
    }
    this.pendingCount -= 1;
    this.show(this.shown);
  }

  /** Where all that may be chosen is chosen, one must be given up before another is taken. */
  private limit({ choiceCountMax }: Poll): void {
    const isFull = choiceCountMax > 1 && this.checked().length >= choiceCountMax;
    for (const { input } of this.rows) input.disabled = isFull && !input.checked;
  }

  private show({ poll, tally, isCounted, mayClose }: PollView): void {
    const isOpen = isCounted && tally?.isOpen === true;
    this.dataset.state = !isCounted ? "lost" : !tally ? "waiting" : tally.isOpen ? "open" : "closed";
    this.note.textContent = this.terms(poll);
    this.fields.disabled = !isOpen;
    const most = Math.max(1, ...(tally?.counts ?? []));
    for (const [place, { label, input, count, bar }] of this.rows.entries()) {
      const votes = tally?.counts[place] ?? 0;
      const isChosen = tally?.chosen.includes(place + 1) ?? false;
      if (this.pendingCount === 0) input.checked = isChosen;
      input.setAttribute("aria-label", say(votes === 1 ? "pollVote" : "pollVotes", poll.options[place] ?? "", votes));
      label.classList.toggle("raftline-poll-chosen", isChosen);
      label.classList.toggle("raftline-poll-most", votes === most);
      count.textContent = tally ? String(votes) : "";
      bar.style.width = `${tally && tally.voterCount > 0 ? Math.round((votes / tally.voterCount) * 100) : 0}%`;
    }
    this.limit(poll);
    const people = tally?.voterCount ?? 0;
    this.total.textContent = !tally
      ? ""
      : people === 1
        ? say("pollPerson")
        : people
          ? say("pollPeople", people)
          : say("pollNobody");
    this.names.hidden = poll.isAnonymous || people === 0;
    this.end.hidden = !isOpen || !mayClose;
    const hasFocus = document.activeElement === this.back;
    this.back.hidden = !isOpen || !tally?.chosen.length;
    if (hasFocus && this.back.hidden) this.rows[0]?.input.focus();
  }

  /** How it is counted, in one line. */
  private terms({ choiceCountMax, options, isAnonymous, closes }: Poll): string {
    const { state } = this.dataset;
    if (state === "lost") return say("pollLost");
    const choice =
      choiceCountMax === 1
        ? say("pollOne")
        : choiceCountMax === options.length
          ? say("pollAny")
          : say("pollUpTo", choiceCountMax);
    const parts = [state === "closed" ? say("pollClosed") : state === "waiting" ? say("pollWaiting") : choice];
    if (isAnonymous) parts.push(say("pollAnonymous"));
    if (closes !== undefined && state === "open") parts.push(say("pollUntil", TIME.format(new Date(closes))));
    return parts.join(language === "zh" ? "，" : " · ");
  }
}
