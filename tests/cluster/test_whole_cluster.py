"""Three nodes in one process: real links, logs and machines."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.clusters import Cluster, until, with_timing
from cluster.people import Person, archive_of
from raftline.base.errors import Busy, OutcomeUnknown, StorageError, Unavailable
from raftline.cluster.config import MILLISECOND_NS, ClusterLimits
from raftline.machine.commands import CreateAccount
from raftline.machine.outcomes import Done, Repeated
from raftline.machine.queries import AccountExists, SessionAt, SessionsOf


@asynccontextmanager
async def started(cluster: Cluster) -> AsyncIterator[Cluster]:
    """Run a cluster for the time of a test."""
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three nodes with a leader."""
    async with started(Cluster(tmp_path, 3)) as nodes:
        yield nodes


async def equal_digests(cluster: Cluster) -> None:
    """Fail unless all running nodes have the same state at the same index."""
    index = await cluster.caught_up()
    digests = {node.machine.digest_at(index) for node in cluster.running}
    assert len(digests) == 1
    assert None not in digests


class TestAgreement:
    """What every node does the same."""

    async def test_any_node_takes_commands_and_all_have_them(self, cluster: Cluster) -> None:
        """A command proposed through each node takes effect on all, and the replicas are equal."""
        for node_id in (1, 2, 3):
            outcome = await cluster[node_id].node.execute(CreateAccount(f"user{node_id}", ()), key=os.urandom(16))
            assert outcome == Done()
        await cluster.caught_up()
        for node in cluster.running:
            for node_id in (1, 2, 3):
                assert await node.node.ask(AccountExists(f"user{node_id}"))
        await equal_digests(cluster)

    async def test_commands_travel_in_batches(self, cluster: Cluster) -> None:
        """Many commands at once need few entries, whichever node they come through."""
        names = [f"user{number}" for number in range(600)]
        nodes = [node.node for node in cluster.running]
        outcomes = await asyncio.gather(
            *(nodes[place % 3].execute(CreateAccount(name, ()), key=os.urandom(16)) for place, name in enumerate(names))
        )
        assert outcomes == [Done()] * 600
        figures = [node.running.metrics() for node in cluster.running]
        commands = sum(metrics.entry_command_count for metrics in figures)
        assert commands >= 600
        assert sum(metrics.entry_count for metrics in figures) < commands / 5
        await equal_digests(cluster)

    async def test_a_barrier_shows_all_that_was_acknowledged(self, cluster: Cluster) -> None:
        """What one node acknowledged, another sees after a barrier, every time (P4)."""
        writer = cluster.leader.node
        reader = cluster.followers[0].node
        for number in range(30):
            assert await writer.execute(CreateAccount(f"user{number}", ()), key=os.urandom(16)) == Done()
            await reader.barrier()
            assert await reader.ask(AccountExists(f"user{number}"))

    async def test_a_key_makes_a_command_happen_once(self, cluster: Cluster) -> None:
        """The same command under the same key through another node has no second effect and the first outcome."""
        key = os.urandom(16)
        first = await cluster[1].node.execute(CreateAccount("alice", ()), key=key)
        second = await cluster[2].node.execute(CreateAccount("alice", ()), key=key)
        assert first == Done()
        assert second in {Done(), Repeated()}

    async def test_status(self, cluster: Cluster) -> None:
        """Each node tells the same of all: leader, roles and one hash at one index."""
        index = await cluster.caught_up()
        for node in cluster.running:
            status = (await node.running.status()).as_json()
            assert status["leader"] == cluster.leader.config.node_id
            assert status["commit_index"] >= index
            assert [entry["id"] for entry in status["nodes"]] == [1, 2, 3]
            assert sorted(entry["role"] for entry in status["nodes"]) == ["follower", "follower", "leader"]
            assert all(entry["reachable"] and entry["match_index"] >= index for entry in status["nodes"])
            assert len({(entry["state_hash"], entry["state_hash_index"]) for entry in status["nodes"]}) == 1


class TestLosses:
    """Nodes that end, and come back."""

    async def test_the_others_go_on_and_nothing_is_lost_or_doubled(self, cluster: Cluster) -> None:
        """Messages pipelined through both followers while the leader ends all arrive once, in order (P2)."""
        leader = cluster.leader
        alice, bob = Person("alice"), Person("bob")
        people = (alice, bob)
        for person, node in zip(people, cluster.followers, strict=True):
            await person.appear(node.node)
        count = 300
        ended: asyncio.Future[None] | None = None
        for number in range(count):
            alice.send("bob", f"a{number}")
            bob.send("alice", f"b{number}")
            if number == count // 3:
                ended = asyncio.ensure_future(leader.stop())
            await asyncio.sleep(0)
        assert ended is not None
        await ended
        await until(lambda: all(len(person.outcomes) == count + 1 for person in people))
        for person in people:
            assert person.outcomes == [(number, Done()) for number in range(1, count + 2)]
        await until(lambda: all(len(person.bodies) == count for person in people))
        assert bob.bodies == [b"a%d" % number for number in range(count)]
        assert alice.bodies == [b"b%d" % number for number in range(count)]
        await equal_digests(cluster)
        for node in cluster.running:
            archive = await archive_of(node.node, "alice")
            assert [body for body in archive if body.startswith(b"a")] == bob.bodies
            assert [body for body in archive if body.startswith(b"b")] == alice.bodies

    async def test_failover_is_announced_by_the_link(self, cluster: Cluster) -> None:
        """When the leader ends, the next command succeeds; how long that takes is printed."""
        gaps = []
        for round_number in range(3):
            leader = cluster.leader
            follower = cluster.followers[0]
            started_at = time.monotonic()
            stopping = asyncio.ensure_future(leader.stop())
            name = f"user{round_number}"
            assert await follower.node.execute(CreateAccount(name, ()), key=os.urandom(16)) == Done()
            gaps.append((time.monotonic() - started_at) * 1000)
            await stopping
            await leader.start()
            await cluster.settle()
        print("from the leader's end to the next commit, ms:", [round(gap, 1) for gap in gaps])
        await equal_digests(cluster)

    async def test_a_node_that_was_away_catches_up(self, cluster: Cluster) -> None:
        """A node restarts from its log and gets what it missed; its sessions of before are over."""
        away = cluster.followers[0]
        alice = Person("alice")
        await alice.appear(away.node)
        await away.stop()
        node = cluster.leader.node
        for number in range(50):
            assert await node.execute(CreateAccount(f"user{number}", ()), key=os.urandom(16)) == Done()
        await away.start()
        await cluster.settle()
        await equal_digests(cluster)
        assert await away.node.ask(AccountExists("user49"))
        assert await away.node.ask(SessionsOf("alice")) == []

    async def test_the_whole_cluster_restarts(self, tmp_path: Path) -> None:
        """Everything acknowledged is there after all nodes were down."""
        cluster = Cluster(tmp_path, 3)
        async with started(cluster):
            for number in range(20):
                node = cluster[number % 3 + 1].node
                assert await node.execute(CreateAccount(f"user{number}", ()), key=os.urandom(16)) == Done()
        async with started(cluster):
            await cluster.caught_up()
            for node in cluster.running:
                assert all([await node.node.ask(AccountExists(f"user{number}")) for number in range(20)])
            await equal_digests(cluster)

    async def test_sessions_of_a_dead_node_end(self, tmp_path: Path) -> None:
        """The leader declares a silent node dead; its sessions end for everybody."""
        timing = with_timing(bury_after_ns=1_700 * MILLISECOND_NS)
        async with started(Cluster(tmp_path, 3, timing=timing)) as cluster:
            lost, other = cluster.followers[0], cluster.leader
            alice = Person("alice")
            await alice.appear(lost.node)
            await cluster.caught_up()
            assert await other.node.ask(SessionAt("alice", "home")) is not None
            await lost.stop()
            machine = other.machine
            await until(lambda: machine.answer(SessionAt("alice", "home")) is None)


def send_until_busy(person: Person) -> int:
    """Send numbers to oneself until one is refused, at most eleven; return how many were taken."""
    for number in range(11):
        try:
            person.send(person.name, f"{number}")
        except Busy:
            person.number -= 1
            return number
    return 11


class TestWithoutQuorum:
    """One of three nodes left (P6)."""

    async def test_what_is_refused_and_what_is_unknown(self, tmp_path: Path) -> None:
        """Commands that entered no log are refused as such, one in the leader's log is unknown, barriers fail."""
        timing = with_timing(wait_ns=1_500 * MILLISECOND_NS, isolated_after_ns=60_000 * MILLISECOND_NS)
        async with started(Cluster(tmp_path, 3, timing=timing)) as cluster:
            leader = cluster.leader
            alice = Person("alice")
            await alice.appear(leader.node)
            await until(lambda: len(alice.outcomes) == 1)
            await asyncio.gather(*(node.stop() for node in cluster.followers))
            in_log = asyncio.ensure_future(leader.node.execute(CreateAccount("unknown", ()), key=os.urandom(16)))
            await until(lambda: leader.running.leader_id is None)
            alice.send("alice", "kept")
            with pytest.raises(Unavailable):
                await leader.node.execute(CreateAccount("refused", ()), key=os.urandom(16))
            with pytest.raises(OutcomeUnknown):
                await in_log
            with pytest.raises(Unavailable):
                await leader.node.barrier()
            assert alice.session.pending_since_ns is not None
            assert len(alice.outcomes) == 1
            status = (await leader.running.status()).as_json()
            assert [entry["reachable"] for entry in status["nodes"]].count(True) == 1
            for node in cluster.nodes.values():
                if node.driver is None:
                    await node.start()
            await cluster.settle()
            # What waited for its outcome goes on by itself.
            await until(lambda: len(alice.outcomes) == 2)
            assert alice.outcomes[1][1] == Done()
            await cluster.caught_up()
            assert not await leader.node.ask(AccountExists("refused"))

    async def test_bounded(self, tmp_path: Path) -> None:
        """What waits for a quorum is bounded; beyond it commands are refused at once."""
        limits = ClusterLimits(pending_count_max=10)
        async with started(Cluster(tmp_path, 3, limits=limits)) as cluster:
            last = cluster.followers[0]
            alice = Person("alice")
            await alice.appear(last.node)
            await until(lambda: len(alice.outcomes) == 1)
            await asyncio.gather(*(node.stop() for node in cluster.running if node is not last))
            sent_count = send_until_busy(alice)
            assert 5 < sent_count <= 10  # the node may wait for commands of its own, about its peers
            for node in cluster.nodes.values():
                if node.driver is None:
                    await node.start()
            await until(lambda: len(alice.outcomes) == 1 + sent_count)
            alice.send("alice", "welcome again")
            await until(lambda: len(alice.bodies) == sent_count + 1)
            assert alice.bodies == [b"%d" % number for number in range(sent_count)] + [b"welcome again"]

    async def test_isolated_nodes_let_their_sessions_go(self, tmp_path: Path) -> None:
        """A node without a leader ends its sessions after a while, and begins a new life when there is one."""
        timing = with_timing(isolated_after_ns=1_000 * MILLISECOND_NS)
        async with started(Cluster(tmp_path, 3, timing=timing)) as cluster:
            last = cluster.followers[0]
            alice = Person("alice")
            await alice.appear(last.node)
            life = last.running.lives.incarnation
            await asyncio.gather(*(node.stop() for node in cluster.running if node is not last))
            await until(lambda: alice.ended == "reset")
            for node in cluster.nodes.values():
                if node.driver is None:
                    await node.start()
            await cluster.settle()
            assert last.running.lives.incarnation > life
            assert await last.node.ask(SessionsOf("alice")) == []
            await alice.bind(last.node)
            alice.send("alice", "again")
            await until(lambda: alice.outcomes[-1] == (1, Done()))


class TestOffTheLog:
    """Stanzas between sessions of two nodes."""

    async def test_a_stanza_follows_its_cause(self, cluster: Cluster) -> None:
        """An off-log stanza sent after a message was seen arrives, and after that message."""
        one, two = cluster.leader.node, cluster.followers[0].node
        alice, bob = Person("alice"), Person("bob")
        await alice.appear(one)
        await bob.appear(two)
        assert not one.route(bob.session.session_id, b"<presence/>"), "nobody has asked for it yet"
        await one.barrier()
        await one.ask(SessionsOf("bob"))
        seen: list[int] = []
        for number in range(50):
            alice.send("bob", f"{number}")
            await until(lambda number=number: len(alice.outcomes) == number + 2)  # type: ignore[misc]
            assert one.route(bob.session.session_id, b"<message>%d</message>" % number)
            await until(lambda number=number: len(bob.stanzas) > number)  # type: ignore[misc]
            seen.append(len(bob.bodies))
        assert bob.stanzas == [b"<message>%d</message>" % number for number in range(50)]
        assert all(count > number for number, count in enumerate(seen))

    async def test_a_request_whose_node_is_lost_is_answered(self, cluster: Cluster) -> None:
        """An IQ request under way when the link drops gets remote-server-timeout; an answered one gets nothing."""
        one, lost = cluster.leader.node, cluster.followers[0]
        alice, bob = Person("alice"), Person("bob & son", "x'y")
        await alice.appear(lost.node)
        await bob.appear(one)
        await one.barrier()
        await one.ask(SessionsOf("alice"))
        await lost.node.barrier()
        await lost.node.ask(SessionsOf("bob & son"))
        address = b"from='bob &amp; son@example.test/x&apos;y' to='alice@example.test/home'"
        assert one.route(alice.session.session_id, b"<iq " + address + b" type='get' id='1'><query/></iq>")
        assert one.route(alice.session.session_id, b"<iq " + address + b" type='set' id='2'><query/></iq>")
        await until(lambda: len(alice.stanzas) == 2)
        answer = b"<iq from='alice@example.test/home' to='bob &amp; son@example.test/x&apos;y' type='result' id='1'/>"
        assert lost.node.route(bob.session.session_id, answer)
        await until(lambda: bob.stanzas == [answer])
        await lost.stop()
        await until(lambda: len(bob.stanzas) == 2)
        assert b"type='error' id='2'" in bob.stanzas[1]
        assert b"remote-server-timeout" in bob.stanzas[1]
        assert b"to='bob &amp; son@example.test/x&apos;y'" in bob.stanzas[1]


class TestFailures:
    """What a node must not survive."""

    async def test_a_machine_that_fails_stops_the_node(self, tmp_path: Path) -> None:
        """A storage error in apply is fatal once, and nothing is acknowledged after it."""
        cluster = Cluster(tmp_path, 1)
        await cluster.start()
        node = cluster[1]

        def broken(*_arguments: object) -> None:
            raise StorageError("the disk is gone")

        node.machine.apply = broken  # type: ignore[method-assign, assignment]
        command = asyncio.ensure_future(node.node.execute(CreateAccount("alice", ()), key=os.urandom(16)))
        await until(lambda: node.failures)
        assert [str(failure) for failure in node.failures] == ["the disk is gone"]
        assert not command.done()
        command.cancel()
        node.failures.clear()
        await cluster.stop()

    async def test_a_log_that_fails_stops_the_node(self, tmp_path: Path) -> None:
        """An error of the log's thread is fatal."""
        cluster = Cluster(tmp_path, 1)
        await cluster.start()
        node = cluster[1]

        def broken() -> None:
            raise StorageError("sync failed")

        node.running._log.sync = broken  # type: ignore[method-assign]
        command = asyncio.ensure_future(node.node.execute(CreateAccount("alice", ()), key=os.urandom(16)))
        await until(lambda: node.failures)
        assert not command.done()
        command.cancel()
        node.failures.clear()
        await cluster.stop()


async def test_a_node_that_stops_has_no_more_to_say(tmp_path: Path) -> None:
    """It still applies what comes, and may hear that its life has to begin anew: no failure of a node that ends."""
    cluster = Cluster(tmp_path, 1)
    await cluster.start()
    node = cluster[1]
    driver = node.running
    stopping = asyncio.ensure_future(node.stop())
    await asyncio.sleep(0)  # it has begun to stop
    driver.lives.begin()
    await stopping
    assert node.failures == []
