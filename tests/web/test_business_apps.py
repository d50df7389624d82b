"""Applications, tokens, callbacks and dead letters of businesses over HTTP."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from raftline.base.business_limits import (
    BUSINESS_APP_COUNT_MAX,
    BUSINESS_CALLBACK_SIZE_MAX,
    BUSINESS_EVENT_AGE_MAX_MS,
    BUSINESS_FIELD_COUNT_MAX,
    BUSINESS_NAME_SIZE_MAX,
    BUSINESS_TOKEN_LIFETIME_MAX_S,
    DEAD_EVENT_AGE_MAX_MS,
    SETTLED_EVENT_COUNT_MAX,
)
from raftline.web.businesses import events
from raftline.web.cloud.errors import Code, GraphError
from web.application import Application
from web.test_businesses import ABSENT, CALLBACK, PATH, SHOP

SECRET = re.compile("[0-9a-f]{32}")
HOOK = {"url": CALLBACK["callback_url"], "verify_token": "xyzzy"}


@pytest_asyncio.fixture
async def made(client: httpx2.AsyncClient) -> dict[str, str]:
    """A business, as its creation told it."""
    told: dict[str, str] = (await client.post(PATH, json=SHOP)).json()
    return told


@pytest.fixture
def app(made: dict[str, str]) -> str:
    """The path of its application."""
    return f"/admin/v1/apps/{made['app_id']}"


async def test_absent(client: httpx2.AsyncClient, made: dict[str, str]) -> None:
    """What there is not is 404, whatever is asked of it; ids of other kinds are none."""
    for wrong in (ABSENT["app"], made["waba_id"], "x"):
        path = f"/admin/v1/apps/{wrong}"
        for method, more, body in (
            *(("GET", "", None), ("DELETE", "", None), ("POST", "/secret", None)),
            *(("PUT", "/streams", {"streams": True}), ("GET", "/tokens", None), ("POST", "/tokens", {})),
            *(("DELETE", "/tokens/7", None), ("GET", "/callbacks", None), ("PUT", "/callbacks", HOOK)),
            *(("DELETE", "/callbacks", None), ("GET", "/dead-letters", None), ("DELETE", "/dead-letters", None)),
            *(("POST", "/dead-letters/replay", {}), ("DELETE", "/dead-letters/1-1", None)),
        ):
            answer = await client.request(method, path + more, json=body)
            assert (answer.status_code, answer.json()["error"]["condition"]) == (404, "item-not-found"), (method, more)


async def test_applications(client: httpx2.AsyncClient, made: dict[str, str]) -> None:
    """Added with a secret, shown without, deleted; no more than there may be."""
    apps = f"{PATH}/{made['waba_id']}/apps"
    created = await client.post(apps, json={"name": " Desk "})
    assert created.status_code == 201
    told = created.json()
    assert SECRET.fullmatch(told["app_secret"])
    shown = (await client.get(f"/admin/v1/apps/{told['app_id']}")).json()
    assert (shown["name"], shown["waba_id"], shown["waiting_events"]) == ("Desk", made["waba_id"], 0)
    for _ in range(BUSINESS_APP_COUNT_MAX - 2):
        assert (await client.post(apps, json={"name": "Desk"})).status_code == 201
    beyond = await client.post(apps, json={"name": "Desk"})
    assert (beyond.status_code, beyond.json()["error"]["condition"]) == (409, "resource-constraint")
    assert (await client.delete(f"/admin/v1/apps/{told['app_id']}")).status_code == 204
    assert (await client.get(f"/admin/v1/apps/{told['app_id']}")).status_code == 404


async def test_secrets(client: httpx2.AsyncClient, made: dict[str, str], app: str) -> None:
    """Each is another one, but for a repeat; a key whose secret was replaced since is used up."""
    first = (await client.post(f"{app}/secret", headers={"Idempotency-Key": "k1"})).json()
    assert SECRET.fullmatch(first["app_secret"])
    assert first["app_secret"] != made["app_secret"]
    assert (await client.post(f"{app}/secret", headers={"Idempotency-Key": "k1"})).json() == first
    second = (await client.post(f"{app}/secret", headers={"Idempotency-Key": "k2"})).json()
    assert second["app_secret"] != first["app_secret"]
    late = await client.post(f"{app}/secret", headers={"Idempotency-Key": "k1"})
    assert (late.status_code, late.json()["error"]["condition"]) == (409, "conflict")


async def test_tokens(application: Application, client: httpx2.AsyncClient, made: dict[str, str], app: str) -> None:
    """Issued with label, scopes and an end; told once, and to a repeat; listed without themselves; revoked."""
    body = {"label": "bot", "scopes": ["whatsapp_business_messaging"], "expires_s": 60}
    issued = await client.post(f"{app}/tokens", json=body, headers={"Idempotency-Key": "k"})
    assert issued.status_code == 201
    told = issued.json()
    assert told["token"].startswith("RL")
    assert told["expires_ms"] == application.wall_ms + 60_000
    application.wall_ms += 5
    assert (await client.post(f"{app}/tokens", json=body, headers={"Idempotency-Key": "k"})).json() == told
    other = await client.post(f"{app}/tokens", json={}, headers={"Idempotency-Key": "k"})
    assert other.status_code == 409
    listed = (await client.get(f"{app}/tokens")).json()["tokens"]
    first, second = sorted(listed, key=lambda token: str(token["label"]))
    assert second == {key: value for key, value in told.items() if key != "token"}
    assert (first["label"], first["expires_ms"]) == ("Corner Shop", None)
    assert first["scopes"] == ["whatsapp_business_management", "whatsapp_business_messaging"]
    assert (await client.delete(f"{app}/tokens/{told['token_id']}")).status_code == 204
    for gone in (told["token_id"], "x", "1" * 30):
        assert (await client.delete(f"{app}/tokens/{gone}")).status_code == 404
    created = (await client.post(f"{PATH}/{made['waba_id']}/apps", json={"name": "Desk"})).json()
    foreign = f"/admin/v1/apps/{created['app_id']}/tokens/{first['token_id']}"
    assert (await client.delete(foreign)).status_code == 404, "a token of another application"


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["x"]},
        {"expires_s": 0},
        {"expires_s": BUSINESS_TOKEN_LIFETIME_MAX_S + 1},
        {"label": "a\u0000"},
        {"label": "x" * (BUSINESS_NAME_SIZE_MAX + 1)},
        {"x": 1},
    ],
)
async def test_bad_tokens(client: httpx2.AsyncClient, app: str, body: dict[str, Any]) -> None:
    """They are refused with what is wrong; what is just not too much is taken."""
    assert (await client.post(f"{app}/tokens", json=body)).status_code == 400
    greatest = {"expires_s": BUSINESS_TOKEN_LIFETIME_MAX_S, "label": "x" * BUSINESS_NAME_SIZE_MAX}
    assert (await client.post(f"{app}/tokens", json=greatest)).status_code == 201


async def test_streams(client: httpx2.AsyncClient, app: str) -> None:
    """On and off."""
    assert (await client.put(f"{app}/streams", json={"streams": True})).json()["streams"] is True
    assert (await client.get(app)).json()["streams"] is True
    assert (await client.put(f"{app}/streams", json={"streams": False})).json()["streams"] is False


async def test_callbacks(application: Application, client: httpx2.AsyncClient, made: dict[str, str], app: str) -> None:
    """Set when the receiver expects us, one for each scope, its verify token untold; removed by scope."""
    told = await client.put(f"{app}/callbacks", json=HOOK)
    assert told.json() == {"callbacks": [{"scope": "app", "url": HOOK["url"], "fields": ["messages"]}]}
    of_number = HOOK | {"scope": made["phone_number_id"], "fields": ["messages", "calls", "calls"]}
    await client.put(f"{app}/callbacks", json=of_number)
    listed = (await client.get(f"{app}/callbacks")).json()["callbacks"]
    assert {one["scope"]: one["fields"] for one in listed} == {
        "app": ["messages"],
        made["phone_number_id"]: ["calls", "messages"],
    }
    assert application.challenged == 2 * [(HOOK["url"], "xyzzy")]
    application.challenge_error = GraphError(Code.INVALID_PARAMETER, "no answer")
    refused = await client.put(f"{app}/callbacks", json=HOOK | {"url": "https://other.example.org"})
    assert (refused.status_code, refused.json()["error"]["text"]) == (400, "no answer")
    assert (await client.get(f"{app}/callbacks")).json()["callbacks"] == listed
    assert (await client.delete(f"{app}/callbacks")).status_code == 204
    assert (await client.delete(f"{app}/callbacks")).status_code == 404
    by_scope = await client.delete(f"{app}/callbacks", params={"scope": made["phone_number_id"]})
    assert by_scope.status_code == 204
    assert (await client.get(f"{app}/callbacks")).json() == {"callbacks": []}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"url": ""}, 400),
        ({"url": "https://x/" + "y" * (BUSINESS_CALLBACK_SIZE_MAX - 23)}, 200),
        ({"url": "https://x/" + "y" * (BUSINESS_CALLBACK_SIZE_MAX - 22)}, 400),
        ({"url": "https://x/ y"}, 400),
        ({"url": "https://:80/"}, 400),
        ({"url": "https://x:99999/"}, 400),
        ({"verify_token": ""}, 400),
        ({"fields": []}, 400),
        ({"fields": ["Messages,x"]}, 400),
        ({"fields": ["f" * 64]}, 200),
        ({"fields": ["f" * 65]}, 400),
        ({"fields": ["messages"] * BUSINESS_FIELD_COUNT_MAX}, 200),
        ({"fields": ["messages"] * (BUSINESS_FIELD_COUNT_MAX + 1)}, 400),
        ({"scope": "everything"}, 400),
    ],
)
async def test_bad_callbacks(client: httpx2.AsyncClient, app: str, change: dict[str, Any], status: int) -> None:
    """Both sides of each bound."""
    assert (await client.put(f"{app}/callbacks", json=HOOK | change)).status_code == status


async def test_dead_letters(application: Application, client: httpx2.AsyncClient, made: dict[str, str]) -> None:
    """What they are about, when they were given up, where they were to go; a page at a time."""
    app = f"/admin/v1/apps/{made['app_id']}"
    state = application.door.businesses
    await client.put(f"{app}/callbacks", json=HOOK)
    state.let_die(SHOP["number"], 3)
    assert (await client.get(app)).json()["dead_letters"] == 3
    first = (await client.get(f"{app}/dead-letters", params={"limit": "2"})).json()
    letter = first["dead_letters"][0]
    assert letter["message_id"].startswith("wamid.")
    assert {key: letter[key] for key in ("phone_number_id", "kind", "status", "peer", "group", "name", "callback")} == {
        "phone_number_id": made["phone_number_id"],
        "kind": "message",
        "status": None,
        "peer": "ann@example.org",
        "group": None,
        "name": "ann",
        "callback": HOOK["url"],
    }
    assert letter["died_ms"] - letter["time_ms"] >= BUSINESS_EVENT_AGE_MAX_MS
    assert letter["kept_until_ms"] - letter["died_ms"] == DEAD_EVENT_AGE_MAX_MS
    rest = (await client.get(f"{app}/dead-letters", params={"after": first["next"]})).json()
    assert (len(rest["dead_letters"]), rest["next"]) == (1, None)
    ids = [one["id"] for one in first["dead_letters"] + rest["dead_letters"]]
    for wrong in ({"after": "x"}, {"limit": "501"}):
        assert (await client.get(f"{app}/dead-letters", params=wrong)).status_code == 400

    replayed = await client.post(f"{app}/dead-letters/replay", json={"ids": [ids[1]]})
    assert replayed.json() == {"left": 2}
    assert state.waiting() == [ids[1]]
    assert (await client.delete(f"{app}/dead-letters/{ids[2]}")).status_code == 204
    for absent in (ids[2], ids[1], "9-0", "0-0", "x"):
        assert (await client.delete(f"{app}/dead-letters/{absent}")).status_code == 404
    assert (await client.delete(f"{app}/dead-letters")).json() == {"left": 0}


async def test_bad_choices_of_dead_letters(client: httpx2.AsyncClient, app: str) -> None:
    """None at all, what is no id, and more than there may be at once; as many as that are taken."""
    for ids, status in (
        ([], 400),
        (["x"], 400),
        (["1-1"] * (SETTLED_EVENT_COUNT_MAX + 1), 400),
        (["1-1"] * SETTLED_EVENT_COUNT_MAX, 200),
    ):
        answer = await client.post(f"{app}/dead-letters/replay", json={"ids": ids})
        assert answer.status_code == status, answer.text


async def test_many_dead_letters(
    application: Application, client: httpx2.AsyncClient, app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them take as many commands as need be, but no more than one request may cause; the rest is told."""
    await client.put(f"{app}/callbacks", json=HOOK)
    application.door.businesses.let_die(SHOP["number"], SETTLED_EVENT_COUNT_MAX + 3)
    with monkeypatch.context() as patch:
        patch.setattr(events, "DEAD_LETTER_ROUND_COUNT_MAX", 1)
        assert (await client.post(f"{app}/dead-letters/replay", json={})).json() == {"left": 3}
    assert (await client.post(f"{app}/dead-letters/replay", json={})).json() == {"left": 0}
