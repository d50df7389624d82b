"""What is known of uploaded files, over HTTP: metadata as XML and JSON, thumbnails."""

from __future__ import annotations

import hashlib
import io
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cluster.clusters import until
from cluster.media_samples import bomb, film, picture, sound, voice_note
from gateway.upload_server import Server, reason
from raftline.base.limits import WAVEFORM_SIZE
from raftline.cluster.media.describing import describing
from raftline.machine.media.queries import UndescribedFiles

BASE = "https://files.test"
FILE = "{urn:xmpp:file:metadata:0}"


async def metadata(server: Server, path: str) -> dict[str, Any]:
    """Return what is known of a file, once somebody has looked into it."""
    reply = await server.client.get(f"{path}?metadata=json")
    while reply.json()["state"] == "pending":
        await until(lambda: not server.cluster[1].machine.answer(UndescribedFiles()))
        reply = await server.client.get(f"{path}?metadata=json")
    assert reply.headers["content-type"] == "application/json"
    assert "immutable" in reply.headers["cache-control"]
    return reply.json()  # type: ignore[no-any-return]


class TestMetadata:
    """GET …?metadata."""

    async def test_a_picture(self, server: Server) -> None:
        """Dimensions, hash, and where the thumbnail is."""
        content = picture(640, 480)
        path = await server.uploaded(content)
        found = await metadata(server, path)
        thumbnail = {"url": f"{BASE}{path}?thumbnail", "media_type": "image/jpeg", "width": 320, "height": 240}
        assert found == {
            "state": "described",
            "url": BASE + path,
            "name": "cat.jpg",
            "size": len(content),
            "media_type": "image/jpeg",
            "sha256": hashlib.sha256(content).hexdigest(),
            "width": 640,
            "height": 480,
            "thumbnail": thumbnail,
        }

    async def test_as_xml(self, server: Server) -> None:
        """XEP-0447 with XEP-0446 and XEP-0264, ready to be sent on."""
        path = await server.uploaded(picture(640, 480))
        await metadata(server, path)
        reply = await server.client.get(f"{path}?metadata")
        assert reply.headers["content-type"] == "application/xml"
        assert reply.headers["x-content-type-options"] == "nosniff"
        root = ET.fromstring(reply.content)
        assert (root.tag, root.get("state")) == ("{urn:raftline:media:0}metadata", "described")
        (thumbnail,) = root.iter("{urn:xmpp:thumbs:1}thumbnail")
        assert thumbnail.get("uri") == f"{BASE}{path}?thumbnail"
        assert (root.findtext(f".//{FILE}width"), root.findtext(f".//{FILE}name")) == ("640", "cat.jpg")

    async def test_a_voice_note(self, server: Server) -> None:
        """Duration and waveform."""
        found = await metadata(server, await server.uploaded(sound(2.0), name="note.wav", content_type="audio/wav"))
        assert (found["state"], found["length_ms"], len(found["waveform"])) == ("described", 2_000, WAVEFORM_SIZE)
        assert "thumbnail" not in found

    async def test_by_ffmpeg(self, server: Server, tmp_path: Path) -> None:
        """Sound as phones record it, and a film with its poster frame."""
        note = await server.uploaded(voice_note(tmp_path), name="note.ogg", content_type="audio/ogg")
        assert len((await metadata(server, note))["waveform"]) == WAVEFORM_SIZE
        path = await server.uploaded(film(tmp_path), name="film.mp4", content_type="video/mp4")
        found = await metadata(server, path)
        assert (found["width"], found["height"], found["thumbnail"]["width"]) == (320, 180, 320)
        reply = await server.client.get(f"{path}?thumbnail")
        assert Image.open(io.BytesIO(reply.content)).size == (320, 180)

    @pytest.mark.parametrize(
        ("content", "why"),
        [(b"some text", "plain"), (picture()[:300], "unreadable"), (bomb(), "too-large"), (b"<svg/>", "plain")],
    )
    async def test_nothing_is_known(self, server: Server, content: bytes, why: str) -> None:
        """The file is served as ever, what is known without looking is told, and why there is no more."""
        path = await server.uploaded(content, content_type="image/png")
        found = await metadata(server, path)
        assert (found["state"], found["reason"], found["size"]) == ("none", why, len(content))
        assert (await server.client.get(path)).content == content
        assert reason(await server.client.get(f"{path}?thumbnail")) == (404, "item-not-found")

    async def test_the_type_that_is_announced_does_not_count(self, server: Server) -> None:
        """A picture that is said to be text is looked into all the same, and served as text."""
        path = await server.uploaded(picture(), name="a.txt", content_type="text/plain")
        assert (await metadata(server, path))["width"] == 640
        assert (await server.client.get(path)).headers["content-disposition"].startswith("attachment")

    async def test_while_nobody_has_looked(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is said to be pending, never kept by caches, and the thumbnail is to be asked for again."""
        monkeypatch.setattr(server.node.files, "describe", lambda *_: None)
        path = await server.uploaded(picture())
        reply = await server.client.get(f"{path}?metadata=json")
        assert (reply.json()["state"], reply.headers["cache-control"]) == ("pending", "no-store")
        assert reply.headers["retry-after"] == "1"
        assert reason(await server.client.get(f"{path}?thumbnail")) == (503, "resource-constraint")

    async def test_no_such_file(self, server: Server) -> None:
        """Neither metadata nor thumbnail of what is not there."""
        for query in ("metadata", "metadata=json", "thumbnail"):
            assert reason(await server.client.get(f"/upload/{'0' * 32}/a?{query}")) == (404, "item-not-found")

    async def test_other_queries_change_nothing(self, server: Server) -> None:
        """Clients put what they like behind an address."""
        path = await server.uploaded(b"x")
        assert (await server.client.get(f"{path}?a=b")).content == b"x"

    async def test_head(self, server: Server) -> None:
        """HEAD has no content."""
        path = await server.uploaded(b"x")
        reply = await server.client.head(f"{path}?metadata")
        assert (reply.status_code, reply.content) == (200, b"")


class TestThumbnails:
    """GET …?thumbnail."""

    async def test_it_is_served_like_a_file(self, server: Server) -> None:
        """With safe headers, ranges and a validator of its own; it is the cluster's like any file."""
        path = await server.uploaded(picture())
        found = await metadata(server, path)
        reply = await server.client.get(f"{path}?thumbnail")
        assert Image.open(io.BytesIO(reply.content)).size == (found["thumbnail"]["width"], found["thumbnail"]["height"])
        assert reply.headers["content-type"] == "image/jpeg"
        assert reply.headers["content-disposition"].startswith("inline; ")
        assert reply.headers["content-disposition"].endswith('; filename="thumbnail.jpeg"')
        digest = hashlib.sha256(reply.content).hexdigest()
        assert reply.headers["etag"] == f'"{digest}"'
        assert digest in server.files()
        part = await server.client.get(f"{path}?thumbnail", headers={"Range": "bytes=2-5"})
        assert (part.status_code, part.content) == (206, reply.content[2:6])

    async def test_it_does_not_count(self, server: Server) -> None:
        """An account's quotas are for what it uploads: as many bytes as the picture has are enough."""
        content = picture()
        await metadata(server, await server.uploaded(content, bytes_max=len(content), file_count_max=1))


class TestWhoLooks:
    """Which node looks into a file."""

    async def test_the_leader_takes_what_others_left(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """As after the death of the node that took the upload: what has waited for a round is looked into."""
        monkeypatch.setattr(server.node.files, "describe", lambda *_: None)
        path = await server.uploaded(picture())
        files = server.node.files
        monkeypatch.setattr(files.describing, "_period_seconds", 0.01)
        server.cluster[1].running.begin_chore(files.describing.run_rounds(), "quick rounds")
        assert (await metadata(server, path))["width"] == 640

    async def test_too_much_at_once(self, server: Server) -> None:
        """More than may wait are left to the leader, and nothing grows."""
        files = server.node.files
        for number in range(describing.WAITING_COUNT_MAX + 10):
            files.describe(number.to_bytes(32, "big"), 1)
        assert files.describing._waiting.qsize() == describing.WAITING_COUNT_MAX

    async def test_what_looks_like_nothing_needs_no_process(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Most files of a chat are encrypted."""

        async def refuse(*_: object) -> None:
            pytest.fail("a process for a file that is plain")

        monkeypatch.setattr(describing, "look_into", refuse)
        found = await metadata(server, await server.uploaded(b"\x01" * 1_000))
        assert (found["state"], found["reason"]) == ("none", "plain")
