"""What questions about groups are answered with, and what events of them carry. They cross the door to the edges."""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

from raftline.base.ids import AccountId
from raftline.machine.business.tables import Number


class GroupPerson(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Somebody in a group."""

    localpart: str
    account_id: AccountId


class GroupView(NamedTuple):
    """
    A group as a number in it sees it.

    Attributes:
        number: Through which it is seen.
        affiliation: Of the number, as in rooms.ranks.Affiliation.
        join_requests: As in rooms.settings.RoomSettings.
        member_count: Members and above, the number not counted.
        members: The first of them, by address; GROUP_SHOWN_MEMBER_COUNT_MAX at most.
    """

    room: str
    number: Number
    affiliation: int
    subject: str
    description: str
    created_ms: int
    join_requests: bool
    member_count: int
    members: list[GroupPerson]


class GroupLinkView(NamedTuple):
    """A link that is good: for how many still, and until when in cluster time."""

    token: str
    uses: int
    expires_ms: int


class GroupRequest(NamedTuple):
    """Somebody who asks to be let in."""

    localpart: str
    account_id: AccountId
    asked_ms: int


class GroupNewsKind(enum.IntEnum):
    """What has become of a group."""

    CREATED = 1
    DELETED = 2
    CHANGED = 3
    JOINED = 4
    LEFT = 5
    REQUESTED = 6
    REQUEST_OVER = 7
    """It was taken back."""


class GroupNews(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    `BusinessEvent.detail` of kind GROUP.

    Attributes:
        kind: A `GroupNewsKind`.
        request_id: Of the request of a program by which it was done; empty when people did it.
        subject, description: As they are now, of CREATED and CHANGED; empty of CHANGED for what stayed.
        people: Who came, left, asks.
        join_requests: Of CREATED.
        picture: A picture was set, of CHANGED.
    """

    kind: int
    request_id: str = ""
    subject: str | None = None
    description: str | None = None
    people: tuple[GroupPerson, ...] = ()
    join_requests: bool = False
    picture: bool = False


GroupAnswer = GroupView | list[GroupView] | GroupLinkView | list[GroupRequest]
