"""Contract 5.3: what a number and a business are, registration; tokens of applications."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import httpx2
import pytest

from raftline.machine.business.commands import (
    AddNumber,
    ChangeApp,
    ChangeNumber,
    IssueToken,
    RemoveNumber,
    RevokeToken,
    SetCallback,
)
from raftline.machine.business.ids import GraphKind, graph_id
from raftline.machine.business.queries import NumberAt, TokenAccess, TokensOf
from raftline.machine.business.values import NumberView
from raftline.machine.queries import Answer, Query
from raftline.web.cloud.numbers import display_number
from raftline.web.cloud.tokens import HOUR_MS
from web.cloud.machine_door import NUMBER, OTHER_TOKEN, SECRET, TOKEN, CloudService
from web.cloud.serving import error_of


def number(service: CloudService) -> Any:
    """The number as the state machine has it."""
    view = service.door.machine.answer(NumberAt(NUMBER))
    assert isinstance(view, NumberView)
    return view.number


class TestNumber:
    """`GET /P`."""

    async def test_all(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """What clients rely on."""
        found = (await shop.get(f"/{service.number_id}")).json()
        assert found["id"] == service.number_id
        assert found["verified_name"] == "Shop"
        assert found["display_phone_number"] == "+1 555-000-1111"
        assert found["quality_rating"] == "GREEN"
        assert found["platform_type"] == "CLOUD_API"
        assert found["throughput"] == {"level": "STANDARD"}
        assert found["status"] == "CONNECTED"
        assert (found["country_code"], found["country_dial_code"]) == ("US", "1")
        assert "webhook_configuration" not in found

    async def test_fields(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Only those, and the id; names that nobody knows are none."""
        found = (await shop.get(f"/{service.number_id}?fields=verified_name,nonsense,throughput{{level}}")).json()
        assert found == {"id": service.number_id, "verified_name": "Shop", "throughput": {"level": "STANDARD"}}

    async def test_throughput(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A limit above that of the standard tier is one of the higher."""
        for per_second, level in ((80, "STANDARD"), (81, "HIGH"), (0, "STANDARD")):
            service.door.do(ChangeNumber(service.shop.number_id, "test", per_second=per_second))
            found = (await shop.get(f"/{service.number_id}?fields=throughput")).json()
            assert found["throughput"] == {"level": level}

    async def test_callbacks(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Where the application is told, by scope."""
        for scope, url in (("app", "https://a"), (service.business_id, "https://b"), (service.number_id, "https://c")):
            service.door.do(SetCallback(service.shop.app_id, scope, url, "v", "messages", "test"))
        found = (await shop.get(f"/{service.number_id}?fields=webhook_configuration")).json()
        assert found["webhook_configuration"] == {
            "phone_number": "https://c",
            "whatsapp_business_account": "https://b",
            "application": "https://a",
        }

    async def test_of_others(self, service: CloudService) -> None:
        """Not with a token of another business, nor one that may only send."""
        async with service.client(OTHER_TOKEN) as other:
            assert error_of(await other.get(f"/{service.number_id}"), 403)["code"] == 10
        service.issue("EAAweak", "whatsapp_business_messaging")
        async with service.client("EAAweak") as weak:
            assert error_of(await weak.get(f"/{service.number_id}"), 403)["code"] == 200

    async def test_removed(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A number that was removed is none."""
        service.door.do(RemoveNumber(service.shop.number_id, "test"))
        assert error_of(await shop.get(f"/{service.number_id}"), 400)["error_subcode"] == 33

    @pytest.mark.parametrize(
        ("digits", "shown"),
        [("15550001111", "+1 555-000-1111"), ("4930123456", "+49 30 123456"), ("0000000", "+0000000")],
    )
    def test_display(self, digits: str, shown: str) -> None:
        """As people write it; one of no country as it is."""
        assert display_number(digits) == shown


class TestNumbers:
    """`GET /W`, `GET /W/phone_numbers`."""

    async def test_list(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Those of the business alone, in pages."""
        ids = [service.number_id]
        for digits in ("15550003333", "15550004444"):
            made = service.door.do(AddNumber(service.shop.business_id, digits, "More", "test"))
            ids.append(graph_id(GraphKind.NUMBER, made.number_id))
        path = f"/{service.business_id}/phone_numbers"
        whole = (await shop.get(path)).json()
        assert [one["id"] for one in whole["data"]] == ids
        first = (await shop.get(f"{path}?limit=2&fields=id")).json()
        assert first["data"] == [{"id": ids[0]}, {"id": ids[1]}]
        second = (await shop.get(first["paging"]["next"])).json()
        assert second["data"] == [{"id": ids[2]}]

    async def test_business(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """What clients rely on."""
        found = (await shop.get(f"/{service.business_id}")).json()
        assert {"id", "name", "timezone_id"} <= set(found)
        assert found["name"] == "Shop"
        assert (await shop.get(f"/{service.business_id}?fields=name")).json() == {
            "id": service.business_id,
            "name": "Shop",
        }

    async def test_settings(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """They are told, and cannot be changed."""
        path = f"/{service.number_id}/settings"
        assert (await shop.get(path)).json() == {"storage_configuration": {"status": "DEFAULT"}}
        assert error_of(await shop.post(path, json={}), 400)["code"] == 100


class TestRegistration:
    """`POST /P/register`, `POST /P/deregister`."""

    async def test_there_and_back(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A number may send, or not."""
        assert (await shop.post(f"/{service.number_id}/deregister")).json() == {"success": True}
        assert not number(service).is_registered
        found = (await shop.get(f"/{service.number_id}")).json()
        assert (found["status"], found["platform_type"]) == ("DISCONNECTED", "NOT_APPLICABLE")
        body = {"messaging_product": "whatsapp", "pin": "123456"}
        assert (await shop.post(f"/{service.number_id}/register", json=body)).json() == {"success": True}
        assert number(service).is_registered

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"messaging_product": "whatsapp", "pin": "12345"}, 131009),
            ({"messaging_product": "whatsapp", "pin": "1234567"}, 131009),
            ({"messaging_product": "whatsapp", "pin": "abcdef"}, 131009),
            ({"messaging_product": "whatsapp"}, 131008),
            ({"pin": "123456"}, 131008),
        ],
    )
    async def test_pins(self, service: CloudService, shop: httpx2.AsyncClient, body: object, code: int) -> None:
        """Six digits."""
        assert error_of(await shop.post(f"/{service.number_id}/register", json=body), 400)["code"] == code


class TestAppToken:
    """`GET /oauth/access_token`."""

    def path(self, service: CloudService, secret: str = SECRET.hex(), **more: str) -> str:
        """The request of a client."""
        values = {"grant_type": "client_credentials", "client_id": service.app_id, "client_secret": secret, **more}
        return "/oauth/access_token?" + "&".join(f"{name}={value}" for name, value in values.items())

    async def test_issued(self, service: CloudService) -> None:
        """It needs no token, and what it gives is one, for an hour at least."""
        async with service.client(None) as nobody:
            answer = (await nobody.get(self.path(service))).json()
        assert answer["token_type"] == "bearer"
        assert HOUR_MS <= answer["expires_in"] * 1_000 <= 2 * HOUR_MS
        async with service.client(answer["access_token"]) as app:
            assert (await app.get(f"/{service.number_id}")).status_code == 200
            service.door.time_ms += 2 * HOUR_MS
            service.door.do(ChangeApp(service.shop.app_id, "test", streams=True))
            assert error_of(await app.get(f"/{service.number_id}"), 401)["code"] == 190

    async def test_the_same_within_an_hour(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """However often programs start, there is one; an hour later another one."""
        first = (await shop.get(self.path(service))).json()["access_token"]
        assert (await shop.get(self.path(service))).json()["access_token"] == first
        issued = [one for one in service.door.executed if isinstance(one, IssueToken)]
        assert len(issued) == 1
        service.door.time_ms += HOUR_MS
        assert (await shop.get(self.path(service))).json()["access_token"] != first
        tokens = service.door.machine.answer(TokensOf(service.shop.app_id))
        assert isinstance(tokens, list)
        assert {one.digest for one in tokens} >= {sha256(first.encode()).digest(), sha256(TOKEN.encode()).digest()}  # type: ignore[union-attr]

    async def test_revoked(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """One that an operator has revoked is issued again: who has the secret may have it."""
        token = (await shop.get(self.path(service))).json()["access_token"]
        tokens = service.door.machine.answer(TokensOf(service.shop.app_id))
        [found] = [one for one in tokens if one.digest == sha256(token.encode()).digest()]  # type: ignore[union-attr]
        service.door.do(RevokeToken(found.token_id, "test"))  # type: ignore[union-attr]
        async with service.client(token) as app:
            assert error_of(await app.get(f"/{service.number_id}"), 401)["code"] == 190
            assert (await app.get(self.path(service))).json()["access_token"] == token
            assert (await app.get(f"/{service.number_id}")).status_code == 200

    async def test_asked_at_two_nodes(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A node that does not know yet that another one has issued the token gives the same."""
        token = (await shop.get(self.path(service))).json()["access_token"]
        ask = service.door.ask

        async def forget(query: Query) -> Answer:
            return None if query == TokenAccess(sha256(token.encode()).digest()) else await ask(query)

        service.door.ask = forget  # type: ignore[method-assign]
        assert (await shop.get(self.path(service))).json()["access_token"] == token

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"client_secret": "00" * 16}, 100),
            ({"client_id": "15"}, 100),
            ({"client_id": graph_id(GraphKind.APP, 999)}, 100),
            ({"client_id": ""}, 131008),
            ({"client_secret": ""}, 131008),
            ({"grant_type": "password"}, 100),
            ({"code": "abc"}, 100),
        ],
    )
    async def test_refused(
        self, service: CloudService, shop: httpx2.AsyncClient, more: dict[str, str], code: int
    ) -> None:
        """Other ids, other secrets, other grants."""
        assert error_of(await shop.get(self.path(service, **more)), 400)["code"] == code
