"""Files that programs name by addresses: fetched from a real server, kept as uploads, sent as those."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from aiohttp import web

from raftline.base.cloud_limits import IMAGE_BYTES_MAX, LINK_REDIRECT_COUNT_MAX, LINK_REMEMBERED_S, LINK_REST_S
from raftline.base.errors import StorageFull
from raftline.machine.business.commands import SendFromNumber
from raftline.machine.media.queries import UploadOf
from raftline.machine.media.values import UploadView
from raftline.node.intake import CHUNK_BYTES
from raftline.web.cloud.sending import links
from raftline.web.cloud.webhooks import client as client_module
from raftline.web.cloud.webhooks.client import WebhookClient
from raftline.xmpp.element import Element
from raftline.xmpp.stanza import parse_stanza
from raftline.xmpp.xeps.xep_0363_http_upload import UploadService
from web.cloud.machine_door import ANN, BASE_URL, CloudService
from web.cloud.outbox import eventually
from web.cloud.sent import text_of
from web.cloud.test_files import shared

JPEG = b"\xff\xd8\xff" + bytes(2_000)


class Site:
    """
    A server of files.

    Attributes:
        pages: Status, headers and body by path.
        asked: How often each path was asked for.
        gate: It answers only while this is set.
        tells_sizes: Its answers say how long they are.
    """

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: Counter[str] = Counter()
        self.gate = asyncio.Event()
        self.gate.set()
        self.tells_sizes = True
        self.url = ""

    def put(self, path: str, content: bytes = JPEG, content_type: str = "image/jpeg", **headers: str) -> str:
        """Serve a file; returns its address."""
        self.pages[path] = 200, {"Content-Type": content_type, **headers}, content
        return self.url + path

    def answer(self, path: str, status: int, **headers: str) -> str:
        """Answer otherwise; returns the address."""
        self.pages[path] = status, headers, b"no"
        return self.url + path

    async def serve(self, request: web.Request) -> web.Response:
        """Answer a request."""
        path = request.rel_url.raw_path
        self.asked[path] += 1
        await self.gate.wait()
        status, headers, content = self.pages[path]
        response = web.Response(status=status, headers=headers, body=None if status in {204, 304} else content)
        if not self.tells_sizes:
            response.enable_chunked_encoding()
        return response


@pytest_asyncio.fixture
async def site() -> AsyncIterator[Site]:
    """A server on loopback."""
    site = Site()
    application = web.Application()
    application.router.add_get("/{path:.*}", site.serve)
    runner = web.AppRunner(application)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield site
    site.gate.set()
    await runner.cleanup()


@pytest_asyncio.fixture
async def link_client() -> AsyncIterator[WebhookClient]:
    """What fetches."""
    client = WebhookClient()
    yield client
    await client.close()


@pytest_asyncio.fixture
async def service(link_client: WebhookClient) -> AsyncIterator[CloudService]:
    """A service that fetches what it is told of."""
    made = CloudService(ANN, "ben", link_client=link_client)
    yield made
    assert made.links is not None
    await made.links.stop()
    assert made.filing.intake.count == 0
    assert all(draft.is_discarded for draft in made.door.files.drafts)
    made.door.machine.close()


async def post(service: CloudService, client: httpx2.AsyncClient, kind: str, file: dict[str, Any]) -> httpx2.Response:
    """Send a file to Ann."""
    body = {"messaging_product": "whatsapp", "to": ANN, "type": kind, kind: file}
    return await client.post(f"/{service.number_id}/messages", json=body)


async def sent(service: CloudService, client: httpx2.AsyncClient, kind: str, file: dict[str, Any]) -> Element:
    """Send a file to Ann, and return the message."""
    reply = await post(service, client, kind, file)
    assert reply.status_code == 200, reply.text
    action = next(action for action in reversed(service.door.executed) if isinstance(action, SendFromNumber))
    return parse_stanza(action.message.stanza).element


async def refusal(service: CloudService, client: httpx2.AsyncClient, kind: str, url: str) -> str:
    """Send a file that is refused, and return why."""
    reply = await post(service, client, kind, {"link": url})
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert error["code"] == 131053
    details: str = error["error_data"]["details"]
    return details


def upload_of(service: CloudService, message: Element) -> UploadView:
    """Return the upload that a message shows."""
    _, url, _ = shared(message)
    assert url.startswith(f"{BASE_URL}/upload/")
    view = service.door.machine.answer(UploadOf(bytes.fromhex(url.split("/")[-2])))
    assert isinstance(view, UploadView)
    return view


class TestFetched:
    """What is there becomes an upload of the number."""

    async def test_is_sent_as_an_upload(self, service: CloudService, shop: httpx2.AsyncClient, site: Site) -> None:
        """All that is known of it is told, and its source is an address of ours alone."""
        message = await sent(service, shop, "image", {"link": site.put("/a%20cat.jpg"), "caption": "A cat"})
        view = upload_of(service, message)
        assert (view.name, view.size, view.content_type) == ("a cat.jpg", len(JPEG), "image/jpeg")
        assert (view.account_id, view.until_ms) == (service.shop.number_id, 0)
        told, url, disposition = shared(message)
        assert (told["name"], told["size"], disposition) == ("a cat.jpg", str(len(JPEG)), "inline")
        assert text_of(message) == f"A cat\n{url}"
        async with service.client() as reader:
            assert (await reader.get(url)).content == JPEG
        assert service.door.files.described == [view.digest]

    async def test_a_large_one_in_pieces(self, service: CloudService, shop: httpx2.AsyncClient, site: Site) -> None:
        """A film is the same at the end, and a program's name counts before that of the address."""
        film = bytes(range(256)) * (CHUNK_BYTES // 64) + b"end"
        link = site.put("/film.mp4", film, "video/mp4")
        message = await sent(service, shop, "document", {"link": link, "filename": "holidays.mp4"})
        told, url, disposition = shared(message)
        assert (told["name"], disposition) == ("holidays.mp4", "attachment")
        async with service.client() as reader:
            assert (await reader.get(url)).content == film

    async def test_once_for_ten_minutes(self, service: CloudService, shop: httpx2.AsyncClient, site: Site) -> None:
        """A message to many fetches its picture once, whether one after another or at a time; later again."""
        link = site.put("/cat.jpg")
        site.gate.clear()
        sending = asyncio.gather(*(sent(service, shop, "image", {"link": link}) for _ in range(5)))
        await eventually(lambda: site.asked["/cat.jpg"] == 1)
        site.gate.set()
        tokens = {upload_of(service, message) for message in await sending}
        service.now_s += LINK_REMEMBERED_S - 1
        tokens.add(upload_of(service, await sent(service, shop, "image", {"link": link})))
        assert (len(tokens), site.asked["/cat.jpg"]) == (1, 1)
        service.now_s += 1
        await sent(service, shop, "image", {"link": link})
        assert site.asked["/cat.jpg"] == 2

    async def test_redirects_are_followed(self, service: CloudService, shop: httpx2.AsyncClient, site: Site) -> None:
        """Relative ones too, as many as are allowed."""
        site.put("/cat.jpg")
        for number in range(LINK_REDIRECT_COUNT_MAX):
            site.answer(f"/{number}", 302, Location=f"/{number + 1}")
        site.answer(f"/{LINK_REDIRECT_COUNT_MAX}", 301, Location="cat.jpg")
        view = upload_of(service, await sent(service, shop, "image", {"link": f"{site.url}/1"}))
        assert view.size == len(JPEG)
        message = await sent(service, shop, "image", {"link": f"{site.url}/0"})
        assert text_of(message) == f"{site.url}/0", "one redirect too many"

    @pytest.mark.parametrize("said", ["", "application/octet-stream", "Binary/Octet-Stream; x=y"])
    async def test_a_vague_type(self, service: CloudService, shop: httpx2.AsyncClient, site: Site, said: str) -> None:
        """Then the end of the address tells what it is."""
        view = upload_of(service, await sent(service, shop, "image", {"link": site.put("/cat.png", JPEG, said)}))
        assert view.content_type == "image/png"


class TestRefused:
    """What the server at the address says for certain."""

    @pytest.mark.parametrize("status", [404, 403, 410])
    async def test_there_is_nothing(
        self, service: CloudService, shop: httpx2.AsyncClient, site: Site, status: int
    ) -> None:
        """The send is refused, and says why."""
        assert str(status) in await refusal(service, shop, "image", site.answer("/gone.jpg", status))

    async def test_another_kind(self, service: CloudService, shop: httpx2.AsyncClient, site: Site) -> None:
        """A page is no picture."""
        details = await refusal(service, shop, "image", site.put("/cat.jpg", b"<html/>", "text/html; charset=utf-8"))
        assert "text/html" in details

    async def test_an_empty_one(self, service: CloudService, shop: httpx2.AsyncClient, site: Site) -> None:
        """Nothing is nothing to send."""
        assert "empty" in await refusal(service, shop, "image", site.put("/cat.jpg", b""))

    @pytest.mark.parametrize("is_told", [False, True])
    async def test_too_large(
        self, service: CloudService, shop: httpx2.AsyncClient, site: Site, *, is_told: bool
    ) -> None:
        """The greatest is taken, one byte more is not, whether its size is told or found out."""
        site.tells_sizes = is_told
        await sent(service, shop, "image", {"link": site.put("/most.jpg", bytes(IMAGE_BYTES_MAX))})
        assert "too large" in await refusal(service, shop, "image", site.put("/more.jpg", bytes(IMAGE_BYTES_MAX + 1)))
        assert len(service.door.files.drafts) == 2 - is_told


class TestPassedOn:
    """What cannot be had in time is sent as the address that it is."""

    async def is_passed_on(self, service: CloudService, client: httpx2.AsyncClient, url: str) -> bool:
        message = await sent(service, client, "image", {"link": url})
        return text_of(message) == url and shared(message)[1] == url

    @pytest.mark.parametrize("status", [500, 503, 429, 408, 204, 304])
    async def test_another_answer(
        self, service: CloudService, shop: httpx2.AsyncClient, site: Site, status: int
    ) -> None:
        """A server in trouble may have the file for whoever asks later."""
        assert await self.is_passed_on(service, shop, site.answer("/cat.jpg", status))

    async def test_a_slow_one_is_there_for_the_next(
        self, service: CloudService, shop: httpx2.AsyncClient, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A send waits for some seconds; the file comes all the same."""
        monkeypatch.setattr(links, "LINK_WAIT_S", 0.05)
        link = site.put("/cat.jpg")
        site.gate.clear()
        assert await self.is_passed_on(service, shop, link)
        assert await self.is_passed_on(service, shop, link)
        site.gate.set()
        await eventually(lambda: bool(service.door.files.described))
        assert service.links is not None
        await eventually(lambda: not service.links._running)  # type: ignore[union-attr]
        upload_of(service, await sent(service, shop, "image", {"link": link}))
        assert site.asked["/cat.jpg"] == 1

    async def test_nobody_is_there(self, service: CloudService, shop: httpx2.AsyncClient, site: Site) -> None:
        """The host rests for a minute, whatever the path; then it is asked again."""
        link, other = "http://127.0.0.1:1/cat.jpg", "http://127.0.0.1:1/dog.jpg"
        assert await self.is_passed_on(service, shop, link)
        assert service.links is not None
        assert service.links._rests("http://127.0.0.1:1")
        assert await self.is_passed_on(service, shop, other)
        service.now_s += LINK_REST_S
        assert not service.links._rests("http://127.0.0.1:1")

    async def test_too_slow_altogether(
        self, service: CloudService, shop: httpx2.AsyncClient, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After the time that a file may take, it is given up, and its host rests."""
        monkeypatch.setattr(links, "LINK_FETCH_S", 0.05)
        link = site.put("/cat.jpg")
        site.gate.clear()
        assert await self.is_passed_on(service, shop, link)
        assert service.links is not None
        await eventually(lambda: service.links._rests(site.url))  # type: ignore[union-attr]
        site.gate.set()
        asked = site.asked.total()
        assert await self.is_passed_on(service, shop, link)
        assert site.asked.total() == asked

    async def test_where_nobody_may_go(
        self, service: CloudService, shop: httpx2.AsyncClient, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Addresses that webhooks may not call are not fetched from either; nor is one that a redirect leads to."""
        assert await self.is_passed_on(service, shop, "http://169.254.169.254/latest/meta-data/cat.jpg")
        assert await self.is_passed_on(service, shop, site.answer("/a.jpg", 302, Location="http://169.254.169.254/b"))
        assert await self.is_passed_on(service, shop, site.answer("/b.jpg", 302, Location="file:///etc/passwd"))
        assert await self.is_passed_on(service, shop, site.answer("/c.jpg", 302))
        monkeypatch.setattr(client_module, "_may_be_tried", lambda _url, _private: False)
        assert await self.is_passed_on(service, shop, site.put("/cat.jpg"))
        assert site.asked["/cat.jpg"] == 0

    async def test_no_room(
        self, service: CloudService, shop: httpx2.AsyncClient, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A disk that is full keeps nobody from sending."""

        async def full(_size: int) -> None:
            raise StorageFull("no room")

        monkeypatch.setattr(service.door.files, "begin", full)
        assert await self.is_passed_on(service, shop, site.put("/cat.jpg"))

    async def test_too_many_at_once(
        self, service: CloudService, shop: httpx2.AsyncClient, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is beyond the bound is not fetched."""
        monkeypatch.setattr(links, "LINK_FETCH_COUNT_MAX", 1)
        site.gate.clear()
        first = asyncio.ensure_future(sent(service, shop, "image", {"link": site.put("/cat.jpg")}))
        await eventually(lambda: site.asked["/cat.jpg"] == 1)
        assert await self.is_passed_on(service, shop, site.put("/dog.jpg"))
        site.gate.set()
        upload_of(service, await first)
        assert site.asked["/dog.jpg"] == 0

    async def test_over_the_quota(self, link_client: WebhookClient, site: Site) -> None:
        """A number that has uploaded as much as it may sends addresses."""
        offered = UploadService(lambda: BASE_URL, lambda: bytes(16), 104_857_600, 100, 1_000)
        service = CloudService(ANN, service=offered, link_client=link_client)
        async with service.client() as client:
            assert await self.is_passed_on(service, client, site.put("/cat.jpg"))
        service.door.machine.close()

    async def test_an_encoding_is_not_the_content(
        self, service: CloudService, shop: httpx2.AsyncClient, site: Site
    ) -> None:
        """Bytes that are compressed though nobody asked for it are no file that anybody could open."""
        link = site.put("/cat.jpg", JPEG, "image/jpeg", **{"Content-Encoding": "x-odd"})
        assert await self.is_passed_on(service, shop, link)
