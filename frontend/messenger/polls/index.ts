/**
 * Polls (docs/polls.md): a button to ask one, and a card where one was asked.
 *
 * A poll is sent in the clear where the chat is encrypted too, since the servers count it: the dialog says so, and so
 * does an open lock in the foot of the message.
 */

import converse, {
  type Chat,
  type Message,
  type Outgoing,
  type Shared,
  type Template,
  type ToolbarElement,
} from "converse";
import { isGroup } from "../chats";
import { showInstead } from "../message";
import { find, NS, xml } from "../namespaces";
import { say } from "../words";
import { PollCard, type PollView } from "./card";
import { Counter } from "./counter";
import { type Poll, readPoll, type Tally, textOfPoll, writePoll } from "./poll";
import { askPoll } from "./question";

type Attributes = Record<string, unknown>;

/** Chats as Converse.js names them; what is said to one occupant of a room is not counted. */
const COUNTED = ["chatbox", "chatroom"];

function mayClose(chat: Chat, message: Message): boolean {
  if (message.get("sender") === "me") return true;
  const isRanked = ["owner", "admin"].includes(chat.getOwnAffiliation?.() ?? "");
  return isGroup(chat) && (isRanked || chat.getOwnRole?.() === "moderator");
}

function viewOf(counter: Counter, chat: Chat, message: Message, poll: Poll): PollView {
  return {
    poll,
    tally: message.get<Tally>("tally"),
    isCounted: !message.get("poll_lost") && !message.get("is_error"),
    mayClose: mayClose(chat, message),
    vote: (options) => counter.vote(chat, message, options),
    close: () => counter.close(chat, message),
    names: () => counter.names(chat, message),
  };
}

/** Write polls into messages, and read them there. */
function carryPolls({ api }: Shared, counter: Counter): void {
  const read = (stanza: Element, attrs: Attributes): Attributes => {
    const poll = attrs.body && !attrs.is_encrypted && !attrs.is_error ? readPoll(stanza) : null;
    return poll ? { ...attrs, poll } : attrs;
  };
  api.listen.on("parseMessage", read);
  api.listen.on("parseMUCMessage", (stanza: Element, attrs: Attributes, chat: Chat) => {
    const isRoom = attrs.from === chat.get("jid") && !attrs.is_archived; // nobody's nick, the room itself
    const told = isRoom ? find(stanza, NS.polls, "tally") : null;
    if (!told) return read(stanza, attrs);
    counter.told(chat, told);
    return { ...attrs, body: undefined, message: undefined }; // the card shows the result
  });
  // Encryption has had its turn before us, since it is what our plugin depends on; here it is undone.
  api.listen.on("getOutgoingMessageAttributes", (_chat: Chat, attrs: Attributes) =>
    attrs.poll && attrs.is_encrypted
      ? { ...attrs, is_encrypted: false, body: attrs.plaintext, plaintext: undefined }
      : attrs,
  );
  api.listen.on("createMessageStanza", (_chat: Chat, data: Outgoing) => {
    const poll = data.message.get<Poll>("poll");
    if (!poll) return data;
    data.stanza.cnode(writePoll(poll)).root();
    data.stanza.cnode(xml(NS.fallback, "fallback", { for: NS.polls }, xml(NS.fallback, "body"))).root();
    return data;
  });
}

/** Ask how polls stand when there is reason to, and take what the server tells by itself. */
function keepCount(shared: Shared, counter: Counter): void {
  const { api } = shared;
  const watch = (chat: Chat) => {
    const askAbout = (message: Message) => message.get("poll") && counter.askSoon(chat);
    chat.messages.on("add", (message) => {
      if (message.get("poll")) message.save({ editable: false }); // what was asked cannot be corrected
      askAbout(message);
    });
    for (const event of ["change:tick", "change:received"]) {
      // The servers have what the user has asked: from now on it is counted.
      chat.messages.on(event, (message) => message.get("tally") === undefined && askAbout(message));
    }
  };
  api.listen.on("chatBoxInitialized", watch);
  api.listen.on("chatRoomInitialized", watch);
  api.listen.on("afterMessagesFetched", (chat: Chat) => counter.askSoon(chat));
  api.listen.on("enteredNewRoom", (chat: Chat) => counter.askSoon(chat));
  const listen = () =>
    api.listen.stanza("message", { type: "headline", ns: NS.polls }, (stanza) => {
      const isOwn = stanza.getAttribute("from") === shared.session.get("bare_jid");
      const told = isOwn ? find(stanza, NS.polls, "tally") : null;
      const chat = shared.state.chatboxes?.get(told?.getAttribute("with") ?? "");
      if (told && chat) counter.told(chat, told);
      return true; // go on listening
    });
  api.listen.on("connected", listen);
  api.listen.on("reconnected", () => {
    listen();
    for (const chat of shared.state.chatboxes?.models ?? []) if (chat.messages) counter.askSoon(chat);
  });
}

export function askAndCountPolls(shared: Shared): void {
  const { api } = shared;
  const { html } = converse.env;
  customElements.define("raftline-poll", PollCard);
  const counter = new Counter(shared);

  api.listen.on("addClientFeatures", () => api.disco.own.features.add(NS.polls));
  carryPolls(shared, counter);
  keepCount(shared, counter);
  api.listen.on("getToolbarButtons", (toolbar: ToolbarElement, buttons: Template[]) => {
    const chat = toolbar.model;
    if (!COUNTED.includes(chat.get<string>("type") ?? "")) return buttons;
    const send = async () => {
      const poll = await askPoll();
      if (poll) await chat.sendMessage({ body: textOfPoll(poll), poll });
    };
    const title = say("poll");
    buttons.push(html`<button type="button" class="btn raftline-ask" title=${title} aria-label=${title} @click=${send}>
      <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
        <path d="M4 3v18M8 7h12M8 12h6M8 17h9"></path>
      </svg>
    </button>`);
    return buttons;
  });
  showInstead((message) => {
    const poll = message.get<Poll>("poll");
    const chat = message.collection?.chatbox;
    if (!poll || !chat || message.isRetracted()) return null;
    return html`<raftline-poll .view=${viewOf(counter, chat, message, poll)}></raftline-poll>`;
  });
}
