"""A bound session of this node, as its edge holds it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from raftline.base.errors import LocalProtocolError, OutcomeUnknown
from raftline.base.ids import CURSOR_START, Cursor, SessionId
from raftline.machine.commands import (
    Action,
    DetachSession,
    EnableManagement,
    EndSession,
    MarkSessions,
    OpenRequest,
    SessionMark,
    SessionOrigin,
)
from raftline.machine.outcomes import Bound, CommandResult, Event, Outcome, Resumed, Stale

if TYPE_CHECKING:
    from raftline.node.door import SessionReceiver
    from raftline.node.node import LocalNode


class _Submission(NamedTuple):
    """A command under way. `number` is 0 for one that no stanza of the client caused."""

    number: int
    since_ns: int
    on_outcome: Callable[[Outcome], None]


class LocalSession:
    """
    Implements `door.Session` in the process of the node.

    Outcomes arrive in the order of submissions, because the commands of a node enter every log in order (see
    `cluster.proposals`); so what is under way is a queue and costs no lookup.

    Attributes:
        incarnation: The life of the node it was bound or resumed in.
        replicated_count: Inbound stanzas covered by what is applied.
        replicated_acknowledged: The same for the delivery cursor.
    """

    __slots__ = (
        "_acknowledged",
        "_answered",
        "_ending",
        "_inbound_count",
        "_is_over",
        "_last_number",
        "_node",
        "_pending",
        "_replicated_roster_version",
        "_requests",
        "_roster_version",
        "epoch",
        "full_jid",
        "incarnation",
        "receiver",
        "replicated_acknowledged",
        "replicated_count",
        "session_id",
    )

    def __init__(
        self, node: LocalNode, bound: Bound | Resumed, *, full_jid: str, incarnation: int, receiver: SessionReceiver
    ) -> None:
        self._node = node
        self.session_id: SessionId = bound.session_id
        self.epoch: int = bound.epoch
        self.full_jid = full_jid
        self.incarnation = incarnation
        self.receiver = receiver
        self._pending: deque[_Submission] = deque()
        self._last_number = 0
        self._inbound_count = 0
        self._acknowledged = CURSOR_START
        self._requests: list[OpenRequest] = []
        self._answered: list[int] = []
        self._roster_version = self._replicated_roster_version = 0
        self.replicated_count = 0
        self.replicated_acknowledged = CURSOR_START
        if isinstance(bound, Resumed):
            self._last_number = bound.number
            self._inbound_count = self.replicated_count = bound.inbound_count
        self._is_over = False
        self._ending: asyncio.Future[None] | None = None

    @property
    def pending_since_ns(self) -> int | None:
        """See `door.Session`."""
        return self._pending[0].since_ns if self._pending else None

    def submit(
        self,
        number: int,
        action: Action,
        on_outcome: Callable[[Outcome], None],
        requests: tuple[OpenRequest, ...] = (),
    ) -> None:
        """See `door.Session`. Numbers must grow."""
        last_number = self._last_number
        if number <= last_number:
            raise LocalProtocolError(f"stanza {number} submitted after stanza {last_number}")
        self._node.require_understood(action)
        if self._requests:
            requests = (*self._requests, *requests)
        origin = SessionOrigin(self.session_id, self.epoch, number, last_number, requests)
        self._node.driver.propose(action, origin, self._settle)
        self._requests.clear()
        self._last_number = number
        self._pending.append(_Submission(number, self._node.monotonic_ns(), on_outcome))

    def _settle(self, result: CommandResult) -> None:
        """Take the outcome of the oldest command under way."""
        submission = self._pending.popleft()
        outcome = result.outcome
        self._node.guard(self, submission.on_outcome, outcome)
        if submission.number and type(outcome) is not Stale:
            self.advanced(submission.number, self.replicated_acknowledged)

    def advanced(self, inbound_count: int, acknowledged: Cursor, roster_version: int = 0) -> None:
        """Note what is replicated by now; the receiver is told once per slice."""
        if inbound_count > self.replicated_count:
            self.replicated_count = inbound_count
            self._node.note_progress(self)
        self.replicated_acknowledged = max(self.replicated_acknowledged, acknowledged)
        self._replicated_roster_version = max(self._replicated_roster_version, roster_version)

    def progress(
        self,
        inbound_count: int,
        acknowledged: Cursor,
        requests: tuple[OpenRequest, ...] = (),
        answered: tuple[int, ...] = (),
        roster_version: int = 0,
    ) -> None:
        """See `door.Session`."""
        self._inbound_count = max(self._inbound_count, inbound_count)
        self._acknowledged = max(self._acknowledged, acknowledged)
        self._requests += requests
        self._answered += answered
        self._roster_version = max(self._roster_version, roster_version)
        if self.needs_mark:
            self._node.note_mark(self)

    @property
    def needs_mark(self) -> bool:
        """Whether there is something to say that neither a command nor a mark has said."""
        return not self._is_over and bool(
            self._inbound_count > self.replicated_count
            or self._acknowledged > self.replicated_acknowledged
            or self._requests
            or self._answered
            or self._roster_version > self._replicated_roster_version
        )

    def take_mark(self) -> SessionMark | None:
        """Return what the next mark says of this session, which the caller sees through; None if nothing is new."""
        if not self.needs_mark:
            return None
        requests, self._requests = tuple(self._requests), []
        answered, self._answered = tuple(self._answered), []
        return SessionMark(
            self.session_id,
            self.epoch,
            self._inbound_count,
            self._acknowledged,
            requests,
            answered,
            self._roster_version,
        )

    async def enable_management(self, inbound_base: int = 0, token: bytes = b"", timeout_s: int = 0) -> None:
        """See `door.Session`."""
        action = EnableManagement(self.session_id, self.epoch, inbound_base, token, timeout_s)
        await self._wait(self._propose(action, essential=False))

    async def end(self) -> None:
        """
        See `door.Session`.

        Raises:
            OutcomeUnknown: It is not applied yet; it goes on being tried.
        """
        await self._leave(EndSession(self.session_id, self.epoch))

    async def detach(self) -> None:
        """
        See `door.Session`.

        Raises:
            OutcomeUnknown: It is not applied yet; it goes on being tried.
        """
        await self._leave(DetachSession(self.session_id, self.epoch))

    async def _leave(self, action: EndSession | DetachSession) -> None:
        """Propose the end of this node's hold on the session, once, after all that the session has said."""
        if self._is_over:
            return
        if self._ending is None:
            mark = self.take_mark()
            if mark is not None:
                # What the client acknowledged last must not come back to it.
                _marked = self._propose(MarkSessions((mark,)), essential=True)
            self._ending = self._propose(action, essential=True)
            if isinstance(action, DetachSession):
                self._ending.add_done_callback(lambda _done: self._node.detached(self))
        await self._wait(self._ending)

    def _propose(self, action: Action, *, essential: bool) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def applied(_outcome: Outcome) -> None:
            if not done.done():
                done.set_result(None)

        self._node.driver.propose(action, None, self._settle, essential=essential)
        self._pending.append(_Submission(0, self._node.monotonic_ns(), applied))
        return done

    async def _wait(self, done: asyncio.Future[None]) -> None:
        try:
            # Shielded: several may wait for the end, and one of them may be cancelled.
            async with asyncio.timeout(self._node.wait_seconds):
                await asyncio.shield(done)
        except TimeoutError:
            raise OutcomeUnknown("no outcome in time; it goes on being tried") from None

    def deliver(self, event: Event) -> None:
        """Hand an event to the edge."""
        self._node.guard(self, self.receiver.receive_event, event)

    def ended(self) -> None:
        """Note that the session is over; its last event is out."""
        self._is_over = True
