/**
 * Messages that let a person choose (docs/business.md), read off their stanzas: what a business asks, with buttons, rows,
 * links or the wish for a place; and quick responses of other bots (XEP-0439).
 */

import { find, NS, textOf, xml } from "../namespaces";

export interface Option {
  id: string;
  title: string;
  description: string;
  section: string;
}

export interface Link {
  title: string;
  url: string;
}

export interface Prompt {
  /** As the Cloud API calls it, or `quick-response` for what is no business's. */
  type: string;
  header: string;
  picture: string;
  text: string;
  footer: string;
  /** What opens a list. */
  button: string;
  options: Option[];
  links: Link[];
}

/** What a message answers, and which option was chosen; none where a place was asked for. */
export interface Answer {
  question: string;
  option: string;
}

const WISHES = ["location_request_message", "request_contact_info"];
const OPTION_COUNT_MAX = 10;
const LINK_COUNT_MAX = 10;

const attribute = (element: Element, name: string): string => element.getAttribute(name)?.trim() ?? "";

const WEB = ["http:", "https:"];

/** An address of one of these kinds; "" for any other, and for what is none. */
function address(text: string, kinds: string[] = WEB): string {
  try {
    const url = new URL(text);
    return kinds.includes(url.protocol) ? url.href : "";
  } catch {
    return "";
  }
}

/** Those that have an id, each id once. */
function distinct(options: Option[]): Option[] {
  const found = new Map(options.filter(({ id }) => id).map((option) => [option.id, option]));
  return [...found.values()].slice(0, OPTION_COUNT_MAX);
}

function children(parent: Element, namespace: string, name: string): Element[] {
  return [...parent.children].filter((child) => child.namespaceURI === namespace && child.localName === name);
}

function optionOf(element: Element, section = ""): Option {
  return {
    id: element.getAttribute("id") ?? "",
    title: attribute(element, "title"),
    description: attribute(element, "description"),
    section,
  };
}

/** A file in the header, whose address stands there; XEP-0447 says what it is. */
function headerFile(stanza: Element, header: string): { picture: string; links: Link[] } {
  const url = find(stanza, NS.url, "url-data")?.getAttribute("target") === header ? address(header) : "";
  if (!url) return { picture: "", links: [] };
  if (textOf(stanza, NS.file, "media-type").startsWith("image/")) return { picture: url, links: [] };
  return { picture: "", links: [{ title: textOf(stanza, NS.file, "name"), url }] };
}

function readBusiness(stanza: Element, element: Element): Prompt {
  const header = textOf(element, NS.business, "header");
  const { picture, links } = headerFile(stanza, header);
  const buttons = children(element, NS.business, "button");
  const rows = children(element, NS.business, "section").flatMap((section) =>
    children(section, NS.business, "row").map((row) => optionOf(row, attribute(section, "title"))),
  );
  for (const link of children(element, NS.business, "url")) {
    const url = address(attribute(link, "href"), [...WEB, "tel:"]);
    if (url) links.push({ title: attribute(link, "title"), url });
  }
  return {
    type: attribute(element, "type"),
    header: picture || links.some(({ url }) => url === header) ? "" : header,
    picture,
    text: textOf(element, NS.business, "body"),
    footer: textOf(element, NS.business, "footer"),
    button: buttons.find((button) => !button.hasAttribute("id"))?.textContent?.trim() ?? "",
    options: distinct([...buttons.map((button) => optionOf(button)), ...rows]),
    links: links.slice(0, LINK_COUNT_MAX),
  };
}

/** Read what a message of somebody else's asks; null for one that asks nothing, or nothing that can be answered here. */
export function readPrompt(stanza: Element, body: string): Prompt | null {
  const element = children(stanza, NS.business, "interactive")[0];
  if (element) {
    const prompt = readBusiness(stanza, element);
    return { ...prompt, text: prompt.text || body };
  }
  const responses = children(stanza, NS.responses, "response").map((response) => {
    const id = response.getAttribute("value") ?? "";
    return { id, title: attribute(response, "label") || id, description: "", section: "" };
  });
  const options = distinct(responses);
  if (options.length === 0) return null;
  return {
    type: "quick-response",
    header: "",
    picture: "",
    text: body,
    footer: "",
    button: "",
    options,
    links: [],
  };
}

/** Read an answer, whichever of the user's devices gave it; null for any other message. */
export function readAnswer(stanza: Element): Answer | null {
  const question = find(stanza, NS.reply, "reply")?.getAttribute("id") ?? "";
  if (!question) return null;
  const choice = children(stanza, NS.business, "choice")[0];
  if (choice) return { question, option: choice.getAttribute("id") ?? "" };
  const form = children(stanza, NS.forms, "x").find((one) => one.getAttribute("type") === "submit");
  const field = [...(form?.children ?? [])].find((one) => one.getAttribute("var") === "choice");
  if (field) return { question, option: textOf(field, NS.forms, "value") };
  return find(stanza, NS.geoloc, "geoloc") || find(stanza, NS.card, "vCard") ? { question, option: "" } : null;
}

/** Whether what was asked is settled by an answer; a place or a card is the answer where one was asked for. */
export function isAnswered(prompt: Prompt, { option }: Answer): boolean {
  return option === "" ? WISHES.includes(prompt.type) : prompt.options.some(({ id }) => id === option);
}

/** A contact card (XEP-0054) with a name and an address. */
export function writeCard(name: string, jid: string): Element {
  return xml(NS.card, "vCard", {}, xml(NS.card, "FN", {}, name), xml(NS.card, "JABBERID", {}, jid));
}

/** What an answer carries beside its text. */
export function writeAnswer({ question, option }: Answer, to: string, prompt: Prompt): Element[] {
  const parts = [xml(NS.reply, "reply", { to, id: question })];
  if (!option || prompt.type === "quick-response") return parts;
  parts.push(xml(NS.business, "choice", { id: option }));
  if (prompt.type === "list") {
    const field = xml(NS.forms, "field", { var: "choice" }, xml(NS.forms, "value", {}, option));
    parts.push(xml(NS.forms, "x", { type: "submit" }, field));
  }
  return parts;
}
