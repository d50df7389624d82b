"""
What a message says, apart from whom it goes to: a draft, which becomes a stanza to a person or to a room.

The body comes first and in one canonical form, so that whoever counts conversations need not parse it
(machine/conversations/payloads.py). A business is a contact with a verified name, which its messages carry (XEP-0172).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.cloud_limits import CLOUD_STANZA_BYTES_MAX, QUOTE_LENGTH_MAX
from raftline.machine.business.commands import Prompt
from raftline.machine.message_commands import MessageKind
from raftline.web.cloud.bodies import has_forbidden
from raftline.web.cloud.errors import GraphError, missing, wrong
from raftline.xmpp.element import escape_attribute, escape_text
from raftline.xmpp.messages import ALERTING, CONTENT, QUIET, storage_of

HINTS_NAMESPACE: Final = "urn:xmpp:hints"
NEWS: Final = CONTENT | ALERTING
"""Traits of what says something new."""
COMMENT: Final = CONTENT | QUIET
"""Traits of what says something of another message."""


class Draft(NamedTuple):
    """
    What a message says.

    Attributes:
        body: Text for whoever sees nothing else; empty for none.
        payload: Further children as XML, for a place where `jabber:client` is the default namespace.
        traits: As xmpp.messages tells them; by these the server decides what is kept.
        prompt: What it lets people choose from.
        may_quote: Whether an answer repeats in its text what it answers; an address of a file has to stand alone.
        is_message: It is one of its own, whose way is told by statuses, and not a remark on another.
    """

    body: str
    payload: str = ""
    traits: int = NEWS
    prompt: Prompt | None = None
    may_quote: bool = True
    is_message: bool = True


class Answered(NamedTuple):
    """
    The message that a draft answers (XEP-0461).

    Attributes:
        message_id: As its own conversation knows it: in a room the id that the room gave.
        author: Address of whoever wrote it.
        text: What it said; empty for what is no text.
    """

    message_id: str
    author: str
    text: str


class Sealed(NamedTuple):
    """A stanza, and where it is kept, as `SendMessage.storage`."""

    stanza: bytes
    storage: int


def seal(
    draft: Draft,
    kind: MessageKind,
    sender: str,
    to: str,
    message_id: str,
    *,
    name: str,
    answered: Answered | None = None,
) -> Sealed:
    """
    Write a draft as the stanza that a client of the number would send.

    Args:
        kind: CHAT or GROUPCHAT.
        sender, to: Addresses, prepared; empty to a room, which writes its own.
        message_id: Of the stanza; 32 hexadecimal digits.
        name: The number's verified name.

    Raises:
        GraphError: It has characters that no message may have (XML 1.0 section 2.2), or is too long.
    """
    body, payload = draft.body, draft.payload
    if answered is not None:
        quote = _quote(answered.text) if draft.may_quote and body else ""
        body = quote + body
        payload += _reply(answered, len(quote))
    text = f"<body>{escape_text(body)}</body>" if body else ""
    asking = ""
    if draft.is_message:
        asking = "<request xmlns='urn:xmpp:receipts'/>" if kind is MessageKind.CHAT else ""
        asking += (
            "<markable xmlns='urn:xmpp:chat-markers:0'/>"
            f"<nick xmlns='http://jabber.org/protocol/nick'>{escape_text(name)}</nick>"
        )
    addresses = f" from='{escape_attribute(sender)}' to='{escape_attribute(to)}'" if sender else ""
    head = f"<message{addresses} type='{kind.name.lower()}' id='{message_id}'>"
    stanza = f"{head}{text}{payload}<origin-id xmlns='urn:xmpp:sid:0' id='{message_id}'/>{asking}</message>"
    if has_forbidden(stanza):
        raise wrong("text", "has characters that no message may have")
    written = stanza.encode()
    if len(written) > CLOUD_STANZA_BYTES_MAX:
        raise wrong("message", f"makes a message of more than {CLOUD_STANZA_BYTES_MAX} bytes")
    # Where a message to a room is kept, the room knows; a draft goes the way of a chat message.
    return Sealed(written, storage_of(MessageKind.CHAT, draft.traits) or 0)


def element(name: str, namespace: str, content: str = "", /, **attributes: str) -> str:
    """Write an element; `content` is XML. An empty attribute is left out; `_` at the end of a name is as well."""
    written = "".join(f" {key.rstrip('_')}='{escape_attribute(value)}'" for key, value in attributes.items() if value)
    spaced = f" xmlns='{namespace}'" if namespace else ""
    return f"<{name}{spaced}{written}>{content}</{name}>" if content else f"<{name}{spaced}{written}/>"


def leaf(name: str, text: str | None) -> str:
    """Write an element of its parent's namespace that holds a text; nothing for no text."""
    return f"<{name}>{escape_text(text)}</{name}>" if text else ""


def fallback(namespace: str, start: int = -1, end: int = -1) -> str:
    """Mark a part of the body, in characters, or all of it, as there for who does not know `namespace` (XEP-0428)."""
    place = "<body/>" if end < 0 else f"<body start='{start}' end='{end}'/>"
    return f"<fallback xmlns='urn:xmpp:fallback:0' for='{namespace}'>{place}</fallback>"


def required(value: str | None, name: str, length_max: int) -> str:
    """
    Return a text that must be there.

    Raises:
        GraphError: 131008 when it is not, 131009 when it is too long.
    """
    if value is None or not value.strip():
        raise missing(name)
    return bounded(value, name, length_max)


def bounded(value: str | None, name: str, length_max: int) -> str:
    """
    Return a text that may be left out, empty then.

    Raises:
        GraphError: 131009, it is too long.
    """
    if value is None:
        return ""
    if len(value) > length_max:
        raise too_long(name, length_max)
    return value


def too_long(name: str, length_max: int) -> GraphError:
    """Return the refusal for a text that is too long."""
    return wrong(name, f"has more than {length_max} characters")


def _quote(text: str) -> str:
    """Repeat the beginning of a text as a quotation (XEP-0393), without what it quotes itself."""
    lines = [line for line in text[: 4 * QUOTE_LENGTH_MAX].splitlines() if line.strip() and not line.startswith(">")]
    shown = "\n".join(f"> {line}" for line in "\n".join(lines)[:QUOTE_LENGTH_MAX].splitlines())
    return f"{shown}\n" if shown else ""


def _reply(answered: Answered, quote_length: int) -> str:
    marked = element("reply", "urn:xmpp:reply:0", to=answered.author, id=answered.message_id)
    return marked + fallback("urn:xmpp:reply:0", 0, quote_length) if quote_length else marked
