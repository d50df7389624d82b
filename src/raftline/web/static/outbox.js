/**
 * Messages that the servers have not acknowledged yet.
 *
 * A message stays here from the moment it is written until a stream management acknowledgement (XEP-0198) covers it,
 * which means that a majority of the servers has it on disk. After a lost link what is still here is sent again with
 * the same origin-id (XEP-0359), by which the servers know it: it neither gets lost nor appears twice. Converse.js
 * itself drops messages written without a link, and forgets unacknowledged ones when a session cannot be resumed.
 */

const NS_ORIGIN = "urn:xmpp:sid:0";

/** The origin-id of a message stanza, or null. */
function originIdOf(stanza) {
  return stanza.getElementsByTagNameNS(NS_ORIGIN, "origin-id")[0]?.getAttribute("id") ?? null;
}

export class Outbox {
  constructor() {
    /** @type {Map<string, {stanza: Element, isSent: boolean}>} Oldest first. */
    this.entries = new Map();
  }

  /** A message was written; the link may be down. */
  written(stanza) {
    const id = originIdOf(stanza);
    if (id !== null) {
      this.entries.set(id, { stanza: stanza.cloneNode(true), isSent: false });
    }
  }

  /**
   * A stanza went out.
   *
   * @param {Element} stanza
   * @param {boolean} isCounted - Whether the stream counts stanzas; without it no acknowledgement can come.
   */
  sent(stanza, isCounted) {
    const id = originIdOf(stanza);
    const entry = id === null ? undefined : this.entries.get(id);
    if (entry === undefined) {
      return;
    }
    if (isCounted) {
      entry.isSent = true;
    } else {
      this.entries.delete(id);
    }
  }

  /** Forget what was sent and is no longer among the unacknowledged stanzas of the stream. */
  acknowledged(unacknowledged) {
    const waiting = new Set();
    const parser = new DOMParser();
    for (const text of unacknowledged) {
      waiting.add(originIdOf(parser.parseFromString(text, "text/xml").documentElement));
    }
    for (const [id, entry] of this.entries) {
      if (entry.isSent && !waiting.has(id)) {
        this.entries.delete(id);
      }
    }
  }

  /** A new stream: return what has to go out again, oldest first. */
  stanzasToResend() {
    for (const entry of this.entries.values()) {
      entry.isSent = false;
    }
    return [...this.entries.values()].map((entry) => entry.stanza.cloneNode(true));
  }

  /** Another user, another box. */
  clear() {
    this.entries.clear();
  }
}
