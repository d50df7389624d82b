"""Uploads over HTTP (XEP-0363 sections 7 to 9): a real HTTP server in front of a cluster of one node."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cluster.clusters import until
from gateway.upload_server import CONTENT, Server, reason
from raftline.base.errors import OutcomeUnknown, StorageError, StorageFull, Unavailable
from raftline.cluster.media import copies
from raftline.machine.media.queries import StoredFiles, UploadOf
from raftline.machine.media.values import UploadView
from raftline.node import intake
from raftline.node.intake import CHUNK_BYTES


class TestSection7Upload:
    """7: a file is put."""

    async def test_201_and_the_file_is_there(self, server: Server) -> None:
        """It is served at once under the same address, byte by byte."""
        path = await server.slot()
        reply = await server.put(path, content_type="image/jpeg")
        assert (reply.status_code, reply.content) == (201, b"")
        assert (await server.client.get(path)).content == CONTENT
        assert server.files() == [hashlib.sha256(CONTENT).hexdigest()]

    async def test_any_name(self, server: Server) -> None:
        """The path is percent-encoded on both ways."""
        for name in ("très cool.jpg", "100%.txt", "a?b#c.txt", "寝.png"):
            path = await server.uploaded(b"x", name=name)
            assert (await server.client.get(path)).content == b"x"

    @pytest.mark.parametrize(
        ("size", "wanted"),
        [(-1, (413, "policy-violation")), (1, (400, "bad-request")), (-200_000, (413, "policy-violation"))],
    )
    async def test_another_length_than_announced(self, server: Server, size: int, wanted: tuple[int, str]) -> None:
        """More bytes, or fewer: neither is taken, and the slot stays open."""
        path = await server.slot(CONTENT[: 300_000 + size])
        assert reason(await server.put(path, CONTENT[:300_000])) == wanted
        assert server.files() == []
        assert (await server.put(path, CONTENT[: 300_000 + size])).status_code == 201

    async def test_no_length(self, server: Server) -> None:
        """A length has to be told: chunks of unknown number are not read."""
        path = await server.slot(b"hello")

        async def chunks() -> AsyncIterator[bytes]:
            yield b"hello"

        reply = await server.client.put(path, content=chunks())
        assert reason(reply) == (411, "bad-request")

    async def test_type(self, server: Server) -> None:
        """One that was announced has to be kept; parameters and case aside."""
        for announced, named, status in (
            ("image/jpeg", "image/jpeg", 201),
            ("image/jpeg", "IMAGE/JPEG", 201),
            ("text/plain; charset=utf-8", "text/plain", 201),
            ("image/jpeg", "", 201),
            ("", "text/plain", 201),
            ("image/jpeg", "image/png", 415),
            ("image/jpeg", "nonsense", 400),
        ):
            path = await server.slot(b"x", content_type=announced)
            headers = {"content_type": named} if named else {}
            assert (await server.put(path, b"x", **headers)).status_code == status, (announced, named)

    async def test_a_type_that_is_not_taken(self, server: Server) -> None:
        """A slot that names none does not let it in."""
        path = await server.slot(b"x", content_type="")
        assert reason(await server.put(path, b"x", content_type="Text/CSS; charset=utf-8")) == (415, "not-acceptable")

    async def test_the_same_again(self, server: Server) -> None:
        """Whoever did not hear of 201 puts the same bytes again; other bytes are a conflict."""
        path = await server.uploaded(b"one")
        assert (await server.put(path, b"one")).status_code == 201
        assert reason(await server.put(path, b"two")) == (409, "conflict")
        assert (await server.client.get(path)).content == b"one"

    async def test_the_same_bytes_are_stored_once(self, server: Server) -> None:
        """Under two addresses, from two slots."""
        paths = [await server.uploaded(name=name) for name in ("a.jpg", "b.jpg")]
        assert [(await server.client.get(path)).content for path in paths] == [CONTENT] * 2
        assert server.files() == [hashlib.sha256(CONTENT).hexdigest()]
        (row,) = server.cluster[1].machine.answer(StoredFiles())  # type: ignore[misc, union-attr]
        assert row.holders == 2

    async def test_two_at_once_into_one_slot(self, server: Server) -> None:
        """One of them wins, and the other is told."""
        path = await server.slot(bytes(50_000))
        replies = await asyncio.gather(*(server.put(path, bytes([number]) * 50_000) for number in range(4)))
        statuses = sorted(reply.status_code for reply in replies)
        assert statuses == [201, 409, 409, 409]

    async def test_no_slot(self, server: Server) -> None:
        """Addresses cannot be guessed, and none is made up."""
        for path in [f"/upload/{'0' * 32}/a", "/upload/xy/a", "/upload/", f"/upload/{'0' * 31}/a"]:
            assert reason(await server.put(path, b"x")) == (404, "item-not-found")

    async def test_another_name(self, server: Server) -> None:
        """The name is a part of the address."""
        path = await server.slot(b"x", name="a.jpg")
        assert reason(await server.put(path.replace("a.jpg", "a.exe"), b"x"))[0] == 404
        assert reason(await server.put(path.replace("/a.jpg", ""), b"x"))[0] == 404

    async def test_too_late(self, server: Server) -> None:
        """A slot whose time is over takes nothing."""
        path = await server.slot(b"x", expire_before_ms=server.now_ms + 60)
        await until(lambda: time.time_ns() // 1_000_000 > server.now_ms + 100)
        reply = await server.put(path, b"x")
        assert reason(reply) == (410, "gone")

    async def test_methods(self, server: Server) -> None:
        """Nothing is posted or deleted here."""
        reply = await server.client.post(await server.slot(), content=b"x")
        assert (reason(reply), reply.headers["allow"]) == ((405, "not-allowed"), "OPTIONS, HEAD, GET, PUT")


class TestInterruptedUploads:
    """Nothing is left of what breaks off."""

    async def send_half(self, server: Server, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(CONTENT)}\r\n\r\n"
        writer.write(head.encode() + CONTENT[: CHUNK_BYTES + 5_000])
        await until(server.files)
        return reader, writer

    async def test_a_client_that_goes(self, server: Server) -> None:
        """The draft goes with it, and the slot stays open for another try."""
        path = await server.slot()
        _, writer = await self.send_half(server, path)
        writer.close()
        await until(lambda: not server.files())
        assert (await server.put(path)).status_code == 201

    async def test_a_client_that_falls_silent(self, server: Server) -> None:
        """It is told after a while, and let go."""
        reader, writer = await self.send_half(server, await server.slot())
        assert b" 408 " in (await reader.readuntil(b"\r\n"))
        await until(lambda: not server.files())
        writer.close()

    async def test_memory_does_not_hold_a_file(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """What comes is written chunk by chunk, none of them much larger than its measure."""
        sizes: list[int] = []
        begin = server.node.files.begin

        async def watched(size: int) -> Any:
            draft = await begin(size)
            write = draft.write

            async def note(data: bytes) -> None:
                sizes.append(len(data))
                await write(data)

            monkeypatch.setattr(draft, "write", note)
            return draft

        monkeypatch.setattr(server.node.files, "begin", watched)
        content = os.urandom(10 * CHUNK_BYTES)
        await server.uploaded(content)
        assert (sum(sizes), max(sizes) < 2 * CHUNK_BYTES) == (len(content), True)


class TestFailures:
    """What the system cannot do is told, with a reason."""

    async def test_no_majority_for_the_slot(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a quorum nobody knows whether there is such a slot: come back."""
        path = await server.slot(b"x")
        monkeypatch.setattr(server.node, "barrier", _unavailable)
        reply = await server.put(path, b"x")
        assert (reason(reply), reply.headers["retry-after"]) == ((503, "service-unavailable"), "1")

    async def test_no_majority_for_the_bytes(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """Then the link is not given out."""
        path = await server.slot(b"x")
        monkeypatch.setattr(server.node.files.copies, "spread", _unavailable)
        assert reason(await server.put(path, b"x")) == (503, "service-unavailable")
        assert reason(await server.client.get(path)) == (404, "item-not-found")

    @pytest.mark.parametrize("error", [OutcomeUnknown("no outcome"), Unavailable("no quorum")])
    async def test_no_majority_for_the_command(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        """Whether it was kept or not: the same again gets 201."""
        path = await server.slot(b"x")
        execute = server.node.execute

        async def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(server.node, "execute", fail)
        assert reason(await server.put(path, b"x"))[0] == 503
        monkeypatch.setattr(server.node, "execute", execute)
        assert (await server.put(path, b"x")).status_code == 201

    @pytest.mark.parametrize(("error", "status"), [(StorageFull("full"), 507), (StorageError("broken"), 503)])
    async def test_the_disk(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
    ) -> None:
        """Full or broken."""
        path = await server.slot(b"x")

        async def fail(_size: int) -> None:
            raise error

        monkeypatch.setattr(server.node.files, "begin", fail)
        assert reason(await server.put(path, b"x"))[0] == status

    async def test_too_many_at_once(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """The greatest number goes on, one more is told to come back."""
        monkeypatch.setattr(intake, "UPLOAD_COUNT_MAX", 1)
        first, second = await server.slot(), await server.slot(b"x")
        _, writer = await TestInterruptedUploads().send_half(server, first)
        reply = await server.put(second, b"x")
        assert reason(reply) == (503, "resource-constraint")
        writer.close()
        await until(lambda: not server.files())
        assert (await server.put(second, b"x")).status_code == 201

    async def test_a_file_that_is_nowhere(self, server: Server) -> None:
        """The cluster knows it and no node has it: nothing is served in its place."""
        path = await server.uploaded(b"x")
        server.node.files.library.store.delete(hashlib.sha256(b"x").digest())
        assert reason(await server.client.get(path)) == (503, "service-unavailable")

    async def test_a_file_that_was_cut_short(self, server: Server) -> None:
        """It is not served, for want of a whole one."""
        path = await server.uploaded(b"xyz")
        server.node.files.library.store.path_of(hashlib.sha256(b"xyz").digest()).write_bytes(b"xy")
        assert reason(await server.client.get(path))[0] == 503
        assert (await server.client.head(path)).headers["content-length"] == "3"


async def _unavailable(*_: object) -> None:
    raise Unavailable("no quorum")


class TestReading:
    """GET and HEAD."""

    async def test_headers(self, server: Server) -> None:
        """Length, type, hash; the file never changes and may be kept."""
        reply = await server.client.get(await server.uploaded())
        headers = reply.headers
        assert (reply.status_code, headers["content-length"]) == (200, str(len(CONTENT)))
        assert (headers["content-type"], headers["accept-ranges"]) == ("image/jpeg", "bytes")
        assert headers["etag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
        assert headers["cache-control"] == "private, max-age=31536000, immutable"

    async def test_head(self, server: Server) -> None:
        """The same headers without the content, and no range."""
        path = await server.uploaded()
        get, head = await server.client.get(path), await server.client.head(path, headers={"Range": "bytes=0-1"})
        ignored = {"date"}
        assert {(k, v) for k, v in head.headers.items() if k not in ignored} == {
            (k, v) for k, v in get.headers.items() if k not in ignored
        }
        assert (head.status_code, head.content) == (200, b"")

    async def test_ranges(self, server: Server) -> None:
        """A part, with where it lies; as players seek and downloads go on."""
        path = await server.uploaded()
        size = len(CONTENT)
        for asked, start, end in (
            ("bytes=0-0", 0, 1),
            (f"bytes={CHUNK_BYTES - 1}-{CHUNK_BYTES}", CHUNK_BYTES - 1, CHUNK_BYTES + 1),
            ("bytes=5-", 5, size),
            ("bytes=-20", size - 20, size),
        ):
            reply = await server.client.get(path, headers={"Range": asked})
            assert (reply.status_code, reply.content) == (206, CONTENT[start:end])
            assert reply.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
            assert reply.headers["content-length"] == str(end - start)

    async def test_conditions(self, server: Server) -> None:
        """Behind the end, for another file, and what the client has already."""
        path = await server.uploaded(b"hello")
        etag = (await server.client.head(path)).headers["etag"]
        reply = await server.client.get(path, headers={"Range": "bytes=5-"})
        assert (reply.status_code, reply.headers["content-range"]) == (416, "bytes */5")
        reply = await server.client.get(path, headers={"Range": "bytes=1-2", "If-Range": '"other"'})
        assert (reply.status_code, reply.content) == (200, b"hello")
        reply = await server.client.get(path, headers={"Range": "bytes=1-2", "If-Range": etag})
        assert (reply.status_code, reply.content) == (206, b"el")
        reply = await server.client.get(path, headers={"If-None-Match": etag})
        assert (reply.status_code, reply.content, reply.headers["etag"]) == (304, b"", etag)

    async def test_nothing_was_put(self, server: Server) -> None:
        """An open slot is no file, for GET and HEAD alike."""
        path = await server.slot()
        assert reason(await server.client.get(path)) == (404, "item-not-found")
        reply = await server.client.head(path)
        assert (reply.status_code, reply.content) == (404, b"")

    async def test_another_name(self, server: Server) -> None:
        """Nobody gives a file another ending."""
        path = await server.uploaded(b"x", name="a.txt")
        assert reason(await server.client.get(path.replace("a.txt", "a.html")))[0] == 404

    async def test_a_file_whose_time_is_over(self, server: Server) -> None:
        """Section 5.3: it is not served from then on, even if the log stands still; caches keep it no longer."""
        path = await server.uploaded(b"x", expire_before_ms=server.now_ms + 5_000)
        reply = await server.client.get(path)
        assert (reply.status_code, reply.headers["cache-control"]) == (200, "private, max-age=5, immutable")
        server.now_ms += 4_999
        assert (await server.client.get(path)).status_code == 200
        server.now_ms += 1
        assert reason(await server.client.get(path)) == (410, "gone")

    async def test_a_reader_that_goes(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """The file is read no further for it."""
        content = os.urandom(60 * CHUNK_BYTES)
        path = await server.uploaded(content)
        reads: list[int] = []
        read = server.node.files.read

        async def watched(digest: bytes, offset: int, size: int) -> bytes:
            reads.append(offset)
            return await read(digest, offset, size)

        monkeypatch.setattr(server.node.files, "read", watched)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readexactly(1_000)
        writer.transport.abort()
        count = [-1]

        def is_quiet() -> bool:
            before, count[0] = count[0], len(reads)
            return before == count[0]

        await until(is_quiet)
        assert len(reads) < 60


class TestSection8WebClients:
    """8: pages of any origin may put and read."""

    async def test_preflight(self, server: Server) -> None:
        """Browsers ask before they put."""
        reply = await server.client.options("/upload/anything/at-all", headers={"Origin": "https://elsewhere.example"})
        assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (204, "*")
        assert reply.headers["access-control-allow-methods"] == "OPTIONS, HEAD, GET, PUT"
        assert "Content-Type" in reply.headers["access-control-allow-headers"]

    async def test_every_answer(self, server: Server) -> None:
        """Refusals too, so that pages can read the reason."""
        path = await server.slot(b"x")
        replies = [await server.put(path, b"x"), await server.client.get(path), await server.put("/upload/x/y", b"x")]
        replies.append(await server.client.get(path, headers={"Range": "bytes=9-"}))
        assert [reply.headers["access-control-allow-origin"] for reply in replies] == ["*"] * 4


class TestSection91ServerSide:
    """9.1: what was uploaded is kept apart from everything else."""

    async def test_nothing_runs(self, server: Server) -> None:
        """No script, no guessing, no frame, whatever is answered."""
        path = await server.uploaded(b"<script>", name="a.html", content_type="text/html")
        for reply in (
            await server.client.get(path),
            await server.client.head(path),
            await server.client.get("/upload/x"),
        ):
            assert reply.headers["content-security-policy"].startswith("default-src 'none';")
            assert reply.headers["content-security-policy"].endswith("sandbox")
            assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
            assert reply.headers["x-content-type-options"] == "nosniff"

    async def test_what_is_shown_in_place(self, server: Server) -> None:
        """Pictures, sound and film alone; all else is saved, with its name."""
        for content_type, shown in (
            ("image/png", True),
            ("image/JPEG", True),
            ("audio/ogg; codecs=opus", True),
            ("video/mp4", True),
            ("image/svg+xml", False),
            ("text/html", False),
            ("text/plain", False),
            ("application/pdf", False),
            ("application/xhtml+xml", False),
        ):
            path = await server.uploaded(b"x", name='très "cool".x', content_type=content_type)
            disposition = (await server.client.get(path)).headers["content-disposition"]
            kind = "inline" if shown else "attachment"
            assert disposition == f"{kind}; filename*=UTF-8''tr%C3%A8s%20%22cool%22.x; filename=\"tr_s _cool_.x\""


async def test_the_state_knows_what_was_put(server: Server) -> None:
    """Hash, size and type are replicated, so that every node can serve the file."""
    path = await server.uploaded(b"hello", content_type="")
    token = bytes.fromhex(path.split("/")[2])
    view = server.cluster[1].machine.answer(UploadOf(token))
    digest = hashlib.sha256(b"hello").digest()
    assert isinstance(view, UploadView)
    assert view[:-1] == ("cat.jpg", 5, "application/octet-stream", 0, digest, False)


def test_an_offer_is_repeated_before_anyone_gives_up() -> None:
    """Else one lost frame would cost a file."""
    assert copies.REPEAT_SECONDS * 3 < copies.PATIENCE_SECONDS
