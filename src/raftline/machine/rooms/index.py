"""
What is derived from rooms' rows and kept in memory: who is in a room, and which rooms a session has visited.

Like the rest of derived.py it can be dropped at any time and is read from the tables again; whoever writes the rows
tells it. Occupants are in the order in which they came, so that all nodes tell of them in the same order.
"""

from __future__ import annotations

from raftline.base.ids import AccountId, NodeId, Position, SessionId
from raftline.machine.records import Session
from raftline.machine.rooms.tables import Occupant, Visit
from raftline.machine.rows import CACHE_ROW_COUNT_MAX, RowStore, Table


class Occupants:
    """Occupants by room; writes the rows as well."""

    def __init__(self, rows: RowStore, occupants: Table[Occupant], sessions: Table[Session]) -> None:
        self._rows = rows
        self._table = occupants
        self._sessions = sessions
        self._rooms: dict[AccountId, dict[SessionId, Occupant]] = {}
        self._count = 0
        self._nicks: dict[AccountId, dict[str, list[SessionId]]] = {}
        self._groups: dict[AccountId, list[tuple[NodeId, tuple[SessionId, ...]]]] = {}

    def of(self, room_id: AccountId) -> dict[SessionId, Occupant]:
        """Occupants of a room by session; the mapping is the index's own."""
        found = self._rooms.get(room_id)
        if found is None:
            sql = "SELECT * FROM occupant WHERE room_id = ? ORDER BY joined"
            rows = map(Occupant._make, self._rows.select((self._table,), sql, (room_id,)))
            found = {row.session_id: row for row in rows}
            self._rooms[room_id] = found
            self._count += len(found)
            nicks: dict[str, list[SessionId]] = {}
            for row in found.values():
                nicks.setdefault(row.nick, []).append(row.session_id)
            self._nicks[room_id] = nicks
        return found

    def get(self, room_id: AccountId, session_id: SessionId) -> Occupant | None:
        """The occupant that a session is in a room, if it is there."""
        return self.of(room_id).get(session_id)

    def named(self, room_id: AccountId, nick: str) -> list[Occupant]:
        """All sessions under a nickname, in the order in which they came."""
        occupants = self.of(room_id)
        return [occupants[session_id] for session_id in self._nicks[room_id].get(nick, ())]

    def of_account(self, room_id: AccountId, jid: str) -> list[Occupant]:
        """All sessions of an account in a room."""
        return [row for row in self.of(room_id).values() if row.jid == jid]

    def nick_count(self, room_id: AccountId) -> int:
        """How many people are in a room: nicknames, not sessions."""
        self.of(room_id)
        return len(self._nicks[room_id])

    def groups(self, room_id: AccountId) -> list[tuple[NodeId, tuple[SessionId, ...]]]:
        """The sessions in a room by the node that holds them, or held them last."""
        groups = self._groups.get(room_id)
        if groups is None:
            groups = self.grouped(list(self.of(room_id)))
            self._groups[room_id] = groups
        return groups

    def grouped(self, session_ids: list[SessionId]) -> list[tuple[NodeId, tuple[SessionId, ...]]]:
        """Sort sessions by node."""
        by_node: dict[NodeId, list[SessionId]] = {}
        for session_id in session_ids:
            session = self._sessions.get(session_id)
            if session is not None:
                by_node.setdefault(session.node_id, []).append(session_id)
        return [(node_id, tuple(by_node[node_id])) for node_id in sorted(by_node)]

    def put(self, row: Occupant) -> None:
        """Write an occupant, new or changed; one that came anew is removed first."""
        occupants = self.of(row.room_id)
        former = occupants.get(row.session_id)
        if former is None or former.nick != row.nick:
            nicks = self._nicks[row.room_id]
            if former is not None:
                self._drop_nick(nicks, former)
            nicks.setdefault(row.nick, []).append(row.session_id)
        if former is None:
            self._count += 1
            self._groups.pop(row.room_id, None)
        occupants[row.session_id] = row
        if former is None or former.nick != row.nick:
            self._nicks[row.room_id][row.nick].sort(key=lambda session_id: occupants[session_id].joined)
        self._table.put((row.room_id, row.session_id), row)

    def remove(self, row: Occupant) -> None:
        """Delete an occupant that is there."""
        del self.of(row.room_id)[row.session_id]
        self._count -= 1
        self._drop_nick(self._nicks[row.room_id], row)
        self._groups.pop(row.room_id, None)
        self._table.delete((row.room_id, row.session_id))

    def moved(self, room_id: AccountId) -> None:
        """A session in the room is held by another node."""
        self._groups.pop(room_id, None)

    def closed(self, room_id: AccountId) -> None:
        """The room is gone, and nobody in it."""
        self._count -= len(self._rooms.pop(room_id, ()))
        self._nicks.pop(room_id, None)
        self._groups.pop(room_id, None)

    @staticmethod
    def _drop_nick(nicks: dict[str, list[SessionId]], row: Occupant) -> None:
        holders = nicks[row.nick]
        holders.remove(row.session_id)
        if not holders:
            del nicks[row.nick]

    def drop(self) -> None:
        """Forget everything."""
        self._rooms.clear()
        self._count = 0
        self._nicks.clear()
        self._groups.clear()

    def trim(self) -> None:
        """Forget everything if it has grown too large."""
        if self._count > CACHE_ROW_COUNT_MAX or len(self._rooms) > CACHE_ROW_COUNT_MAX:
            self.drop()


class Visits:
    """
    Visits by session, the oldest first; writes the rows as well.

    Attributes:
        table: For those who ask across sessions.
    """

    def __init__(self, rows: RowStore, visits: Table[Visit]) -> None:
        self._rows = rows
        self.table = visits
        self._visits: dict[SessionId, dict[Position, Visit]] = {}

    def of(self, session_id: SessionId) -> dict[Position, Visit]:
        """Visits of a session by where they began; the mapping is the index's own."""
        found = self._visits.get(session_id)
        if found is None:
            sql = "SELECT * FROM visit WHERE session_id = ? ORDER BY joined"
            rows = map(Visit._make, self._rows.select((self.table,), sql, (session_id,)))
            found = {row.joined: row for row in rows}
            self._visits[session_id] = found
        return found

    def open(self, session_id: SessionId) -> list[Visit]:
        """Visits that last."""
        return [visit for visit in self.of(session_id).values() if not visit.over]

    def opened(self, session_id: SessionId) -> None:
        """A session begins, which has been nowhere."""
        self._visits[session_id] = {}

    def put(self, visit: Visit) -> None:
        """Write a visit, the latest of its session or one that is known."""
        self.of(visit.session_id)[visit.joined] = visit
        self.table.put((visit.session_id, visit.joined), visit)

    def remove(self, visit: Visit) -> None:
        """Delete a visit that is there."""
        del self.of(visit.session_id)[visit.joined]
        self.table.delete((visit.session_id, visit.joined))

    def closed(self, session_id: SessionId) -> None:
        """A session is over, and owed nothing."""
        for visit in list(self.of(session_id).values()):
            self.remove(visit)
        self._visits.pop(session_id, None)

    def drop(self) -> None:
        """Forget everything."""
        self._visits.clear()

    def trim(self) -> None:
        """Forget everything if it has grown too large."""
        if len(self._visits) > CACHE_ROW_COUNT_MAX:
            self.drop()
