"""
The network between simulated machines: who listens where, how far it is, and what is cut.

A *host* is a machine. It goes on while its process is paused or dead: its kernel acknowledges, refuses and resets. It
does nothing while it is without power, and knows of no connection afterwards.

A *link* is one direction between two hosts: latency, jitter and a bandwidth, from the seed. A *cut* link carries
nothing; what was to travel along it waits and is sent again when it is whole. A connection of which either direction is
cut for longer than the user timeout that nodes ask for (5 s) is reset at both ends, each finding out by itself.

    dial ── SYN ──> a listener?  no: refused     the machine is gone or cut off: silence, SYN again
                        yes: two `End`s of a connection (connections.py), and TLS with a turn of each process

What is not modelled: loss of single packets other than as delay, and reordering, which TCP hides.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sim.connections import Connection, End
from sim.scheduler import MICROSECOND_NS, MILLISECOND_NS, SECOND_NS, Scheduler

if TYPE_CHECKING:
    from sim.loop import SimulatedLoop

USER_TIMEOUT_NS: Final = 5 * SECOND_NS
KEEPALIVE_SPREAD_NS: Final = 2 * SECOND_NS
"""A quiet connection notices later than one with data under way, by as much."""

_SYN_RETRY_NS: Final = SECOND_NS
_FIRST_EPHEMERAL_PORT: Final = 32_768

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class Listener(NamedTuple):
    """Who takes connections at a port."""

    loop: SimulatedLoop
    factory: ProtocolFactory
    is_tls: bool
    handshake_timeout_s: float | None


class Host:
    """
    One machine.

    Attributes:
        is_up: It has power.
        ends: Of its connections.
        on_write: Sees what its process hands to the kernel, for crashes that are aimed.
    """

    def __init__(self, number: int, name: str) -> None:
        self.number = number
        self.name = name
        self.is_up = True
        self.listeners: dict[int, Listener] = {}
        self.ends: dict[End, None] = {}
        self.on_write: Callable[[bytes], None] | None = None
        self._next_port = _FIRST_EPHEMERAL_PORT

    def take_port(self) -> int:
        """Return a port for an outgoing connection."""
        self._next_port += 1
        return self._next_port


class Link:
    """
    One direction between two hosts.

    Attributes:
        latency_ns, jitter_ns: Each chunk takes the one, and up to the other on top.
        byte_ns: What a byte takes of the bandwidth.
        late_share, late_ns: This share of chunks takes so much longer, as if sent twice.
        free_ns: When what was sent before has left.
        cut_since_ns: Since when nothing passes; None while it does.
    """

    def __init__(self, latency_ns: int, jitter_ns: int, byte_ns: float) -> None:
        self.latency_ns = latency_ns
        self.jitter_ns = jitter_ns
        self.byte_ns = byte_ns
        self.late_share = 0.0
        self.late_ns = 0
        self.free_ns = 0
        self.cut_since_ns: int | None = None

    def draw_latency(self, chance: random.Random) -> int:
        """Draw how long a chunk travels."""
        latency_ns = self.latency_ns + chance.randrange(self.jitter_ns + 1)
        if self.late_share and chance.random() < self.late_share:
            latency_ns += chance.randrange(self.late_ns + 1)
        return latency_ns


class Server:
    """What `create_server` returns."""

    def __init__(self, host: Host, address: tuple[str, int]) -> None:
        self._host = host
        self._address = address
        self.sockets = (self,)

    def getsockname(self) -> tuple[str, int]:
        """Return host and port."""
        return self._address

    def close(self) -> None:
        """Listen no longer."""
        self._host.listeners.pop(self._address[1], None)

    def is_serving(self) -> bool:
        """Whether it listens."""
        return self._address[1] in self._host.listeners

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""


class Network:
    """
    All machines and what is between them.

    Attributes:
        rto_max_ns: After a cut has healed, up to so long passes before the kernels try again.
    """

    def __init__(self, scheduler: Scheduler, chance: random.Random) -> None:
        self.scheduler = scheduler
        self.chance = chance
        self.hosts: dict[str, Host] = {}
        self.rto_max_ns = 400 * MILLISECOND_NS
        self.window_bytes = 256 << 10
        self._links: dict[tuple[int, int], Link] = {}

    def add_host(self, number: int, name: str) -> Host:
        """Put a machine into the network; its links are perfect until they are set."""
        host = Host(number, name)
        for other in self.hosts.values():
            for pair in ((number, other.number), (other.number, number)):
                self._links[pair] = Link(100 * MICROSECOND_NS, 0, 1.0)
        self.hosts[name] = host
        return host

    def link(self, source: Host, target: Host) -> Link:
        """Return the direction from one machine to another."""
        return self._links[source.number, target.number]

    def links(self) -> list[Link]:
        """Return all directions between machines."""
        return list(self._links.values())

    def links_of(self, host: Host) -> list[Link]:
        """Return the directions from and to a machine."""
        return [link for pair, link in self._links.items() if host.number in pair]

    def is_cut(self, source: Host, target: Host) -> bool:
        """Whether nothing passes in this direction."""
        return self._links[source.number, target.number].cut_since_ns is not None

    # Listening and dialling

    def listen(
        self,
        loop: SimulatedLoop,
        factory: ProtocolFactory,
        host_name: str | None,
        port: int | None,
        *,
        is_tls: bool,
        timeout_s: float | None,
    ) -> Server:
        """
        Take connections at a port of the process's own machine; port 0 takes a free one.

        Raises:
            OSError: Somebody listens there already.
        """
        host = loop.host
        assert host is not None
        port = port or host.take_port()
        if port in host.listeners:
            raise OSError(98, f"address in use: {port}")
        host.listeners[port] = Listener(loop, factory, is_tls, timeout_s)
        return Server(host, (host_name or host.name, port))

    async def connect(
        self, loop: SimulatedLoop, factory: ProtocolFactory, host_name: str | None, port: int | None, *, is_tls: bool
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """
        Connect, and shake hands.

        Raises:
            ConnectionError: Nobody listens there, or the connection was lost before it was made.
        """
        assert host_name is not None
        assert port is not None
        dial = _Dial(self, loop, factory, self.hosts[host_name], port, is_tls=is_tls)
        dial.send_syn()
        try:
            return await dial.waiter
        except BaseException:
            dial.give_up()
            raise

    # Faults

    def cut(self, source: Host, target: Host) -> None:
        """Let nothing pass in this direction."""
        link = self.link(source, target)
        if link.cut_since_ns is not None:
            return
        link.cut_since_ns = self.scheduler.now_ns
        for end in source.ends:
            if end.peer.host is target:
                self._watch_silence(end.connection)

    def _watch_silence(self, connection: Connection) -> None:
        for end in connection.ends:
            delay_ns = USER_TIMEOUT_NS + self.chance.randrange(KEEPALIVE_SPREAD_NS)
            self.scheduler.after(delay_ns, self._look_for_silence, end)

    def _look_for_silence(self, end: End) -> None:
        """Reset an end whose keepalive probes have had no answer for too long."""
        here, there = end.host, end.peer.host
        since = (end.peer.down_since_ns, self.link(here, there).cut_since_ns, self.link(there, here).cut_since_ns)
        oldest_ns = min((since_ns for since_ns in since if since_ns is not None), default=None)
        if oldest_ns is not None and self.scheduler.now_ns - oldest_ns >= USER_TIMEOUT_NS:
            end.reset(TimeoutError(110, "connection timed out"))

    def heal(self, source: Host, target: Host) -> None:
        """Let everything pass again in this direction; what waited is sent again after a while."""
        link = self.link(source, target)
        if link.cut_since_ns is None:
            return
        link.cut_since_ns = None
        ends = (*source.ends, *target.ends)
        for connection in dict.fromkeys(end.connection for end in ends if end.peer.host in {source, target}):
            for end in connection.ends:
                self.scheduler.after(self.chance.randrange(self.rto_max_ns), end.outgoing.retry)

    def heal_all(self) -> None:
        """Let everything pass everywhere."""
        by_number = {host.number: host for host in self.hosts.values()}
        for source, target in self._links:
            self.heal(by_number[source], by_number[target])

    def flap(self, one: Host, other: Host) -> None:
        """Abort all connections between two machines, at both ends."""
        for end in [end for end in one.ends if end.peer.host is other]:
            for each in end.connection.ends:
                error = ConnectionResetError(104, "connection reset by peer")
                self.scheduler.after(self.chance.randrange(MILLISECOND_NS), each.reset, error)

    # Lives of processes and machines

    def process_died(self, host: Host) -> None:
        """End all connections of a process, as a kernel does: what it was given still arrives, then the end."""
        host.listeners.clear()
        for end in list(host.ends):
            end.process_died(is_reset=self.chance.random() < 0.5)

    def power_failed(self, host: Host) -> None:
        """Stop a machine: nobody is told of anything."""
        host.is_up = False
        host.listeners.clear()
        for end in list(host.ends):
            end.power_failed()
            self._watch_silence(end.connection)
        host.ends.clear()

    def powered_on(self, host: Host) -> None:
        """Start a machine again; whoever still talks to a connection of before learns that it is no more."""
        host.is_up = True
        for other in self.hosts.values():
            for end in other.ends:
                if end.peer.host is host and end.peer.is_closed:
                    delay_ns = self.chance.randrange(KEEPALIVE_SPREAD_NS)
                    self.scheduler.after(delay_ns, self._answer_by_reset, end)

    def _answer_by_reset(self, end: End) -> None:
        if not self.is_cut(end.host, end.peer.host) and not self.is_cut(end.peer.host, end.host):
            end.reset(ConnectionResetError(104, "connection reset by peer"))


class _Dial:
    """One attempt to connect, until the handshake is done or given up."""

    def __init__(
        self,
        network: Network,
        loop: SimulatedLoop,
        factory: ProtocolFactory,
        target: Host,
        port: int,
        *,
        is_tls: bool,
    ) -> None:
        assert loop.host is not None
        self._network = network
        self._loop = loop
        self._factory = factory
        self._source = loop.host
        self._target = target
        self._port = port
        self._is_tls = is_tls
        self._retry_ns = _SYN_RETRY_NS
        self._end: End | None = None
        self.waiter: asyncio.Future[Any] = loop.create_future()

    def send_syn(self) -> None:
        """Knock; again and again while nothing comes back."""
        if self.waiter.done() or self._loop.is_dead:
            return
        network = self._network
        if network.is_cut(self._source, self._target) or not self._target.is_up:
            self._knock_again()
        else:
            latency_ns = network.link(self._source, self._target).draw_latency(network.chance)
            network.scheduler.after(latency_ns, self._syn_arrived)

    def _knock_again(self) -> None:
        self._network.scheduler.after(self._retry_ns, self.send_syn)
        self._retry_ns *= 2

    def _syn_arrived(self) -> None:
        network = self._network
        if self._loop.is_dead:
            return
        if not self._target.is_up or network.is_cut(self._target, self._source):
            self._knock_again()
            return
        latency_ns = network.link(self._target, self._source).draw_latency(network.chance)
        listener = self._target.listeners.get(self._port)
        if listener is None:
            network.scheduler.after(latency_ns, self._refused)
            return
        connection = Connection(network, (self._loop, self._source.take_port()), (listener.loop, self._port))
        self._end = connection.ends[0]
        connection.ends[1].accept(listener.factory, listener.handshake_timeout_s, is_tls=self._is_tls)
        network.scheduler.after(latency_ns, self._established)

    def _refused(self) -> None:
        self._loop.call_soon(self._fail, ConnectionRefusedError(111, f"{self._target.name} refuses connections"))

    def _fail(self, error: BaseException) -> None:
        if not self.waiter.done():
            self.waiter.set_exception(error)

    def _established(self) -> None:
        assert self._end is not None
        if self._loop.is_dying:
            self._end.process_died(is_reset=True)
        elif self.waiter.done():
            self._end.abort()
        else:
            self._end.open(self._factory, self.waiter, is_tls=self._is_tls)

    def give_up(self) -> None:
        """Drop what there is of the connection."""
        if self._end is not None:
            self._end.abort()
