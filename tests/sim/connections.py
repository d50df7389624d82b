"""
TCP connections of simulated machines, with TLS as far as a node can tell.

    End ──Pipe──> End      bytes in order; a connection has a pipe for each direction
        <──Pipe──

What a process writes goes to its kernel as far as the window allows, and is kept in its own memory beyond that, which
is what `get_write_buffer_size` tells. The kernels bring it over: after the link's latency, at the link's bandwidth, and
while the link is cut not at all. A reader gets what has arrived by then, in pieces that have nothing to do with what
was written. What nobody reads fills the receiver's kernel, then the sender's.

How a connection ends:

    close              what was written arrives, then the end
    abort, reset       the other side is told when the news can travel, behind what travels already
    death of a process its kernel delivers what it was given, then ends the connection
    power failure      silence; the other side finds out by its user timeout, or when the machine is back and says so
    unacknowledged     data under way for longer than the user timeout: reset here, by this side alone

The handshake takes a turn of each process, so a paused one lets its dialler wait:

    client ── hello ──> server ── reply ──> client: made ── finished ──> server: made
"""

from __future__ import annotations

import asyncio
import enum
import zlib
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sim.certificates import ShownCertificate

if TYPE_CHECKING:
    from sim.loop import SimulatedLoop
    from sim.network import Network

RECEIVE_BYTES_MAX: Final = 512 << 10
"""What a kernel keeps for a process that does not read."""

_USER_TIMEOUT_NS: Final = 5_000_000_000
_CHUNK_BYTES_MAX: Final = 64 << 10
_READ_BYTES_MAX: Final = 256 << 10
_HIGH_WATER_BYTES: Final = 64 << 10
_FRAGMENT_SHARE: Final = 0.05
_HANDSHAKE_TIMEOUT_S: Final = 60.0


class Signal(enum.Enum):
    """What travels beside data."""

    HELLO = "hello"
    REPLY = "reply"
    FINISHED = "finished"
    FIN = "fin"
    RST = "rst"


class _State(enum.Enum):
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


_Item = bytes | Signal


class Pipe:
    """One direction of a connection."""

    def __init__(self, network: Network, source: End, target: End) -> None:
        self._network = network
        self._scheduler = network.scheduler
        self._source = source
        self._target = target
        self._link = network.link(source.host, target.host)
        self._back = network.link(target.host, source.host)
        self._buffer: deque[bytes] = deque()
        self.buffered_bytes = 0
        self._unacked: deque[tuple[int, int]] = deque()
        self._unacked_bytes = 0
        self._is_watched = False
        self._held: deque[_Item] = deque()
        self._unheard_bytes = 0
        self._last_arrival_ns = 0

    def write(self, data: bytes) -> None:
        """Take bytes of the process."""
        self._buffer.append(data)
        self.buffered_bytes += len(data)
        self._pump()

    def signal(self, signal: Signal) -> None:
        """Send something that is no data, behind all that the kernel was given."""
        self._depart(signal, 40)

    def drop_buffer(self) -> None:
        """Forget what the kernel was not given."""
        self._buffer.clear()
        self.buffered_bytes = 0

    def drop_everything(self) -> None:
        """Forget what has not arrived, too."""
        self.drop_buffer()
        self._unacked.clear()
        self._unacked_bytes = 0
        self._held.clear()

    def _pump(self) -> None:
        """Hand to the kernel what its window takes."""
        window_bytes = self._network.window_bytes
        while self._buffer and self._unacked_bytes < window_bytes:
            data = self._buffer.popleft()
            room_bytes = min(window_bytes - self._unacked_bytes, _CHUNK_BYTES_MAX)
            if len(data) > room_bytes:
                self._buffer.appendleft(data[room_bytes:])
                data = data[:room_bytes]
            self.buffered_bytes -= len(data)
            self._unacked.append((self._scheduler.now_ns, len(data)))
            self._unacked_bytes += len(data)
            self._depart(data, len(data))
        self._watch()

    def _depart(self, item: _Item, size: int) -> None:
        link = self._link
        now_ns = self._scheduler.now_ns
        link.free_ns = max(link.free_ns, now_ns) + int(size * link.byte_ns)
        arrival_ns = link.free_ns + link.draw_latency(self._network.chance)
        self._last_arrival_ns = max(arrival_ns, self._last_arrival_ns + 1)
        self._scheduler.at(self._last_arrival_ns, self._arrive, item)

    def _arrive(self, item: _Item) -> None:
        if self._held or self._link.cut_since_ns is not None:
            self._held.append(item)
        else:
            self._deliver(item)

    def _deliver(self, item: _Item) -> None:
        target = self._target
        if not target.host.is_up:
            return
        if target.is_closed:
            if item is not Signal.RST and self._back.cut_since_ns is None:
                delay_ns = self._back.draw_latency(self._network.chance)
                self._scheduler.after(delay_ns, self._source.reset, ConnectionResetError(104, "connection reset"))
            return
        if isinstance(item, Signal):
            target.signalled(item)
        elif target.arrived(item):
            self.acknowledged(len(item))

    def acknowledged(self, size: int) -> None:
        """The other kernel has taken bytes, or its process has read them; we may not hear of it."""
        if self._back.cut_since_ns is not None:
            self._unheard_bytes += size
            return
        while size and self._unacked:
            sent_ns, chunk_bytes = self._unacked.popleft()
            taken = min(size, chunk_bytes)
            size -= taken
            self._unacked_bytes -= taken
            if taken < chunk_bytes:
                self._unacked.appendleft((sent_ns, chunk_bytes - taken))
        self._pump()
        self._source.written()

    def retry(self) -> None:
        """Send again what a cut held up, and hear what was acknowledged meanwhile."""
        if self._link.cut_since_ns is None and self._source.host.is_up:
            held, self._held = self._held, deque()
            for item in held:
                self._arrive(item)
        if self._back.cut_since_ns is None:
            size, self._unheard_bytes = self._unheard_bytes, 0
            if size:
                self.acknowledged(size)

    def _watch(self) -> None:
        if self._unacked and not self._is_watched and not self._source.is_closed:
            self._is_watched = True
            self._scheduler.at(max(self._unacked[0][0] + _USER_TIMEOUT_NS, self._scheduler.now_ns), self._look)

    def _look(self) -> None:
        """Give the connection up if its oldest data has had no answer for too long."""
        self._is_watched = False
        if self._unacked and not self._source.is_closed:
            if self._scheduler.now_ns - self._unacked[0][0] >= _USER_TIMEOUT_NS:
                self._source.reset(TimeoutError(110, "connection timed out"))
            else:
                self._watch()


class Connection:
    """Two ends, the dialler's first."""

    def __init__(
        self, network: Network, dialler: tuple[SimulatedLoop, int], listener: tuple[SimulatedLoop, int]
    ) -> None:
        ends = (End(network, self, *dialler), End(network, self, *listener))
        self.ends = ends
        for end, peer in zip(ends, reversed(ends), strict=True):
            end.joined(peer)


class _Socket:
    """Takes options and does nothing about them: the network behaves as nodes ask it to."""

    def setsockopt(self, *_arguments: int) -> None:
        pass


class End(asyncio.Transport):
    """One end of a connection: a transport to its process, a socket to its machine."""

    def __init__(self, network: Network, connection: Connection, loop: SimulatedLoop, port: int) -> None:
        super().__init__()
        assert loop.host is not None
        self._network = network
        self._loop = loop
        self.connection = connection
        self.host = loop.host
        self.port = port
        self.down_since_ns: int | None = None
        self._state = _State.OPENING
        self._factory: Callable[[], asyncio.BaseProtocol] | None = None
        self._waiter: asyncio.Future[Any] | None = None
        self._protocol: Any = None
        self._unread = bytearray()
        self._unacked_bytes = 0
        self._is_reading = True
        self._read_is_scheduled = False
        self._has_ended = False
        self._high_water_bytes = _HIGH_WATER_BYTES
        self._low_water_bytes = _HIGH_WATER_BYTES // 4
        self._has_paused_writer = False

    def joined(self, peer: End) -> None:
        """Take note of the other end."""
        self.peer = peer
        self.outgoing = Pipe(self._network, self, peer)
        self.host.ends[self] = None

    @property
    def is_closed(self) -> bool:
        """Nothing arrives here any more."""
        return self._state is _State.CLOSED

    # The handshake

    def accept(self, factory: Callable[[], asyncio.BaseProtocol], timeout_s: float | None, *, is_tls: bool) -> None:
        """Be the listener's end."""
        self._factory = factory
        if is_tls:
            self._loop.call_later(timeout_s or _HANDSHAKE_TIMEOUT_S, self._handshake_overdue)
        else:
            self._loop.call_soon(self._make)

    def _handshake_overdue(self) -> None:
        if self._state is _State.OPENING:
            self.abort()

    def open(self, factory: Callable[[], asyncio.BaseProtocol], waiter: asyncio.Future[Any], *, is_tls: bool) -> None:
        """Be the dialler's end; `waiter` gets transport and protocol."""
        if self.is_closed:
            self._loop.call_soon(self._tell_waiter, waiter, ConnectionResetError(104, "connection reset by peer"))
            return
        self._factory = factory
        self._waiter = waiter
        if is_tls:
            self._loop.call_soon(self.outgoing.signal, Signal.HELLO)
        else:
            self._loop.call_soon(self._make)

    @staticmethod
    def _tell_waiter(waiter: asyncio.Future[Any], error: BaseException) -> None:
        if not waiter.done():
            waiter.set_exception(error)

    def _greet(self) -> None:
        if self._state is _State.OPENING:
            self.outgoing.signal(Signal.REPLY)

    def _finish(self) -> None:
        if self._state is _State.OPENING:
            self.outgoing.signal(Signal.FINISHED)
            self._make()

    def _make(self) -> None:
        """Give the connection to its protocol."""
        if self._state is not _State.OPENING:
            return
        assert self._factory is not None
        self._state = _State.OPEN
        self._protocol = self._factory()
        self._protocol.connection_made(self)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result((self, self._protocol))
        self._schedule_read()

    # What the network brings

    def signalled(self, signal: Signal) -> None:
        """Something other than data has arrived."""
        if signal is Signal.RST:
            self.reset(ConnectionResetError(104, "connection reset by peer"))
        elif signal is Signal.FIN:
            self._has_ended = True
            self._schedule_read()
        elif signal is Signal.HELLO:
            self._loop.call_soon(self._greet)
        elif signal is Signal.REPLY:
            self._loop.call_soon(self._finish)
        else:
            self._loop.call_soon(self._make)

    def arrived(self, data: bytes) -> bool:
        """Data has arrived; return whether the kernel acknowledges it at once."""
        is_taken = len(self._unread) < RECEIVE_BYTES_MAX
        self._unread += data
        if not is_taken:
            self._unacked_bytes += len(data)
        self._schedule_read()
        return is_taken

    def _schedule_read(self) -> None:
        if (
            (self._unread or self._has_ended)
            and self._is_reading
            and not self._read_is_scheduled
            and self._state is _State.OPEN
        ):
            self._read_is_scheduled = True
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        self._read_is_scheduled = False
        if self._state is not _State.OPEN or not self._is_reading:
            return
        if not self._unread:
            if self._has_ended:
                self._protocol.eof_received()
                self.close()
            return
        size = min(len(self._unread), _READ_BYTES_MAX)
        chance = self._network.chance
        if size > 1 and chance.random() < _FRAGMENT_SHARE:
            size = chance.randrange(1, size)
        data = bytes(self._unread[:size])
        del self._unread[:size]
        self._network.scheduler.note("bytes", self.peer.host.number, self.host.number, size, zlib.crc32(data))
        if self._unacked_bytes:
            taken = min(self._unacked_bytes, size)
            self._unacked_bytes -= taken
            self.peer.outgoing.acknowledged(taken)
        try:
            self._protocol.data_received(data)
        except Exception as error:  # noqa: BLE001  as asyncio does it
            self._loop.call_exception_handler({"message": "data_received failed", "exception": error})
            self.abort()
        self._schedule_read()

    def written(self) -> None:
        """The kernel has taken more of what was written."""
        if self._has_paused_writer and self.outgoing.buffered_bytes <= self._low_water_bytes:
            self._has_paused_writer = False
            self._loop.call_soon(self._resume_writer)
        if self._state is _State.CLOSING and not self.outgoing.buffered_bytes:
            self._end_in_peace()

    def _resume_writer(self) -> None:
        if self._state is _State.OPEN:
            self._protocol.resume_writing()

    # Ends

    def _close_now(self, error: BaseException | None) -> None:
        """Be over; the process is told in its next turn."""
        was_made = self._state in {_State.OPEN, _State.CLOSING}
        self._state = _State.CLOSED
        self.host.ends.pop(self, None)
        self._unread.clear()
        if was_made:
            self._loop.call_soon(self._protocol.connection_lost, error)
        elif self._waiter is not None:
            lost = error or ConnectionAbortedError(103, "connection aborted")
            self._loop.call_soon(self._tell_waiter, self._waiter, lost)

    def reset(self, error: BaseException) -> None:
        """The connection is lost, as the kernel says."""
        if not self.is_closed:
            self.outgoing.drop_everything()
            if isinstance(error, TimeoutError):
                self.outgoing.signal(Signal.RST)
            self._close_now(error)

    def _end_in_peace(self) -> None:
        self.outgoing.signal(Signal.FIN)
        self._close_now(None)

    def process_died(self, *, is_reset: bool) -> None:
        """The process is gone; its kernel ends the connection."""
        if not self.is_closed:
            self.outgoing.drop_buffer()
            self.outgoing.signal(Signal.RST if is_reset or self._unread else Signal.FIN)
            self._state = _State.CLOSED
            self.host.ends.pop(self, None)

    def power_failed(self) -> None:
        """The machine is gone."""
        self.outgoing.drop_everything()
        self._state = _State.CLOSED
        self.down_since_ns = self._network.scheduler.now_ns

    # As a transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See `asyncio.WriteTransport`."""
        if self._state is not _State.OPEN or self._loop.is_dying or not data:
            return
        content = bytes(data)
        self.outgoing.write(content)
        if self.host.on_write is not None:
            self.host.on_write(content)
        if self.outgoing.buffered_bytes > self._high_water_bytes and not self._has_paused_writer:
            self._has_paused_writer = True
            self._protocol.pause_writing()

    def close(self) -> None:
        """See `asyncio.BaseTransport`."""
        if self._state is _State.OPEN and not self._loop.is_dying:
            self._state = _State.CLOSING
            if not self.outgoing.buffered_bytes:
                self._end_in_peace()

    def abort(self) -> None:
        """See `asyncio.WriteTransport`."""
        if not self.is_closed and not self._loop.is_dying:
            self.outgoing.drop_buffer()
            self.outgoing.signal(Signal.RST)
            self._close_now(None)

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._state in {_State.CLOSING, _State.CLOSED}

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport`."""
        return self.outgoing.buffered_bytes

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.WriteTransport`."""
        self._high_water_bytes = _HIGH_WATER_BYTES if high is None else high
        self._low_water_bytes = self._high_water_bytes // 4 if low is None else low

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """See `asyncio.WriteTransport`."""
        return self._low_water_bytes, self._high_water_bytes

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._is_reading = True
        self._schedule_read()

    def is_reading(self) -> bool:
        """See `asyncio.ReadTransport`."""
        return self._is_reading

    def can_write_eof(self) -> bool:
        """See `asyncio.WriteTransport`; TLS cannot."""
        return False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.BaseTransport`."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """See `asyncio.BaseTransport`."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport`."""
        if name == "ssl_object":
            return ShownCertificate(self.peer.host.number)
        if name == "socket":
            return _Socket()
        if name == "peername":
            return (self.peer.host.name, self.peer.port)
        if name == "sockname":
            return (self.host.name, self.port)
        return default
