"""Uploaded files in whole clusters: copies on a majority, fetching, healing, damage."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.clusters import Cluster, ClusterNode, until
from cluster.people import Person
from raftline.base.errors import RemoteProtocolError, StorageError, StorageFull, Unavailable
from raftline.base.limits import UPLOAD_TOKEN_SIZE
from raftline.cluster.frames import MediaChunk, MediaRequest
from raftline.cluster.media import copies, fetch, healing, scrub, source
from raftline.cluster.media.healing import Healing
from raftline.cluster.media.media import STREAM_BYTES, Media
from raftline.cluster.media.scrub import Scrub
from raftline.cluster.media.store import MediaStore
from raftline.machine.commands import DeleteAccount
from raftline.machine.media.commands import RequestUploadSlot, StoreUpload
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import Done
from raftline.machine.versions import FEATURES_SINCE

SIZE = 3 * fetch.CHUNK_BYTES + 17


@pytest.fixture(autouse=True)
def quick_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Healing and scrubbing go on all the time."""
    monkeypatch.setitem(Healing.__init__.__kwdefaults__, "period_seconds", 0.05)
    monkeypatch.setitem(Healing.__init__.__kwdefaults__, "needless_seconds", 0.05)
    monkeypatch.setitem(Scrub.__init__.__kwdefaults__, "pause_seconds", 0.05)
    monkeypatch.setitem(Scrub.__init__.__kwdefaults__, "bytes_per_second", 1 << 30)
    monkeypatch.setattr(healing, "REST_SECONDS", 0.001)
    monkeypatch.setattr(copies, "REPEAT_SECONDS", 0.1)


@pytest.fixture
def no_scrub(quick_rounds: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody finds damage but who reads the file: the scrub would heal it before."""
    monkeypatch.setitem(Scrub.__init__.__kwdefaults__, "pause_seconds", 10_000.0)


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three nodes that understand uploads."""
    cluster = Cluster(tmp_path, 3)
    await cluster.start()
    await understand(cluster)
    yield cluster
    await cluster.stop()


async def understand(cluster: Cluster) -> None:
    await until(lambda: all(node.machine.machine_version >= FEATURES_SINCE for node in cluster.running))


def media_of(node: ClusterNode) -> Media:
    media = node.running.media
    assert media is not None
    return media


def has(node: ClusterNode, digest: bytes) -> bool:
    return media_of(node).library.store.size_of(digest) is not None


async def put(node: ClusterNode, content: bytes) -> bytes:
    """Write a file and keep it, as an edge does."""
    draft = await media_of(node).begin(len(content))
    try:
        for start in range(0, len(content), fetch.CHUNK_BYTES):
            await draft.write(content[start : start + fetch.CHUNK_BYTES])
        return await draft.keep()
    finally:
        await draft.discard()


async def upload(node: ClusterNode, content: bytes, name: str) -> bytes:
    """Put a file into a slot of an account that is made for it."""
    person = Person(name)
    await person.appear(node.node)
    token = os.urandom(UPLOAD_TOKEN_SIZE)
    number = person.submit(RequestUploadSlot(token, "file", len(content), "", 0, 0, 1 << 40, 100))
    await until(lambda: person.outcomes and person.outcomes[-1][0] == number)
    assert person.outcomes[-1][1] == Done()
    digest = await put(node, content)
    assert await node.node.execute(StoreUpload(token, digest, len(content), "")) == Done()
    return digest


async def lose(node: ClusterNode, digest: bytes) -> None:
    """Delete a file behind a node's back, once it is done with it."""
    media = media_of(node)
    await until(lambda: has(node, digest) and not media.fetch._running)
    media.library.store.delete(digest)


async def content_at(node: ClusterNode, digest: bytes, size: int) -> bytes:
    media = media_of(node)
    await media.ensure(digest, size)
    return await media.read(digest, 0, size)


class TestCopies:
    """A file counts as kept when a majority has it."""

    async def test_a_majority_has_what_was_kept(self, cluster: Cluster) -> None:
        """Two nodes of three at the least, at the moment in which it is said; soon all three."""
        content = os.urandom(SIZE)
        digest = await put(cluster[1], content)
        assert digest == hashlib.sha256(content).digest()
        assert sum(has(node, digest) for node in cluster.running) >= 2
        await until(lambda: all(has(node, digest) for node in cluster.running))

    async def test_with_one_node_down(self, cluster: Cluster) -> None:
        """The other two are a majority."""
        await cluster.followers[0].stop()
        digest = await put(cluster.leader, os.urandom(SIZE))
        assert [has(node, digest) for node in cluster.running] == [True, True]

    async def test_without_a_majority(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is refused in time, and no draft is left."""
        monkeypatch.setattr(copies, "PATIENCE_SECONDS", 0.5)
        one = cluster.leader
        for node in cluster.followers:
            await node.stop()
        with pytest.raises(Unavailable):
            await put(one, os.urandom(100))
        assert list((media_of(one).library.store.directory / "drafts").iterdir()) == []

    async def test_nodes_without_space_are_no_majority(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        """They say so, and nobody waits for them."""
        one = cluster.leader
        for node in cluster.followers:
            monkeypatch.setattr(media_of(node).library.store, "require_room", _no_room)
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable, match="space"):
                await put(one, os.urandom(100))

    async def test_the_reserve_of_the_disk_is_no_place_for_files(self, tmp_path: Path) -> None:
        """What the database needs to go on is kept free of them (storage.reserve_bytes)."""
        cluster = Cluster(tmp_path, 1)
        cluster[1].reserve_bytes = 8 << 20
        await cluster.start()
        disk = cluster[1].disk
        assert disk is not None
        room_bytes = disk.room_bytes()
        with pytest.raises(StorageFull):
            await media_of(cluster[1]).begin(room_bytes - (4 << 20))
        await (await media_of(cluster[1]).begin(1_000)).discard()
        await cluster.stop()

    async def test_a_link_that_is_lost_loses_no_file(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        """The offer is made again until it is answered."""
        lost = [0]
        for node in cluster.running:
            media = media_of(node)
            offered = media.copies.offered

            def lose_the_first(*arguments: object, offered: object = offered) -> None:
                lost[0] += 1
                if lost[0] > 2:
                    offered(*arguments)  # type: ignore[operator]

            monkeypatch.setattr(media.copies, "offered", lose_the_first)
        digest = await put(cluster[1], os.urandom(100))
        assert sum(has(node, digest) for node in cluster.running) >= 2

    async def test_many_at_once(self, cluster: Cluster) -> None:
        """On all nodes, more than are fetched at once; the same bytes among them."""
        contents = [os.urandom(1_000 + 100_000 * (number % 3)) for number in range(12)] + [b"same"] * 3
        nodes = [cluster[1 + number % 3] for number in range(len(contents))]
        digests = await asyncio.gather(*map(put, nodes, contents))
        assert digests == [hashlib.sha256(content).digest() for content in contents]
        for content, digest in zip(contents, digests, strict=True):
            for node in cluster.running:
                assert await content_at(node, digest, len(content)) == content


def _no_room(size: int) -> None:
    raise StorageFull(f"no room for {size}")


class TestFetching:
    """Any node serves any file."""

    async def test_a_node_without_a_copy_gets_one(self, cluster: Cluster) -> None:
        """And keeps it."""
        content = os.urandom(SIZE)
        digest = await put(cluster[1], content)
        await until(lambda: all(has(node, digest) for node in cluster.running))
        await lose(cluster[3], digest)
        assert await content_at(cluster[3], digest, SIZE) == content
        assert has(cluster[3], digest)

    async def test_nobody_has_it(self, cluster: Cluster) -> None:
        """That is said, and no draft is left."""
        with pytest.raises(Unavailable):
            await media_of(cluster[1]).ensure(bytes(32), 100)
        assert list((media_of(cluster[1]).library.store.directory / "drafts").iterdir()) == []

    @pytest.mark.usefixtures("no_scrub")
    async def test_a_damaged_copy_is_not_taken(self, cluster: Cluster) -> None:
        """A node whose disk altered it sends another hash: the next one is asked."""
        content = os.urandom(SIZE)
        digest = await put(cluster[1], content)
        await until(lambda: all(has(node, digest) for node in cluster.running))
        store = media_of(cluster[1]).library.store
        store.path_of(digest).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        three = media_of(cluster[3])
        await lose(cluster[3], digest)
        assert await three.fetch.fetch(digest, SIZE, 0, first=cluster[1].config.node_id) is True
        assert (three.library.store.read(digest, 0, SIZE), three.fetch.failure_count) == (content, 1)

    async def test_a_connection_that_breaks_off(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        """What arrived is thrown away, the next node is asked, and nothing is left of the first try."""
        content = os.urandom(SIZE)
        digest = await put(cluster[1], content)
        await until(lambda: all(has(node, digest) for node in cluster.running))
        three = media_of(cluster[3])
        await lose(cluster[3], digest)
        answered = [0]

        async def break_off(request: MediaRequest) -> MediaChunk:
            answered[0] += 1
            if answered[0] == 2:
                for connection in list(cluster[1].running._links._accepted):
                    if connection.media_requests:
                        connection.close()
            return MediaChunk(request.digest, SIZE, request.offset, content[request.offset :][: request.size])

        monkeypatch.setattr(media_of(cluster[1]).source, "_chunk", break_off)
        assert await three.fetch.fetch(digest, SIZE, 0, first=cluster[1].config.node_id) is True
        assert (three.library.store.read(digest, 0, SIZE), three.fetch.failure_count) == (content, 1)
        assert list((three.library.store.directory / "drafts").iterdir()) == []

    async def test_one_file_is_fetched_once_at_a_time(self, cluster: Cluster) -> None:
        """However many ask for it."""
        content = os.urandom(SIZE)
        digest = await put(cluster[1], content)
        await until(lambda: all(has(node, digest) for node in cluster.running))
        three = media_of(cluster[3])
        await lose(cluster[3], digest)
        count = three.fetch.count
        answers = await asyncio.gather(*(content_at(cluster[3], digest, SIZE) for _ in range(10)))
        assert (set(answers), three.fetch.count) == ({content}, count + 1)

    async def test_chunks_are_asked_for_a_few_ahead(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        """A slow disk at the receiver slows the sender down: no more is under way than the window."""
        size = 12 * fetch.CHUNK_BYTES
        digest = await put(cluster[1], os.urandom(size))
        await until(lambda: all(has(node, digest) for node in cluster.running))
        three = media_of(cluster[3])
        await lose(cluster[3], digest)
        sent = [0]
        ahead: list[int] = []
        for node in (cluster[1], cluster[2]):
            chunk = media_of(node).source._chunk

            async def count(request: MediaRequest, chunk: object = chunk) -> MediaChunk:
                sent[0] += 1
                return await chunk(request)  # type: ignore[operator]

            monkeypatch.setattr(media_of(node).source, "_chunk", count)
        new_draft = MediaStore.new_draft

        def slow_draft(store: MediaStore, size: int) -> object:
            draft = new_draft(store, size)
            write = draft.write

            def written(data: bytes) -> None:
                ahead.append(sent[0] - draft.size // fetch.CHUNK_BYTES)
                write(data)

            monkeypatch.setattr(draft, "write", written)
            return draft

        monkeypatch.setattr(MediaStore, "new_draft", slow_draft)
        assert await three.fetch.fetch(digest, size, 0) is True
        assert len(ahead) == 12
        assert max(ahead) <= fetch.WINDOW_COUNT

    async def test_who_asks_for_too_much_is_dropped(self, cluster: Cluster) -> None:
        """A peer cannot make a node hold more than some chunks in memory."""
        connection = await cluster[2].running._links.open_transfer(cluster[1].config.node_id)
        connection.ask(MediaRequest(bytes(32), 0, source.CHUNK_BYTES_MAX + 1))
        with pytest.raises(ConnectionError):
            await connection.next_media_chunk()
        connection.close()
        connection = await cluster[2].running._links.open_transfer(cluster[1].config.node_id)
        connection.ask(MediaRequest(bytes(32), 0, source.CHUNK_BYTES_MAX))
        assert (await connection.next_media_chunk()).total_size == -1
        connection.ask(MediaRequest(bytes(32), 0, 1))
        with pytest.raises(RemoteProtocolError):
            await connection.next_chunk()
        connection.close()


async def streamed(node: ClusterNode, digest: bytes, size: int) -> bytes:
    """Read a whole file as somebody is served it."""
    await media_of(node).ensure(digest, size)
    return b"".join([data async for data in media_of(node).stream(digest, size, 0, size)])


@pytest.mark.usefixtures("no_scrub")
class TestDamageWhileReading:
    """A whole file is compared with its hash as it is served."""

    async def flipped(self, cluster: Cluster, size: int) -> tuple[bytes, bytes]:
        """Put a file, and alter its first bit on the first node; returns content and digest."""
        content = os.urandom(size)
        digest = await put(cluster[1], content)
        await until(lambda: all(has(node, digest) for node in cluster.running))
        path = media_of(cluster[1]).library.store.path_of(digest)
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        return content, digest

    async def test_a_small_file(self, cluster: Cluster) -> None:
        """Whoever reads gets the right bytes, from another node."""
        content, digest = await self.flipped(cluster, 1_000)
        assert await streamed(cluster[1], digest, 1_000) == content
        assert media_of(cluster[1]).metrics().damaged_count == 1

    async def test_a_large_file(self, cluster: Cluster) -> None:
        """Its end is withheld, so that nobody takes it for whole; who comes again gets the right bytes."""
        size = STREAM_BYTES + 1
        content, digest = await self.flipped(cluster, size)
        got: list[bytes] = []

        async def read() -> None:
            stream = media_of(cluster[1]).stream(digest, size, 0, size)
            while True:
                got.append(await anext(stream))

        with pytest.raises(StorageError, match="damaged"):
            await read()
        assert sum(map(len, got)) < size
        assert await streamed(cluster[1], digest, size) == content

    async def test_parts_are_as_the_disk_has_them(self, cluster: Cluster) -> None:
        """There is nothing to compare them with, until the scrub comes by."""
        content, digest = await self.flipped(cluster, 1_000)
        part = [data async for data in media_of(cluster[1]).stream(digest, 1_000, 1, 10)]
        assert part == [content[1:10]]
        assert media_of(cluster[1]).metrics().damaged_count == 0


class TestHealing:
    """Each disk becomes what the state says."""

    async def test_a_node_that_was_down_gets_what_it_missed(self, cluster: Cluster) -> None:
        """By itself, soon after it is back."""
        behind = cluster.followers[0]
        await behind.stop()
        digest = await upload(cluster.leader, os.urandom(SIZE), "anna")
        await behind.start()
        await until(lambda: has(behind, digest))

    async def test_a_new_member_gets_all(self, cluster: Cluster) -> None:
        """A node that joins the cluster becomes one more holder."""
        digests = [await upload(cluster.leader, os.urandom(size), f"user{size}") for size in (1, 5_000, SIZE)]
        newcomer, token = await cluster.invite()
        await cluster.let_in(newcomer, token)
        await until(lambda: all(has(newcomer, digest) for digest in digests))

    async def test_damage_is_found_and_healed(self, cluster: Cluster) -> None:
        """A flipped bit is found by reading, the file set aside and fetched anew."""
        content = random.Random(1).randbytes(SIZE)
        digest = await upload(cluster.leader, content, "anna")
        await until(lambda: all(has(node, digest) for node in cluster.running))
        media = media_of(cluster[2])
        store = media.library.store
        store.path_of(digest).write_bytes(content[:100] + bytes([content[100] ^ 4]) + content[101:])
        await until(lambda: media.scrub.damaged_count == 1 and has(cluster[2], digest))
        assert store.read(digest, 0, SIZE) == content

    async def test_what_nobody_refers_to_is_deleted(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        """With the account its file goes from all disks; that of another account stays."""
        monkeypatch.setattr("raftline.cluster.media.library.STORED_FILE_GRACE_MS", 100)
        gone = await upload(cluster.leader, os.urandom(500), "anna")
        stays = await upload(cluster.leader, os.urandom(500), "bert")
        await until(lambda: all(has(node, digest) for node in cluster.running for digest in (gone, stays)))
        assert await cluster.leader.node.execute(DeleteAccount("anna"), key=os.urandom(16)) == Done()
        # Cluster time moves with entries alone.
        for _ in range(200):
            if not any(has(node, gone) for node in cluster.running):
                break
            await cluster.leader.node.execute(RaiseVersion(1))
            await asyncio.sleep(0.02)
        assert [(has(node, gone), has(node, stays)) for node in cluster.running] == [(False, True)] * 3

    async def test_a_slow_round_is_no_hurry(self, cluster: Cluster) -> None:
        """Rounds go on while nothing is to be done, and count nothing as missing."""
        media = media_of(cluster[1])
        rounds = media.healing.round_count
        await until(lambda: media.healing.round_count > rounds + 1)
        assert (media.healing.missing_count, media.healing.deleted_count) == (0, 0)
        assert scrub.BYTES_PER_SECOND < 64 << 20
