"""Files that numbers send, by id and by address."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from raftline.base.cloud_limits import (
    CAPTION_LENGTH_MAX,
    DOCUMENT_BYTES_MAX,
    FILE_NAME_LENGTH_MAX,
    IMAGE_BYTES_MAX,
    LINK_LENGTH_MAX,
    STICKER_BYTES_MAX,
)
from raftline.base.ids import AccountId
from raftline.machine.business.ids import media_id
from raftline.machine.media.queries import DescriptionOf, UploadOf
from raftline.machine.media.tables import FileDescription
from raftline.machine.media.values import UploadView
from raftline.xmpp.element import Element
from raftline.xmpp.file_metadata import FILE_NAMESPACE, SHARING_NAMESPACE, URL_NAMESPACE
from web.cloud.door import CloudDoor
from web.cloud.sent import children_of, refused, sent, text_of, tree
from web.cloud.serving import client_of

TOKEN_BYTES = bytes(range(16))
DIGEST = bytes(range(32))
FILE_ID = media_id(TOKEN_BYTES)
FILES = "https://files.example.org"
LINK = "https://elsewhere.example/a%20cat.jpg?size=2"


@pytest_asyncio.fixture
async def cloud(door: CloudDoor) -> Any:
    """A client, and a picture that was uploaded."""
    upload(door)
    async with client_of(door, files_url=lambda: FILES) as client:
        yield client


def upload(door: CloudDoor, content_type: str = "image/jpeg", size: int = 1_000, **fields: Any) -> None:
    """Let the file be of a type and a size."""
    view = UploadView("a cat.jpg", size, content_type, 0, DIGEST, is_over=False, account_id=AccountId(100))._replace(
        **fields
    )
    door.answers[UploadOf] = lambda query: view if query.token == TOKEN_BYTES else None
    door.answers[DescriptionOf] = lambda _query: None


def shared(message: Element) -> tuple[dict[str, str], str, str]:
    """Return what is said of a file, its source, and how it is meant to be shown."""
    sharing = message.child("file-sharing", SHARING_NAMESPACE)
    assert sharing is not None
    file = sharing.child("file", FILE_NAMESPACE)
    sources = sharing.child("sources", SHARING_NAMESPACE)
    assert file is not None
    assert sources is not None
    data = sources.child("url-data", URL_NAMESPACE)
    assert data is not None
    told = {child.name: child.text for child in file.elements()}
    return told, data.get("target") or "", sharing.get("disposition") or ""


async def test_a_file_of_ours(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """All that is known of it is told, and the text is its address alone."""
    door.answers[DescriptionOf] = lambda _query: FileDescription(
        DIGEST, 640, 480, thumbnail=b"t", thumbnail_type="image/png"
    )
    element = tree(await sent(cloud, door, "image", {"id": FILE_ID}))
    url = f"{FILES}/upload/{TOKEN_BYTES.hex()}/a%20cat.jpg"
    assert text_of(element) == url
    told, source, disposition = shared(element)
    assert (source, disposition) == (url, "inline")
    assert (told["media-type"], told["name"], told["size"], told["width"]) == ("image/jpeg", "a cat.jpg", "1000", "640")
    assert {"hash", "thumbnail"} <= told.keys()
    oob = element.child("x", "jabber:x:oob")
    assert oob is not None
    assert [child.text for child in oob.elements()] == [url]
    assert children_of(element) >= {"fallback", "nick", "request"}


async def test_a_caption(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """A caption stands before the address, which is marked as there for those who know no files."""
    element = tree(await sent(cloud, door, "image", {"link": LINK, "caption": "A cat"}))
    assert text_of(element) == f"A cat\n{LINK}"
    mark = element.child("fallback", "urn:xmpp:fallback:0")
    assert mark is not None
    assert next(mark.elements()).attributes == {"start": "6", "end": str(6 + len(LINK))}
    for kind in ("image", "video", "document"):
        await sent(cloud, door, kind, {"link": LINK, "caption": "x" * CAPTION_LENGTH_MAX})
        assert await refused(cloud, kind, {"link": LINK, "caption": "x" * (CAPTION_LENGTH_MAX + 1)}) == 131009


@pytest.mark.parametrize(
    ("kind", "name", "media_type", "disposition"),
    [
        ("image", "a.png", "image/png", "inline"),
        ("video", "a.mp4", "video/mp4", "inline"),
        ("audio", "a.mp3", "audio/mpeg", "inline"),
        ("document", "a.pdf", "application/pdf", "attachment"),
        ("sticker", "a.webp", "image/webp", "inline"),
        ("audio", "a.pdf", None, "inline"),
    ],
)
async def test_a_link(
    door: CloudDoor, cloud: httpx2.AsyncClient, kind: str, name: str, media_type: str | None, disposition: str
) -> None:
    """An address is passed on as it is, fetched by nobody, with a guess at what it is."""
    link = f"https://elsewhere.example/{name}"
    element = tree(await sent(cloud, door, kind, {"link": link}))
    told, source, shown = shared(element)
    assert (text_of(element), source, shown) == (link, link, disposition)
    assert (told["name"], told.get("media-type")) == (name, media_type)
    assert ("sticker" in children_of(element)) == (kind == "sticker")


async def test_the_name_of_a_document(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """The name that a program gives counts, for files of either kind."""
    for file in ({"link": LINK}, {"id": FILE_ID}):
        told, _, _ = shared(tree(await sent(cloud, door, "document", {**file, "filename": "bill.pdf"})))
        assert told["name"] == "bill.pdf"
    await sent(cloud, door, "document", {"link": LINK, "filename": "x" * FILE_NAME_LENGTH_MAX})
    assert await refused(cloud, "document", {"link": LINK, "filename": "x" * (FILE_NAME_LENGTH_MAX + 1)}) == 131009


async def test_a_voice_note(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Sound with an outline is a voice note: that of the recording, or of the whole while nobody has listened to it."""
    upload(door, "audio/ogg")
    told, _, _ = shared(tree(await sent(cloud, door, "audio", {"id": FILE_ID, "voice": True})))
    assert b64decode(told["waveform"]) == bytes([100])
    door.answers[DescriptionOf] = lambda _query: FileDescription(DIGEST, duration_ms=4_300, waveform=bytes([1, 100]))
    told, _, _ = shared(tree(await sent(cloud, door, "audio", {"id": FILE_ID, "voice": True})))
    assert (b64decode(told["waveform"]), told["length"]) == (bytes([1, 100]), "4300")
    for plain in ({"id": FILE_ID}, {"id": FILE_ID, "voice": False}, {"link": "https://example.org/a.mp3"}):
        told, _, _ = shared(tree(await sent(cloud, door, "audio", plain)))
        assert "waveform" not in told


@pytest.mark.parametrize(
    "link",
    [
        "ftp://example.org/a.jpg",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "//example.org/a.jpg",
        "https://",
        "https://exa mple.org/a",
        "https://example.org/a\nb",
        "https://[::1/a",
        "https://example.org:99999/a",
        "https://example.org/<a>",
        "",
    ],
)
async def test_links_that_cannot_be(cloud: httpx2.AsyncClient, link: str) -> None:
    """Only addresses that people can open in a browser."""
    assert await refused(cloud, "image", {"link": link}) == 131009


async def test_the_length_of_a_link(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """It has an end, as everything."""
    longest = "https://example.org/".ljust(LINK_LENGTH_MAX, "x")
    await sent(cloud, door, "image", {"link": longest})
    assert await refused(cloud, "image", {"link": longest + "x"}) == 131009


async def test_files_that_are_not_there(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """No file, two of them, one that was never put, is over, or has another id."""
    assert await refused(cloud, "image", None) == 131008
    assert await refused(cloud, "image", {}) == 131008
    assert await refused(cloud, "image", {"id": FILE_ID, "link": LINK}) == 131009
    for wrong in ("1", "x", media_id(bytes(16)), 7):
        assert await refused(cloud, "image", {"id": wrong}) == 131053
    upload(door, digest=b"")
    assert await refused(cloud, "image", {"id": FILE_ID}) == 131053
    upload(door, is_over=True)
    assert await refused(cloud, "image", {"id": FILE_ID}) == 131053


@pytest.mark.parametrize(
    ("kind", "content_type", "bytes_max"),
    [
        ("image", "image/png", IMAGE_BYTES_MAX),
        ("document", "image/png", DOCUMENT_BYTES_MAX),
        ("sticker", "image/webp", STICKER_BYTES_MAX),
    ],
)
async def test_the_size_of_a_file(
    door: CloudDoor, cloud: httpx2.AsyncClient, kind: str, content_type: str, bytes_max: int
) -> None:
    """Each kind of message takes files up to a size."""
    upload(door, content_type, bytes_max)
    await sent(cloud, door, kind, {"id": FILE_ID})
    upload(door, content_type, bytes_max + 1)
    assert await refused(cloud, kind, {"id": FILE_ID}) == 131053


async def test_the_type_of_a_file(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """A picture is no sound."""
    for kind in ("audio", "video"):
        assert await refused(cloud, kind, {"id": FILE_ID}) == 131053
    upload(door, "application/pdf")
    for kind in ("image", "sticker"):
        assert await refused(cloud, kind, {"id": FILE_ID}) == 131053
    await sent(cloud, door, "document", {"id": FILE_ID})
