"""Contract 5.3: files are uploaded, told of, read, deleted; 3.2: how large they may be."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from raftline.base.cloud_limits import (
    CLOUD_FORM_PART_COUNT_MAX,
    CLOUD_FORM_VALUE_BYTES_MAX,
    CLOUD_MEDIA_TTL_MINUTES_MAX,
    CLOUD_MEDIA_TTL_MINUTES_MIN,
)
from raftline.base.errors import StorageError, StorageFull, Unavailable
from raftline.machine.business.ids import media_id, parse_media_id
from raftline.machine.commands import ActForNumber
from raftline.machine.media.commands import RequestUploadSlot, StoreUpload
from raftline.machine.media.queries import UploadOf
from raftline.machine.media.values import UploadView
from raftline.node import intake
from raftline.node.intake import CHUNK_BYTES
from raftline.web.cloud.media import (
    SIZE_MAX_OF,
    STILL_STICKER_SIZE_MAX,
    is_animated,
    size_max_of,
)
from raftline.xmpp.xeps.xep_0363_http_upload import UploadService
from web.cloud.door import NUMBER_ID, CloudDoor
from web.cloud.machine_door import BASE_URL, NUMBER, OTHER_TOKEN, START_MS, CloudService
from web.cloud.serving import client_of, error_of

JPEG = b"\xff\xd8\xff" + bytes(2_000)
MINUTE_MS = 60_000
MOVING = b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02"


async def upload(
    client: httpx2.AsyncClient,
    number_id: str,
    content: bytes = JPEG,
    content_type: str = "image/jpeg",
    name: str = "cat.jpg",
    **values: str,
) -> httpx2.Response:
    """Upload a file as clients do: the file first, then what it is."""
    form = {"messaging_product": "whatsapp", "type": content_type, **values}
    files: list[tuple[str, Any]] = [("file", (name, content, content_type))]
    files += [(key, (None, value)) for key, value in form.items()]
    return await client.post(f"/{number_id}/media", files=files)


async def uploaded(client: httpx2.AsyncClient, number_id: str, *args: Any, **values: Any) -> str:
    """Upload a file and return its id."""
    reply = await upload(client, number_id, *args, **values)
    assert reply.status_code == 200, reply.text
    found: str = reply.json()["id"]
    return found


class TestUpload:
    """`POST /P/media`."""

    async def test_id_and_file(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """The id is digits alone (trap 6), and the file is the number's, durable, and looked into."""
        found = await uploaded(shop, service.number_id)
        token = parse_media_id(found)
        assert found.isdigit()
        assert token is not None
        view = service.door.machine.answer(UploadOf(token))
        digest = hashlib.sha256(JPEG).digest()
        assert isinstance(view, UploadView)
        assert (view.name, view.size, view.content_type, view.digest) == ("cat.jpg", len(JPEG), "image/jpeg", digest)
        assert view.account_id == service.shop.number_id
        assert service.door.files.described == [digest]
        assert all(draft.is_discarded for draft in service.door.files.drafts)
        assert service.filing.intake.count == 0

    async def test_in_chunks(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A film of some megabytes is the same at the end, whatever pieces it comes in."""
        film = bytes(range(256)) * (CHUNK_BYTES // 64) + b"end"
        found = await uploaded(shop, service.number_id, film, "video/mp4", "film.mp4")
        about = (await shop.get(f"/{found}")).json()
        assert (await shop.get(about["url"])).content == film

    async def test_length_unknown(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A body that does not say how long it is is taken as well."""
        request = shop.build_request(
            "POST",
            f"/{service.number_id}/media",
            files=[("file", ("a.txt", b"hello", "text/plain")), ("messaging_product", (None, "whatsapp"))],
        )
        body = await request.aread()

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 7):
                yield body[start : start + 7]

        headers = {"content-type": request.headers["content-type"]}
        reply = await shop.post(f"/{service.number_id}/media", content=chunks(), headers=headers)
        assert reply.json()["id"].isdigit()

    async def test_room_is_asked_for_by_what_can_come(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A short file does not ask the disk for the room of the greatest."""
        await uploaded(shop, service.number_id)
        (announced,) = service.door.files.announced
        assert len(JPEG) < announced < len(JPEG) + 2_000

    async def test_names(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A name is kept as it is written, without directories; a file without one gets one."""
        for name, wanted in (("très cool.jpg", "très cool.jpg"), ("../../etc/passwd", "passwd")):
            about = (await shop.get("/" + await uploaded(shop, service.number_id, name=name))).json()
            disposition = (await shop.get(about["url"])).headers["content-disposition"]
            assert httpx2.URL(about["url"]).path.endswith(f"/{wanted}"), disposition

    async def test_the_type_of_the_form_counts(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """The part may say another type, or none."""
        files: list[tuple[str, Any]] = [
            ("file", ("a.ogg", b"OggS", "application/octet-stream")),
            ("messaging_product", (None, "whatsapp")),
            ("type", (None, "audio/ogg; codecs=opus")),
        ]
        found = (await shop.post(f"/{service.number_id}/media", files=files)).json()["id"]
        assert (await shop.get(f"/{found}")).json()["mime_type"] == "audio/ogg; codecs=opus"

    @pytest.mark.parametrize(
        ("values", "code"),
        [({"messaging_product": "telegram"}, 131009), ({"messaging_product": ""}, 131008)],
    )
    async def test_product(
        self, service: CloudService, shop: httpx2.AsyncClient, values: dict[str, str], code: int
    ) -> None:
        """The product has to be said."""
        assert error_of(await upload(shop, service.number_id, **values), 400)["code"] == code

    async def test_no_file(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A form without a file."""
        reply = await shop.post(f"/{service.number_id}/media", files=[("messaging_product", (None, "whatsapp"))])
        assert error_of(reply, 400)["code"] == 131008
        assert service.door.files.drafts == []

    async def test_no_form(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """JSON is no form, and neither is a form without a boundary, with one too long, or one that breaks off."""
        path = f"/{service.number_id}/media"
        assert error_of(await shop.post(path, json={}), 415)["code"] == 100
        for content_type, status in (
            ("multipart/form-data", 415),
            (f"multipart/form-data; boundary={'x' * 500}", 400),
            ("multipart/form-data; boundary=x", 400),
        ):
            reply = await shop.post(
                path,
                content=b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc',
                headers={"content-type": content_type},
            )
            assert error_of(reply, status)["code"] == 100, content_type
        reply = await shop.post(path, content=b"abc", headers={"content-type": "multipart/form-data; boundary=x"})
        assert error_of(reply, 400)["code"] == 100
        assert all(draft.is_discarded for draft in service.door.files.drafts)

    async def test_two_files(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A form has one file."""
        files: list[tuple[str, Any]] = [("file", ("a.txt", b"a", "text/plain"))] * 2
        assert error_of(await shop.post(f"/{service.number_id}/media", files=files), 400)["code"] == 100

    async def test_limits_of_values(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Values are small and few: at the limit all is well, beyond it the form is refused."""
        long = "x" * CLOUD_FORM_VALUE_BYTES_MAX
        many = {f"value{number}": "x" for number in range(CLOUD_FORM_PART_COUNT_MAX - 2)}
        assert (await upload(shop, service.number_id, other=long)).status_code == 200
        assert (await upload(shop, service.number_id, **many)).status_code == 200
        assert error_of(await upload(shop, service.number_id, other=long + "x"), 400)["code"] == 100
        assert error_of(await upload(shop, service.number_id, more="x", **many), 400)["code"] == 100

    async def test_other_numbers(self, service: CloudService) -> None:
        """Only with a token of the number's business, and of the right scope."""
        async with service.client(OTHER_TOKEN) as other:
            assert error_of(await upload(other, service.number_id), 403)["code"] == 10
        service.issue("EAAweak", "whatsapp_business_management")
        async with service.client("EAAweak") as weak:
            assert error_of(await upload(weak, service.number_id), 403)["code"] == 200
        async with service.client(None) as nobody:
            assert error_of(await upload(nobody, service.number_id), 401)["code"] == 190


class TestLimits:
    """3.2: sizes and types."""

    def test_sizes(self) -> None:
        """As they are published."""
        for kind, size in (
            ("image/jpeg", 5 << 20),
            ("image/png", 5 << 20),
            ("audio/ogg", 16 << 20),
            ("audio/amr", 16 << 20),
            ("video/mp4", 16 << 20),
            ("video/3gpp", 16 << 20),
            ("image/webp", 500_000),
            ("application/pdf", 100 << 20),
            ("text/csv", 100 << 20),
        ):
            assert size_max_of(kind) == size, kind

    @pytest.mark.parametrize("kind", ["image/gif", "video/webm", "audio/flac", "", "nonsense"])
    async def test_types(self, service: CloudService, shop: httpx2.AsyncClient, kind: str) -> None:
        """Pictures, sound and film of other types are refused, and it is said which are taken."""
        reply = await upload(shop, service.number_id, b"x", kind)
        error = error_of(reply, 400)
        assert error["code"] == 100
        assert "image/jpeg" in error["error_data"]["details"]

    async def test_sizes_at_the_limit(
        self, service: CloudService, shop: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As many bytes as a type may have are taken; one more is not, and nothing of it stays."""
        monkeypatch.setitem(SIZE_MAX_OF, "image/png", 300_000)
        await uploaded(shop, service.number_id, bytes(300_000), "image/png")
        kept = len(service.door.files.kept)
        error = error_of(await upload(shop, service.number_id, bytes(300_001), "image/png"), 400)
        assert error["code"] == 131053
        assert "300000" in error["error_data"]["details"]
        assert len(service.door.files.kept) == kept
        assert service.filing.intake.count == 0

    async def test_what_was_said_later_is_smaller(
        self, service: CloudService, shop: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A part that is said to be a document and turns out to be a picture has the limit of pictures."""
        monkeypatch.setitem(SIZE_MAX_OF, "image/png", 1_000)
        files: list[tuple[str, Any]] = [
            ("file", ("a.png", bytes(1_001), "application/pdf")),
            ("messaging_product", (None, "whatsapp")),
            ("type", (None, "image/png")),
        ]
        assert error_of(await shop.post(f"/{service.number_id}/media", files=files), 400)["code"] == 131053

    async def test_stickers(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """One that moves may be larger than one that does not."""
        still = MOVING[:20] + b"\x00"
        assert is_animated(MOVING)
        assert not is_animated(still)
        assert not is_animated(MOVING[:20])

        async def status(head: bytes, size: int) -> int:
            content = head + bytes(size - len(head))
            return (await upload(shop, service.number_id, content, "image/webp")).status_code

        assert await status(still, STILL_STICKER_SIZE_MAX) == 200
        assert await status(still, STILL_STICKER_SIZE_MAX + 1) == 400
        assert await status(MOVING, SIZE_MAX_OF["image/webp"]) == 200
        assert await status(MOVING, SIZE_MAX_OF["image/webp"] + 1) == 400

    async def test_empty(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """No bytes are no file."""
        assert error_of(await upload(shop, service.number_id, b""), 400)["code"] == 131053

    async def test_limits_of_the_operator(self) -> None:
        """The size, the quotas and the refused types of the installation count for numbers as for anybody."""
        offered = UploadService(lambda: BASE_URL, lambda: b"", 1_000, 1_500, 2, refused_types=("application/zip",))
        service = CloudService(service=offered)
        async with service.client() as shop:
            number_id = service.number_id
            assert error_of(await upload(shop, number_id, bytes(1_001)), 400)["code"] == 131053
            assert error_of(await upload(shop, number_id, b"x", "application/zip"), 400)["code"] == 100
            await uploaded(shop, number_id, bytes(1_000))
            assert error_of(await upload(shop, number_id, bytes(501)), 400)["code"] == 131053
            await uploaded(shop, number_id, bytes(500))
            assert error_of(await upload(shop, number_id, b"x"), 400)["code"] == 131053
        service.door.machine.close()


class TestTimeToLive:
    """Files live 30 days, or as long as is asked for."""

    async def test_lifetimes(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Told in minutes, within bounds."""
        for minutes, lives in ((None, CLOUD_MEDIA_TTL_MINUTES_MAX), ("60", 60), ("43200", 43_200)):
            values = {} if minutes is None else {"ttl_minutes": minutes}
            token = parse_media_id(await uploaded(shop, service.number_id, **values))
            assert token is not None
            view = service.door.machine.answer(UploadOf(token))
            assert isinstance(view, UploadView)
            assert 0 <= START_MS + lives * MINUTE_MS + 1_000 - view.until_ms < 1_000

    @pytest.mark.parametrize("minutes", [CLOUD_MEDIA_TTL_MINUTES_MIN - 1, CLOUD_MEDIA_TTL_MINUTES_MAX + 1, "soon", ""])
    async def test_no_lifetime(self, service: CloudService, shop: httpx2.AsyncClient, minutes: object) -> None:
        """Others are refused."""
        assert error_of(await upload(shop, service.number_id, ttl_minutes=str(minutes)), 400)["code"] == 131009

    async def test_gone(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """When its time is over, a file is told of no more."""
        found = await uploaded(shop, service.number_id, ttl_minutes="60")
        service.door.time_ms += 59 * MINUTE_MS
        assert (await shop.get(f"/{found}")).status_code == 200
        service.door.time_ms += 2 * MINUTE_MS
        error = error_of(await shop.get(f"/{found}"), 400)
        assert (error["code"], error["error_subcode"]) == (100, 33)


class TestTell:
    """`GET /M`, and the address it tells."""

    async def test_what_is_told(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """All that clients need; the hash in hexadecimal digits."""
        found = await uploaded(shop, service.number_id)
        about = (await shop.get(f"/{found}")).json()
        url = about.pop("url")
        assert about == {
            "mime_type": "image/jpeg",
            "sha256": hashlib.sha256(JPEG).hexdigest(),
            "file_size": len(JPEG),
            "id": found,
            "messaging_product": "whatsapp",
        }
        assert url.startswith(f"{BASE_URL}/upload/")
        reply = await shop.get(url)
        assert (reply.content, reply.headers["content-type"]) == (JPEG, "image/jpeg")
        # Clients exist that take all after this as the name.
        assert reply.headers["content-disposition"].partition("filename=")[2] == '"cat.jpg"'

    async def test_files_of_people(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """What a person has sent is told of by an id of the same kind."""
        token = bytes(range(100, 116))
        service.door.files.kept[hashlib.sha256(b"hello").digest()] = b"hello"
        slot = RequestUploadSlot(token, "a.txt", 5, "text/plain", 0, 0, 1_000, 10)
        # Any account does; the number of the other business is one that can be spoken for.
        service.door.do(ActForNumber("15550002222", slot))
        service.door.do(StoreUpload(token, hashlib.sha256(b"hello").digest(), 5, "text/plain"))
        about = (await shop.get(f"/{media_id(token)}")).json()
        assert (await shop.get(about["url"])).content == b"hello"

    async def test_unknown(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """An id that was never given out, and a slot without a file."""
        token = bytes(16)
        service.door.do(ActForNumber(NUMBER, RequestUploadSlot(token, "a.txt", 5, "", 0, 0, 1_000, 10)))
        for found in (media_id(bytes(range(16))), media_id(token)):
            error = error_of(await shop.get(f"/{found}"), 400)
            assert (error["code"], error["error_subcode"]) == (100, 33)

    async def test_number(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A number that is named beside must be the business's."""
        found = await uploaded(shop, service.number_id)
        assert (await shop.get(f"/{found}?phone_number_id={service.number_id}")).status_code == 200
        assert error_of(await shop.get(f"/{found}?phone_number_id=1"), 400)["code"] == 100


class TestDelete:
    """`DELETE /M`."""

    async def test_gone(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Once; with the number or without."""
        for query in ("", f"?phone_number_id={service.number_id}"):
            found = await uploaded(shop, service.number_id)
            url = (await shop.get(f"/{found}")).json()["url"]
            assert (await shop.delete(f"/{found}{query}")).json() == {"success": True}
            assert (await shop.get(url)).status_code == 404
            assert error_of(await shop.delete(f"/{found}{query}"), 400)["error_subcode"] == 33

    async def test_of_others(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """What another business has uploaded can be read by its id, but not deleted."""
        found = await uploaded(shop, service.number_id)
        async with service.client(OTHER_TOKEN) as other:
            assert error_of(await other.delete(f"/{found}"), 400)["error_subcode"] == 33
            assert error_of(await other.delete(f"/{found}?phone_number_id={service.number_id}"), 403)["code"] == 10
        assert (await shop.get(f"/{found}")).status_code == 200


class TestFailures:
    """What the system fails at is told in the Graph's form, and can be tried again."""

    @pytest.mark.parametrize("failure", [StorageFull("no space"), StorageError("the disk"), Unavailable("no majority")])
    async def test_disk(self, service: CloudService, shop: httpx2.AsyncClient, failure: Exception) -> None:
        """The disk, or those of a majority."""
        service.door.files.failure = failure  # type: ignore[assignment]
        error = error_of(await upload(shop, service.number_id), 503)
        assert (error["code"], error["is_transient"]) == (131016, True)
        assert service.filing.intake.count == 0
        assert service.door.files.drafts[-1].is_discarded

    async def test_no_quorum(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """The command enters no log."""
        service.door.failures = [Unavailable("no leader")]
        assert error_of(await upload(shop, service.number_id), 503)["code"] == 131016
        assert (await upload(shop, service.number_id)).status_code == 200

    async def test_too_many_at_once(
        self, service: CloudService, shop: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """There is a limit of what is under way."""
        monkeypatch.setattr(intake, "UPLOAD_COUNT_MAX", 0)
        assert error_of(await upload(shop, service.number_id), 503)["code"] == 131016

    async def test_no_files_here(self) -> None:
        """An installation without files says so."""
        async with client_of(CloudDoor()) as client:
            assert error_of(await upload(client, NUMBER_ID), 400)["code"] == 131053
