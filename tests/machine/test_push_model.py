"""
However a device's connection comes and goes, it is told of each message that it may have missed, and once.

The model is what a person would say: a device may have missed a message if it was not connected when the message came,
or if its session waited or ended before it had acknowledged it.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from machine.pushing import ALERTING, begin, detach, phone, reply, resume, waiting
from machine.world import Client, World, arrivals
from raftline.machine.commands import CarryOutDue
from raftline.machine.message_commands import Storage
from raftline.machine.outcomes import CommandResult


class Device(RuleBasedStateMachine):
    """Alice writes; bob's phone comes, acknowledges and goes."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        for localpart in ("alice", "bob"):
            self.world.account(localpart)
        self.alice = begin(self.world)[1]
        self.client: Client | None = phone(self.world)
        self.is_connected = True
        self.given: list[int] = []
        self.alerting: set[int] = set()
        self.missed: set[int] = set()
        self.told: list[int] = []

    def observe(self, result: CommandResult) -> None:
        """Note what the device was given, and what its service was sent since, which it takes."""
        if self.client is not None:
            self.given += [event.position for event in arrivals(result, self.client)]
        for row in waiting(self.world):
            self.told.append(row.position)
            reply(self.world, row)

    def leave(self) -> None:
        """What was not acknowledged may be missed."""
        self.is_connected = False
        self.missed |= self.alerting & set(self.given)

    @rule(alerts=st.booleans(), count=st.integers(1, 3))
    def send(self, alerts: bool, count: int) -> None:
        for _ in range(count):
            result = self.alice.send("bob", storage=ALERTING if alerts else ALERTING & ~Storage.ALERT)
            if alerts:
                self.alerting.add(result.position)
                if not self.is_connected:
                    self.missed.add(result.position)
            self.observe(result)

    @precondition(lambda self: self.is_connected and self.given)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.given) - 1))
        assert self.client is not None
        self.client.acknowledge(self.given[place])
        del self.given[: place + 1]

    @precondition(lambda self: self.is_connected)
    @rule()
    def lose_connection(self) -> None:
        assert self.client is not None
        self.leave()
        self.observe(detach(self.client))

    @precondition(lambda self: self.client is not None and not self.is_connected)
    @rule()
    def come_back(self) -> None:
        assert self.client is not None
        self.is_connected = True
        self.observe(resume(self.client, node_id=1))

    @precondition(lambda self: self.client is not None)
    @rule()
    def end(self) -> None:
        assert self.client is not None
        self.leave()
        result = self.client.end()
        self.client, self.given = None, []
        self.observe(result)

    @precondition(lambda self: self.client is not None and not self.is_connected)
    @rule()
    def expire(self) -> None:
        self.world.time_ms += 61_000
        result = self.world.do(CarryOutDue())
        self.client, self.given = None, []
        self.observe(result)

    @precondition(lambda self: not self.is_connected)
    @rule()
    def log_in(self) -> None:
        """Also while the last session waits: it gives way."""
        self.client = phone(self.world)
        self.is_connected = True
        self.given = sorted(
            position for session_id, position in self.world.cursors if session_id == self.client.session_id
        )

    @rule()
    def restart(self) -> None:
        """What is kept in memory is read from the tables again."""
        self.world.machine._context.drop_derived()

    @invariant()
    def each_is_told_once(self) -> None:
        assert len(self.told) == len(set(self.told))
        assert set(self.told) == self.missed

    def teardown(self) -> None:
        self.world.machine.close()


TestDevice = Device.TestCase
TestDevice.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
