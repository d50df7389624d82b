"""
Members of rooms who have a device to be told by push, and which of them are away: derived, and kept in memory.

    member, admin or owner of the room  ∧  a registration (XEP-0357)                      a *watcher*
    watcher  ∧  the device of a registration is not given what is said in the room        is *away*

A device is given it when a session that holds its resource is in the room and does not wait to be resumed: the rule of
push/alerts.py. A message in a room asks for those who are away and for nobody else, so it costs nothing more where
there are none, and one look for each of them else, however many members the room has.

Like the rest of what is derived it can be dropped at any time and is read from the tables again. So it must say at any
moment what it would say if it were read just then: whoever changes what the rule above names calls `touch`, or
`registrations_changed`, which mark an account, and a marked one is looked at anew when the room is asked for next.
Members are in the order of their addresses wherever order matters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from raftline.base.ids import AccountId, SessionId
from raftline.machine.conversations.mentions import Names
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rows import CACHE_ROW_COUNT_MAX

if TYPE_CHECKING:
    from raftline.machine.context import Context
    from raftline.machine.records import Session
    from raftline.machine.rooms.tables import Room

_WATCHERS_SQL: Final = (
    "SELECT jid FROM room_affiliation CROSS JOIN account ON account.localpart = substr(jid, 1, length(jid) - ?2)"
    " WHERE room_id = ?1 AND affiliation >= ?3 AND substr(jid, -?2) = ?4"
    " AND EXISTS (SELECT 1 FROM push_registration WHERE push_registration.account_id = account.account_id)"
)


class Watcher(NamedTuple):
    """
    A member who has a device to be told.

    Attributes:
        given: Sessions that are in the room.
        is_away: There is a device that is not given what is said there.
        nicks: What the member is called there.
    """

    jid: str
    localpart: str
    given: tuple[SessionId, ...]
    is_away: bool
    nicks: tuple[str, ...]


class RoomWatchers:
    """
    Watchers of one room.

    Attributes:
        away: Those who are away, by address.
    """

    def __init__(self, context: Context, room_id: AccountId, address: str) -> None:
        self._context = context
        self._room_id = room_id
        self._all: dict[str, Watcher] = {}
        self._names = Names(address)
        self.away: dict[str, Watcher] = {}
        self.stale: set[str] = set()
        domain = f"@{context.domain}"
        tables = (context.room_affiliations, context.accounts, context.push.registrations)
        bindings = (room_id, len(domain), int(Affiliation.MEMBER), domain)
        self.stale.update(jid for (jid,) in context.rows.select(tables, _WATCHERS_SQL, bindings))

    def __len__(self) -> int:
        return len(self._all)

    def refresh(self) -> None:
        """Look at those anew who were marked."""
        for jid in self.stale:
            former = self._all.pop(jid, None)
            watcher = self._find(jid)
            if watcher is not None:
                self._all[jid] = watcher
            if watcher is not None and watcher.is_away:
                self.away[jid] = watcher
            else:
                self.away.pop(jid, None)
            before = None if former is None else former.nicks
            after = None if watcher is None else watcher.nicks
            if before != after:
                if before is not None:
                    self._names.remove(jid, before)
                if after is not None:
                    self._names.add(jid, after)
        self.stale.clear()

    def mentioned_in(self, stanza: bytes) -> set[str]:
        """Return addresses of watchers whom a message mentions."""
        return self._names.mentioned_in(stanza)

    def _find(self, jid: str) -> Watcher | None:
        context = self._context
        listed = context.room_affiliations.get((self._room_id, jid))
        localpart = context.account_named(jid)
        if listed is None or listed.affiliation < Affiliation.MEMBER or localpart is None:
            return None
        account = context.accounts.get(localpart)
        registrations = () if account is None else context.push.of(account.account_id)
        if account is None or not registrations:
            return None
        account_id = account.account_id
        inside = context.occupants.of(self._room_id)
        given = tuple(sorted(held for held in context.session_index.ids(account_id) if held in inside))
        holders = [context.session_index.at(account_id, row.resource) for row in registrations]
        is_away = any(
            holder is None or holder.session_id not in inside or _is_waiting(context, holder) for holder in holders
        )
        nicks = dict.fromkeys((listed.nick, listed.known_as, *(inside[session_id].nick for session_id in given)))
        nicks.pop("", None)
        return Watcher(jid, localpart, given, is_away, tuple(nicks) or (localpart,))


class Watchers:
    """Watchers by room."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rooms: dict[AccountId, RoomWatchers] = {}
        self._count = 0

    def of(self, room: Room) -> RoomWatchers:
        """Watchers of a room, as they are now."""
        found = self._rooms.get(room.room_id)
        if found is None:
            found = RoomWatchers(self._context, room.room_id, f"{room.name}@{self._context.rooms_domain}")
            self._rooms[room.room_id] = found
        if found.stale:
            self._count -= len(found)
            found.refresh()
            self._count += len(found)
        return found

    def touch(self, room_id: AccountId, jid: str) -> None:
        """Whether an account belongs to a room, is inside, or waits there, or its nickname, has changed."""
        found = self._rooms.get(room_id)
        if found is not None:
            found.stale.add(jid)

    def registrations_changed(self, account_id: AccountId) -> None:
        """An account has other devices to be told than before."""
        context = self._context
        if self._rooms:
            sql = (
                "SELECT room_id, jid FROM account CROSS JOIN room_affiliation ON jid = localpart || '@' || ?2"
                " WHERE account_id = ?1"
            )
            tables = (context.accounts, context.room_affiliations)
            for room_id, jid in context.rows.select(tables, sql, (account_id, context.domain)):
                self.touch(room_id, jid)

    def closed(self, room_id: AccountId) -> None:
        """The room is gone."""
        found = self._rooms.pop(room_id, None)
        self._count -= 0 if found is None else len(found)

    def drop(self) -> None:
        """Forget everything."""
        self._rooms.clear()
        self._count = 0

    def trim(self) -> None:
        """Forget everything if it has grown too large."""
        if self._count + len(self._rooms) > CACHE_ROW_COUNT_MAX:
            self.drop()


def _is_waiting(context: Context, session: Session) -> bool:
    row = context.resumptions.get(session.session_id)
    return row is not None and row.due_ms > 0
