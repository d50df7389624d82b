"""Health and metrics."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from raftline.base.errors import Busy
from web.application import Application


async def test_healthz_answers_while_nothing_else_works(application: Application, client: httpx2.AsyncClient) -> None:
    """Liveness needs no quorum, or an orchestrator would kill the nodes that wait for each other."""
    application.health.started = False
    application.leader_known = False
    application.door.failure = Busy("no quorum")
    assert (await client.get("/healthz")).status_code == 200


async def test_readyz_needs_start_leader_and_barrier(application: Application, client: httpx2.AsyncClient) -> None:
    """Each missing condition is a 503 with its own reason."""
    application.health.started = False
    reasons = [(await client.get("/readyz")).json()["reason"]]
    application.health.started = True
    application.leader_known = False
    reasons.append((await client.get("/readyz")).json()["reason"])
    application.leader_known = True
    application.door.failure = Busy("no quorum")
    unconfirmed = await client.get("/readyz")
    assert unconfirmed.status_code == 503
    reasons.append(unconfirmed.json()["reason"])
    application.door.failure = None
    assert ((await client.get("/readyz")).status_code, (await client.get("/readyz")).json()) == (200, {"ready": True})
    application.health.stopping = True
    reasons.append((await client.get("/readyz")).json()["reason"])
    assert len(set(reasons)) == 4


async def test_probes_share_a_recent_barrier(application: Application, client: httpx2.AsyncClient) -> None:
    """Within a second no new barrier is asked for; after it one is."""
    for _ in range(3):
        assert (await client.get("/readyz")).status_code == 200
    assert application.door.barrier_count == 1
    application.now_ns += 1_000_000_001
    assert (await client.get("/readyz")).status_code == 200
    assert application.door.barrier_count == 2


async def test_probes_at_once_wait_for_one_barrier(application: Application, client: httpx2.AsyncClient) -> None:
    """Ten probes at the same time ask the cluster once."""
    passed = asyncio.Event()
    asked = 0

    async def barrier() -> None:
        nonlocal asked
        asked += 1
        await passed.wait()

    application.door.barrier = barrier  # type: ignore[method-assign]
    probes = [asyncio.ensure_future(client.get("/readyz")) for _ in range(10)]
    await asyncio.wait(probes, timeout=0.05)
    passed.set()
    assert {probe.status_code for probe in await asyncio.gather(*probes)} == {200}
    assert asked == 1


async def test_metrics_are_prometheus_text(client: httpx2.AsyncClient) -> None:
    """The registry of the node comes out in Prometheus' text form."""
    reply = await client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=")
    assert "raftline_raft_term 7.0" in reply.text


@pytest.mark.parametrize(("started", "stopping"), [(False, False), (True, True)])
async def test_a_node_that_starts_or_stops_only_tells_its_story(
    application: Application, client: httpx2.AsyncClient, started: bool, stopping: bool
) -> None:
    """It takes no accounts and no clients, but tells its health and status."""
    application.health.started = started
    application.health.stopping = stopping
    body = {"username": "anna", "password": "x"}
    assert (await client.post("/client/register", json=body)).status_code == 503
    assert (await client.post("/admin/v1/users", json=body)).status_code == 503
    assert application.door.executed == []
    for path in ("/healthz", "/metrics", "/admin/v1/cluster", "/static/app.js"):
        assert (await client.get(path)).status_code == 200
