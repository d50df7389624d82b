"""Which function carries out a command about invitations, takes what comes through the outbox, and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from raftline.machine.commands import RegisterByInvite
from raftline.machine.invites import issuing, joining, rooms
from raftline.machine.invites.commands import IssueInvite, RevokeInvite, RevokeRoomInvite
from raftline.machine.invites.handovers import NewcomerBrought, NewcomerCame, NewcomerWelcomed
from raftline.machine.invites.queries import InviteOf, ListInvites, RoomInvites

if TYPE_CHECKING:
    from raftline.machine.context import Context
    from raftline.machine.outcomes import Outcome
    from raftline.machine.records import Session

INVITE_HANDLERS: Final[Mapping[type, Callable[[Context, Any], Outcome]]] = MappingProxyType(
    {
        IssueInvite: issuing.issue_invite,
        RevokeInvite: issuing.revoke_invite,
        RegisterByInvite: joining.register_by_invite,
    }
)

INVITE_SESSION_HANDLERS: Final[Mapping[type, Callable[[Context, Session, Any], Outcome]]] = MappingProxyType(
    {
        RevokeRoomInvite: rooms.revoke,
    }
)

INVITE_RECEIVERS: Final[Mapping[type, Callable[[Context, Any], None]]] = MappingProxyType(
    {
        NewcomerCame: joining.welcome_newcomer,
        NewcomerWelcomed: joining.greet_inviter,
        NewcomerBrought: rooms.admit_newcomer,
    }
)

INVITE_ANSWERS: Final[Mapping[type, Callable[[Context, Any], Any]]] = MappingProxyType(
    {
        InviteOf: issuing.invite_of,
        ListInvites: issuing.list_invites,
        RoomInvites: rooms.list_room_invites,
    }
)
