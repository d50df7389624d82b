"""The tables of personal eventing, and what is derived of them, as the context of a command holds them."""

from __future__ import annotations

from typing import Final

from raftline.base.ids import AccountId
from raftline.machine.pubsub import tables
from raftline.machine.pubsub.tables import Node
from raftline.machine.rows import CACHE_ROW_COUNT_MAX, RowStore, Table


class NodeIndex:
    """Nodes by account, kept in memory: presence of a contact asks for them each time."""

    def __init__(self, rows: RowStore, nodes: Table[Node]) -> None:
        self._rows = rows
        self.table: Final = nodes
        self._found: dict[AccountId, dict[str, Node]] = {}
        self._row_count = 0

    def of(self, account_id: AccountId) -> dict[str, Node]:
        """Nodes of an account by name; the mapping is the index's own, change it through the methods here."""
        found = self._found.get(account_id)
        if found is None:
            sql = "SELECT * FROM pubsub_node WHERE account_id = ?"
            found = {row[1]: Node._make(row) for row in self._rows.select((self.table,), sql, (account_id,))}
            self._found[account_id] = found
            self._row_count += len(found)
        return found

    def get(self, account_id: AccountId, name: str) -> Node | None:
        """Return a node."""
        return self.of(account_id).get(name)

    def put(self, row: Node) -> None:
        """Write a node, new or not."""
        self.of(row.account_id)[row.node] = row
        self.table.put((row.account_id, row.node), row)

    def delete(self, row: Node) -> None:
        """Delete a node that is there."""
        del self.of(row.account_id)[row.node]
        self.table.delete((row.account_id, row.node))

    def forget(self, account_id: AccountId) -> None:
        """Forget an account, whose rows somebody else deletes."""
        self._found.pop(account_id, None)

    def drop(self) -> None:
        """Forget everything."""
        self._found.clear()
        self._row_count = 0

    def trim(self) -> None:
        """Forget everything if it has grown too large."""
        if len(self._found) + self._row_count > CACHE_ROW_COUNT_MAX:
            self.drop()


class PubsubState:
    """One for each machine."""

    def __init__(self, rows: RowStore) -> None:
        self.nodes: Final = NodeIndex(rows, rows.table(tables.PUBSUB_NODE, Node._make))
        self.items: Final = rows.table(tables.PUBSUB_ITEM, tables.Item._make)
        self.affiliations: Final = rows.table(tables.PUBSUB_AFFILIATION, tables.AffiliationRow._make)
        self.subscriptions: Final = rows.table(tables.PUBSUB_SUBSCRIPTION, tables.SubscriptionRow._make)
        self.removals: Final = rows.table(tables.PUBSUB_REMOVAL, tables.Removal._make)
        self.capabilities: Final = rows.table(tables.CAPABILITY, tables.Capability._make)
        self.interests: Final = rows.table(tables.INTEREST, tables.Interest._make)
        self.avatars: Final = rows.table(tables.AVATAR, tables.Avatar._make)
        self.location_updates: Final = rows.table(tables.LOCATION_UPDATE, tables.LocationUpdate._make)

    def drop_derived(self) -> None:
        """Forget what is derived from rows."""
        self.nodes.drop()

    def trim(self) -> None:
        """Give memory back where it has grown too large."""
        self.nodes.trim()
