"""
What the owner of a room can set (XEP-0045 section 10.2): one value, kept in the room's row.

Fields are added at the end with a default, so that older rows can still be read.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import Annotated, Final

import msgspec

from raftline.base.limits import (
    EPHEMERAL_TIMER_S_MAX,
    ROOM_HISTORY_COUNT_MAX,
    ROOM_OCCUPANT_COUNT_MAX,
    ROOM_PASSWORD_SIZE_MAX,
    ROOM_TITLE_SIZE_MAX,
    SLOW_MODE_S_MAX,
)
from raftline.machine.rooms.ranks import Role


class PrivateMessages(enum.IntEnum):
    """Who may write to a single occupant through the room (section 7.5)."""

    ANYONE = 0
    PARTICIPANTS = 1
    MODERATORS = 2
    NOBODY = 3


ALL_ROLES: Final = 1 << Role.VISITOR | 1 << Role.PARTICIPANT | 1 << Role.MODERATOR
"""A set of roles is a sum of powers of two."""

_Title = Annotated[str, msgspec.Meta(max_length=ROOM_TITLE_SIZE_MAX)]
_Roles = Annotated[int, msgspec.Meta(ge=0, le=ALL_ROLES)]


class RoomSettings(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """
    Settings of one room.

    Attributes:
        persistent: It stays when its last occupant has left.
        public: Anyone finds it in service discovery.
        password: Asked for on entering; empty for none.
        non_anonymous: Everyone sees everyone's real address; else moderators alone do.
        subject_open: Participants may set the subject; else moderators alone.
        invites_open: Everyone in a members-only room may invite, and so make members; else admins alone.
        archived: Messages are kept in the room's archive; without it there is no history either.
        broadcast_roles: Roles whose presence everyone is shown. Presence of others is shown to themselves alone, which
            bounds what a join costs in a crowd.
        list_roles: Roles that may read the lists of members, admins and owners.
        history_count: Messages that who enters is shown at most.
        voice_requests: Visitors may ask for voice.
        join_requests: Who is no member of a members-only room may ask to be one.
        slow_mode_s: Seconds between two messages of one account (XEP-0500); 0 for none.
        announcements: Admins and owners alone have voice, members have not.
        announcement_reactions: Who has no voice in such a room may react, and say how far they have read.
        message_timer_s: Seconds after which what is said is gone at the latest (XEP-0466); 0 for never.
    """

    title: _Title = ""
    description: _Title = ""
    language: Annotated[str, msgspec.Meta(max_length=64)] = ""
    persistent: bool = False
    public: bool = True
    members_only: bool = False
    moderated: bool = False
    password: Annotated[str, msgspec.Meta(max_length=ROOM_PASSWORD_SIZE_MAX)] = ""
    non_anonymous: bool = False
    occupant_count_max: Annotated[int, msgspec.Meta(ge=1, le=ROOM_OCCUPANT_COUNT_MAX)] = ROOM_OCCUPANT_COUNT_MAX
    subject_open: bool = True
    invites_open: bool = True
    private_messages: PrivateMessages = PrivateMessages.ANYONE
    archived: bool = True
    broadcast_roles: _Roles = ALL_ROLES
    list_roles: _Roles = ALL_ROLES
    history_count: Annotated[int, msgspec.Meta(ge=0, le=ROOM_HISTORY_COUNT_MAX)] = 20
    voice_requests: bool = True
    message_timer_s: Annotated[int, msgspec.Meta(ge=0, le=EPHEMERAL_TIMER_S_MAX)] = 0
    join_requests: bool = False
    slow_mode_s: Annotated[int, msgspec.Meta(ge=0, le=SLOW_MODE_S_MAX)] = 0
    announcements: bool = False
    announcement_reactions: bool = True

    def is_broadcast(self, role: int) -> bool:
        """Whether presence of this role is shown to everyone."""
        return bool(self.broadcast_roles >> role & 1)

    @property
    def gives_voice(self) -> bool:
        """Whether voice is given to people rather than had by everyone: any client knows a moderated room."""
        return self.moderated or self.announcements

    @property
    def is_private_group(self) -> bool:
        """Whether it is hidden, for members alone, and everyone sees addresses (XEP-0463 section 1)."""
        return self.members_only and self.non_anonymous and not self.public


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(RoomSettings)


def encode(settings: RoomSettings) -> bytes:
    """Return settings as they stand in the room's row."""
    return _ENCODER.encode(settings)


@lru_cache(maxsize=4096)
def decode(data: bytes) -> RoomSettings:
    """Read settings back."""
    return _DECODER.decode(data)
