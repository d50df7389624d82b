"""Names that the files of this folder share, and the first look at a room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.context import ROOMS_LABEL
from raftline.machine.rooms.queries import RoomOf
from raftline.machine.rooms.ranks import Affiliation, Role
from raftline.machine.rooms.views import RoomView
from raftline.xmpp.effects import Ask

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.jid import JID
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

LABEL: Final = ROOMS_LABEL

USER_NAMESPACE: Final = "http://jabber.org/protocol/muc#user"
ADMIN_NAMESPACE: Final = "http://jabber.org/protocol/muc#admin"
OWNER_NAMESPACE: Final = "http://jabber.org/protocol/muc#owner"
REQUEST_FORM: Final = "http://jabber.org/protocol/muc#request"
REGISTER_FORM: Final = "http://jabber.org/protocol/muc#register"
REQUESTER_FIELD: Final = "{urn:raftline:rooms}jid"
"""Whose request it is, in the form that an admin answers; XEP-0045 has no field for it (XEP-0068 section 3.4)."""

VERSIONS_NAMESPACE: Final = "urn:xmpp:muc:affiliations:1"
"""Of versions of lists (XEP-0463)."""

PING_NAMESPACE: Final = "urn:xmpp:ping"

AFFILIATIONS: Final = {
    "outcast": Affiliation.OUTCAST,
    "none": Affiliation.NONE,
    "member": Affiliation.MEMBER,
    "admin": Affiliation.ADMIN,
    "owner": Affiliation.OWNER,
}
AFFILIATION_NAMES: Final = {int(value): name for name, value in AFFILIATIONS.items()}

ROLES: Final = {
    "none": Role.NONE,
    "visitor": Role.VISITOR,
    "participant": Role.PARTICIPANT,
    "moderator": Role.MODERATOR,
}
ROLE_NAMES: Final = {int(value): name for name, value in ROLES.items()}


def address(stanza: Stanza) -> JID:
    """Return the address at the host of rooms that a stanza was sent to."""
    assert stanza.to is not None, "dispatch found the host by it"
    return stanza.to


def view_of(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return the room that a stanza is for as the session sees it, a `RoomView`.

    Raises:
        Refused: `item-not-found` when there is none; it looks the same when it is locked to the user.
    """
    assert context.session_id is not None, "only bound streams send stanzas"
    view: RoomView | None = yield Ask(RoomOf(address(stanza).local, context.session_id))
    if view is None or (view.is_locked and view.affiliation != Affiliation.OWNER):
        raise Refused("item-not-found", "cancel", "There is no such room.")
    return view


def require_inside(view: RoomView) -> None:
    """
    Return when the session is in the room.

    Raises:
        Refused: `not-acceptable` when it is not.
    """
    if not view.nick:
        raise Refused("not-acceptable", "modify", "You are not in the room.")
