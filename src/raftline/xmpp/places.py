"""
Where a request about something that people share is meant: a room, or a chat of two (machine/conversations).

What concerns a room is asked of the room. What concerns a chat is asked of the user's own account, and names the
contact; what has a place of its own in the log, such as a message, is named by its id in the archive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.base.errors import Refused
from raftline.base.ids import Position
from raftline.machine.context import ROOMS_LABEL
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.payloads import own_position, require_own

if TYPE_CHECKING:
    from raftline.xmpp.element import Element
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza


def room_of(context: StreamContext, stanza: Stanza) -> str:
    """
    Return the local part of the room that a request is to; empty for the user's own account.

    Raises:
        Refused: `forbidden` for another account.
    """
    if stanza.to is not None and stanza.to.domain == f"{ROOMS_LABEL}.{context.domain}":
        return stanza.to.local
    require_own(context, stanza)
    return ""


def partner_of(context: StreamContext, request: Element) -> str:
    """
    Return the bare JID of the contact whose chat is meant, as the attribute `with` says.

    Raises:
        Refused: `jid-malformed` for no address, `item-not-found` for one of another service.
    """
    try:
        partner = parse_jid(request.get("with") or "").bare
    except ValueError as error:
        raise Refused("jid-malformed", "modify", "Which conversation? This is no address.") from error
    if partner.domain != context.domain or not partner.local:
        raise Refused("item-not-found", "cancel", "There is nobody there to share anything with.")
    return str(partner)


def position_of(context: StreamContext, stanza_id: str) -> Position:
    """
    Return the place in the log that an id of an archive stands for.

    Raises:
        Refused: `item-not-found` for an id that this cluster did not write.
    """
    position = own_position(stanza_id, context.epochs)
    if not position:
        raise Refused("item-not-found", "cancel", "There is nothing of this id.")
    return position
