"""Businesses and their numbers over HTTP."""

from __future__ import annotations

import re
from hashlib import sha256

import httpx2
import pytest

from raftline.base.business_limits import BUSINESS_NAME_SIZE_MAX, BUSINESS_PACE_MAX
from raftline.base.errors import OutcomeUnknown
from raftline.machine.business.ids import GraphKind, parse_graph_id
from raftline.web.cloud.errors import Code, GraphError
from web.application import PASS, Application

PATH = "/admin/v1/businesses"
SHOP = {"name": "Corner Shop", "number": "15550001111"}
CALLBACK = {"callback_url": "https://bot.example.org/hook", "verify_token": "xyzzy"}
ABSENT = {"app": f"1{9:014}", "business": f"2{9:014}", "number": f"3{9:014}"}


async def test_without_the_token_nothing_happens(application: Application) -> None:
    """Every endpoint asks for it."""
    app = f"/admin/v1/apps/{ABSENT['app']}"
    async with application.client(None) as client:
        for method, path in (
            *(("GET", PATH), ("POST", PATH), ("GET", f"{PATH}/1"), ("DELETE", f"{PATH}/1")),
            *(("POST", f"{PATH}/1/numbers"), ("POST", f"{PATH}/1/apps")),
            *((method, "/admin/v1/numbers/1") for method in ("GET", "PATCH", "DELETE")),
            *((method, app) for method in ("GET", "DELETE")),
            *(("POST", f"{app}/secret"), ("PUT", f"{app}/streams"), ("DELETE", f"{app}/tokens/1")),
            *((method, f"{app}/tokens") for method in ("GET", "POST")),
            *((method, f"{app}/callbacks") for method in ("GET", "PUT", "DELETE")),
            *(("GET", f"{app}/dead-letters"), ("DELETE", f"{app}/dead-letters"), ("DELETE", f"{app}/dead-letters/1-1")),
            *(("POST", f"{app}/dead-letters/replay"), ("GET", "/admin/v1/business-audit")),
        ):
            assert (await client.request(method, path, json={})).status_code == 401, (method, path)
    assert application.door.executed == []


async def test_created(application: Application, client: httpx2.AsyncClient) -> None:
    """Ids that tell what they name, a secret of 16 bytes, a token of which the state has the digest alone."""
    made = await client.post(PATH, json=SHOP)
    assert made.status_code == 201
    told = made.json()
    assert list(told) == ["app_id", "app_secret", "waba_id", "phone_number_id", "token", "jid"]
    for field, kind in (
        ("app_id", GraphKind.APP),
        ("waba_id", GraphKind.BUSINESS),
        ("phone_number_id", GraphKind.NUMBER),
    ):
        parsed = parse_graph_id(told[field])
        assert parsed is not None
        assert parsed[0] is kind
    assert told["jid"] == "15550001111@example.org"
    assert re.fullmatch("[0-9a-f]{32}", told["app_secret"])
    assert re.fullmatch(r"RL[A-Za-z0-9_-]{43}", told["token"])
    state = application.door.businesses
    assert [token.digest for token in state.tokens_of(told["app_id"])] == [sha256(told["token"].encode()).digest()]
    assert state.app(told["app_id"]).app.secret.hex() == told["app_secret"]
    for path in (PATH, f"{PATH}/{told['waba_id']}", f"/admin/v1/apps/{told['app_id']}"):
        shown = (await client.get(path)).text
        assert told["token"] not in shown
        assert told["app_secret"] not in shown


async def test_shown_and_deleted(client: httpx2.AsyncClient) -> None:
    """With its application and number; after that it is gone."""
    told = (await client.post(PATH, json=SHOP | CALLBACK)).json()
    shown = (await client.get(f"{PATH}/{told['waba_id']}")).json()
    assert (shown["name"], shown["waba_id"]) == ("Corner Shop", told["waba_id"])
    [app] = shown["apps"]
    [callback] = app["callbacks"]
    assert (callback["scope"], callback["url"]) == ("app", CALLBACK["callback_url"])
    assert "messages" in callback["fields"]
    [number] = shown["numbers"]
    assert number["number"] == "15550001111"
    assert (number["verified_name"], number["registered"]) == ("Corner Shop", True)
    assert (number["per_second"], number["pair_per_minute"]) == (0, 0)
    assert (await client.delete(f"{PATH}/{told['waba_id']}")).status_code == 204
    assert (await client.get(f"{PATH}/{told['waba_id']}")).status_code == 404
    assert (await client.delete(f"{PATH}/{told['waba_id']}")).status_code == 404


async def test_pages(client: httpx2.AsyncClient) -> None:
    """By id; `next` leads on, and is null at the end."""
    ids = [
        (await client.post(PATH, json={"name": f"B{n}", "number": f"1555000{n:04}"})).json()["waba_id"]
        for n in range(3)
    ]
    first = (await client.get(PATH, params={"limit": "2"})).json()
    assert [one["waba_id"] for one in first["businesses"]] == ids[:2]
    rest = (await client.get(PATH, params={"after": first["next"]})).json()
    assert ([one["waba_id"] for one in rest["businesses"]], rest["next"]) == (ids[2:], None)
    for wrong in ({"limit": "0"}, {"limit": "1001"}, {"after": "x"}, {"after": ABSENT["app"]}):
        assert (await client.get(PATH, params=wrong)).status_code == 400


async def test_a_repeat_is_told_the_same(application: Application, client: httpx2.AsyncClient) -> None:
    """Secrets too, though nobody keeps the token; its callback is not verified again."""
    headers = {"Idempotency-Key": "k1"}
    first = await client.post(PATH, json=SHOP | CALLBACK, headers=headers)
    application.challenge_error = GraphError(Code.INVALID_PARAMETER, "no answer")
    again = await client.post(PATH, json=SHOP | CALLBACK, headers=headers)
    assert first.json() == again.json()
    assert (again.status_code, len(application.door.businesses.businesses())) == (201, 1)
    assert application.challenged == [(CALLBACK["callback_url"], "xyzzy")]


async def test_another_request_under_a_used_key_is_refused(client: httpx2.AsyncClient) -> None:
    """It is neither done nor told what the first one made."""
    headers = {"Idempotency-Key": "k1"}
    await client.post(PATH, json=SHOP, headers=headers)
    other = await client.post(PATH, json=SHOP | {"name": "Other"}, headers=headers)
    assert (other.status_code, other.json()["error"]["condition"]) == (409, "conflict")
    assert "token" not in other.json()


async def test_secrets_of_different_requests_differ(client: httpx2.AsyncClient) -> None:
    """Without a key, and under different keys."""
    made = [
        (
            await client.post(
                PATH,
                json={"name": "B", "number": f"1555000{n:04}"},
                headers={"Idempotency-Key": f"k{n}"} if n % 2 else {},
            )
        ).json()
        for n in range(4)
    ]
    assert len({one["token"] for one in made}) == len({one["app_secret"] for one in made}) == 4


async def test_a_callback_is_verified_first(application: Application, client: httpx2.AsyncClient) -> None:
    """When its receiver does not answer as it should, nothing is made."""
    application.challenge_error = GraphError(Code.INVALID_PARAMETER, "no answer")
    refused = await client.post(PATH, json=SHOP | CALLBACK)
    assert (refused.status_code, refused.json()["error"]["text"]) == (400, "no answer")
    assert application.door.executed == []
    application.challenge_error = None
    assert (await client.post(PATH, json=SHOP | CALLBACK)).status_code == 201


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"number": "1" * 6}, 400),
        ({"number": "1" * 7}, 201),
        ({"number": "+" + "1" * 15}, 201),
        ({"number": "1" * 16}, 400),
        ({"number": "0" + "1" * 7}, 400),
        ({"number": "1 555 000"}, 400),
        ({"number": "\u0661" * 8}, 400),
        ({"name": ""}, 400),
        ({"name": " \t "}, 400),
        ({"name": "a\u0000b"}, 400),
        ({"name": "é" * (BUSINESS_NAME_SIZE_MAX // 2)}, 201),
        ({"name": "é" * (BUSINESS_NAME_SIZE_MAX // 2) + "e"}, 400),
        ({"scopes": ["everything"]}, 400),
        ({"expires_s": 0}, 400),
        ({"expires_s": 1}, 201),
        ({"callback_url": "https://x.example"}, 400),
        ({"verify_token": "x"}, 400),
        ({"callback_url": "ftp://x.example", "verify_token": "x"}, 400),
        ({"callback_url": "https://x.example/" + "y" * 2029, "verify_token": "x"}, 201),
        ({"callback_url": "https://x.example/" + "y" * 2030, "verify_token": "x"}, 400),
        ({"callback_url": "https://[x", "verify_token": "x"}, 400),
        ({"callback_url": "https://x.example/\u0007", "verify_token": "x"}, 400),
        ({"more": 1}, 400),
    ],
)
async def test_bad_input(client: httpx2.AsyncClient, change: dict[str, object], status: int) -> None:
    """Both sides of each bound; texts that cannot be seen; fields that there are not."""
    assert (await client.post(PATH, json=SHOP | change)).status_code == status


async def test_refusals(application: Application, client: httpx2.AsyncClient) -> None:
    """A number that is taken is 409, what is not there 404, of another kind as well, an unknown outcome 503."""
    told = (await client.post(PATH, json=SHOP)).json()
    taken = await client.post(PATH, json=SHOP)
    assert (taken.status_code, taken.json()["error"]["condition"]) == (409, "conflict")
    for wrong in (ABSENT["business"], told["app_id"], "x", "2"):
        assert (await client.get(f"{PATH}/{wrong}")).status_code == 404
        assert (await client.post(f"{PATH}/{wrong}/numbers", json={"number": "15550002222"})).status_code == 404
    application.door.failure = OutcomeUnknown("who knows")
    assert (await client.post(PATH, json=SHOP)).status_code == 503


async def test_numbers(client: httpx2.AsyncClient) -> None:
    """Added under a name of their own or of the business, renamed, limited, deregistered, removed."""
    told = (await client.post(PATH, json=SHOP)).json()
    numbers = f"{PATH}/{told['waba_id']}/numbers"
    plain = await client.post(numbers, json={"number": "+15550002222"})
    assert (plain.status_code, plain.json()["verified_name"]) == (201, "Corner Shop")
    assert (await client.post(numbers, json={"number": "15550002222"})).status_code == 409
    named = (await client.post(numbers, json={"number": "15550003333", "verified_name": "Orders"})).json()
    path = f"/admin/v1/numbers/{named['phone_number_id']}"
    changed = await client.patch(
        path, json={"verified_name": "Sales", "per_second": BUSINESS_PACE_MAX, "pair_per_minute": 10}
    )
    assert changed.json() == named | {"verified_name": "Sales", "per_second": BUSINESS_PACE_MAX, "pair_per_minute": 10}
    assert (await client.patch(path, json={"registered": False})).json()["registered"] is False
    assert (await client.get(path)).json() == changed.json() | {"registered": False}
    assert (await client.patch(path, json={"per_second": 0})).json()["per_second"] == 0
    for wrong in ({"per_second": BUSINESS_PACE_MAX + 1}, {"pair_per_minute": -1}, {"verified_name": ""}, {"x": 1}):
        assert (await client.patch(path, json=wrong)).status_code == 400
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    assert (await client.patch(path, json={"registered": True})).status_code == 404
    assert (await client.delete(path)).status_code == 404


async def test_cards(application: Application, client: httpx2.AsyncClient) -> None:
    """People are shown the name of a number as soon as it is there, and another one as soon as it is changed."""
    cards = application.door.cards
    told = (await client.post(PATH, json=SHOP)).json()
    assert "<FN>Corner Shop</FN>" in cards["15550001111"]
    numbers = f"{PATH}/{told['waba_id']}/numbers"
    await client.post(numbers, json={"number": "15550009999", "verified_name": "Support"})
    assert "<FN>Support</FN>" in cards["15550009999"]
    path = f"/admin/v1/numbers/{told['phone_number_id']}"
    await client.patch(path, json={"per_second": 5})
    await client.patch(path, json={"verified_name": "Fish & Chips"})
    assert "<FN>Fish &amp; Chips</FN>" in cards["15550001111"]


async def test_a_number_under_a_used_key(client: httpx2.AsyncClient) -> None:
    """A repeat gets the same answer; another number under the key is refused."""
    told = (await client.post(PATH, json=SHOP)).json()
    numbers, headers = f"{PATH}/{told['waba_id']}/numbers", {"Idempotency-Key": "k"}
    first = await client.post(numbers, json={"number": "15550002222"}, headers=headers)
    again = await client.post(numbers, json={"number": "15550002222"}, headers=headers)
    assert first.json() == again.json()
    assert (await client.post(numbers, json={"number": "15550003333"}, headers=headers)).status_code == 409


async def test_audit(application: Application, client: httpx2.AsyncClient) -> None:
    """Who did what, the latest first: whoever holds the token, or who is signed in at the console."""
    told = (await client.post(PATH, json=SHOP)).json()
    async with application.client(PASS) as at_console:
        await at_console.post(f"{PATH}/{told['waba_id']}/numbers", json={"number": "15550002222"})
    found = (await client.get("/admin/v1/business-audit")).json()
    assert [line["actor"] for line in found["lines"]] == ["console anna", "admin"]
    assert {line["waba_id"] for line in found["lines"]} == {told["waba_id"]}
    assert found["next"] is None
    first = (await client.get("/admin/v1/business-audit", params={"limit": "1"})).json()
    rest = (await client.get("/admin/v1/business-audit", params={"before": first["next"]})).json()
    assert first["lines"] + rest["lines"] == found["lines"]
    of_other = await client.get("/admin/v1/business-audit", params={"business": ABSENT["business"]})
    assert of_other.json()["lines"] == []
    for wrong in ({"before": "x"}, {"before": "1" * 19}, {"business": told["app_id"]}, {"limit": "501"}):
        assert (await client.get("/admin/v1/business-audit", params=wrong)).status_code == 400
