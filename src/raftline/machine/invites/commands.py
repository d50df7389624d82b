"""
Commands that concern invitations of people; they count from machine version 3 on. All but one need no session.

The one by which an account is opened, `RegisterByInvite`, stands beside `CreateAccount` in machine/commands.py.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from raftline.machine.tables import NATURAL


class Purpose(enum.IntFlag):
    """What an invitation is good for; whichever happens first uses it up."""

    REGISTER = 1
    """Open an account (XEP-0445)."""
    SUBSCRIBE = 2
    """Become the inviter's contact, and the inviter one's own (XEP-0379)."""
    JOIN = 4
    """Become a member of a room (invites/rooms.py)."""


class IssueInvite(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=130):
    """
    Keep an invitation under the digest of its token (XEP-0401 sections 5.1, 5.3).

    Outcome: `Done(InviteIssued)`. Refused with `conflict` for a name that is taken, or kept for another invitation,
    `resource-constraint` when too many of the inviter or the room are open, `not-acceptable` for a lifetime or a number
    of uses out of bounds, `forbidden` to who may not invite to the room.

    Attributes:
        inviter: Name of the account that invites; empty for an operator.
        username: The only name to open an account under; empty for any.
        purposes: Sum of `Purpose` flags.
        lifetime_ms: Cluster time for which it is good.
        room: Local part of the room that it makes members of; empty for none.
        uses: How many may use it; more than one for rooms alone.
    """

    digest: bytes
    inviter: str
    username: str
    purposes: Annotated[int, NATURAL]
    lifetime_ms: Annotated[int, NATURAL]
    room: str = ""
    uses: Annotated[int, NATURAL] = 1


class RevokeInvite(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=132):
    """An operator takes an open invitation back. Refused with `item-not-found`."""

    digest: bytes


class RevokeRoomInvite(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=165):
    """
    Take an open invitation to a room back, in a session: one's own, or anybody's as an admin of the room.

    Refused with `item-not-found`, to whom it does not belong as well.
    """

    room: str
    digest: bytes


InviteAction = IssueInvite | RevokeInvite | RevokeRoomInvite

INVITE_ACTIONS: tuple[type, ...] = (IssueInvite, RevokeInvite, RevokeRoomInvite)
