"""
A node that is taken out of service without being removed: it stores and votes, but serves no clients and does not lead.

Its streams end, to be resumed elsewhere, and it hands every leadership over that comes to it. A restart ends it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Unavailable
from raftline.cluster.frames import DrainRequest

if TYPE_CHECKING:
    from raftline.base.ids import NodeId
    from raftline.cluster.driver import Driver

_LOG: Final = logging.getLogger(__name__)


class Draining:
    """Whether this node is drained, and how others are asked to be."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.is_drained = False

    def drain(self, *, is_drained: bool) -> None:
        """Serve no clients here and lead no more, or do so again."""
        if is_drained == self.is_drained:
            return
        self.is_drained = is_drained
        _LOG.warning("this node is drained" if is_drained else "this node is drained no more")
        driver = self._driver
        driver.storage.announce()
        if driver.subscriber is not None:
            driver.subscriber.drained(is_drained=is_drained)

    def ask(self, node_id: NodeId, *, is_drained: bool) -> None:
        """
        Have a node drained, this one or another.

        Raises:
            Unavailable: It cannot be reached.
        """
        if node_id == self._driver.node_id:
            self.drain(is_drained=is_drained)
        elif not self._driver.send(node_id, DrainRequest(is_drained)):
            raise Unavailable(f"node {node_id} cannot be reached")
