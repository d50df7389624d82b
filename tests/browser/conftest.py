"""Chromium for the tests in this folder, and the clusters that the integration tests use."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from integration.conftest import cluster, cluster_folder, pytest_runtest_makereport

__all__ = ["browser", "cluster", "cluster_folder", "pytest_runtest_makereport"]

CHROMIUM = "/usr/bin/chromium"
REQUIRE_ALL = "RAFTLINE_REQUIRE_ALL_TESTS"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs Chromium."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium. Without it the test skips by name, or fails where all tests are required."""
    executable = shutil.which("chromium") or CHROMIUM
    if not Path(executable).exists():
        if os.environ.get(REQUIRE_ALL):
            pytest.fail("Chromium is not installed (Debian package chromium), and all tests are required here")
        pytest.skip("Chromium is not installed (Debian package chromium)")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield launched
        await launched.close()
