"""What ends when a cluster is founded with the state of another one, and what stays."""

from __future__ import annotations

import pytest

from machine.world import World, outcomes
from raftline.base.ids import Epochs, NodeId, Position, SessionId
from raftline.machine.commands import BindSession, EnableManagement, ResumeSession
from raftline.machine.node_commands import EndFormerCluster, InviteNode, RaiseVersion, RedeemInvitation, StartNode
from raftline.machine.outcomes import Done, Gone, Rejected, SessionEnded

TOKEN = b"t" * 16
BOBS_SESSION = SessionId(2)
TOUCHED = {
    "session",
    "progress",
    "resumption",
    "presence",
    "inbox",
    "offline",
    "ended_session",
    "node",
    "node_profile",
    "invitation",
    "departure",
    "kept_request",
    "left_resource",
}
"""Tables in which something ends; sessions leave traces there, such as when somebody was seen last."""


def busy_world(version: int = 3) -> World:
    """Two nodes with people, one of whom can resume and owes acknowledgements, and an invitation."""
    world = World()
    if version > 1:
        world.do(RaiseVersion(version))
    for node_id in (1, 2):
        world.do(StartNode(NodeId(node_id), 1, b"data %d" % node_id, "https://one", "one:5222"))
    if version > 1:
        world.do(InviteNode(b"d" * 32, 2, NodeId(0), 60_000))
    for name in ("alice", "bob"):
        world.account(name)
    alice = world.online("alice", node_id=1)
    bob = world.bind("bob", node_id=2)
    world.do(EnableManagement(bob.session_id, bob.epoch, 0, TOKEN, 300))
    bob.present()
    world.befriend(alice, bob)
    alice.send("bob", "not acknowledged")
    return world


class TestStanzaIds:
    """What was said in the former cluster keeps its ids."""

    def test_up_to_where_it_came(self) -> None:
        """The entries before have the former epoch, this one and what follows another; again, after a second time."""
        world = busy_world(4)
        first = world.do(EndFormerCluster(epoch=4)).position
        assert world.machine.former_epochs == ((first - 1, 4),)
        said = world.do(RaiseVersion(4)).position
        second = world.do(EndFormerCluster(epoch=7)).position
        epochs = Epochs(9, world.machine.former_epochs)
        found = [epochs.of(Position(number)) for number in (1, first - 1, first, said, second - 1, second)]
        assert found == [4, 4, 7, 7, 7, 9]

    @pytest.mark.parametrize(("version", "epoch"), [(3, 4), (4, 0)])
    def test_not_before_it_counts(self, version: int, epoch: int) -> None:
        """Members of an earlier release know no such table; and a command without an epoch tells of none."""
        world = busy_world(version)
        world.do(EndFormerCluster(epoch))
        assert world.machine.former_epochs == ()


class TestWhatEnds:
    """Connections, nodes and invitations."""

    def test_all_sessions_end(self) -> None:
        """Those that could be resumed as well; each is told to the node that held it."""
        world = busy_world()
        result = world.do(EndFormerCluster())
        assert result.outcome == Done()
        assert {(event.node_id, event.reason) for event in result.events if isinstance(event, SessionEnded)} == {
            (1, "reset"),
            (2, "reset"),
        }
        for table in ("session", "progress", "resumption", "presence", "inbox"):
            assert world.count(table) == 0, table

    def test_nodes_and_invitations_are_forgotten(self) -> None:
        """Nodes of the new cluster have the same numbers and other data, and begin with any incarnation."""
        world = busy_world()
        world.do(EndFormerCluster())
        for table in ("node", "node_profile", "invitation"):
            assert world.count(table) == 0, table
        assert world.do(StartNode(NodeId(1), 1, b"other data", "", "")).outcome == Done()
        assert outcomes(world.do(BindSession("alice", "r", NodeId(1), 1))) == ["Done"]
        assert outcomes(world.do(RedeemInvitation(NodeId(3), b"d" * 32, b"f", b"x"))) == ["Rejected"]

    def test_it_may_come_twice(self) -> None:
        """Then nothing more happens."""
        world = busy_world()
        world.do(EndFormerCluster())
        before = world.scrub()
        assert world.do(EndFormerCluster()).outcome == Done()
        assert world.scrub() == before

    def test_older_members_do_not_understand_it(self) -> None:
        """Below version 3 it is what older releases take it for."""
        world = busy_world(version=2)
        before = world.scrub()
        assert outcomes(world.do(EndFormerCluster())) == ["Rejected"]
        assert world.scrub() == before


class TestWhatStays:
    """Everything that people have."""

    def test_other_tables_are_as_they_were(self) -> None:
        """Accounts, credentials, rosters, messages, archives, numbers."""
        world = busy_world()
        before = world.scrub()
        world.do(EndFormerCluster())
        after = world.scrub()
        changed = {name for name in before if before[name] != after[name]}
        assert changed <= TOUCHED
        assert {"session", "node", "node_profile", "invitation"} <= changed

    def test_what_was_not_acknowledged_waits(self) -> None:
        """As an offline message of the account."""
        world = busy_world()
        world.do(EndFormerCluster())
        assert world.count("offline") == 1

    def test_a_client_that_comes_back_is_told_how_far_it_had_come(self) -> None:
        """So it sends again what the backup does not have (XEP-0198 section 5); others are told nothing."""
        world = busy_world()
        world.do(EndFormerCluster())
        world.do(StartNode(NodeId(1), 9, b"new", "", ""))
        told = world.do(ResumeSession("bob", BOBS_SESSION, TOKEN, NodeId(1), 9)).outcome
        assert isinstance(told, Done)
        assert isinstance(told.result, Gone)
        assert told.result.handled_count > 0
        refused = world.do(ResumeSession("bob", BOBS_SESSION, b"x" * 16, NodeId(1), 9)).outcome
        assert isinstance(refused, Rejected)

    def test_numbers_go_on(self) -> None:
        """A new session has no number of a former one."""
        world = busy_world()
        former = world.count("session")
        world.do(EndFormerCluster())
        assert world.bind("alice").session_id > former
