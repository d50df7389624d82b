"""From the body of a request to a draft, by the type of the message, and to what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, cast

from raftline.base.ids import format_stanza_id
from raftline.machine.business.ids import parse_wamid
from raftline.machine.business.queries import MessageOf
from raftline.machine.business.values import KnownMessage
from raftline.web.cloud.access import ask_freshly
from raftline.web.cloud.call import Call
from raftline.web.cloud.errors import Code, GraphError, missing, wrong
from raftline.web.cloud.sending.drafts import Answered, Draft
from raftline.web.cloud.sending.files import draft_file
from raftline.web.cloud.sending.interactive import draft_interactive
from raftline.web.cloud.sending.plain import draft_contacts, draft_location, draft_reaction, draft_text
from raftline.web.cloud.sending.requests import File, MessageRequest
from raftline.web.cloud.sending.templates import draft_template
from raftline.xmpp.stanza import Stanza, parse_stanza

TEXT: Final = "text"
_POSITION_MAX: Final = (1 << 63) - 1


async def compose(call: Call, request: MessageRequest, peer: str) -> Draft:
    """
    Write what a request says.

    Args:
        peer: Bare JID of the person or the room that it is for.

    Raises:
        GraphError: 131051 for a type that is not known, and what is told by the functions for each type.
    """
    kind = request.type or TEXT
    write = _WRITERS.get(kind)
    if write is None:
        raise GraphError(Code.UNSUPPORTED_TYPE, f"Messages of type {kind[:50]!r} cannot be sent here.")
    return await write(call, request, peer)


async def answered_by(call: Call, request: MessageRequest, peer: str) -> Answered | None:
    """
    Return which message of a conversation a request answers; None for none.

    Programs answer the author of what was said in a group, naming it; a person has no such message in their chat.

    Raises:
        GraphError: 131009, there is no such message.
    """
    if request.context is None:
        return None
    where = "context.message_id"
    known = await find_message(call, request.context.message_id, where)
    if known.peer != peer:
        if is_of_group(call, known) and peer.endswith(f"@{call.node.domain}"):
            return None  # a word in private about what was said in a group
        raise wrong(where, "names a message of another conversation")
    stanza = parse_stanza(known.stanza)
    body = next((child.text for child in stanza.element.elements() if child.name == "body"), "")
    return Answered(reference_to(call, known, stanza), _author_of(call, known, stanza), body)


async def find_message(call: Call, text: str, where: str) -> KnownMessage:
    """
    Return the message that an id (wamid) names, of this number's conversations.

    Raises:
        GraphError: 131009, there is none.
    """
    parsed = parse_wamid(text)
    known = None
    if parsed is not None and parsed[1] <= _POSITION_MAX and parsed[0] == call.node.epochs.of(parsed[1]):
        question = MessageOf(call.number.number.localpart, parsed[1])
        known = cast("KnownMessage | None", await ask_freshly(call.node, question))
    if known is None:
        raise wrong(where, "names no message of this number's conversations")
    return known


def is_of_group(call: Call, known: KnownMessage) -> bool:
    """Whether a message was said in a room."""
    return not known.peer.endswith(f"@{call.node.domain}")


def reference_to(call: Call, known: KnownMessage, stanza: Stanza) -> str:
    """Return the id by which others refer to a message: its author's, in a room the one that the room gave."""
    own = "" if is_of_group(call, known) else stanza.id
    return own or format_stanza_id(call.node.epochs, known.position)


def _author_of(call: Call, known: KnownMessage, stanza: Stanza) -> str:
    if is_of_group(call, known):
        return stanza.element.get("from") or known.peer
    return f"{call.number.number.localpart}@{call.node.domain}" if known.is_own else known.peer


async def _text(_call: Call, request: MessageRequest, _peer: str) -> Draft:
    if request.text is None:
        raise missing("text")
    return draft_text(request.text)


def _file(kind: str) -> Writer:
    async def write(call: Call, request: MessageRequest, _peer: str) -> Draft:
        file: File | None = getattr(request, kind)
        if file is None:
            raise missing(kind)
        return await draft_file(call, kind, file)

    return write


async def _location(_call: Call, request: MessageRequest, _peer: str) -> Draft:
    if request.location is None:
        raise missing("location")
    return draft_location(request.location)


async def _contacts(call: Call, request: MessageRequest, _peer: str) -> Draft:
    if request.contacts is None:
        raise missing("contacts")
    return draft_contacts(request.contacts, call.node.domain)


async def _reaction(call: Call, request: MessageRequest, peer: str) -> Draft:
    if request.reaction is None:
        raise missing("reaction")
    where = "reaction.message_id"
    known = await find_message(call, request.reaction.message_id, where)
    if known.peer != peer:
        raise wrong(where, "names a message of another conversation")
    return draft_reaction(request.reaction, reference_to(call, known, parse_stanza(known.stanza)))


async def _interactive(call: Call, request: MessageRequest, _peer: str) -> Draft:
    if request.interactive is None:
        raise missing("interactive")
    return await draft_interactive(call, request.interactive)


async def _template(call: Call, request: MessageRequest, _peer: str) -> Draft:
    if request.template is None:
        raise missing("template")
    return await draft_template(call, request.template)


Writer = Callable[[Call, MessageRequest, str], Awaitable[Draft]]

_WRITERS: Final[dict[str, Writer]] = {
    TEXT: _text,
    **{kind: _file(kind) for kind in ("image", "video", "audio", "document", "sticker")},
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "interactive": _interactive,
    "template": _template,
}
