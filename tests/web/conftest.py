"""An application and its client for the tests in this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from web.application import Application


@pytest.fixture
def static_directory(tmp_path: Path) -> Path:
    """Two built pages and some files."""
    for page, title in (("messenger", "Raftline"), ("invitation", "Invitation")):
        folder = tmp_path / "built" / page
        folder.mkdir(parents=True)
        (folder / "index.html").write_text(f"<!doctype html><title>{title}</title>", encoding="utf-8")
    (tmp_path / "app.js").write_text("export {};", encoding="utf-8")
    return tmp_path


@pytest.fixture
def application(static_directory: Path) -> Application:
    """An application with open registration."""
    return Application(static_directory)


@pytest_asyncio.fixture
async def client(application: Application) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the administrator's token."""
    async with application.client() as client:
        yield client
