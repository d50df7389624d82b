"""
What is derived from rows and kept in memory because the hot path asks for it with every message.

Each can be dropped at any time and is then read from the tables again. Whoever writes the rows tells it.
"""

from __future__ import annotations

from raftline.base.ids import AccountId, Position, SessionId
from raftline.machine.records import Blocked, Owed, Presence, Session, Waiting
from raftline.machine.rows import CACHE_ROW_COUNT_MAX, RowStore, Table


class SessionIndex:
    """Sessions by account."""

    def __init__(self, rows: RowStore, sessions: Table[Session], presences: Table[Presence]) -> None:
        self._rows = rows
        self._sessions = sessions
        self._presences = presences
        self._ids: dict[AccountId, list[SessionId]] = {}
        self._receivers: dict[AccountId, tuple[Session, ...]] = {}
        self._copied: dict[AccountId, tuple[Session, ...]] = {}

    def ids(self, account_id: AccountId) -> list[SessionId]:
        """Ids of an account's sessions in the order they were bound; the list is the index's own."""
        ids = self._ids.get(account_id)
        if ids is None:
            sql = "SELECT session_id FROM session WHERE account_id = ? ORDER BY session_id"
            ids = [SessionId(found) for (found,) in self._rows.select((self._sessions,), sql, (account_id,))]
            self._ids[account_id] = ids
        return ids

    def of(self, account_id: AccountId) -> list[Session]:
        """All sessions of an account in the order they were bound."""
        found = [self._sessions.get(session_id) for session_id in self.ids(account_id)]
        return [session for session in found if session is not None]

    def available(self, account_id: AccountId) -> list[tuple[Session, Presence]]:
        """Sessions of an account that are available, with their presence."""
        found = [(session, self._presences.get(session.session_id)) for session in self.of(account_id)]
        return [(session, presence) for session, presence in found if presence is not None]

    def receivers(self, account_id: AccountId) -> tuple[Session, ...]:
        """Sessions of an account that take messages to its bare JID: available, priority not negative."""
        receivers = self._receivers.get(account_id)
        if receivers is None:
            receivers = tuple(session for session, presence in self.available(account_id) if presence.priority >= 0)
            self._receivers[account_id] = receivers
        return receivers

    def copied(self, account_id: AccountId) -> tuple[Session, ...]:
        """Sessions of an account that want copies of messages, available or not (XEP-0280)."""
        copied = self._copied.get(account_id)
        if copied is None:
            copied = tuple(session for session in self.of(account_id) if session.carbons)
            self._copied[account_id] = copied
        return copied

    def at(self, account_id: AccountId, resource: str) -> Session | None:
        """The session of an account that holds a resource."""
        return next((session for session in self.of(account_id) if session.resource == resource), None)

    def added(self, session: Session) -> None:
        """A session was bound; it is not available yet."""
        ids = self.ids(session.account_id)
        if session.session_id not in ids:  # else the list was read from the tables just now
            ids.append(session.session_id)

    def removed(self, session: Session) -> None:
        """A session ended."""
        ids = self.ids(session.account_id)
        if session.session_id in ids:
            ids.remove(session.session_id)
        self.changed(session.account_id)

    def changed(self, account_id: AccountId) -> None:
        """A session of the account, or its presence, changed."""
        self._receivers.pop(account_id, None)
        self._copied.pop(account_id, None)

    def drop(self) -> None:
        """Forget everything."""
        self._ids.clear()
        self._receivers.clear()
        self._copied.clear()

    def trim(self) -> None:
        """Forget everything if it has grown too large."""
        if len(self._ids) > CACHE_ROW_COUNT_MAX:
            self.drop()


class Inboxes:
    """What each session with stream management owes: rows by position, in the order of delivery."""

    def __init__(self, rows: RowStore, inbox: Table[Owed]) -> None:
        self._rows = rows
        self._inbox = inbox
        self._owed: dict[SessionId, dict[Position, Owed]] = {}

    def of(self, session_id: SessionId) -> dict[Position, Owed]:
        """What a session owes; the mapping is the cache's own, change it through the methods here."""
        owed = self._owed.get(session_id)
        if owed is None:
            sql = "SELECT * FROM inbox WHERE session_id = ? ORDER BY delivered, position"
            found = self._rows.select((self._inbox,), sql, (session_id,))
            owed = {row[1]: Owed._make(row) for row in found}
            self._owed[session_id] = owed
        return owed

    def opened(self, session_id: SessionId) -> None:
        """A session begins, owing nothing."""
        self._owed[session_id] = {}

    def closed(self, session_id: SessionId) -> None:
        """A session is over; its rows are gone."""
        self._owed.pop(session_id, None)

    def add(self, row: Owed) -> None:
        """Write a row, the latest delivery of its session, which owes each position once."""
        self.of(row.session_id)[row.position] = row
        self._inbox.insert((row.session_id, row.position), row)

    def change(self, row: Owed) -> None:
        """Write another storage into a row that is there."""
        self.of(row.session_id)[row.position] = row
        self._inbox.put((row.session_id, row.position), row)

    def remove(self, session_id: SessionId, position: Position) -> None:
        """Delete a row that is there."""
        del self.of(session_id)[position]
        self._inbox.delete((session_id, position))

    def drop(self) -> None:
        """Forget everything."""
        self._owed.clear()

    def trim(self) -> None:
        """Forget everything if it has grown too large."""
        if len(self._owed) > CACHE_ROW_COUNT_MAX:
            self.drop()


class Blocklists:
    """What each account has blocked (XEP-0191)."""

    def __init__(self, rows: RowStore, blocked: Table[Blocked]) -> None:
        self._rows = rows
        self._blocked = blocked
        self._listed: dict[AccountId, frozenset[str]] = {}

    def of(self, account_id: AccountId) -> frozenset[str]:
        """Return the addresses of an account's list."""
        listed = self._listed.get(account_id)
        if listed is None:
            sql = "SELECT jid FROM blocked WHERE account_id = ?"
            listed = frozenset(jid for (jid,) in self._rows.select((self._blocked,), sql, (account_id,)))
            self._listed[account_id] = listed
        return listed

    def match(self, account_id: AccountId, jid: str) -> bool:
        """Tell whether a full or bare JID is on an account's list, by any of the forms of XEP-0191 section 2."""
        listed = self.of(account_id)
        if not listed:
            return False
        bare_jid = jid.partition("/")[0]
        if jid in listed or bare_jid in listed:
            return True
        domain = bare_jid.rpartition("@")[2]
        while domain:  # one that is listed stands for those below it
            if domain in listed:
                return True
            domain = domain.partition(".")[2]
        return False

    def resources(self, account_id: AccountId, bare_jid: str) -> frozenset[str]:
        """Return the resources of a contact that are on the list one by one."""
        listed = self.of(account_id)
        head = f"{bare_jid}/"
        return frozenset(jid[len(head) :] for jid in listed if jid.startswith(head)) if listed else frozenset()

    def changed(self, account_id: AccountId) -> None:
        """The list of an account changed."""
        self._listed.pop(account_id, None)

    def drop(self) -> None:
        """Forget everything."""
        self._listed.clear()

    def trim(self) -> None:
        """Forget everything if it has grown too large."""
        if len(self._listed) > CACHE_ROW_COUNT_MAX:
            self.drop()


class OfflineCounts:
    """How many offline messages each account has."""

    def __init__(self, rows: RowStore, offline: Table[Waiting]) -> None:
        self._rows = rows
        self._offline = offline
        self._counts: dict[AccountId, int] = {}

    def of(self, account_id: AccountId) -> int:
        """Return the count of an account."""
        count = self._counts.get(account_id)
        if count is None:
            sql = "SELECT count(*) FROM offline WHERE account_id = ?"
            count = int(self._rows.select((self._offline,), sql, (account_id,))[0][0])
            self._counts[account_id] = count
        return count

    def add(self, account_id: AccountId, position: Position, storage: int) -> None:
        """Write an offline row, unless the account has one for the position."""
        count = self.of(account_id)
        if self._offline.get((account_id, position)) is None:
            self._offline.insert((account_id, position), Waiting(account_id, position, storage))
            self._counts[account_id] = count + 1

    def remove(self, account_id: AccountId, position: Position) -> None:
        """Delete an offline row that is there."""
        count = self.of(account_id)
        self._offline.delete((account_id, position))
        self._counts[account_id] = count - 1

    def drop(self) -> None:
        """Forget everything."""
        self._counts.clear()

    def trim(self) -> None:
        """Forget everything if it has grown too large."""
        if len(self._counts) > CACHE_ROW_COUNT_MAX:
            self.drop()
