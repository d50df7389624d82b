"""Who may let others in: by an invitation by link (machine/invites/rooms.py), or by saying yes to who asks."""

from __future__ import annotations

from typing import Final

from raftline.machine.context import Context
from raftline.machine.outcomes import Rejected
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.entering import NO_SUCH_ROOM, affiliation_of
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.tables import Room

DOORS_NAMESPACE: Final = "urn:raftline:rooms:0"
"""Of what rooms have beyond XEPs (docs/rooms.md)."""

_FORBIDDEN: Final = Rejected("forbidden", "auth", "You may not invite to this room.")


def may_invite(context: Context, room: Room, localpart: str) -> bool:
    """Whether an account may let others in: admins and owners; members where the room allows it."""
    affiliation = affiliation_of(context, room, context.bare_jid(localpart))
    if affiliation >= Affiliation.ADMIN:
        return True
    return affiliation == Affiliation.MEMBER and room_settings.decode(room.settings).invites_open


def find_inviting(context: Context, name: str, localpart: str) -> Room | Rejected:
    """Return the room of a name that an account may invite to; or why there is none."""
    room = context.rooms.get(name)
    if room is None or room.locked:
        return NO_SUCH_ROOM
    return room if may_invite(context, room, localpart) else _FORBIDDEN
