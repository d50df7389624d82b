/**
 * Files of encrypted chats: `aesgcm:` addresses (XEP-0454), fetched, opened here and shown.
 *
 * Converse.js can do this too, but not where the page is served without TLS, as on the loopback addresses of a cluster
 * that is being tried out, nor from another node when the one that the address names is gone.
 */

import converse, { type Message, type Template } from "converse";
import { make } from "./dialog";
import { showInstead } from "./message";
import type { NodeRing } from "./nodes";

const KEY_DIGITS = 64;
const PICTURE = /\.(?:avif|gif|jpe?g|png|webp)$/i;

/** The name that a file was given, off its address. */
export function nameOf(address: string): string {
  const name = new URL(address.replace(/^aesgcm:/, "https:")).pathname.split("/").pop() ?? "";
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/**
 * Fetch a file, from the node in use if a node has it, and open it if it is sealed.
 *
 * @throws Error when there is no such file, or it is not what was sealed.
 */
export async function fetchFile(address: string, ring: NodeRing): Promise<ArrayBuffer> {
  const isSealed = address.startsWith("aesgcm:");
  const [place = "", secret = ""] = address.replace(/^aesgcm:/, "https:").split("#");
  const response = await fetch(ring.fileAt(place));
  if (!response.ok) throw new Error(`the file cannot be fetched (${response.status})`);
  const content = await response.arrayBuffer();
  if (!isSealed) return content;
  const key = await crypto.subtle.importKey("raw", bytesOf(secret.slice(-KEY_DIGITS)), "AES-GCM", false, ["decrypt"]);
  return crypto.subtle.decrypt({ name: "AES-GCM", iv: bytesOf(secret.slice(0, -KEY_DIGITS)) }, key, content);
}

/** A picture, or a link to save anything else. */
class SealedFile extends HTMLElement {
  address = "";
  ring: NodeRing | null = null;
  private shown = "";
  private object = "";

  connectedCallback(): void {
    if (this.ring && this.shown !== this.address) this.load(this.ring);
  }

  disconnectedCallback(): void {
    URL.revokeObjectURL(this.object);
    this.shown = "";
  }

  private async load(ring: NodeRing): Promise<void> {
    this.shown = this.address;
    const name = nameOf(this.address);
    try {
      this.object = URL.createObjectURL(new Blob([await fetchFile(this.address, ring)]));
    } catch (cause) {
      console.warn("a sealed file cannot be shown", cause);
      this.replaceChildren(make("span", { class: "raftline-wrong" }, name));
      return;
    }
    const link = make("a", { href: this.object, download: name, class: "raftline-file" });
    link.append(PICTURE.test(name) ? make("img", { src: this.object, alt: name, class: "chat-image" }) : name);
    this.replaceChildren(link);
  }
}

/** Whether a text is the address of a sealed file and nothing else. */
export function isSealed(text: string): boolean {
  return /^aesgcm:\/\/\S+#[0-9a-f]{88,}$/i.test(text);
}

export function openSealedFiles(ring: NodeRing): void {
  const { html } = converse.env;
  customElements.define("raftline-sealed", SealedFile);
  showInstead((message: Message): Template | null => {
    const text = message.getMessageText() ?? "";
    if (message.isRetracted() || !isSealed(text)) return null;
    return html`<raftline-sealed .ring=${ring} .address=${text}></raftline-sealed>`;
  });
}
