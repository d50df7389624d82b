/**
 * End-to-end encryption (OMEMO, XEP-0384) by default: a chat with a contact who has a device that can is encrypted
 * unless the user has turned it off in this chat. In groups it is the user who turns it on, since one member whose client
 * cannot would be shut out.
 *
 * Converse.js looks for devices once, when a chat is opened. Here it is noticed too when a device comes later, as it does
 * when the two have just become contacts.
 */

import type { Api, Chat, Shared } from "converse";

const VERSIONS = ["eu.siacs.conversations.axolotl", "urn:xmpp:omemo:2"];

/** One at least has agreed that the other sees presence and devices; of strangers' devices one may see a part. */
function areContacts(chat: Chat): boolean {
  return ["both", "from", "to"].includes(chat.contact?.get<string>("subscription") ?? "");
}

/** The contact can: from now on it is as if Converse.js had found that out when the chat was opened. */
function allow(chat: Chat): void {
  if (!chat.get("omemo_supported")) chat.set({ omemo_supported: true });
}

async function watchDevices(api: Api, chat: Chat): Promise<void> {
  await api.waitUntil("OMEMOInitialized");
  const lists = await Promise.all(
    VERSIONS.map((version) => api.omemo.devicelists.get(chat.get<string>("jid") ?? "", true, version)),
  );
  const look = () => lists.some((list) => list.devices.length > 0) && allow(chat);
  for (const list of lists) {
    list.devices.on("add", look);
    chat.on("contact:change", () => list.devices.length === 0 && list.fetchDevices(true).then(look));
  }
  look();
}

export function encryptByDefault(shared: Shared): void {
  const { api } = shared;
  api.listen.on("chatBoxInitialized", (chat: Chat) => {
    const decide = () => {
      const chosen = shared.state.omemo_active_states?.get(chat.get<string>("jid") ?? "");
      if (chat.get("omemo_supported") && areContacts(chat) && chosen === undefined) chat.set({ omemo_active: true });
    };
    chat.on("change:omemo_supported", decide);
    chat.on("contact:add", decide);
    chat.on("contact:change", decide);
    watchDevices(api, chat).catch((cause) => console.warn("devices of a contact are not known", cause));
  });
}
