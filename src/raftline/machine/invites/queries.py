"""Questions about invitations of people; see machine/queries.py."""

from __future__ import annotations

from raftline.machine.queries import Query


class InviteOf(Query, frozen=True, array_like=True, tag=120):
    """Which open invitation has a token of this digest? Answer: `InviteView | None`. Pass a barrier first."""

    digest: bytes


class ListInvites(Query, frozen=True, array_like=True, tag=121):
    """Answer: `list[InviteView]`, open invitations by when they expire, at most `limit`."""

    limit: int = 100


class RoomInvites(Query, frozen=True, array_like=True, tag=155):
    """Answer: `list[InviteView]`, open invitations to a room by when they expire; of one inviter, unless it is None."""

    room: str
    inviter: str | None = None
