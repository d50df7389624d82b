/**
 * Ticks: what raises them.
 *
 * To a contact: the server's acknowledgement, the receipt (XEP-0184), the marker (XEP-0333), all of them also when they
 * come as copies or out of the archive. What came while this device was away is asked of the server when a chat is
 * opened and after each reconnection (docs/conversations.md). In a group the server counts who has read a message; it is
 * asked again when a member has read something.
 *
 * Converse.js's own check mark is not used: it takes every message out of the archive for received, and forgets markers.
 */

import type { Chat, Message, Shared } from "converse";
import { isGroup } from "./chats";
import { find, NS, xml } from "./namespaces";
import { raise, Tick } from "./tick";

const ASKED_COUNT_MAX = 100;
const ASK_DELAY_MS = 400;

class Ticks {
  /** Levels of messages that are not there yet, by chat and message. */
  private readonly early = new Map<string, Tick>();
  private readonly asking = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(private readonly shared: Shared) {}

  /** A stanza of a contact's says how far a message has come. */
  readStanza(stanza: Element, from: string): void {
    const read = find(stanza, NS.markers, "displayed") ?? find(stanza, NS.markers, "acknowledged");
    const received = find(stanza, NS.receipts, "received") ?? find(stanza, NS.markers, "received");
    for (const [element, level] of [[received, Tick.delivered] as const, [read, Tick.read] as const]) {
      const id = element?.getAttribute("id");
      if (id) this.come(from, id, level);
    }
  }

  come(jid: string, id: string, level: Tick): void {
    const chat = this.shared.state.chatboxes?.get(jid);
    const own = chat?.messages.models.filter((one) => one.get("sender") === "me") ?? [];
    const message = own.find((one) => one.get("msgid") === id || one.get("origin_id") === id);
    if (!message) {
      this.early.set(`${jid} ${id}`, level);
      return;
    }
    raise(message, level);
    if (level !== Tick.read) return;
    const time = message.get<string>("time") ?? "";
    for (const earlier of own) if ((earlier.get<string>("time") ?? "") <= time) raise(earlier, Tick.read);
  }

  /** A message has come into a chat; its receipt may have been faster. */
  added(chat: Chat, message: Message): void {
    if (message.get("sender") !== "me") return;
    for (const id of [message.get<string>("msgid"), message.get<string>("origin_id")]) {
      const key = `${chat.get("jid")} ${id}`;
      const level = this.early.get(key);
      if (level === undefined) continue;
      this.early.delete(key);
      raise(message, level);
    }
  }

  /** Ask the server about a chat soon. */
  askSoon(chat: Chat): void {
    const jid = chat.get<string>("jid") ?? "";
    clearTimeout(this.asking.get(jid));
    this.asking.set(
      jid,
      setTimeout(() => {
        this.asking.delete(jid);
        this.ask(chat, jid).catch((cause) => console.warn("no ticks", cause));
      }, ASK_DELAY_MS),
    );
  }

  private async ask(chat: Chat, jid: string): Promise<void> {
    const { api } = this.shared;
    const own = this.shared.session.get<string>("bare_jid") ?? "";
    const by = isGroup(chat) ? jid : own;
    const asked = new Map<string, Message>();
    for (const message of chat.messages.models.slice().reverse()) {
      const id = message.get<string>(`stanza_id ${by}`);
      const isOpen = message.get("sender") === "me" && (message.get<Tick>("tick") ?? 0) < Tick.read;
      if (id && isOpen && asked.size < ASKED_COUNT_MAX) asked.set(id, message);
    }
    if (asked.size === 0 || !api.connection.connected()) return;
    const list = [...asked.keys()].map((id) => xml(NS.ticks, "message", { id }));
    const request = xml(NS.client, "iq", { type: "get", to: own, id: crypto.randomUUID() });
    request.append(request.ownerDocument.importNode(xml(NS.ticks, "ticks", { with: jid }, ...list), true));
    const reply = await api.sendIQ(request);
    for (const element of reply.getElementsByTagNameNS(NS.ticks, "message")) {
      const message = asked.get(element.getAttribute("id") ?? "");
      if (message) this.answered(message, element, isGroup(chat));
    }
  }

  private answered(message: Message, element: Element, inGroup: boolean): void {
    const [received, read, of] = ["received", "read", "of"].map((name) => Number(element.getAttribute(name) ?? 0));
    if (inGroup) message.save({ tick_read: read, tick_of: of });
    if (of && read === of) raise(message, Tick.read);
    else if (received) raise(message, Tick.delivered);
  }
}

/** Raise ticks by what comes; returns what to call when a message has been acknowledged. */
export function raiseTicks(shared: Shared): (id: string, jid: string) => void {
  const { api } = shared;
  const ticks = new Ticks(shared);
  const watch = (chat: Chat) => {
    chat.messages.on("add", (message) => ticks.added(chat, message));
    if (isGroup(chat)) {
      chat.messages.on("change:received", () => ticks.askSoon(chat));
      chat.messages.on("add", () => ticks.askSoon(chat));
    }
  };
  api.listen.on("chatBoxInitialized", watch);
  api.listen.on("chatRoomInitialized", watch);
  api.listen.on("afterMessagesFetched", (chat: Chat) => ticks.askSoon(chat));
  api.listen.on("reconnected", () => {
    for (const chat of shared.state.chatboxes?.models ?? []) if (chat.messages) ticks.askSoon(chat);
  });
  api.listen.on("parseMessage", (stanza: Element, attrs: Record<string, string>) => {
    if (attrs.sender === "them" && attrs.contact_jid) {
      ticks.readStanza(stanza, attrs.contact_jid);
      if (attrs.is_marker && attrs.marker_id) ticks.come(attrs.contact_jid, attrs.marker_id, Tick.read); // encrypted
    }
    return attrs;
  });
  api.listen.on("parseMUCMessage", (stanza: Element, attrs: Record<string, unknown>, chat: Chat) => {
    if (attrs.sender === "them" && find(stanza, NS.markers, "displayed")) ticks.askSoon(chat);
    return attrs;
  });
  return (id, jid) => {
    const chat = shared.state.chatboxes?.get(jid);
    const message = chat?.messages?.models.find((one) => one.get("origin_id") === id);
    if (message) raise(message, Tick.safe);
  };
}
