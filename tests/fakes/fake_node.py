"""
A system of one, in memory: everything a client-facing edge needs of `raftline.node.door`, with handles for tests.

Commands take effect at once and in order, as if a log had committed them; `hold_outcomes` keeps outcomes back until
`release`, `is_available = False` is a cluster without quorum. What was submitted is recorded. The rules of the real
state machine are kept only as far as edges can see them: accounts, sessions, who gets a message. It archives nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from raftline.base.errors import OutcomeUnknown, Refused, Unavailable
from raftline.base.ids import Cursor, Epochs, NodeId, Position, SessionId
from raftline.base.limits import INBOX_PAGE_BYTES_MAX
from raftline.machine.commands import (
    Action,
    BindSession,
    CreateAccount,
    Credential,
    DeleteAccount,
    OpenRequest,
    RemoveRosterItem,
    SetCredentials,
    SetPresence,
    SetRosterItem,
)
from raftline.machine.login.commands import LogIn
from raftline.machine.message_commands import SendMessage
from raftline.machine.outcomes import (
    Bound,
    Done,
    Event,
    Gone,
    LoggedIn,
    MessageArrived,
    Outcome,
    PresenceArrived,
    Rejected,
    Resumed,
    RosterItem,
    SessionEnded,
    Stale,
    cursor_of,
)
from raftline.machine.queries import (
    AccountExists,
    AccountRow,
    Answer,
    ArchiveEnds,
    ArchivePage,
    Block,
    BlockBetween,
    CredentialsOf,
    InboxPage,
    KnownToken,
    ListAccounts,
    LoginTokensOf,
    Page,
    Picture,
    PictureOf,
    Query,
    Reachable,
    Roster,
    RosterOf,
    SessionAt,
    SessionRow,
    SessionsOf,
    SubscriptionOf,
)
from raftline.machine.versions import VERSION_MAX
from raftline.node.door import SessionReceiver

NODE = NodeId(1)


class FakeSession:
    """A bound session and what its edge did with it."""

    def __init__(self, node: FakeNode, bind: BindSession, receiver: SessionReceiver, session_id: SessionId) -> None:
        self.node = node
        self.localpart = bind.localpart
        self.resource = bind.resource
        self.receiver = receiver
        self.session_id = session_id
        self.epoch = 1
        self.pending_since_ns: int | None = None
        self.priority: int | None = None
        self.presence: bytes | None = None
        self.is_managed = False
        self.is_over = False
        self.is_detached = False
        self.token = b""
        self.inbound_base = 0
        self.inbound_count = 0
        self.submitted: list[tuple[int, Action]] = []
        self.requests: list[OpenRequest] = []
        self.progress_reports: list[tuple[int, Cursor]] = []

    @property
    def full_jid(self) -> str:
        return f"{self.localpart}@{self.node.domain}/{self.resource}"

    def submit(
        self,
        number: int,
        action: Action,
        on_outcome: Callable[[Outcome], None],
        requests: tuple[OpenRequest, ...] = (),
    ) -> None:
        if self.node.submit_error is not None:
            raise self.node.submit_error
        assert not self.submitted or number > self.submitted[-1][0], "numbers grow"
        self.submitted.append((number, action))
        self.requests += requests
        self.inbound_count = max(self.inbound_count, number)
        if self.is_over:
            outcome: Outcome = Stale()
        else:
            outcome = self.node.rejections.pop(number, None) or self.node.apply_of(self, action)
        self.node.settle_later(self, lambda: on_outcome(outcome))

    def progress(
        self,
        inbound_count: int,
        acknowledged: Cursor,
        requests: tuple[OpenRequest, ...] = (),
        answered: tuple[int, ...] = (),
        roster_version: int = 0,
    ) -> None:
        self.progress_reports.append((inbound_count, acknowledged))
        self.requests += requests
        self.inbound_count = max(self.inbound_count, inbound_count)
        if self.node.is_available:
            asyncio.get_running_loop().call_soon(self._mark, inbound_count)

    def _mark(self, inbound_count: int) -> None:
        if not self.is_over:
            self.receiver.receive_progress(inbound_count)

    async def enable_management(self, inbound_base: int = 0, token: bytes = b"", timeout_s: int = 0) -> None:
        await self.node.barrier()
        self.is_managed = True
        self.inbound_base, self.token = inbound_base, token

    async def detach(self) -> None:
        if self.token:
            self.is_detached = True
        else:
            await self.end()

    async def end(self) -> None:
        while self.node.has_outcomes_of(self):  # noqa: ASYNC110  # each test holds them back in its own way
            await asyncio.sleep(0)
        self.node.end_session(self, "")


class FakeNode:
    """
    The system; see the head of this module.

    Attributes:
        executed: Actions of no session, with their keys.
        rejections: Outcomes to give to the submission of that stanza number instead of its own.
        routed: Off-log stanzas and the sessions they were for.
        submit_error: Raised by the next submissions, such as Busy.
        logins: Actions of `log_in`.
        login_refusal: The next `log_in` is refused so.
        tokens: Login tokens by account and client, the one issued last first; nothing of them is ever too old.
        gone: Handled counts of sessions that are over.
        inboxes: What sessions owe; tests fill it.
        unknown_count: So many of the next `execute` calls take effect and raise OutcomeUnknown.
    """

    def __init__(self, domain: str = "localhost") -> None:
        self.domain = domain
        self.epochs = Epochs(1)
        self.is_available = True
        self.hold_outcomes = False
        self.accounts: dict[str, tuple[Credential, ...]] = {}
        self.rosters: dict[str, dict[str, RosterItem]] = {}
        self.sessions: dict[SessionId, FakeSession] = {}
        self.executed: list[tuple[Action, bytes | None]] = []
        self.rejections: dict[int, Rejected] = {}
        self.routed: list[tuple[SessionId, bytes]] = []
        self.asked: list[Query] = []
        self.awaited_replicas: list[str] = []
        self.barrier_count = 0
        self.machine_version = VERSION_MAX
        self.logins: list[LogIn] = []
        self.login_refusal: Refused | None = None
        self.tokens: dict[tuple[str, bytes], list[KnownToken]] = {}
        self.submit_error: Exception | None = None
        self.unknown_count = 0
        self.position = 0
        self.gone: dict[SessionId, int] = {}
        self.inboxes: dict[SessionId, list[Event]] = {}
        self._outcomes: deque[tuple[FakeSession, Callable[[], None]]] = deque()
        self._by_key: dict[bytes, Outcome] = {}
        self._session_count = 0

    # The door.

    async def barrier(self) -> None:
        self.barrier_count += 1
        if not self.is_available:
            raise Unavailable("no quorum")

    async def await_replicas(self, localpart: str) -> None:
        self.awaited_replicas.append(localpart)

    async def ask(self, query: Query) -> Answer:
        self.asked.append(query)
        return self.answer(query)

    async def execute(self, action: Action, *, key: bytes | None = None) -> Outcome:
        if not self.is_available:
            raise Unavailable("no quorum")
        self.executed.append((action, key))
        outcome = self._by_key.get(key) if key is not None else None
        if outcome is None:
            outcome = self.apply(action)
        if key is not None:
            self._by_key[key] = outcome
        if self.unknown_count:
            self.unknown_count -= 1
            raise OutcomeUnknown("who knows")
        return outcome

    async def open_session(self, bind: BindSession, receiver: SessionReceiver) -> FakeSession:
        if not self.is_available:
            raise Unavailable("no quorum")
        if bind.localpart not in self.accounts:
            raise Refused("item-not-found", "cancel")
        for other in self.sessions_of(bind.localpart):
            if other.resource == bind.resource:
                self.end_session(other, "conflict")
        self._session_count += 1
        session = FakeSession(self, bind, receiver, SessionId(self._session_count))
        self.sessions[session.session_id] = session
        return session

    async def connect_component(self, label: str, receiver: SessionReceiver) -> FakeSession:
        if not self.is_available:
            raise Unavailable("no quorum")
        if self.sessions_of(f"@{label}"):
            raise Refused("conflict", "cancel")
        self._session_count += 1
        session = FakeSession(self, BindSession(f"@{label}", "", NODE, 1), receiver, SessionId(self._session_count))
        self.sessions[session.session_id] = session
        return session

    async def resume_session(
        self, localpart: str, session_id: SessionId, token: bytes, receiver: SessionReceiver
    ) -> tuple[FakeSession, Resumed] | Gone:
        if not self.is_available:
            raise Unavailable("no quorum")
        if session_id in self.gone:
            return Gone(self.gone[session_id])
        former = self.sessions.get(session_id)
        if former is None or former.localpart != localpart or former.token != token:
            raise Refused("item-not-found", "cancel")
        bind = BindSession(former.localpart, former.resource, NODE, 1)
        session = FakeSession(self, bind, receiver, session_id)
        session.epoch = former.epoch + 1
        session.is_managed, session.token, session.inbound_base = True, token, former.inbound_base
        session.inbound_count = former.inbound_count
        self.sessions[session_id] = session
        if not former.is_detached:
            former.is_over = True
            former.receiver.receive_event(SessionEnded(NODE, session_id, "conflict"))
        number = former.submitted[-1][0] if former.submitted else 0
        return session, Resumed(
            session_id, session.epoch, session.resource, number, session.inbound_count, session.inbound_base
        )

    async def log_in(self, action: LogIn, receiver: SessionReceiver) -> tuple[FakeSession | None, LoggedIn]:
        if not self.is_available:
            raise Unavailable("no quorum")
        self.logins.append(action)
        if self.login_refusal is not None:
            raise self.login_refusal
        expires_ms = 0
        if action.issue is not None:
            issue = action.issue
            token = KnownToken(issue.mechanism, issue.verifier, issue.answer, is_expired=False, is_due=False)
            self.tokens.setdefault((action.localpart, issue.client), []).insert(0, token)
            expires_ms = 1_000
        session = gone = bound = resumed = None
        if action.resume is not None:
            try:
                answer = await self.resume_session(
                    action.localpart, action.resume.session_id, action.resume.token, receiver
                )
            except Refused:
                answer = None
            if isinstance(answer, Gone):
                gone = answer
            elif answer is not None:
                session, resumed = answer
        if action.bind is not None and session is None:
            session = await self.open_session(BindSession(action.localpart, action.bind.resource, NODE, 1), receiver)
            session.is_managed, session.token = action.bind.managed, action.bind.token
            bound = Bound(session.session_id, session.epoch)
        return session, LoggedIn(bound, resumed, gone, expires_ms)

    def route(self, session_id: SessionId, stanza: bytes) -> bool:
        self.routed.append((session_id, stanza))
        session = self.sessions.get(session_id)
        if session is None:
            return False
        session.receiver.receive_stanza(stanza)
        return True

    # Handles for tests.

    def release(self, count: int = -1) -> None:
        """Let go of outcomes that were held back: the first `count`, or all."""
        while self._outcomes and count != 0:
            self._outcomes.popleft()[1]()
            count -= 1

    def deliver(self, session: FakeSession, event: Event) -> None:
        """Hand an event to a session, as if a command had caused it."""
        session.receiver.receive_event(event)

    def end_session(self, session: FakeSession, reason: str) -> None:
        """End a session as apply would."""
        if self.sessions.pop(session.session_id, None) is not None:
            session.is_over = True
            session.receiver.receive_event(SessionEnded(NODE, session.session_id, reason))

    def sessions_of(self, localpart: str) -> list[FakeSession]:
        return [session for session in self.sessions.values() if session.localpart == localpart]

    # Inside.

    def has_outcomes_of(self, session: FakeSession) -> bool:
        return any(owner is session for owner, _ in self._outcomes)

    def settle_later(self, session: FakeSession, settle: Callable[[], None]) -> None:
        self._outcomes.append((session, settle))
        if not self.hold_outcomes:
            asyncio.get_running_loop().call_soon(self.release)

    def apply_of(self, session: FakeSession, action: Action) -> Outcome:
        """Apply a command of a session."""
        self.position += 1 << 16
        match action:
            case SendMessage():
                self._send_message(action)
            case SetPresence():
                session.priority = action.priority
                session.presence = action.stanza if action.priority is not None else None
                for other in self.sessions_of(session.localpart):
                    self.deliver(other, PresenceArrived(NODE, other.session_id, action.stanza))
            case SetRosterItem():
                item = RosterItem(action.contact, action.name, "none", False, action.groups)
                self.rosters.setdefault(session.localpart, {})[action.contact] = item
            case RemoveRosterItem():
                if self.rosters.get(session.localpart, {}).pop(action.contact, None) is None:
                    return Rejected("item-not-found", "cancel")
            case _:
                pass
        return Done()

    def apply(self, action: Action) -> Outcome:
        """Apply a command of no session."""
        match action:
            case CreateAccount():
                if action.localpart in self.accounts:
                    return Rejected("conflict", "cancel", "taken")
                self.accounts[action.localpart] = action.credentials
            case SetCredentials() | DeleteAccount() if action.localpart not in self.accounts:
                return Rejected("item-not-found", "cancel")
            case SetCredentials():
                self.accounts[action.localpart] = action.credentials
            case DeleteAccount():
                del self.accounts[action.localpart]
                for session in self.sessions_of(action.localpart):
                    self.end_session(session, "not-authorized")
            case _:
                pass
        return Done()

    def answer(self, query: Query) -> Answer:
        match query:
            case CredentialsOf():
                return self.accounts.get(query.localpart, ())
            case LoginTokensOf():
                return self.tokens.get((query.localpart, query.client), [])
            case AccountExists():
                return query.localpart in self.accounts
            case ListAccounts():
                names = sorted(name for name in self.accounts if name > query.after)[: query.limit]
                return [AccountRow(name, 0, len(self.sessions_of(name))) for name in names]
            case RosterOf():
                return Roster(1, list(self.rosters.get(query.localpart, {}).values()))
            case SubscriptionOf():
                return False
            case BlockBetween():
                return Block.NOBODY
            case Reachable() | SessionsOf():
                return [self._row(session) for session in self.sessions_of(query.localpart)]
            case SessionAt():
                rows = [row for row in self.sessions_of(query.localpart) if row.resource == query.resource]
                return self._row(rows[0]) if rows else None
            case InboxPage():
                return self._inbox_page(query)
            case PictureOf():
                return Picture([], [])
            case ArchivePage():
                return Page([], True, 0, 0)
            case ArchiveEnds():
                return None
            case _:
                raise AssertionError(query)

    def _send_message(self, action: SendMessage) -> None:
        owner = f"{action.to_localpart}@{self.domain}"
        for session in self.sessions_of(action.to_localpart):
            if action.to_resource in {None, session.resource}:
                event: Any = MessageArrived(
                    NODE, session.session_id, Position(self.position), action.stanza, owner, None
                )
                if session.is_managed:
                    self.inboxes.setdefault(session.session_id, []).append(event)
                self.deliver(session, event)

    def _inbox_page(self, query: InboxPage) -> list[Event]:
        page: list[Event] = []
        byte_count = 0
        for event in self.inboxes.get(query.session_id, []):
            assert isinstance(event, MessageArrived)
            if cursor_of(event) > query.after and len(page) < query.limit and byte_count <= INBOX_PAGE_BYTES_MAX:
                page.append(event)
                byte_count += len(event.stanza)
        return page

    def _row(self, session: FakeSession) -> SessionRow:
        return SessionRow(session.session_id, NODE, session.resource, session.priority, session.presence)
