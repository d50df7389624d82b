/** Voice notes: a button to record one, and a player where one was sent. */

import converse, {
  type Api,
  type Chat,
  type Message,
  type Outgoing,
  type Shared,
  type Template,
  type ToolbarElement,
} from "converse";
import { isGroup } from "../chats";
import { showInstead } from "../message";
import { NS, xml } from "../namespaces";
import type { NodeRing } from "../nodes";
import { isKnown } from "../reading";
import { say } from "../words";
import { describe, readAddress, readDescription, type VoiceNote } from "./note";
import { VoicePlayer } from "./player";
import { record } from "./recorder";
import { readOutline } from "./waveform";

type Facts = Omit<VoiceNote, "url">;

async function learn(file: File): Promise<Facts> {
  const content = await file.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  const facts: Facts = {
    name: file.name,
    type: file.type,
    size: file.size,
    hash: btoa(String.fromCharCode(...digest)),
  };
  return { ...facts, ...(await readOutline(content)) };
}

function noteOf(message: Message): VoiceNote | null {
  if (message.isRetracted() || message.get("is_gone")) return null;
  return message.get<VoiceNote>("voice") ?? readAddress(message.getMessageText() ?? "");
}

/** Tell whose note it is that it was played, once; those who are not told what is read are not told this either. */
function tellPlayed(api: Api, message: Message, isBusiness: (chat: Chat) => boolean): void {
  const chat = message.collection?.chatbox;
  const id = message.get<string>("msgid");
  if (!chat || !id || message.get("sender") !== "them" || message.get("played")) return;
  if (isGroup(chat) || !message.get("is_markable") || !isKnown(chat, isBusiness(chat))) return;
  message.save({ played: true });
  const stanza = { type: "chat", to: chat.get<string>("jid") ?? "", id: crypto.randomUUID() };
  api.send(xml(NS.client, "message", stanza, xml(NS.played, "played", { id })));
}

export function sendVoiceNotes({ api }: Shared, ring: NodeRing, isBusiness: (chat: Chat) => boolean): void {
  const { html } = converse.env;
  customElements.define("raftline-voice", VoicePlayer);

  /** What is known of recordings that are on their way, by the names of their files. */
  const known = new Map<string, Facts>();
  const start = async (toolbar: ToolbarElement) => {
    const place = toolbar.closest("converse-chat-bottom-panel, converse-muc-bottom-panel");
    if (!place || place.querySelector(".raftline-recorder")) return;
    try {
      const file = await record(place);
      if (!file) return;
      known.set(file.name, await learn(file));
      await toolbar.model.sendFiles([file]);
    } catch (cause) {
      await api.alert("error", say("voice"), [say("voiceDenied", String((cause as Error).message))]);
    }
  };
  api.listen.on("getToolbarButtons", (toolbar: ToolbarElement, buttons: Template[]) => {
    const title = say("voice");
    buttons.push(html`<button
      type="button" class="btn raftline-record" title=${title} aria-label=${title} @click=${() => start(toolbar)}
    >
      <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
        <path d="M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM5 11a7 7 0 0 0 14 0M12 18v3"></path>
      </svg>
    </button>`);
    return buttons;
  });
  // After the upload Converse.js makes a message of the address alone; what is known comes back to it here.
  api.listen.on("getOutgoingMessageAttributes", (_chat: unknown, attrs: Record<string, unknown>) => {
    const note = readAddress(String(attrs.plaintext ?? attrs.body ?? ""));
    const facts = note && known.get(note.name);
    if (!facts) return attrs;
    known.delete(facts.name);
    return { ...attrs, voice: { ...facts, url: note.url } };
  });
  api.listen.on("createMessageStanza", (_chat: unknown, data: Outgoing) => {
    const note = data.message.get<VoiceNote>("voice");
    if (note && !data.message.get("is_encrypted")) {
      data.stanza.cnode(describe(note)).root();
      data.stanza.cnode(xml(NS.fallback, "fallback", { for: NS.sharing }, xml(NS.fallback, "body"))).root();
    }
    return data;
  });
  const read = (stanza: Element, attrs: Record<string, unknown>) => {
    const voice = readDescription(stanza);
    return voice && attrs.body ? { ...attrs, voice } : attrs;
  };
  api.listen.on("parseMessage", read);
  api.listen.on("parseMUCMessage", read);
  showInstead((message) => {
    const note = noteOf(message);
    const tell = () => tellPlayed(api, message, isBusiness);
    return note && html`<raftline-voice .ring=${ring} .note=${note} @played=${tell}></raftline-voice>`;
  });
}
