"""
What lets the faults of a seed happen, beat by beat of a clock of its own, until it is told to stop and to mend.

Leaders are hurt more often than others. Crashes and cuts may meet any number of nodes at once, since nothing may be
lost by them; only what takes durable bytes away is kept to a minority of the nodes (`may_damage`).
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from raftline.base.errors import Unavailable
from raftline.raft.node import Role
from sim.clocks import WALL_ERROR_MAX_MS
from sim.damage import damage
from sim.faults import Faults
from sim.scheduler import MILLISECOND_NS, SECOND_NS

if TYPE_CHECKING:
    from raftline.base.ids import NodeId
    from sim.node import SimulatedNode
    from sim.world import World

_SHORT_BYTES = 4 << 20
_CLOCK_JUMP_NS_MAX = 20 * SECOND_NS


class Nemesis:
    """
    Hurts the nodes of a world.

    Attributes:
        damaged: Nodes that have lost durable bytes and are not repaired.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = random.Random(world.chance.randrange(1 << 60))
        self._is_on = False
        self.damaged: set[NodeId] = set()
        self._damaged_ns: dict[NodeId, int] = {}

    def begin(self) -> None:
        """Let faults happen from now on."""
        self._is_on = True
        for node in self._world.nodes.values():
            self.set_conditions(node)
        self._world.scheduler.after(self._world.faults.beat_ns, self._beat)

    def end(self) -> None:
        """Mend everything: whole links, quick disks, right clocks, and all nodes start again."""
        world = self._world
        self._is_on = False
        world.faults = Faults()
        world.network.heal_all()
        for link in world.network.links():
            link.late_share = 0.0
        for node in world.nodes.values():
            node.disk.stalled_until_ns = 0
            node.disk.stall_share = 0.0
            node.disk.sync_ns_max = 2 * MILLISECOND_NS
            node.disk.give_space()
            node.disk.disarm()
            node.clock.set_wall_error(0)
            node.clock.read_cost_ns = 0
            node.wake()
            if node.node_id in self.damaged:
                node.crash(power=False)  # a start looks at the whole log
            node.start()
        world.operator.finish()

    def set_conditions(self, node: SimulatedNode) -> None:
        """Set up what is always so for a node in this seed."""
        if not self._is_on:
            return
        world, chance, faults = self._world, self._chance, self._world.faults
        for link in world.network.links_of(node.host):
            link.latency_ns = chance.randrange(faults.latency_ns_max // 10, faults.latency_ns_max)
            link.jitter_ns = link.latency_ns // 2
            link.byte_ns = chance.choice((0.1, 1.0, 8.0, 80.0))
            link.late_share, link.late_ns = faults.late_share, faults.late_ns
        node.disk.sync_ns_max = faults.sync_ns_max
        node.disk.stall_ns_max = faults.stall_ns_max
        node.clock.read_cost_ns = faults.slow_reads_ns
        if faults.wall_jump:
            node.clock.set_wall_error(chance.randint(-WALL_ERROR_MAX_MS, WALL_ERROR_MAX_MS))

    def _beat(self) -> None:
        if not self._is_on:
            return
        self._hurt_processes()
        self._hurt_network()
        self._hurt_disks()
        self._hurt_clocks()
        self._world.scheduler.after(self._world.faults.beat_ns, self._beat)

    def _happens(self, share: float) -> bool:
        return share > 0 and self._chance.random() < share

    def _victim(self) -> SimulatedNode:
        """Choose a node, leaders more often than others."""
        nodes = [node for node in self._world.nodes.values() if not node.is_retired]
        leaders = [node for node in nodes if self._leads(node)]
        return self._chance.choice(leaders if leaders and self._chance.random() < 0.5 else nodes)

    @staticmethod
    def _leads(node: SimulatedNode) -> bool:
        raft = None if node.serving_life is None else node.serving_life.raft
        return raft is not None and raft.role is Role.LEADER

    # Kinds

    def _hurt_processes(self) -> None:
        chance, faults, world = self._chance, self._world.faults, self._world
        if self._happens(faults.process_crash):
            self._victim().crash(power=False)
        if self._happens(faults.power_crash):
            self._victim().crash(power=True)
        if self._happens(faults.all_crash):
            power = chance.random() < 0.5
            for node in world.nodes.values():
                node.crash(power=power)
        if self._happens(faults.graceful_stop):
            self._victim().stop_politely()
        if self._happens(faults.pause):
            self._victim().pause(chance.randrange(faults.pause_ns_max))
        if self._happens(faults.transfer):
            self._transfer()
        if self._happens(faults.churn):
            world.operator.act()

    def _transfer(self) -> None:
        asked = self._chance.choice(list(self._world.nodes.values()))
        target = self._chance.choice([None, *self._world.nodes])
        life = asked.serving_life
        if life is not None:
            life.loop.call_soon(self._ask_transfer, life.driver.transfer_leadership, target)

    @staticmethod
    def _ask_transfer(transfer, target: NodeId | None) -> None:
        try:
            transfer(target)
        except Unavailable:
            return

    def _hurt_network(self) -> None:
        chance, faults, network = self._chance, self._world.faults, self._world.network
        hosts = [node.host for node in self._world.nodes.values() if not node.is_retired]
        if len(hosts) < 2:
            return
        pairs = []
        if self._happens(faults.cut):
            side = chance.sample(hosts, chance.randint(1, len(hosts) - 1))
            pairs += [(a, b) for a in hosts for b in hosts if (a in side) != (b in side)]
        if self._happens(faults.one_way_cut):
            pairs.append(tuple(chance.sample(hosts, 2)))
        if self._happens(faults.partial_cut):
            a, b = chance.sample(hosts, 2)
            pairs += [(a, b), (b, a)]
        for pair in pairs:
            network.cut(*pair)
        if pairs:
            self._world.counters.cut_count += 1
            self._world.scheduler.note("cut", [(a.number, b.number) for a, b in pairs])
        if self._happens(faults.heal):
            network.heal_all()
        if self._happens(faults.flap):
            network.flap(*chance.sample(hosts, 2))
            self._world.counters.flap_count += 1

    def _hurt_disks(self) -> None:
        chance, faults, world = self._chance, self._world.faults, self._world
        disk = self._victim().disk
        now_ns = world.scheduler.now_ns
        if self._happens(faults.disk_stall):
            disk.stalled_until_ns = now_ns + chance.randrange(faults.stall_ns_max)
            world.counters.disk_stall_count += 1
        if self._happens(faults.log_error):
            disk.fail_log(chance.choice(("fdatasync", "pwrite")))
            world.counters.disk_error_count += 1
        if self._happens(faults.database_error):
            disk.fail_database(chance.choice(("write", "sync", "read")))
            world.counters.disk_error_count += 1
        if self._happens(faults.damage):
            self._damage()
        if self._happens(faults.squeeze):
            disk.squeeze(chance.randrange(_SHORT_BYTES))
            world.counters.squeeze_count += 1
            world.scheduler.after(chance.randrange(1, 5 * SECOND_NS), disk.give_space)

    def _hurt_clocks(self) -> None:
        chance, faults = self._chance, self._world.faults
        if self._happens(faults.wall_jump):
            error_ms = chance.choice((0, chance.randint(-WALL_ERROR_MAX_MS, WALL_ERROR_MAX_MS)))
            self._victim().clock.set_wall_error(error_ms)
            self._world.counters.clock_jump_count += 1
        if self._happens(faults.clock_jump):
            self._victim().jump_clock(chance.randrange(_CLOCK_JUMP_NS_MAX))
            self._world.counters.clock_jump_count += 1

    # Damage

    def may_damage(self, node_id: NodeId) -> bool:
        """Whether a node may lose durable bytes: all members work, and those that have lost some are a minority."""
        membership = self._world.operator.agreed_membership()
        operator = self._world.operator
        if membership is None or operator.lost or node_id not in membership.voters:
            return False
        if self._world.scheduler.now_ns < operator.removal_ends_ns:
            return False
        # A node that begins anew knows those whom it was founded with, or was told of when it joined, and nobody else.
        contacts = self._world.nodes[node_id].config.peers.keys() - {node_id}
        if not contacts & set(membership.voters):
            return False
        return len(self.damaged | {node_id}) * 2 < len(membership.voters)

    def _damage(self) -> None:
        node = self._victim()
        if not self.may_damage(node.node_id):
            return
        done = damage(node.disk, self._chance)
        if not done:
            return
        self.damaged.add(node.node_id)
        self._damaged_ns[node.node_id] = self._world.scheduler.now_ns
        self._world.counters.damage_count += 1
        self._world.scheduler.note("damage", node.node_id, done)
        if self._chance.random() < 0.5:
            node.crash(power=self._chance.random() < 0.3)

    def repaired(self, node_id: NodeId, opened_ns: int) -> None:
        """A node has back from its peers whatever it had lost by then; it finds at its next start what came later."""
        if self._damaged_ns.get(node_id, 0) <= opened_ns:
            self.damaged.discard(node_id)
        self._world.counters.repair_count += 1
        self._world.scheduler.note("repaired", node_id)
