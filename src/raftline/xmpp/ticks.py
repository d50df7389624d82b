"""
Ticks: sent, received, read, of messages that a client names; an extension of our own (docs/conversations.md).

A device that was away finds out at once what receipts (XEP-0184) and markers (XEP-0333) have come to meanwhile,
instead of reading all of them. What counts is told in machine/conversations/ticks.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.ids import Position, format_stanza_id
from raftline.base.limits import READER_COUNT_MAX, TICKS_MESSAGE_COUNT_MAX
from raftline.machine.context import ROOMS_LABEL
from raftline.machine.conversations.queries import RoomTicks, TicksWith
from raftline.machine.conversations.values import Reader, RoomTick, RoomTickSlice, Tick
from raftline.xmpp.effects import Ask, ask
from raftline.xmpp.element import Element
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.payloads import TRUE, own_position, require_own

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

TICKS_NAMESPACE: Final = "urn:raftline:ticks:0"

_NOT_THERE: Final = "There is no such message of yours."


def handle_ticks(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return how far messages of one conversation have come.

    Raises:
        Refused: `forbidden` for another account's, or a room that the user may not read; `jid-malformed` without an
            address; `bad-request` without messages; `policy-violation` for too many; `item-not-found` for a message
            that the user did not send to the contact, or that is not in the room's archive.
    """
    require_own(context, stanza)
    query = stanza.element.child("ticks", TICKS_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    try:
        other = parse_jid(query.get("with") or "").bare
    except ValueError as error:
        raise Refused("jid-malformed", "modify", "Which conversation? This is no address.") from error
    named = [child.get("id") or "" for child in query.elements() if child.name == "message"]
    if not named:
        raise Refused("bad-request", "modify", "Which messages?")
    if len(named) > TICKS_MESSAGE_COUNT_MAX:
        raise Refused("policy-violation", "modify", f"A question names at most {TICKS_MESSAGE_COUNT_MAX} messages.")
    positions = tuple(_position_of(context, stanza_id) for stanza_id in named)
    answer = Element("ticks", TICKS_NAMESPACE, {"with": str(other)})
    if other.domain == f"{ROOMS_LABEL}.{context.domain}":
        names_readers = query.get("readers") in TRUE
        yield from _answer_of_room(context, other, positions, answer, names_readers=names_readers)
    else:
        yield from _answer_of_contact(context, other, positions, answer)
    return answer


def _position_of(context: StreamContext, stanza_id: str) -> Position:
    position = own_position(stanza_id, context.epochs)
    if position is None:
        raise Refused("item-not-found", "cancel", _NOT_THERE)
    return position


def _answer_of_contact(context: StreamContext, other: JID, positions: tuple[Position, ...], answer: Element) -> Steps:
    ticks: list[Tick | None] = yield Ask(TicksWith(context.jid.local, str(other), positions))
    for position, tick in zip(positions, ticks, strict=True):
        if tick is None:
            raise Refused("item-not-found", "cancel", _NOT_THERE)
        counts = {"received": str(int(tick.is_received)), "read": str(int(tick.is_read)), "of": "1"}
        answer.children.append(_message(context, position, counts))


def _answer_of_room(
    context: StreamContext, other: JID, positions: tuple[Position, ...], answer: Element, *, names_readers: bool
) -> Steps:
    sums = [RoomTick(0, 0)] * len(positions)
    readers: list[Reader] = []
    after: str | None = ""
    while after is not None:
        question = RoomTicks(context.jid.local, other.local, positions, after)
        part: RoomTickSlice | None = yield from ask(question, RoomTickSlice)
        if part is None:
            raise Refused("forbidden", "auth", "You may not read this room.")
        for index, tick in enumerate(part.ticks):
            if tick is None:
                raise Refused("item-not-found", "cancel", "There is no such message in the room.")
            sums[index] = RoomTick(sums[index].read + tick.read, sums[index].people + tick.people)
        readers += part.readers
        after = part.next
    for position, total in zip(positions, sums, strict=True):
        answer.children.append(_message(context, position, {"read": str(total.read), "of": str(total.people)}))
    if names_readers:
        answer.children += [_reader(context, reader) for reader in readers if reader.position >= min(positions)][
            :READER_COUNT_MAX
        ]


def _message(context: StreamContext, position: Position, counts: dict[str, str]) -> Element:
    return Element("message", TICKS_NAMESPACE, {"id": format_stanza_id(context.epochs, position), **counts})


def _reader(context: StreamContext, reader: Reader) -> Element:
    attributes = {"occupant-id": reader.occupant_id, "up-to": format_stanza_id(context.epochs, reader.position)}
    if reader.jid:
        attributes["jid"] = reader.jid
    return Element("reader", TICKS_NAMESPACE, attributes)
