"""`raftline reports` against a real HTTP server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cli.serving import raftline, serve
from raftline.cli import connection
from raftline.server.failures import ExitCode
from web.application import TOKEN, Application
from web.test_reports import record


@pytest.fixture
def application(tmp_path: Path) -> Application:
    """A node's HTTP around a fake door that knows a page of reports and a bit."""
    found = Application(tmp_path)
    for position in range(1, connection.PAGE + 3):
        found.door.reports[position, 0] = record(position, text=f"[red]text[/red] \x1b[31m{position}")
    found.door.reports[500, 0] = record(500, closed_ms=900)
    return found


@pytest_asyncio.fixture
async def server(application: Application, tmp_path: Path) -> AsyncIterator[tuple[str, ...]]:
    """Options that name a running server."""
    token_file = tmp_path / "token"
    token_file.write_text(f"{TOKEN}\n", encoding="utf-8")
    async with serve(application.app) as port:
        yield ("--server", f"http://127.0.0.1:{port}", "--token-file", str(token_file))


async def test_listed(server: tuple[str, ...]) -> None:
    """All pages, for programs; those that are closed apart."""
    listed = await raftline("reports", "list", "--json", *server)
    assert listed.code == 0, listed.err
    assert len(json.loads(listed.out)["reports"]) == connection.PAGE + 2
    closed = await raftline("reports", "list", "--closed", "--json", *server)
    assert [report["id"] for report in json.loads(closed.out)["reports"]] == ["500-0"]


async def test_a_table(server: tuple[str, ...]) -> None:
    """For people: what strangers wrote is shown, and neither obeyed by the terminal nor taken for markup."""
    listed = await raftline("reports", "list", *server)
    assert listed.code == 0, listed.err
    assert "[red]text[/red]" in listed.out
    assert "\x1b[31m" not in listed.out
    for text in ("alice@example.org", "eve@example.org", "spam", "buy this", "(1-12)"):
        assert text in listed.out


async def test_closed(application: Application, server: tuple[str, ...]) -> None:
    """Once; after that there is nothing to close, and the exit code says so."""
    closed = await raftline("reports", "close", "2-0", *server)
    assert (closed.code, closed.out) == (0, "Closed 2-0.\n")
    assert application.door.reports[2, 0].closed_ms
    told = await raftline("reports", "close", "3-0", "--json", *server)
    assert json.loads(told.out) == {"id": "3-0", "closed": True}
    again = await raftline("reports", "close", "2-0", *server)
    assert again.code == ExitCode.REFUSED
    assert "no such report" in again.err


async def test_help() -> None:
    """Each command has an example."""
    for name in ("list", "close"):
        assert f"Example: raftline reports {name}" in (await raftline("reports", name, "--help")).out
