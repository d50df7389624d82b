"""
Whatever sessions do, no message is lost, doubled or reordered.

The model keeps, for each message to bob, who was given it and who acknowledged. Its rules are those a person would
state: a message is taken when a session without stream management was given it, or a session with it acknowledged;
while it is not taken, either a living session owes it or it waits offline, never neither, never both. A session that
waits to be resumed lives until its time is over. A copy (XEP-0280) is owed like a message and takes it when it is
acknowledged; it stands in for the message only once nobody else does. Either side archives what its preferences say
(XEP-0441); a message is kept as long as somebody archives or owes it, and what is retracted (XEP-0424) has no text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from machine.world import Client, World, arrivals
from raftline.base.ids import CURSOR_START, NodeId
from raftline.machine.commands import CarryOutDue, DetachSession, EnableManagement, ResumeSession, SetCarbons
from raftline.machine.history.commands import ArchivePolicy, Retraction, SetArchivePreferences
from raftline.machine.message_commands import Storage
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import CarbonCopied, CommandResult, Done, Rejected, Resumed
from raftline.machine.queries import ArchivePage, InboxPage
from raftline.machine.versions import VERSION_MAX

TOKEN = bytes(range(16))
TIMEOUT_S = 60
OFFLINE = int(Storage.OFFLINE)
BOTH = int(Storage.OFFLINE | Storage.ARCHIVE)
COPY = int(Storage.COPY)


@dataclass
class Device:
    """One of bob's sessions, and what it was given, in order, and has not acknowledged."""

    client: Client
    managed: bool
    due_ms: int = 0
    unacknowledged: list[int] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    copies: set[int] = field(default_factory=set)

    @property
    def duties(self) -> set[int]:
        """Messages that it was given itself and has not acknowledged."""
        return set(self.unacknowledged) - self.copies


class Delivery(RuleBasedStateMachine):
    """Alice writes; bob's devices come, acknowledge and go."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.do(RaiseVersion(VERSION_MAX))
        for localpart in ("alice", "bob"):
            self.world.account(localpart)
        self.alice = self.world.online("alice")
        self.devices: dict[str, Device] = {}
        self.sent: dict[int, int] = {}
        self.archived_by_alice: set[int] = set()
        self.archiving = {"alice": True, "bob": True}
        self.retracted: set[int] = set()
        self.taken: set[int] = set()
        self.count = 0

    def observe(self, result: CommandResult) -> None:
        """Note what was given to whom; nobody is given a message twice, or one that another has taken."""
        for event in arrivals(result):
            device = next(d for d in self.devices.values() if d.client.session_id == event.session_id)
            assert event.position not in device.given
            device.given.append(event.position)
            if event.delayed_ms is not None:
                assert event.position not in self.taken
            if device.managed:
                device.unacknowledged.append(event.position)
            else:
                self.taken.add(event.position)
        for event in result.events:
            if isinstance(event, CarbonCopied):
                device = next(d for d in self.devices.values() if d.client.session_id == event.session_id)
                if device.managed:
                    assert event.position not in device.given
                    device.given.append(event.position)
                    device.unacknowledged.append(event.position)
                    device.copies.add(event.position)

    @rule(
        storage=st.sampled_from([OFFLINE, BOTH]),
        copied=st.booleans(),
        to=st.sampled_from(["bob", "bob/one", "bob/two"]),
        count=st.integers(1, 3),
    )
    def send(self, storage: int, copied: bool, to: str, count: int) -> None:
        for _ in range(count):
            self.count += 1
            result = self.alice.send(to, str(self.count), storage=storage | COPY * copied)
            self.note(result, storage)

    def note(self, result: CommandResult, storage: int) -> None:
        """A message was sent: note who archives it."""
        if storage == BOTH and self.archiving["alice"]:
            self.archived_by_alice.add(result.position)
        self.sent[result.position] = storage if self.archiving["bob"] else OFFLINE
        self.observe(result)

    @rule(name=st.sampled_from(["alice", "bob"]), policy=st.sampled_from([ArchivePolicy.ALWAYS, ArchivePolicy.NEVER]))
    def prefer(self, name: str, policy: ArchivePolicy) -> None:
        clients = [self.alice] if name == "alice" else [self.devices[held].client for held in self.held()]
        if clients:
            clients[0].do(SetArchivePreferences(policy, (), ()))
            self.archiving[name] = policy is ArchivePolicy.ALWAYS

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def retract(self, data: st.DataObject) -> None:
        position = data.draw(st.sampled_from(sorted(self.sent)))
        retraction = Retraction((position,), b"<retracted stamp='", b"'/>")
        self.retracted.add(position)
        self.note(self.alice.send("bob", "taken back", storage=BOTH, retraction=retraction), BOTH)

    @rule(
        name=st.sampled_from(["one", "two", "three"]),
        managed=st.booleans(),
        copies=st.booleans(),
        priority=st.integers(-1, 1),
    )
    def come(self, name: str, managed: bool, copies: bool, priority: int) -> None:
        self.devices.pop(name, None)
        client, result = self.world.bind_observed("bob", name)  # takes the resource over where it is bound
        self.observe(result)
        self.devices[name] = Device(client, managed)
        self.world.machine._context.drop_derived()
        if managed:
            self.world.do(EnableManagement(client.session_id, client.epoch, 0, TOKEN, TIMEOUT_S))
        client.do(SetCarbons(enabled=copies))
        self.observe(client.present(priority))

    @precondition(lambda self: self.held())
    @rule(data=st.data())
    def detach(self, data: st.DataObject) -> None:
        device = self.some_device(data)
        if not device.managed:
            self.devices.pop(device.client.resource)
        device.due_ms = self.world.time_ms + TIMEOUT_S * 1000
        self.observe(self.world.do(DetachSession(device.client.session_id, device.client.epoch)))

    @precondition(lambda self: self.devices)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        device = self.devices[data.draw(st.sampled_from(sorted(self.devices)))]
        client = device.client
        result = self.world.do(ResumeSession("bob", client.session_id, TOKEN, NodeId(2), 1), node_id=2)
        if not device.managed:
            assert isinstance(result.outcome, Rejected)
            return
        assert isinstance(result.outcome, Done)
        resumed = result.outcome.result
        assert isinstance(resumed, Resumed)
        client.epoch, device.due_ms = resumed.epoch, 0
        page = self.world.machine.answer(InboxPage(client.session_id, CURSOR_START))
        assert [event.position for event in page] == device.unacknowledged[:100]

    @rule(seconds=st.integers(1, TIMEOUT_S))
    def pass_time(self, seconds: int) -> None:
        self.world.time_ms += seconds * 1000
        # One that ends hands its messages to the next, which may end by the same command.
        self.observe(self.world.do(CarryOutDue()))
        for name, device in list(self.devices.items()):
            if 0 < device.due_ms <= self.world.time_ms:
                del self.devices[name]

    @precondition(lambda self: self.held())
    @rule(data=st.data(), priority=st.sampled_from([-1, 0, None]))
    def change_presence(self, data: st.DataObject, priority: int | None) -> None:
        self.observe(self.some_device(data).client.present(priority))

    @precondition(lambda self: self.held())
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        device = self.some_device(data)
        if device.unacknowledged:
            count = data.draw(st.integers(1, len(device.unacknowledged)))
            done, device.unacknowledged = device.unacknowledged[:count], device.unacknowledged[count:]
            self.taken.update(done)
            for _ in range(data.draw(st.integers(1, 2))):  # marks may be repeated
                device.client.acknowledge(done[-1])

    @precondition(lambda self: self.held())
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        device = self.some_device(data)
        name = device.client.resource
        del self.devices[name]
        self.observe(device.client.end())

    @rule()
    def commit(self) -> None:
        self.world.machine.commit()

    @rule()
    def forget_what_is_derived(self) -> None:
        self.world.machine._context.drop_derived()

    def some_device(self, data: st.DataObject) -> Device:
        """One of the devices that a node holds."""
        return self.devices[data.draw(st.sampled_from(self.held()))]

    def held(self) -> list[str]:
        return sorted(name for name, device in self.devices.items() if not device.due_ms)

    def rows(self, sql: str) -> list[tuple[int, ...]]:
        self.world.machine._context.rows.flush()
        return self.world.machine._database.execute(sql).fetchall()

    @invariant()
    def nothing_is_lost_or_kept_too_long(self) -> None:
        waiting = [position for (position,) in self.rows("SELECT position FROM offline ORDER BY position")]
        owed: dict[int, list[int]] = {}
        for session_id, position in self.rows("SELECT session_id, position FROM inbox ORDER BY delivered, position"):
            owed.setdefault(session_id, []).append(position)
        for device in self.devices.values():
            assert owed.pop(device.client.session_id, []) == (device.unacknowledged if device.managed else [])
        assert owed == {}
        in_hand = {position for device in self.devices.values() for position in device.unacknowledged}
        duties = {position for device in self.devices.values() for position in device.duties}
        stood_in_for = set(self.sent) - self.taken - duties - set(waiting)
        assert not set(waiting) & (self.taken | duties)
        standing_in = {
            position for (position,) in self.rows(f"SELECT position FROM inbox WHERE form = 1 AND storage & {OFFLINE}")
        }
        assert stood_in_for <= standing_in
        archived = [row.position for row in self.archive()]
        assert archived == [position for position, storage in self.sent.items() if storage == BOTH]
        kept = {position for (position,) in self.rows("SELECT position FROM message")}
        assert kept == set(archived) | self.archived_by_alice | set(waiting) | in_hand
        without_text = self.rows("SELECT position FROM message WHERE NOT instr(stanza, '<body>')")
        assert {position for (position,) in without_text} == self.retracted & kept

    def archive(self):
        rows, last = [], None
        while True:
            page = self.world.machine.answer(ArchivePage("bob", after=last, limit=100))
            rows += page.rows
            if page.complete:
                return rows
            last = rows[-1].position

    def teardown(self) -> None:
        """At the end one device gets all that was not taken, in the order sent."""
        for name in sorted(self.devices):
            self.observe(self.devices.pop(name).client.end())
        last = self.world.bind("bob", "last")
        self.devices["last"] = Device(last, managed=False)
        left = sorted(set(self.sent) - self.taken)
        result = last.present()
        assert [event.position for event in arrivals(result)] == left
        assert self.world.machine.take_faults() == []
        self.world.machine.close()


Delivery.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestDelivery = Delivery.TestCase
TestDelivery.__doc__ = "Nothing lost, nothing doubled, order kept."
