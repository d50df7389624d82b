"""
The archive of a room (XEP-0313 sections 3.3.2, 6.1.2).

Who may enter may read: members of a members-only room, everyone but outcasts in an open one; where a password is asked
for, those alone who are inside or on a list. Messages say whose they are to those who see real addresses, and they
alone may look for messages of somebody; everyone may look for those of a nickname.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raftline.base.errors import Refused
from raftline.machine.queries import Query
from raftline.machine.rooms.queries import RoomArchiveEnds, RoomArchivePage
from raftline.machine.rooms.ranks import Affiliation, Role
from raftline.machine.rooms.views import RoomView
from raftline.xmpp.archives import Filters
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.rooms.names import address, view_of

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza


@dataclass(frozen=True, slots=True)
class RoomArchive:
    """
    The archive of a room, as one user may read it. Implements archives.Archive.

    Attributes:
        sees_addresses: The user sees real addresses of occupants.
    """

    room: JID
    sees_addresses: bool

    @property
    def jid(self) -> str:
        """The room's address."""
        return str(self.room)

    def page(self, filters: Filters, *, backward: bool, limit: int) -> Query:
        """
        See `Archive`.

        Raises:
            Refused: `forbidden` for messages of an account, to who may not know addresses.
        """
        author = nick = None
        if filters.contact is not None:
            contact = parse_jid(filters.contact)
            if contact.bare == self.room:
                nick = contact.resource or None
            elif self.sees_addresses:
                author = str(contact.bare)
            else:
                raise Refused("forbidden", "auth", "You may not know who wrote what.")
        return RoomArchivePage(
            room=self.room.local,
            author=author,
            nick=nick,
            start_ms=filters.start_ms,
            end_ms=filters.end_ms,
            after=filters.after,
            before=filters.before,
            positions=filters.positions,
            backward=backward,
            limit=limit,
            shows_authors=self.sees_addresses,
        )

    def ends(self) -> Query:
        """See `Archive`."""
        return RoomArchiveEnds(self.room.local)


def archive_of(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return the room's archive, a `RoomArchive`, if the user may read it.

    Raises:
        Refused: `forbidden` if not, `service-unavailable` for a room that keeps none.
    """
    view: RoomView = yield from view_of(context, stanza)
    settings, standing = view.settings, view.affiliation
    if (
        standing == Affiliation.OUTCAST
        or (settings.members_only and standing == Affiliation.NONE)
        or (settings.password and standing == Affiliation.NONE and not view.is_inside)
    ):
        raise Refused("forbidden", "auth", "You may not read the archive of this room.")
    if not settings.archived:
        raise Refused("service-unavailable", "cancel", "This room keeps no archive.")
    sees = settings.non_anonymous or standing >= Affiliation.ADMIN or view.role == Role.MODERATOR
    return RoomArchive(address(stanza).bare, sees)
