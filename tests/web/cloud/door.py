"""The system behind the door, for tests of the Cloud API: one business or two, people, and what each test adds."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from raftline.base.errors import RaftlineError
from raftline.base.ids import AccountId, Epochs, Position, SessionId
from raftline.machine.business.commands import SendFromNumber
from raftline.machine.business.ids import GraphKind, bsuid, graph_id
from raftline.machine.business.queries import (
    AppNamed,
    Businesses,
    IdentityBy,
    IdentityOf,
    MessageOf,
    NumberAt,
    NumberNamed,
    TokenAccess,
)
from raftline.machine.business.tables import App, Business, Number, Token
from raftline.machine.business.values import AppView, BusinessView, Identity, KnownMessage, NumberView, Sent, TokenView
from raftline.machine.commands import Action
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.queries import Answer, Block, BlockBetween, OutcomeUnder, Query, Reachable

TOKEN = "EAAtoken"
SCOPES = "whatsapp_business_management whatsapp_business_messaging"
SECRET = bytes(range(16))
NUMBER = "15550001111"
APP_ID = graph_id(GraphKind.APP, 11)
BUSINESS_ID = graph_id(GraphKind.BUSINESS, 10)
NUMBER_ID = graph_id(GraphKind.NUMBER, 12)
OTHER_NUMBER_ID = graph_id(GraphKind.NUMBER, 22)
ANN_BSUID = bsuid("US", AccountId(101))
BEN_BSUID = bsuid("ZZ", AccountId(102))

Answering = Callable[[Any], Answer]


class CloudDoor:
    """
    Implements what the Cloud API needs of door.Node.

    A business 10 has the application 11 with `TOKEN`, and the number 12; a business 20 the number 22. Ann is
    15551234567, Ben is ben.

    Attributes:
        hidden: Queries whose answer is None until a barrier is passed: what another node knows already.
        answers: By the type of the query, what answers it; a test adds or replaces.
        outcomes: By the type of the action, what comes of it.
        failures: Raised by the next calls of `execute`, the first one first; then all is well.
        barrier_failure: Raised by `barrier`.
    """

    domain = "example.org"
    epochs = Epochs(1)
    machine_version = 4

    def __init__(self) -> None:
        self.apps = {11: App(11, 10, "Shop", SECRET, 0, 1_000), 21: App(21, 20, "Other", SECRET[::-1], 0, 1_000)}
        self.businesses = {10: Business(10, "Shop", 1_000), 20: Business(20, "Other", 1_000)}
        self.numbers = {
            12: Number(AccountId(100), 12, 10, NUMBER, "Ann's Shop", b"{}", 0, 0, 1, 1_000),
            22: Number(AccountId(200), 22, 20, "15550002222", "Other", b"{}", 0, 0, 1, 1_000),
        }
        self.tokens: dict[bytes, TokenView] = {}
        self.people = {
            name: Identity(name, AccountId(account_id), called)
            for name, account_id, called in (
                ("15551234567", 101, "Ann"),
                ("ben", 102, "Ben"),
                (NUMBER, 100, "Ann's Shop"),
            )
        }
        self.messages: dict[Position, KnownMessage] = {}
        self.issue(TOKEN)
        self.hidden: set[type[Query]] = set()
        self.asked: list[Query] = []
        self.executed: list[Action] = []
        self.routed: list[tuple[int, bytes]] = []
        self.keys: dict[bytes, Outcome] = {}
        self.failures: list[RaftlineError] = []
        self.barrier_failure: RaftlineError | None = None
        self.barrier_count = 0
        self.answers: dict[type[Query], Answering] = {
            TokenAccess: lambda query: self.tokens.get(query.digest),
            NumberNamed: lambda query: self._number(query.number_id),
            NumberAt: lambda query: next(
                (self._number(one.number_id) for one in self.numbers.values() if one.localpart == query.localpart), None
            ),
            AppNamed: lambda query: AppView(self.apps[query.app_id], [], 0, 0) if query.app_id in self.apps else None,
            Businesses: lambda query: [
                BusinessView(one, [], [], []) for key, one in sorted(self.businesses.items()) if key > query.after
            ][: query.limit],
            BlockBetween: lambda _query: Block.NOBODY,
            OutcomeUnder: lambda query: self.keys.get(query.key),
            MessageOf: lambda query: self.messages.get(query.position),
            Reachable: lambda _query: [],
            IdentityOf: lambda query: self.people.get(query.localpart),
            IdentityBy: lambda query: next(
                (one for one in self.people.values() if one.account_id == query.account_id), None
            ),
        }
        self.outcomes: dict[type[Action], Callable[[Any, Position], Outcome]] = {
            SendFromNumber: lambda action, position: Done(Sent(position, action.fingerprint)),
        }

    def issue(self, token: str, scopes: str = SCOPES, *, app_id: int = 11, is_expired: bool = False) -> None:
        """Let a token be good."""
        digest = sha256(token.encode()).digest()
        self.tokens[digest] = TokenView(Token(digest, 1, app_id, "", scopes, 1_000, 0), self.apps[app_id], is_expired)

    async def barrier(self) -> None:
        self.barrier_count += 1
        if self.barrier_failure is not None:
            raise self.barrier_failure
        self.hidden.clear()

    async def ask(self, query: Query) -> Answer:
        self.asked.append(query)
        return None if type(query) in self.hidden else self.answers[type(query)](query)

    async def execute(self, action: Action, *, key: bytes | None = None) -> Outcome:
        if self.failures:
            raise self.failures.pop(0)
        if key is not None and key in self.keys:
            return self.keys[key]
        self.executed.append(action)
        act = self.outcomes.get(type(action), lambda _action, _position: Done())
        outcome = act(action, Position(len(self.executed) << 16))
        if key is not None:
            self.keys[key] = outcome
        return outcome

    def reject(self, kind: type[Action], condition: str, detail: str = "") -> None:
        """Let a kind of command be refused."""
        self.outcomes[kind] = lambda _action, _position: Rejected(condition, "cancel", "A rule says no.", detail)

    def route(self, session_id: SessionId, stanza: bytes) -> bool:
        self.routed.append((session_id, stanza))
        return True

    def _number(self, number_id: int) -> NumberView | None:
        number = self.numbers.get(number_id)
        return None if number is None else NumberView(number, self.businesses[number.business_id])
