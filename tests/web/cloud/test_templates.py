"""Contract 5.3: templates are stored, found, changed and deleted; what one may be made of."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from raftline.base.business_limits import BUSINESS_TEMPLATE_COUNT_MAX, BUSINESS_TEMPLATE_SIZE_MAX
from raftline.machine.business.commands import StoreTemplate
from raftline.machine.business.ids import GraphKind, graph_id
from raftline.web.cloud import template_shapes as shapes
from raftline.web.cloud.errors import GraphError
from web.cloud.machine_door import OTHER_TOKEN, CloudService
from web.cloud.serving import error_of

BODY: dict[str, Any] = {"type": "BODY", "text": "Hi {{1}}, your order {{2}} is ready."}
WHOLE: list[dict[str, Any]] = [
    {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}"},
    BODY,
    {"type": "FOOTER", "text": "Thank you"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Stop"},
            {"type": "URL", "text": "Track", "url": "https://example.org/{{1}}"},
            {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "15550001111"},
            {"type": "COPY_CODE", "example": "SAVE25"},
        ],
    },
]


async def create(client: httpx2.AsyncClient, service: CloudService, **changes: Any) -> httpx2.Response:
    """Submit a template."""
    body = {"name": "order_ready", "language": "en_US", "category": "UTILITY", "components": WHOLE, **changes}
    return await client.post(f"/{service.business_id}/message_templates", json=body)


class TestStored:
    """The endpoints."""

    async def test_create_and_show(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """It is approved at once, and told as it was submitted."""
        made = (await create(shop, service)).json()
        assert (made["status"], made["category"]) == ("APPROVED", "UTILITY")
        assert (await shop.get(f"/{made['id']}")).json() == {
            "id": made["id"],
            "name": "order_ready",
            "language": "en_US",
            "status": "APPROVED",
            "category": "UTILITY",
            "components": WHOLE,
            "parameter_format": "POSITIONAL",
        }
        assert (await shop.get(f"/{made['id']}?fields=name")).json() == {"id": made["id"], "name": "order_ready"}

    async def test_twice(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A name is there once in a language; in another one it may be."""
        await create(shop, service)
        assert error_of(await create(shop, service), 400)["error_subcode"] == 2388024
        assert (await create(shop, service, language="de")).status_code == 200

    async def test_change(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """The components, or the category; the id stays."""
        template_id = (await create(shop, service)).json()["id"]
        answer = (await shop.post(f"/{template_id}", json={"components": [BODY]})).json()
        assert answer == {"success": True, "id": template_id, "name": "order_ready", "category": "UTILITY"}
        assert (await shop.get(f"/{template_id}")).json()["components"] == [BODY]
        await shop.post(f"/{template_id}", json={"category": "MARKETING"})
        found = (await shop.get(f"/{template_id}")).json()
        assert (found["category"], found["components"]) == ("MARKETING", [BODY])

    async def test_delete(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """By id in one language, by name in all."""
        path = f"/{service.business_id}/message_templates"
        ids = [(await create(shop, service, language=language)).json()["id"] for language in ("en_US", "de", "fr")]
        assert (await shop.delete(f"{path}?name=order_ready&hsm_id={ids[1]}")).json() == {"success": True}
        left = [one["id"] for one in (await shop.get(path)).json()["data"]]
        assert sorted(left) == sorted([ids[0], ids[2]])
        assert (await shop.delete(f"{path}?name=order_ready")).json() == {"success": True}
        assert (await shop.get(path)).json() == {"data": []}
        assert error_of(await shop.delete(f"{path}?name=order_ready"), 400)["error_subcode"] == 2593002
        assert error_of(await shop.delete(f"{path}?name=order_ready&hsm_id={ids[0]}"), 400)["code"] == 100
        assert error_of(await shop.delete(path), 400)["code"] == 131008

    async def test_unknown(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """An id that is none, or another business's."""
        made = (await create(shop, service)).json()["id"]
        none = graph_id(GraphKind.TEMPLATE, 999)
        assert error_of(await shop.get(f"/{none}"), 400)["error_subcode"] == 33
        assert error_of(await shop.post(f"/{none}", json={}), 400)["error_subcode"] == 33
        async with service.client(OTHER_TOKEN) as other:
            assert error_of(await other.get(f"/{made}"), 400)["error_subcode"] == 33
            assert error_of(await other.get(f"/{service.business_id}/message_templates"), 403)["code"] == 10

    async def test_how_many(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """A business has so many, and no more."""
        for number in range(BUSINESS_TEMPLATE_COUNT_MAX - 1):
            service.door.do(StoreTemplate(service.shop.business_id, f"t{number}", "en", "UTILITY", b"[]", "test"))
        assert (await create(shop, service)).status_code == 200
        assert error_of(await create(shop, service, name="one_more"), 400)["code"] == 100

    async def test_how_large(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Examples and the like count as well."""

        def padded(size: int) -> list[dict[str, Any]]:
            return [{**BODY, "example": "x" * size}]

        empty = len(httpx2.Request("POST", "http://test", json=padded(0)).content)
        room = BUSINESS_TEMPLATE_SIZE_MAX - empty
        assert (await create(shop, service, components=padded(room))).status_code == 200
        refused = await create(shop, service, name="more", components=padded(room + 1))
        assert error_of(refused, 400)["code"] == 131009


class TestList:
    """Filters and pages."""

    async def test_filters(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Each, and two together."""
        await create(shop, service)
        await create(shop, service, language="de", category="MARKETING", components=[{"type": "BODY", "text": "Moin"}])
        await create(shop, service, name="welcome", category="MARKETING", components=[BODY])
        path = f"/{service.business_id}/message_templates"
        for query, count in (
            ("", 3),
            ("language=de", 1),
            ("language=de,en_US", 3),
            ("category=MARKETING", 2),
            ("category=MARKETING&language=en_US", 1),
            ("status=APPROVED", 3),
            ("status=REJECTED", 0),
            ("name=order", 2),
            ("name=Order_Ready", 2),
            ("content=MOIN", 1),
            ("name_or_content=welcome", 1),
            ("name_or_content=moin", 1),
        ):
            assert len((await shop.get(f"{path}?{query}")).json()["data"]) == count, query

    async def test_pages_and_summary(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """Filters go with the links, and the summary counts what was asked for and what there is."""
        for name in ("a", "b", "c", "x"):
            await create(shop, service, name=f"order_{name}" if name != "x" else "x")
        url = f"/{service.business_id}/message_templates?name=order&limit=2&fields=name&summary=total_count"
        first = (await shop.get(url)).json()
        assert [one["name"] for one in first["data"]] == ["order_a", "order_b"]
        assert first["summary"]["total_count"] == 3
        assert first["summary"]["message_template_count"] == 4
        assert first["summary"]["message_template_limit"] == BUSINESS_TEMPLATE_COUNT_MAX
        second = (await shop.get(first["paging"]["next"])).json()
        assert [one["name"] for one in second["data"]] == ["order_c"]
        assert set(second["data"][0]) == {"id", "name"}


class TestShapes:
    """What a template may be made of."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"name": "Order"},
            {"name": ""},
            {"name": "x" * (shapes.NAME_LENGTH_MAX + 1)},
            {"language": "english"},
            {"category": "SPAM"},
            {"components": "BODY"},
            {"name": 5},
        ],
    )
    async def test_names(self, service: CloudService, shop: httpx2.AsyncClient, changes: dict[str, Any]) -> None:
        """Names, languages, categories that cannot be."""
        assert error_of(await create(shop, service, **changes), 400)["code"] == 131009

    async def test_missing(self, service: CloudService, shop: httpx2.AsyncClient) -> None:
        """All four are needed."""
        whole = {"name": "a", "language": "en", "category": "UTILITY", "components": [BODY]}
        for name in whole:
            body = {key: value for key, value in whole.items() if key != name}
            reply = await shop.post(f"/{service.business_id}/message_templates", json=body)
            assert error_of(reply, 400)["code"] == 131008

    def test_longest(self) -> None:
        """At each limit all is well."""
        shapes.require_name("x" * shapes.NAME_LENGTH_MAX)
        button = {"type": "QUICK_REPLY", "text": "x" * shapes.BUTTON_TEXT_LENGTH_MAX}
        url = {"type": "URL", "text": "x", "url": "https://" + "x" * (shapes.URL_LENGTH_MAX - 8)}
        phone = {"type": "PHONE_NUMBER", "text": "x", "phone_number": "1" * shapes.PHONE_LENGTH_MAX}
        code = {"type": "COPY_CODE", "example": ["x" * shapes.COPY_CODE_LENGTH_MAX]}
        shapes.require_components(
            [
                {"type": "HEADER", "format": "TEXT", "text": "x" * shapes.HEADER_LENGTH_MAX},
                {"type": "BODY", "text": "x" * shapes.BODY_LENGTH_MAX},
                {"type": "FOOTER", "text": "x" * shapes.FOOTER_LENGTH_MAX},
                {"type": "BUTTONS", "buttons": [button, url, phone, code, *[button] * (shapes.BUTTON_COUNT_MAX - 4)]},
            ]
        )

    @pytest.mark.parametrize(
        ("component", "code"),
        [
            ("BODY", 131009),
            ({}, 131008),
            ({"type": 5}, 131009),
            ({"type": "CAROUSEL", "cards": []}, 100),
            ({"type": "LIMITED_TIME_OFFER"}, 100),
            ({"type": "BODY", "text": "twice"}, 100),
            ({"type": "HEADER"}, 131008),
            ({"type": "HEADER", "format": "PRODUCT"}, 100),
            ({"type": "HEADER", "format": "TEXT"}, 131008),
            ({"type": "HEADER", "format": "TEXT", "text": 5}, 131009),
            ({"type": "HEADER", "format": "TEXT", "text": "x" * (shapes.HEADER_LENGTH_MAX + 1)}, 131009),
            ({"type": "HEADER", "format": "TEXT", "text": "{{1}} {{2}}"}, 131009),
            ({"type": "HEADER", "format": "TEXT", "text": "{{name}}"}, 131009),
            ({"type": "FOOTER", "text": ""}, 131008),
            ({"type": "FOOTER", "text": "{{1}}"}, 131009),
            ({"type": "FOOTER", "text": "x" * (shapes.FOOTER_LENGTH_MAX + 1)}, 131009),
            ({"type": "BUTTONS"}, 131008),
            ({"type": "BUTTONS", "buttons": []}, 131008),
            ({"type": "BUTTONS", "buttons": ["x"]}, 131009),
            ({"type": "BUTTONS", "buttons": [{"type": "FLOW", "text": "x"}]}, 100),
            ({"type": "BUTTONS", "buttons": [{"type": "OTP", "text": "x"}]}, 100),
            ({"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY"}]}, 131008),
            ({"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "x" * 26}]}, 131009),
            ({"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "x"}] * 11}, 131009),
            ({"type": "BUTTONS", "buttons": [{"type": "URL", "text": "x", "url": "ftp://x"}]}, 131009),
            ({"type": "BUTTONS", "buttons": [{"type": "URL", "text": "x", "url": "https://{{1}}{{2}}"}]}, 131009),
            ({"type": "BUTTONS", "buttons": [{"type": "PHONE_NUMBER", "text": "x"}]}, 131008),
            ({"type": "BUTTONS", "buttons": [{"type": "COPY_CODE", "example": "x" * 16}]}, 131009),
        ],
    )
    def test_components(self, component: Any, code: int) -> None:
        """What cannot be beside a body."""
        with pytest.raises(GraphError) as caught:
            shapes.require_components([BODY, component])
        assert caught.value.code == code

    @pytest.mark.parametrize(
        "text", ["{{0}}", "{{2}}", "{{1}} {{3}}", "{{Name}}", "{{}}", "{{1}} {{name}}", "x" * 1025, "", "bell \x07"]
    )
    def test_bodies(self, text: str) -> None:
        """Places count from 1 on or have names, of one kind."""
        with pytest.raises(GraphError):
            shapes.require_components([{"type": "BODY", "text": text}])

    def test_no_body(self) -> None:
        """There is none without."""
        with pytest.raises(GraphError, match="BODY"):
            shapes.require_components(WHOLE[:1])

    def test_format(self) -> None:
        """Told by the places."""
        named = [{"type": "BODY", "text": "Hi {{first_name}}, {{ order }}"}]
        shapes.require_components(named)
        assert shapes.parameter_format(named) == "NAMED"
        assert shapes.parameter_format(WHOLE) == "POSITIONAL"
        assert shapes.places_of("{{a}} {{b}} {{a}}") == ["a", "b"]
