/**
 * How a message looks: Converse.js's own rendering, what plugins show instead of its text, and a foot in its bubble.
 *
 * A plugin says what it shows by `showInstead`; the first that has something for a message does.
 */

import converse, { type Message, type MessageElement, type Shared, type Template } from "converse";
import { foot } from "./foot";
import type { Outbox } from "./outbox";

type Renderer = (message: Message) => Template | null;

const renderers: Renderer[] = [];

/** Show something else than the text of certain messages; a renderer returns null for others. */
export function showInstead(renderer: Renderer): void {
  renderers.push(renderer);
}

/** Redefine Converse.js's element; it registers elements after plugins have been initialised. */
export function dressMessages({ api }: Shared, outbox: Outbox): void {
  const { html } = converse.env;
  const Base = api.elements.registry["converse-chat-message"] as new () => MessageElement;
  api.elements.define(
    "converse-chat-message",
    class extends Base {
      override renderMessageText(): Template {
        const special = renderers.reduce<Template | null>((found, one) => found ?? one(this.model), null);
        return html`${special ?? super.renderMessageText()}${foot(this.model, outbox)}`;
      }
    },
  );
}
