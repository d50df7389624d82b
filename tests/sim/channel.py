"""
The connection of a client to a node: calls that travel, in order, each way.

    device ── to_edge ──> the node's loop: a method of the edge
           <── to_client ── the clients' loop: a method of the device

A process that dies has what it sent delivered, then its clients learn that the connection is gone; when the power went,
they learn it later, by a timeout of their own. A client that goes away without a word is noticed after a moment.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sim.scheduler import MILLISECOND_NS, SECOND_NS, Scheduler

if TYPE_CHECKING:
    from sim.devices import Device
    from sim.edge import Edge
    from sim.life import Life
    from sim.loop import SimulatedLoop

_LATENCY_NS: Final = (1 * MILLISECOND_NS, 30 * MILLISECOND_NS)
_JITTER_NS: Final = 2 * MILLISECOND_NS


class Channel:
    """
    One connection.

    Attributes:
        is_open: Neither side has given it up.
    """

    def __init__(
        self, scheduler: Scheduler, chance: random.Random, clients: SimulatedLoop, device: Device, life: Life
    ) -> None:
        self._scheduler = scheduler
        self._chance = chance
        self._clients = clients
        self._device = device
        self.life = life
        self._latency_ns = chance.randrange(*_LATENCY_NS)
        self._up_ns = self._down_ns = 0
        self.is_open = True
        self.edge: Edge | None = None

    def _arrival(self, last_ns: int) -> int:
        return max(self._scheduler.now_ns + self._latency_ns + self._chance.randrange(_JITTER_NS), last_ns + 1)

    # From the device

    def to_edge(self, method: Callable[..., None], *arguments: object) -> None:
        """Call a method of the edge there."""
        if self.is_open:
            self._up_ns = self._arrival(self._up_ns)
            self._scheduler.at(self._up_ns, self._at_edge, method, arguments)

    def _at_edge(self, method: Callable[..., None], arguments: tuple[object, ...]) -> None:
        if not self.life.is_dying:
            self._scheduler.note("client", self._device.name, self.life.name, method.__name__)
            self.life.loop.call_soon(method, *arguments)

    def leave(self) -> None:
        """Go away without a word."""
        if self.is_open and self.edge is not None:
            self.to_edge(self.edge.connection_lost)
        self.is_open = False

    # From the edge

    def to_client(self, method: Callable[..., None], *arguments: object) -> None:
        """Call a method of the device there, if it still listens."""
        if self.life.is_dying or not self.is_open:
            return
        self._down_ns = self._arrival(self._down_ns)
        self._scheduler.at(self._down_ns, self._at_client, method, arguments)

    def _at_client(self, method: Callable[..., None], arguments: tuple[object, ...]) -> None:
        if self.is_open:
            self._clients.call_soon(self._take, method, arguments)

    def _take(self, method: Callable[..., None], arguments: tuple[object, ...]) -> None:
        if self.is_open:
            method(*arguments)

    def process_died(self, *, is_silent: bool) -> None:
        """The node is gone; with the power it says nothing, and the client has to find out."""
        if self.is_open:
            delay_ns = self._chance.randrange(SECOND_NS, 5 * SECOND_NS) if is_silent else 0
            self._scheduler.at(self._arrival(self._down_ns) + delay_ns, self._at_client, self._lost, ())

    def closed_by_edge(self) -> None:
        """The edge has said its last word."""
        self.to_client(self._lost)

    def _lost(self) -> None:
        self.is_open = False
        self._device.connection_lost(self)
