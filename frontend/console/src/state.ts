// What the page knows: the last frame, samples for the plots, and what happened. It outlives the node it came from.

import { type TextKey, text } from "./texts";
import type { About, Change, Frame } from "./types";

export const SAMPLE_COUNT_MAX = 300;
const NOTE_COUNT_MAX = 60;

/** Something that this page saw by itself, beside what the nodes remember of elections. */
export interface Note {
  timeMs: number;
  kind: TextKey;
  node: number;
}

/** One entry of the time line, newest first. */
export interface Happening {
  timeMs: number;
  kind: string;
  node: number;
  words: string;
}

export interface Samples {
  seconds: number[];
  messages: (number | null)[];
  p50: (number | null)[];
  p99: (number | null)[];
  inFlight: (number | null)[];
}

export class State {
  about: About | null = null;
  frame: Frame | null = null;
  changes: Change[] = [];
  notes: Note[] = [];
  samples: Samples = { seconds: [], messages: [], p50: [], p99: [], inFlight: [] };
  #watched: number | null = null;

  /** Take a frame; true if there is news for the time line. */
  takeFrame(frame: Frame): boolean {
    const noteCount = this.notes.length;
    const last = this.notes.at(-1);
    this.#compare(frame);
    this.frame = frame;
    this.#sample(frame);
    return this.notes.length !== noteCount || this.notes.at(-1) !== last;
  }

  /** The elections that nodes remember and what this page saw, newest first. */
  happenings(): Happening[] {
    const told = this.changes.map((change) => ({
      timeMs: change.time_ms,
      kind: change.kind,
      node: change.node,
      words: text(change.kind, { node: change.node, term: change.term }),
    }));
    const seen = this.notes.map((note) => ({
      timeMs: note.timeMs,
      kind: note.kind,
      node: note.node,
      words: text(note.kind, { node: note.node }),
    }));
    // Both are in order already, and what the nodes tell stays in the order of terms whatever their clocks say.
    return [...told, ...seen].sort((left, right) => left.timeMs - right.timeMs).reverse();
  }

  #note(kind: TextKey, node: number, timeMs: number): void {
    this.notes = [...this.notes, { timeMs, kind, node }].slice(-NOTE_COUNT_MAX);
  }

  #compare(frame: Frame): void {
    const { reading } = frame;
    const now = reading.time_ms;
    if (this.#watched !== null && this.#watched !== reading.node) this.#note("moved", reading.node, now);
    this.#watched = reading.node;
    if (this.frame === null) return;
    const before = new Map(this.frame.reading.nodes.map((node) => [node.id, node]));
    for (const node of reading.nodes) {
      const earlier = before.get(node.id);
      before.delete(node.id);
      if (earlier === undefined) {
        this.#note("joined", node.id, now);
        continue;
      }
      if (earlier.is_reachable !== node.is_reachable) {
        this.#note(node.is_reachable ? "cameBack" : "wentSilent", node.id, now);
      }
      if (earlier.role === "learner" && ["follower", "leader"].includes(node.role)) this.#note("votes", node.id, now);
      if (earlier.figures !== null && node.figures !== null && earlier.figures.is_drained !== node.figures.is_drained) {
        this.#note(node.figures.is_drained ? "wasDrained" : "wasUndrained", node.id, now);
      }
    }
    for (const id of before.keys()) this.#note("left", id, now);
  }

  #sample(frame: Frame): void {
    const { samples } = this;
    const seconds = frame.reading.time_ms / 1000;
    const last = samples.seconds.at(-1);
    if (last !== undefined && seconds <= last) return; // another node's clock is behind
    const limited = <T>(list: T[], value: T): T[] => [...list, value].slice(-SAMPLE_COUNT_MAX);
    this.samples = {
      seconds: limited(samples.seconds, seconds),
      messages: limited(samples.messages, frame.messages),
      p50: limited(samples.p50, frame.reading.commit_p50_ms),
      p99: limited(samples.p99, frame.reading.commit_p99_ms),
      inFlight: limited(samples.inFlight, frame.in_flight),
    };
  }
}
