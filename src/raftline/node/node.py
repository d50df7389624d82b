"""
The node door in the process of the node itself: edges on one side, the cluster's driver on the other.

Everything passes as calls on one event loop. Submissions become proposals at once; outcomes and events come back from
the apply loop in log order. A session enters the registry when its bind is applied, before any event of that or a
later command is handed out, and leaves it with its last event.

Once per slice of applied commands each session that moved is told its replicated count; every `MARK_NS` at most, one
command tells the cluster how far all sessions of this node have come.

An edge that fails over an event loses that session alone: `guard` reports the error, and tells the edge that the
session is over.

A session may be taken over, by another node or by this one again: the registry holds it under its latest epoch, and
who held it before is told the moment the take-over is applied. When this node learns that it was declared dead, its
sessions wait to be resumed, and some are taken over already, further on in the log that it is catching up with. So
their streams are ended only when the next life begins: those that moved with `conflict`, the others with `reset`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import islice
from typing import Final, TypeVar

from msgspec.structs import replace

from raftline.base.errors import OutcomeUnknown, Refused, StorageError, Unavailable
from raftline.base.ids import Epochs, NodeId, SessionId
from raftline.cluster.config import MILLISECOND_NS
from raftline.cluster.driver import Driver
from raftline.cluster.media.media import Media
from raftline.cluster.media.objects.media import ObjectMedia
from raftline.machine.commands import (
    SINCE_VERSION,
    Action,
    BindSession,
    DetachSession,
    EndSession,
    KeyOrigin,
    MarkSessions,
    ResumeSession,
    SessionMark,
)
from raftline.machine.components.commands import ConnectComponent
from raftline.machine.login.commands import LogIn
from raftline.machine.outcomes import (
    Bound,
    CommandResult,
    Done,
    Event,
    Gone,
    LoggedIn,
    Outcome,
    Rejected,
    Resumed,
    SessionEnded,
    SessionReleased,
    Stale,
)
from raftline.machine.queries import Answer, Query, SessionRow, SessionsOf
from raftline.machine.rooms.events import SHARED_EVENTS
from raftline.node.door import SessionReceiver
from raftline.node.routes import Routes
from raftline.node.session import LocalSession

_LOG: Final = logging.getLogger(__name__)

MARK_NS: Final = 50 * MILLISECOND_NS
"""Shortest time between two session marks of a node."""

MARK_COUNT_MAX: Final = 8_192
"""Sessions in one mark; the others are in the next."""

_KEY_SIZE: Final = 16

T = TypeVar("T")


class LocalNode:
    """
    Implements `door.Node`.

    Args:
        driver: Not yet started; this node subscribes to it.
        cluster_epoch: First part of the stanza ids that are given out now.
        entropy: Random bytes that nobody can guess, for keys.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        domain: str,
        cluster_epoch: int,
        entropy: Callable[[int], bytes],
        monotonic_ns: Callable[[], int],
    ) -> None:
        self.driver = driver
        self._domain = domain
        self._cluster_epoch = cluster_epoch
        self._entropy = entropy
        self.monotonic_ns = monotonic_ns
        self.wait_seconds = driver.config.timing.wait_ns / 1e9
        self._sessions: dict[SessionId, LocalSession] = {}
        self._by_address: dict[str, LocalSession] = {}
        self._moved: dict[SessionId, LocalSession] = {}
        self._to_mark: dict[SessionId, LocalSession] = {}
        self._mark_timer: asyncio.TimerHandle | None = None
        self._mark_is_under_way = False
        self._routes = Routes(self)
        self._is_declared_dead = False
        self._closing: set[asyncio.Task[None]] = set()
        self.on_drained: Callable[[bool], None] = lambda _is_drained: None
        """Called when this node is to serve no clients, or may again; for whoever listens to clients."""
        self.on_slice: Callable[[], None] = lambda: None
        """Called when a slice of commands is applied and its events are out; for who looks for what to do next."""
        driver.subscribe(self)

    @property
    def domain(self) -> str:
        """See `door.Node`."""
        return self._domain

    @property
    def epochs(self) -> Epochs:
        """See `door.Node`."""
        return Epochs(self._cluster_epoch, self.driver.machine.former_epochs)

    @property
    def machine_version(self) -> int:
        """See `door.Node`."""
        return self.driver.machine.machine_version

    @property
    def files(self) -> Media | ObjectMedia:
        """See `door.Node`."""
        assert self.driver.files is not None, "the storage was opened with keeps_media"
        return self.driver.files

    @property
    def session_count(self) -> int:
        """Sessions bound here."""
        return len(self._sessions)

    async def barrier(self) -> None:
        """See `door.Node`."""
        await self.driver.read_barrier()

    async def await_replicas(self, localpart: str) -> None:
        """See `door.Node`."""
        rows = self.driver.machine.answer(SessionsOf(localpart))
        holders = {row.node_id for row in rows if type(row) is SessionRow} if type(rows) is list else set()
        holders -= {self.driver.node_id, NodeId(0)}  # what waits to be resumed is nowhere
        if holders and not await self.driver.survey.await_applied(holders):
            _LOG.warning("a node that holds sessions of an account does not follow: %s", sorted(holders))

    async def ask(self, query: Query) -> Answer:
        """See `door.Node`. Remembers where the sessions of the answer are, for `route`."""
        try:
            answer = self.driver.machine.answer(query)
        except StorageError as error:
            # Nobody is to be served from a database that fails, whoever asked first.
            self.driver.fail(error)
            raise
        if type(answer) is SessionRow:
            self._routes.remember(answer)
        elif type(answer) is list:
            for row in answer:
                if type(row) is SessionRow:
                    self._routes.remember(row)
        return answer

    # Commands

    async def execute(self, action: Action, *, key: bytes | None = None) -> Outcome:
        """See `door.Node`."""
        origin = None if key is None else KeyOrigin(key)
        return await self._await_outcome(action, origin, lambda result: result.outcome, self.wait_seconds)

    def require_understood(self, action: Action) -> None:
        """
        Refuse a command that some member may not know: apply would call it unreadable, and tell nobody.

        Raises:
            Unavailable: Its machine version is not agreed on, as far as this replica has come.
        """
        since = SINCE_VERSION.get(type(action))
        if since is not None and since > self.driver.machine.machine_version:
            raise Unavailable("not all members understand this command yet")

    async def _await_outcome(
        self, action: Action, origin: KeyOrigin | None, read: Callable[[CommandResult], T], seconds: float
    ) -> T:
        """Propose, wait, and return what `read` makes of the result; it is called while the command is applied."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def applied(result: CommandResult) -> None:
            if not done.done():
                done.set_result(read(result))
            else:
                self.unclaimed(result)

        self.require_understood(action)
        ticket = self.driver.propose(action, origin, applied)
        try:
            async with asyncio.timeout(seconds):
                return await done
        except TimeoutError:
            if done.done() and not done.cancelled():
                return done.result()  # it came in the same turn of the loop
            if self.driver.forget(ticket):
                raise Unavailable("no quorum took the command in time") from None
            raise OutcomeUnknown("no outcome in time") from None
        except asyncio.CancelledError:
            self.driver.forget(ticket)
            if done.done() and not done.cancelled() and isinstance(session := done.result(), LocalSession):
                self._let_go(session.session_id, session.epoch)
            raise

    async def open_session(self, bind: BindSession, receiver: SessionReceiver) -> LocalSession:
        """See `door.Node`. Node and incarnation of `bind` are this node's own, whatever it says."""
        held = await self._take_hold(
            lambda incarnation: BindSession(bind.localpart, bind.resource, self.driver.node_id, incarnation),
            lambda result: self._held(result, bind.localpart, bind.resource, receiver),
        )
        assert isinstance(held, LocalSession)
        return held

    async def resume_session(
        self, localpart: str, session_id: SessionId, token: bytes, receiver: SessionReceiver
    ) -> tuple[LocalSession, Resumed] | Gone:
        """See `door.Node`."""
        resumed: list[Resumed] = []

        def applied(result: CommandResult) -> LocalSession | Outcome:
            outcome = result.outcome
            if not isinstance(outcome, Done) or not isinstance(outcome.result, Resumed):
                return outcome
            resumed.append(outcome.result)
            return self._held(result, localpart, outcome.result.resource, receiver)

        held = await self._take_hold(
            lambda incarnation: ResumeSession(localpart, session_id, token, self.driver.node_id, incarnation), applied
        )
        if isinstance(held, Gone):
            return held
        assert isinstance(held, LocalSession)
        return held, resumed[-1]

    async def log_in(self, action: LogIn, receiver: SessionReceiver) -> tuple[LocalSession | None, LoggedIn]:
        """See `door.Node`."""
        logged_in: list[LoggedIn] = []

        def make_action(incarnation: int) -> LogIn:
            # What was done in a life that is over then is not to be refused as a repetition now.
            use = None if logged_in else action.use
            return replace(action, node_id=self.driver.node_id, incarnation=incarnation, use=use)

        def applied(result: CommandResult) -> LocalSession | Outcome:
            outcome = result.outcome
            if not isinstance(outcome, Done) or not isinstance(outcome.result, LoggedIn):
                return outcome
            logged_in.append(outcome.result)
            return self._held(result, action.localpart, "" if action.bind is None else action.bind.resource, receiver)

        held = await self._take_hold(make_action, applied)
        return (held if isinstance(held, LocalSession) else None), logged_in[-1]

    async def connect_component(self, label: str, receiver: SessionReceiver) -> LocalSession:
        """See `door.Node`."""
        held = await self._take_hold(
            lambda incarnation: ConnectComponent(label, self.driver.node_id, incarnation),
            lambda result: self._held_at(result, f"{label}.{self._domain}", receiver),
        )
        assert isinstance(held, LocalSession)
        return held

    async def _take_hold(
        self,
        make_action: Callable[[int], BindSession | ResumeSession | LogIn | ConnectComponent],
        read: Callable[[CommandResult], LocalSession | Outcome],
    ) -> LocalSession | Gone | LoggedIn:
        """
        Propose to hold a session in this node's present life, until that has an outcome or time is up.

        Returns: What the outcome says instead, if that is no session.
        """
        loop = asyncio.get_running_loop()
        lives = self.driver.lives
        deadline = loop.time() + self.wait_seconds
        while True:
            await lives.wait_live()
            incarnation = lives.incarnation
            # Under a key: a repeat after a change of leader must not take the session over from itself.
            held = await self._await_outcome(
                make_action(incarnation),
                KeyOrigin(self._entropy(_KEY_SIZE)),
                read,
                max(deadline - loop.time(), 0.0),
            )
            if isinstance(held, LocalSession):
                return held
            if isinstance(held, Rejected):
                raise Refused(held.condition, held.kind, held.text)
            if isinstance(held, Done) and isinstance(held.result, Gone | LoggedIn):
                return held.result
            # The life in which it was asked for is over.
            lives.end(incarnation)

    def _held(
        self, result: CommandResult, localpart: str, resource: str, receiver: SessionReceiver
    ) -> LocalSession | Outcome:
        """Register a session the moment its bind or take-over is applied; `resource` counts for a bind."""
        bound = _hold_of(result.outcome)
        if isinstance(bound, Resumed):
            resource = bound.resource
        return self._held_at(result, f"{localpart}@{self._domain}/{resource}", receiver)

    def _held_at(self, result: CommandResult, full_jid: str, receiver: SessionReceiver) -> LocalSession | Outcome:
        """Register a session under the address that it speaks for."""
        bound = _hold_of(result.outcome)
        if bound is None:
            return result.outcome
        if result.incarnation != self.driver.lives.incarnation:
            self._let_go(bound.session_id, bound.epoch)
            return Stale()
        former = self._sessions.get(bound.session_id)
        if former is not None:
            self._close(former, SessionEnded(self.driver.node_id, former.session_id, "conflict"))
        session = LocalSession(self, bound, full_jid=full_jid, incarnation=result.incarnation, receiver=receiver)
        self._sessions[bound.session_id] = session
        self._by_address[full_jid] = session
        return session

    def _let_go(self, session_id: SessionId, epoch: int) -> None:
        """Give up a session that has no edge: it waits for its client, or ends."""
        self.driver.propose(DetachSession(session_id, epoch), None, None, essential=True)

    # What the driver tells

    def receive_event(self, event: Event) -> None:
        """See `cluster.driver.Subscriber`."""
        if isinstance(event, SHARED_EVENTS):
            for session_id in event.session_ids:
                session = self._sessions.get(session_id)
                if session is not None:
                    session.deliver(event)
            return
        session = self._sessions.get(event.session_id)
        if session is None:
            return  # of an earlier life, or ended here already
        kind = type(event)
        if kind is SessionEnded:
            assert isinstance(event, SessionEnded)
            self._close(session, event)
            if event.reason == "reset":
                self._declared_dead(session)
        elif kind is SessionReleased:
            assert isinstance(event, SessionReleased)
            self._released(session, event)
        else:
            session.deliver(event)

    def _released(self, session: LocalSession, event: SessionReleased) -> None:
        """Take note that this node no longer holds a session, which lives on."""
        if event.epoch != session.epoch:
            return  # of a hold that was over before; this one goes on
        if event.reason == "reset":
            self._declared_dead(session)
        else:
            self._close(session, SessionEnded(event.node_id, event.session_id, event.reason))

    def _declared_dead(self, session: LocalSession) -> None:
        self._is_declared_dead = True
        self.driver.lives.end(session.incarnation)
        self._is_declared_dead = False

    def detached(self, session: LocalSession) -> None:
        """Forget a session that waits to be resumed."""
        if self._sessions.get(session.session_id) is session:
            self._remove(session)

    def _close(self, session: LocalSession, last_event: SessionEnded) -> None:
        """Take a session out of the registry and hand out its last event."""
        self._remove(session)
        session.deliver(last_event)

    def _remove(self, session: LocalSession) -> None:
        del self._sessions[session.session_id]
        if self._by_address.get(session.full_jid) is session:
            del self._by_address[session.full_jid]
        self._to_mark.pop(session.session_id, None)
        session.ended()

    def guard(self, session: LocalSession, call: Callable[[T], None], value: T) -> None:
        """Call into an edge; if it fails, its session alone is over."""
        try:
            call(value)
        except Exception:  # noqa: BLE001  one failing edge must not end the node, and with it all others
            _LOG.exception("the edge of session %d failed", session.session_id)
            if self._sessions.get(session.session_id) is session:
                self.driver.propose(EndSession(session.session_id, session.epoch), None, None, essential=True)

    def unclaimed(self, result: CommandResult) -> None:
        """See `cluster.driver.Subscriber`: a session nobody waits for any more is let go."""
        bound = _hold_of(result.outcome)
        if bound is not None:
            session = self._sessions.get(bound.session_id)
            if session is None or session.epoch != bound.epoch:
                self._let_go(bound.session_id, bound.epoch)

    def slice_applied(self) -> None:
        """See `cluster.driver.Subscriber`."""
        if self._moved:
            moved, self._moved = self._moved, {}
            for session in moved.values():
                self.guard(session, session.receiver.receive_progress, session.replicated_count)
        self.on_slice()

    def drained(self, *, is_drained: bool) -> None:
        """See `cluster.driver.Subscriber`."""
        self.on_drained(is_drained)

    def life_ended(self) -> None:
        """See `cluster.driver.Subscriber`, and the head of this module."""
        sessions = list(self._sessions.values())
        if self._is_declared_dead:
            task = asyncio.get_running_loop().create_task(self._close_in_next_life(sessions))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        else:
            self._close_all(sessions)

    async def _close_in_next_life(self, sessions: list[LocalSession]) -> None:
        try:
            await self.driver.lives.wait_live()
        except Unavailable as error:
            _LOG.info("streams of the last life end before the next one begins: %s", error)
        self._close_all(sessions)

    def _close_all(self, sessions: list[LocalSession]) -> None:
        for session in sessions:
            if self._sessions.get(session.session_id) is session:
                self._close(session, SessionEnded(self.driver.node_id, session.session_id, "reset"))

    # Progress of sessions

    def note_progress(self, session: LocalSession) -> None:
        """Remember to tell the session's edge its replicated count after this slice."""
        self._moved[session.session_id] = session

    def note_mark(self, session: LocalSession) -> None:
        """Remember to tell the cluster how far the session has come."""
        self._to_mark[session.session_id] = session
        self._arm_marks()

    def _arm_marks(self) -> None:
        if not self._to_mark:
            return
        if self._mark_timer is None and not self._mark_is_under_way:
            self._mark_timer = asyncio.get_running_loop().call_later(MARK_NS / 1e9, self._propose_marks)

    def _propose_marks(self) -> None:
        """Join the progress of all sessions that moved into one command; one at a time is under way."""
        self._mark_timer = None
        marked: list[tuple[LocalSession, SessionMark]] = []
        for session in list(islice(self._to_mark.values(), MARK_COUNT_MAX)):
            del self._to_mark[session.session_id]
            mark = session.take_mark()
            if mark is not None:
                marked.append((session, mark))
        if not marked:
            return

        def applied(_result: CommandResult) -> None:
            self._mark_is_under_way = False
            for session, mark in marked:
                session.advanced(mark.inbound_count, mark.acknowledged, mark.roster_version)
                if session.needs_mark:
                    self._to_mark[session.session_id] = session
            self._arm_marks()

        self._mark_is_under_way = True
        action = MarkSessions(tuple(mark for _, mark in marked))
        try:
            self.driver.propose(action, None, applied, essential=True)
        except Unavailable:
            self._mark_is_under_way = False  # stopping: nobody is told any more

    # Off the log

    def route(self, session_id: SessionId, stanza: bytes) -> bool:
        """See `door.Node`. A session of another node is known once `ask` has told of it."""
        return self._routes.route(session_id, stanza)

    def receive_off_log(self, session_id: SessionId, stanza: bytes) -> None:
        """See `cluster.driver.Subscriber`."""
        self._routes.receive(session_id, stanza)

    def peer_lost(self, node_id: NodeId) -> None:
        """See `cluster.driver.Subscriber`: requests under way to that node are answered for."""
        self._routes.peer_lost(node_id)

    def session_of(self, session_id: SessionId) -> LocalSession | None:
        """Return a session that this node holds."""
        return self._sessions.get(session_id)

    def session_at(self, address: str) -> LocalSession | None:
        """Return the session that this node holds for a full JID, or for the domain of a component."""
        return self._by_address.get(address)


def _hold_of(outcome: Outcome) -> Bound | Resumed | None:
    """Return the session that a command has bound or taken over, if any."""
    result = outcome.result if isinstance(outcome, Done) else None
    if isinstance(result, LoggedIn):
        return result.bound or result.resumed
    return result if isinstance(result, Bound | Resumed) else None
