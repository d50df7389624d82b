"""
The operator of a simulated cluster: lets nodes in, removes and replaces them, at any time and on any node.

    invite ──> a machine of its own ──> joins by its token ──> learner ──> voter, in the place of another if so said
    remove ──> the node hears that it is dismissed, and stops
    lose   ──> a node's data are gone for good; it never starts again, and is replaced

An operator knows no more than the node it talks to, and its wishes may come to nothing: the node may be down, the
leader busy with another change, the answer lost. Only `lose` takes durable bytes away, and waits until a majority of
the others is whole.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from raftline.base.errors import OutcomeUnknown, Refused, Unavailable
from raftline.cluster.peer_book import peer_of
from raftline.raft.node import Role
from sim.scheduler import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from raftline.base.ids import NodeId
    from raftline.raft.membership import Membership
    from sim.life import Life
    from sim.node import SimulatedNode
    from sim.world import World

VOTER_COUNT_MAX: Final = 5
NODE_COUNT_MAX: Final = 9
REMOVAL_NS: Final = 5 * SECOND_NS
"""After so long a removal that was asked for has begun, or never will."""

INVITATION_MS: Final = 3_600_000

_REFUSALS: Final = (Refused, Unavailable, OutcomeUnknown)


class Operator:
    """
    Asks for changes of the membership.

    Attributes:
        lost: Nodes whose data are gone and which are members still, as far as is known.
        removal_ends_ns: Until then the cluster may become smaller than it seems.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = random.Random(world.chance.randrange(1 << 60))
        self.lost: dict[NodeId, None] = {}
        self.removal_ends_ns = 0

    def act(self) -> None:
        """Ask for something, of some node."""
        world, chance = self._world, self._chance
        lives = [node.serving_life for node in world.nodes.values() if node.serving_life is not None]
        if not lives:
            return
        life = chance.choice(lives)
        membership = life.driver.raft.membership
        if self._tend_lost(life, membership):
            return
        kind = chance.choice(("add", "add", "replace", "remove", "lose"))
        if kind == "add" and len(membership.voters) < VOTER_COUNT_MAX:
            self._ask(life, self._invite(life, None))
        elif kind == "replace" and membership.voters:
            self._ask(life, self._invite(life, chance.choice(membership.voters)))
        elif kind == "remove" and len(membership.voters) > 1:
            self._ask(life, self._remove(life, chance.choice(membership.voters)))
        elif kind == "lose":
            self._lose()

    def finish(self) -> None:
        """
        Do what must be done before all is well: whoever lost its data is to be no member.

        So is a node that nobody can tell who they are: a newcomer of whose contacts none is left, or one that was down
        while all those it knew were replaced. It listens to those alone.
        """
        for node in self._left_alone():
            self.lost[node.node_id] = None
            node.retire()
            node.crash(power=False)
        lives = [node.serving_life for node in self._world.nodes.values() if node.serving_life is not None]
        if lives:
            life = self._chance.choice(lives)
            self._tend_lost(life, life.driver.raft.membership)
        self._world.scheduler.after(SECOND_NS, self.finish)

    def _left_alone(self) -> list[SimulatedNode]:
        """Return the nodes that hear of no voter, however far word goes round among those who know each other."""
        world = self._world
        if world.checkers.membership is None:
            return []
        known = {node_id: self._known(node) for node_id, node in world.nodes.items() if not node.is_retired}
        told = set(world.checkers.membership.voters) & known.keys()
        while more := {node_id for node_id, others in known.items() if others & told} - told:
            told |= more
        return [world.nodes[node_id] for node_id in known if node_id not in told]

    def _known(self, node: SimulatedNode) -> set[NodeId]:
        """Return whom a node listens to; everybody, while nobody can ask it."""
        life = node.serving_life
        if node.token:
            return set(node.config.peers)
        return set(self._world.nodes) if life is None else set(life.driver.book.known)

    def _tend_lost(self, life: Life, membership: Membership) -> bool:
        """Have nodes replaced, or removed, that have lost their data; False if there are none, as this one knows."""
        for node_id in list(self.lost):
            if self._world.is_removed(node_id):
                del self.lost[node_id]
            elif membership.member(node_id) is not None:
                is_crowded = len(self._world.nodes) >= NODE_COUNT_MAX or self._chance.random() < 0.3
                self._ask(life, self._remove(life, node_id) if is_crowded else self._invite(life, node_id))
                return True
        return False

    def _ask(self, life: Life, work: Coroutine[Any, Any, None]) -> None:
        life.hold(life.loop.create_task(work))

    async def _invite(self, life: Life, replaces: NodeId | None) -> None:
        world = self._world
        if len(world.nodes) >= NODE_COUNT_MAX:
            return
        try:
            node_id, token = await life.driver.members.invite(replaces, INVITATION_MS)
        except _REFUSALS:
            return
        members = life.driver.raft.membership.members
        contacts = {member.node_id: peer_of(member) for member in members}
        world.scheduler.note("invited", node_id, replaces)
        world.scheduler.after(0, world.add_newcomer, node_id, token, contacts)

    async def _remove(self, life: Life, node_id: NodeId) -> None:
        world = self._world
        damaged = world.nemesis.damaged - {node_id}
        if damaged and 2 * len(damaged) >= len(life.driver.raft.membership.voters) - 1:
            return  # those that are left would be no majority that is whole
        self.removal_ends_ns = world.scheduler.now_ns + REMOVAL_NS
        try:
            await life.driver.members.remove(node_id)
        except _REFUSALS:
            return
        world.scheduler.note("removed", node_id)

    def _lose(self) -> None:
        """Take a node's data away, if all that are members with it are whole and agree on who that is."""
        membership = self.agreed_membership()
        if membership is None or self.lost or len(membership.voters) < 3 or self._world.nemesis.damaged:
            return
        node_id = self._chance.choice(membership.voters)
        self.lost[node_id] = None
        self._world.counters.lost_node_count += 1
        self._world.scheduler.note("lost", node_id)
        self._world.nodes[node_id].lose()

    def given_up(self, node: SimulatedNode) -> None:
        """A node cannot repair itself; it is not to come back, and to be replaced."""
        self.lost[node.node_id] = None
        self._world.nemesis.damaged.discard(node.node_id)
        self._world.counters.lost_node_count += 1
        self._world.scheduler.note("given up", node.node_id)
        node.retire()

    def agreed_membership(self) -> Membership | None:
        """Return the membership in force, if it is committed, simple, and its leader's and all members' own."""
        members = [life for node in self._world.nodes.values() if (life := node.serving_life) and life.raft is not None]
        leaders = [life.driver.raft for life in members if life.driver.raft.role is Role.LEADER]
        if not leaders:
            return None
        leader = max(leaders, key=lambda raft: raft.term)
        membership = leader.membership
        if membership.is_joint or membership.learners or not leader.membership_is_committed:
            return None
        serving = {life.node.node_id: life.driver.raft for life in members}
        for node_id in membership.voters:
            raft = serving.get(node_id)
            if raft is None or raft.membership != membership or not raft.membership_is_committed:
                return None
        return membership
