/**
 * Messages that the servers have not acknowledged yet.
 *
 * A message stays here from the moment it is written until a stream management acknowledgement (XEP-0198) covers it,
 * which means that a majority of the servers has it on disk. After a lost link what is still here is sent again with
 * the same origin-id (XEP-0359), by which the servers know it: it neither gets lost nor appears twice. Converse.js
 * itself drops messages written without a link, and forgets unacknowledged ones when a session cannot be resumed.
 */

import { NS } from "./namespaces";

interface Entry {
  stanza: Element;
  isSent: boolean;
}

/** The origin-id of a message stanza, or null. */
export function originIdOf(stanza: Element): string | null {
  return stanza.getElementsByTagNameNS(NS.sid, "origin-id")[0]?.getAttribute("id") ?? null;
}

export class Outbox {
  /** Oldest first. */
  private readonly entries = new Map<string, Entry>();

  /** @param safe Told the origin-id and addressee of what has been acknowledged. */
  constructor(private readonly safe: (id: string, to: string) => void = () => {}) {}

  /** Whether a message waits to be acknowledged. */
  holds(id: string): boolean {
    return this.entries.has(id);
  }

  /** A message was written; the link may be down. */
  written(stanza: Element): void {
    const id = originIdOf(stanza);
    if (id !== null) this.entries.set(id, { stanza: stanza.cloneNode(true) as Element, isSent: false });
  }

  /**
   * A stanza went out.
   *
   * @param isCounted Whether the stream counts stanzas; without it no acknowledgement can come.
   */
  sent(stanza: Element, isCounted: boolean): void {
    const id = originIdOf(stanza);
    const entry = id === null ? undefined : this.entries.get(id);
    if (id === null || entry === undefined) return;
    if (isCounted) entry.isSent = true;
    else this.remove(id, entry);
  }

  /** Forget what was sent and is no longer among the unacknowledged stanzas of the stream. */
  acknowledged(unacknowledged: string[]): void {
    const parser = new DOMParser();
    const waiting = new Set(
      unacknowledged.map((text) => originIdOf(parser.parseFromString(text, "text/xml").documentElement)),
    );
    for (const [id, entry] of this.entries) {
      if (entry.isSent && !waiting.has(id)) this.remove(id, entry);
    }
  }

  /** A new stream: return what has to go out again, oldest first. */
  stanzasToResend(): Element[] {
    for (const entry of this.entries.values()) entry.isSent = false;
    return [...this.entries.values()].map((entry) => entry.stanza.cloneNode(true) as Element);
  }

  /** Another user, another box. */
  clear(): void {
    this.entries.clear();
  }

  private remove(id: string, entry: Entry): void {
    this.entries.delete(id);
    this.safe(id, (entry.stanza.getAttribute("to") ?? "").split("/")[0] ?? "");
  }
}
