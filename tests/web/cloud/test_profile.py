"""Contract 5.3: what a business says of itself, and the card that people see."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from typing import Any

import httpx2
import pytest

from raftline.base.cloud_limits import CLOUD_PROFILE_PICTURE_BYTES_MAX
from raftline.machine.business.ids import media_id
from raftline.machine.media.commands import DescribeFile
from raftline.machine.media.queries import UploadOf
from raftline.machine.pubsub.avatars import DATA_NODE
from raftline.machine.pubsub.queries import AvatarDigestOf, ItemsOf
from raftline.machine.pubsub.values import NodeItems
from raftline.machine.queries import VcardOf
from raftline.web.cloud import profile as profile_module
from raftline.web.cloud.profile import LENGTHS, VERTICALS, WEBSITE_LENGTH_MAX
from raftline.xmpp.avatars import VCARD_NAMESPACE
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import stored_element
from web.cloud.machine_door import BASE_URL, DOMAIN, NUMBER, CloudService
from web.cloud.serving import error_of
from web.cloud.test_media import uploaded

PNG = b"\x89PNG\r\n\x1a\n" + bytes(500)
ALL = {
    "about": "Best pizza",
    "address": "1 Main Street",
    "description": "We bake & deliver",
    "email": "shop@example.org",
    "vertical": "RESTAURANT",
    "websites": ["https://example.org", "http://example.net"],
}


async def write(client: httpx2.AsyncClient, service: CloudService, **fields: Any) -> httpx2.Response:
    """Change some fields."""
    body = {"messaging_product": "whatsapp", **fields}
    return await client.post(f"/{service.number_id}/whatsapp_business_profile", json=body)


async def read(client: httpx2.AsyncClient, service: CloudService, fields: str = "") -> Any:
    """Return the profile."""
    query = f"?fields={fields}" if fields else ""
    answer = (await client.get(f"/{service.number_id}/whatsapp_business_profile{query}")).json()
    (found,) = answer["data"]
    return found


def card(service: CloudService) -> Element:
    """The card of the number."""
    data = service.door.machine.answer(VcardOf(NUMBER))
    assert isinstance(data, bytes)
    return stored_element(data)


def text_of(element: Element, *names: str) -> str:
    """The text of an element within others."""
    for name in names:
        child = element.child(name, VCARD_NAMESPACE)
        assert child is not None, names
        element = child
    return element.text


class TestFields:
    """Texts, what the business is in, addresses."""

    async def test_never_set(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """`vertical` is there all the same, as clients rely on it."""
        assert await read(shop, service) == {"vertical": "UNDEFINED", "messaging_product": "whatsapp"}

    async def test_all(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """What is set is told."""
        assert (await write(shop, service, **ALL)).json() == {"success": True}
        assert await read(shop, service) == {**ALL, "messaging_product": "whatsapp"}

    async def test_chosen(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Only what is asked for, and what is always told."""
        await write(shop, service, **ALL)
        wanted = {"about": ALL["about"], "vertical": "RESTAURANT", "messaging_product": "whatsapp"}
        assert await read(shop, service, "about,nonsense") == wanted

    async def test_what_is_not_named_stays(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """One field is changed, others taken away by an empty text or null."""
        await write(shop, service, **ALL)
        await write(shop, service, about="New", address="", email=None, websites="", vertical="")
        assert await read(shop, service) == {
            "about": "New",
            "description": ALL["description"],
            "vertical": "UNDEFINED",
            "messaging_product": "whatsapp",
        }

    async def test_lengths(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """As many characters as are allowed, of any kind, and one more."""
        for name, length in LENGTHS.items():
            text = "a@" + "é" * (length - 2)
            assert (await write(shop, service, **{name: text})).status_code == 200, name
            error = error_of(await write(shop, service, **{name: text + "é"}), 400)
            assert error["code"] == 131009
            assert name in error["error_data"]["details"]
        longest = "https://" + "a" * (WEBSITE_LENGTH_MAX - 8)
        assert (await write(shop, service, websites=[longest, longest])).status_code == 200

    async def test_verticals(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """All that clients know."""
        for vertical in sorted(VERTICALS):
            assert (await write(shop, service, vertical=vertical)).status_code == 200

    @pytest.mark.parametrize(
        "fields",
        [
            {"vertical": "SPACE"},
            {"email": "nobody"},
            {"websites": ["ftp://example.org"]},
            {"websites": ["https://a.example", "https://b.example", "https://c.example"]},
            {"websites": ["https://" + "a" * (WEBSITE_LENGTH_MAX - 7)]},
            {"websites": 5},
            {"about": 5},
            {"about": "bell \x07"},
            {"websites": ["https://example.org/\uffff"]},
            {"messaging_product": "sms"},
            {"profile_picture_handle": "nonsense"},
            {"profile_picture_handle": media_id(bytes(16))},
        ],
    )
    async def test_bad_values(self, service: CloudService, shop: httpx2.AsyncClient, fields: dict[str, Any]) -> None:
        """Nothing is changed by a request that is refused."""
        await write(shop, service, **ALL)
        assert error_of(await write(shop, service, **{"description": "changed", **fields}), 400)["code"] == 131009
        assert (await read(shop, service))["description"] == ALL["description"]

    async def test_product(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """It has to be said."""
        reply = await shop.post(f"/{service.number_id}/whatsapp_business_profile", json={"about": "x"})
        assert error_of(reply, 400)["code"] == 131008


class TestCard:
    """What people see."""

    async def test_says_the_same(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """With the verified name, and the number."""
        await write(shop, service, **ALL)
        found = card(service)
        assert text_of(found, "FN") == "Shop"
        assert text_of(found, "TEL", "NUMBER") == f"+{NUMBER}"
        assert text_of(found, "ADR", "STREET") == ALL["address"]
        assert text_of(found, "EMAIL", "USERID") == ALL["email"]
        assert text_of(found, "DESC") == ALL["description"]
        assert text_of(found, "NOTE") == ALL["about"]
        urls = [child.text for child in found.elements() if child.name == "URL"]
        assert urls == ALL["websites"]

    async def test_what_is_taken_away(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Goes from the card as well."""
        await write(shop, service, **ALL)
        await write(shop, service, address="", websites=[])
        assert {child.name for child in card(service).elements()} == {"FN", "ORG", "TEL", "EMAIL", "DESC", "NOTE"}


class TestPicture:
    """`profile_picture_handle`."""

    async def picture(self, service: CloudService) -> bytes:
        """Return what people see as the picture."""
        digest = service.door.machine.answer(AvatarDigestOf(NUMBER))
        assert isinstance(digest, str)
        items = service.door.machine.answer(ItemsOf(NUMBER, f"ben@{DOMAIN}", DATA_NODE, (digest,)))
        assert isinstance(items, NodeItems)
        return b64decode(stored_element(items.items[0].payload).text)

    async def test_shown(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """People see it as an avatar; programs get its address; the handle may end, and it stays."""
        handle = await uploaded(shop, service.number_id, PNG, "image/png", "p.png", ttl_minutes="60")
        assert (await write(shop, service, profile_picture_handle=f"4:{handle}")).json() == {"success": True}
        assert await self.picture(service) == PNG
        await shop.delete(f"/{handle}")
        url = (await read(shop, service))["profile_picture_url"]
        assert url.startswith(BASE_URL)
        assert (await shop.get(url)).content == PNG
        token = bytes.fromhex(url.split("/")[4])
        assert service.door.machine.answer(UploadOf(token)).until_ms == 0  # type: ignore[union-attr]

    async def test_replaced_and_taken_away(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """The file of the former picture goes; other changes leave the picture."""
        urls = []
        for content in (PNG, PNG + b"2"):
            handle = await uploaded(shop, service.number_id, content, "image/png", "p.png")
            await write(shop, service, profile_picture_handle=handle)
            urls.append((await read(shop, service))["profile_picture_url"])
        await write(shop, service, about="x")
        assert await self.picture(service) == PNG + b"2"
        assert [(await shop.get(url)).status_code for url in urls] == [404, 200]
        await write(shop, service, profile_picture_handle="")
        assert "profile_picture_url" not in await read(shop, service)
        assert service.door.machine.answer(AvatarDigestOf(NUMBER)) == ""
        assert (await shop.get(urls[1])).status_code == 404

    async def test_other_files(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A picture is a JPEG or PNG, and not too large."""
        document = await uploaded(shop, service.number_id, b"x", "application/pdf", "a.pdf")
        assert error_of(await write(shop, service, profile_picture_handle=document), 400)["code"] == 131053

    async def test_too_large(
        self, service: CloudService, shop: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both sides of the limit."""
        monkeypatch.setattr(profile_module, "CLOUD_PROFILE_PICTURE_BYTES_MAX", len(PNG))
        for content, status in ((PNG, 200), (PNG + b"x", 400)):
            handle = await uploaded(shop, service.number_id, content, "image/png", "p.png")
            assert (await write(shop, service, profile_picture_handle=handle)).status_code == status
        assert CLOUD_PROFILE_PICTURE_BYTES_MAX == 5 << 20

    async def test_large_ones_are_made_small(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """People are shown the small picture that a node has made of it."""
        large = PNG + bytes(65_536)
        handle = await uploaded(shop, service.number_id, large, "image/png", "p.png")
        small = b"\xff\xd8\xff" + b"small"
        service.door.files.kept[hashlib.sha256(small).digest()] = small
        service.door.do(
            DescribeFile(
                hashlib.sha256(large).digest(),
                service.door.time_ms + 10_000,
                width=640,
                height=480,
                thumbnail=hashlib.sha256(small).digest(),
                thumbnail_size=len(small),
                thumbnail_type="image/jpeg",
                thumbnail_width=320,
                thumbnail_height=240,
            )
        )
        assert (await write(shop, service, profile_picture_handle=handle)).status_code == 200
        assert await self.picture(service) == small
        assert (await shop.get((await read(shop, service))["profile_picture_url"])).content == large

    async def test_not_made_small_yet(
        self, service: CloudService, shop: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever waits too long is told to try again; one that is none is refused."""
        monkeypatch.setattr(profile_module, "CLOUD_PROFILE_PICTURE_WAIT_S", 0.05)
        large = PNG + bytes(65_536)
        handle = await uploaded(shop, service.number_id, large, "image/png", "p.png")
        assert error_of(await write(shop, service, profile_picture_handle=handle), 503)["code"] == 131016
        digest = hashlib.sha256(large).digest()
        service.door.do(DescribeFile(digest, service.door.time_ms + 10_000, lack="unreadable"))
        assert error_of(await write(shop, service, profile_picture_handle=handle), 400)["code"] == 131053
