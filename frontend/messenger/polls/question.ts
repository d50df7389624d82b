/** The dialog in which a poll is written: a question, options that become more as they are filled in, and its terms. */

import { ask, make } from "../dialog";
import { say } from "../words";
import { faultOf, OPTION_COUNT_MAX, type Poll } from "./poll";

const OPTION_COUNT_FIRST = 3;

/** Fields for options: there is always an empty one more, until there are as many as may be. */
class OptionFields {
  readonly element = make("fieldset", { class: "raftline-poll-fields" });

  constructor() {
    this.element.append(make("legend", {}, say("pollOptions")));
    for (let count = 0; count < OPTION_COUNT_FIRST; count += 1) this.add();
    this.element.addEventListener("input", () => this.grow());
  }

  /** What has been filled in. */
  get texts(): string[] {
    return this.fields.map((field) => field.value.trim()).filter((text) => text !== "");
  }

  private get fields(): HTMLInputElement[] {
    return [...this.element.querySelectorAll("input")];
  }

  private add(): void {
    const label = say("pollOption", this.fields.length + 1);
    this.element.append(
      make("input", { type: "text", autocomplete: "off", "aria-label": label, placeholder: label, maxlength: "512" }),
    );
  }

  private grow(): void {
    const { fields } = this;
    if (fields.length < OPTION_COUNT_MAX && fields.at(-1)?.value.trim()) this.add();
  }
}

/** Ask for a poll; null when the user thinks better of it. */
export async function askPoll(): Promise<Poll | null> {
  const question = make("input", { type: "text", autocomplete: "off", maxlength: "1024", name: "question" });
  const options = new OptionFields();
  const several = make("input", { type: "checkbox", name: "several" });
  const anonymous = make("input", { type: "checkbox", name: "anonymous" });
  const end = make("input", { type: "datetime-local", name: "end" });
  const written = (): Poll => {
    const texts = options.texts;
    const poll: Poll = {
      question: question.value.trim(),
      options: texts,
      choiceCountMax: several.checked ? texts.length : 1,
      isAnonymous: anonymous.checked,
    };
    return end.value === "" ? poll : { ...poll, closes: new Date(end.value).toISOString() };
  };
  const content = [
    make("p", { class: "raftline-note" }, say("pollInClear")),
    make("label", { class: "raftline-label" }, say("pollQuestion"), question),
    options.element,
    make("label", { class: "raftline-choice" }, several, say("pollSeveral")),
    make("label", { class: "raftline-choice" }, anonymous, say("pollSecret")),
    make("label", { class: "raftline-label" }, say("pollEnd"), end),
  ];
  const isAsked = await ask(say("poll"), say("send"), content, () => faultOf(written(), Date.now()));
  return isAsked ? written() : null;
}
