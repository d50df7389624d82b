"""A picture from page to page (XEP-0363): put into one node, shown by a page of another."""

from __future__ import annotations

import re
import struct
import zlib

import pytest
from playwright.async_api import Browser, FilePayload, expect

from browser.person import MESSAGE_TIMEOUT_MS, Person
from integration.cluster_process import Cluster, http_get

pytestmark = pytest.mark.timeout(180)

WIDTH, HEIGHT = 40, 30


def picture() -> bytes:
    """Make a PNG of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x20\x80\x40" * WIDTH for _ in range(HEIGHT))
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def test_a_picture_reaches_the_other_page(cluster: Cluster, browser: Browser) -> None:
    """Anna chooses a file at node 1; Bert's page, from node 2, shows it, and any node serves the same bytes."""
    anna = await Person.sit_down(browser, "anna")
    bert = await Person.sit_down(browser, "bert")
    await anna.enter(cluster.node(1).http, "#create-account")
    await bert.enter(cluster.node(2).http, "#create-account")
    await anna.open_chat("bert@localhost")
    await bert.open_chat("anna@localhost")
    content = picture()
    chosen = FilePayload(name="cat & mouse.png", mimeType="image/png", buffer=content)
    await anna.chat.locator("input[type='file']").set_input_files(chosen)
    for person in (anna, bert):
        image = person.chat.locator("converse-chat-message img.chat-image").first
        await expect(image).to_have_attribute("src", re.compile(r"/upload/[0-9a-f]{32}/"), timeout=MESSAGE_TIMEOUT_MS)
        await expect(image).to_have_js_property("naturalWidth", WIDTH, timeout=MESSAGE_TIMEOUT_MS)
    source = await bert.chat.locator("img.chat-image").first.get_attribute("src") or ""
    path = source[source.index("/upload/") :]
    for node_id in cluster.node_ids:
        assert await http_get(cluster.node(node_id).http, path) == (200, content)
    for person in (anna, bert):
        assert not person.foreign, person.foreign
        assert not person.complaints, person.complaints
