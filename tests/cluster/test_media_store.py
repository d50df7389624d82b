"""Uploaded files on one disk: drafts, names, damage, space."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.clusters import DOMAIN
from raftline.base.errors import StorageError, StorageFull
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.base.limits import STORED_FILE_GRACE_MS
from raftline.cluster.disk_space import DiskSpace
from raftline.cluster.media import store as media_store
from raftline.cluster.media.library import Library
from raftline.cluster.media.store import DAMAGED_COUNT_MAX, SHELVES, FileCheck, MediaStore
from raftline.machine.commands import Command, CreateAccount, encode_command
from raftline.machine.database import open_database
from raftline.machine.entry import encode_entry
from raftline.machine.machine import Machine
from raftline.wal.files import OperatingSystemFiles

CONTENT = b"some bytes of a picture"
DIGEST = hashlib.sha256(CONTENT).digest()


def make_store(directory: Path, disk: DiskSpace | None = None) -> MediaStore:
    store = MediaStore(directory, draw_name=map(str, itertools.count()).__next__, disk=disk)
    store.begin()
    return store


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    """An empty store."""
    return make_store(tmp_path)


def put(store: MediaStore, content: bytes = CONTENT) -> bytes:
    draft = store.new_draft(len(content))
    draft.write(content)
    draft.sync()
    store.keep(draft)
    return draft.digest


def drafts(store: MediaStore) -> list[str]:
    return sorted(path.name for path in (store.directory / media_store.DRAFTS).iterdir())


class TestDrafts:
    """What is arriving."""

    def test_a_kept_draft_is_a_file_under_its_hash(self, store: MediaStore) -> None:
        """It lies where its digest says, whole, and no draft is left."""
        draft = store.new_draft(len(CONTENT))
        draft.write(CONTENT[:5])
        draft.write(CONTENT[5:])
        draft.sync()
        store.keep(draft)
        draft.discard()
        name = DIGEST.hex()
        assert (store.directory / name[:2] / name).read_bytes() == CONTENT
        assert (store.size_of(DIGEST), store.read(DIGEST, 0, 100), drafts(store)) == (len(CONTENT), CONTENT, [])

    def test_a_discarded_draft_leaves_nothing(self, store: MediaStore) -> None:
        """Neither a draft nor a file, however often it is discarded."""
        draft = store.new_draft(100)
        draft.write(CONTENT)
        assert drafts(store) != []
        draft.discard()
        draft.discard()
        assert (drafts(store), store.size_of(DIGEST)) == ([], None)

    def test_a_start_removes_what_a_crash_left(self, store: MediaStore, tmp_path: Path) -> None:
        """Drafts of an earlier life go, files stay."""
        put(store)
        store.new_draft(100).write(b"half of it")
        again = make_store(tmp_path)
        assert (drafts(again), again.size_of(DIGEST)) == ([], len(CONTENT))

    def test_the_same_bytes_are_stored_once(self, store: MediaStore) -> None:
        """The second draft takes the place of the first file."""
        assert put(store) == put(store)
        assert [digest for shelf in SHELVES for digest in store.on_shelf(shelf)] == [DIGEST]

    def test_an_empty_file(self, store: MediaStore) -> None:
        """It has a name like any other."""
        assert store.read(put(store, b""), 0, 10) == b""


class TestDurability:
    """What is synced before what."""

    def test_content_before_name_before_directory(self, store: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
        """The content is synced, then it gets its name, then the directory is synced."""
        done: list[str] = []
        sync, rename, sync_directory = os.fsync, Path.rename, OperatingSystemFiles.fsync_directory
        draft = store.new_draft(len(CONTENT))
        monkeypatch.setattr(os, "fsync", lambda one: (done.append("sync"), sync(one))[1])
        monkeypatch.setattr(Path, "rename", lambda one, other: (done.append("rename"), rename(one, other))[1])
        monkeypatch.setattr(
            OperatingSystemFiles,
            "fsync_directory",
            lambda one, directory: (done.append("directory"), sync_directory(one, directory))[1],
        )
        draft.write(CONTENT)
        draft.sync()
        store.keep(draft)
        directory = ["directory", "sync"]  # syncing a directory is an fsync, too
        assert done == ["sync", *directory, "rename", *directory]  # the first one for the new shelf
        done.clear()
        put(store)
        assert done == ["sync", "rename", *directory]

    def test_long_files_are_synced_on_the_way(self, store: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that the sync at the end, and those of the log meanwhile, do not wait for all of it."""
        monkeypatch.setattr(media_store, "SYNC_BYTES", 10)
        syncs: list[int] = []
        monkeypatch.setattr(os, "fdatasync", syncs.append)
        draft = store.new_draft(30)
        for _ in range(3):
            draft.write(b"ten bytes.")
        draft.discard()
        assert len(syncs) == 3


class TestFiles:
    """What is kept."""

    def test_parts(self, store: MediaStore) -> None:
        """Any part can be read, fewer bytes only at the end."""
        put(store)
        assert store.read(DIGEST, 5, 5) == CONTENT[5:10]
        assert store.read(DIGEST, len(CONTENT) - 2, 100) == CONTENT[-2:]
        assert store.read(DIGEST, len(CONTENT), 100) == b""

    def test_what_is_not_there(self, store: MediaStore) -> None:
        """It has no size, cannot be read, and may be deleted and set aside without an effect."""
        assert (store.size_of(DIGEST), store.sizes_of([DIGEST])) == (None, [None])
        store.delete(DIGEST)
        store.set_aside(DIGEST)
        with pytest.raises(FileNotFoundError):
            store.read(DIGEST, 0, 1)

    def test_deleting(self, store: MediaStore) -> None:
        """A deleted file is gone from its shelf."""
        put(store)
        store.delete(DIGEST)
        assert (store.size_of(DIGEST), store.on_shelf(DIGEST.hex()[:2])) == (None, [])

    def test_strange_names_are_no_files(self, store: MediaStore) -> None:
        """What somebody else put there is left alone."""
        put(store)
        shelf = DIGEST.hex()[:2]
        (store.directory / shelf / "readme").write_text("?")
        assert store.on_shelf(shelf) == [DIGEST]

    def test_damage_is_found_and_set_aside(self, store: MediaStore) -> None:
        """One bit makes another hash; a file that is set aside is served no more and can be looked at."""
        put(store)
        assert check(store) is True
        content = bytearray(CONTENT)
        content[7] ^= 1
        store.path_of(DIGEST).write_bytes(content)
        assert check(store) is False
        store.set_aside(DIGEST)
        assert store.size_of(DIGEST) is None
        assert (store.directory / media_store.DAMAGED / DIGEST.hex()).read_bytes() == bytes(content)

    def test_only_some_damaged_files_are_kept(self, store: MediaStore) -> None:
        """A disk that damages all of them is not filled by that."""
        for number in range(DAMAGED_COUNT_MAX + 3):
            store.set_aside(put(store, b"file %d" % number))
        assert len(list((store.directory / media_store.DAMAGED).iterdir())) == DAMAGED_COUNT_MAX


def check(store: MediaStore) -> bool:
    checking = FileCheck(store, DIGEST)
    while checking.step(4):
        pass
    return checking.is_good


class TestSpace:
    """Files are refused before the database has no room (cluster/disk_space.py)."""

    @pytest.mark.parametrize(("more", "is_taken"), [(0, True), (1, False)])
    def test_the_reserve_stays(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int, *, is_taken: bool
    ) -> None:
        """A file that leaves just the reserve is taken, one byte more is not."""
        disk = DiskSpace(tmp_path, OperatingSystemFiles(), reserve_bytes=4_000_000)
        monkeypatch.setattr(disk, "room_bytes", lambda: 5_000_000)
        store = make_store(tmp_path, disk)
        if is_taken:
            store.new_draft(1_000_000 + more).discard()
        else:
            with pytest.raises(StorageFull):
                store.new_draft(1_000_000 + more)

    def test_others_fill_the_disk_meanwhile(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is looked at again between the parts of a file."""
        monkeypatch.setattr(media_store, "SYNC_BYTES", 10)
        disk = DiskSpace(tmp_path, OperatingSystemFiles(), reserve_bytes=4_000_000)
        room = [5_000_000]
        monkeypatch.setattr(disk, "room_bytes", lambda: room[0])
        draft = make_store(tmp_path, disk).new_draft(100)
        draft.write(b"ten bytes.")
        room[0] = 4_000_000
        with pytest.raises(StorageFull):
            draft.write(b"ten bytes.")
        draft.discard()

    def test_an_error_of_the_disk_is_one_of_storage(self, store: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever writes learns that it failed."""
        draft = store.new_draft(100)

        def fail(*_: object) -> int:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "write", fail)
        with pytest.raises(StorageError, match="Input/output error"):
            draft.write(CONTENT)


class TestGrace:
    """A file that nobody refers to is deleted after a while by cluster time, and not before."""

    @staticmethod
    def library(store: MediaStore) -> tuple[Library, Callable[[int], None]]:
        machine = Machine(open_database(":memory:"), domain=DOMAIN)
        index = itertools.count(1)

        def pass_time(time_ms: int) -> None:
            at = next(index)
            command = encode_command(Command(NodeId(1), 1, at, b"salt", None, CreateAccount(f"a{at}", ())))
            machine.apply(LogIndex(at), Term(1), encode_entry(time_ms, [command]))

        pass_time(1_000)
        return Library(store, machine), pass_time

    async def test_after_the_grace_time(self, store: MediaStore) -> None:
        """It counts from when it was first missed; just then it stays, a millisecond later it goes."""
        library, pass_time = self.library(store)
        put(store)
        assert await library.delete_if_unreferred(DIGEST) is False
        pass_time(1_000 + STORED_FILE_GRACE_MS)
        assert await library.delete_if_unreferred(DIGEST) is False
        pass_time(1_001 + STORED_FILE_GRACE_MS)
        assert await library.delete_if_unreferred(DIGEST) is True
        assert store.size_of(DIGEST) is None
        await library.stop()

    async def test_who_says_that_it_is_there_begins_it_anew(self, store: MediaStore) -> None:
        """By the time of whoever relies on it, should this replica be behind."""
        library, pass_time = self.library(store)
        put(store)
        assert await library.delete_if_unreferred(DIGEST) is False
        assert await library.has(DIGEST, len(CONTENT), 5_000) is True
        pass_time(5_000 + STORED_FILE_GRACE_MS)
        assert await library.delete_if_unreferred(DIGEST) is False
        pass_time(5_001 + STORED_FILE_GRACE_MS)
        assert await library.delete_if_unreferred(DIGEST) is True
        await library.stop()

    async def test_another_size_is_damage(self, store: MediaStore) -> None:
        """A file that was cut short is not said to be here."""
        library, _ = self.library(store)
        put(store)
        store.path_of(DIGEST).write_bytes(CONTENT[:-1])
        assert await library.has(DIGEST, len(CONTENT), 0) is False
        draft = store.new_draft(len(CONTENT))
        draft.write(CONTENT)
        await library.keep(draft, 0)
        assert await library.has(DIGEST, len(CONTENT), 0) is True
        await library.stop()
