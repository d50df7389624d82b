"""
Where clients find the nodes of the cluster: what each told of itself when it started, replicated since.

Of members that have not told yet, since they are about to start or run a former release, what this node's settings say.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from raftline.cluster.driver import Driver
from raftline.machine.queries import NodeProfiles
from raftline.machine.records import NodeProfile
from raftline.server.config import NodeSettings
from raftline.web.host_meta import websocket_url


class Address(NamedTuple):
    """Where a node is; empty for not at all."""

    node_id: int
    http_url: str
    xmpp_address: str


class Addresses:
    """The nodes' addresses as they are now, this node's first, the others in the order that follows it."""

    def __init__(self, driver: Driver, settings: NodeSettings) -> None:
        self._driver = driver
        self._own_id = settings.cluster.node_id
        self._configured = [Address(peer.node_id, peer.http_url, peer.xmpp_address) for peer in settings.cluster.peers]

    def _all(self) -> list[Address]:
        rows = self._driver.machine.answer(NodeProfiles())
        assert isinstance(rows, list)
        told = {
            row.node_id: Address(row.node_id, row.http_url, row.xmpp_address)
            for row in rows
            if isinstance(row, NodeProfile)
        }
        # Settings may name nodes that are no members any more.
        members = {member.node_id for member in self._driver.raft.membership.members}
        silent = [
            address
            for address in self._configured
            if address.node_id not in told and (not told or address.node_id in members)
        ]
        return _from(self._own_id, [*told.values(), *silent])

    def http_urls_by_node(self) -> list[tuple[int, str]]:
        """Return which nodes' HTTP listeners are known, and where they are."""
        return [(address.node_id, address.http_url) for address in self._all() if address.http_url]

    def http_urls(self) -> tuple[str, ...]:
        """Return where the HTTP listeners of all nodes are."""
        return tuple(address.http_url for address in self._all() if address.http_url)

    def websockets(self) -> tuple[str, ...]:
        """Return the WebSocket addresses of all nodes."""
        return tuple(map(websocket_url, self.http_urls()))

    def resumption_location(self) -> str:
        """Return where clients of this node find another one, if any tells."""
        others = [address for address in self._all() if address.node_id != self._own_id]
        return next((address.xmpp_address for address in others if address.xmpp_address), "")


def _from(own_id: int, addresses: Iterable[Address]) -> list[Address]:
    """Order addresses by node, from this one on."""
    return sorted(addresses, key=lambda address: (address.node_id < own_id, address.node_id))
