/**
 * The mark of a business beside its name, in the list and above the chat, with the name that the operators have verified.
 *
 * Businesses have numbers for addresses, so accounts with another kind of name are not asked. Who is one, the server
 * says (service discovery, docs/business.md): neither a name that somebody gives themselves nor a message can.
 */

import type { Chat, Model, Shared } from "converse";
import { make } from "../dialog";
import { NS, textOf, xml } from "../namespaces";
import { say } from "../words";

const NUMBER = /^\d{7,15}@/;
const SVG = "http://www.w3.org/2000/svg";

/** What Converse.js's elements have that are made new here: lit calls `updated` whenever they were drawn. */
interface Drawn extends HTMLElement {
  model: Model & { getDisplayName(): string };
  requestUpdate(): void;
  updated(changed: unknown): void;
}

/** The verified name in an answer of service discovery; "" for an account that is no business. */
export function readVerifiedName(reply: Element): string {
  const forms = [...reply.getElementsByTagNameNS(NS.forms, "x")];
  const fields = (form: Element) => [...form.getElementsByTagNameNS(NS.forms, "field")];
  const said = (form: Element, name: string) => {
    const field = fields(form).find((one) => one.getAttribute("var") === name);
    return field ? textOf(field, NS.forms, "value") : "";
  };
  const form = forms.find((one) => said(one, "FORM_TYPE") === NS.business);
  return form ? said(form, "verified_name") : "";
}

function badge(verified: string, shown: string): HTMLElement {
  const title = say("businessVerified", verified);
  const mark = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  mark.setAttribute("viewBox", "0 0 16 16");
  path.setAttribute("d", "M4.5 8.300 7 10.800 11.500 5.600");
  mark.append(path);
  const picture = make("span", { class: "raftline-verified-mark", role: "img", "aria-label": title, title }, mark);
  // The user may have given the contact another name.
  return make("span", { class: "raftline-verified" }, picture, ...(shown === verified ? [] : [verified]));
}

/** Who has no other name goes by the verified one; it is not saved, as the user has not chosen it. */
function nameContact(model: Drawn["model"], name: string): void {
  const jid = model.get<string>("jid");
  const contact = "messages" in model ? (model as Chat).contact : model;
  if (model.getDisplayName() === jid) contact?.set({ nickname: name });
}

class Businesses {
  private readonly names = new Map<string, Promise<string>>();
  private readonly known = new Map<string, string>();

  constructor(private readonly shared: Shared) {}

  /** The verified name, once it is known. */
  nameOf(jid: string): string {
    return this.known.get(jid) ?? "";
  }

  /** Ask the server about a contact, once a session; `found` is called if it is a business. */
  look(jid: string, found: () => void): void {
    if (!NUMBER.test(jid) || !this.shared.api.connection.connected()) return;
    const asked = this.names.get(jid) ?? this.ask(jid);
    this.names.set(jid, asked);
    asked.then(
      (name) => {
        if (!name) return;
        this.known.set(jid, name);
        found();
      },
      // The server's refusal is an answer: whoever it is, it is no business. Without one it is asked when drawn again.
      (cause) => cause instanceof Element || this.names.delete(jid),
    );
  }

  forget(): void {
    this.names.clear();
  }

  private async ask(jid: string): Promise<string> {
    const query = xml(NS.disco, "query");
    return readVerifiedName(
      await this.shared.api.sendIQ(xml(NS.client, "iq", { type: "get", to: jid, id: crypto.randomUUID() }, query)),
    );
  }
}

export function markBusinesses(shared: Shared): (chat: Chat) => boolean {
  const { api } = shared;
  const businesses = new Businesses(shared);
  const marked = (element: string, where: string) => {
    const Base = api.elements.registry[element] as unknown as new () => Drawn;
    api.elements.define(
      element,
      class extends Base {
        override updated(changed: unknown): void {
          super.updated(changed);
          const jid = this.model?.get<string>("jid") ?? "";
          const name = businesses.nameOf(jid);
          if (!name) businesses.look(jid, () => this.requestUpdate());
          else nameContact(this.model, name);
          for (const old of this.querySelectorAll(".raftline-verified")) old.remove();
          if (name) this.querySelector(where)?.after(badge(name, this.model.getDisplayName()));
        }
      },
    );
  };
  marked("converse-chat-heading", ".chatbox-title__text .user");
  marked("converse-roster-contact", ".contact-name");
  api.listen.on("reconnected", () => businesses.forget());
  return (chat) => businesses.nameOf(chat.get<string>("jid") ?? "") !== "";
}
