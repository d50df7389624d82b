"""Beginning, ending and burying lives, with the rest of the node played by the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from raftline.base.errors import ConfigError, Unavailable
from raftline.base.ids import NodeId, Position
from raftline.cluster.config import MILLISECOND_NS, Clocks, ClusterConfig, ClusterTiming, Peer
from raftline.cluster.lives import Lives
from raftline.machine.commands import Action
from raftline.machine.node_commands import BuryNode, StartNode
from raftline.machine.outcomes import CommandResult, Done, Outcome, Rejected, Stale
from raftline.raft.membership import membership_of_voters
from raftline.raft.node import Role

ONE, TWO, THREE = NodeId(1), NodeId(2), NodeId(3)
PEERS = {node_id: Peer("host", 1, "") for node_id in (ONE, TWO, THREE)}


def config(**timing: int) -> ClusterConfig:
    return ClusterConfig(
        cluster_id="c", node_id=ONE, peers=PEERS, listen_host="host", listen_port=1, timing=ClusterTiming(**timing)
    )


class World:
    """Time, the core and the links, as `Lives` sees them, and what it proposed."""

    def __init__(self, **timing: int) -> None:
        self.now_ns = 1_000_000_000
        self.wall_ms = 5_000_000
        self.leader_id: NodeId | None = ONE
        self.role = Role.LEADER
        self.heard_ns: dict[NodeId, int] = {}
        self.membership = membership_of_voters([ONE, TWO, THREE])
        self.proposed: list[Action] = []
        self.callbacks: list[Callable[[CommandResult], None] | None] = []
        self.end_count = 0
        self.refusals: list[str] = []
        self.lives = Lives(
            config(**timing),
            Clocks(lambda: self.now_ns, lambda: self.wall_ms),
            cast("Any", self),
            propose=self.propose,
            on_end=self.on_end,
            on_refusal=self.refusals.append,
        )

    def propose(self, action: Action, on_result: Callable[[CommandResult], None] | None) -> None:
        self.proposed.append(action)
        self.callbacks.append(on_result)

    def on_end(self) -> None:
        self.end_count += 1

    def last_heard_ns(self, node_id: NodeId) -> int | None:
        return self.heard_ns.get(node_id)

    def decide(self, outcome: Outcome) -> None:
        """Apply the last command proposed."""
        callback = self.callbacks[-1]
        assert callback is not None
        callback(CommandResult(ONE, 1, 1, Position(1), outcome, []))

    def pass_time(self, milliseconds: int, *, heard: tuple[NodeId, ...] = ()) -> None:
        self.now_ns += milliseconds * MILLISECOND_NS
        self.wall_ms += milliseconds
        for node_id in heard:
            self.heard_ns[node_id] = self.now_ns
        self.lives.keep_house(self.now_ns, cast("Any", self))

    @property
    def burials(self) -> list[BuryNode]:
        return [action for action in self.proposed if isinstance(action, BuryNode)]


class TestOwnLife:
    """Of this node."""

    async def test_begins_when_applied(self) -> None:
        """The incarnation is the wall clock, and the life begins with the outcome of its command."""
        world = World(wait_ns=1)
        world.lives.begin()
        assert world.proposed == [StartNode(ONE, 5_000_000)]
        with pytest.raises(Unavailable):
            await world.lives.wait_live()
        world.decide(Done())
        assert world.lives.is_live
        await world.lives.wait_live()

    def test_a_clock_that_is_behind(self) -> None:
        """A stale beginning is repeated with ever larger steps until it is ahead of all earlier lives."""
        world = World()
        world.lives.begin()
        for _ in range(12):
            world.decide(Stale())
        incarnations = [action.incarnation for action in world.proposed if isinstance(action, StartNode)]
        assert incarnations == sorted(set(incarnations))
        assert incarnations[-1] - incarnations[0] > 3_600_000, "an hour is overtaken in a dozen attempts"
        assert not world.lives.is_live
        world.decide(Done())
        assert world.lives.is_live
        assert world.lives.incarnation == incarnations[-1]
        assert world.lives.first_incarnation == 5_000_000

    def test_ends_once(self) -> None:
        """However many sessions tell of the end of a life, one new life begins, with a greater number."""
        world = World()
        world.lives.begin()
        world.decide(Done())
        world.lives.end(5_000_000)
        world.lives.end(5_000_000)
        assert world.end_count == 1
        assert world.proposed == [StartNode(ONE, 5_000_000), StartNode(ONE, 5_000_001)]
        assert not world.lives.is_live

    def test_a_refusal_is_final(self) -> None:
        """A node that the cluster does not take for what it says it is tries no other life."""
        world = World()
        world.lives.begin()
        world.decide(Rejected("conflict", "cancel", "other data"))
        assert world.refusals == ["other data"]
        assert len(world.proposed) == 1
        assert not world.lives.is_live

    def test_a_life_that_was_over_when_it_was_told_again(self) -> None:
        """It ends like any other, and the next one begins."""
        world = World()
        world.lives.begin()
        world.decide(Done())
        world.lives.begin()
        world.decide(Done())
        assert (world.lives.is_live, world.end_count) == (True, 0)
        world.lives.begin()
        world.decide(Stale())
        assert (world.lives.is_live, world.end_count) == (False, 1)
        assert world.proposed[-1] == StartNode(ONE, 5_000_001)

    def test_an_old_outcome_begins_nothing(self) -> None:
        """The outcome of an earlier beginning does not count for the present life."""
        world = World()
        world.lives.begin()
        first = world.callbacks[0]
        world.decide(Done())
        world.lives.end(5_000_000)
        assert first is not None
        first(CommandResult(ONE, 1, 1, Position(1), Done(), []))
        assert not world.lives.is_live

    def test_isolation(self) -> None:
        """Without a leader for the whole time the life ends; a leader in between starts the wait anew."""
        world = World(isolated_after_ns=10_000 * MILLISECOND_NS)
        world.role = Role.FOLLOWER
        world.lives.begin()
        world.decide(Done())
        world.leader_id = None
        world.pass_time(9_900)
        world.leader_id = TWO
        world.pass_time(50)
        world.leader_id = None
        world.pass_time(9_999)
        assert world.end_count == 0
        world.pass_time(1)
        assert world.end_count == 1


class TestBurials:
    """By the leader."""

    def test_silence_buries_once(self) -> None:
        """A node silent for the whole time is buried in its last known life, once; one that talks is not."""
        world = World(bury_after_ns=1_500 * MILLISECOND_NS)
        world.lives.peer_arrived(TWO, 77)
        world.lives.peer_arrived(THREE, 88)
        world.pass_time(0)
        world.pass_time(1_499, heard=(THREE,))
        assert world.burials == []
        world.pass_time(1, heard=(THREE,))
        world.pass_time(1_000, heard=(THREE,))
        assert world.burials == [BuryNode(TWO, 77)]

    def test_a_node_that_returns_can_be_buried_again(self) -> None:
        """A new life is watched like the first."""
        world = World(bury_after_ns=1_500 * MILLISECOND_NS)
        world.lives.peer_arrived(TWO, 77)
        world.pass_time(0, heard=(THREE,))
        world.pass_time(1_500, heard=(THREE,))
        world.lives.peer_arrived(TWO, 99)
        world.pass_time(1_400, heard=(THREE,))
        assert world.burials == [BuryNode(TWO, 77)]
        world.pass_time(100, heard=(THREE,))
        assert world.burials == [BuryNode(TWO, 77), BuryNode(TWO, 99)]

    def test_a_new_leader_waits_first(self) -> None:
        """Followers owe one another no sign of life: only silence since the election counts."""
        world = World(bury_after_ns=1_500 * MILLISECOND_NS)
        world.role = Role.FOLLOWER
        world.lives.peer_arrived(TWO, 77)
        world.pass_time(60_000)
        world.role = Role.LEADER
        world.pass_time(10)
        world.pass_time(1_400, heard=(TWO, THREE))
        assert world.burials == []

    def test_a_node_never_heard_is_buried_by_the_clock(self) -> None:
        """Sessions of a node that did not come back with the others end as well."""
        world = World(bury_after_ns=1_500 * MILLISECOND_NS)
        world.pass_time(0, heard=(THREE,))
        world.pass_time(1_500, heard=(THREE,))
        assert world.burials == [BuryNode(TWO, 5_001_500)]

    def test_only_the_leader_buries(self) -> None:
        """A follower that hears nobody says nothing."""
        world = World(bury_after_ns=1_500 * MILLISECOND_NS)
        world.role = Role.FOLLOWER
        world.leader_id = TWO
        world.pass_time(60_000)
        assert world.burials == []

    def test_settings(self) -> None:
        """A burial sooner than two elections would bury nodes that are merely electing."""
        with pytest.raises(ConfigError) as refusal:
            config(bury_after_ns=100 * MILLISECOND_NS)
        assert refusal.value.path == "cluster.bury_after"
