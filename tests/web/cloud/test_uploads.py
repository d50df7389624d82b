"""Contract 5.3: uploads in two steps, which any node takes up."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from raftline.base.cloud_limits import CLOUD_UPLOAD_SESSION_AGE_MAX_MS
from raftline.machine.business.commands import ChangeApp, CreateApp, RemoveNumber
from raftline.machine.business.ids import GraphKind, graph_id
from raftline.machine.commands import ActForNumber
from raftline.machine.media.queries import UploadOf
from raftline.web.cloud import uploads
from raftline.web.cloud.media import DOCUMENT_SIZE_MAX
from raftline.web.cloud.uploads import parse_handle
from web.cloud.machine_door import OTHER_TOKEN, CloudService
from web.cloud.serving import error_of

CONTENT = b"picture" * 1_000


async def begin(
    client: httpx2.AsyncClient, service: CloudService, length: object = len(CONTENT), kind: str = "image/jpeg"
) -> httpx2.Response:
    """Begin a session as clients do."""
    return await client.post(f"/{service.app_id}/uploads?file_name=profile.jpg&file_length={length}&file_type={kind}")


async def session(client: httpx2.AsyncClient, service: CloudService, length: int = len(CONTENT)) -> str:
    """Return the id of a new session."""
    reply = await begin(client, service, length)
    assert reply.status_code == 200, reply.text
    found: str = reply.json()["id"]
    assert found.startswith("upload:")
    return found


async def send(client: httpx2.AsyncClient, path: str, content: bytes = CONTENT, offset: str = "0") -> httpx2.Response:
    """Send the bytes of a session."""
    return await client.post(f"/{path}", content=content, headers={"file_offset": offset})


class TestSession:
    """From the announcement to the handle."""

    async def test_handle(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """It begins with a digit and a colon, by which clients know handles, and names the file."""
        path = await session(shop, service)
        handle = (await send(shop, path)).json()["h"]
        token = parse_handle(handle)
        assert handle[0].isdigit()
        assert handle[1] == ":"
        assert token is not None
        view = service.door.machine.answer(UploadOf(token))
        assert view.name == "profile.jpg"  # type: ignore[union-attr]
        assert view.account_id == service.shop.number_id  # type: ignore[union-attr]
        about = (await shop.get(f"/{handle.removeprefix('4:')}")).json()
        assert (await shop.get(about["url"])).content == CONTENT

    async def test_offset(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Nothing before, all of it afterwards."""
        path = await session(shop, service)
        assert (await shop.get(f"/{path}")).json() == {"id": path, "file_offset": 0}
        await send(shop, path)
        assert (await shop.get(f"/{path}")).json() == {"id": path, "file_offset": len(CONTENT)}

    async def test_again(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Whoever did not hear the handle gets the same one for the same bytes, and one file is kept."""
        path = await session(shop, service)
        first, second = (await send(shop, path)).json(), (await send(shop, path)).json()
        assert first == second
        assert len([one for one in service.door.executed if isinstance(one, ActForNumber)]) == 1

    async def test_slot_without_file(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A node that died between its two commands is no hindrance."""
        path = await session(shop, service)
        execute, seen = service.door.execute, []

        async def die(action: object, *, key: bytes | None = None) -> object:
            seen.append(action)
            if len(seen) == 2:
                raise RuntimeError("the node dies here")
            return await execute(action, key=key)  # type: ignore[arg-type]

        service.door.execute = die  # type: ignore[method-assign, assignment]
        assert (await send(shop, path)).status_code == 500
        service.door.execute = execute  # type: ignore[method-assign]
        assert "h" in (await send(shop, path)).json()

    async def test_broken_off(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Fewer bytes than announced: nothing is kept, and one begins at 0."""
        path = await session(shop, service)
        assert error_of(await send(shop, path, CONTENT[:-1]), 400)["code"] == 131053
        assert (await shop.get(f"/{path}")).json()["file_offset"] == 0
        assert error_of(await send(shop, path, CONTENT[10:], offset="10"), 400)["code"] == 131009
        assert "h" in (await send(shop, path)).json()

    async def test_more(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """More bytes than announced."""
        path = await session(shop, service)
        assert error_of(await send(shop, path, CONTENT + b"x"), 400)["code"] == 131053
        assert service.filing.intake.count == 0

    async def test_chunks(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A body that comes in pieces, and no offset at all."""
        path = await session(shop, service)

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(CONTENT), 100):
                yield CONTENT[start : start + 100]

        assert "h" in (await shop.post(f"/{path}", content=pieces())).json()


class TestBounds:
    """What is not taken."""

    @pytest.mark.parametrize(
        ("length", "kind", "code"),
        [
            ("", "image/jpeg", 131008),
            (5, "", 131008),
            ("x", "image/jpeg", 131009),
            (0, "image/jpeg", 131009),
            (DOCUMENT_SIZE_MAX + 1, "image/jpeg", 131053),
            (5, "nonsense", 100),
        ],
    )
    async def test_announcements(
        self, service: CloudService, shop: httpx2.AsyncClient, length: object, kind: str, code: int
    ) -> None:
        """Lengths and types that are missing or cannot be."""
        assert error_of(await begin(shop, service, length, kind), 400)["code"] == code

    async def test_greatest(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """As large as a document may be can be announced."""
        assert (await begin(shop, service, DOCUMENT_SIZE_MAX)).status_code == 200

    async def test_ids_that_are_none(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Made up, or changed by a letter."""
        path = await session(shop, service)
        changed = path[:-3] + ("A" if path[-3] != "A" else "B") + path[-2:]
        for text in ("upload:", "upload:abc", "upload:%25", changed, path[:40]):
            assert error_of(await send(shop, text), 400)["error_subcode"] == 33, text

    async def test_too_late(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A session has an end."""
        path = await session(shop, service)
        service.door.time_ms += CLOUD_UPLOAD_SESSION_AGE_MAX_MS - 1_000
        assert (await shop.get(f"/{path}")).status_code == 200
        service.door.time_ms += 1_000
        assert error_of(await shop.get(f"/{path}"), 400)["error_subcode"] == 33

    async def test_another_secret(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """With the secret of the application its sessions end."""
        path = await session(shop, service)
        service.door.do(ChangeApp(service.shop.app_id, "test", secret=bytes(16)))
        assert error_of(await send(shop, path), 400)["error_subcode"] == 33

    async def test_of_others(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A session goes on with a token of its business: of any application of that."""
        path = await session(shop, service)
        async with service.client(OTHER_TOKEN) as other:
            assert error_of(await send(other, path), 403)["code"] == 10
            assert error_of(await begin(other, service), 403)["code"] == 10
        second = service.door.do(CreateApp(service.shop.business_id, "Second", bytes(16), "test"))
        reply = await shop.post(f"/{graph_id(GraphKind.APP, second.app_id)}/uploads?file_length=1&file_type=image/png")
        assert (await send(shop, reply.json()["id"], b"x")).status_code == 200

    async def test_no_number(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A business without a number has nobody to own the file."""
        path = await session(shop, service)
        service.door.do(RemoveNumber(service.shop.number_id, "test"))
        assert error_of(await send(shop, path), 400)["code"] == 131053

    def test_handles(self) -> None:
        """Others are none of ours."""
        assert parse_handle("4:abc") is None
        assert parse_handle("") is None
        assert parse_handle(uploads.handle_of(bytes(16))) == bytes(16)
