"""Groups over the Cloud API: contract, sections 5.3 and 5.6."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from raftline.base.business_limits import GROUP_DESCRIPTION_LENGTH_MAX, GROUP_SUBJECT_LENGTH_MAX
from raftline.base.cloud_limits import GROUP_PICTURE_BYTES_MAX, GROUP_PICTURE_SIDE_MIN
from raftline.base.errors import OutcomeUnknown, Unavailable
from raftline.machine.business.group_commands import CreateGroup
from raftline.machine.business.ids import group_id, parse_group_id
from raftline.machine.rooms.queries import RoomVcardOf
from raftline.web.cloud.pictures import side_lengths
from web.cloud.grouping import PRODUCT, Person, code_of, make, token_of
from web.cloud.machine_door import ANN, OTHER_TOKEN, CloudService


@pytest.fixture
def service() -> CloudService:
    """Two businesses, Ann with a number, Ben without."""
    return CloudService(ANN, "ben")


@pytest_asyncio.fixture
async def client(service: CloudService) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the token of Shop."""
    async with service.client() as client:
        yield client


def jpeg(width: int, height: int, size: int = 0) -> bytes:
    """The head of a JPEG, after a comment and fill bytes, and something behind it."""
    frame = b"\xff\xc0\x00\x11\x08" + height.to_bytes(2) + width.to_bytes(2) + b"\x03" + bytes(9)
    head = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xfe\x00\x03c" + frame
    return head + bytes(max(size - len(head), 0))


class TestMaking:
    """POST /P/groups."""

    async def test_make(self, service: CloudService, client: httpx2.AsyncClient) -> None:
        """The answer names the request and the group; the name is trimmed."""
        body = PRODUCT | {"subject": "  Offers ", "description": "All", "join_approval_mode": "approval_required"}
        response = await client.post(f"/{service.number_id}/groups", json=body)
        assert response.status_code == 200
        assert set(response.json()) == {"messaging_product", "request_id", "id"}
        assert not response.json()["id"].isdigit()
        shown = (await client.get(f"/{response.json()['id']}")).json()
        assert (shown["subject"], shown["description"]) == ("Offers", "All")
        assert shown["join_approval_mode"] == "approval_required"

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({}, 131008),
            ({"subject": " "}, 131009),
            ({"subject": "x" * (GROUP_SUBJECT_LENGTH_MAX + 1)}, 131009),
            ({"subject": "x", "description": "x" * (GROUP_DESCRIPTION_LENGTH_MAX + 1)}, 131009),
            ({"subject": "x", "join_approval_mode": "maybe"}, 131009),
            ({"subject": 7}, 131009),
            ({"subject": "x", "messaging_product": "fax"}, 131009),
        ],
    )
    async def test_bad_bodies(
        self, service: CloudService, client: httpx2.AsyncClient, fields: dict[str, object], code: int
    ) -> None:
        """What is missing or cannot be is told by its code."""
        response = await client.post(f"/{service.number_id}/groups", json=PRODUCT | fields)
        assert code_of(response) == code

    async def test_longest(self, service: CloudService, client: httpx2.AsyncClient) -> None:
        """A name and a description may be as long as that."""
        await make(
            client, service, subject="x" * GROUP_SUBJECT_LENGTH_MAX, description="x" * GROUP_DESCRIPTION_LENGTH_MAX
        )

    async def test_once(self, service: CloudService, client: httpx2.AsyncClient) -> None:
        """Under the same key there is one group, and one answer; at another number's path the key is another."""
        headers = {"Idempotency-Key": "k"}
        answers = [
            (await client.post(f"/{service.number_id}/groups", json=PRODUCT | {"subject": "x"}, headers=headers)).json()
            for _ in range(2)
        ]
        assert answers[0] == answers[1]
        assert len((await client.get(f"/{service.number_id}/groups")).json()["data"]) == 1
        long = {"Idempotency-Key": "k" * 256}
        response = await client.post(f"/{service.number_id}/groups", json=PRODUCT | {"subject": "x"}, headers=long)
        assert code_of(response) == 131009

    async def test_too_many(
        self, service: CloudService, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A number that leads as many as it may is told so."""
        monkeypatch.setattr("raftline.machine.rooms.entering.ROOM_OWNED_COUNT_MAX", 1)
        await make(client, service)
        response = await client.post(f"/{service.number_id}/groups", json=PRODUCT | {"subject": "x"})
        assert code_of(response) == 131211

    async def test_no_quorum(self, service: CloudService, client: httpx2.AsyncClient) -> None:
        """Without a quorum nothing happens, and it may be tried again."""
        for failure in (Unavailable("none"), OutcomeUnknown("?")):
            service.door.failures.append(failure)
            response = await client.post(f"/{service.number_id}/groups", json=PRODUCT | {"subject": "x"})
            assert code_of(response, 503) == 131016
        assert not any(isinstance(action, CreateGroup) for action in service.door.executed)

    async def test_scope(self, service: CloudService) -> None:
        """A token without the permission for messages does nothing with groups."""
        service.issue("weak", "whatsapp_business_management")
        async with service.client("weak") as client:
            assert code_of(await client.get(f"/{service.number_id}/groups"), 403) == 200


class TestSeeing:
    """GET /G and GET /P/groups."""

    async def test_group(self, service: CloudService, client: httpx2.AsyncClient) -> None:
        """All that clients need, people with number and BSUID; the business is not among them."""
        group = await make(client, service)
        room = parse_group_id(group) or ""
        token = await token_of(client, group)
        for name in (ANN, "ben"):
            Person(service, name).enter(room, token)
        shown = (await client.get(f"/{group}")).json()
        people = shown.pop("participants")
        assert set(shown) == {
            "messaging_product",
            "id",
            "subject",
            "creation_timestamp",
            "suspended",
            "total_participant_count",
            "join_approval_mode",
        }
        assert (shown["id"], shown["suspended"], shown["total_participant_count"]) == (group, False, 2)
        assert shown["join_approval_mode"] == "auto_approve"
        assert [person.get("wa_id") for person in people] == [ANN, None]
        assert [person["user_id"][:3] for person in people] == ["US.", "ZZ."]
        fields = (await client.get(f"/{group}?fields=subject,participants")).json()
        assert set(fields) == {"id", "subject", "participants"}

    async def test_unknown(self, service: CloudService, client: httpx2.AsyncClient) -> None:
        """A group that is not there, and one of another business, look the same."""
        for group in (group_id("nowhere"), group_id("")):
            assert code_of(await client.get(f"/{group}")) == 131041
        group = await make(client, service)
        async with service.client(OTHER_TOKEN) as other:
            for method, path in (
                ("GET", f"/{group}"),
                ("DELETE", f"/{group}"),
                ("GET", f"/{group}/invite_link"),
                ("GET", f"/{group}/join_requests"),
            ):
                assert code_of(await other.request(method, path)) == 131041

    async def test_pages(self, service: CloudService, client: httpx2.AsyncClient) -> None:
        """A page at a time, there and back, by links that lead to where the caller is."""
        groups = sorted([await make(client, service, subject=f"s{number}") for number in range(3)], key=parse_group_id)
        path = f"/{service.number_id}/groups"
        first = (await client.get(f"{path}?limit=2")).json()
        assert [one["id"] for one in first["data"]] == groups[:2]
        assert first["paging"]["next"].startswith("http://test/v26.0/")
        second = (await client.get(first["paging"]["next"])).json()
        assert [one["id"] for one in second["data"]] == groups[2:]
        assert "next" not in second["paging"]
        back = (await client.get(second["paging"]["previous"])).json()
        assert back["data"] == first["data"]
        assert code_of(await client.get(f"{path}?after=%C3%BC")) == 131059
        assert code_of(await client.get(f"{path}?limit=0")) == 131009

    async def test_none(self, service: CloudService, client: httpx2.AsyncClient) -> None:
        """A number without groups has an empty page."""
        assert (await client.get(f"/{service.number_id}/groups")).json() == {"data": []}


class TestChanging:
    """POST /G and DELETE /G."""

    async def test_json(self, service: CloudService, client: httpx2.AsyncClient) -> None:
        """What is named changes, nothing else."""
        group = await make(client, service, description="All")
        response = await client.post(f"/{group}", json={"subject": "Bargains"})
        assert set(response.json()) == {"messaging_product", "request_id"}
        shown = (await client.get(f"/{group}")).json()
        assert (shown["subject"], shown["description"]) == ("Bargains", "All")
        assert (await client.post(f"/{group}", json={"description": ""})).status_code == 200
        assert "description" not in (await client.get(f"/{group}")).json()
        assert code_of(await client.post(f"/{group}", json=PRODUCT)) == 131008
        assert code_of(await client.post(f"/{group}", json={"subject": ""})) == 131009
        assert code_of(await client.post(f"/{group}", content=b"x"), 415) == 100

    async def test_form(self, service: CloudService, client: httpx2.AsyncClient) -> None:
        """A form does the same, and its picture is the room's."""
        group = await make(client, service)
        picture = jpeg(GROUP_PICTURE_SIDE_MIN, GROUP_PICTURE_SIDE_MIN, GROUP_PICTURE_BYTES_MAX)
        files = {
            "messaging_product": (None, "whatsapp"),
            "subject": (None, "Größer"),
            "profile_picture_file": ("profile.jpg", picture, "image/jpeg"),
        }
        response = await client.post(f"/{group}", files=files)
        assert response.status_code == 200, response.text
        assert (await client.get(f"/{group}")).json()["subject"] == "Größer"
        card = service.door.machine.answer(RoomVcardOf(parse_group_id(group) or ""))
        assert isinstance(card, bytes)
        assert b"<TYPE>image/jpeg</TYPE>" in card

    @pytest.mark.parametrize(
        ("picture", "code"),
        [
            (b"GIF89a", 131009),
            (jpeg(192, 192)[:16], 131009),
            (jpeg(200, 300), 131209),
            (jpeg(GROUP_PICTURE_SIDE_MIN - 1, GROUP_PICTURE_SIDE_MIN - 1), 131210),
            (jpeg(192, 192, GROUP_PICTURE_BYTES_MAX + 1), 131009),
        ],
    )
    async def test_bad_pictures(
        self, service: CloudService, client: httpx2.AsyncClient, picture: bytes, code: int
    ) -> None:
        """What is no picture, not square, too small or too large is refused."""
        group = await make(client, service)
        files = {"profile_picture_file": ("p.jpg", picture, "image/jpeg")}
        assert code_of(await client.post(f"/{group}", files=files)) == code

    def test_side_lengths(self) -> None:
        """Width before height; nothing at all, however much of the head is missing, for a part of it."""
        whole = jpeg(640, 480)
        assert side_lengths(whole) == (640, 480)
        frame = whole.index(b"\xff\xc0")
        for length in range(frame + 9):
            assert side_lengths(whole[:length]) is None

    async def test_delete(self, service: CloudService, client: httpx2.AsyncClient) -> None:
        """It is gone."""
        group = await make(client, service)
        response = await client.delete(f"/{group}")
        assert set(response.json()) == {"messaging_product", "request_id"}
        assert code_of(await client.get(f"/{group}")) == 131041
        assert code_of(await client.delete(f"/{group}")) == 131041

    async def test_of_people(self, service: CloudService, client: httpx2.AsyncClient) -> None:
        """A group that a business is only a member of is seen, and not changed."""
        group = await make(client, service)
        ben = Person(service, "ben")
        other = Person(service, "15550002222")
        token = await token_of(client, group)
        for person in (ben, other):
            person.enter(parse_group_id(group) or "", token)
        async with service.client(OTHER_TOKEN) as member:
            assert (await member.get(f"/{group}")).json()["subject"] == "Offers"
            assert code_of(await member.post(f"/{group}", json={"subject": "x"}), 403) == 10
            assert code_of(await member.delete(f"/{group}"), 403) == 10
            for part in ("invite_link", "join_requests"):
                assert code_of(await member.get(f"/{group}/{part}"), 403) == 10
