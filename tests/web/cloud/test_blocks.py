"""Contract 5.3: people are blocked, blocked no longer, listed; each item has its `input`."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from raftline.base.cloud_limits import CLOUD_BLOCK_COUNT_MAX
from raftline.base.errors import OutcomeUnknown
from raftline.base.limits import BLOCKED_ADDRESS_COUNT_MAX
from raftline.machine.business.ids import bsuid
from raftline.machine.business.queries import IdentityOf
from raftline.machine.business.values import Identity
from raftline.machine.commands import ActForNumber, ChangeBlocklist, CreateAccount, DeleteAccount
from raftline.machine.queries import BlocklistOf
from web.cloud.machine_door import ANN, DOMAIN, NUMBER, CloudService
from web.cloud.serving import error_of


def blocklist(service: CloudService) -> tuple[str, ...]:
    """What the state machine says is blocked."""
    found = service.door.machine.answer(BlocklistOf(NUMBER))
    assert isinstance(found, tuple)
    return found  # type: ignore[return-value]


def bsuid_of(service: CloudService, localpart: str, country: str) -> str:
    """The BSUID of somebody."""
    identity = service.door.machine.answer(IdentityOf(localpart))
    assert isinstance(identity, Identity)
    return bsuid(country, identity.account_id)


async def change(client: httpx2.AsyncClient, service: CloudService, method: str, *people: dict[str, Any]) -> Any:
    """Send a change and return the answer."""
    body = {"messaging_product": "whatsapp", "block_users": list(people)}
    reply = await client.request(method, f"/{service.number_id}/block_users", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


class TestBlock:
    """`POST` and `DELETE /P/block_users`."""

    async def test_by_either_name(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A number, however it is written, or a BSUID; the answer repeats what was written."""
        ben = bsuid_of(service, "ben", "ZZ")
        answer = await change(shop, service, "POST", {"user": "+1 555-123-4567"}, {"user_id": ben})
        added = answer["block_users"]["added_users"]
        assert answer["messaging_product"] == "whatsapp"
        assert added == [
            {"input": "+1 555-123-4567", "wa_id": ANN, "user_id": bsuid_of(service, ANN, "US")},
            {"input": ben, "user_id": ben},
        ]
        assert "failed_users" not in answer["block_users"]
        assert blocklist(service) == (f"{ANN}@{DOMAIN}", f"ben@{DOMAIN}")

    async def test_no_longer(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """The body comes with DELETE; who is not named stays blocked."""
        await change(shop, service, "POST", {"user": ANN}, {"user": "ben"})
        answer = await change(shop, service, "DELETE", {"user": ANN})
        assert [one["input"] for one in answer["block_users"]["removed_users"]] == [ANN]
        assert blocklist(service) == (f"ben@{DOMAIN}",)

    async def test_twice(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Blocking who is blocked, and unblocking who is not, does no harm."""
        for method in ("POST", "POST", "DELETE", "DELETE"):
            await change(shop, service, method, {"user": ANN})
        assert blocklist(service) == ()

    async def test_some_fail(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Who can be blocked is; the others are told of one by one, and altogether."""
        answer = await change(shop, service, "POST", {"user": "4912345678"}, {"user": ANN}, {"user": NUMBER}, {})
        assert [one["input"] for one in answer["block_users"]["added_users"]] == [ANN]
        failed = answer["block_users"]["failed_users"]
        assert [(one["input"], one["errors"][0]["code"]) for one in failed] == [
            ("4912345678", 131026),
            (NUMBER, 131021),
            ("", 131008),
        ]
        assert answer["errors"]["code"] == 139100
        assert all(one["errors"][0]["message"] for one in failed)

    async def test_nobody_can(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Unblocking nobody does not unblock all."""
        await change(shop, service, "POST", {"user": ANN})
        answer = await change(shop, service, "DELETE", {"user": "4912345678"})
        assert answer["block_users"]["removed_users"] == []
        assert blocklist(service) == (f"{ANN}@{DOMAIN}",)

    async def test_full(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """The list has a limit: up to it all is well."""
        others = tuple(f"a{number}@example.net" for number in range(BLOCKED_ADDRESS_COUNT_MAX - 1))
        service.door.do(ActForNumber(NUMBER, ChangeBlocklist(True, others)))
        await change(shop, service, "POST", {"user": ANN})
        body = {"messaging_product": "whatsapp", "block_users": [{"user": "ben"}]}
        reply = await shop.post(f"/{service.number_id}/block_users", json=body)
        assert error_of(reply, 400)["code"] == 139101

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"block_users": [{"user": ANN}]}, 131008),
            ({"messaging_product": "sms", "block_users": [{"user": ANN}]}, 131009),
            ({"messaging_product": "whatsapp"}, 131008),
            ({"messaging_product": "whatsapp", "block_users": []}, 131008),
            ({"messaging_product": "whatsapp", "block_users": ANN}, 131009),
        ],
    )
    async def test_bodies(self, service: CloudService, shop: httpx2.AsyncClient, body: object, code: int) -> None:
        """What is missing, and what is of another shape."""
        for method in ("POST", "DELETE"):
            reply = await shop.request(method, f"/{service.number_id}/block_users", json=body)
            assert error_of(reply, 400)["code"] == code

    async def test_too_many(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """One request names so many people, and no more."""
        await change(shop, service, "POST", *[{"user": ANN}] * CLOUD_BLOCK_COUNT_MAX)
        body = {"messaging_product": "whatsapp", "block_users": [{"user": ANN}] * (CLOUD_BLOCK_COUNT_MAX + 1)}
        assert error_of(await shop.post(f"/{service.number_id}/block_users", json=body), 400)["code"] == 131009

    async def test_outcome_unknown(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """It can be tried again."""
        service.door.failures = [OutcomeUnknown("no answer")]
        body = {"messaging_product": "whatsapp", "block_users": [{"user": ANN}]}
        assert error_of(await shop.post(f"/{service.number_id}/block_users", json=body), 503)["code"] == 131016


class TestList:
    """`GET /P/block_users`."""

    async def test_items(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Each has its `input`; what has no name for programs is left out."""
        await change(shop, service, "POST", {"user": ANN}, {"user": "ben"})
        foreign = ("a@example.net", "example.net")
        service.door.do(ActForNumber(NUMBER, ChangeBlocklist(True, foreign)))
        answer = (await shop.get(f"/{service.number_id}/block_users")).json()
        ben = bsuid_of(service, "ben", "ZZ")
        assert answer["data"] == [
            {"messaging_product": "whatsapp", "input": ANN, "wa_id": ANN, "user_id": bsuid_of(service, ANN, "US")},
            {"messaging_product": "whatsapp", "input": ben, "user_id": ben},
        ]
        assert set(answer["paging"]) == {"cursors"}

    async def test_nobody(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """An empty list; one whose only member has gone is empty as well."""
        assert (await shop.get(f"/{service.number_id}/block_users")).json() == {"data": []}
        await change(shop, service, "POST", {"user": "ben"})
        service.door.do(DeleteAccount("ben"))
        assert (await shop.get(f"/{service.number_id}/block_users")).json()["data"] == []

    async def test_pages(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Forward by `next` and back by `previous`, each person once, at the address that the caller used."""
        names = [f"1555000{number:04}" for number in range(7)]
        for name in names:
            service.door.do(CreateAccount(name, ()))
        await change(shop, service, "POST", *({"user": name} for name in names))
        found: list[str] = []
        url: str | None = f"/{service.number_id}/block_users?limit=3"
        last: dict[str, Any] = {}
        while url:
            last = (await shop.get(url)).json()
            found += [one["wa_id"] for one in last["data"]]
            url = last["paging"].get("next")
            assert url is None or url.startswith(f"http://test/v26.0/{service.number_id}/block_users?")
        assert found == names
        before = (await shop.get(last["paging"]["previous"])).json()
        assert [one["wa_id"] for one in before["data"]] == names[3:6]
        assert {"next", "previous"} <= set(before["paging"])
        first = (await shop.get(before["paging"]["previous"])).json()
        assert [one["wa_id"] for one in first["data"]] == names[:3]
        assert "previous" not in first["paging"]

    @pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=-1", "after=%25", "before=_w"])
    async def test_bad_pages(self, service: CloudService, shop: httpx2.AsyncClient, query: str) -> None:
        """Limits and cursors that cannot be."""
        assert error_of(await shop.get(f"/{service.number_id}/block_users?{query}"), 400)["code"] in {100, 131009}

    async def test_a_limit_beyond_the_greatest(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """It is as good as the greatest."""
        await change(shop, service, "POST", {"user": ANN})
        assert len((await shop.get(f"/{service.number_id}/block_users?limit=999999999999")).json()["data"]) == 1
