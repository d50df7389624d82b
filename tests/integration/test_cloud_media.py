"""
pywa, unmodified, on three real nodes: files, blocks, profiles, templates, subscriptions, one node after another.

Each step is done at one node and looked at from another, so nothing here may be a node's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import struct
import threading
import warnings
import xml.etree.ElementTree as ET
import zlib
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
import pywa
import pywa_async
from pywa import types
from pywa.errors import WhatsAppError
from pywa.types import templates

from integration.cluster_process import Cluster, wait_until
from integration.xmpp_client import Client

NUMBER = "15550001111"
BEN = "4930111222"
VERIFY = "a verify token"
PASSWORD = "correct horse"
FILM = os.urandom((3 << 20) + 17)
VCARD = "{vcard-temp}"


class Shop:
    """A business on a cluster, and clients of it at each node."""

    def __init__(self, cluster: Cluster, made: dict[str, str]) -> None:
        self.cluster = cluster
        self.made = made
        self._sessions: list[httpx.Client] = []
        self._asynchronous: list[httpx.AsyncClient] = []

    async def close(self) -> None:
        """Close all clients."""
        for session in self._sessions:
            session.close()
        for asynchronous in self._asynchronous:
            await asynchronous.aclose()

    def base_url(self, node_id: int) -> str:
        """Where a node serves the API."""
        return f"http://127.0.0.1:{self.cluster.node(node_id).http}/v26.0"

    def at(self, node_id: int) -> pywa.WhatsApp:
        """Return pywa's client at a node."""
        self._sessions.append(httpx.Client())
        wa = self._client(pywa.WhatsApp, self._sessions[-1])
        wa.api._session.base_url = self.base_url(node_id)
        return wa

    def asynchronous_at(self, node_id: int) -> pywa_async.WhatsApp:
        """Return its client for asyncio."""
        self._asynchronous.append(httpx.AsyncClient())
        wa = self._client(pywa_async.WhatsApp, self._asynchronous[-1])
        wa.api._session.base_url = self.base_url(node_id)
        return wa

    def _client(self, kind: Any, session: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return kind(
                self.made["phone_number_id"],
                self.made["token"],
                session=session,
                waba_id=self.made["waba_id"],
                app_id=self.made["app_id"],
                app_secret=self.made["app_secret"],
                api_version=26.0,
            )


@pytest_asyncio.fixture
async def shop(cluster: Cluster) -> AsyncIterator[Shop]:
    """A business with a number, made by an operator."""
    await cluster.wait_version()
    done = await cluster.command(
        "business", "create", "Corner Shop", "--number", NUMBER, "--json", "--data", str(cluster.data)
    )
    assert done.returncode == 0, done.stderr
    made = Shop(cluster, json.loads(done.stdout))
    yield made
    await made.close()


class Receiver(BaseHTTPRequestHandler):
    """Answers the challenge as receivers of webhooks do."""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        is_ours = query.get("hub.verify_token") == [VERIFY]
        body = query["hub.challenge"][0].encode() if is_ours else b"Forbidden"
        self.send_response(200 if is_ours else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def receiver() -> Iterator[str]:
    """Run a receiver; yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/webhook"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def picture(edge: int) -> bytes:
    """A PNG of noise, so that it has many bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + os.urandom(3 * edge) for _ in range(edge))
    head = struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def card_of(person: Client, jid: str) -> Any:
    """Return the card that a person is shown of somebody, as XML."""
    iq = person.make_iq_get(ito=jid)
    iq.xml.append(ET.Element(f"{VCARD}vCard"))
    reply = await iq.send()
    return reply.xml.find(f"{VCARD}vCard")


def follow_files(shop: Shop, folder: Path) -> None:
    """Upload at one node, read at each, delete at another."""
    one, two, three = (shop.at(node_id) for node_id in (1, 2, 3))
    media = one.upload_media(FILM, mime_type="video/mp4", filename="film.mp4")
    for wa in (one, two, three):
        about = wa.get_media_url(media.id)
        assert (about.mime_type, about.file_size) == ("video/mp4", len(FILM))
        assert wa.get_media_bytes(about.url) == FILM
    path = two.download_media(url=two.get_media_url(media.id).url, path=folder)
    assert (path.name, path.read_bytes()) == ("film.mp4", FILM)
    assert three.delete_media(media.id)
    with pytest.raises(WhatsAppError) as gone:
        one.get_media_url(media.id)
    assert (gone.value.code, gone.value.subcode) == (100, 33)


def follow_settings(shop: Shop, callback: str) -> None:
    """Templates, subscriptions, registration: set at one node, seen at the next."""
    one, two, three = (shop.at(node_id) for node_id in (1, 2, 3))
    made = one.create_template(
        templates.Template(
            name="order_ready",
            language=templates.TemplateLanguage.ENGLISH_US,
            category=templates.TemplateCategory.UTILITY,
            components=[templates.BodyText("Hi {{1}}, it is ready.", "Ann"), templates.FooterText(text="Bye")],
        )
    )
    found = two.get_template(made.id)
    assert (found.name, found.status) == ("order_ready", templates.TemplateStatus.APPROVED)
    assert [one_of.id for one_of in three.get_templates(name="order")] == [made.id]
    token = one.get_app_access_token(int(shop.made["app_id"]), shop.made["app_secret"])
    assert two.get_app_access_token(int(shop.made["app_id"]), shop.made["app_secret"]) == token
    assert three.set_app_callback_url(int(shop.made["app_id"]), token, callback, VERIFY, ["messages"])
    assert one.override_waba_callback_url(callback, VERIFY)
    assert two.override_phone_callback_url(callback, VERIFY)
    told = three.get_business_phone_number()
    assert set(told.webhook_configuration or {}) == {"application", "whatsapp_business_account", "phone_number"}
    assert (told.verified_name, told.platform_type, told.status) == ("Corner Shop", "CLOUD_API", "CONNECTED")
    assert one.delete_phone_callback_url()
    assert two.delete_waba_callback_url()
    assert three.deregister_phone_number()
    assert one.get_business_phone_number().status == "DISCONNECTED"
    assert two.register_phone_number("123456")
    assert [number.status for number in three.get_business_phone_numbers()] == ["CONNECTED"]


async def follow_people(shop: Shop, ben: Client) -> None:
    """Blocks and the profile, with the client for asyncio, and what a person sees of them."""
    one, two, three = (shop.asynchronous_at(node_id) for node_id in (1, 2, 3))
    large = picture(200)
    assert len(large) > 65_536
    assert await one.update_business_profile(
        about="Open all day", websites=["https://example.org"], industry=types.Industry.RETAIL, profile_picture=large
    )
    profile = await two.get_business_profile()
    assert (profile.about, profile.industry, profile.websites) == (
        "Open all day",
        types.Industry.RETAIL,
        ("https://example.org",),
    )
    assert await three.get_media_bytes(str(profile.profile_picture_url)) == large

    async def is_shown() -> Any:
        card = await card_of(ben, f"{NUMBER}@localhost")
        return card if card.find(f"{VCARD}PHOTO") is not None else None

    card = await wait_until("the card with its picture", is_shown, 10.0)
    assert card.findtext(f"{VCARD}FN") == "Corner Shop"
    small = b64decode(card.findtext(f"{VCARD}PHOTO/{VCARD}BINVAL"))
    assert 0 < len(small) <= 65_536
    blocked = await one.block_users([BEN, "4912345"])
    assert [user.input for user in blocked.added_users] == [BEN]
    assert [user.input for user in blocked.failed_users] == ["4912345"]
    assert blocked.errors is not None
    assert blocked.errors.code == 139100
    listed = await two.get_blocked_users()
    assert [user.bsuid for user in listed] == [blocked.added_users[0].bsuid]
    assert (await three.unblock_users([listed[0].bsuid])).removed_users
    assert not await one.get_blocked_users()


async def follow_a_session(shop: Shop) -> None:
    """A resumable upload begins at one node and goes on at another."""
    headers = {"Authorization": f"Bearer {shop.made['token']}"}
    async with httpx.AsyncClient(headers=headers) as client:
        begun = await client.post(
            f"{shop.base_url(1)}/{shop.made['app_id']}/uploads?file_length={len(FILM)}&file_type=video/mp4&file_name=f"
        )
        path = begun.json()["id"]
        half = await client.post(f"{shop.base_url(2)}/{path}", content=FILM[:-1], headers={"file_offset": "0"})
        assert half.status_code == 400
        assert (await client.get(f"{shop.base_url(3)}/{path}")).json()["file_offset"] == 0
        sent = [
            await client.post(f"{shop.base_url(node_id)}/{path}", content=FILM, headers={"file_offset": "0"})
            for node_id in (3, 1)
        ]
        assert sent[0].json() == sent[1].json()
        assert (await client.get(f"{shop.base_url(2)}/{path}")).json()["file_offset"] == len(FILM)


async def follow_a_death(shop: Shop) -> None:
    """While the leader is dead, files are taken and read at the others; what was there is still there."""
    cluster = shop.cluster
    before = await asyncio.to_thread(shop.at(1).upload_media, FILM, "video/mp4", "film.mp4")
    dead = await cluster.leader()
    left = [node_id for node_id in cluster.node_ids if node_id != dead]
    await cluster.kill(dead)

    def upload() -> str | None:
        try:
            return shop.at(left[0]).upload_media(FILM[::-1], "video/mp4", "back.mp4").id
        except WhatsAppError as error:
            if not error.is_transient:
                raise
            return None

    async def is_uploaded() -> str | None:
        return await asyncio.to_thread(upload)

    media_id = await wait_until("a file is taken again", is_uploaded, 20.0)
    wa = shop.at(left[1])
    for found, content in ((media_id, FILM[::-1]), (before.id, FILM)):
        about = await asyncio.to_thread(wa.get_media_url, found)
        assert await asyncio.to_thread(wa.get_media_bytes, about.url) == content


async def test_pywa_at_three_nodes(shop: Shop, tmp_path: Path) -> None:
    """One node after another, and then one fewer."""
    ben = Client(BEN, PASSWORD)
    await ben.register_account(shop.cluster.node(2).xmpp)
    try:
        await asyncio.to_thread(follow_files, shop, tmp_path)
        with receiver() as callback:
            await asyncio.to_thread(follow_settings, shop, callback)
        await follow_people(shop, ben)
        await follow_a_session(shop)
    finally:
        await ben.log_out()
    await follow_a_death(shop)
