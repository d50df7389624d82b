"""Snapshots of the state: what a copy contains, and how one takes a database's place."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from machine.world import DOMAIN, World
from raftline.base.errors import StorageCorrupt, StorageError
from raftline.machine import snapshot as snapshots
from raftline.machine.commands import SetVcard
from raftline.machine.database import checkpoint, open_database
from raftline.machine.machine import Machine
from raftline.machine.snapshot import SnapshotCopy, SnapshotHead, adopt, read_head

PAGE_BYTES = 4096


def filled(path: Path) -> World:
    """A world with some hundred kilobytes of rows, committed."""
    world = World(path)
    world.account("alice")
    alice = world.online("alice")
    for number in range(8):
        alice.do(SetVcard(b"%d" % number * 60_000))
        alice.send("alice", "x" * 4000)
    world.machine.commit()
    return world


def copied(source: Path, target: Path) -> SnapshotHead:
    """Copy a database whole."""
    copy = SnapshotCopy(source, target)
    try:
        while not copy.step():
            pass
    finally:
        copy.close()
    return copy.head


def test_a_copy_is_the_state_when_it_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever is applied, committed and checkpointed meanwhile is not in it, however many steps it takes."""
    monkeypatch.setattr(snapshots, "PAGES_PER_STEP", 8)
    world = filled(tmp_path / "state")
    index, state_hash, scrub = world.machine.applied_index, world.machine.state_hash, world.scrub()
    copy = SnapshotCopy(tmp_path / "state", tmp_path / "copy")
    steps = 0
    while not copy.step():
        steps += 1
        assert steps < 100, "the copy begins again and again"
        world.account(f"late{steps}")
        world.machine.commit()
        checkpoint(tmp_path / "state")
    copy.close()
    assert steps > 5
    assert copy.head == read_head(tmp_path / "copy")
    assert (copy.head.applied_index, copy.head.state_hash) == (index, state_hash)
    twin = Machine(open_database(tmp_path / "copy"), domain=DOMAIN)
    assert {table: twin.scrub_digest(table) for table in twin.scrub_tables} == scrub
    assert twin.state_hash == state_hash
    twin.close()


def test_the_source_is_read_through_the_vfs_that_is_named(tmp_path: Path):
    """So that simulations see, and can spoil, what is read of a database while it is copied."""
    opened: list[str] = []

    class Watching(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("watching", snapshots.connect(":memory:").open_vfs)

        def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
            opened.append(Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name)).name)
            return super().xOpen(name, flags)

    watching = Watching()
    filled(tmp_path / "state")
    copy = SnapshotCopy(tmp_path / "state", tmp_path / "copy", vfs="watching")
    copy.close()
    assert opened[0] == "state"
    assert "copy" not in opened
    watching.unregister()


def test_what_is_not_committed_is_not_in_it(tmp_path: Path):
    """A copy ends at a transaction's end, and says so."""
    world = filled(tmp_path / "state")
    index = world.machine.applied_index
    world.account("bob")
    copy = SnapshotCopy(tmp_path / "state", tmp_path / "copy")
    assert copy.head.applied_index == index < world.machine.applied_index
    copy.close()


def test_reading_a_snapshot_leaves_nothing_beside_it(tmp_path: Path):
    """It is verified where it lies, and renamed later: no file of SQLite may appear under its name."""
    filled(tmp_path / "state")
    head = copied(tmp_path / "state", tmp_path / "copy with # and ?")
    assert read_head(tmp_path / "copy with # and ?") == head
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy with # and ?"]


def test_damage_to_any_page_is_found_when_it_is_copied(tmp_path: Path):
    """What a disk altered does not spread: no snapshot comes of a damaged database, nor of a damaged snapshot."""
    filled(tmp_path / "state")
    copied(tmp_path / "state", tmp_path / "copy")
    content = (tmp_path / "copy").read_bytes()
    pages = range(1, len(content) // PAGE_BYTES)
    assert len(pages) > 50
    for page in pages:
        damaged = bytearray(content)
        damaged[page * PAGE_BYTES + page % PAGE_BYTES] ^= 1 << page % 8
        (tmp_path / "copy").write_bytes(damaged)
        with pytest.raises(StorageCorrupt):
            copied(tmp_path / "copy", tmp_path / f"copy-{page}")


def test_a_file_that_says_nothing_is_no_snapshot(tmp_path: Path):
    """A database without a head, or no database at all."""
    (tmp_path / "copy").write_bytes(b"no database" * 1000)
    with pytest.raises(StorageCorrupt):
        read_head(tmp_path / "copy")
    open_database(tmp_path / "empty").close()
    with pytest.raises(StorageCorrupt, match="how far"):
        read_head(tmp_path / "empty")


def test_each_step_of_a_replacement_is_durable_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """D10: the old rows are gone for good before the name changes, and the name has changed for good at the end."""
    world = filled(tmp_path / "state")
    copied(tmp_path / "state", tmp_path / "copy")
    (tmp_path / "left-wal").write_bytes((tmp_path / "state-wal").read_bytes())
    world.machine.close()
    (tmp_path / "left-wal").rename(tmp_path / "state-wal")
    synced: list[set[str]] = []
    sync = snapshots._sync_directory

    def sync_and_note(directory: Path) -> None:
        sync(directory)
        synced.append({path.name for path in directory.iterdir()})

    monkeypatch.setattr(snapshots, "_sync_directory", sync_and_note)
    adopt(tmp_path / "copy", tmp_path / "state")
    assert synced[0] == {"state", "copy"}
    assert synced[1] == {"state"}


def test_a_machine_goes_on_from_a_snapshot(tmp_path: Path):
    """The old database and all that was in memory of it is gone; nothing of its write-ahead file comes back."""
    ahead = filled(tmp_path / "ahead")
    copied(tmp_path / "ahead", tmp_path / "copy")
    behind = World(tmp_path / "state")
    behind.account("nobody")
    behind.machine.commit()
    behind.account("never")

    def open_other() -> apsw.Connection:
        assert (tmp_path / "state-wal").stat().st_size > 0, "the write-ahead file was moved, which takes its time"
        adopt(tmp_path / "copy", tmp_path / "state")
        return open_database(tmp_path / "state")

    behind.machine.replace(open_other)
    assert behind.machine.state_hash == ahead.machine.state_hash
    assert behind.scrub() == ahead.scrub()
    behind.log = list(ahead.log)
    behind.account("bob")
    ahead.time_ms, ahead.ticket = behind.time_ms, behind.ticket - 1
    assert behind.reopen(commit=True) == 0
    assert behind.machine.digest_at(behind.machine.applied_index) == behind.machine.state_hash


def test_adopting_what_is_not_there(tmp_path: Path):
    """Errors of the disk are told in words of this package."""
    with pytest.raises(StorageError, match="snapshot"):
        adopt(tmp_path / "missing", tmp_path / "state")
