"""Links, participants and requests to join over the Cloud API: contract, sections 5.3 and 5.6."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest
import pytest_asyncio

from raftline.base.cloud_limits import GROUP_LINK_RENEWED_MS
from raftline.base.limits import (
    INVITE_LIFETIME_MAX_MS,
    ROOM_CHANGE_COUNT_MAX,
    ROOM_INVITE_USE_COUNT_MAX,
    ROOM_JOIN_REQUEST_COUNT_MAX,
)
from raftline.machine.business.group_commands import ShareGroup
from raftline.machine.business.group_queries import GroupLinkOf
from raftline.machine.business.group_values import GroupLinkView
from raftline.machine.business.ids import parse_group_id
from raftline.machine.outcomes import Done, Rejected
from web.cloud.grouping import PRODUCT, Person, code_of, make, token_of
from web.cloud.machine_door import ANN, CloudService


@pytest.fixture
def service() -> CloudService:
    """Two businesses, Ann with a number, Ben and Cem without."""
    return CloudService(ANN, "ben", "cem")


@pytest_asyncio.fixture
async def client(service: CloudService) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the token of Shop."""
    async with service.client() as client:
        yield client


@pytest_asyncio.fixture
async def group(service: CloudService, client: httpx2.AsyncClient) -> str:
    """A group that anybody with its link is in."""
    return await make(client, service)


@pytest_asyncio.fixture
async def guarded(service: CloudService, client: httpx2.AsyncClient) -> str:
    """A group in which people ask to be let in."""
    return await make(client, service, join_approval_mode="approval_required")


def room_of(group: str) -> str:
    """The local part of a group's room."""
    room = parse_group_id(group)
    assert room is not None
    return room


def link_of(service: CloudService, group: str) -> GroupLinkView:
    """The link as the state has it."""
    found = service.door.machine.answer(GroupLinkOf(room_of(group)))
    assert isinstance(found, GroupLinkView)
    return found


class TestLinks:
    """GET and POST /G/invite_link."""

    async def test_link(self, service: CloudService, client: httpx2.AsyncClient, group: str) -> None:
        """A page of this installation, the same each time, that opens the group."""
        first, second = [(await client.get(f"/{group}/invite_link")).json() for _ in range(2)]
        assert first == second
        start = f"http://test/invite/#{room_of(group)}@conference.example.org?join;preauth="
        assert first["invite_link"].startswith(start)
        assert sum(isinstance(action, ShareGroup) for action in service.door.executed) == 1
        ann = Person(service, ANN)
        assert ann.enter(room_of(group), first["invite_link"].removeprefix(start)).outcome == Done()

    async def test_https(self, service: CloudService) -> None:
        """Where browsers reach a node by HTTPS the page is there."""
        service.cloud._edge = replace(service.cloud._edge, page_url="https://chat.example.org")
        async with service.client() as client:
            group = await make(client, service)
            link = (await client.get(f"/{group}/invite_link")).json()["invite_link"]
        assert link.startswith("https://chat.example.org/invite/#")

    async def test_reset(self, service: CloudService, client: httpx2.AsyncClient, group: str) -> None:
        """Another link, after which the old one opens nothing; under a key it happens once."""
        old = await token_of(client, group)
        headers = {"Idempotency-Key": "k"}
        path = f"/{group}/invite_link"
        new = [(await client.post(path, json=PRODUCT, headers=headers)).json()["invite_link"] for _ in range(2)]
        assert new[0] == new[1]
        assert not new[0].endswith(old)
        assert await token_of(client, group) == new[0].partition(";preauth=")[2]
        assert isinstance(Person(service, ANN).enter(room_of(group), old).outcome, Rejected)
        assert (await client.post(path)).status_code == 200
        assert code_of(await client.post(path, json={"messaging_product": "fax"})) == 131009

    async def test_worn(self, service: CloudService, client: httpx2.AsyncClient, group: str) -> None:
        """A link that is told is good for a while: half of its time and uses at least."""
        token = await token_of(client, group)
        assert 2 * GROUP_LINK_RENEWED_MS == INVITE_LIFETIME_MAX_MS
        service.door.time_ms += INVITE_LIFETIME_MAX_MS - GROUP_LINK_RENEWED_MS + 10
        assert await token_of(client, group) == token
        assert link_of(service, group).expires_ms >= service.door.time_ms + INVITE_LIFETIME_MAX_MS - 10
        shared = [action for action in service.door.executed if isinstance(action, ShareGroup)]
        assert len(shared) == 2

    @pytest.mark.parametrize(("more", "times"), [(0, 1), (1, 2)])
    async def test_used(
        self,
        service: CloudService,
        client: httpx2.AsyncClient,
        group: str,
        monkeypatch: pytest.MonkeyPatch,
        more: int,
        times: int,
    ) -> None:
        """One that has lost half of its uses has all of them again."""
        token = await token_of(client, group)
        monkeypatch.setattr(
            "raftline.web.cloud.group_doors.ROOM_INVITE_USE_COUNT_MAX", 2 * ROOM_INVITE_USE_COUNT_MAX + more
        )
        assert await token_of(client, group) == token
        assert sum(isinstance(action, ShareGroup) for action in service.door.executed) == times

    async def test_asks(self, service: CloudService, client: httpx2.AsyncClient, guarded: str) -> None:
        """Where people are let in, who comes by the link has asked for that."""
        token = await token_of(client, guarded)
        outcome = Person(service, ANN).enter(room_of(guarded), token).outcome
        assert isinstance(outcome, Rejected)
        assert (outcome.condition, "asked" in outcome.text) == ("registration-required", True)
        waiting = (await client.get(f"/{guarded}/join_requests")).json()["data"]
        assert [one["wa_id"] for one in waiting] == [ANN]
        assert link_of(service, guarded).uses == ROOM_INVITE_USE_COUNT_MAX


class TestParticipants:
    """DELETE /G/participants."""

    async def remove(self, client: httpx2.AsyncClient, group: str, *people: dict[str, str]) -> httpx2.Response:
        """Remove people."""
        return await client.request("DELETE", f"/{group}/participants", json=PRODUCT | {"participants": list(people)})

    async def test_remove(self, service: CloudService, client: httpx2.AsyncClient, group: str) -> None:
        """By number and by BSUID; who is not there is told of beside."""
        token = await token_of(client, group)
        for name in (ANN, "ben"):
            Person(service, name).enter(room_of(group), token)
        people = (await client.get(f"/{group}")).json()["participants"]
        response = await self.remove(
            client, group, {"user": f"+{ANN}"}, {"user_id": people[1]["user_id"]}, {"user": "cem"}
        )
        assert response.status_code == 200, response.text
        body = response.json()
        assert set(body) == {"messaging_product", "request_id", "failed_participants"}
        [failed] = body["failed_participants"]
        assert (failed["input"], failed["errors"][0]["code"]) == ("cem", 131212)
        assert (await client.get(f"/{group}")).json()["total_participant_count"] == 0

    async def test_refusals(self, service: CloudService, client: httpx2.AsyncClient, group: str) -> None:
        """Nobody, nobody who is there, somebody twice, too many, the business itself."""
        Person(service, "ben").enter(room_of(group), await token_of(client, group))
        assert code_of(await self.remove(client, group)) == 131008
        assert code_of(await self.remove(client, group, {})) == 131008
        assert code_of(await self.remove(client, group, {"user": ANN}, {"user": "15559999999"})) == 131212
        assert code_of(await self.remove(client, group, {"user": "ben"}, {"user": "ben@example.org"})) == 131202
        many = [{"user": "ben"}] * (ROOM_CHANGE_COUNT_MAX + 1)
        assert code_of(await self.remove(client, group, *many)) == 131204
        assert code_of(await self.remove(client, group, {"user": "15550001111"})) == 131212
        assert (await client.get(f"/{group}")).json()["total_participant_count"] == 1


class TestRequests:
    """GET, POST and DELETE /G/join_requests."""

    async def waiting(self, client: httpx2.AsyncClient, group: str) -> list[dict[str, str]]:
        """Who waits."""
        data: list[dict[str, str]] = (await client.get(f"/{group}/join_requests")).json()["data"]
        return data

    async def decide(self, client: httpx2.AsyncClient, method: str, group: str, ids: list[str]) -> httpx2.Response:
        """Answer requests."""
        return await client.request(method, f"/{group}/join_requests", json=PRODUCT | {"join_requests": ids})

    async def test_decide(self, service: CloudService, client: httpx2.AsyncClient, guarded: str) -> None:
        """Those who wait are listed, let in or not; who was answered waits no more."""
        assert await self.waiting(client, guarded) == []
        for name in ("ben", ANN, "cem"):
            assert Person(service, name).ask(room_of(guarded)).outcome == Done()
        waiting = await self.waiting(client, guarded)
        assert [one.get("wa_id") for one in waiting] == [None, ANN, None]
        assert all(set(one) >= {"join_request_id", "user_id", "creation_timestamp"} for one in waiting)
        ben, ann, cem = (one["join_request_id"] for one in waiting)
        response = await self.decide(client, "POST", guarded, [ben, ann, ben, "jr_!"])
        body = response.json()
        assert set(body) == {"messaging_product", "request_id", "approved_join_requests", "failed_join_requests"}
        assert body["approved_join_requests"] == [ben, ann]
        [failed] = body["failed_join_requests"]
        assert (failed["join_request_id"], failed["errors"][0]["code"]) == ("jr_!", 131213)
        assert (await self.decide(client, "DELETE", guarded, [cem])).json()["rejected_join_requests"] == [cem]
        assert await self.waiting(client, guarded) == []
        shown = (await client.get(f"/{guarded}")).json()
        assert shown["total_participant_count"] == 2
        assert code_of(await self.decide(client, "POST", guarded, [cem])) == 131213

    async def test_refusals(self, client: httpx2.AsyncClient, guarded: str) -> None:
        """None, too many, what is no id."""
        assert code_of(await self.decide(client, "POST", guarded, [])) == 131008
        assert code_of(await self.decide(client, "POST", guarded, ["x"] * (ROOM_JOIN_REQUEST_COUNT_MAX + 1))) == 131009
        for text in ("x", "jr_", "jr_/w", "jr_" + "A" * 64):
            assert code_of(await self.decide(client, "DELETE", guarded, [text])) == 131213

    async def test_full(
        self, service: CloudService, client: httpx2.AsyncClient, guarded: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who finds no place is not let in, and told of."""
        ben, cem = Person(service, "ben"), Person(service, "cem")
        for person in (ben, cem):
            person.ask(room_of(guarded))
        monkeypatch.setattr("raftline.machine.rooms.invitations.ROOM_AFFILIATION_COUNT_MAX", 2)
        ids = [one["join_request_id"] for one in await self.waiting(client, guarded)]
        body = (await self.decide(client, "POST", guarded, ids)).json()
        assert body["approved_join_requests"] == ids[:1]
        assert body["failed_join_requests"][0]["errors"][0]["code"] == 131204

    async def test_pages(self, service: CloudService, client: httpx2.AsyncClient, guarded: str) -> None:
        """Those first that have waited longest."""
        for name in ("cem", "ben"):
            Person(service, name).ask(room_of(guarded))
        first = (await client.get(f"/{guarded}/join_requests?limit=1")).json()
        second = (await client.get(first["paging"]["next"])).json()
        assert [one["user_id"] for one in first["data"] + second["data"]] == [
            one["user_id"] for one in await self.waiting(client, guarded)
        ]
