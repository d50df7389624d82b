/**
 * The foot of a bubble: when it was written, whether it was left in the clear and whether it will disappear, and on own
 * messages how far they have come.
 */

import converse, { type Message, type Template } from "converse";
import type { Outbox } from "./outbox";
import { levelOf, Tick } from "./tick";
import { say, sayDuration } from "./words";

const HOUR = new Intl.DateTimeFormat(navigator.language, { hour: "2-digit", minute: "2-digit" });
const ONE = "M1 6.5 4.5 10 11 2.5";
const TWO = "M1 6.5 4.5 10 11 2.5M7.5 9 8.5 10 15 2.5";

function clock(): Template {
  const { html } = converse.env;
  return html`<svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
    <circle cx="6" cy="6" r="5"></circle>
    <path d="M6 3v3l2 1"></path>
  </svg>`;
}

function label(message: Message, level: Tick): string {
  if (level === Tick.waiting) return say("tickWaiting");
  const of = message.get<number>("tick_of") ?? 0;
  if (of > 1) return say("tickReadBy", message.get<number>("tick_read") ?? 0, of);
  return say(level === Tick.read ? "tickRead" : level === Tick.delivered ? "tickDelivered" : "tickSafe");
}

/** Clock, one tick, two ticks, two blue ones. */
function ticks(message: Message, outbox: Outbox): Template {
  const { html } = converse.env;
  const level = levelOf(message, outbox);
  const path = level === Tick.safe ? ONE : TWO;
  const text = label(message, level);
  return html`<span class="raftline-tick" data-tick=${Tick[level]} role="img" aria-label=${text} title=${text}
    >${
      level === Tick.waiting
        ? clock()
        : html`<svg viewBox="0 0 16 12" width="16" height="12" aria-hidden="true"><path d=${path}></path></svg>`
    }</span
  >`;
}

function hourglass(message: Message): Template {
  const { html } = converse.env;
  const timer = message.get<number>("ephemeral");
  if (!timer) return "";
  const text = say("disappearsIn", sayDuration(timer));
  return html`<span class="raftline-timer" role="img" aria-label=${text} title=${text}
    ><svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      <path d="M6 1a5 5 0 1 0 5 5"></path>
      <path d="M6 3v3l2 1"></path></svg
  ></span>`;
}

/** In a chat that is encrypted: this was not, since the servers count it. */
function openLock(message: Message): Template {
  const { html } = converse.env;
  if (!message.get("poll") || !message.collection?.chatbox.get("omemo_active")) return "";
  const text = say("notEncrypted");
  return html`<span class="raftline-open" role="img" aria-label=${text} title=${text}
    ><svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      <path d="M2.500 5.500h7v5.500h-7zM4 5.500V3.500a2 2 0 0 1 4-.6"></path></svg
  ></span>`;
}

export function foot(message: Message, outbox: Outbox): Template {
  const { html } = converse.env;
  const time = message.get<string>("edited") ?? message.get<string>("time");
  if (!time) return "";
  const isOwn = message.get("sender") === "me" && !message.isRetracted();
  return html`<span class="raftline-foot"
    >${openLock(message)}${hourglass(message)}<time datetime=${time}>${HOUR.format(new Date(time))}</time>${
      isOwn ? ticks(message, outbox) : ""
    }</span
  >`;
}
