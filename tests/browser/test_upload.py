"""A picture from page to page (XEP-0363, XEP-0454): sealed, put into one node, shown by a page of another."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import pytest
from playwright.async_api import Browser, FilePayload, expect

from browser.person import MESSAGE_TIMEOUT_MS, Person
from integration.cluster_process import Cluster

pytestmark = pytest.mark.timeout(180)

WIDTH, HEIGHT = 40, 30


def green(_across: float, _down: float) -> tuple[int, int, int]:
    """One colour."""
    return 0x20, 0x80, 0x40


def picture(width: int = WIDTH, height: int = HEIGHT, colour: Callable[..., tuple[int, int, int]] = green) -> bytes:
    """Make a PNG; `colour` is asked for each of its points, by where it is from 0 to 1."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(
        b"\0" + bytes(part for x in range(width) for part in colour(x / width, y / height)) for y in range(height)
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def test_a_picture_reaches_the_other_page(cluster: Cluster, browser: Browser) -> None:
    """Anna chooses a file at node 1; Bert's page, from node 2, opens and shows it; the servers see neither."""
    anna = await Person.sit_down(browser, "anna")
    bert = await Person.sit_down(browser, "bert")
    put: list[bytes] = []
    anna.page.on(
        "request", lambda request: put.append(request.post_data_buffer or b"") if request.method == "PUT" else None
    )
    await anna.enter(cluster.node(1).http, "#create-account")
    await bert.enter(cluster.node(2).http, "#create-account")
    await anna.add_contact("bert@localhost")
    await bert.accept_contact("anna@localhost")
    await anna.open_chat("bert@localhost")
    await anna.wait_secret()
    content = picture()
    chosen = FilePayload(name="cat & mouse.png", mimeType="image/png", buffer=content)
    await anna.chat.locator("input[type='file']").set_input_files(chosen)
    for person in (anna, bert):
        image = person.chat.locator("raftline-sealed img.chat-image").last
        await expect(image).to_have_js_property("naturalWidth", WIDTH, timeout=MESSAGE_TIMEOUT_MS)
        await expect(image).to_have_attribute("alt", "cat & mouse.png")
    assert put
    assert content not in put[0]
    for person in (anna, bert):
        assert not person.foreign, person.foreign
        assert not person.complaints, person.complaints
