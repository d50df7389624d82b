"""What the bench finds out of groups: pages that are read to the end, what a database holds, notes for people."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench.generator.groups import read_all
from bench.generator.stored import Stored, stored_in
from bench.generator.stream import Stream, StreamFailedError
from bench.latency import Latency
from bench.results import Row
from bench.task import GroupFigures, Measured

RESULT = b"<message><result id='1'><forwarded><message><body>x</body></message></forwarded></result></message>"
FIRST = b"<iq type='result' id='page1'><fin><set><last>1</last></set></fin></iq>"
LAST = b"<iq id='page2' type='result'><fin complete='true'><set><last>2</last></set></fin></iq>"


class Server:
    """Answers each request with the next page; a transport of a stream."""

    def __init__(self, *pages: bytes) -> None:
        self.stream = Stream("localhost")
        self.stream.connection_made(self)  # type: ignore[arg-type]
        self.asked: list[bytes] = []
        self._pages = list(pages)

    def write(self, data: bytes) -> None:
        self.asked.append(data)
        if self._pages:
            self.stream.data_received(self._pages.pop(0))

    def close(self) -> None:
        """The stream is over."""


def test_history_is_read_to_its_end() -> None:
    """Page by page, each after the last message of the one before."""
    server = Server(2 * RESULT + FIRST, RESULT + LAST)
    assert asyncio.run(read_all(server.stream, "r@c", 2, said=3)) > 0
    assert b"<after>1</after>" in server.asked[1]


def test_a_history_that_lacks_something_fails() -> None:
    """A figure for less than everything would be none."""
    server = Server(RESULT + LAST)
    with pytest.raises(StreamFailedError, match="of 3 messages the history has 1"):
        asyncio.run(read_all(server.stream, "r@c", 2, said=3))


def test_a_room_without_history() -> None:
    """It is left out."""
    server = Server(b"<iq type='error' id='page1'><error type='cancel'/></iq>")
    assert asyncio.run(read_all(server.stream, "r@c", 2, said=3)) == 0


def test_what_a_database_holds(tmp_path: Path) -> None:
    """Rows of all tables and pages in use, of one that somebody else has open; free pages do not count."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = wal")
        for name in ("one", "two"):
            database.execute(f"CREATE TABLE {name} (value TEXT)")
        database.commit()
        before = stored_in(str(path))
        database.executemany("INSERT INTO one VALUES (?)", [("x" * 1000,)] * 50)
        database.execute("INSERT INTO two VALUES ('y')")
        database.commit()
        came = stored_in(str(path)).since(before)
        assert came.row_count == 51
        assert came.byte_count > 50_000
        database.execute("DELETE FROM one")
        database.commit()
        assert stored_in(str(path)).since(before) == Stored(1, 0)


def test_notes() -> None:
    """What the columns of a table do not say."""
    latency = Latency(count=5, p50_ms=1234.0, p95_ms=1.0, p99_ms=1.0, max_ms=1.0)
    figures = GroupFigures(
        present_count=100, said=2000, returning=latency, rows_per_message=3.14, bytes_per_message=717
    )
    measured = Measured(count=40_000, duration_s=2.0, server_cpu_s=1.0, generator_cpu_share=0.1, group=figures)
    assert Row(server="s", scenario="group", kind="group", rounds=(measured,)).notes == (
        "200 messages per second",
        "who comes back reads 2,000 messages in 1,234 ms",
        "3.1 rows and 717 bytes in each database for each message",
    )
