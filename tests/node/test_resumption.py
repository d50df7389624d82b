"""Sessions that move between nodes, and those that wait: the node door on real nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.clusters import Cluster, until
from cluster.people import Person
from raftline.base.errors import Refused
from raftline.base.ids import CURSOR_START, SessionId
from raftline.machine.commands import OpenRequest
from raftline.machine.node_commands import BuryNode
from raftline.machine.outcomes import Done, Gone, Stale
from raftline.machine.queries import PictureOf, SessionRow, SessionsOf
from raftline.node.node import LocalNode

TOKEN = bytes(range(16))


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three nodes under one leader."""
    nodes = Cluster(tmp_path, 3)
    try:
        await nodes.start()
        yield nodes
    finally:
        await nodes.stop()


async def resumable(node: LocalNode, name: str = "alice", timeout_s: int = 60) -> Person:
    """A session that can be resumed, with one command to its name."""
    person = Person(name)
    await person.appear(node)
    await person.session.enable_management(0, TOKEN, timeout_s)
    await until(lambda: len(person.outcomes) == 1)
    return person


async def resume(node: LocalNode, former: Person, token: bytes = TOKEN) -> Person:
    """The same person on another connection."""
    person = Person(former.name)
    held = await node.resume_session(former.name, former.session.session_id, token, person)
    assert not isinstance(held, Gone)
    person._session, resumed = held
    person.number = resumed.inbound_count
    return person


def rows(node: LocalNode, name: str) -> list[tuple[SessionId, int]]:
    """Sessions of an account as this replica has them, with the nodes that hold them."""
    found = node.driver.machine.answer(SessionsOf(name))
    assert isinstance(found, list)
    return [(row.session_id, row.node_id) for row in found if isinstance(row, SessionRow)]


class TestTakeOver:
    """`resume_session`."""

    @pytest.mark.parametrize("target", ["the same node", "another node"])
    async def test_a_session_that_is_held(self, cluster: Cluster, target: str) -> None:
        """The former edge hears of a conflict and nothing else; the new one goes on from the last command."""
        one, two = (cluster[1].node, cluster[1 if target == "the same node" else 2].node)
        alice = await resumable(one)
        again = await resume(two, alice)
        await until(lambda: alice.ended == "conflict")
        assert again.session.session_id == alice.session.session_id
        assert again.session.epoch == alice.session.epoch + 1
        again.send("alice", "still here")
        await until(lambda: again.bodies == [b"still here"])
        assert alice.bodies == []
        assert again.outcomes == [(2, Done())]
        await until(lambda: again.progress == [2])
        assert rows(two, "alice") == [(again.session.session_id, two.driver.node_id)]
        assert two.session_count == 1

    async def test_what_the_former_holder_has_under_way(self, cluster: Cluster) -> None:
        """It comes out stale, and the new edge may send it again under the same numbers."""
        one, two = cluster.leader.node, cluster.followers[0].node
        alice = await resumable(one)
        again = await resume(two, alice)
        alice.send("alice", "too late")
        await until(lambda: alice.outcomes[-1] == (2, Stale()))
        again.send("alice", "in time")
        await until(lambda: again.bodies == [b"in time"])

    async def test_refused(self, cluster: Cluster) -> None:
        """Another token, another account."""
        alice = await resumable(cluster[1].node)
        with pytest.raises(Refused) as refusal:
            await resume(cluster[2].node, alice, bytes(16))
        assert refusal.value.condition == "item-not-found"
        bob = Person("bob")
        await bob.create(cluster[1].node)
        with pytest.raises(Refused):
            await cluster[2].node.resume_session("bob", alice.session.session_id, TOKEN, bob)
        assert alice.ended is None

    async def test_a_session_that_is_over(self, cluster: Cluster) -> None:
        """How far it had come."""
        alice = await resumable(cluster[1].node)
        await alice.session.end()
        held = await cluster[2].node.resume_session("alice", alice.session.session_id, TOKEN, Person("alice"))
        assert held == Gone(1)

    async def test_a_cancelled_take_over_leaves_the_session_waiting(self, cluster: Cluster) -> None:
        """A client that goes away while it resumes may come back once more."""
        node = cluster.leader.node
        alice = await resumable(node)
        await alice.session.detach()
        resuming = asyncio.ensure_future(resume(node, alice))
        await asyncio.sleep(0)
        resuming.cancel()
        await asyncio.wait([resuming])
        await until(lambda: rows(node, "alice") == [(alice.session.session_id, 0)] and node.session_count == 0)
        await resume(node, alice)


class TestDetach:
    """`Session.detach`, and the end of waiting."""

    async def test_it_waits_with_all_it_said(self, cluster: Cluster) -> None:
        """Nobody holds it, its edge hears nothing any more, and what it told last is told."""
        node = cluster.leader.node
        alice = await resumable(node)
        alice.session.progress(5, CURSOR_START, (OpenRequest(4, "q", ""),))
        await alice.session.detach()
        await alice.session.detach()
        assert rows(node, "alice") == [(alice.session.session_id, 0)]
        await until(lambda: node.session_count == 0)
        assert alice.ended is None
        (kept,) = node.driver.machine.answer(PictureOf(alice.session.session_id)).answers  # type: ignore[union-attr]
        assert (kept.number, kept.request_id) == (4, "q")
        again = await resume(cluster.followers[0].node, alice)
        assert again.number == 5

    async def test_off_log_stanzas_find_nobody(self, cluster: Cluster) -> None:
        """A session that waits is told to be nowhere, so that requests to it are refused at once."""
        node = cluster.leader.node
        alice = await resumable(cluster.followers[0].node)
        await cluster.caught_up()
        await node.ask(SessionsOf("alice"))
        assert node.route(alice.session.session_id, b"<message/>")
        await alice.session.detach()
        await cluster.caught_up()
        await node.ask(SessionsOf("alice"))
        assert not node.route(alice.session.session_id, b"<message/>")

    async def test_without_a_token_it_ends(self, cluster: Cluster) -> None:
        """There is nothing to wait for."""
        alice = Person("alice")
        await alice.appear(cluster.leader.node)
        await alice.session.detach()
        assert rows(cluster.leader.node, "alice") == []

    async def test_the_leader_ends_what_nobody_resumes(self, cluster: Cluster) -> None:
        """Once its time is over, though nothing else happens."""
        alice = await resumable(cluster.followers[0].node, timeout_s=1)
        await alice.session.detach()
        await until(lambda: rows(cluster.leader.node, "alice") == [])


async def test_a_node_that_was_declared_dead(cluster: Cluster) -> None:
    """It catches up with its death and with what was taken over since: conflict there, reset for the others."""
    dead, other = cluster.followers[0], cluster.leader.node
    moved, waits, ends = await resumable(dead.node, "alice"), await resumable(dead.node, "bob"), Person("carol")
    await ends.appear(dead.node)
    await cluster.caught_up()
    dead.running._apply.pause()
    assert await other.execute(BuryNode(dead.node.driver.node_id, dead.running.lives.incarnation)) == Done()
    again = await resume(other, moved)
    dead.running._apply.resume()
    await until(lambda: all(person.ended for person in (moved, waits, ends)))
    assert (moved.ended, waits.ended, ends.ended) == ("conflict", "reset", "reset")
    assert again.ended is None
    assert rows(other, "bob") == [(waits.session.session_id, 0)]
    assert rows(other, "carol") == []
    back = await resume(dead.node, waits)
    back.send("bob", "here again")
    await until(lambda: back.bodies == [b"here again"])
