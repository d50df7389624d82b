"""Block lists across nodes: waiting until others know them, and what was on its way meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from cluster.clusters import Cluster, until, with_timing
from cluster.people import Person
from raftline.machine.commands import ChangeBlocklist
from raftline.machine.queries import BlocklistOf, SessionsOf
from raftline.raft.config import MILLISECOND_NS

BOB = "bob@example.test"


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three nodes under one leader."""
    nodes = Cluster(tmp_path, 3)
    try:
        await nodes.start()
        yield nodes
    finally:
        await nodes.stop()


async def block(person: Person) -> None:
    """Block Bob, and wait until the person's node has applied it."""
    number = person.submit(ChangeBlocklist(True, (BOB,)))
    await until(lambda: any(settled == number for settled, _ in person.outcomes))


class TestAwaitReplicas:
    """`door.Node.await_replicas`."""

    async def test_it_waits_for_a_node_that_holds_sessions(self, cluster: Cluster) -> None:
        """Until that node has applied what was applied here when it was asked."""
        one, other = cluster.leader, cluster.followers[0]
        phone, desk = Person("alice", "phone"), Person("alice", "desk")
        await phone.appear(one.node)
        await desk.bind(other.node)
        await cluster.caught_up()
        other.running._apply.pause()
        await block(phone)
        waiting = asyncio.ensure_future(one.node.await_replicas("alice"))
        await until(lambda: other.running.survey._held)
        assert not waiting.done()
        assert other.machine.answer(BlocklistOf("alice")) == ()
        other.running._apply.resume()
        await waiting
        assert other.machine.answer(BlocklistOf("alice")) == (BOB,)
        assert other.running.survey._held == []

    async def test_it_waits_for_nobody_else(self, cluster: Cluster) -> None:
        """A node without sessions of the account may be as far behind as it likes."""
        one, other = cluster.leader, cluster.followers[0]
        alice = Person("alice")
        await alice.appear(one.node)
        await cluster.caught_up()
        other.running._apply.pause()
        await block(alice)
        await one.node.await_replicas("alice")
        assert other.machine.answer(BlocklistOf("alice")) == ()
        other.running._apply.resume()

    async def test_a_silent_node_is_given_up(self, tmp_path: Path) -> None:
        """After `status_ns` the answer is given all the same."""
        cluster = Cluster(tmp_path, 3, timing=with_timing(status_ns=50 * MILLISECOND_NS))
        await cluster.start()
        one, other = cluster.leader, cluster.followers[0]
        phone, desk = Person("alice", "phone"), Person("alice", "desk")
        await phone.appear(one.node)
        await desk.bind(other.node)
        await cluster.caught_up()
        other.running._apply.pause()
        await block(phone)
        await one.node.await_replicas("alice")
        assert other.machine.answer(BlocklistOf("alice")) == ()
        other.running._apply.resume()
        await cluster.caught_up()
        await cluster.stop()

    async def test_a_node_that_is_gone_is_not_waited_for(self, cluster: Cluster) -> None:
        """Its link is down, so nobody there can be reached from here either."""
        one, other = cluster.leader, cluster.followers[0]
        phone, desk = Person("alice", "phone"), Person("alice", "desk")
        await phone.appear(one.node)
        await desk.bind(other.node)
        await cluster.caught_up()
        await other.stop()
        await until(lambda: not one.running._links.is_up(other.config.node_id))
        await one.node.await_replicas("alice")


async def test_what_was_on_its_way_is_stopped_on_arrival(cluster: Cluster) -> None:
    """The sender's node does not know of the block yet: the stanza is dropped, a request is answered with an error."""
    one, behind = cluster.leader, cluster.followers[0]
    alice, bob, carol = Person("alice"), Person("bob"), Person("carol")
    await alice.appear(one.node)
    await bob.appear(behind.node)
    await carol.appear(behind.node)
    await cluster.caught_up()
    await behind.node.ask(SessionsOf("alice"))
    behind.running._apply.pause()
    await block(alice)
    head = "from='{}@example.test/home' to='alice@example.test/home'"
    for stanza in (
        f"<message {head.format('bob')} type='chat'><active/></message>",
        f"<presence {head.format('bob')}/>",
        f"<iq {head.format('bob')} type='result' id='1'/>",
        f"<iq {head.format('bob')} type='get' id='2'><query/></iq>",
        f"<message {head.format('carol')} type='chat'><active/></message>",
    ):
        assert behind.node.route(alice.session.session_id, stanza.encode())
    await until(lambda: alice.stanzas)  # order of one sender's node is kept, so this is Carol's, after all of Bob's
    assert [b"carol" in stanza for stanza in alice.stanzas] == [True]
    behind.running._apply.resume()
    await until(lambda: bob.stanzas)
    [answer] = bob.stanzas
    assert b"to='bob@example.test/home' type='error' id='2'" in answer
    assert b"<service-unavailable" in answer
    await cluster.caught_up()
