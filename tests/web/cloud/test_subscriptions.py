"""Contract 5.3: where an application is told of events, at three scopes."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from raftline.base.business_limits import BUSINESS_CALLBACK_SIZE_MAX
from raftline.machine.business.commands import CreateApp
from raftline.machine.business.ids import GraphKind, graph_id
from raftline.machine.business.queries import AppNamed
from raftline.machine.business.values import AppView
from raftline.web.cloud.errors import Code, GraphError
from raftline.web.cloud.subscriptions import FIELD_COUNT_MAX
from web.cloud.machine_door import OTHER_TOKEN, SECRET, CloudService
from web.cloud.serving import error_of

URL = "https://bot.example.org/webhook"
OTHER_URL = "http://127.0.0.1:9000/"
SUCCESS = {"success": True}


def callbacks(service: CloudService) -> dict[str, tuple[str, str, str]]:
    """Callbacks of the application as the state machine has them, by scope."""
    view = service.door.machine.answer(AppNamed(service.shop.app_id))
    assert isinstance(view, AppView)
    return {one.scope: (one.url, one.verify_token, one.fields) for one in view.callbacks}


async def subscribe(client: httpx2.AsyncClient, service: CloudService, **changes: str) -> httpx2.Response:
    """Subscribe as clients do: all in the query."""
    params = {
        "object": "whatsapp_business_account",
        "callback_url": URL,
        "verify_token": "verify",
        "fields": "messages,calls",
        **changes,
    }
    return await client.post(f"/{service.app_id}/subscriptions", params=params)


class TestApplication:
    """`/A/subscriptions`."""

    async def test_set(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """After the challenge; the fields are kept sorted."""
        assert (await subscribe(shop, service)).json() == SUCCESS
        assert service.challenged == [(URL, "verify")]
        assert callbacks(service) == {"app": (URL, "verify", "calls,messages")}

    async def test_with_the_application_alone(self, service: CloudService) -> None:
        """Id and secret of the application are a token for this, in the query as well."""
        async with service.client(None) as nobody:
            reply = await subscribe(nobody, service, access_token=f"{service.app_id}|{SECRET.hex()}")
        assert reply.json() == SUCCESS

    async def test_challenge_fails(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Nothing changes then."""
        await subscribe(shop, service)
        service.challenge_failure = GraphError(Code.INVALID_PARAMETER, "It answered 403.")
        assert error_of(await subscribe(shop, service, callback_url=OTHER_URL), 400)["code"] == 100
        assert callbacks(service)["app"][0] == URL

    async def test_list(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """What is set is told, without the verify token."""
        path = f"/{service.app_id}/subscriptions"
        assert (await shop.get(path)).json() == {"data": []}
        await subscribe(shop, service)
        (found,) = (await shop.get(path)).json()["data"]
        assert found == {
            "object": "whatsapp_business_account",
            "callback_url": URL,
            "active": True,
            "fields": [{"name": "calls", "version": "v26.0"}, {"name": "messages", "version": "v26.0"}],
        }

    async def test_unsubscribe(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """One field, then all; more than once does no harm."""
        path = f"/{service.app_id}/subscriptions"
        await subscribe(shop, service)
        assert (await shop.delete(f"{path}?object=whatsapp_business_account&fields=calls")).json() == SUCCESS
        assert callbacks(service) == {"app": (URL, "verify", "messages")}
        for _ in range(2):
            assert (await shop.delete(path)).json() == SUCCESS
            assert callbacks(service) == {}

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"object": ""}, 131008),
            ({"object": "page"}, 131009),
            ({"callback_url": ""}, 131008),
            ({"callback_url": "ftp://example.org"}, 131009),
            ({"callback_url": "nonsense"}, 131009),
            ({"callback_url": "https://example.org/#x"}, 131009),
            ({"verify_token": ""}, 131008),
            ({"fields": ""}, 131008),
            ({"fields": "Messages!"}, 131009),
            ({"fields": ","}, 131009),
        ],
    )
    async def test_refused(
        self, service: CloudService, shop: httpx2.AsyncClient, changes: dict[str, str], code: int
    ) -> None:
        """What is missing or cannot be is found before anybody is asked."""
        assert error_of(await subscribe(shop, service, **changes), 400)["code"] == code
        assert service.challenged == []

    async def test_limits(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Address, token and fields together; and the number of fields. Both sides."""
        room = BUSINESS_CALLBACK_SIZE_MAX - len(URL) - len("messages")
        assert (await subscribe(shop, service, fields="messages", verify_token="x" * room)).json() == SUCCESS
        refused = await subscribe(shop, service, fields="messages", verify_token="x" * (room + 1))
        assert error_of(refused, 400)["code"] == 131009
        names = [f"field{number}" for number in range(FIELD_COUNT_MAX + 1)]
        assert (await subscribe(shop, service, fields=",".join(names[:-1]))).json() == SUCCESS
        assert error_of(await subscribe(shop, service, fields=",".join(names)), 400)["code"] == 131009

    async def test_of_others(self, service: CloudService) -> None:
        """An application of another business is none of the token's."""
        async with service.client(OTHER_TOKEN) as other:
            assert error_of(await subscribe(other, service), 403)["code"] == 10


class TestBusiness:
    """`/W/subscribed_apps`."""

    async def test_set_and_remove(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """With a body it is set, without one it goes."""
        path, body = f"/{service.business_id}/subscribed_apps", {"override_callback_uri": URL, "verify_token": "v"}
        for remove in (lambda: shop.post(path), lambda: shop.delete(path)):
            assert (await shop.post(path, json=body)).json() == SUCCESS
            assert callbacks(service) == {service.business_id: (URL, "v", "")}
            assert (await remove()).json() == SUCCESS
            assert callbacks(service) == {}
        assert service.challenged == [(URL, "v")] * 2

    async def test_list(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """All applications of the business, with what each has set."""
        second = service.door.do(CreateApp(service.shop.business_id, "Second", bytes(16), "test"))
        path = f"/{service.business_id}/subscribed_apps"
        await shop.post(path, json={"override_callback_uri": URL, "verify_token": "v"})
        data = (await shop.get(path)).json()["data"]
        second_id = graph_id(GraphKind.APP, second.app_id)
        ids = {one["whatsapp_business_api_data"]["id"]: one.get("override_callback_uri") for one in data}
        assert ids == {service.app_id: URL, second_id: None}
        assert {"id", "name", "link"} == set(data[0]["whatsapp_business_api_data"])

    async def test_no_verify_token(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """An address needs one."""
        reply = await shop.post(f"/{service.business_id}/subscribed_apps", json={"override_callback_uri": URL})
        assert error_of(reply, 400)["code"] == 131008


class TestNumber:
    """`POST /P/`, with a slash at the end."""

    async def test_set_and_remove(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """An empty address takes it away."""

        async def configure(**override: Any) -> Any:
            return (await shop.post(f"/{service.number_id}/", json={"webhook_configuration": override})).json()

        assert await configure(override_callback_uri=URL, verify_token="v") == SUCCESS
        assert callbacks(service) == {service.number_id: (URL, "v", "")}
        assert await configure(override_callback_uri="") == SUCCESS
        assert callbacks(service) == {}

    async def test_name(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """The name is set at the same address, but by nobody here."""
        body = {"messaging_product": "whatsapp", "new_display_name": "Best Shop"}
        assert error_of(await shop.post(f"/{service.number_id}", json=body), 403)["code"] == 10

    async def test_pin(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Two-step verification is set at the same address as well, and there is none."""
        error = error_of(await shop.post(f"/{service.number_id}", json={"pin": "123456"}), 400)
        assert error["code"] == 100
        assert "two-step" in error["error_data"]["details"]

    async def test_nothing(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A body that says nothing."""
        assert error_of(await shop.post(f"/{service.number_id}/", json={}), 400)["code"] == 131008
