"""
R1: rows and applied index are committed together, whatever moment a crash picks.

The files of the database are looked at before each statement that reaches SQLite, as a crash there would leave them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from machine.world import DOMAIN, World
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.machine import chain
from raftline.machine.commands import Command, DeleteAccount, KeyOrigin, decode_command
from raftline.machine.database import open_database
from raftline.machine.entry import decode_entry
from raftline.machine.machine import Machine
from raftline.machine.node_commands import StartNode
from raftline.machine.queries import AccountExists


class Crashes:
    """Copies a database at each statement, where it has changed, and keeps what the copies hold."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = b""
        self.found: dict[int, dict[str, bytes]] = {}
        """Digests of all tables by applied index."""
        self.statement_count = 0

    def watch(self, database: apsw.Connection) -> None:
        database.exec_trace = self._before

    def _before(self, _cursor: object, _sql: str, _bindings: object) -> bool:
        self.statement_count += 1
        parts = [self._path, self._path.with_name(f"{self._path.name}-wal")]
        content = b"".join(part.read_bytes() for part in parts)
        if content != self._last:
            self._last = content
            self._look(parts)
        return True

    def _look(self, parts: list[Path]) -> None:
        directory = self._path.parent / "crashed"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for part in parts:
            shutil.copyfile(part, directory / part.name)
        machine = Machine(open_database(directory / self._path.name), domain=DOMAIN)
        digests = {table: machine.scrub_digest(table) for table in machine.scrub_tables}
        assert self.found.setdefault(machine.applied_index, digests) == digests
        machine.close()


def write(world: World, after_each: Callable[[], None]) -> dict[int, dict[str, bytes]]:
    """Apply a log; return the digests of all tables after each of its entries."""
    digests = {0: world.scrub()}

    def done() -> None:
        digests[world.machine.applied_index] = world.scrub()
        after_each()

    for localpart in ("alice", "bob"):
        world.account(localpart)
        done()
    alice = world.bind("alice")
    done()
    for number in range(4):
        alice.send("bob", f"{number}", origin_id=f"{number}")
        done()
    world.do(StartNode(NodeId(7), 1), KeyOrigin(b"k" * 16))
    done()
    world.do(DeleteAccount("bob"))
    done()
    return digests


@pytest.mark.parametrize("pending_max", [1, 8192], ids=["rows flushed early", "rows flushed at the commit"])
def test_a_crash_at_any_statement_finds_rows_and_index_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pending_max: int
):
    """What a restart finds is the state after the entry it says was applied last: none is skipped, none repeated."""
    expected = write(World(), lambda: None)
    monkeypatch.setattr("raftline.machine.rows.PENDING_ROW_COUNT_MAX", pending_max)
    world = World(tmp_path / "state")
    crashes = Crashes(tmp_path / "state")
    crashes.watch(world.machine._database)
    monkeypatch.setattr(world, "scrub", dict)  # it would flush what is to wait for the commit
    entry_count = 0

    def commit_every_other() -> None:
        nonlocal entry_count
        entry_count += 1
        if entry_count % 2 == 0:
            world.machine.commit()

    write(world, commit_every_other)
    world.machine.commit()
    crashes._before(None, "", None)
    assert crashes.statement_count > 20
    assert len(crashes.found) > 4
    assert all(expected[index] == digests for index, digests in crashes.found.items())
    world.machine.close()


def test_memory_is_given_back_at_the_commit(monkeypatch: pytest.MonkeyPatch):
    """Rows that are kept in memory for speed, and what is derived from them, are let go when there are too many."""
    monkeypatch.setattr("raftline.machine.rows.CACHE_ROW_COUNT_MAX", 1)
    monkeypatch.setattr("raftline.machine.derived.CACHE_ROW_COUNT_MAX", 1)
    world = World()
    write(world, lambda: None)
    for localpart in ("carol", "dora"):
        world.account(localpart)
        world.bind(localpart)
    context = world.machine._context
    before = world.machine.state_hash
    assert len(context.accounts._cache) == 3
    assert len(context.session_index._ids) > 1
    world.machine.commit()
    assert len(context.accounts._cache) == 0
    assert len(context.session_index._ids) == 0
    assert world.machine.state_hash == before
    assert world.machine.answer(AccountExists("dora"))


def test_whoever_holds_the_commands_can_verify_the_chain():
    """P7: the head is made of index, term and time of each entry and the salted digest of each of its commands."""
    world = World()
    write(world, lambda: None)
    head = chain.CHAIN_START
    for index, payload in enumerate(world.log, start=1):
        assert payload is not None
        entry = decode_entry(payload)
        commands: list[Command] = [decode_command(data) for data in entry.commands]
        digests = [
            chain.command_digest(data, command.salt) for data, command in zip(entry.commands, commands, strict=True)
        ]
        head = chain.extend_entry_chain(head, LogIndex(index), Term(1), entry.time_ms, digests)
    assert world.machine.entry_chain == head
