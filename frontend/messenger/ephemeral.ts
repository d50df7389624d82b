/**
 * Disappearing messages (XEP-0466), as the server carries them out (src/raftline/xmpp/xeps/xep_0466_ephemeral.py).
 *
 * The time of a chat is the one of the last message that gave one, from either side; a change is told at once by a
 * message without text. `i-want-out` ends it. Time counts from when the server took a message, so it is gone everywhere
 * at once; here a line stays that says so. The time stands outside of what is encrypted: the server must see it.
 */

import converse, { type Chat, type HeadingButton, type Message, type Outgoing, type Shared } from "converse";
import { ask, make } from "./dialog";
import { showInstead } from "./message";
import { find, NS, xml } from "./namespaces";
import { say, sayDuration } from "./words";

const CHOICES_S = [0, 60, 3600, 86_400, 7 * 86_400, 90 * 86_400];
const TIMEOUT_MAX_MS = 0x7fffffff;
const GONE = {
  body: "",
  message: "",
  plaintext: "",
  place: undefined,
  poll: undefined,
  prompt: undefined,
  voice: undefined,
  oob_url: undefined,
  media_urls: undefined,
  editable: false,
  ephemeral: undefined,
};

/** The seconds that a stanza gives; 0 when it says that messages stay from now on, undefined when it says nothing. */
export function readTimer(stanza: Element): number | undefined {
  if (find(stanza, NS.ephemeral, "i-want-out")) return 0;
  const timer = Number(find(stanza, NS.ephemeral, "ephemeral")?.getAttribute("timer"));
  return Number.isInteger(timer) && timer > 0 ? timer : undefined;
}

/** Discards messages when their time is over. */
class Sweeper {
  private handle: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly shared: Shared) {}

  /** Discard what is due now, and come back when the next one is. */
  sweep(): void {
    clearTimeout(this.handle);
    let next = Number.POSITIVE_INFINITY;
    for (const chat of this.shared.state.chatboxes?.models ?? []) {
      for (const message of chat.messages?.models ?? []) {
        const until = message.get<number>("expires_at");
        if (until === undefined || message.get("is_gone")) continue;
        if (until <= Date.now()) message.save({ ...GONE, is_gone: true });
        else next = Math.min(next, until);
      }
    }
    if (next === Number.POSITIVE_INFINITY) return;
    this.handle = setTimeout(() => this.sweep(), Math.min(next - Date.now(), TIMEOUT_MAX_MS));
  }
}

function tell(shared: Shared, chat: Chat, seconds: number): void {
  const said = seconds ? xml(NS.ephemeral, "ephemeral", { timer: String(seconds) }) : xml(NS.ephemeral, "i-want-out");
  const stanza = { type: "chat", to: chat.get<string>("jid") ?? "", id: crypto.randomUUID() };
  shared.api.send(xml(NS.client, "message", stanza, said, xml(NS.hints, "store")));
}

async function choose(shared: Shared, chat: Chat): Promise<void> {
  const current = chat.get<number>("ephemeral_timer") ?? 0;
  const choices = CHOICES_S.includes(current) ? CHOICES_S : [...CHOICES_S, current].sort((a, b) => a - b);
  const options = choices.map((seconds) => {
    const input = make("input", { type: "radio", name: "timer", value: String(seconds) });
    input.checked = seconds === current;
    return make("label", { class: "raftline-choice" }, input, seconds ? sayDuration(seconds) : say("never"));
  });
  const title = say("disappearing");
  const list = make("fieldset", {}, make("legend", { class: "raftline-note" }, say("disappearingHelp")), ...options);
  if (!(await ask(title, say("ok"), [list]))) return;
  const seconds = Number(list.querySelector<HTMLInputElement>("input:checked")?.value);
  if (seconds === current) return;
  chat.save({ ephemeral_timer: seconds });
  tell(shared, chat, seconds);
}

export function letMessagesDisappear(shared: Shared): void {
  const { api } = shared;
  const { html } = converse.env;
  const sweeper = new Sweeper(shared);

  api.listen.on("addClientFeatures", () => api.disco.own.features.add(NS.ephemeral));
  const read = (stanza: Element, attrs: Record<string, unknown>, room?: Chat) => {
    const seconds = readTimer(stanza);
    if (seconds === undefined) return attrs;
    const chat = room ?? shared.state.chatboxes?.get(String(attrs.contact_jid));
    if (!room && !attrs.is_archived && !attrs.is_error) chat?.save({ ephemeral_timer: seconds });
    if (!seconds || !attrs.body) return attrs;
    return { ...attrs, ephemeral: seconds, expires_at: Date.parse(String(attrs.time)) + seconds * 1000 };
  };
  api.listen.on("parseMessage", read);
  api.listen.on("parseMUCMessage", read);
  api.listen.on("createMessageStanza", (chat: Chat, data: Outgoing) => {
    const { message } = data;
    const isEdited = Boolean(message.get("edited"));
    const seconds = isEdited ? message.get<number>("ephemeral") : chat.get<number>("ephemeral_timer");
    if (!seconds) return data;
    data.stanza.cnode(xml(NS.ephemeral, "ephemeral", { timer: String(seconds) })).root();
    if (!isEdited) message.save({ ephemeral: seconds, expires_at: Date.now() + seconds * 1000 });
    sweeper.sweep();
    return data;
  });
  const watch = (chat: Chat) => {
    chat.messages.on("add", (message: Message) => message.get("expires_at") !== undefined && sweeper.sweep());
    chat.on("change:ephemeral_timer", () => announce(chat));
  };
  api.listen.on("chatBoxInitialized", watch);
  api.listen.on("chatRoomInitialized", watch);
  api.listen.on("afterMessagesFetched", () => sweeper.sweep());
  api.listen.on("getHeadingButtons", (element: HTMLElement & { model: Chat }, buttons: HeadingButton[]) => {
    const chat = element.model;
    if (chat.get("type") === "chatroom") return buttons; // its owners settle it for everybody, in its configuration
    const title = say("disappearing");
    buttons.push({
      a_class: "raftline-disappearing",
      handler: (event) => {
        event.preventDefault();
        choose(shared, chat);
      },
      i18n_text: title,
      i18n_title: title,
      icon_class: "fa-eye-slash",
      name: "disappearing",
      standalone: false,
    });
    return buttons;
  });
  showInstead((message) =>
    message.get("is_gone") ? html`<em class="raftline-gone">${say("disappeared")}</em>` : null,
  );
}

/** A line in the chat says what holds from now on. */
function announce(chat: Chat): void {
  const seconds = chat.get<number>("ephemeral_timer") ?? 0;
  const message = seconds ? say("disappearingAfter", sayDuration(seconds)) : say("disappearingNever");
  (chat as Chat & { createMessage(attributes: object): void }).createMessage({ message, type: "info" });
}
