"""
The node's side of a client connection: what gateway and protocol floor do with one stream, without its XML.

It keeps the rules of XEP-0198 as they do. Stanzas are taken in order; one that causes a command is submitted at once,
any other waits for the outcomes of those before it. What is told to the client as `h` is the replicated count. What the
client acknowledges becomes the cursor of the session's marks. Deliveries that come while the stream is behind are
passed over and read from the inbox, by the protocol floor's own `Delivery`.

    connected ── bind, resume ──> bound ── the connection ends, the session ends, nothing settles ──> over
                                             └── a session that can be resumed is detached, any other ended
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final

from raftline.base.errors import OutcomeUnknown, Refused, StorageError, Unavailable
from raftline.base.ids import CURSOR_START, Cursor, NodeId, SessionId
from raftline.machine.commands import BindSession, CreateAccount
from raftline.machine.login.commands import LogIn, ResumptionAsked
from raftline.machine.outcomes import (
    CarbonCopied,
    Done,
    Event,
    Gone,
    InboxWaiting,
    MessageArrived,
    Outcome,
    Rejected,
    Resumed,
    RosterPushed,
    SessionEnded,
    Stale,
)
from raftline.machine.queries import Picture, PictureOf, SessionRow, SessionsOf
from raftline.machine.rooms.events import RoomMessageArrived
from raftline.machine.versions import FEATURES_SINCE
from raftline.xmpp.delivery import Delivery
from raftline.xmpp.management import RESUMABLE_ENDS
from sim.scheduler import SECOND_NS
from sim.stanzas import DOMAIN, Stanza, off_log_stanza, register_query

if TYPE_CHECKING:
    from raftline.node.node import LocalNode
    from raftline.node.session import LocalSession
    from sim.channel import Channel
    from sim.devices import Device
    from sim.life import Life

SETTLE_TIMEOUT_NS: Final = 5 * SECOND_NS
"""A stream whose oldest submission has no outcome for so long ends, resumable."""

_LOOK_SECONDS: Final = 0.5
_TRANSIENT: Final = (Refused, Unavailable, OutcomeUnknown)

Reply = Callable[..., None]
_Step = tuple[Callable[..., Any], tuple[Any, ...]]
"""A method and its arguments; one that is no coroutine function may return the step that remains to be done."""


class Edge:
    """
    One stream. Implements `node.door.SessionReceiver`; calls come from the node's loop.

    Args:
        life: Of the node's process.
        device: Who is on the other side; only called through the channel.
    """

    def __init__(self, life: Life, channel: Channel, device: Device) -> None:
        self.life = life
        self._channel = channel
        self._device = device
        self._localpart = device.account
        self._resource = ""
        self._session: LocalSession | None = None
        self._queue: deque[_Step] = deque()
        self._task: asyncio.Task[None] | None = None
        self._task_since_ns = 0
        self._number = 0
        self._pending: deque[int] = deque()
        self._inbound_base = 0
        self._replicated = 0
        self._told_h = -1
        self._sent_count = 0
        self._acked_count = 0
        self._tracked: deque[tuple[int, Cursor | int]] = deque()
        self._acknowledged = CURSOR_START
        self._roster_version = 0
        self._reported = (0, CURSOR_START, 0)
        self._delivery = Delivery()
        self._held: list[Event | bytes] | None = None
        self._is_resumable = False
        self._has_session_ended = False
        self._flush_is_due = False
        self._is_catching_up = False
        self.is_over = False
        life.edges[self] = None
        life.loop.call_later(_LOOK_SECONDS, self._look)

    @property
    def _node(self) -> LocalNode:
        return self.life.door

    @property
    def machine_version(self) -> int:
        """What this node's replica has come to."""
        return self._node.driver.machine.machine_version

    # What the client says, in order

    def bind(self, reply: Reply, resource: str) -> None:
        """Bind a resource."""
        self._take(self._bind, reply, resource)

    def enable(self, reply: Reply, token: bytes, timeout_s: int) -> None:
        """Turn stream management on."""
        self._take(self._enable, reply, token, timeout_s)

    def resume(self, reply: Reply, session_id: SessionId, token: bytes, client_h: int) -> None:
        """Continue a session."""
        self._take(self._resume, reply, session_id, token, client_h)

    def stanza(self, stanza: Stanza) -> None:
        """Take a stanza."""
        self._take(self._stanza, stanza)

    def acknowledge(self, client_h: int) -> None:
        """Take note of how many stanzas reached the client."""
        self._take(self._acknowledge, client_h)

    def read(self, reply: Reply, key: str) -> None:
        """Read a register, not stale."""
        self._take(self._read, reply, key)

    def create_account(self, reply: Reply, name: str, key: bytes) -> None:
        """Create an account."""
        self._take(self._create_account, reply, name, key)

    def leave(self) -> None:
        """End the stream in peace."""
        self._take(self._leave)

    def _take(self, method: Callable[..., Any], *arguments: object) -> None:
        if not self.is_over:
            self._queue.append((method, arguments))
            self._go_on()

    def _go_on(self) -> None:
        """Handle what came, one after the other."""
        while self._queue and self._task is None and not self.is_over:
            method, arguments = self._queue[0]
            if self._pending and not self._is_pipelined(method, arguments):
                return
            self._queue.popleft()
            rest = (method, arguments) if iscoroutinefunction(method) else method(*arguments)
            if rest is not None:
                self._task_since_ns = self._now_ns()
                self._task = self.life.loop.create_task(self._carry_out(*rest))

    def _is_pipelined(self, method: object, arguments: tuple[Any, ...]) -> bool:
        """Whether it need not wait for the outcomes of what came before."""
        if method == self._stanza:
            return arguments[0].action is not None
        return method == self._acknowledge

    def _now_ns(self) -> int:
        return self.life.now_ns()

    async def _carry_out(self, method: Callable[..., Coroutine[Any, Any, None]], arguments: tuple[Any, ...]) -> None:
        try:
            await method(*arguments)
        except asyncio.CancelledError:
            raise
        except StorageError as error:
            # The database cannot be read. The node will notice when it next applies something.
            if not self.life.is_disk_failing:
                self.life.report("an edge failed", error)
            self._close("internal-server-error")
        except Exception as error:  # noqa: BLE001  an edge that fails is a fault of the simulation or of the node
            self.life.report("an edge failed", error)
        self._task = None
        self._go_on()

    # Sessions

    async def _bind(self, reply: Reply, resource: str) -> None:
        self._held = []
        try:
            self._session = await self._node.open_session(BindSession(self._localpart, resource, NodeId(0), 0), self)
        except _TRANSIENT as error:
            self._held = None
            self._channel.to_client(reply, "failed", type(error).__name__)
            return
        self._resource = resource
        self._channel.to_client(reply, "bound", self._session.session_id)
        self._release_held()

    async def _enable(self, reply: Reply, token: bytes, timeout_s: int) -> None:
        assert self._session is not None
        self._held = []
        base = self._number
        try:
            await self._session.enable_management(base, token, timeout_s)
        except _TRANSIENT as error:
            self._held = None
            self._channel.to_client(reply, "failed", type(error).__name__)
            self._close("resource-constraint")
            return
        self._inbound_base = base
        self._replicated = max(self._replicated, base)
        self._is_resumable = bool(token)
        self._delivery.is_kept = True
        self._channel.to_client(self._device.management_enabled)
        self._channel.to_client(reply, "enabled")
        self._release_held()

    async def _resume(self, reply: Reply, session_id: SessionId, token: bytes, client_h: int) -> None:
        self._held = []
        try:
            answer = await self._take_over(session_id, token)
        except Refused as error:
            self._held = None
            self._channel.to_client(reply, "refused", error.condition)
            return
        except (Unavailable, OutcomeUnknown):
            self._close("resource-constraint")
            return
        if isinstance(answer, Gone):
            self._held = None
            self._channel.to_client(reply, "gone", answer.handled_count)
            return
        self._session, resumed = answer
        self._resource = resumed.resource
        self._inbound_base = resumed.inbound_base
        self._number = self._replicated = resumed.inbound_count
        self._sent_count = self._acked_count = client_h
        self._is_resumable = True
        self._told_h = resumed.inbound_count - resumed.inbound_base
        self._channel.to_client(reply, "resumed", self._told_h)
        self._delivery.is_kept = True
        self._delivery.pass_over()
        picture = await self._node.ask(PictureOf(session_id))
        assert isinstance(picture, Picture)
        for event in picture.events:
            self._write(event)
        self._release_held()

    async def _take_over(self, session_id: SessionId, token: bytes) -> tuple[LocalSession, Resumed] | Gone:
        """Resume a session: every other one by the command of its own, the rest as part of a login (XEP-0388)."""
        node = self._node
        if session_id % 2 or node.machine_version < FEATURES_SINCE:
            return await node.resume_session(self._localpart, session_id, token, self)
        session, done = await node.log_in(LogIn(self._localpart, resume=ResumptionAsked(session_id, token)), self)
        if done.gone is not None:
            return done.gone
        if session is None or done.resumed is None:
            raise Refused("item-not-found", "cancel")
        return session, done.resumed

    async def _create_account(self, reply: Reply, name: str, key: bytes) -> None:
        try:
            outcome = await self._node.execute(CreateAccount(name, ()), key=key)
        except _TRANSIENT as error:
            self._channel.to_client(reply, "failed", type(error).__name__)
            return
        if isinstance(outcome, Rejected):
            self.life.report("a keyed command happened twice", AssertionError(f"{name}: {outcome}"))
        self._channel.to_client(reply, "done", outcome)

    async def _read(self, reply: Reply, key: str) -> None:
        checkers = self.life.checkers
        floor = checkers.delivered_max
        try:
            await self._node.barrier()
        except Unavailable as error:
            self._channel.to_client(reply, "failed", type(error).__name__)
            return
        self.life.barrier_passed(floor)
        self._channel.to_client(reply, "value", await self._node.ask(register_query(key)))

    def _leave(self) -> None:
        self._close("")

    # Stanzas

    def _stanza(self, stanza: Stanza) -> _Step | None:
        if self._session is None:
            return None  # of a client that did not hear yet that its session was not to be
        self._number += 1
        if stanza.action is None:
            self._flush_soon()
            return (self._off_log, (stanza,)) if stanza.receiver else None
        number = self._number
        try:
            self._session.submit(number, stanza.action, partial(self._outcome, number, stanza))
        except Unavailable:
            self._refuse(stanza, "resource-constraint")
            self._flush_soon()
        else:
            stanza.is_refused = False
            self._pending.append(number)
        return None

    def _outcome(self, number: int, stanza: Stanza, outcome: Outcome) -> None:
        expected = self._pending.popleft()
        assert number == expected, (number, expected)
        if isinstance(outcome, Stale):
            self._close("reset")
            return
        if isinstance(outcome, Rejected):
            self._refuse(stanza, outcome.condition)
        elif not self._delivery.is_kept:
            self._channel.to_client(self._device.settled_alone, stanza)
        if stanza.kind == "open" and isinstance(outcome, Done):
            self._device.room_opened()
        if stanza.waits_for_replicas and not self.is_over:
            self._queue.appendleft((self._await_replicas, ()))
        self._replicated = max(self._replicated, number)
        self._flush_soon()
        self.life.promised("outcome")
        self._go_on()

    async def _await_replicas(self) -> None:
        await self._node.await_replicas(self._localpart)

    def _refuse(self, stanza: Stanza, condition: str) -> None:
        stanza.is_refused = True
        self._count_sent()
        self._channel.to_client(self._device.refused, stanza, condition)

    async def _off_log(self, stanza: Stanza) -> None:
        """Route a question to all sessions of an account, or the answer to the one that asked."""
        account, _, resource = stanza.receiver.partition("/")
        rows = await self._node.ask(SessionsOf(account))
        assert isinstance(rows, list)
        own = f"{self._localpart}@{DOMAIN}/{self._resource}"
        for row in rows:
            if isinstance(row, SessionRow) and resource in {"", row.resource}:
                index = self._node.driver.machine.applied_index
                to = f"{account}@{DOMAIN}/{row.resource}"
                self._node.route(
                    row.session_id, off_log_stanza(own, to, stanza.request_id or f"q{self._number}", index)
                )

    # What the node tells

    def receive_event(self, event: Event) -> None:
        """See `node.door.SessionReceiver`."""
        if self._held is not None and type(event) is not SessionEnded:
            self._held.append(event)
            return
        kind = type(event)
        if kind is SessionEnded:
            assert isinstance(event, SessionEnded)
            self._has_session_ended = True
            self._close(event.reason or "ended")
        elif self.is_over:
            return
        elif isinstance(event, MessageArrived | CarbonCopied | RoomMessageArrived):
            cursor = self._delivery.admit(event)
            if cursor is not None:
                self._deliver(event, cursor)
        elif kind is InboxWaiting:
            self._delivery.pass_over()
        else:
            self._write(event)
        if self._delivery.is_due:
            self._flush_soon()

    def receive_stanza(self, stanza: bytes) -> None:
        """See `node.door.SessionReceiver`."""
        if self._held is not None:
            self._held.append(stanza)
        elif not self.is_over:
            self.life.off_log_arrived(stanza)
            self._count_sent()
            self._channel.to_client(self._device.off_log_arrived, stanza)

    def receive_progress(self, inbound_count: int) -> None:
        """See `node.door.SessionReceiver`."""
        self._replicated = max(self._replicated, inbound_count)
        self._flush_soon()

    def _release_held(self) -> None:
        held, self._held = self._held, None
        for event in held or ():
            if isinstance(event, bytes):
                self.receive_stanza(event)
            else:
                self.receive_event(event)
        self._flush_soon()

    def _deliver(self, event: MessageArrived | CarbonCopied | RoomMessageArrived, cursor: Cursor) -> None:
        self.life.delivering(event.position)
        self._count_sent()
        if self._delivery.is_kept:
            self._tracked.append((self._sent_count, cursor))
        self._channel.to_client(self._device.delivered, event)

    def _count_sent(self) -> None:
        if self._delivery.is_kept:
            self._sent_count += 1

    def _write(self, event: Event) -> None:
        self._count_sent()
        if isinstance(event, RosterPushed):
            self._tracked.append((self._sent_count, event.version))
        self._channel.to_client(self._device.told, type(event).__name__)

    def _acknowledge(self, client_h: int) -> None:
        if client_h > self._sent_count:
            self.life.report("a device acknowledges more than it was sent", AssertionError(client_h, self._sent_count))
        self._acked_count = max(self._acked_count, client_h)
        while self._tracked and self._tracked[0][0] <= self._acked_count:
            found = self._tracked.popleft()[1]
            if isinstance(found, Cursor):
                self._acknowledged = max(self._acknowledged, found)
            else:
                self._roster_version = max(self._roster_version, found)
        self._flush_soon()

    # Once a turn

    def _flush_soon(self) -> None:
        if not self._flush_is_due and not self.is_over:
            self._flush_is_due = True
            self.life.loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Tell the client what is settled, the node how far the session has come, and catch up."""
        self._flush_is_due = False
        if self.is_over or self._session is None:
            return
        if self._delivery.is_kept:
            h = self._replicated - self._inbound_base
            if h > self._told_h:
                self._told_h = h
                self._channel.to_client(self._device.settled, h)
                self.life.promised("h")
            handled = self._pending[0] - 1 if self._pending else self._number
            report = (handled, self._acknowledged, self._roster_version)
            if report != self._reported and (report[1:] != self._reported[1:] or handled > self._replicated):
                self._reported = report
                self._session.progress(handled, self._acknowledged, roster_version=self._roster_version)
        if self._delivery.is_due and not self._is_catching_up and self._held is None:
            self._is_catching_up = True
            self._queue.appendleft((self._catch_up, ()))
        self._go_on()

    async def _catch_up(self) -> None:
        assert self._session is not None
        events = await self._node.ask(self._delivery.next_page(self._session.session_id))
        assert isinstance(events, list)
        self._is_catching_up = False
        for event, cursor in self._delivery.take_page(events):
            assert isinstance(event, MessageArrived | CarbonCopied | RoomMessageArrived)
            self._deliver(event, cursor)
        self._flush_soon()

    def _look(self) -> None:
        """End a stream for which nothing is settled (promise P6)."""
        if self.is_over:
            return
        now_ns = self._now_ns()
        pending_ns = None if self._session is None else self._session.pending_since_ns
        is_stuck = pending_ns is not None and now_ns - pending_ns > SETTLE_TIMEOUT_NS
        if is_stuck or (self._task is not None and now_ns - self._task_since_ns > 2 * SETTLE_TIMEOUT_NS):
            self._close("resource-constraint")
        else:
            self.life.loop.call_later(_LOOK_SECONDS, self._look)

    # Ends

    def connection_lost(self) -> None:
        """The client is gone."""
        self._end(is_detached=self._is_resumable)

    def _close(self, condition: str) -> None:
        if not self.is_over:
            self._channel.closed_by_edge()
            self._end(is_detached=self._is_resumable and condition in RESUMABLE_ENDS)

    def close_for_stop(self) -> None:
        """The node stops."""
        self._close("system-shutdown")

    def _end(self, *, is_detached: bool) -> None:
        if self.is_over:
            return
        self.is_over = True
        self._held = None
        self._queue.clear()
        self.life.edges.pop(self, None)
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        session = self._session
        if session is not None and not self._has_session_ended:
            farewell = session.detach if is_detached else session.end
            self.life.hold(self.life.loop.create_task(self._say_farewell(farewell)))

    async def _say_farewell(self, farewell: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await farewell()
        except _TRANSIENT:
            return  # it goes on being tried, or the node stops
