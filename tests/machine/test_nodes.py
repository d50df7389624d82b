"""Nodes and their incarnations."""

from __future__ import annotations

from machine.world import World, arrivals, outcomes
from raftline.base.ids import NodeId
from raftline.machine.commands import BindSession
from raftline.machine.node_commands import BuryNode, StartNode
from raftline.machine.outcomes import ContactUnavailable, Done, SessionEnded
from raftline.machine.queries import SessionsOf


def test_a_new_life_ends_the_sessions_of_the_last(world: World):
    """Those of the node's earlier incarnations, in the order they were bound; contacts see them go."""
    world.do(StartNode(NodeId(1), 1))
    alice, bob = world.online("alice"), world.online("bob", node_id=2)
    desk = world.online("alice", "desk")
    world.befriend(alice, bob)
    result = world.do(StartNode(NodeId(1), 2))
    assert result.outcome == Done()
    ended = [event for event in result.events if isinstance(event, SessionEnded)]
    assert ended == [SessionEnded(1, alice.session_id, "reset"), SessionEnded(1, desk.session_id, "reset")]
    seen = [e.full_jid for e in result.events if isinstance(e, ContactUnavailable) and e.session_id == bob.session_id]
    assert seen == [alice.full_jid, desk.full_jid]
    assert world.machine.answer(SessionsOf("alice")) == []
    assert len(world.machine.answer(SessionsOf("bob"))) == 1


def test_a_start_that_is_repeated_ends_nothing(world: World):
    """A retry after an unknown outcome comes when clients may be there already."""
    world.do(StartNode(NodeId(1), 5))
    world.bind("alice", incarnation=5)
    again = world.do(StartNode(NodeId(1), 5))
    assert (again.outcome, again.events) == (Done(), [])
    assert len(world.machine.answer(SessionsOf("alice"))) == 1


def test_a_buried_node_cannot_bind(world: World):
    """A bind of the dead that was on its way has no effect; the next life's has."""
    world.do(BuryNode(NodeId(1), 4))
    for incarnation in (3, 4):
        assert outcomes(world.do(BindSession("alice", "r", NodeId(1), incarnation))) == ["Stale"]
    assert outcomes(world.do(StartNode(NodeId(1), 4))) == ["Stale"]
    assert world.do(StartNode(NodeId(1), 5)).outcome == Done()
    world.bind("alice", incarnation=5)
    assert outcomes(world.do(StartNode(NodeId(1), 4))) == ["Stale"]
    assert len(world.machine.answer(SessionsOf("alice"))) == 1


def test_a_burial_leaves_later_lives_alone(world: World):
    """It is idempotent, and what came late about an earlier life ends nothing."""
    world.do(StartNode(NodeId(1), 5))
    world.bind("alice", incarnation=5)
    assert world.do(BuryNode(NodeId(1), 4)).events == []
    assert len(world.machine.answer(SessionsOf("alice"))) == 1
    assert len(world.do(BuryNode(NodeId(1), 5)).events) == 1
    before = world.scrub()
    again = world.do(BuryNode(NodeId(1), 5))
    assert (again.outcome, again.events, world.scrub()) == (Done(), [], before)
    world.do(BuryNode(NodeId(1), 4))
    assert outcomes(world.do(BindSession("alice", "r", NodeId(1), 5))) == ["Stale"]


def test_what_the_dead_owed_waits(world: World):
    """Unacknowledged messages of its sessions become offline messages."""
    alice = world.online("alice", node_id=2)
    world.online("bob", managed=True)
    alice.send("bob")
    world.do(BuryNode(NodeId(1), 1))
    assert len(arrivals(world.bind("bob", node_id=2).present())) == 1
