"""
What numbers ask people, and which messages are answers.

The last question of a number to a person is a row (PROMPT), since whoever sees nothing but text answers it by what they
type: the option's number in the list, its title or its id, as long as the question is the last thing that was said.
Clients that know questions say which option was chosen, and of which message (XEP-0461). That may be an older one, to
which people scroll back: its options are read from the message itself, as far as that is still there.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from raftline.base.ids import Position
from raftline.machine.business.commands import Prompt
from raftline.machine.business.reading import BUSINESS_NAMESPACE, Reading
from raftline.machine.business.tables import MessageStatus, Number, PromptKind, PromptRow
from raftline.machine.business.values import Choice, Option
from raftline.machine.context import Context
from raftline.machine.stored_xml import read_stored_xml

_ENCODER: Final = msgspec.msgpack.Encoder()
_OPTIONS: Final = msgspec.msgpack.Decoder(list[Option])
_INTERACTIVE: Final = f"{BUSINESS_NAMESPACE} interactive"
_OPTION_NAMES: Final = frozenset({f"{BUSINESS_NAMESPACE} button", f"{BUSINESS_NAMESPACE} row"})
_KINDS: Final = {"button": PromptKind.BUTTONS, "list": PromptKind.LIST, "template": PromptKind.QUICK_REPLIES}


class Answer(NamedTuple):
    """Which question was answered, and how."""

    question: Position
    choice: Choice


def ask(context: Context, number: Number, peer_id: int, prompt: Prompt | None) -> None:
    """Remember what a message asks; one that asks nothing leaves the last question behind."""
    prompts, key = context.business.prompts, (number.account_id, peer_id)
    if prompt is not None:
        options = _ENCODER.encode(list(prompt.options))
        prompts.put(key, PromptRow(*key, context.position, prompt.kind, 1, options))
        return
    last = prompts.get(key)
    if last is not None and last.is_open:
        prompts.put(key, last._replace(is_open=0))


def answer_to(context: Context, number: Number, peer_id: int, reading: Reading, refers_to: Position) -> Answer | None:
    """
    Return what a message answers; None if it is no answer.

    Args:
        peer_id: Of the person's address, or of the room's.
        refers_to: Message that it refers to; 0 for none that is known.
    """
    key = (number.account_id, peer_id)
    prompt = context.business.prompts.get(key)
    if reading.chosen:
        if refers_to and (prompt is None or refers_to != prompt.position):
            answer = _answer_to_older(context, number, peer_id, reading.chosen, refers_to)
            if answer is not None:
                return answer
        if prompt is None:
            return None
        options = _OPTIONS.decode(prompt.options)
        chosen = next((option for option in options if option.option_id == reading.chosen), None)
        return None if chosen is None else Answer(prompt.position, Choice(prompt.kind, chosen))
    if prompt is None or not prompt.is_open:
        return None
    typed = _typed(_OPTIONS.decode(prompt.options), reading.body)
    if typed is None:
        return None
    context.business.prompts.put(key, prompt._replace(is_open=0))
    return Answer(prompt.position, Choice(prompt.kind, typed))


def _answer_to_older(context: Context, number: Number, peer_id: int, chosen: str, question: Position) -> Answer | None:
    """Return the answer to a question that is not the last one, which has to be the number's own."""
    sql = (
        "SELECT status FROM business_message WHERE position = ? AND account_id = ? AND peer_id = ? ORDER BY message_id"
    )
    found = context.rows.select((context.business.messages,), sql, (question, number.account_id, peer_id))
    message = context.messages.get(question)
    if message is None or not found or found[0][0] == MessageStatus.RECEIVED:
        return None
    reader = _QuestionReader()
    if not read_stored_xml(message.stanza, reader) or reader.kind is None:
        return None
    option = next((option for option in reader.options if option.option_id == chosen), None)
    return None if option is None else Answer(question, Choice(int(reader.kind), option))


class _QuestionReader:
    """
    Reads what a message asks, from our own element (docs/business.md).

    Attributes:
        kind: None for what asks nothing.
    """

    def __init__(self) -> None:
        self.kind: PromptKind | None = None
        self.options: list[Option] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == _INTERACTIVE:
            self.kind = _KINDS.get(attributes.get("type", ""))
        elif name in _OPTION_NAMES and attributes.get("id"):
            self.options.append(
                Option(attributes["id"], attributes.get("title", ""), attributes.get("description", ""))
            )

    def end(self, name: str) -> None:
        """Nothing ends that is of interest."""

    def text(self, data: str) -> None:
        """Options have no text."""


def _typed(options: list[Option], body: str) -> Option | None:
    """Return the option that somebody who types means: by its number, its title or its id."""
    typed = body.strip().casefold()
    if typed.isascii() and typed.isdigit() and len(typed) <= 2 and 1 <= int(typed) <= len(options):
        return options[int(typed) - 1]
    return next(
        (option for option in options if typed and typed in {option.title.casefold(), option.option_id.casefold()}),
        None,
    )
