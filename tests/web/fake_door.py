"""The system behind the door, in memory: accounts, invitations and reports, and faults at will."""

from __future__ import annotations

from raftline.base.errors import RaftlineError
from raftline.base.ids import Epochs
from raftline.machine.business import queries as business_queries
from raftline.machine.business.commands import BUSINESS_ACTIONS
from raftline.machine.commands import (
    ActForNumber,
    Action,
    BindSession,
    CreateAccount,
    DeleteAccount,
    SetCredentials,
    SetVcard,
)
from raftline.machine.history.answers import ReportRecord
from raftline.machine.history.commands import CloseReport
from raftline.machine.history.queries import ListReports
from raftline.machine.invites.commands import IssueInvite, RevokeInvite
from raftline.machine.invites.queries import ListInvites
from raftline.machine.invites.views import InviteView
from raftline.machine.login.commands import LogIn
from raftline.machine.outcomes import Done, InviteIssued, LoggedIn, Outcome, Rejected
from raftline.machine.queries import AccountRow, Answer, ListAccounts, Query
from raftline.machine.retention.commands import SetRetention
from raftline.machine.retention.queries import RetentionRules
from raftline.machine.retention.tables import RetentionRule
from raftline.node.door import Session, SessionReceiver
from web.business_state import BusinessState


class FakeDoor:
    """
    Implements door.Node for accounts, invitations and reports.

    Attributes:
        failure: Raised by `execute` and `barrier` instead of doing anything.
        keys: Outcome under each key, as the state machine keeps them.
    """

    domain = "example.org"
    epochs = Epochs(1)
    machine_version = 3

    def __init__(self) -> None:
        self.accounts: dict[str, Action] = {}
        self.invites: dict[bytes, IssueInvite] = {}
        self.reports: dict[tuple[int, int], ReportRecord] = {}
        self.retention: dict[str, int] = {}
        self.businesses = BusinessState()
        self.cards: dict[str, str] = {}
        self.failure: RaftlineError | None = None
        self.keys: dict[bytes, Outcome] = {}
        self.barrier_count = 0
        self.executed: list[Action] = []

    async def barrier(self) -> None:
        self.barrier_count += 1
        if self.failure is not None:
            raise self.failure

    async def ask(self, query: Query) -> Answer:
        if isinstance(query, ListReports):
            start = query.before or (1 << 62, 0)
            found = [one for one in self.reports.values() if (one.position, one.number) < start]
            found.sort(key=lambda one: (one.position, one.number), reverse=True)
            shown = [one for one in found if query.is_closed in {None, one.closed_ms > 0}]
            return shown[: query.limit]
        if isinstance(query, ListInvites):
            return [
                InviteView(action.digest, action.inviter, action.username, action.purposes, 2_000, is_expired=False)
                for action in self.invites.values()
            ]
        if isinstance(query, RetentionRules):
            return [RetentionRule(kind, age_ms, 0, 0) for kind, age_ms in sorted(self.retention.items())]
        if type(query).__module__ == business_queries.__name__:
            return self.businesses.answer(query)
        assert isinstance(query, ListAccounts), query
        names = sorted(name for name in self.accounts if name > query.after)
        return [AccountRow(name, 1_000, 0) for name in names[: query.limit]]

    async def execute(self, action: Action, *, key: bytes | None = None) -> Outcome:
        if self.failure is not None:
            raise self.failure
        if key is None or key not in self.keys:
            self.executed.append(action)
            outcome = self._apply(action)
            if key is None:
                return outcome
            self.keys[key] = outcome
        return self.keys[key]

    def _apply(self, action: Action) -> Outcome:
        match action:
            case CreateAccount():
                if action.localpart in self.accounts:
                    return Rejected("conflict", "cancel")
                self.accounts[action.localpart] = action
            case SetCredentials() | DeleteAccount():
                if action.localpart not in self.accounts:
                    return Rejected("item-not-found", "cancel")
                if isinstance(action, DeleteAccount):
                    del self.accounts[action.localpart]
                else:
                    self.accounts[action.localpart] = action
            case SetRetention():
                self.retention |= {limit.kind: limit.age_ms for limit in action.limits}
            case IssueInvite():
                if action.username in self.accounts:
                    return Rejected("conflict", "cancel")
                self.invites[action.digest] = action
                return Done(InviteIssued(1_000 + action.lifetime_ms))
            case CloseReport(position, number):
                report = self.reports.get((position, number))
                if report is None or report.closed_ms:
                    return Rejected("item-not-found", "cancel", "There is no such report, or it is closed.")
                self.reports[position, number] = report._replace(closed_ms=1_000)
            case RevokeInvite():
                if self.invites.pop(action.digest, None) is None:
                    return Rejected("item-not-found", "cancel")
            case ActForNumber(localpart, SetVcard(card)):
                self.cards[localpart] = card.decode()
            case _:
                assert isinstance(action, BUSINESS_ACTIONS), action
                return self.businesses.apply(action)
        return Done()

    async def open_session(self, bind: BindSession, receiver: SessionReceiver) -> Session:
        raise AssertionError("no test here opens a session")

    async def log_in(self, action: LogIn, receiver: SessionReceiver) -> tuple[Session | None, LoggedIn]:
        raise AssertionError("no test here logs in")

    def route(self, session_id: int, stanza: bytes) -> bool:
        raise AssertionError("no test here routes a stanza")
