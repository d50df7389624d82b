"""Questions about rooms; see machine/queries.py. A room is named by the local part of its address."""

from __future__ import annotations

from raftline.base.ids import Position, SessionId
from raftline.machine.queries import Query


class RoomOf(Query, frozen=True, array_like=True, tag=100):
    """Answer: `RoomView | None`, as a session sees the room."""

    room: str
    session_id: SessionId


class PublicRooms(Query, frozen=True, array_like=True, tag=101):
    """Answer: `RoomNames`, rooms that anyone may find, at most `limit`, after or before a name."""

    after: str = ""
    before: str | None = None
    backward: bool = False
    limit: int = 100


class PeopleIn(Query, frozen=True, array_like=True, tag=102):
    """Answer: `list[OccupantView]`, one for each nickname in a room; none when there is no such room."""

    room: str


class AffiliatedTo(Query, frozen=True, array_like=True, tag=103):
    """Answer: `list[AffiliationView]`, one list of a room, sorted by address."""

    room: str
    affiliation: int


class JoinRequestsFor(Query, frozen=True, array_like=True, tag=156):
    """Answer: `list[JoinRequestView]`, who waits to be let in, the longest first."""

    room: str


class SessionsUnder(Query, frozen=True, array_like=True, tag=104):
    """Answer: `list[SessionRow]`, sessions under a nickname or all in the room, less `besides`, at most `limit`."""

    room: str
    nick: str | None = None
    besides: SessionId = SessionId(0)
    limit: int = 256


class RoomVcardOf(Query, frozen=True, array_like=True, tag=105):
    """Answer: `bytes | None`, the vCard of a room as XML."""

    room: str


class OccupantVcardOf(Query, frozen=True, array_like=True, tag=106):
    """
    Answer: `bytes | None`, the vCard of the account behind a nickname as XML.

    None as well if that account has blocked the asking one, in whatever way (blocks.py).
    """

    room: str
    nick: str
    session_id: SessionId


class BlockInRoom(Query, frozen=True, array_like=True, tag=175):
    """Does a block list keep a session in a room and who is there under a nickname apart? Answer: `RoomBlock`."""

    room: str
    nick: str
    session_id: SessionId


class RoomArchivePage(Query, frozen=True, array_like=True, tag=107):
    """
    A page of a room's archive. Answer: `Page`. Fields as in machine.queries.ArchivePage.

    Attributes:
        author: Bare JID of who wrote the messages; None for anyone.
        nick: The nickname under which they were written; None for any.
        shows_authors: Messages say whose they are, for those who may know.
    """

    room: str
    author: str | None = None
    nick: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    after: Position | None = None
    before: Position | None = None
    positions: tuple[Position, ...] = ()
    backward: bool = False
    limit: int = 50
    shows_authors: bool = False


class RoomArchiveEnds(Query, frozen=True, array_like=True, tag=108):
    """Answer: `tuple[ArchiveRow, ArchiveRow] | None`, the first and last row of a room's archive."""

    room: str
