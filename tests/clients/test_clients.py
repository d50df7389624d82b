"""Real clients, unmodified, against three nodes: what they do is what docs/clients.md says."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from clients.conftest import skip_if_absent
from clients.device import Surroundings
from clients.front import Front
from clients.known import CLIENTS
from clients.page import Results, render, without_versions
from clients.scenarios import HOME, KILL_KEY, SCENARIOS, Scenario, Stage, Stages, Survivor
from debian import REQUIRE_ALL
from integration.cluster_process import Cluster

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="session")]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
REWRITE = "REWRITE"
PAIRS = [(client, scenario) for client in CLIENTS for scenario in SCENARIOS if scenario.key not in client.lacks]


@pytest.mark.parametrize(
    ("client", "scenario"),
    PAIRS,
    ids=[f"{client.name}-{scenario.key}" for client, scenario in PAIRS],
)
async def test_what_clients_do(stage: Stage, scenario: Scenario, results: Results) -> None:
    """Each scenario with each client that has something for it."""
    results.cells[stage.client.name, scenario.key] = await scenario.run(stage)


async def test_clients_survive_the_death_of_their_node(
    cluster: Cluster, surroundings: Surroundings, stages: Stages, results: Results
) -> None:
    """All clients at once are on a node that gets SIGKILL: each finds another, misses nothing and can answer."""
    present = [client for client in CLIENTS if not client.absence()]
    own_stages = [Stage(cluster, client, surroundings) for client in present]
    await stages.close()  # the devices of other scenarios live on that node too
    try:
        async with Front(cluster, HOME) as front:
            survivors = [await Survivor.sit_down(stage, front) for stage in own_stages]
            await cluster.kill(HOME)
            told = await asyncio.gather(*(survivor.go_on() for survivor in survivors), return_exceptions=True)
    finally:
        for stage in own_stages:
            await stage.dismiss_guests()
        await cluster.start_node(HOME)
    for client, how in zip(present, told, strict=True):
        if isinstance(how, str):
            results.cells[client.name, KILL_KEY] = how
            results.versions[client.name] = client.version()
    failures = [f"{client.name}: {how}" for client, how in zip(present, told, strict=True) if not isinstance(how, str)]
    assert not failures, "\n".join(failures)
    for client in CLIENTS:
        skip_if_absent(client)


async def test_the_page_tells_what_was_seen(results: Results) -> None:
    """`docs/clients.md` is what the tests before this one saw; with the variable REWRITE it is written."""
    missing = results.missing(CLIENTS)
    if missing and not os.environ.get(REWRITE):
        pytest.skip(f"not everything ran: {', '.join(missing)}")
    assert not missing, missing
    page = render(results, CLIENTS)
    if os.environ.get(REWRITE):
        PAGE.write_text(page, encoding="utf-8")
    written = PAGE.read_text(encoding="utf-8")
    assert without_versions(written) == without_versions(page), "not what was seen: run `make clients`"
    if written != page and not os.environ.get(REQUIRE_ALL):
        pytest.skip(f"the page is of other versions than {results.versions}")
    assert written == page, "other versions than were seen: run `make clients`"
