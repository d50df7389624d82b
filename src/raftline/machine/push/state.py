"""The tables of push notifications, and what is derived of them, as the context of a command holds them."""

from __future__ import annotations

from typing import Final

from raftline.base.ids import AccountId, Position
from raftline.machine.push import tables
from raftline.machine.push.tables import Notification, Registration
from raftline.machine.rows import CACHE_ROW_COUNT_MAX, RowStore

_NONE: Final[tuple[Registration, ...]] = ()


class PushState:
    """
    Registrations by account, in memory: each message to an account asks for them, and most accounts have none.

    It also knows how many notifications wait for each registration. Both can be dropped at any time and are read from
    the tables again.

    Attributes:
        change_count: Grows whenever something becomes, or may become, fit to be published. No part of the state.
    """

    def __init__(self, rows: RowStore) -> None:
        self._rows = rows
        self.registrations: Final = rows.table(tables.REGISTRATION, Registration._make)
        self.notifications: Final = rows.table(tables.NOTIFICATION, Notification._make)
        self._known: dict[AccountId, tuple[Registration, ...]] = {}
        self._waiting: dict[int, int] = {}
        self.change_count = 0

    # Registrations

    def of(self, account_id: AccountId) -> tuple[Registration, ...]:
        """Registrations of an account, by service and node."""
        known = self._known.get(account_id)
        if known is None:
            sql = "SELECT * FROM push_registration WHERE account_id = ? ORDER BY service, node"
            found = self._rows.select((self.registrations,), sql, (account_id,))
            known = tuple(Registration._make(row) for row in found) or _NONE
            self._known[account_id] = known
        return known

    def find(self, account_id: AccountId, registration_id: int) -> Registration | None:
        """Return a registration of an account by its id."""
        return next((row for row in self.of(account_id) if row.registration_id == registration_id), None)

    def put(self, row: Registration) -> None:
        """Write a registration, new or not."""
        known = self.of(row.account_id)
        place = next((place for place, other in enumerate(known) if other[1:3] == row[1:3]), None)
        if place is None:
            self._known.pop(row.account_id)
        else:
            self._known[row.account_id] = (*known[:place], row, *known[place + 1 :])
        self.registrations.put(row[:3], row)

    def delete(self, row: Registration) -> None:
        """Delete a registration that is there; its notifications are somebody else's work."""
        self._known[row.account_id] = tuple(other for other in self.of(row.account_id) if other[1:3] != row[1:3])
        self.registrations.delete(row[:3])
        self._waiting.pop(row.registration_id, None)

    # Notifications

    def waiting_count(self, registration_id: int) -> int:
        """How many notifications of a registration have no answer yet."""
        count = self._waiting.get(registration_id)
        if count is None:
            sql = "SELECT count(*) FROM push_notification WHERE registration_id = ?"
            count = int(self._rows.select((self.notifications,), sql, (registration_id,))[0][0])
            self._waiting[registration_id] = count
        return count

    def add(self, row: Notification) -> None:
        """Write a notification that is not there."""
        count = self.waiting_count(row.registration_id)
        self.notifications.insert(row[:2], row)
        self._waiting[row.registration_id] = count + 1
        self.change_count += 1

    def remove(self, key: tuple[Position, int]) -> None:
        """Delete a notification that is there."""
        count = self.waiting_count(key[1])
        self.notifications.delete(key)
        self._waiting[key[1]] = count - 1
        self.change_count += 1

    def drop_derived(self) -> None:
        """Forget what is derived from rows."""
        self._known.clear()
        self._waiting.clear()

    def trim(self) -> None:
        """Forget what is derived if it has grown too large."""
        if len(self._known) + len(self._waiting) > CACHE_ROW_COUNT_MAX:
            self.drop_derived()
