/**
 * What there is to see before a chat has been chosen, buttons for what one does most, and what Converse.js's own brand
 * is replaced by.
 */

import converse, { type MessageElement, type Shared, type Template } from "converse";
import { make } from "./dialog";
import { say } from "./words";

const CHAT = "M4 5h16v11H9l-5 4zM12 8v5M9.500 10.500h5";
const GROUP =
  "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 20c0-4 3-6 6.500-6s6.500 2 6.500 6M19 8v6M16 11h6";

/** A name for an element has a class of its own. */
const nothing = () => class extends HTMLElement {};

const brand = () =>
  class extends HTMLElement {
    connectedCallback(): void {
      if (this.childElementCount > 0) return;
      const icon = make("img", { src: "/static/icon.svg", alt: "", width: "28", height: "28" });
      this.append(icon, make("span", {}, "Raftline"));
    }
  };

/** Beside the user's own name: a new chat, a new group, and what Converse.js has there. */
function addButtons({ api }: Shared): void {
  const { html } = converse.env;
  const button = (text: string, path: string, modal: string, name: string): Template => {
    const open = (event: Event) => api.modal.show(modal, {}, event);
    return html`<button type="button" class="raftline-new ${name}" title=${text} aria-label=${text} @click=${open}>
      <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path d=${path}></path></svg>
    </button>`;
  };
  const Base = api.elements.registry["converse-controlbox-buttons"] as new () => MessageElement & {
    render(): Template;
  };
  api.elements.define(
    "converse-controlbox-buttons",
    class extends Base {
      override render(): Template {
        if (!this.model?.get("connected")) return super.render();
        return html`<div class="raftline-tools">
          ${button(say("newChat"), CHAT, "converse-add-contact-modal", "raftline-new-chat")}
          ${button(say("newGroup"), GROUP, "converse-add-muc-modal", "raftline-new-group")} ${super.render()}
        </div>`;
      }
    },
  );
}

export function showWelcome(shared: Shared): void {
  const { api } = shared;
  addButtons(shared);
  api.elements.define("converse-footer", nothing()); // Converse's own loads pictures from the net
  api.elements.define("converse-brand-byline", nothing());
  api.elements.define("converse-brand-heading", brand());
  api.elements.define("converse-brand-logo", brand());
  const panel = make("aside", { id: "welcome", "aria-label": say("welcome") });
  panel.append(
    make("img", { src: "/static/icon.svg", alt: "", width: "72", height: "72" }),
    make("h2", {}, say("welcome")),
    make("p", {}, say("welcomeHelp")),
  );
  document.body.append(panel);
}
