/** A poll as a message carries it, and its tally as the servers tell it (docs/polls.md). */

import { find, NS, xml } from "../namespaces";
import { say } from "../words";

const OPTION_COUNT_MIN = 2;
export const OPTION_COUNT_MAX = 12;
const QUESTION_SIZE_MAX = 1024; // bytes
const OPTION_SIZE_MAX = 512; // bytes
const DURATION_MAX_MS = 2 * 366 * 86_400_000;

export interface Poll {
  question: string;
  /** Numbered from 1. */
  options: string[];
  choiceCountMax: number;
  isAnonymous: boolean;
  /** When it ends by itself (XEP-0082). */
  closes?: string;
}

export interface Tally {
  /** The id of the poll's message in the archive. */
  id: string;
  /** The id that its author gave the message. */
  messageId: string;
  isOpen: boolean;
  voterCount: number;
  /** Votes for each option. */
  counts: number[];
  /** Numbers of the options that the user has chosen; news do not tell them. */
  chosen: number[];
}

/** Who has voted, and for which options. */
export interface Voter {
  jid: string;
  occupantId: string;
  options: number[];
}

function childrenOf(parent: Element, name: string): Element[] {
  return [...parent.children].filter((child) => child.namespaceURI === NS.polls && child.localName === name);
}

function textsOf(parent: Element, name: string): string[] {
  return childrenOf(parent, name).map((child) => child.textContent?.trim() ?? "");
}

/** A whole number that is written with digits alone; else NaN. */
function numberOf(element: Element, name: string, absent = ""): number {
  const text = element.getAttribute(name) ?? absent;
  return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
}

/** Read what a message asks; null when it asks nothing, or nothing that could be shown. */
export function readPoll(stanza: Element): Poll | null {
  const element = find(stanza, NS.polls, "poll");
  if (!element) return null;
  const [question = "", options] = [textsOf(element, "question")[0], textsOf(element, "option")];
  const choiceCountMax = numberOf(element, "max-choices", "1");
  const isWhole = question && options.length >= OPTION_COUNT_MIN && options.length <= OPTION_COUNT_MAX;
  if (!isWhole || !(choiceCountMax >= 1 && choiceCountMax <= options.length)) return null;
  const isAnonymous = ["true", "1"].includes(element.getAttribute("anonymous") ?? "");
  const poll: Poll = { question, options, choiceCountMax, isAnonymous };
  const closes = element.getAttribute("closes") ?? "";
  if (!Number.isNaN(Date.parse(closes))) poll.closes = closes;
  return poll;
}

/** The element that asks. */
export function writePoll({ question, options, choiceCountMax, isAnonymous, closes }: Poll): Element {
  return xml(
    NS.polls,
    "poll",
    {
      "max-choices": String(choiceCountMax),
      ...(isAnonymous && { anonymous: "true" }),
      ...(closes !== undefined && { closes }),
    },
    xml(NS.polls, "question", {}, question),
    ...options.map((option) => xml(NS.polls, "option", {}, option)),
  );
}

/** The same as text, for clients that know nothing of polls. */
export function textOfPoll({ question, options }: Poll): string {
  return [say("pollText", question), ...options.map((option, place) => `${place + 1}. ${option}`)].join("\n");
}

/** Say what is wrong with what somebody is about to ask; "" when it can be asked. */
export function faultOf({ question, options, closes }: Poll, nowMs: number): string {
  const size = (text: string) => new TextEncoder().encode(text).length;
  const long = size(question) > QUESTION_SIZE_MAX ? question : options.find((one) => size(one) > OPTION_SIZE_MAX);
  const waitMs = closes === undefined ? 1 : Date.parse(closes) - nowMs;
  if (!question) return say("pollNoQuestion");
  if (options.length < OPTION_COUNT_MIN) return say("pollFew");
  if (new Set(options).size < options.length) return say("pollSame");
  if (long !== undefined) return say("pollLong", `${long.slice(0, 40)}…`);
  return waitMs > 0 && waitMs <= DURATION_MAX_MS ? "" : say("pollBadEnd");
}

/** Read how a poll stands; null for what cannot be read. */
export function readTally(element: Element): Tally | null {
  const options = childrenOf(element, "option");
  const tally: Tally = {
    id: element.getAttribute("poll") ?? "",
    messageId: element.getAttribute("message") ?? "",
    isOpen: element.getAttribute("state") === "open",
    voterCount: numberOf(element, "voters"),
    counts: options.map((option) => numberOf(option, "votes")),
    chosen: options.flatMap((option, place) => (option.getAttribute("chosen") === "true" ? [place + 1] : [])),
  };
  const isWhole = tally.id && ![tally.voterCount, ...tally.counts].some(Number.isNaN);
  return isWhole && tally.counts.length >= OPTION_COUNT_MIN ? tally : null;
}

/** Who has voted for what, in the order of the answer. */
export function readVoters(element: Element): Voter[] {
  return childrenOf(element, "voter").map((voter) => ({
    jid: voter.getAttribute("jid") ?? "",
    occupantId: voter.getAttribute("occupant-id") ?? "",
    options: childrenOf(voter, "choice").map((choice) => numberOf(choice, "option")),
  }));
}

/** Say why the servers refused a request about a poll. */
export function sayRefusal(cause: unknown): string {
  if (!(cause instanceof Element)) return say("accountOffline");
  if (find(cause, NS.polls, "closed")) return say("pollOver");
  const error = find(cause, NS.client, "error");
  const text = [...(error?.children ?? [])].find((child) => child.localName === "text")?.textContent;
  return say("accountRefused", text || (error?.firstElementChild?.localName ?? "error"));
}
