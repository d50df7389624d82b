"""Clusters that grow, shrink and replace their nodes while they work."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.clusters import Cluster, ClusterNode, ask_to_join, until
from cluster.people import Person, archive_of
from raftline.base.errors import Busy, Dismissed, Refused, StorageError, Unavailable
from raftline.base.ids import NodeId
from raftline.cluster import checkpoints
from raftline.cluster.frames import ChangeRequest
from raftline.machine.commands import SetVcard
from raftline.machine.queries import InvitationOf, NodeProfiles
from raftline.raft.confchange import MembershipChange
from raftline.raft.node import Raft, Role


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three nodes that know all that this release does."""
    cluster = Cluster(tmp_path, 3)
    await cluster.start()
    await until(lambda: all(len(profiles(node)) == 3 for node in cluster.running))
    yield cluster
    await cluster.stop()


def profiles(node: ClusterNode) -> list[int]:
    return [row.node_id for row in node.machine.answer(NodeProfiles())]


@asynccontextmanager
async def chatter(cluster: Cluster) -> AsyncIterator[Person]:
    """Let somebody write without pause on a node that stays; at the end all of it must be in the archive, once."""
    alice = Person("alice")
    await alice.appear(cluster[1].node)
    sent: list[int] = []
    is_done = False

    async def write() -> None:
        while not is_done:
            with suppress(Busy):
                sent.append(alice.send("alice", f"{len(sent)}"))
            await asyncio.sleep(0.005)

    writer = asyncio.get_running_loop().create_task(write())
    try:
        yield alice
    finally:
        is_done = True
        await writer
    assert alice.ended is None
    assert len(sent) > 10
    await until(lambda: len(alice.outcomes) == alice.number)
    await cluster.caught_up()
    expected = [b"%d" % number for number in range(len(sent))]
    for node in cluster.running:
        assert await archive_of(node.node, "alice") == expected


async def gone(cluster: Cluster, node_id: NodeId) -> None:
    """Wait until a node is no member, and its process has stopped over it."""
    node = cluster.nodes[node_id]
    await until(lambda: node.failures)
    assert [type(failure) for failure in node.failures] == [Dismissed]
    node.failures.clear()
    await node.stop()
    del cluster.nodes[node_id]


class TestGrowing:
    """Nodes that are let in."""

    async def test_three_become_five(self, cluster: Cluster) -> None:
        """One after the other, under load; both vote in the end, and lead if asked."""
        async with chatter(cluster):
            for _ in range(2):
                await cluster.let_in(*await cluster.invite())
        assert cluster.leader.running.raft.membership.voters == (1, 2, 3, 4, 5)
        await until(lambda: all(profiles(node) == [1, 2, 3, 4, 5] for node in cluster.running))
        cluster.leader.running.transfer_leadership(NodeId(5))
        await until(lambda: {node.running.leader_id for node in cluster.running} == {5})

    async def test_one_becomes_three(self, tmp_path: Path) -> None:
        """Also a cluster of a single node grows."""
        cluster = Cluster(tmp_path, 1)
        await cluster.start()
        await until(lambda: profiles(cluster[1]) == [1])
        async with chatter(cluster):
            for _ in range(2):
                await cluster.let_in(*await cluster.invite())
        assert cluster.leader.running.raft.membership.voters == (1, 2, 3)
        await cluster[1].stop()
        await cluster.settle()
        await cluster.stop()

    async def test_a_new_node_behind_the_log_gets_a_snapshot(
        self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the log has forgotten comes as a snapshot, the rest from the log."""
        monkeypatch.setitem(checkpoints.Checkpoints.__init__.__kwdefaults__, "period_seconds", 0.02)
        for node in list(cluster.nodes.values()):
            await node.stop()
            node.segment_bytes = node.trailing_bytes = 64 << 10
            await node.start()
        await cluster.settle()
        async with chatter(cluster):
            bob = Person("bob")
            await bob.appear(cluster[2].node)
            while cluster.leader.running.raft.base_index == 0:
                bob.submit(SetVcard(os.urandom(20_000).hex().encode()))
                await until(lambda: len(bob.outcomes) == bob.number)
            node, token = await cluster.invite()
            await cluster.let_in(node, token)
        assert node.running.upkeep.snapshots.installed_count >= 1

    async def test_a_restart_in_the_middle(self, cluster: Cluster) -> None:
        """A new node that stops before it votes goes on where it was, and needs no token any more."""
        node, token = await cluster.invite()
        await ask_to_join(node, token)
        cluster.nodes[node.config.node_id] = node
        await node.start()
        await node.stop()
        await node.start()
        await until(lambda: cluster.is_settled_voter(node.config.node_id))

    async def test_the_next_leader_goes_on(self, cluster: Cluster) -> None:
        """What is to become of a learner is replicated: whoever leads when it has caught up promotes it."""
        node, token = await cluster.invite()
        await ask_to_join(node, token)
        old = cluster.leader
        target = cluster.followers[0].config.node_id
        old.running.transfer_leadership(target)
        await until(lambda: {each.running.leader_id for each in cluster.running} == {target})
        cluster.nodes[node.config.node_id] = node
        await node.start()
        await until(lambda: cluster.is_settled_voter(node.config.node_id))


class TestTokens:
    """Who is let in, and who is not."""

    async def test_a_token_is_good_once(self, cluster: Cluster) -> None:
        """The node it was shown by may show it again; another key or other data may not, nor another token."""
        node, token = await cluster.invite()
        await ask_to_join(node, token)
        await ask_to_join(node, token)
        other_data = ClusterNode(replace(node.config, data_id=b"empty"), node.identity, node.directory)
        with pytest.raises(Refused, match="has used this token"):
            await ask_to_join(other_data, token)
        other_key = cluster.make_newcomer(node.config.node_id)
        with pytest.raises(Refused, match="has used this token"):
            await ask_to_join(other_key, token)
        with pytest.raises(Refused, match="no such invitation"):
            await ask_to_join(node, b"x" * 32)
        cluster.nodes[node.config.node_id] = node
        await node.start()
        await until(lambda: cluster.is_settled_voter(node.config.node_id))

    async def test_a_token_is_for_one_id(self, cluster: Cluster) -> None:
        """It says nothing about the id of another invitation."""
        one, _token = await cluster.invite()
        _two, token = await cluster.invite()
        with pytest.raises(Refused, match="no such invitation"):
            await ask_to_join(one, token)
        assert cluster.leader.running.raft.membership.voters == (1, 2, 3)

    async def test_an_id_that_was_overtaken_is_worth_nothing(self, cluster: Cluster) -> None:
        """Of two who are invited the later one comes first: ids only grow, and the other is told, once and for all."""
        (early, early_token), (late, late_token) = await cluster.invite(), await cluster.invite()
        await cluster.let_in(late, late_token)
        with pytest.raises(Refused, match=r"(?i)no new id"):
            await ask_to_join(early, early_token)

    async def test_whoever_is_told_that_it_is_in_stays_in(
        self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An entry that is cut, as by a change of leaders, lets nobody in: the new node asks again."""
        node, token = await cluster.invite()
        with monkeypatch.context() as patched:
            patched.setattr(Raft, "propose_membership", lambda *_: None)  # begun, and never committed
            asking = asyncio.get_running_loop().create_task(ask_to_join(node, token))
            await until(lambda: "it is not certain yet" in caplog.text)
            assert not asking.done()
        await asking
        assert cluster.leader.running.raft.membership.member(node.config.node_id) is not None

    async def test_a_node_that_is_behind_may_ask_once_more(self, cluster: Cluster) -> None:
        """It has not heard yet that the new node is in; to refuse would tell that one to give up."""
        node, token = await cluster.invite()
        await ask_to_join(node, token)
        leader = cluster.leader.running
        member = leader.raft.membership.member(node.config.node_id)
        assert member is not None
        reply = leader.members._begin(ChangeRequest(1, MembershipChange(add=(member,))))
        assert (reply.error, reply.is_final) == ("", True)

    async def test_any_node_may_be_asked(self, cluster: Cluster) -> None:
        """A follower passes the change on to the leader, and says when there is none."""
        node, token = await cluster.invite()
        follower = cluster.followers[0].config.node_id
        peers = {node_id: peer for node_id, peer in node.config.peers.items() if node_id in {follower, 4}}
        alone = ClusterNode(replace(node.config, peers=peers), node.identity, node.directory)
        await ask_to_join(alone, token)
        await until(lambda: cluster.leader.running.raft.membership.learners == (4,))

    async def test_who_is_not_invited_is_told(self, cluster: Cluster) -> None:
        """A node of this authority that is no peer gets a word of farewell, and is heard no more."""
        stranger = cluster.make_newcomer(NodeId(9))
        await stranger.start()
        await until(lambda: cluster.leader.running.metrics().refused_link_count > 0)
        assert stranger.running.raft.term == 0
        await stranger.stop()
        assert not stranger.failures

    async def test_operators_are_told_what_makes_no_sense(self, cluster: Cluster) -> None:
        """Nodes that are none; the last voter."""
        members = cluster.followers[0].running.members
        with pytest.raises(Refused, match="no node 9"):
            await members.invite(NodeId(9), 1000)
        with pytest.raises(Refused, match="no node 9"):
            await members.remove(NodeId(9))


class TestShrinking:
    """Nodes that are removed."""

    async def test_five_become_three_and_two_and_one(self, tmp_path: Path) -> None:
        """Under load, the leader among them; those that are removed stop, and nothing is kept of them."""
        cluster = Cluster(tmp_path, 5)
        await cluster.start()
        await until(lambda: all(len(profiles(node)) == 5 for node in cluster.running))
        async with chatter(cluster):
            for count in (4, 3, 2, 1):
                leader_id = cluster.leader.config.node_id
                victim = leader_id if leader_id != 1 else max(cluster.nodes)
                await until(lambda: not cluster.leader.running.raft.membership.is_joint)
                await remove(cluster[1], victim)
                await gone(cluster, victim)
                await cluster.settle()
                assert len(cluster.leader.running.raft.membership.voters) == count
        await until(lambda: profiles(cluster[1]) == [1])
        await cluster.stop()

    async def test_a_learner_is_removed(self, cluster: Cluster) -> None:
        """A node that was let in and never came."""
        node, token = await cluster.invite()
        await ask_to_join(node, token)
        assert cluster.leader.running.raft.membership.learners == (4,)
        await remove(cluster[2], node.config.node_id)
        await until(lambda: cluster.leader.running.raft.membership.learners == ())

    async def test_whoever_is_needed_stays(self, cluster: Cluster) -> None:
        """With one of three nodes down another one is not removed: nobody could take that back."""
        down, left = cluster.followers
        await down.stop()
        raft = cluster.leader.running.raft
        silence_ns = cluster.leader.config.raft.election_timeout_max_ns
        (follower,) = [each for each in raft.followers() if each.node_id == down.config.node_id]
        await until(lambda: time.monotonic_ns() - follower.contact_ns > silence_ns)
        with pytest.raises(Unavailable, match="majority"):
            await cluster.leader.running.members.remove(left.config.node_id)
        await down.start()


async def remove(node: ClusterNode, node_id: NodeId) -> None:
    """Ask a node for a removal until it begins."""
    while True:
        try:
            await node.running.members.remove(node_id)
        except Unavailable:
            await asyncio.sleep(0.05)
        else:
            return


class TestReplacing:
    """One node for another, in one step."""

    @pytest.mark.parametrize("who", ["leader", "follower"])
    async def test_a_node_is_replaced(self, cluster: Cluster, who: str) -> None:
        """The cluster never has a voter less; the one that goes stops by itself."""
        if who == "leader" and cluster.leader.config.node_id == 1:
            cluster[1].running.transfer_leadership(NodeId(2))
            await until(lambda: {node.running.leader_id for node in cluster.running} == {2})
        victim = cluster.leader if who == "leader" else next(n for n in cluster.followers if n.config.node_id != 1)
        victim_id = victim.config.node_id
        async with chatter(cluster):
            node, token = await cluster.invite(replaces=victim_id)
            await ask_to_join(node, token)
            cluster.nodes[node.config.node_id] = node
            await node.start()
            await gone(cluster, victim_id)
            await cluster.settle()
        assert victim_id not in cluster.leader.running.raft.membership.voters
        assert len(cluster.leader.running.raft.membership.voters) == 3

    async def test_a_dead_node_is_replaced(self, cluster: Cluster) -> None:
        """What cannot be asked any more is replaced all the same; when it comes back it is told."""
        dead = next(node for node in cluster.followers if node.config.node_id != 1)
        await dead.stop()
        async with chatter(cluster):
            await cluster.let_in(*await cluster.invite(replaces=dead.config.node_id))
        await dead.start()
        await gone(cluster, dead.config.node_id)

    async def test_all_nodes_are_replaced(self, cluster: Cluster) -> None:
        """One after the other, until none of the founders is left; the data is the same."""
        alice = Person("alice")
        await alice.appear(cluster[1].node)
        alice.send("alice", "from the beginning")
        await until(lambda: len(alice.outcomes) == 2)
        for victim in (1, 2, 3):
            node, token = await cluster.invite(replaces=victim)
            await ask_to_join(node, token)
            cluster.nodes[node.config.node_id] = node
            await node.start()
            await gone(cluster, NodeId(victim))
            await cluster.settle()
        assert cluster.leader.running.raft.membership.voters == (4, 5, 6)
        for node in cluster.running:
            assert await archive_of(node.node, "alice") == [b"from the beginning"]

    async def test_who_was_away_learns_of_those_who_lead_now(self, cluster: Cluster) -> None:
        """A member that knows none of the new nodes is introduced by one that it knows."""
        away = next(node for node in cluster.followers if node.config.node_id != 1)
        await cluster.caught_up()
        await away.stop()
        replaced = next(n for n in cluster.running if n.config.node_id != 1).config.node_id
        for _ in range(2):
            await cluster.let_in(*await cluster.invite())
        await remove(cluster[1], replaced)
        await gone(cluster, replaced)
        cluster[1].running.transfer_leadership(NodeId(5)) if cluster.leader.config.node_id == 1 else None
        await until(lambda: {node.running.leader_id for node in cluster.running} <= {4, 5})
        await away.start()
        await cluster.settle()
        await cluster.caught_up()
        assert set(away.running.book.known) == {1, 4, 5}


class TestLostDisks:
    """D14: a node that comes back with an empty disk under its old name."""

    async def test_it_is_refused(self, cluster: Cluster, tmp_path: Path) -> None:
        """It neither votes nor counts; the others go on without it, and tell why."""
        lost = cluster.followers[0]
        await lost.stop()
        before = cluster.leader.running.raft.term
        empty = ClusterNode(replace(lost.config, data_id=b"another"), lost.identity, tmp_path / "empty")
        await empty.start()
        await until(lambda: all(node.running.metrics().refused_link_count > 0 for node in cluster.running))
        assert empty.running.raft.commit_index == 0
        assert not any(link.is_up for link in empty.running.metrics().links)
        assert cluster.leader.running.raft.term == before
        await empty.stop()

    async def test_a_cluster_that_has_no_quorum_is_not_revived_by_it(self, cluster: Cluster, tmp_path: Path) -> None:
        """With one intact node left, an empty one makes no majority."""
        first, second = cluster.followers
        await first.stop()
        await second.stop()
        intact = cluster.running[0]
        empty = ClusterNode(replace(first.config, data_id=b"another"), first.identity, tmp_path / "empty")
        await empty.start()
        await until(lambda: intact.running.metrics().refused_link_count > 0)
        await until(lambda: intact.running.raft.role is not Role.LEADER)
        assert intact.running.leader_id is None
        await empty.stop()
        await first.start()
        await until(lambda: intact.running.leader_id is not None)


class TestVersions:
    """P5: the version of the state machine is raised when all members understand it, and not before."""

    async def test_a_rolling_upgrade(self, tmp_path: Path) -> None:
        """Nodes are restarted one by one; the last of them lets the cluster go on to the later version."""
        cluster = Cluster(tmp_path, 3)
        for node in cluster.nodes.values():
            node.config = replace(node.config, machine_version_max=1)
        await cluster.start()
        async with chatter(cluster):
            assert {node.machine.machine_version for node in cluster.running} == {1}
            with pytest.raises(Unavailable, match="release"):
                await cluster.leader.running.members.invite(None, 1000)
            for node_id in (2, 3):
                await upgrade(cluster, cluster[node_id])
                assert {node.machine.machine_version for node in cluster.running} == {1}
        await upgrade(cluster, cluster[1])
        await until(lambda: {node.machine.machine_version for node in cluster.running} == {2})
        await until(lambda: all(len(profiles(node)) == 3 for node in cluster.running))
        assert cluster[1].machine.answer(InvitationOf(NodeId(4))) is None
        await cluster.stop()


async def upgrade(cluster: Cluster, node: ClusterNode) -> None:
    await node.stop()
    node.config = replace(node.config, machine_version_max=2)
    await node.start()
    await cluster.settle()
    await cluster.caught_up()


class TestDraining:
    """A node that is to serve nobody for a while."""

    async def test_a_drained_node_does_not_lead(self, cluster: Cluster) -> None:
        """It hands over, tells who listens to clients, and is no heir; until that is taken back."""
        drained = cluster.leader
        told: list[bool] = []
        drained.node.on_drained = told.append
        cluster.followers[0].running.draining.ask(drained.config.node_id, is_drained=True)
        await until(lambda: cluster.running[0].running.leader_id not in {None, drained.config.node_id})
        assert told == [True]
        leader = cluster.leader
        other = next(node for node in cluster.followers if node is not drained)
        await until(lambda: leader.running.succession.heir() == other.config.node_id)
        drained.running.draining.drain(is_drained=False)
        assert told == [True, False]
        await other.stop()
        await until(lambda: leader.running.succession.heir() == drained.config.node_id)
        await other.start()

    async def test_a_node_that_cannot_be_reached(self, cluster: Cluster) -> None:
        """Whoever asks is told."""
        down = cluster.followers[0]
        await down.stop()
        await until(lambda: not cluster.leader.running._links.is_up(down.config.node_id))
        with pytest.raises(Unavailable, match="cannot be reached"):
            cluster.leader.running.draining.ask(down.config.node_id, is_drained=True)


async def test_a_start_under_another_nodes_name_ends_the_node(cluster: Cluster) -> None:
    """Should other data ever get as far as the log, the node stops rather than serve it."""
    follower = cluster.followers[0]
    await cluster.caught_up()
    await follower.stop()
    follower.config = replace(follower.config, data_id=b"other")
    for node in cluster.running:
        node.running.members.check_data = lambda *_: None  # let it in by mistake
    await follower.start()
    await until(lambda: follower.failures)
    assert isinstance(follower.failures[0], StorageError)
    assert "other data" in str(follower.failures[0])
    follower.failures.clear()
