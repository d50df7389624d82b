"""
Connections over TCP: in the clear until STARTTLS (RFC 6120 section 5), or TLS from the first byte (XEP-0368).

TLS is driven here, between asyncio's plain transport and the session (tls.py says why).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

import structlog

from raftline.gateway.session import WRITE_BUFFER_BYTES_HIGH, ClientSession
from raftline.gateway.tls import TLSFailed, TLSLayer
from raftline.xmpp.components.framing import ComponentFraming
from raftline.xmpp.components.stream import ComponentStream
from raftline.xmpp.framing import TCPFraming

if TYPE_CHECKING:
    from raftline.gateway.server import Gateway

KEEPALIVE_IDLE_S: Final = 120
KEEPALIVE_INTERVAL_S: Final = 30
KEEPALIVE_COUNT: Final = 4
"""A client that vanished is noticed within four minutes; live ones are not woken more often than every two."""

_log = structlog.get_logger(__name__)


class TCPConnection(asyncio.Protocol):
    """One connection; implements session.Transport."""

    __slots__ = (
        "_bindings",
        "_gateway",
        "_is_closed",
        "_is_direct_tls",
        "_is_paused",
        "_session",
        "_tls",
        "_transport",
        "_waiting",
    )

    def __init__(self, gateway: Gateway, *, direct_tls: bool) -> None:
        self._gateway = gateway
        self._is_direct_tls = direct_tls
        self._session: ClientSession | None = None
        self._transport: asyncio.Transport | None = None
        self._tls: TLSLayer | None = None
        self._bindings: Mapping[str, bytes] = {}
        self._waiting: list[bytes] = []
        self._is_paused = False
        self._is_closed = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(WRITE_BUFFER_BYTES_HIGH)
        set_keepalive(self._transport.get_extra_info("socket"))
        if self._is_direct_tls:
            self.start_tls()
        self._session = self._make_session(self._gateway)
        self._gateway.welcome(self._session)

    def _make_session(self, gateway: Gateway) -> ClientSession:
        framing = TCPFraming(gateway.settings.stanza_bytes_max)
        return ClientSession(gateway, self, framing, is_secure=self._is_direct_tls, bindings=self._bindings)

    def data_received(self, data: bytes) -> None:
        """As asyncio.Protocol."""
        session, tls = self._session, self._tls
        assert session is not None, "asyncio connects first"
        if self._is_closed:
            return  # read so that the kernel does not reset the connection; see close
        if tls is None:
            session.data_received(data)
            return
        was_established = tls.is_established
        try:
            data = tls.receive(data)
        except TLSFailed as failed:
            # No stream error can be sent where there is no way to protect it; the alert of TLS says what is wrong.
            _log.info("TLS failed", reason=str(failed))
            self._send_records()
            self._is_closed = True
            if self._transport is not None:
                self._transport.close()
            return
        self._send_records()
        if not was_established and tls.is_established:
            self._write_waiting()
            session.tls_established(self._bindings)
        if data:
            session.data_received(data)
        if tls.is_ended:
            self.eof_received()

    def eof_received(self) -> bool:
        """As asyncio.Protocol: the client sends no more; what is said already is all it gets."""
        assert self._session is not None, "asyncio connects first"
        self._session.turn()
        self._session.connection_lost()
        self._is_closed = True
        if self._transport is not None:
            self._transport.close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio.Protocol."""
        assert self._session is not None, "asyncio connects first"
        self._is_closed = True
        self._session.connection_lost()
        self._session = None  # it holds us: a cycle would wait for the collector, which hardly ever looks

    def resume_writing(self) -> None:
        """As asyncio.Protocol: the client took most of what waited."""
        assert self._session is not None, "asyncio connects first"
        self._session.writing_resumed()

    # What the session calls (session.Transport).

    @property
    def buffered_bytes(self) -> int:
        """As session.Transport."""
        assert self._transport is not None, "asyncio connects first"
        return self._transport.get_write_buffer_size()

    def write(self, messages: list[bytes]) -> None:
        """As session.Transport; all of a turn go in one write."""
        if self._is_closed:
            return
        tls = self._tls
        data = messages[0] if len(messages) == 1 else b"".join(messages)
        if tls is None:
            self._send(data)
        elif not tls.is_established:
            self._waiting.append(data)
        else:
            try:
                tls.write(data)
            except TLSFailed as failed:
                _log.info("TLS failed", reason=str(failed))
                self.abort()
                return
            self._send_records()

    def pause_reading(self) -> None:
        """As session.Transport."""
        if not self._is_paused and not self._is_closed and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """As session.Transport."""
        if self._is_paused and not self._is_closed and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def start_tls(self) -> None:
        """As session.Transport."""
        context = self._gateway.tls_context
        assert context is not None, "offered only with a certificate"
        self._tls = TLSLayer(context)
        self._bindings = self._gateway.tls_bindings  # of this context, whatever comes of the gateway's

    def close(self) -> None:
        """
        As session.Transport.

        Our direction ends first and the client's bytes are still read, though nobody looks at them: to close a socket
        with unread bytes makes the kernel reset the connection, and our last words would be lost.
        """
        if self._is_closed or self._transport is None:
            return
        self.resume_reading()
        self._is_closed = True
        if self._tls is not None and self._tls.is_established:
            self._tls.close()
            self._send_records()
        try:
            self._transport.write_eof()
        except OSError:
            self._transport.close()  # the client has reset the connection already

    def abort(self) -> None:
        """As session.Transport."""
        if self._transport is not None:
            self._transport.abort()

    # Inside.

    def _write_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self.write(waiting)

    def _send_records(self) -> None:
        assert self._tls is not None, "only over TLS"
        data = self._tls.data_to_send()
        if data:
            self._send(data)

    def _send(self, data: bytes) -> None:
        assert self._transport is not None, "asyncio connects first"
        self._gateway.sent_bytes_total += len(data)
        self._transport.write(data)


class ComponentConnection(TCPConnection):
    """A component's connection (XEP-0114): no TLS, so it belongs on loopback or on a network of one's own."""

    __slots__ = ()

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway, direct_tls=False)

    def _make_session(self, gateway: Gateway) -> ClientSession:
        framing = ComponentFraming(gateway.settings.stanza_bytes_max)
        stream = ComponentStream(
            gateway.settings.domain,
            gateway.settings.component_secrets,
            gateway.modules,
            framing=framing,
            epochs=gateway.node.epochs,
            entropy=gateway.entropy,
        )
        return ClientSession(gateway, self, framing, is_secure=False, stream=stream)


def set_keepalive(connection: socket.socket | None) -> None:
    """Have the kernel find out when the other side vanished without a word."""
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", KEEPALIVE_COUNT),
    ):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
