/**
 * What is asked of the servers about polls: how they stand, and votes.
 *
 * How the polls of a chat stand is asked when it is opened, after each reconnection and when a poll comes, by one
 * request for the latest of them; open ones that are older are asked for one by one. In between the servers tell by
 * themselves.
 * A poll is known by the id of its message in the archive; who asked it in a chat of two is not told that id and finds
 * the poll by the id of the message.
 */

import type { Chat, Message, Shared } from "converse";
import { isGroup } from "../chats";
import { find, NS, xml } from "../namespaces";
import { say } from "../words";
import { type Poll, readTally, readVoters, type Tally } from "./poll";

const ASK_DELAY_MS = 300;

export class Counter {
  private readonly asking = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(private readonly shared: Shared) {}

  /** Ask how the polls of a chat stand, once for what comes at once. */
  askSoon(chat: Chat): void {
    const jid = chat.get<string>("jid") ?? "";
    clearTimeout(this.asking.get(jid));
    this.asking.set(
      jid,
      setTimeout(() => {
        this.asking.delete(jid);
        this.ask(chat).catch((cause) => console.warn("no counts of polls", cause));
      }, ASK_DELAY_MS),
    );
  }

  /** The server tells by itself how a poll stands, but not what the user has chosen. */
  told(chat: Chat, element: Element): void {
    const tally = readTally(element);
    const message = tally && this.find(chat, tally);
    if (!tally || !message) return;
    message.save({ poll_id: tally.id, tally: { ...tally, chosen: message.get<Tally>("tally")?.chosen ?? [] } });
    if (!isGroup(chat)) this.askSoon(chat); // another device of the user's may have voted
  }

  /** Choose these options in place of what was chosen before; rejects with the refusal. */
  async vote(chat: Chat, message: Message, options: number[]): Promise<void> {
    const poll = this.idOf(chat, message);
    const choices = options.map((option) => xml(NS.polls, "choice", { option: String(option) }));
    try {
      await this.request(chat, "set", xml(NS.polls, "vote", { poll }, ...choices));
    } catch (cause) {
      this.askSoon(chat); // it may have ended meanwhile
      throw cause;
    }
    await this.askOne(chat, message);
  }

  /** End a poll; rejects with the refusal. */
  async close(chat: Chat, message: Message): Promise<void> {
    await this.request(chat, "set", xml(NS.polls, "close", { poll: this.idOf(chat, message) }));
    await this.askOne(chat, message);
  }

  /** The names of those who voted, for each option. */
  async names(chat: Chat, message: Message): Promise<string[][]> {
    const poll = this.idOf(chat, message);
    const reply = await this.request(chat, "get", xml(NS.polls, "tally", { poll, voters: "true" }));
    const voters = readVoters(find(reply, NS.polls, "tally") ?? reply);
    const { options } = message.get<Poll>("poll") as Poll;
    const own = this.shared.session.get("bare_jid");
    const nameOf = (jid: string, occupant: string): string => {
      if (jid === own || (occupant && occupant === chat.get("occupant_id"))) return say("pollMe");
      if (!isGroup(chat)) return chat.getDisplayName();
      return (
        chat.occupants?.findOccupant({ occupant_id: occupant, jid })?.getDisplayName() ?? (jid || say("pollSomebody"))
      );
    };
    return options.map((_, place) =>
      voters.filter((one) => one.options.includes(place + 1)).map((one) => nameOf(one.jid, one.occupantId)),
    );
  }

  private async ask(chat: Chat): Promise<void> {
    const polls = chat.messages.models.filter((message) => message.get("poll"));
    if (polls.length === 0 || !this.shared.api.connection.connected()) return;
    const whose = isGroup(chat) ? {} : { with: chat.get<string>("jid") ?? "" };
    const reply = await this.request(chat, "get", xml(NS.polls, "polls", whose));
    const counted = new Set<Message>();
    for (const element of reply.getElementsByTagNameNS(NS.polls, "tally")) {
      const tally = readTally(element);
      const message = tally && this.find(chat, tally);
      if (!tally || !message) continue;
      counted.add(message);
      message.save({ poll_id: tally.id, tally });
    }
    for (const message of polls) {
      const isSettled = message.get<Tally>("tally")?.isOpen === false || message.get("poll_lost");
      if (!counted.has(message) && !isSettled && this.knownId(chat, message)) await this.askOlder(chat, message);
    }
  }

  private async askOne(chat: Chat, message: Message): Promise<void> {
    const poll = this.idOf(chat, message);
    const reply = await this.request(chat, "get", xml(NS.polls, "tally", { poll }));
    const element = find(reply, NS.polls, "tally");
    const tally = element && readTally(element);
    if (tally) message.save({ poll_id: tally.id, tally });
  }

  private async askOlder(chat: Chat, message: Message): Promise<void> {
    try {
      await this.askOne(chat, message);
    } catch (cause) {
      if (!(cause instanceof Element && cause.getElementsByTagName("item-not-found").length > 0)) throw cause;
      message.save({ poll_lost: true }); // out of an imported archive, say
    }
  }

  private find(chat: Chat, { id, messageId }: Tally): Message | undefined {
    const polls = chat.messages.models.filter((message) => message.get("poll"));
    const named = polls.find((message) => this.knownId(chat, message) === id);
    const isOwn = (message: Message) => message.get("sender") === "me" && message.get("msgid") === messageId;
    return named ?? polls.find((message) => isOwn(message) && !this.knownId(chat, message));
  }

  private knownId(chat: Chat, message: Message): string | undefined {
    const by = isGroup(chat) ? chat.get("jid") : this.shared.session.get("bare_jid");
    return message.get<string>(`stanza_id ${by}`) ?? message.get<string>("poll_id");
  }

  private idOf(chat: Chat, message: Message): string {
    const id = this.knownId(chat, message);
    if (id === undefined) throw new Error(say("pollWaiting"));
    return id;
  }

  /** Requests go to the room, those about a chat of two to the user's own account. */
  private request(chat: Chat, type: "get" | "set", payload: Element): Promise<Element> {
    const to = (isGroup(chat) ? chat.get<string>("jid") : this.shared.session.get<string>("bare_jid")) ?? "";
    return this.shared.api.sendIQ(xml(NS.client, "iq", { type, to, id: crypto.randomUUID() }, payload));
  }
}
