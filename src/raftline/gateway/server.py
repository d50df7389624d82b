"""
The gateway: where clients connect (TCP with STARTTLS, direct TLS, WebSocket, BOSH), and what sessions have in common.

It flushes all sessions that something happened to once in a turn of the loop, and looks after deadlines by one timer
that walks over all sessions, a part of them at a time; a session has no timer of its own.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, ParamSpec, TypeVar

import structlog

from raftline.base.errors import Busy, RaftlineError
from raftline.gateway.bosh import BoshEndpoint
from raftline.gateway.session import ClientSession
from raftline.gateway.tcp import ComponentConnection, TCPConnection
from raftline.gateway.tls import channel_bindings
from raftline.gateway.websocket import WebSocketEndpoint
from raftline.machine.versions import FEATURES_SINCE
from raftline.node.door import Node
from raftline.xmpp.module import Modules
from raftline.xmpp.negotiation import StreamSettings
from raftline.xmpp.xmlstream import STANZA_BYTES_MAX

LISTEN_BACKLOG: Final = 1024
DECOY_KEY_BYTES: Final = 32

SWEEP_INTERVAL_S: Final = 0.25
SWEEP_PARTS: Final = 4
"""Each sweep looks after one part of the sessions, so that each is looked after once a second."""

ASIDE_COUNT_MAX: Final = 256
"""Passwords that may wait for the thread that derives keys; 5 ms each."""

P = ParamSpec("P")
T = TypeVar("T")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """
    What an operator chooses.

    Attributes:
        domain: Prepared (RFC 7622).
        allow_plaintext: Authentication without TLS, for development on loopback.
        open_registration: Everyone may make an account.
        stanza_bytes_max: Greatest stanza; a WebSocket server has to let a little more through to have it refused here.
        decoy_key: The cluster's key for salts of accounts that do not exist, and for resources that stand for a client,
            at most 64 bytes, the same on every node; empty draws one, and then two nodes can be told apart by such an
            account, and a client has another resource on each.
        write_buffer_bytes_max: A client that leaves more unread is let go.
        connection_count_max: Connections beyond are refused.
        authentication_timeout_ms: From connection to success.
        resumption_timeout_s, resumption_location: As in StreamSettings.
        settle_timeout_ms: A command without outcome for so long ends the stream (promise P6).
        close_timeout_ms: From our end tag to the end of the connection, whatever the client does.
        component_secrets: What components prove themselves by (XEP-0114), by label.
        release_after_ms: An idle stream gives its parser's memory back.
    """

    domain: str
    allow_plaintext: bool = False
    open_registration: bool = False
    stanza_bytes_max: int = STANZA_BYTES_MAX
    decoy_key: bytes = b""
    write_buffer_bytes_max: int = 4_194_304
    connection_count_max: int = 100_000
    authentication_timeout_ms: int = 60_000
    settle_timeout_ms: int = 5_000
    resumption_timeout_s: int = 300
    resumption_location: Callable[[], str] = lambda: ""
    close_timeout_ms: int = 5_000
    component_secrets: Mapping[str, str] = field(default_factory=dict)
    release_after_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class GatewayFigures:
    """
    What happened so far, for metrics.

    Attributes:
        stream_end_total: Ended streams by the condition of their error; `none` for those that ended in peace.
    """

    connection_count: int
    accepted_total: int
    bound_total: int
    resumed_total: int
    submitted_total: int
    message_total: int
    received_bytes_total: int
    sent_bytes_total: int
    stream_end_total: dict[str, int]


class Gateway:
    """
    All client connections of a node.

    Args:
        node: The door to the system.
        modules: What the service speaks.
        clock: Monotonic, in nanoseconds.
        entropy: Gives that many bytes of chance.
        tls_context: Of the client-facing certificate; None offers no TLS.
    """

    def __init__(
        self,
        node: Node,
        settings: GatewaySettings,
        modules: Modules,
        *,
        clock: Callable[[], int],
        entropy: Callable[[int], bytes],
        tls_context: ssl.SSLContext | None,
    ) -> None:
        self.node = node
        self.settings = settings
        self.modules = modules
        self.clock = clock
        self.entropy = entropy
        self.tls_context = tls_context
        self.tls_bindings: Mapping[str, bytes] = {} if tls_context is None else channel_bindings(tls_context)
        self.stream_settings = StreamSettings(
            domain=settings.domain,
            allow_plaintext=settings.allow_plaintext,
            open_registration=settings.open_registration,
            has_tls=tls_context is not None,
            decoy_key=settings.decoy_key or entropy(DECOY_KEY_BYTES),
            stanza_bytes_max=settings.stanza_bytes_max,
            resumption_timeout_s=settings.resumption_timeout_s,
            resumption_location=settings.resumption_location,
            has_inline_login=lambda: node.machine_version >= FEATURES_SINCE,
            has_invitations=lambda: node.machine_version >= FEATURES_SINCE,
        )
        self.websocket_endpoint = WebSocketEndpoint(self)
        self.bosh_endpoint = BoshEndpoint(self)
        self.accepted_total = 0
        self.bound_total = 0
        self.resumed_total = 0
        self.submitted_total = 0
        self.message_total = 0
        self.received_bytes_total = 0
        self.sent_bytes_total = 0
        self._stream_ends: dict[str, int] = {}
        self._sessions: OrderedDict[ClientSession, None] = OrderedDict()  # the next one to sweep comes first
        self._touched: list[ClientSession] = []
        self._servers: list[asyncio.Server] = []
        self._is_drained = False
        self._held: set[asyncio.Task[None]] = set()
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._aside_count = 0
        self._is_closing = False
        self._emptied = asyncio.Event()

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that everything here runs on."""
        return asyncio.get_running_loop()

    @property
    def connection_count(self) -> int:
        """Connections that are open now."""
        return len(self._sessions)

    def sessions(self) -> list[ClientSession]:
        """Return the connections that are open now."""
        return list(self._sessions)

    def figures(self) -> GatewayFigures:
        """Return what happened so far."""
        return GatewayFigures(
            connection_count=self.connection_count,
            accepted_total=self.accepted_total,
            bound_total=self.bound_total,
            resumed_total=self.resumed_total,
            submitted_total=self.submitted_total,
            message_total=self.message_total,
            received_bytes_total=self.received_bytes_total,
            sent_bytes_total=self.sent_bytes_total,
            stream_end_total=dict(self._stream_ends),
        )

    async def listen(self, host: str, port: int, *, direct_tls: bool) -> int:
        """
        Take connections; return the port, which is new when 0 was asked for.

        Args:
            direct_tls: TLS from the first byte (XEP-0368), instead of STARTTLS.

        Raises:
            OSError: The address cannot be had.
        """
        assert self.tls_context is not None or not direct_tls, "direct TLS needs a certificate"
        return await self._listen(lambda: TCPConnection(self, direct_tls=direct_tls), host, port)

    async def listen_for_components(self, host: str, port: int) -> int:
        """
        Take connections of components (XEP-0114); return the port, which is new when 0 was asked for.

        Raises:
            OSError: The address cannot be had.
        """
        return await self._listen(lambda: ComponentConnection(self), host, port)

    async def _listen(self, make_connection: Callable[[], TCPConnection], host: str, port: int) -> int:
        server = await self.loop.create_server(make_connection, host, port, backlog=LISTEN_BACKLOG)
        self._servers.append(server)
        bound_port: int = server.sockets[0].getsockname()[1]
        return bound_port

    async def close(self, condition: str = "system-shutdown") -> None:
        """End all streams with this condition and wait, for a bounded time, until clients and system know."""
        self._is_closing = True
        for server in self._servers:
            server.close()
        for session in list(self._sessions):
            session.close(condition)
        wait_s = self.settings.close_timeout_ms / 1000
        if self._sessions:
            self._emptied.clear()
            try:
                await asyncio.wait_for(self._emptied.wait(), wait_s)
            except TimeoutError:
                _log.warning("connections were cut off", count=len(self._sessions))
                for session in list(self._sessions):
                    session.abort()
        if self._held:
            _, unfinished = await asyncio.wait(self._held, timeout=wait_s)
            for task in unfinished:
                task.cancel()
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def drain(self, *, is_drained: bool) -> None:
        """End all streams, to be resumed elsewhere, and take no new ones; or take them again."""
        self._is_drained = is_drained
        if is_drained:
            for session in list(self._sessions):
                session.close("system-shutdown")

    def reconfigure(
        self, *, tls_context: ssl.SSLContext | None, stanza_bytes_max: int, open_registration: bool
    ) -> None:
        """Change what holds for connections from now on; those that are open keep what they began with."""
        self.tls_context = tls_context
        self.tls_bindings = {} if tls_context is None else channel_bindings(tls_context)
        self.settings = replace(self.settings, stanza_bytes_max=stanza_bytes_max, open_registration=open_registration)
        self.stream_settings = replace(
            self.stream_settings,
            stanza_bytes_max=stanza_bytes_max,
            open_registration=open_registration,
            has_tls=tls_context is not None,
        )

    # For the connections.

    def welcome(self, session: ClientSession) -> None:
        """Take a new connection in, or refuse it."""
        self.accepted_total += 1
        self._sessions[session] = None
        if self._sweep_timer is None:
            self._sweep_timer = self.loop.call_later(SWEEP_INTERVAL_S, self._sweep)
        if self._is_closing or self._is_drained:
            session.close("system-shutdown")
        elif len(self._sessions) > self.settings.connection_count_max:
            session.close("resource-constraint", "Too many connections.")

    def forget(self, session: ClientSession) -> None:
        """Take note that a connection is gone."""
        self._sessions.pop(session, None)
        if not self._sessions:
            self._emptied.set()

    def touch(self, session: ClientSession) -> None:
        """Give the session a turn at the end of this one of the loop."""
        if not self._touched:
            self.loop.call_soon(self._run_turns)
        self._touched.append(session)

    def count_stream_end(self, condition: str) -> None:
        """Count an ended stream."""
        name = condition or "none"
        self._stream_ends[name] = self._stream_ends.get(name, 0) + 1

    def run_held(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something to its end in the background."""
        task = self.loop.create_task(coroutine)
        self._held.add(task)
        task.add_done_callback(self._release_task)

    async def run_aside(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Run a costly function off the loop.

        Raises:
            Busy: Too many wait already.
        """
        if self._aside_count >= ASIDE_COUNT_MAX:
            raise Busy("too many passwords at once")
        if self._executor is None:
            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="raftline-passwords")
        self._aside_count += 1
        try:
            return await self.loop.run_in_executor(self._executor, lambda: function(*args, **kwargs))
        finally:
            self._aside_count -= 1

    def _run_turns(self) -> None:
        touched, self._touched = self._touched, []
        for session in touched:
            session.turn()

    def _release_task(self, task: asyncio.Task[None]) -> None:
        self._held.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A session whose end did not get through is ended by the death or the next start of this node.
            level = _log.warning if isinstance(error, RaftlineError) else _log.error
            level("a session did not end", exc_info=error)

    def _sweep(self) -> None:
        self._sweep_timer = None
        if not self._sessions:
            return
        now_ns = self.clock()
        for _ in range(len(self._sessions) // SWEEP_PARTS + 1):
            session = next(iter(self._sessions))
            self._sessions.move_to_end(session)
            session.check_deadlines(now_ns)
            if not self._sessions:
                return
        self._sweep_timer = self.loop.call_later(SWEEP_INTERVAL_S, self._sweep)
