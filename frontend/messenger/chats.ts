/** What kinds of chats there are, as Converse.js has them. */

import type { Chat } from "converse";

export const isGroup = (chat: Chat): boolean =>
  chat.get("message_type") === "groupchat" || chat.get("type") === "chatroom";
