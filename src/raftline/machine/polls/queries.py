"""Questions to the replica about polls and events."""

from __future__ import annotations

from raftline.base.ids import Position, SessionId
from raftline.machine.queries import Query


class PollsOf(Query, frozen=True, array_like=True, tag=160):
    """
    Questions that were asked in a conversation, as a session may know them.

    Answer: `TallyPage | Rejected`, refused as `Choose` is.

    Attributes:
        kind: As in terms.QuestionKind.
        room: Local part of a room's address; empty for a chat.
        partner: Local part of the contact's; empty in a room, and where `position` says which chat it is.
        position: This one alone; 0 for a page of all.
        after, before: Bounds of the page.
        backward: The last ones within the bounds, rather than the first.
        names_voters: With `position`: say who chose what, unless that is not told.
    """

    session_id: SessionId
    kind: int
    room: str = ""
    partner: str = ""
    position: Position = Position(0)
    after: Position | None = None
    before: Position | None = None
    backward: bool = True
    limit: int = 50
    names_voters: bool = False
