"""
Simulated clusters of three and five nodes under faults drawn from seeds.

Fixed seeds guard against what was found once; fresh seeds look for more, and are printed. To run one again:
`SEED=1234 SEED_COUNT=1 pytest tests/raft/test_simulation.py -k fresh`. SEED is the first fresh seed, SEED_COUNT how
many seeds of each kind are run.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from raft.simulation.faults import MILLISECOND_NS, Faults
from raft.simulation.world import SECOND_NS, World
from raftline.raft.node import Role

EVENT_COUNT = 8000
SEED_COUNT = int(os.environ.get("SEED_COUNT", "40"))
SEED = int(os.environ["SEED"]) if "SEED" in os.environ else random.SystemRandom().randrange(1 << 40)
SEEDS_PER_TEST = 10


def run(seed: int, size: int, event_count: int = EVENT_COUNT, faults: Faults | None = None) -> World:
    """Run one seed through both phases; a failure names it."""
    world = World(seed, size, faults)
    try:
        world.run_safety(event_count)
        world.run_liveness()
    except AssertionError as error:
        raise AssertionError(f"SEED={seed} with {size} nodes and {world.faults}") from error
    return world


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("first", range(0, SEED_COUNT, SEEDS_PER_TEST))
def test_fixed_seeds(first: int, size: int) -> None:
    """Safety holds after every event, and the cluster converges when the faults end."""
    worlds = [run(seed, size) for seed in range(first, min(first + SEEDS_PER_TEST, SEED_COUNT))]
    # A simulation in which nothing happens finds nothing.
    assert sum(len(world.acked) for world in worlds) > 100 * len(worlds)
    assert sum(world.reads_answered for world in worlds) > 50 * len(worlds)


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("first", range(0, SEED_COUNT, SEEDS_PER_TEST))
def test_fresh_seeds(first: int, size: int) -> None:
    """As above, with seeds no one has seen."""
    count = min(SEEDS_PER_TEST, SEED_COUNT - first)
    print(f"seeds {SEED + first} to {SEED + first + count - 1}, {size} nodes")
    for seed in range(SEED + first, SEED + first + count):
        run(seed, size)


@pytest.mark.parametrize("first", [SEED, 0], ids=["fresh", "fixed"])
def test_clusters_that_change_and_forget(first: int) -> None:
    """With much compaction, many changes of members and damaged disks, also across crashes."""
    print(f"seeds {first} to {first + SEEDS_PER_TEST - 1} with churn")
    worlds = []
    for seed in range(first, first + SEEDS_PER_TEST):
        faults = replace(Faults.draw(random.Random(seed)), checkpoint=1.0, churn=1.0, install_crash=0.2, damage=0.2)
        worlds.append(run(seed, (3, 1, 5)[seed % 3], faults=faults))
    kept = [world.maintenance for world in worlds]
    assert sum(maintenance.compaction_count for maintenance in kept) > 50
    assert sum(maintenance.install_count for maintenance in kept) > 10
    assert sum(maintenance.change_count for maintenance in kept) > 50
    assert sum(maintenance.damage_count for maintenance in kept) > 10
    assert sum(maintenance.repair_count for maintenance in kept) > 10


def test_same_seed_same_run() -> None:
    """Every frame of two runs of a seed is the same, at the same time."""
    one, two = run(7, 5, 3000), run(7, 5, 3000)
    assert (one.trace_hash, one.now_ns, one.event_count) == (two.trace_hash, two.now_ns, two.event_count)
    assert one.trace_hash != run(8, 5, 3000).trace_hash


def test_failover_takes_milliseconds_when_links_drop() -> None:
    """When all learn of the leader's death from their links, the next one leads long before any timeout."""
    durations_ms = []
    for seed in range(40):
        world = World(seed, (3, 5)[seed % 2], Faults(restart_ns_max=5 * SECOND_NS, delay_ns_max=MILLISECOND_NS // 4))
        world.run_until(lambda world=world: world.leader is not None and world.leader.raft.commit_index > 0)
        world.run_for(200 * MILLISECOND_NS)
        old = world.leader
        begin_ns, commit_index = world.now_ns, world.checkers.delivered_max
        world.crash(old, hint_share=1.0)
        world.run_until(lambda world=world, floor=commit_index: world.checkers.delivered_max > floor)
        durations_ms.append((world.now_ns - begin_ns) / MILLISECOND_NS)
    durations_ms.sort()
    print(f"virtual ms from crash to next commit: median {durations_ms[20]:.1f}, greatest {durations_ms[-1]:.1f}")
    # Virtual time: these are properties of the protocol, not of the machine that runs the test.
    assert durations_ms[20] < 15
    assert durations_ms[-1] < 150


class TestPartialConnectivity:
    """E9: pre-vote and CheckQuorum together keep a cluster alive whose nodes do not all see each other."""

    def settle(self, world: World) -> None:
        """Let a cluster with cut links find a leader that commits, and see that it stays."""
        floor = world.checkers.delivered_max
        world.run_for(3 * SECOND_NS)
        assert world.checkers.delivered_max > floor + 20, world.describe()
        terms = [node.raft.term for node in world.nodes.values()]
        world.run_for(5 * SECOND_NS)
        assert max(node.raft.term for node in world.nodes.values()) == max(terms), "the leader does not stay"

    def begin(self, seed: int) -> tuple[World, int, list[int]]:
        world = World(seed, 5, Faults())
        world.start_clients()
        world.run_until(lambda: world.checkers.delivered_max > 20)
        leader = world.leader.node_id
        return world, leader, [number for number in world.nodes if number != leader]

    @pytest.mark.parametrize("seed", range(4))
    def test_leader_sees_one_node_alone(self, seed: int) -> None:
        """A leader that reaches one follower only is replaced by one that reaches a majority."""
        world, leader, others = self.begin(seed)
        world.cut({(leader, other) for other in others[1:]} | {(other, leader) for other in others[1:]})
        self.settle(world)
        assert world.leader.node_id != leader

    @pytest.mark.parametrize("seed", range(4))
    def test_only_one_node_sees_a_majority(self, seed: int) -> None:
        """When all see just one node, that node leads."""
        world, _, others = self.begin(seed)
        hub = others[0]
        world.cut({(a, b) for a in world.nodes for b in world.nodes if hub not in {a, b}})
        self.settle(world)
        assert world.leader.node_id == hub

    @pytest.mark.parametrize("seed", range(4))
    def test_leader_is_heard_but_hears_nobody(self, seed: int) -> None:
        """A leader whose inward links fail steps down, although its heartbeats arrive."""
        world, leader, others = self.begin(seed)
        world.cut({(other, leader) for other in others})
        self.settle(world)
        assert world.leader.node_id != leader

    @pytest.mark.parametrize("seed", range(4))
    def test_follower_that_hears_nobody_disturbs_nobody(self, seed: int) -> None:
        """A follower whose inward links fail goes on asking for pre-votes; the leader and its term stay."""
        world, leader, others = self.begin(seed)
        term = world.nodes[leader].raft.term
        world.cut({(number, others[0]) for number in world.nodes})
        self.settle(world)
        assert world.leader.node_id == leader
        assert world.leader.raft.term == term
        assert world.nodes[others[0]].raft.role is Role.PRE_CANDIDATE
