"""
What happens to a simulated cluster beside its traffic: checkpoints, compaction, snapshots, changes of who belongs, and
damaged disks.

A snapshot is what a state machine is: its applied index, and a hash over all it applied. It is fetched in one piece
after a while, from a node that may have another one by then, or be gone; once fetched it is durable, and a crash may
come before the core hears of it, or before the log on disk does. The operator of the cluster knows only what the
leader says, and asks for changes at any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raft.simulation.checkers import demand
from raft.simulation.faults import MILLISECOND_NS
from raftline.base.errors import Busy, LocalProtocolError, NotLeader
from raftline.base.ids import LogIndex, NodeId
from raftline.raft.confchange import MembershipChange, begin
from raftline.raft.membership import Member, Membership
from raftline.raft.messages import SnapshotMeta
from raftline.raft.node import Raft, Ready, Role

if TYPE_CHECKING:
    from raft.simulation.world import Node, World

VOTER_COUNT_MAX = 5
MEMBER_COUNT_MAX = 7
NODE_COUNT_MAX = 12


class Maintenance:
    """Keeps the counts that tell whether anything happened at all."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._serial = 0
        self.compaction_count = 0
        self.install_count = 0
        self.needless_count = 0
        self.change_count = 0
        self.damage_count = 0
        self.repair_count = 0

    # Checkpoints

    def checkpoint(self, node: Node) -> None:
        """Make the state machine durable, and let the log forget a part of what it holds."""
        world = self._world
        if node.raft is None or world.now_ns < node.paused_until_ns:
            return
        node.checkpoint_index = node.applied_index
        upto = world.chance.randint(0, node.applied_index)

        def compact(raft: Raft, now_ns: int) -> None:
            base_index = raft.compact(LogIndex(upto), now_ns)
            if all(write.snapshot is None for write in node.disk.pending):
                self.compaction_count += base_index > node.disk.base_index
                node.disk.trim(base_index)

        world.act(node, compact)

    # Snapshots

    def started(self, node: Node) -> None:
        """Finish, before the core of a node starts, an installation that a crash cut short."""
        disk, fetched = node.disk, node.disk.fetched
        node.snapshot = node.fetching = None
        node.is_taking = False
        if fetched is None:
            return
        if fetched.index > node.applied_index:
            self._replace(node, fetched)
        if not disk.holds_log(fetched):
            disk.install(fetched)
        disk.fetched = None

    def _replace(self, node: Node, snapshot: SnapshotMeta) -> None:
        node.applied_index = node.checkpoint_index = snapshot.index
        node.state = int(snapshot.snapshot_id.split("-")[1])
        self._world.checkers.state_reached(node.node_id, snapshot.index, node.state)

    def follow(self, node: Node, ready: Ready) -> None:
        """Do what a core asks for."""
        world = self._world
        if ready.recovered:
            node.is_recovering = False
            self.repair_count += 1
            world.checkers.repaired(node.node_id)
        if ready.snapshot_wanted and not node.is_taking:
            node.is_taking = True
            world.at_node(node, world.chance.randrange(50 * MILLISECOND_NS), self._take, node)
        if ready.install is not None:
            wanted = node.fetching = ready.install
            longest_ns = world.chance.choice((20, 200, 2000)) * MILLISECOND_NS
            world.at_node(node, world.chance.randrange(longest_ns), self._fetch, node, wanted)

    def _take(self, node: Node) -> None:
        node.is_taking = False
        raft = node.raft
        assert raft is not None
        index = node.applied_index
        term = raft.term_at(index)
        demand(term is not None, "the term of an applied entry is unknown", node.node_id, index)
        assert term is not None
        self._serial += 1
        name = f"{self._serial}-{node.state}"
        snapshot = SnapshotMeta(node.node_id, name, index, term, raft.membership_at(index))
        self._world.checkers.snapshot_taken(snapshot)
        node.snapshot = snapshot
        self._world.act(node, lambda raft, now_ns: raft.offer_snapshot(snapshot, now_ns))

    def _fetch(self, node: Node, wanted: SnapshotMeta) -> None:
        """The transfer is over, with or without success."""
        world = self._world
        if node.fetching is not wanted:
            return
        node.fetching = None
        source = world.nodes[wanted.node_id]
        link = (source.node_id, node.node_id)
        if source.raft is None or source.snapshot != wanted or world.is_cut(link) or world.chance.random() < 0.1:
            world.act(node, lambda raft, _: raft.snapshot_failed(wanted.snapshot_id))
            return
        node.disk.fetched = wanted
        if world.chance.random() < world.faults.install_crash:
            world.crash(node)
            return

        def install(raft: Raft, now_ns: int) -> None:
            if raft.snapshot_installed(wanted, now_ns):
                self.install_count += 1
                self._replace(node, wanted)
            else:
                self.needless_count += 1
                node.disk.fetched = None

        world.act(node, install)
        if world.chance.random() < world.faults.install_crash:
            world.crash(node)

    # Damage

    def damage(self, node: Node) -> None:
        """Stop a node and let its disk lose all but term and vote, if a majority keeps its log in any membership."""
        world = self._world
        known = [world.checkers.membership_of(other.raft, other.disk) for other in world.nodes.values()]
        if node.raft is None or self._needs_a_damaged_node(known, {node.node_id}):
            return
        world.crash(node)
        world.checkers.damaged(node.node_id)
        node.disk.lose_all()
        node.applied_index = node.checkpoint_index = LogIndex(0)
        node.state = 0
        node.is_recovering = True
        node.damage_count += 1
        self.damage_count += 1

    def _needs_a_damaged_node(self, known: list[Membership], hurt: set[NodeId]) -> bool:
        """Whether one of these memberships has no majority that kept its log."""
        hurt = hurt | {node.node_id for node in self._world.nodes.values() if node.is_recovering}
        sides = [side for membership in known for side in (membership.voters, membership.outgoing) if side]
        return any(2 * sum(voter in hurt for voter in side) >= len(side) for side in sides)

    # Membership

    def operate(self) -> None:
        """Ask the leader for some change, or stop a node that is no member any more."""
        world = self._world
        leader = world.leader
        if leader is None or leader.raft is None or world.now_ns < leader.paused_until_ns:
            return
        raft = leader.raft
        current = raft.membership
        if not current.is_joint and raft.membership_is_committed and world.chance.random() < 0.3:
            self._retire(current)
            return
        change = self._draw(current)
        if change is None:
            return

        try:
            begun = begin(current, change)
        except LocalProtocolError:
            return
        if self._needs_a_damaged_node([begun], set()):
            return

        def propose(raft: Raft, now_ns: int) -> None:
            try:
                raft.propose_membership(change, now_ns)
            except (Busy, NotLeader, LocalProtocolError):
                return
            self.change_count += 1

        for member in change.add:
            if member.node_id not in world.nodes:
                world.add_node(member.node_id)
        world.act(leader, propose)

    def _draw(self, current: Membership) -> MembershipChange | None:
        """Draw a change, sometimes one that does not fit."""
        chance = self._world.chance
        voters, learners = list(current.voters), list(current.learners)
        kind = chance.choice(("add", "add", "promote", "promote", "replace", "demote", "remove", "learner"))
        new_id = NodeId(current.node_id_max + 1)
        if kind == "add" and len(current.members) < MEMBER_COUNT_MAX and new_id <= NODE_COUNT_MAX:
            return MembershipChange(add=(Member(new_id, f"node-{new_id}"),))
        if kind == "promote" and learners and len(voters) < VOTER_COUNT_MAX:
            return MembershipChange(promote=(chance.choice(learners),))
        if kind == "replace" and learners:
            return MembershipChange(promote=(chance.choice(learners),), remove=(chance.choice(voters),))
        if kind == "demote" and len(voters) > 1:
            return MembershipChange(demote=(chance.choice(voters),))
        if kind == "remove" and len(voters) > 1:
            return MembershipChange(remove=(chance.choice(voters),))
        if kind == "learner" and learners:
            return MembershipChange(remove=(chance.choice(learners),))
        return None

    def _retire(self, current: Membership) -> None:
        """Stop a node for good that a committed membership leaves out."""
        world = self._world
        members = {member.node_id for member in current.members}
        gone = [node for node in world.nodes.values() if node.node_id not in members and not node.is_retired]
        # A node that was just added is not in the membership that its leader is about to append.
        gone = [node for node in gone if node.node_id <= current.node_id_max]
        if gone:
            node = world.chance.choice(gone)
            node.is_retired = True
            node.raft = None
            node.life += 1

    def settled_members(self) -> list[Node] | None:
        """Return the nodes of the committed membership, as the leader knows it; None while there is none."""
        leader = self._world.leader
        if leader is None or leader.raft is None or leader.raft.role is not Role.LEADER:
            return None
        raft = leader.raft
        if raft.membership.is_joint or not raft.membership_is_committed:
            return None
        return [self._world.nodes[member.node_id] for member in raft.membership.members]
