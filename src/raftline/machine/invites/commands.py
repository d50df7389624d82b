"""
Commands that concern invitations of people; they count from machine version 3 on, and need no session.

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


class IssueInvite(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=130):
    """
    Keep an invitation under the digest of its token (XEP-0401 sections 5.1, 5.3).

    Outcome: `Done(InviteIssued)`. Refused with `conflict` for a name that is taken, or kept for another invitation,
    `resource-constraint` when too many of the inviter are open, `not-acceptable` for a lifetime out of bounds.

    Attributes:
        inviter: Name of the account that invites; empty for an operator.
        username: The only name to open an account under; empty for any.
        purposes: Sum of `Purpose` flags.
        lifetime_ms: Cluster time for which it is good.
    """

    digest: bytes
    inviter: str
    username: str
    purposes: Annotated[int, NATURAL]
    lifetime_ms: Annotated[int, NATURAL]


class RevokeInvite(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=132):
    """An operator takes an open invitation back. Refused with `item-not-found`."""

    digest: bytes


InviteAction = IssueInvite | RevokeInvite

INVITE_ACTIONS: tuple[type, ...] = (IssueInvite, RevokeInvite)
