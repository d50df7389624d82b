"""Uploads with the bytes in an S3-compatible store: as with disks, and when the store fails."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from cluster.clusters import until
from cluster.media_samples import picture
from cluster.object_store import ObjectStore, object_store
from gateway.upload_server import CONTENT, Server, reason, serve
from raftline.base.errors import StorageError
from raftline.base.limits import STORED_FILE_GRACE_MS
from raftline.cluster.backup_file import MEDIA_PREFIX
from raftline.cluster.media.objects import media as objects
from raftline.cluster.media.objects.bucket import PART_BYTES, Bucket
from raftline.cluster.media.objects.media import WINDOW_BYTES, ObjectMedia
from raftline.cluster.media.store import MediaStore
from raftline.machine.commands import DeleteAccount
from raftline.machine.media.queries import StoredFiles, UndescribedFiles
from raftline.machine.outcomes import Done

PREFIXES = itertools.count(1)


@pytest.fixture(scope="module")
def shared() -> Iterator[ObjectStore]:
    """A store that lives as long as this module."""
    with object_store() as store:
        yield store


@pytest.fixture
def bucket(shared: ObjectStore) -> Bucket:
    """What a test sees of the store, by a prefix of its own."""
    return shared.bucket(f"test/{next(PREFIXES)}")


@pytest_asyncio.fixture
async def server(tmp_path: Path, shared: ObjectStore, bucket: Bucket) -> AsyncIterator[Server]:
    """A node that keeps files in the bucket."""
    async with serve(tmp_path, shared.settings(bucket._prefix.rstrip("/"))) as server:
        yield server


def files_of(server: Server) -> ObjectMedia:
    files = server.node.files
    assert isinstance(files, ObjectMedia)
    return files


async def names(bucket: Bucket) -> list[bytes]:
    """Return the digests of all objects."""
    return [stored.digest async for page in bucket.pages() for stored in page]


def digest_of(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


class TestPutAndGet:
    """As with disks."""

    @pytest.mark.parametrize("size", [1, WINDOW_BYTES, WINDOW_BYTES + 1, PART_BYTES + 100])
    async def test_201_and_the_file_is_in_the_bucket(self, server: Server, bucket: Bucket, size: int) -> None:
        """Of any number of windows and parts; this node's disk keeps nothing."""
        content = os.urandom(size)
        path = await server.uploaded(content)
        assert await names(bucket) == [digest_of(content)]
        assert (await server.client.get(path)).content == content
        await until(lambda: not server.files())

    async def test_ranges_and_headers(self, server: Server) -> None:
        """Parts across windows, with the same safe headers as from disks."""
        content = os.urandom(2 * WINDOW_BYTES + 50)
        path = await server.uploaded(content, name="a.html", content_type="text/html")
        start, end = WINDOW_BYTES - 10, 2 * WINDOW_BYTES + 10
        reply = await server.client.get(path, headers={"Range": f"bytes={start}-{end}"})
        assert (reply.status_code, reply.content) == (206, content[start : end + 1])
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in reply.headers["content-security-policy"]
        assert reply.headers["content-disposition"].startswith("attachment")
        assert (await server.client.get(path, headers={"Range": "bytes=-5"})).content == content[-5:]

    async def test_the_same_again_is_stored_once(self, server: Server, bucket: Bucket) -> None:
        """By a second slot as by the first one."""
        path = await server.uploaded()
        await server.uploaded()
        assert (await server.put(path)).status_code == 201
        assert await names(bucket) == [digest_of(CONTENT)]

    async def test_descriptions(self, server: Server, bucket: Bucket) -> None:
        """Pictures are looked into, and their thumbnails are in the bucket as well."""
        path = await server.uploaded(picture())
        await until(lambda: not server.cluster[1].machine.answer(UndescribedFiles()))
        assert (await server.client.get(f"{path}?metadata=json")).json()["width"] == 640
        thumbnail = (await server.client.get(f"{path}?thumbnail")).content
        assert sorted(await names(bucket)) == sorted([digest_of(picture()), digest_of(thumbnail)])

    async def test_for_a_backup(self, server: Server) -> None:
        """Parts of files are read like those on disks, whoever has forgotten their names."""
        await server.uploaded()
        files = files_of(server)
        await files.ensure(digest_of(CONTENT), len(CONTENT))
        files._names.clear()
        assert await files.read(digest_of(CONTENT), 3, 4) == CONTENT[3:7]
        with pytest.raises(StorageError):
            await files.read(bytes(32), 0, 1)

    async def test_a_backup_has_the_files(self, server: Server, bucket: Bucket) -> None:
        """Their bytes are read from the bucket; one that is not there is named as missing."""
        await server.uploaded()
        await server.uploaded(b"lost")
        (stored,) = await bucket.find(digest_of(b"lost"))
        await bucket.delete(stored.name)
        files_of(server)._names.clear()
        backups = server.cluster[1].running.upkeep.backups
        backup = backups.begin()
        await until(lambda: backup.state != "copying")
        assert backup.missing == (digest_of(b"lost").hex(),)
        part = f"{MEDIA_PREFIX}{digest_of(CONTENT).hex()}"
        assert await backups.chunk(backup.name, part, 0, 1 << 20) == CONTENT
        await backups.end(backup.name)

    async def test_names_are_remembered_up_to_a_bound(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """One more pushes the oldest out, which is looked for again."""
        monkeypatch.setattr(objects, "NAME_COUNT_MAX", 2)
        paths = [await server.uploaded(bytes([number])) for number in range(3)]
        assert len(files_of(server)._names) == 2
        assert [(await server.client.get(path)).content for path in paths] == [b"\x00", b"\x01", b"\x02"]


class TestFailures:
    """The store fails."""

    async def test_the_store_is_down(self, tmp_path: Path) -> None:
        """503 with its reason for both ways; nothing half is left; the same slot takes the file afterwards."""
        with object_store() as store:
            async with serve(tmp_path, store.settings()) as server:
                kept, slot = await server.uploaded(b"kept"), await server.slot()
                store.stop()
                reply = await server.put(slot)
                assert (reason(reply), reply.headers["retry-after"]) == ((503, "service-unavailable"), "1")
                assert reason(await server.client.get(slot)) == (404, "item-not-found")
                files_of(server)._names.clear()
                assert reason(await server.client.get(kept)) == (503, "service-unavailable")
                await until(lambda: not server.files())  # somebody may be looking into what is kept
                store.start()
                assert (await server.put(slot)).status_code == 201
                assert (await server.client.get(slot)).content == CONTENT
                assert await names(store.bucket()) == [digest_of(CONTENT)]

    async def test_no_such_bucket(self, tmp_path: Path, shared: ObjectStore) -> None:
        """What an operator mistyped is told as well, and no file is taken."""
        async with serve(tmp_path, shared.settings()._replace(bucket="nowhere")) as server:
            for content in (b"x", os.urandom(PART_BYTES + 1)):
                assert reason(await server.put(await server.slot(content), content)) == (503, "service-unavailable")

    async def test_an_object_that_is_gone(self, server: Server, bucket: Bucket) -> None:
        """It is told, at the first read after somebody deleted it behind our back."""
        path = await server.uploaded()
        (stored,) = await bucket.find(digest_of(CONTENT))
        await bucket.delete(stored.name)
        files_of(server)._names.clear()
        assert reason(await server.client.get(path)) == (503, "service-unavailable")

    async def test_an_object_with_other_bytes(self, server: Server, bucket: Bucket, tmp_path: Path) -> None:
        """A whole file is not served to its end; whoever reads sees that it broke off."""
        path = await server.uploaded()
        (stored,) = await bucket.find(digest_of(CONTENT))
        await bucket.delete(stored.name)
        (tmp_path / "other").write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
        await bucket.put(digest_of(CONTENT), "x", tmp_path / "other")
        files_of(server)._names.clear()
        with pytest.raises(httpx2.RemoteProtocolError):
            await server.client.get(path)
        assert files_of(server).metrics().damaged_count == 1

    async def test_interrupted(self, server: Server, bucket: Bucket) -> None:
        """Fewer bytes than announced: there is neither a draft nor an object."""
        path = await server.slot()
        assert reason(await server.put(path, CONTENT[:-1])) == (400, "bad-request")
        assert (await names(bucket), server.files()) == ([], [])


class TestUpkeep:
    """The leader compares bucket and state."""

    async def compare(self, server: Server) -> int:
        return await files_of(server).upkeep._compare()

    async def test_missing_files_are_counted(self, server: Server, bucket: Bucket) -> None:
        """Each that the state refers to; one of another size is missing as well."""
        for number in range(3):
            await server.uploaded(bytes([number]) * 10)
        assert await self.compare(server) == 0
        for stored in [stored async for page in bucket.pages() for stored in page][:2]:
            await bucket.delete(stored.name)
        assert await self.compare(server) == 2

    async def test_orphans(
        self, server: Server, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What nobody refers to goes when that was so for the grace time, and the object is as old; not before."""
        await server.uploaded()
        (tmp_path / "orphan").write_bytes(b"orphan")
        await bucket.put(digest_of(b"orphan"), "x", tmp_path / "orphan")
        files = files_of(server)
        assert await self.compare(server) == 0
        begun_ms = files.upkeep._unreferred_ms[digest_of(b"orphan")]
        for later_ms, left in [(STORED_FILE_GRACE_MS, 2), (STORED_FILE_GRACE_MS + 1, 1)]:
            monkeypatch.setattr(files.upkeep, "_machine", _Later(files.upkeep._machine, begun_ms + later_ms))
            await self.compare(server)
            assert len(await names(bucket)) == left
        assert files.metrics().deleted_count == 1
        assert await names(bucket) == [digest_of(CONTENT)]

    async def test_a_young_object_stays(
        self, server: Server, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However long nobody has referred to its file: somebody has just put it, and will tell."""
        files = files_of(server)
        (tmp_path / "orphan").write_bytes(b"orphan")
        await bucket.put(digest_of(b"orphan"), "x", tmp_path / "orphan")
        time_ms = files.time_ms
        files.upkeep._unreferred_ms[digest_of(b"orphan")] = time_ms - STORED_FILE_GRACE_MS - 1
        await self.compare(server)
        assert await names(bucket) == [digest_of(b"orphan")]

    async def test_a_deleted_account(self, server: Server, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its files are orphans like others."""
        await server.uploaded()
        await self.compare(server)
        outcome = await server.node.execute(DeleteAccount("anna"), key=os.urandom(16))
        assert outcome == Done()
        await until(lambda: not server.cluster[1].machine.answer(StoredFiles()))
        files = files_of(server)
        await self.compare(server)
        later_ms = files.time_ms + STORED_FILE_GRACE_MS + 10_000
        monkeypatch.setattr(files.upkeep, "_machine", _Later(files.upkeep._machine, later_ms))
        await self.compare(server)
        assert await names(bucket) == []

    async def test_it_runs_on_the_leader(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """Round after round; a failure of the store ends nothing."""
        upkeep = files_of(server).upkeep
        monkeypatch.setattr(upkeep, "_period_seconds", 0.01)
        server.cluster[1].running.begin_chore(upkeep.run(), "quick upkeep")
        await until(lambda: upkeep.round_count > 1)
        assert server.cluster[1].failures == []


class _Later:
    """A machine whose cluster time is another."""

    def __init__(self, machine: Any, time_ms: int) -> None:
        self.cluster_time_ms = time_ms
        self.answer = machine.answer


class TestFilesOfTheDisk:
    """What lies on the disk from before."""

    async def test_it_moves_into_the_bucket(self, tmp_path: Path, shared: ObjectStore) -> None:
        """When the node starts with a bucket, or when somebody asks first; links stay good."""
        prefix = f"test/{next(PREFIXES)}"
        async with serve(tmp_path) as server:
            await server.uploaded()
            one = server.cluster[1]
            await one.stop()
            one.bucket = shared.settings(prefix)
            await one.start()
            await until(lambda: one.machine.answer(StoredFiles()))
            digest, size = digest_of(CONTENT), len(CONTENT)
            await one.node.files.ensure(digest, size)
            assert b"".join([data async for data in one.node.files.stream(digest, size, 0, size)]) == CONTENT
            assert (server.files(), await names(shared.bucket(prefix))) == ([], [digest])

    async def test_what_is_damaged_is_not_moved(self, server: Server, bucket: Bucket) -> None:
        """It is set aside."""
        files = files_of(server)
        store: MediaStore = files.library.store
        path = store.path_of(digest_of(b"right"))
        path.parent.mkdir()
        path.write_bytes(b"wrong")
        assert not await files._move_one(digest_of(b"right"), 5)
        assert (await names(bucket), [one.name for one in store.directory.glob("damaged/*")]) == ([], [path.name])
