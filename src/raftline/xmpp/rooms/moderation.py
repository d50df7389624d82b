"""Retraction by a moderator, asked for (XEP-0425 section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.base.errors import Refused
from raftline.machine.rooms.commands import ModerateMessage
from raftline.machine.rooms.markup import MODERATE_NAMESPACE, RETRACT_NAMESPACE
from raftline.xmpp.payloads import own_position, propose_or_refuse
from raftline.xmpp.rooms.names import address, view_of

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza


def handle_moderate(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Retract a message.

    Raises:
        Refused: `bad-request` for anything but a retraction, `item-not-found` for an id that the room's archive does
            not have; from apply: `forbidden` to others than moderators.
    """
    yield from view_of(context, stanza)
    request = stanza.element.child("moderate", MODERATE_NAMESPACE)
    assert request is not None, "dispatch found the payload by this name"
    if request.child("retract", RETRACT_NAMESPACE) is None:
        raise Refused("bad-request", "modify", "Messages can be retracted, and nothing else.")
    stanza_id = request.get("id") or ""
    position = own_position(stanza_id, context.epochs)
    if position is None:
        raise Refused("item-not-found", "cancel", "There is no such message in the room's archive.")
    reason = request.child("reason", MODERATE_NAMESPACE)
    text = "" if reason is None else reason.text
    yield from propose_or_refuse(ModerateMessage(address(stanza).local, position, stanza_id, context.new_id(), text))
