/**
 * End-to-end encryption (OMEMO, XEP-0384) by default: a chat with a contact who has a device that can is encrypted
 * unless the user has turned it off in this chat. In groups it is the user who turns it on, since one member whose client
 * cannot would be shut out.
 *
 * Converse.js looks for devices once, when a chat is opened. Here it is noticed too when a device comes later, as it does
 * when the two have just become contacts.
 *
 * A message that came and cannot be read stays in sight as such, so that one can ask for it again; Converse.js takes the
 * notice away after ten seconds. What was written to other devices only, as before this one was there, is left to it,
 * and what has no text for those who cannot read it, as signs that somebody types.
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

type Attributes = Record<string, unknown>;

/** Attributes of a message as Converse.js has read it, with a notice that stays if what was said could not be opened. */
export function keepNotice(stanza: Element, attributes: Attributes): Attributes {
  const isForUs = attributes.error_condition !== "not-encrypted-for-this-device";
  const wasSaid = stanza.querySelector("body") !== null;
  if (attributes.error_type !== "Decryption" || !isForUs || !wasSaid) return attributes;
  return { ...attributes, is_ephemeral: false, defer_ephemeral_timer: false };
}

export function encryptByDefault(shared: Shared): void {
  const { api } = shared;
  for (const hook of ["parseMessage", "parseMUCMessage"]) {
    api.listen.on(hook, keepNotice);
  }
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
