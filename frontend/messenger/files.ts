/**
 * Files that come with words: the address that stands in the text for clients which know no file sharing is not shown
 * (XEP-0428), as Converse.js shows the file itself below, by its out-of-band address (XEP-0066).
 */

import type { Shared } from "converse";
import { NS } from "./namespaces";

/** The text without the part that says where its file is; null where no part is marked so. */
function withoutAddress(stanza: Element, body: string, url: unknown): string | null {
  for (const mark of stanza.getElementsByTagNameNS(NS.fallback, "fallback")) {
    const part = mark.getAttribute("for") === NS.sharing && mark.getElementsByTagNameNS(NS.fallback, "body")[0];
    if (!part || !(part.hasAttribute("start") && part.hasAttribute("end"))) continue;
    const [start, end] = [Number(part.getAttribute("start")), Number(part.getAttribute("end"))];
    const letters = [...body]; // positions count code points (XEP-0426)
    if (letters.slice(start, end).join("") !== url) continue;
    return [...letters.slice(0, start), ...letters.slice(end)].join("").trim();
  }
  return null;
}

export function showFilesOnce({ api }: Shared): void {
  const read = (stanza: Element, attrs: Record<string, unknown>) => {
    if (!attrs.body || !attrs.oob_url || attrs.is_encrypted) return attrs;
    const words = withoutAddress(stanza, String(attrs.body), attrs.oob_url);
    return words ? { ...attrs, body: words } : attrs;
  };
  api.listen.on("parseMessage", read);
  api.listen.on("parseMUCMessage", read);
}
