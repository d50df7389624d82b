/** Names of XML, by the specifications that they are of, and the making of elements in them. */

export const NS = {
  business: "urn:raftline:business:0", // docs/business.md
  card: "vcard-temp", // XEP-0054
  client: "jabber:client",
  disco: "http://jabber.org/protocol/disco#info", // XEP-0030
  ephemeral: "urn:xmpp:ephemeral:0", // XEP-0466
  fallback: "urn:xmpp:fallback:0", // XEP-0428
  file: "urn:xmpp:file:metadata:0", // XEP-0446
  forms: "jabber:x:data", // XEP-0004
  geoloc: "http://jabber.org/protocol/geoloc", // XEP-0080
  hashes: "urn:xmpp:hashes:2", // XEP-0300
  hints: "urn:xmpp:hints", // XEP-0334
  markers: "urn:xmpp:chat-markers:0", // XEP-0333
  played: "urn:raftline:played:0", // docs/voice-notes.md
  polls: "urn:raftline:polls:0", // docs/polls.md
  receipts: "urn:xmpp:receipts", // XEP-0184
  reply: "urn:xmpp:reply:0", // XEP-0461
  responses: "urn:xmpp:tmp:quick-response", // XEP-0439
  sharing: "urn:xmpp:sfs:0", // XEP-0447
  sid: "urn:xmpp:sid:0", // XEP-0359
  ticks: "urn:raftline:ticks:0", // docs/conversations.md
  url: "http://jabber.org/protocol/url-data", // XEP-0103
  voice: "urn:raftline:voice:0", // docs/voice-notes.md
} as const;

/** Make an element; a string among the children is text. */
export function xml(
  namespace: string,
  name: string,
  attributes: Record<string, string> = {},
  ...children: (Element | string)[]
): Element {
  const element = document.implementation.createDocument(namespace, name).documentElement;
  element.setAttribute("xmlns", namespace); // Strophe.js writes attributes, and knows of no other namespace
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  for (const child of children) {
    element.append(typeof child === "string" ? child : element.ownerDocument.importNode(child, true));
  }
  return element;
}

/** The first child, or child of a child, of that name; null if there is none. */
export function find(parent: Element, namespace: string, name: string): Element | null {
  return parent.getElementsByTagNameNS(namespace, name)[0] ?? null;
}

/** Its text, or "". */
export function textOf(parent: Element, namespace: string, name: string): string {
  return find(parent, namespace, name)?.textContent?.trim() ?? "";
}
