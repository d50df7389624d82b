"""
IQ between occupants, through the room (XEP-0045 section 16.4, XEP-0410).

A request goes to the session that came last under a nickname, off the log, under the sender's address in the room. The
id carries which session asked (node/requests.py), for several may share a nickname and one alone waits for the answer.
What the room can answer itself it does: a ping to one's own nickname (XEP-0410 section 3.3), and the card behind a
nickname.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.ids import SessionId
from raftline.machine.queries import SessionRow
from raftline.machine.rooms.queries import BlockInRoom, OccupantVcardOf, SessionsUnder
from raftline.machine.rooms.views import RoomBlock, RoomView
from raftline.xmpp.avatars import VCARD_NAMESPACE
from raftline.xmpp.capabilities import INFO_NAMESPACE, ITEMS_NAMESPACE
from raftline.xmpp.effects import Ask, Route, ask
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import ROUTED, blocked_by_user, stored_element
from raftline.xmpp.rooms.names import PING_NAMESPACE, address, view_of
from raftline.xmpp.stanza import CLIENT_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

_CARRIED: Final = re.compile(r"([0-9]{1,19})\.(.*)", re.ASCII | re.DOTALL)


def handle_request(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Hand a request to an occupant.

    Raises:
        Refused: `not-acceptable` to who is not in the room (`bad-request` for service discovery, section 6.6),
            `item-not-found` for nobody of that name, `service-unavailable` when no session is there to answer, or
            who is there has blocked the sender, `not-acceptable` when the sender has blocked it.
    """
    payloads = list(stanza.element.elements())
    assert context.session_id is not None, "only bound streams send stanzas"
    view: RoomView = yield from view_of(context, stanza)
    payload = payloads[0]
    if not view.nick:
        if payload.namespace in {INFO_NAMESPACE, ITEMS_NAMESPACE}:
            raise Refused("bad-request", "modify", "You are not in the room.")
        raise Refused("not-acceptable", "cancel", "You are not in the room.")
    to = address(stanza)
    if payload.namespace == PING_NAMESPACE and to.resource == view.nick:
        return None
    sessions: list[SessionRow] = yield from ask(SessionsUnder(to.local, to.resource), list)
    if not sessions:
        raise Refused("item-not-found", "cancel", "Nobody of this name is in the room.")
    if payload.namespace == VCARD_NAMESPACE and stanza.type == "get":
        data: bytes | None = yield Ask(OccupantVcardOf(to.local, to.resource, context.session_id))
        return Element("vCard", VCARD_NAMESPACE) if data is None else stored_element(data)
    block = yield from ask(BlockInRoom(to.local, to.resource, context.session_id), RoomBlock)
    if block is RoomBlock.SENDER:
        raise blocked_by_user()
    if block is RoomBlock.RECIPIENT:
        raise Refused("service-unavailable", "cancel")
    sender = f"{to.bare}/{view.nick}"
    request = _forwarded(stanza, sender, f"{context.session_id}.{stanza.id}", str(to))
    if not (yield Route(sessions[-1].session_id, request)):
        raise Refused("service-unavailable", "cancel")
    return ROUTED


def handle_answer(context: StreamContext, stanza: Stanza) -> Steps:
    """Hand an answer to the session that asked; what nobody asked for is dropped."""
    to = address(stanza)
    carried = _CARRIED.fullmatch(stanza.id)
    if not to.resource or carried is None:
        return
    view: RoomView = yield from view_of(context, stanza)
    sessions: list[SessionRow] = yield from ask(SessionsUnder(to.local, to.resource), list)
    asked = SessionId(int(carried[1]))
    if view.nick and any(session.session_id == asked for session in sessions):
        yield Route(asked, _forwarded(stanza, f"{to.bare}/{view.nick}", carried[2], str(to)))


def _forwarded(stanza: Stanza, sender: str, stanza_id: str, to: str) -> bytes:
    attributes = {"from": sender, "to": to, "type": stanza.type, "id": stanza_id}
    return Element("iq", CLIENT_NAMESPACE, attributes, stanza.element.children).to_bytes()
