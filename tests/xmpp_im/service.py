"""
A service in one process, without logs, links or sockets: handlers over the real state machine, three times.

Each command becomes an entry of its own, which three replicas apply at once; clients are bound to them in turn, asks of
a client are answered by the replica of its node, and it is told the events that this replica has for the node. So what
is tested here is that the protocol and the machine mean the same by the values between them, and, at each command, that
the replicas are equal. `make spread` has the same tests meet real nodes in its place (tests/spread).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from raftline.base.errors import Refused
from raftline.base.ids import LogIndex, NodeId, SessionId, Term
from raftline.machine.commands import (
    Action,
    BindSession,
    CarryOutDue,
    Command,
    CreateAccount,
    EndSession,
    KeyOrigin,
    SessionOrigin,
    encode_command,
)
from raftline.machine.database import open_database
from raftline.machine.entry import encode_entry
from raftline.machine.machine import Machine
from raftline.machine.node_commands import RaiseVersion, StartNode
from raftline.machine.outcomes import Bound, Done, Event, Outcome, SessionEnded
from raftline.machine.queries import AccountExists, Block, BlockBetween
from raftline.machine.rooms.events import SHARED_EVENTS
from raftline.machine.versions import VERSION_MAX
from raftline.xmpp.catalog import all_modules
from raftline.xmpp.components.stream import ComponentStream
from raftline.xmpp.dispatch import handle_stanza
from raftline.xmpp.effects import (
    Ask,
    AwaitReplicas,
    DeriveCredentials,
    Effect,
    Execute,
    Propose,
    Route,
    Steps,
    Submit,
)
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import ROUTED, require_effect
from raftline.xmpp.stanza import error_reply, result_reply
from raftline.xmpp.xeps.xep_0363_http_upload import UploadService
from xmpp_im.playbook import DOMAIN, FakeContext, stanza

NODES = (NodeId(1), NodeId(2), NodeId(3))


class Client(FakeContext):
    """A bound client; what it was sent is in `sent`, and in `ended` why its session is over, if it is."""

    def __init__(self, service: Service, localpart: str, resource: str) -> None:
        super().__init__(f"{localpart}@{DOMAIN}/{resource}", service.modules)
        self._service = service
        self.session_id: SessionId | None = None
        self._number = 0
        self._previous = 0
        self.node_id = service.next_node()
        outcome = service.apply(BindSession(localpart, resource, self.node_id, 1), KeyOrigin(service.key()))
        assert isinstance(outcome, Done)
        assert isinstance(outcome.result, Bound)
        self.bound = outcome.result
        self.session_id = self.bound.session_id
        service.clients[self.bound.session_id] = self
        self.ended: str | None = None

    def take(self) -> list[bytes]:
        """Return what was sent since the last time."""
        taken, self.sent[:] = list(self.sent), []
        return taken

    def write(self, xml: str) -> None:
        """Send a stanza to the server, as the stream would handle it, replies included."""
        received = stanza(xml)
        self._number += 1
        try:
            steps = handle_stanza(self, received)
            result = None if steps is None else self._service.drive(self, steps)
        except Refused as refused:
            to_jid = str(self.jid)
            if received.type not in {"error", "result"}:
                reply = error_reply(
                    received.element,
                    refused.condition,
                    refused.kind,
                    refused.text,
                    to_jid=to_jid,
                    detail=refused.detail,
                )
                self.send(reply)
            return
        if received.kind == "iq" and received.type in {"get", "set"} and result is not ROUTED:
            assert result is None or isinstance(result, Element)
            self.send(result_reply(received.element, result, to_jid=str(self.jid)))

    def origin(self) -> SessionOrigin:
        """Name the command that the stanza at work causes."""
        origin = SessionOrigin(self.bound.session_id, self.bound.epoch, self._number, self._previous)
        self._previous = self._number
        return origin

    def machine_blocks(self, jid: str) -> bool:
        """Whether the client's account has blocked an address, as the state machine says."""
        return self._service.machines[self.node_id].answer(BlockBetween(str(self.jid), jid)) is Block.USER

    def end(self) -> None:
        """End the session, without a word."""
        self._service.apply(EndSession(self.bound.session_id, self.bound.epoch), None)
        del self._service.clients[self.bound.session_id]


class Service:
    """
    The machine on each of three nodes, its clients, and a clock that moves a second with each command.

    Attributes:
        machines: Of each node.
        machine: Of the first.
    """

    def __init__(
        self,
        *accounts: str,
        administrators: tuple[str, ...] = (),
        components: tuple[str, ...] = (),
        uploads: UploadService | None = None,
    ) -> None:
        self.time_ms = self._quiet_ms = 0
        self.modules = all_modules(
            wall_clock_ms=lambda: self.time_ms,
            administrators=administrators,
            components=components,
            uploads=uploads,
        )
        self.clients: dict[int, Client] = {}
        self.streams: dict[int, ComponentStream] = {}
        self.machines = {node_id: Machine(open_database(":memory:"), domain=DOMAIN) for node_id in NODES}
        self.machine = self.machines[NODES[0]]
        self._index = itertools.count(1)
        self._keys = itertools.count(1)
        self._turns = itertools.cycle(NODES)
        self.apply(RaiseVersion(VERSION_MAX), None)
        for node_id in NODES:
            self.apply(StartNode(node_id, 1), None)
        self.apply(RaiseVersion(VERSION_MAX), None)
        for localpart in accounts:
            self.apply(CreateAccount(localpart, ()), KeyOrigin(self.key()))

    def key(self) -> bytes:
        """Return a key that was never used."""
        return next(self._keys).to_bytes(16, "big")

    def next_node(self) -> NodeId:
        """Return the node whose turn it is to take a client."""
        return next(self._turns)

    def bind(self, localpart: str, resource: str = "phone") -> Client:
        """Bind a client and let it forget what it was sent meanwhile."""
        return Client(self, localpart, resource)

    def has_account(self, localpart: str) -> bool:
        """Whether there is an account of this name."""
        return bool(self.machine.answer(AccountExists(localpart)))

    def apply(self, action: Action, origin: SessionOrigin | KeyOrigin | None) -> Outcome:
        """Apply one command on all nodes, which must come to the same, and deliver its events."""
        index = next(self._index)
        command = Command(NODES[0], 1, index, index.to_bytes(16, "big"), origin, action)
        self.time_ms = 1000 * index + self._quiet_ms
        entry = encode_entry(self.time_ms, [encode_command(command)])
        results = {}
        for node_id, machine in self.machines.items():
            [results[node_id]] = machine.apply(LogIndex(index), Term(1), entry)
        first = results[NODES[0]]
        for node_id, result in results.items():
            assert (result.outcome, result.events) == (first.outcome, first.events)
            assert self.machines[node_id].state_hash == self.machine.state_hash, f"replicas differ after {action}"
            self._deliver(node_id, result.events)
        return first.outcome

    def _deliver(self, node_id: NodeId, events: Iterable[Event]) -> None:
        """Tell the clients of a node what is for this node."""
        for event in events:
            if event.node_id != node_id:
                continue
            for session_id in event.session_ids if isinstance(event, SHARED_EVENTS) else (event.session_id,):
                if session_id in self.streams:
                    self.streams[session_id].receive_event(event)
                    continue
                client = self.clients.get(session_id)
                if isinstance(event, SessionEnded) and client is not None:
                    client.ended = event.reason
                elif client is not None:
                    rendered = self.modules.renderers[type(event)](client, event)
                    assert rendered is not None
                    client.send(rendered)

    def route(self, session_id: SessionId, stanza: bytes) -> bool:
        """Hand a stanza to a session off the log; return whether there is one."""
        if session_id in self.streams:
            self.streams[session_id].receive_stanza(stanza)
            return True
        recipient = self.clients.get(session_id)
        if recipient is not None:
            recipient.send(stanza)
        return recipient is not None

    def pass_time(self, seconds: int) -> None:
        """Let time pass in which nobody writes, and then what is due happen; that command takes a second more."""
        self._quiet_ms += 1000 * seconds
        self.apply(CarryOutDue(), None)

    def hurry(self, milliseconds: int) -> None:
        """Let the next command come sooner than a second after the last."""
        self._quiet_ms -= milliseconds

    def drive(self, client: Client, steps: Steps) -> Any:
        """Carry out a handler's effects."""

        def answer(effect: Effect) -> Any:
            if isinstance(effect, Ask):
                return self.machines[client.node_id].answer(effect.query)
            if isinstance(effect, AwaitReplicas):
                return None  # they are never behind
            if isinstance(effect, Route):
                return self.route(effect.session_id, effect.stanza)
            if isinstance(effect, DeriveCredentials):
                return ()  # what is kept of a password is not at issue here
            if isinstance(effect, Execute):
                return self.apply(effect.action, KeyOrigin(self.key()))
            assert isinstance(effect, Submit | Propose), effect
            outcome = self.apply(effect.action, client.origin())
            if isinstance(effect, Submit):
                require_effect(outcome)
                return None
            return outcome

        try:
            effect = next(steps)
            while True:
                effect = steps.send(answer(effect))
        except StopIteration as stop:
            return stop.value
