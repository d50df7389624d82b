"""Clusters of real processes for the tests in this folder; their logs are kept when a test fails."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from integration.cluster_process import RESULTS, Cluster, keep_logs

REPORT = pytest.StashKey[dict[str, pytest.TestReport]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here starts processes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember how each phase of a test went, for the fixtures' teardown."""
    report = yield
    item.stash.setdefault(REPORT, {})[report.when] = report
    return report


@pytest.fixture
def cluster_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder for a cluster; its logs go to test-results/ if the test fails."""
    yield tmp_path
    phases = request.node.stash.get(REPORT, {})
    if any(report.failed for report in phases.values()):
        keep_logs(tmp_path, RESULTS / request.node.name)
    if "RAFTLINE_KEEP_TEST_DATA" not in os.environ:
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest_asyncio.fixture
async def cluster(cluster_folder: Path) -> AsyncIterator[Cluster]:
    """Three nodes, ready."""
    async with Cluster(cluster_folder) as running:
        yield running
