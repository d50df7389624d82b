/**
 * Tells others, and the user's other devices, what has been read (XEP-0333).
 *
 * Converse.js would send markers of its own, encrypted where the chat is; then the server could neither count what is
 * unread nor give ticks to devices that were away (docs/conversations.md), so it is told to send none. A marker says
 * which message, not what it says. Strangers are told nothing before they have been answered or are contacts. To a
 * business, which never asks to see the user, it is enough that the user sees it.
 */

import type { Chat, Message, Outgoing, Shared } from "converse";
import { NS, xml } from "./namespaces";

const SETTLE_MS = 200; // one marker for what comes at once

/** Whether somebody may be told what the user does with their messages. */
export function isKnown(chat: Chat, isBusiness: boolean): boolean {
  const subscription = chat.contact?.get<string>("subscription") ?? "";
  const known = isBusiness ? ["both", "from", "to"] : ["both", "from"];
  return known.includes(subscription) || chat.messages.models.some((one) => one.get("sender") === "me");
}

function lastRead(chat: Chat, isGroup: boolean): string | undefined {
  const last = chat.messages.models.findLast((one) => one.get("sender") === "them" && one.get("body"));
  if (!last) return undefined;
  return isGroup
    ? last.get<string>(`stanza_id ${chat.get("jid")}`)
    : last.get("is_markable")
      ? last.get("msgid")
      : undefined;
}

export function tellWhatIsRead(shared: Shared, isBusiness: (chat: Chat) => boolean): void {
  const { api } = shared;
  const waiting = new Map<Chat, ReturnType<typeof setTimeout>>();

  const mark = (chat: Chat) => {
    const isGroup = chat.get("message_type") === "groupchat";
    if (!api.connection.connected() || chat.isHidden() || !(isGroup || isKnown(chat, isBusiness(chat)))) return;
    const id = lastRead(chat, isGroup);
    if (!id || chat.get("marked_id") === id) return;
    chat.save({ marked_id: id });
    const type = isGroup ? "groupchat" : "chat";
    const marker = xml(NS.markers, "displayed", { id });
    const stanza = { type, to: chat.get<string>("jid") ?? "", id: crypto.randomUUID() };
    api.send(xml(NS.client, "message", stanza, marker, xml(NS.hints, "store")));
  };
  const markSoon = (chat: Chat) => {
    clearTimeout(waiting.get(chat));
    waiting.set(
      chat,
      setTimeout(() => mark(chat), SETTLE_MS),
    );
  };
  const watch = (chat: Chat) => {
    chat.messages.on("add", (message: Message) => message.get("sender") === "them" && markSoon(chat));
    chat.on("change:hidden", () => markSoon(chat));
    chat.on("change:num_unread", () => markSoon(chat));
    markSoon(chat);
  };
  api.listen.on("chatBoxInitialized", watch);
  api.listen.on("chatRoomInitialized", watch);
  document.addEventListener("visibilitychange", () => {
    for (const chat of shared.state.chatboxes?.models ?? []) if (chat.messages) markSoon(chat);
  });
  api.listen.on("createMessageStanza", (_chat: Chat, data: Outgoing) => {
    data.stanza.cnode(xml(NS.markers, "markable")).root();
    return data;
  });
}
