/**
 * A voice note as a message carries it: a file (XEP-0363, XEP-0066) that is described (XEP-0447, XEP-0446), with its
 * outline (docs/voice-notes.md). In encrypted chats there is the sealed file and its name alone; players find out the rest.
 */

import { find, NS, textOf, xml } from "../namespaces";
import { nameOf } from "../sealed";
import { packPeaks, unpackPeaks } from "./waveform";

export interface VoiceNote {
  /** `https:` or `aesgcm:`. */
  url: string;
  name: string;
  /** Its media type. */
  type?: string;
  /** Bytes. */
  size?: number;
  seconds?: number;
  peaks?: number[];
  /** SHA-256, in Base64. */
  hash?: string;
}

const NAME = /^voice-note-[\w-]+\.(m4a|ogg|weba|webm)$/;
const ADDRESS = /^(?:https?|aesgcm):\/\/\S+$/i;

/** A name that other clients take for sound, and we for a voice note. */
export function nameNote(type: string, now: Date): string {
  const ending = type.startsWith("audio/ogg") ? "ogg" : type.startsWith("audio/mp4") ? "m4a" : "weba";
  return `voice-note-${now.toISOString().slice(0, 19).replace(/[T:]/g, "-")}.${ending}`;
}

/** Whether a text is the address of a voice note and nothing else; then what is known of it. */
export function readAddress(text: string): VoiceNote | null {
  if (!ADDRESS.test(text) || !URL.canParse(text)) return null;
  const name = nameOf(text);
  return NAME.test(name) ? { url: text, name } : null;
}

/** The element that describes a note in a message. */
export function describe(note: VoiceNote): Element {
  const fields: [string, string | undefined][] = [
    ["media-type", note.type?.split(";")[0]],
    ["name", note.name],
    ["size", note.size?.toString()],
    ["length", note.seconds === undefined ? undefined : Math.round(note.seconds * 1000).toString()],
  ];
  const parts = fields.flatMap(([name, value]) => (value === undefined ? [] : [xml(NS.file, name, {}, value)]));
  if (note.hash) parts.push(xml(NS.hashes, "hash", { algo: "sha-256" }, note.hash));
  if (note.peaks) parts.push(xml(NS.voice, "waveform", {}, packPeaks(note.peaks)));
  const source = xml(NS.sharing, "sources", {}, xml(NS.url, "url-data", { target: note.url }));
  return xml(NS.sharing, "file-sharing", { disposition: "inline" }, xml(NS.file, "file", {}, ...parts), source);
}

/** Read a description: sound with an outline is a voice note. Only a source that is fetched by HTTP is taken. */
export function readDescription(stanza: Element): VoiceNote | null {
  const sharing = find(stanza, NS.sharing, "file-sharing");
  const url = sharing && find(sharing, NS.url, "url-data")?.getAttribute("target");
  if (!sharing || !url || !/^https?:\/\//i.test(url) || !URL.canParse(url)) return null;
  const type = textOf(sharing, NS.file, "media-type");
  const peaks = unpackPeaks(textOf(sharing, NS.voice, "waveform"));
  if (!type.startsWith("audio/") || !peaks) return null;
  const note: VoiceNote = { url, name: textOf(sharing, NS.file, "name"), type, peaks };
  const milliseconds = Number(textOf(sharing, NS.file, "length"));
  if (milliseconds > 0) note.seconds = milliseconds / 1000;
  return note;
}
