"""
What a message asks, read from what a client sent, and its text for clients that do not know.

A message without a text is given one, so that nobody sees an empty line where others see a poll. What is asked stays as
it is: a correction (XEP-0308) of a poll would let people have chosen what they were never asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.limits import EVENT_TEXT_SIZE_MAX
from raftline.base.timestamps import format_timestamp
from raftline.machine.polls.terms import ANSWERS, PollTerms, QuestionKind
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import TRUE, append_child, parse_timestamp
from raftline.xmpp.polls.words import ALL, EVENT_WORDS, POLL_WORDS, Words
from raftline.xmpp.stanza import CLIENT_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.stanza import Stanza

FALLBACK_NAMESPACE: Final = "urn:xmpp:fallback:0"
CORRECTION_NAMESPACE: Final = "urn:xmpp:message-correct:0"

_BOOLEANS: Final = TRUE | {"false", "0"}


def read_question(stanza: Stanza) -> PollTerms:
    """
    Return what a message asks; its bounds are checked by apply.

    Raises:
        Refused: `bad-request` for two questions in one message and for what cannot be read, `not-acceptable` in a
            correction, `policy-violation` for an event whose description is too long.
    """
    message = stanza.element
    asked = [
        (words, child)
        for child in message.elements()
        for words in ALL
        if (child.name, child.namespace) == (words.noun, words.namespace)
    ]
    if len(asked) > 1:
        raise Refused("bad-request", "modify", "A message asks one thing.")
    [(words, child)] = asked
    if message.child("replace", CORRECTION_NAMESPACE) is not None:
        raise Refused("not-acceptable", "modify", "What was asked cannot be corrected: end it, and ask anew.")
    if words is EVENT_WORDS:
        return _read_event(child, stanza.id)
    return _read_poll(child, stanza.id)


def with_text(message: bytes, stanza: Stanza, terms: PollTerms) -> bytes:
    """Return a message, as it goes on, with a text if its sender wrote none."""
    if stanza.element.child("body", CLIENT_NAMESPACE) is not None:
        return message
    text = Element("body", CLIENT_NAMESPACE, None, [_text_of(stanza.element, terms)])
    mark = Element("fallback", FALLBACK_NAMESPACE, {"for": terms.namespace})
    return append_child(message, text.to_bytes() + mark.to_bytes())


def _read_poll(poll: Element, message_id: str) -> PollTerms:
    options = tuple(child.text for child in poll.elements() if _is(child, POLL_WORDS, "option"))
    most = poll.get("max-choices") or "1"
    if not (most.isascii() and most.isdigit() and len(most) <= len("12")):
        raise _unreadable(POLL_WORDS, "max-choices is a number.")
    return PollTerms(
        QuestionKind.POLL,
        _text_child(poll, POLL_WORDS, "question"),
        options,
        int(most),
        _flag(poll, POLL_WORDS, "anonymous"),
        _time(poll, POLL_WORDS, "closes"),
        message_id,
    )


def _read_event(event: Element, message_id: str) -> PollTerms:
    begins_ms, ends_ms = _time(event, EVENT_WORDS, "start"), _time(event, EVENT_WORDS, "end")
    if not begins_ms:
        raise _unreadable(EVENT_WORDS, "An event has a start.")
    if ends_ms and ends_ms < begins_ms:
        raise _unreadable(EVENT_WORDS, "An event ends after its start.")
    for name in ("place", "description"):
        if len(_text_child(event, EVENT_WORDS, name).encode()) > EVENT_TEXT_SIZE_MAX:
            text = f"Place and description have at most {EVENT_TEXT_SIZE_MAX} bytes each."
            raise Refused("policy-violation", "modify", text, f"{{{EVENT_WORDS.namespace}}}too-long")
    return PollTerms(
        QuestionKind.EVENT,
        _text_child(event, EVENT_WORDS, "title"),
        ANSWERS,
        is_anonymous=_flag(event, EVENT_WORDS, "anonymous"),
        closes_ms=ends_ms or begins_ms,
        message_id=message_id,
    )


def _text_of(message: Element, terms: PollTerms) -> str:
    """Write what is asked as plain text."""
    if terms.kind is QuestionKind.POLL:
        lines = [f"Poll: {terms.title}"]
        return "\n".join(lines + [f"{number}. {option}" for number, option in enumerate(terms.options, 1)])
    event = message.child("event", EVENT_WORDS.namespace)
    assert event is not None, "it was read from there"
    times = [format_timestamp(found) for name in ("start", "end") if (found := _time(event, EVENT_WORDS, name))]
    told = [_text_child(event, EVENT_WORDS, name) for name in ("place", "description")]
    return "\n".join([f"Event: {terms.title}", " - ".join(times), *filter(None, told)])


def _is(child: Element, words: Words, name: str) -> bool:
    return (child.name, child.namespace) == (name, words.namespace)


def _text_child(parent: Element, words: Words, name: str) -> str:
    found = [child for child in parent.elements() if _is(child, words, name)]
    if len(found) > 1:
        raise _unreadable(words, f"There is more than one {name}.")
    return found[0].text if found else ""


def _flag(element: Element, words: Words, name: str) -> bool:
    value = element.get(name) or "false"
    if value not in _BOOLEANS:
        raise _unreadable(words, f"{name} is true or false.")
    return value in TRUE


def _time(element: Element, words: Words, name: str) -> int:
    """Return a time in milliseconds since 1970; 0 where there is none."""
    value = element.get(name)
    if value is None:
        return 0
    try:
        return max(parse_timestamp(value), 1)
    except ValueError as error:
        raise _unreadable(words, f"{name} is a time as XEP-0082 writes it.") from error


def _unreadable(words: Words, text: str) -> Refused:
    return Refused("bad-request", "modify", text, f"{{{words.namespace}}}unreadable")
