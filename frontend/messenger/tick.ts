/** How far a message has come. */

import type { Message } from "converse";
import type { Outbox } from "./outbox";

export enum Tick {
  /** It has not been acknowledged (XEP-0198). */
  waiting = 0,
  /** A majority of the servers has it. */
  safe = 1,
  /** A device of the contact's has it (XEP-0184). */
  delivered = 2,
  /** The contact has read it (XEP-0333), or everybody in the group has. */
  read = 3,
}

/** Of one of the user's own messages. What is not in the outbox has been acknowledged, or comes from the archive. */
export function levelOf(message: Message, outbox: Outbox): Tick {
  const id = message.get<string>("origin_id");
  if (id !== undefined && outbox.holds(id)) return Tick.waiting;
  return message.get<Tick>("tick") ?? Tick.safe;
}

/** It has come so far at least; what is known is never taken back. */
export function raise(message: Message, level: Tick): void {
  if ((message.get<Tick>("tick") ?? Tick.waiting) < level) message.save({ tick: level });
}
