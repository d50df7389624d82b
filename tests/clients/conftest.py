"""One cluster and one browser for all clients in this folder, and the results that make docs/clients.md."""

from __future__ import annotations

import base64
import hashlib
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import Browser, async_playwright

from browser.conftest import launch_chromium
from clients.device import Client, Surroundings
from clients.front import Front
from clients.page import Results
from clients.scenarios import ELSEWHERE, Stage, Stages
from debian import skip_for
from integration.cluster_process import Cluster
from integration.conftest import REPORT, RESULTS, pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]

SEEN = pytest.StashKey[Results]()
PAGE_TEST = "test_the_page_tells_what_was_seen"


def pytest_configure(config: pytest.Config) -> None:
    """Results are gathered over the whole run."""
    config.stash[SEEN] = Results()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here starts processes; the page is written last, in whatever order the rest runs."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.integration)
    items.sort(key=lambda item: item.name == PAGE_TEST)


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest) -> Results:
    """What the tests of this run have seen so far."""
    return request.config.stash[SEEN]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """
    Three nodes, ready; their logs are kept in test-results/clients.

    Files go over HTTPS, since Gajim, for one, takes no other links, through a proxy under the one name that all nodes
    tell their clients (`media.public_url`). It prefers the third node: none of those who give the links out or follow
    them.
    """
    folder = tmp_path_factory.mktemp("clients-cluster")
    listener = socket.create_server(("127.0.0.1", 0))
    public_url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    try:
        async with (
            Cluster(folder, settings={"RAFTLINE_MEDIA__PUBLIC_URL": public_url}) as running,
            Front(running, ELSEWHERE) as front,
        ):
            certificate = server_certificate(running)
            await front.open_https(listener, certificate, certificate.with_suffix(".key"))
            yield running
    finally:
        listener.close()
        for log in folder.rglob("*.log"):
            kept = RESULTS / "clients" / log.relative_to(folder)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, kept)
        shutil.rmtree(folder, ignore_errors=True)


def server_certificate(cluster: Cluster) -> Path:
    """What all nodes show to clients."""
    return cluster.ca_file.with_name("server.pem")


def trust_argument(certificate: Path) -> str:
    """Has Chromium trust this key: authorities it takes from the user's database or the system's policies alone."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return f"--ignore-certificate-errors-spki-list={base64.b64encode(digest).decode()}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def surroundings(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Surroundings]:
    """Where clients keep their files, whom they trust, and the browser, launched when the first page opens."""
    launched: list[Browser] = []
    async with async_playwright() as playwright:

        async def browser() -> Browser:
            if not launched:
                launched.append(await launch_chromium(playwright, trust_argument(server_certificate(cluster))))
            return launched[0]

        yield Surroundings(tmp_path_factory.mktemp("devices"), cluster.ca_file, browser)
        for each in launched:
            await each.close()


def skip_if_absent(client: Client) -> None:
    """Without its packages a client is skipped by name, or fails where all tests are required."""
    absence = client.absence()
    skip_for(f"{client.name}: {absence}" if absence else "")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stages(cluster: Cluster, surroundings: Surroundings) -> AsyncIterator[Stages]:
    """A device of each client, signed in when it is first asked for."""
    kept = Stages(cluster, surroundings)
    yield kept
    await kept.close()


@pytest_asyncio.fixture(loop_scope="session")
async def stage(
    client: Client, stages: Stages, results: Results, request: pytest.FixtureRequest
) -> AsyncIterator[Stage]:
    """The one of a test's client; nobody who came for the test stays behind."""
    skip_if_absent(client)
    results.versions[client.name] = client.version()
    found = await stages.prepare(client)
    yield found
    if any(report.failed for report in request.node.stash.get(REPORT, {}).values()):
        await stages.discard(client, RESULTS / request.node.name)
    else:
        await found.dismiss_guests()
