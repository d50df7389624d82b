"""
Where the cluster itself sends requests to: the one place that knows which addresses can be reached, and how.

These are clients of this domain by their full JID, and components (XEP-0114) with whoever is at them, at whatever node.

Such a request has no stream behind it, so no node waits for its answer: that is handled by the node which it arrives
at (`xmpp.module.Modules.on_answer`). Hence it is not noted among those that are answered for when a link is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.machine.queries import Block, BlockBetween
from raftline.node.routes import find_session

if TYPE_CHECKING:
    from raftline.node.node import LocalNode


class Outlet:
    """Sends for one node."""

    def __init__(self, node: LocalNode) -> None:
        self._node = node

    def send(self, jid: str, stanza: bytes) -> bool:
        """
        Send a request of this domain's server, at most once.

        Returns: False when nobody is there to take it, or its account has blocked the server; it was not sent.

        Raises:
            StorageError: The disk failed.
        """
        driver = self._node.driver
        row = find_session(driver.machine, self._node.domain, jid)
        if row is None or not row.node_id:  # one that waits to be resumed is nowhere
            return False
        if driver.machine.answer(BlockBetween(jid, self._node.domain)) is Block.USER:
            return False
        if row.node_id == driver.node_id:
            return self._node.route(row.session_id, stanza)
        return driver.send_off_log(row.node_id, row.session_id, stanza)
