"""A node's HTTP around a fake door, and the options that name it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cli.serving import serve
from web.application import TOKEN, Application


@pytest.fixture
def application(tmp_path: Path) -> Application:
    """A node's HTTP around a fake door."""
    static = tmp_path / "static"
    static.mkdir()
    return Application(static)


@pytest_asyncio.fixture
async def server(application: Application, tmp_path: Path) -> AsyncIterator[tuple[str, ...]]:
    """Options that name a running server."""
    token_file = tmp_path / "token"
    token_file.write_text(f"{TOKEN}\n", encoding="utf-8")
    async with serve(application.app) as port:
        yield ("--server", f"http://127.0.0.1:{port}", "--token-file", str(token_file))
