/**
 * A question in a chat, with what can be tapped: buttons, a list that opens, links, the user's place.
 *
 * It is built once; when it has been answered its buttons are spent, and the chosen one says so.
 */

import { ask, make } from "../dialog";
import { say } from "../words";
import type { Link, Option, Prompt } from "./prompt";

/** What a card shows, and what can be done about it. */
export interface PromptView {
  prompt: Prompt;
  /** The id of the chosen option; "" when something else was the answer; undefined as long as there is none. */
  chosen: string | undefined;
  choose(option: Option): Promise<void>;
  /** Share the user's place, or card. */
  share(): Promise<void>;
  introduce(): Promise<void>;
}

function linkTo({ title, url }: Link): HTMLElement {
  const attributes = { class: "raftline-prompt-action", href: url, target: "_blank", rel: "noopener noreferrer" };
  // Where it leads is said, since the title can say anything.
  const { host, pathname } = new URL(url);
  return make("a", attributes, make("span", { dir: "auto" }, title || url), make("small", {}, host || pathname));
}

/** Ask for one row of a list; null when the dialog was closed. */
async function askRow(prompt: Prompt): Promise<Option | null> {
  const groups = new Map<string, Option[]>();
  for (const option of prompt.options) groups.set(option.section, [...(groups.get(option.section) ?? []), option]);
  const fields = [...groups].map(([section, options]) => {
    const rows = options.map(({ id, title, description }) => {
      const text = make("span", { class: "raftline-prompt-row", dir: "auto" }, title);
      if (description) text.append(make("small", {}, description));
      return make(
        "label",
        { class: "raftline-choice" },
        make("input", { type: "radio", name: "row", value: id }),
        text,
      );
    });
    return make("fieldset", {}, ...(section ? [make("legend", { dir: "auto" }, section)] : []), ...rows);
  });
  const chosen = () =>
    fields.flatMap((field) => [...field.querySelectorAll("input")]).find((input) => input.checked)?.value;
  const check = () => (chosen() === undefined ? say("promptNothing") : "");
  if (!(await ask(prompt.button || say("promptChoose"), say("send"), fields, check))) return null;
  return prompt.options.find(({ id }) => id === chosen()) ?? null;
}

export class PromptCard extends HTMLElement {
  private shown: PromptView | null = null;
  private isBusy = false;
  private readonly actions = make("div", { class: "raftline-prompt-actions" });
  private readonly wrong = make("p", { class: "raftline-wrong", role: "alert" });

  /** Set by the message around it, anew whenever something has changed. */
  set view(view: PromptView) {
    this.shown = view;
    if (this.childElementCount > 0) this.show(view);
  }

  connectedCallback(): void {
    if (this.childElementCount > 0 || !this.shown) return;
    const { prompt } = this.shown;
    if (prompt.picture)
      this.append(make("img", { class: "raftline-prompt-picture chat-image", src: prompt.picture, alt: "" }));
    if (prompt.header) this.append(make("strong", { class: "raftline-prompt-header", dir: "auto" }, prompt.header));
    this.append(make("div", { class: "raftline-prompt-text", dir: "auto" }, prompt.text));
    if (prompt.footer) this.append(make("small", { class: "raftline-prompt-footer", dir: "auto" }, prompt.footer));
    this.append(this.actions, this.wrong);
    this.show(this.shown);
  }

  private show({ prompt, chosen }: PromptView): void {
    this.dataset.state = chosen === undefined ? "open" : "spent";
    const options = prompt.options.map((option) => ({ option, isChosen: option.id === chosen }));
    const buttons =
      prompt.type === "list" ? this.list(prompt, chosen) : options.map((one) => this.button(one.option, one.isChosen));
    if (prompt.type === "location_request_message") {
      buttons.push(this.action(say(chosen === undefined ? "promptShare" : "promptShared"), ({ share }) => share()));
    }
    if (prompt.type === "request_contact_info") {
      const title = say(chosen === undefined ? "promptIntroduce" : "promptShared");
      buttons.push(this.action(title, ({ introduce }) => introduce()));
    }
    this.actions.replaceChildren(...buttons, ...prompt.links.map(linkTo));
    this.actions.hidden = this.actions.childElementCount === 0;
  }

  private button(option: Option, isChosen: boolean): HTMLButtonElement {
    const button = this.action(option.title, ({ choose }) => choose(option));
    if (option.description) button.append(make("small", { dir: "auto" }, option.description));
    return isChosen ? this.mark(button) : button;
  }

  /** One button that opens the rows; afterwards the row that was chosen. */
  private list(prompt: Prompt, chosen: string | undefined): HTMLButtonElement[] {
    const option = prompt.options.find(({ id }) => id === chosen);
    if (option) return [this.button(option, true)];
    const open = async ({ choose }: PromptView) => {
      const row = await askRow(prompt);
      if (row) await choose(row);
    };
    return [this.action(prompt.button || say("promptChoose"), open)];
  }

  private mark(button: HTMLButtonElement): HTMLButtonElement {
    button.classList.add("raftline-prompt-chosen");
    button.setAttribute("aria-label", say("promptChosen", button.textContent ?? ""));
    return button;
  }

  private action(title: string, act: (view: PromptView) => Promise<void>): HTMLButtonElement {
    const label = make("span", { dir: "auto" }, title);
    const button = make("button", { type: "button", class: "raftline-prompt-action" }, label);
    button.disabled = this.shown?.chosen !== undefined;
    button.addEventListener("click", () => this.act(act));
    return button;
  }

  /** Do something once, and say if it did not work. */
  private async act(action: (view: PromptView) => Promise<void>): Promise<void> {
    if (!this.shown || this.isBusy) return;
    this.isBusy = true;
    this.wrong.textContent = "";
    try {
      await action(this.shown);
    } catch (cause) {
      this.wrong.textContent = String((cause as Error).message);
    }
    this.isBusy = false;
  }
}
