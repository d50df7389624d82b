"""Archive preferences in memory; what they mean is said in preferences.py."""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId
from raftline.machine.history.tables import ARCHIVE_DEFAULT, ARCHIVE_RULE, ArchiveDefault, ArchiveRule
from raftline.machine.rows import CACHE_ROW_COUNT_MAX, RowStore


class Rules(NamedTuple):
    """Preferences of one owner: an `ArchivePolicy`, and by JID whether its messages are kept, 1 or 0."""

    policy: int
    kept: dict[str, int]


class PreferenceIndex:
    """
    Preferences by owner, in memory, because the hot path asks for them with every message that is archived.

    It can be dropped at any time and is then read from the tables again. Whoever writes the rows tells it.

    Attributes:
        defaults, rules: The tables.
    """

    def __init__(self, rows: RowStore) -> None:
        self._rows = rows
        self.defaults: Final = rows.table(ARCHIVE_DEFAULT, ArchiveDefault._make)
        self.rules: Final = rows.table(ARCHIVE_RULE, ArchiveRule._make)
        self._known: dict[AccountId, Rules | None] = {}

    def of(self, owner_id: AccountId) -> Rules | None:
        """Return an owner's preferences; None when there are none."""
        try:
            return self._known[owner_id]
        except KeyError:
            row = self.defaults.get(owner_id)
            rules = None
            if row is not None:
                sql = "SELECT jid, kept FROM archive_rule WHERE owner_id = ? ORDER BY jid"
                rules = Rules(row.policy, dict(self._rows.select((self.rules,), sql, (owner_id,))))
            self._known[owner_id] = rules
            return rules

    def changed(self, owner_id: AccountId) -> None:
        """The preferences of an owner changed."""
        self._known.pop(owner_id, None)

    def drop(self) -> None:
        """Forget everything."""
        self._known.clear()

    def trim(self) -> None:
        """Forget everything if it has grown too large."""
        if len(self._known) > CACHE_ROW_COUNT_MAX:
            self.drop()
