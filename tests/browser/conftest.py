"""Chromium for the tests in this folder, and the clusters that the integration tests use."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright

from debian import skip_for
from integration.conftest import cluster, cluster_folder, pytest_runtest_makereport

__all__ = ["browser", "cluster", "cluster_folder", "pytest_runtest_makereport"]

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


def chromium_absence() -> str:
    """What must be installed to run Chromium; empty if it is there."""
    return "" if Path(CHROMIUM).exists() else "Chromium is not installed (Debian package chromium)"


async def launch_chromium(playwright: Playwright, *more: str) -> Browser:
    """Start Debian's Chromium without a window and without talk to its makers, with more arguments if need be."""
    return await playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *more])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs Chromium."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium. Without it the test skips by name, or fails where all tests are required."""
    skip_for(chromium_absence())
    async with async_playwright() as playwright:
        launched = await launch_chromium(playwright)
        yield launched
        await launched.close()
