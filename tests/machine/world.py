"""A machine with a log in front of it, and clients that count their stanzas, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from raftline.base.ids import Cursor, LogIndex, NodeId, Position, SessionId, Term
from raftline.machine.commands import (
    Action,
    BindSession,
    ChangeSubscription,
    Command,
    CreateAccount,
    Credential,
    DeclareInterest,
    EnableManagement,
    EndSession,
    KeyOrigin,
    MarkSessions,
    SessionMark,
    SessionOrigin,
    SetPresence,
    SubscriptionKind,
    encode_command,
)
from raftline.machine.database import open_database
from raftline.machine.entry import encode_entry
from raftline.machine.machine import Machine
from raftline.machine.message_commands import MessageKind, SendMessage, Storage
from raftline.machine.outcomes import Bound, CarbonCopied, CommandResult, Done, MessageArrived, cursor_of

DOMAIN = "example.org"
START_MS = 1_700_000_000_000


def credential(secret: str = "x", mechanism: str = "SCRAM-SHA-256") -> Credential:
    return Credential(mechanism, secret.encode(), 4096, b"stored", b"server")


class Client:
    """One session as its node sees it: counts stanzas, so that its commands form a chain."""

    def __init__(self, world: World, localpart: str, resource: str, bound: Bound, node_id: int) -> None:
        self.world = world
        self.localpart = localpart
        self.resource = resource
        self.session_id: SessionId = bound.session_id
        self.epoch = bound.epoch
        self.node_id = node_id
        self.number = 0
        self.jid = f"{localpart}@{DOMAIN}"
        self.full_jid = f"{self.jid}/{resource}"

    def origin(self) -> SessionOrigin:
        self.number += 1
        return SessionOrigin(self.session_id, self.epoch, self.number, self.number - 1)

    def do(self, action: Action) -> CommandResult:
        return self.world.do(action, self.origin(), node_id=self.node_id)

    def present(self, priority: int | None = 0, text: str = "") -> CommandResult:
        kind = " type='unavailable'" if priority is None else ""
        stanza = f"<presence from='{self.full_jid}'{kind}>{text}</presence>".encode()
        return self.do(SetPresence(stanza, priority))

    def message(self, to: str, body: str = "hi", **changes: Any) -> SendMessage:
        localpart, _, resource = to.partition("/")
        fields: dict[str, Any] = {
            "to_localpart": localpart,
            "to_resource": resource or None,
            "kind": MessageKind.CHAT,
            "storage": int(Storage.ARCHIVE | Storage.OFFLINE),
            "stanza": f"<message from='{self.full_jid}' to='{to}'><body>{body}</body></message>".encode(),
            "origin_id": "",
            "fingerprint": b"",
        }
        return SendMessage(**{**fields, **changes})

    def send(self, to: str, body: str = "hi", **changes: Any) -> CommandResult:
        return self.do(self.message(to, body, **changes))

    def subscription(self, kind: SubscriptionKind, contact: str) -> CommandResult:
        stanza = f"<presence type='{kind.name.lower()}' from='{self.jid}' to='{contact}'/>".encode()
        return self.do(ChangeSubscription(kind, contact, stanza))

    def acknowledge(self, position: int) -> CommandResult:
        """Acknowledge a delivery by the position of its message, and so all deliveries before it."""
        cursor = self.world.cursors.get((self.session_id, position), Cursor(Position(position), Position(position)))
        mark = SessionMark(self.session_id, self.epoch, self.number, cursor)
        return self.world.do(MarkSessions((mark,)), node_id=self.node_id)

    def end(self) -> CommandResult:
        return self.world.do(EndSession(self.session_id, self.epoch), node_id=self.node_id)


class World:
    """A machine, and the log of all that was applied to it."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self.path = path
        self.machine = Machine(open_database(path), domain=DOMAIN)
        self.log: list[bytes | None] = []
        self.time_ms = START_MS
        self.ticket = 0
        self.cursors: dict[tuple[SessionId, int], Cursor] = {}

    def command(self, action: Action, origin: SessionOrigin | KeyOrigin | None = None, *, node_id: int = 1) -> bytes:
        self.ticket += 1
        salt = self.ticket.to_bytes(16, "big")
        return encode_command(Command(NodeId(node_id), 1, self.ticket, salt, origin, action))

    def apply(self, *commands: bytes) -> list[CommandResult]:
        payload = encode_entry(self.time_ms, commands)
        self.log.append(payload)
        results = self.machine.apply(LogIndex(len(self.log)), Term(1), payload)
        for event in (event for result in results for event in result.events):
            if isinstance(event, MessageArrived | CarbonCopied):
                self.cursors[event.session_id, event.position] = cursor_of(event)
        return results

    def apply_empty(self) -> None:
        self.log.append(None)
        self.machine.apply_empty(LogIndex(len(self.log)), Term(1))

    def do(self, action: Action, origin: SessionOrigin | KeyOrigin | None = None, *, node_id: int = 1) -> CommandResult:
        (result,) = self.apply(self.command(action, origin, node_id=node_id))
        return result

    def account(self, localpart: str) -> None:
        assert self.do(CreateAccount(localpart, (credential(localpart),))).outcome == Done()

    def bind(self, localpart: str, resource: str = "r", *, node_id: int = 1, incarnation: int = 1) -> Client:
        return self.bind_observed(localpart, resource, node_id=node_id, incarnation=incarnation)[0]

    def bind_observed(
        self, localpart: str, resource: str, *, node_id: int = 1, incarnation: int = 1
    ) -> tuple[Client, CommandResult]:
        """Bind, and return what the command yielded as well."""
        result = self.do(BindSession(localpart, resource, NodeId(node_id), incarnation), node_id=node_id)
        assert isinstance(result.outcome, Done)
        assert result.outcome.result is not None
        return Client(self, localpart, resource, result.outcome.result, node_id), result

    def online(
        self,
        localpart: str,
        resource: str = "r",
        *,
        priority: int | None = 0,
        managed: bool = False,
        interested: bool = True,
        node_id: int = 1,
    ) -> Client:
        """Bind as a client does: management, roster, presence."""
        client = self.bind(localpart, resource, node_id=node_id)
        if managed:
            self.do(EnableManagement(client.session_id, client.epoch))
        if interested:
            client.do(DeclareInterest())
        if priority is not None:
            client.present(priority)
        return client

    def befriend(self, one: Client, other: Client) -> None:
        """Subscribe two accounts to each other."""
        for asks, answers in ((one, other), (other, one)):
            asks.subscription(SubscriptionKind.SUBSCRIBE, answers.jid)
            answers.subscription(SubscriptionKind.SUBSCRIBED, asks.jid)

    def count(self, table: str) -> int:
        """Count stored rows."""
        self.machine.scrub_digest(table)
        return int(self.machine._database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def scrub(self) -> dict[str, bytes]:
        return {table: self.machine.scrub_digest(table) for table in self.machine.scrub_tables}

    def reopen(self, *, commit: bool) -> int:
        """Close, open again, apply the rest of the log; return how many entries that were."""
        if commit:
            self.machine.commit()
        self.machine.close()
        self.machine = Machine(open_database(self.path), domain=DOMAIN)
        start = self.machine.applied_index
        for index in range(start + 1, len(self.log) + 1):
            payload = self.log[index - 1]
            if payload is None:
                self.machine.apply_empty(LogIndex(index), Term(1))
            else:
                self.machine.apply(LogIndex(index), Term(1), payload)
        return len(self.log) - start


def outcomes(*results: CommandResult) -> list[str]:
    """Names of outcomes; as tuples, `Repeated()` and `Stale()` are equal."""
    return [type(result.outcome).__name__ for result in results]


def arrivals(result: CommandResult, client: Client | None = None) -> list[MessageArrived]:
    """Messages that a command brought, to one session if named."""
    return [
        event
        for event in result.events
        if isinstance(event, MessageArrived) and (client is None or event.session_id == client.session_id)
    ]
