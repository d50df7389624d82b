"""What the cluster itself sends to clients, on this node and on others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from cluster.clusters import Cluster, until
from cluster.people import Person
from raftline.machine.commands import ChangeBlocklist
from raftline.machine.queries import SessionAt
from raftline.node.outlet import Outlet

REQUEST = b"<iq from='example.org' to='maker@example.org/home' type='set' id='push/1/1'><x xmlns='urn:x'/></iq>"


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Two nodes."""
    nodes = Cluster(tmp_path, 2)
    try:
        await nodes.start()
        yield nodes
    finally:
        await nodes.stop()


async def test_wherever_the_client_is(cluster: Cluster) -> None:
    """Each node reaches it, at once or over a link."""
    maker = Person("maker")
    await maker.appear(cluster[1].node)
    jid = f"maker@{cluster[1].node.domain}/home"
    await until(lambda: cluster[2].machine.answer(SessionAt("maker", "home")) is not None)
    for count, node_id in enumerate((1, 2), 1):
        assert Outlet(cluster[node_id].node).send(jid, REQUEST)
        await until(lambda count=count: len(maker.stanzas) == count)
    assert maker.stanzas == [REQUEST] * 2


async def test_nobody_there(cluster: Cluster) -> None:
    """No such session, no such account, no full JID: nothing is sent."""
    maker = Person("maker")
    await maker.appear(cluster[1].node)
    domain = cluster[1].node.domain
    outlet = Outlet(cluster[1].node)
    for address in (f"maker@{domain}/other", f"nobody@{domain}/home", f"maker@{domain}", domain):
        assert not outlet.send(address, REQUEST)


async def test_who_has_blocked_the_server(cluster: Cluster) -> None:
    """It gets nothing (XEP-0191 section 3.3)."""
    node = cluster[1].node
    maker = Person("maker")
    await maker.appear(node)
    maker.submit(ChangeBlocklist(blocked=True, addresses=(node.domain,)))
    await until(lambda: len(maker.outcomes) == 2)
    assert not Outlet(node).send(f"maker@{node.domain}/home", REQUEST)
