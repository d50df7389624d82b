"""`raftline top` in a terminal beside a real cluster whose leader dies."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from clients.terminal import Terminal
from integration.cluster_process import RAFTLINE, Cluster, wait_until
from integration.xmpp_raw import RawClient, register

pytestmark = pytest.mark.timeout(120)

SEEN_TIMEOUT_S = 20.0


@pytest_asyncio.fixture
async def terminal(cluster: Cluster) -> AsyncIterator[Terminal]:
    """`raftline top` that was told of the leader alone."""
    leader = (await cluster.wait_healthy())["leader"]
    token_file = cluster.data / "admin.token"
    address = f"http://127.0.0.1:{cluster.node(leader).http}"
    command = [RAFTLINE, "top", "--interval", "0.2", "--server", address, "--token-file", str(token_file)]
    opened = Terminal(command, {"PATH": os.environ["PATH"]})
    yield opened
    await opened.close()


async def seen(terminal: Terminal, pattern: str) -> re.Match[str]:
    """Wait until the screen has a line with this."""

    async def look() -> re.Match[str] | None:
        assert terminal.is_running, "\n".join(terminal.lines())
        return next((found for line in terminal.lines() if (found := re.search(pattern, line))), None)

    try:
        return await wait_until(pattern, look, SEEN_TIMEOUT_S)
    except AssertionError as error:
        raise AssertionError("\n".join([str(error), *terminal.lines()])) from error


@asynccontextmanager
async def chatting(port: int) -> AsyncIterator[None]:
    """Meanwhile somebody sends messages to themselves, the next when one is acknowledged, so that there are figures."""
    await register(port, "anna", "a-secret")

    async def chat(client: RawClient) -> None:
        for number in itertools.count():
            await client.wait_acked(client.send_chat("anna@localhost", "hello", f"m{number}"))

    async with RawClient() as client:
        await client.log_in(port, "anna", "a-secret", resource="phone")
        talking = asyncio.get_running_loop().create_task(chat(client))
        yield
        assert not talking.done(), talking
        talking.cancel()
        await asyncio.wait([talking])


async def test_it_sees_the_leader_die(cluster: Cluster, terminal: Terminal) -> None:
    """Roles, figures, and after a kill of the node it asked: the new leader, from another node; q ends it."""
    leader = int((await seen(terminal, r"^Node (\d) leads in term \d+"))[1])
    await seen(terminal, rf"^{leader} +leader")
    follower = next(node_id for node_id in cluster.node_ids if node_id != leader)
    await seen(terminal, rf"^{follower} +follower")
    await seen(terminal, r"\d\d:\d\d:\d\d  term \d+: node \d leads")
    async with chatting(cluster.node(follower).xmpp):
        await seen(terminal, r"[1-9][0-9.]* messages/s  commit p50 [0-9.]+ ms, p99 [0-9.]+ m?s")

    await cluster.kill(leader)
    new_leader = int((await seen(terminal, rf"^Node ((?!{leader})\d) leads in term"))[1])
    await seen(terminal, rf"term \d+: node {new_leader} leads")
    await seen(terminal, rf"http://\S+:{cluster.node(leader).http} is silent: http://\S+ is asked")
    await seen(terminal, rf"  node {leader} is gone")
    await seen(terminal, rf"^{leader} +gone")
    assert new_leader == (await cluster.leader())

    told = await cluster.command("top", "--once", "--json", "--interval", "0.2", "--data", str(cluster.data))
    assert told.returncode == 0, told.stderr
    reading = json.loads(told.stdout)
    assert reading["leader"] == new_leader
    assert {one["id"]: one["reachable"] for one in reading["nodes"]} == {
        node_id: node_id != leader for node_id in cluster.node_ids
    }

    await cluster.start_node(leader)
    await seen(terminal, rf"  node {leader} is back")
    await seen(terminal, rf"^{leader} +follower")
    terminal.type_line("q")

    async def is_over() -> bool:
        return not terminal.is_running

    await wait_until("top to end", is_over, SEEN_TIMEOUT_S)
