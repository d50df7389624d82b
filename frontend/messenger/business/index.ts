/**
 * What businesses ask, shown with buttons, and the user's answers (docs/business.md).
 *
 * An answer is an ordinary message whose text is what was chosen, so that it reads well everywhere; what it answers and
 * which option it is stands beside the text. From then on the question's buttons are spent, on every device of the user's.
 */

import converse, { type Chat, type Message, type Outgoing, type Shared } from "converse";
import { isGroup } from "../chats";
import { askPlace, writeGeo } from "../location";
import { showInstead } from "../message";
import { PromptCard, type PromptView } from "./card";
import {
  type Answer,
  isAnswered,
  type Option,
  type Prompt,
  readAnswer,
  readPrompt,
  writeAnswer,
  writeCard,
} from "./prompt";

type Attributes = Record<string, unknown>;
type Card = { name: string; jid: string };

const idOf = (message: Message): string => message.get<string>("origin_id") ?? message.get<string>("msgid") ?? "";

function questionOf(chat: Chat, answer: Answer): Message | undefined {
  const { question } = answer;
  const isNamed = (message: Message) => message.get("origin_id") === question || message.get("msgid") === question;
  const found = chat.messages.models.find((message) => message.get("prompt") && isNamed(message));
  return found && isAnswered(found.get<Prompt>("prompt") as Prompt, answer) ? found : undefined;
}

/** A message has come into a chat: as an answer it spends a question, as a question it may have been answered already. */
function settle(chat: Chat, message: Message): void {
  const isQuestion = message.get("prompt") && message.get("chosen") === undefined;
  for (const given of isQuestion ? chat.messages.models : [message]) {
    const answer = given.get("sender") === "me" ? given.get<Answer>("answer") : undefined;
    if (answer) questionOf(chat, answer)?.save({ chosen: answer.option });
  }
}

function viewOf(shared: Shared, chat: Chat, message: Message, prompt: Prompt): PromptView {
  const answer = (option: string, attributes: Attributes) =>
    chat.sendMessage({ ...attributes, answer: { question: idOf(message), option }, answered: prompt });
  return {
    prompt,
    chosen: message.get("sender") === "me" ? "" : message.get<string>("chosen"),
    choose: async ({ id, title }: Option) => {
      // What is no business's is answered by the value itself (XEP-0439 section 2).
      await answer(id, { body: prompt.type === "quick-response" ? id : title });
    },
    share: async () => {
      const place = await askPlace();
      if (place) await answer("", { body: writeGeo(place), place });
    },
    introduce: async () => {
      const jid = shared.session.get<string>("bare_jid") ?? "";
      const name = shared.state.profile?.getDisplayName() ?? jid;
      await answer("", { body: name === jid ? jid : `${name}\n${jid}`, card: { name, jid } });
    },
  };
}

export function answerBusinesses(shared: Shared): void {
  const { api } = shared;
  const { html } = converse.env;
  customElements.define("raftline-prompt", PromptCard);

  api.listen.on("parseMessage", (stanza: Element, attrs: Attributes) => {
    if (!attrs.body || attrs.is_encrypted || attrs.is_error) return attrs;
    const prompt = readPrompt(stanza, String(attrs.body));
    const answer = readAnswer(stanza);
    return { ...attrs, ...(prompt && { prompt, editable: false }), ...(answer && { answer }) };
  });
  api.listen.on("createMessageStanza", (chat: Chat, data: Outgoing) => {
    const [answer, prompt] = [data.message.get<Answer>("answer"), data.message.get<Prompt>("answered")];
    if (!answer || !prompt || data.message.get("is_encrypted")) return data;
    for (const part of writeAnswer(answer, chat.get<string>("jid") ?? "", prompt)) data.stanza.cnode(part).root();
    const card = data.message.get<Card>("card");
    if (card) data.stanza.cnode(writeCard(card.name, card.jid)).root();
    return data;
  });
  api.listen.on("chatBoxInitialized", (chat: Chat) => {
    if (!isGroup(chat)) chat.messages.on("add", (message) => settle(chat, message));
  });
  showInstead((message) => {
    const prompt = message.get<Prompt>("prompt");
    const chat = message.collection?.chatbox;
    if (!prompt || !chat || message.isRetracted() || message.get("is_gone")) return null;
    return html`<raftline-prompt .view=${viewOf(shared, chat, message, prompt)}></raftline-prompt>`;
  });
}
