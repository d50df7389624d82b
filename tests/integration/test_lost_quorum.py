"""A cluster that loses two of its three nodes for good goes on from the one that is left, when somebody says so."""

from __future__ import annotations

import re

import pytest

from integration.archive import read_archive
from integration.cluster_process import EXIT_TIMEOUT_S, Cluster, wait_until
from integration.xmpp_raw import RawClient, register
from raftline.server.development_layout import settings_file
from raftline.server.failures import ExitCode

pytestmark = pytest.mark.timeout(200)

PASSWORD = "all-that-is-left"
LEFT = 3


async def write(cluster: Cluster, node_id: int, origin_ids: list[str]) -> None:
    """Let bert write to himself and wait until all is acknowledged."""
    async with RawClient() as bert:
        await bert.log_in(cluster.node(node_id).xmpp, "bert", PASSWORD)
        for origin_id in origin_ids:
            bert.send_chat("bert@localhost", origin_id, origin_id)
        await bert.wait_acked(bert.sent_count)


async def read(cluster: Cluster, node_id: int) -> list[str]:
    """Read what bert has written so far, through one node; all of it under ids that are there once."""
    async with RawClient() as bert:
        await bert.log_in(cluster.node(node_id).xmpp, "bert", PASSWORD)
        rows = await read_archive(bert)
    assert len({row.stanza_id for row in rows}) == len(rows)
    return [row.origin_id for row in rows]


def force(cluster: Cluster, *options: str) -> list[str]:
    """The command for the node that is left."""
    return ["node", "force-new-cluster", "--config", str(settings_file(cluster.data, LEFT)), *options]


def raise_epoch(cluster: Cluster) -> None:
    """Do in the settings what the command says."""
    file = settings_file(cluster.data, LEFT)
    text = file.read_text(encoding="utf-8")
    changed = re.sub(r"(?m)^epoch = 1$", "epoch = 2", text)
    if changed == text:
        changed = text.replace("[cluster]\n", "[cluster]\nepoch = 2\n", 1)
    file.write_text(changed, encoding="utf-8")


async def test_one_node_goes_on_alone(cluster: Cluster) -> None:
    """It keeps what it has, gets new companions, and those who were given up are not let in again."""
    await register(cluster.node(1).xmpp, "bert", PASSWORD)
    before = [f"before-{number}" for number in range(20)]
    await write(cluster, 1, before)
    await cluster.wait_healthy()
    running = await cluster.command(*force(cluster))
    assert running.returncode == ExitCode.IN_USE
    for node_id in cluster.node_ids:
        await cluster.kill(node_id)

    told = await cluster.command(*force(cluster))
    assert told.returncode == ExitCode.REFUSED, told.stderr
    assert re.search(r"last entry\s+term \d+, index \d+", told.stderr)
    assert "ARE LOST" in told.stderr
    assert "--lose-the-rest" in told.stderr
    asleep = await cluster.start_node(LEFT, wait_ready=False)  # nothing was changed: it waits for the others
    assert not await cluster.is_ready(LEFT)
    asleep.terminate()
    asleep.wait(EXIT_TIMEOUT_S)

    done = await cluster.command(*force(cluster, "--lose-the-rest"))
    assert done.returncode == 0, done.stderr
    assert "cluster.epoch to 2" in done.stdout
    refused = await cluster.start_node(LEFT, wait_ready=False)
    assert refused.wait(EXIT_TIMEOUT_S) == ExitCode.USAGE
    raise_epoch(cluster)
    await cluster.start_node(LEFT)
    assert await read(cluster, LEFT) == before

    after = [f"after-{number}" for number in range(20)]
    await write(cluster, LEFT, after)
    assert await read(cluster, LEFT) == before + after
    given_up = await cluster.start_node(2, wait_ready=False)

    async def has_ended() -> bool:
        return given_up.poll() is not None

    await wait_until("a node that was given up to end", has_ended, EXIT_TIMEOUT_S)
    assert given_up.returncode == ExitCode.DISMISSED, cluster.log_tail()


async def test_it_grows_again(cluster: Cluster) -> None:
    """New nodes join the one that went on alone, and then any of them may fail."""
    await register(cluster.node(1).xmpp, "bert", PASSWORD)
    before = [f"before-{number}" for number in range(5)]
    await write(cluster, 1, before)
    await cluster.wait_healthy()
    await cluster.stop()
    done = await cluster.command(*force(cluster, "--lose-the-rest"))
    assert done.returncode == 0, done.stderr
    raise_epoch(cluster)
    await cluster.start_node(LEFT)
    newest = [await cluster.add_node(), await cluster.add_node()]
    assert newest == [4, 5]
    await cluster.kill(LEFT)
    assert await cluster.leader() in newest
    after = ["after-the-last-founder"]
    await write(cluster, 4, after)
    rows = await read(cluster, 5)
    assert rows == before + after
