"""Components behind the node door: who holds one, and what the cluster itself sends to it (XEP-0114)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.clusters import Cluster, until
from cluster.people import Person
from raftline.base.errors import Refused
from raftline.machine.components.queries import ComponentAt
from raftline.machine.outcomes import Event, SessionEnded
from raftline.machine.queries import SessionRow, SessionsOf
from raftline.machine.versions import FEATURES_SINCE
from raftline.node.door import Session
from raftline.node.node import LocalNode
from raftline.node.outlet import Outlet

DOMAIN = "example.test"
TO = f"push.{DOMAIN}"


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three nodes under one leader."""
    nodes = Cluster(tmp_path, 3)
    try:
        await nodes.start()
        await until(lambda: all(node.node.machine_version >= FEATURES_SINCE for node in nodes.running))
        yield nodes
    finally:
        await nodes.stop()


class Push:
    """The edge of a component that keeps what it is asked."""

    def __init__(self, node: LocalNode) -> None:
        self.node = node
        self.ended = ""
        self.requests: list[bytes] = []
        self.session: Session | None = None

    async def connect(self) -> None:
        self.session = await self.node.connect_component("push", self)

    def receive_event(self, event: Event) -> None:
        if isinstance(event, SessionEnded):
            self.ended = event.reason or "ended"

    def receive_progress(self, inbound_count: int) -> None:
        pass

    def receive_stanza(self, stanza: bytes) -> None:
        self.requests.append(stanza)


def holder(node: LocalNode) -> int | None:
    """Which node holds the component, as a replica has it."""
    row = node.driver.machine.answer(ComponentAt("push"))
    return row.node_id if isinstance(row, SessionRow) else None


class TestConnecting:
    """`connect_component`."""

    async def test_one_at_a_time(self, cluster: Cluster) -> None:
        """Another node is refused while one holds it, and takes it after the end."""
        first, second = Push(cluster[1].node), Push(cluster[2].node)
        await first.connect()
        with pytest.raises(Refused, match="connected already"):
            await second.connect()
        assert first.session is not None
        await first.session.end()
        await second.connect()
        await until(lambda: holder(cluster[3].node) == 2)

    async def test_the_death_of_its_node_frees_it(self, cluster: Cluster) -> None:
        """Once the cluster has buried the node, another takes the component."""
        leader = cluster.leader
        held, other = (node for node in (cluster[1], cluster[2], cluster[3]) if node is not leader)
        await Push(held.node).connect()
        await until(lambda: holder(other.node) is not None)
        await held.stop()
        await until(lambda: holder(other.node) is None)
        await Push(other.node).connect()


class TestOutlet:
    """What the cluster itself sends to a component, or to somebody at it."""

    @pytest.mark.parametrize("asker", [1, 2])
    @pytest.mark.parametrize("to", [TO, f"somebody@{TO}", f"somebody@{TO}/there"])
    async def test_it_arrives(self, cluster: Cluster, asker: int, to: str) -> None:
        """On the component's node or another."""
        push = Push(cluster[1].node)
        await push.connect()
        await cluster.caught_up()
        request = f"<iq from='{DOMAIN}' to='{to}' type='set' id='i'><x xmlns='urn:x'/></iq>".encode()
        assert Outlet(cluster[asker].node).send(to, request)
        await until(lambda: push.requests == [request])

    async def test_nobody_is_connected(self, cluster: Cluster) -> None:
        """It is not sent."""
        assert not Outlet(cluster[1].node).send(TO, b"<iq/>")


async def test_a_request_to_a_session_that_is_gone(cluster: Cluster) -> None:
    """It comes too late, and is refused by the node that held the session, not swallowed."""
    one, two = cluster[1].node, cluster[2].node
    alice, bob = Person("alice"), Person("bob")
    await alice.appear(one)
    await bob.appear(two)
    await cluster.caught_up()
    await one.ask(SessionsOf("bob"))
    await bob.session.end()
    request = f"<iq from='alice@{DOMAIN}/home' to='bob@{DOMAIN}/home' type='get' id='i'/>".encode()
    assert one.route(bob.session.session_id, request)
    await until(lambda: alice.stanzas)
    assert b"<service-unavailable " in alice.stanzas[0]
