"""Questions about groups that numbers are in; see machine/queries.py. None answers for what is not there."""

from __future__ import annotations

from raftline.machine.queries import Query


class GroupOf(Query, frozen=True, array_like=True, tag=220):
    """Answer: `GroupView | None`, a group that a number of the business is in, through the one that ranks highest."""

    business_id: int
    room: str


class GroupsOf(Query, frozen=True, array_like=True, tag=221):
    """Answer: `list[str]`, rooms of groups that a number is in, by its local part, sorted; GROUP_COUNT_MAX at most."""

    localpart: str


class GroupsNamed(Query, frozen=True, array_like=True, tag=224):
    """Answer: `list[GroupView]`, groups of these rooms that a number is in, in their order; others are passed over."""

    localpart: str
    rooms: tuple[str, ...]


class GroupLinkOf(Query, frozen=True, array_like=True, tag=222):
    """Answer: `GroupLinkView | None`, the link to a group that is shared, as long as it is good."""

    room: str


class GroupRequestsOf(Query, frozen=True, array_like=True, tag=223):
    """Answer: `list[GroupRequest]`, who asks to be let into a group, the longest first."""

    room: str
