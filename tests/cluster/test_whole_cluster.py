"""Three nodes in one process: real links, logs and machines."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.clusters import Cluster, until
from raftline.machine.commands import CreateAccount
from raftline.machine.outcomes import Done, Rejected
from raftline.machine.queries import AccountExists


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three nodes with a leader."""
    nodes = Cluster(tmp_path, 3)
    try:
        await nodes.start()
        yield nodes
    finally:
        await nodes.stop()


async def test_any_node_takes_commands_and_all_have_them(cluster: Cluster) -> None:
    """A command proposed through each node takes effect on all, and the replicas are equal."""
    for node_id in (1, 2, 3):
        outcome = await cluster[node_id].node.execute(CreateAccount(f"user{node_id}", ()), key=os.urandom(16))
        assert outcome == Done()
    index = await cluster.caught_up()
    for node in cluster.running:
        for node_id in (1, 2, 3):
            assert await node.node.ask(AccountExists(f"user{node_id}"))
    assert len({node.machine.digest_at(index) for node in cluster.running}) == 1
