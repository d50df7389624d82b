"""Administration over HTTP."""

from __future__ import annotations

import httpx2
import pytest

from raftline.base.errors import Busy, OutcomeUnknown
from raftline.machine.commands import SetCredentials
from web.application import Application


@pytest.mark.parametrize("token", [None, "", "a-token-for-test", "a-token-for-tests2", "ä"])
async def test_without_the_token_nothing_is_told(application: Application, token: str | None) -> None:
    """Every endpoint answers 401 without the right token, and does nothing."""
    async with application.client(None) as client:
        for method, path in (("GET", "users"), ("POST", "users"), ("DELETE", "users/anna"), ("GET", "cluster")):
            headers = {} if token is None else {"Authorization": f"Bearer {token}".encode()}
            reply = await client.request(method, f"/admin/v1/{path}", headers=headers)
            assert reply.status_code == 401
            assert reply.headers["www-authenticate"].startswith("Bearer")
            assert reply.json()["error"]["condition"] == "not-authorized"
    assert application.door.executed == []


async def test_an_account_is_made_listed_changed_deleted(application: Application, client: httpx2.AsyncClient) -> None:
    """The life of an account; names are prepared as addresses are."""
    made = await client.post("/admin/v1/users", json={"username": "Anna", "password": "secret"})
    assert (made.status_code, made.json()) == (201, {"jid": "anna@example.org"})
    listed = await client.get("/admin/v1/users")
    assert listed.json() == {
        "users": [
            {"name": "anna", "jid": "anna@example.org", "created_ms": 1_000, "session_count": 0, "inviter": None}
        ],
        "next": None,
    }
    changed = await client.put("/admin/v1/users/anna/password", json={"password": "other"})
    assert changed.status_code == 204
    stored = application.door.accounts["anna"]
    assert isinstance(stored, SetCredentials)
    assert stored.credentials[0].stored_key == b"other"
    deleted = await client.delete("/admin/v1/users/anna")
    assert deleted.status_code == 204
    assert application.door.accounts == {}


async def test_refusals_of_the_state_machine_have_their_status(client: httpx2.AsyncClient) -> None:
    """A taken name is 409, a missing account 404, each with its condition and a sentence."""
    body = {"username": "anna", "password": "secret"}
    await client.post("/admin/v1/users", json=body)
    again = await client.post("/admin/v1/users", json=body)
    assert (again.status_code, again.json()) == (
        409,
        {"error": {"condition": "conflict", "text": "This name is taken."}},
    )
    for reply in (
        await client.delete("/admin/v1/users/bert"),
        await client.put("/admin/v1/users/bert/password", json={"password": "x"}),
    ):
        assert (reply.status_code, reply.json()["error"]["condition"]) == (404, "item-not-found")


@pytest.mark.parametrize(
    ("body", "condition"),
    [
        ({"username": "", "password": "x"}, "jid-malformed"),
        ({"username": "a b", "password": "x"}, "jid-malformed"),
        ({"username": "a/b", "password": "x"}, "jid-malformed"),
        ({"username": "a@example.net", "password": "x"}, "jid-malformed"),
        ({"username": "anna", "password": ""}, "not-acceptable"),
        ({"username": "anna", "password": "a\x00"}, "not-acceptable"),
        ({"username": "anna"}, "bad-request"),
        ({"username": "anna", "password": 7}, "bad-request"),
        ({"username": "anna", "password": "x", "admin": True}, "bad-request"),
    ],
)
async def test_bad_names_and_passwords_are_400(
    application: Application, client: httpx2.AsyncClient, body: dict[str, object], condition: str
) -> None:
    """What cannot be an account is refused before it reaches the log."""
    reply = await client.post("/admin/v1/users", json=body)
    assert (reply.status_code, reply.json()["error"]["condition"]) == (400, condition)
    assert application.door.executed == []


async def test_bodies_that_are_no_json_are_refused(client: httpx2.AsyncClient) -> None:
    """Another type is 415, broken JSON 400, a body beyond the bound 413."""
    other = await client.post("/admin/v1/users", content=b"{}", headers={"Content-Type": "text/plain"})
    assert other.status_code == 415
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert (await client.post("/admin/v1/users", content=b"{", headers=headers)).status_code == 400
    large = b'{"username":"a","password":"' + b"x" * 65_536 + b'"}'
    assert (await client.post("/admin/v1/users", content=large, headers=headers)).status_code == 413


async def test_a_key_makes_a_change_happen_once(application: Application, client: httpx2.AsyncClient) -> None:
    """The same Idempotency-Key gets the first outcome; another key, or another path, is another change."""
    body = {"username": "anna", "password": "secret"}
    for _ in range(2):
        reply = await client.post("/admin/v1/users", json=body, headers={"Idempotency-Key": "k1"})
        assert reply.status_code == 201
    assert len(application.door.executed) == 1
    assert (await client.post("/admin/v1/users", json=body, headers={"Idempotency-Key": "k2"})).status_code == 409
    assert (await client.delete("/admin/v1/users/anna", headers={"Idempotency-Key": "k1"})).status_code == 204
    long_key = await client.delete("/admin/v1/users/anna", headers={"Idempotency-Key": "k" * 256})
    assert long_key.status_code == 400


async def test_without_a_majority_503_says_what_to_do(application: Application, client: httpx2.AsyncClient) -> None:
    """Certainly nothing happened, and unknown, are both 503 but told apart (P6); reads need the barrier (P4)."""
    application.door.failure = Busy("a queue is full")
    refused = await client.delete("/admin/v1/users/anna")
    assert (refused.status_code, refused.json()["error"]["condition"]) == (503, "service-unavailable")
    assert refused.headers["retry-after"] == "1"
    assert (await client.get("/admin/v1/users")).status_code == 503
    application.door.failure = OutcomeUnknown("no outcome")
    unknown = await client.delete("/admin/v1/users/anna")
    assert (unknown.status_code, unknown.json()["error"]["condition"]) == (503, "remote-server-timeout")
    assert "Idempotency-Key" in unknown.json()["error"]["text"]


async def test_pages_of_accounts_join_without_gap(client: httpx2.AsyncClient) -> None:
    """`next` of a page is `after` of the following one; limits are bounded."""
    for number in range(5):
        await client.post("/admin/v1/users", json={"username": f"user{number}", "password": "x"})
    names, after = [], ""
    while after is not None:
        page = (await client.get("/admin/v1/users", params={"limit": 2, "after": after})).json()
        assert len(page["users"]) <= 2
        names += [user["name"] for user in page["users"]]
        after = page["next"]
    assert names == [f"user{number}" for number in range(5)]
    assert (await client.get("/admin/v1/users", params={"limit": 1_000})).status_code == 200
    for limit in ("0", "1001", "-1", "x", "²"):
        assert (await client.get("/admin/v1/users", params={"limit": limit})).status_code == 400


async def test_status_is_told_without_a_majority(application: Application, client: httpx2.AsyncClient) -> None:
    """The state of the cluster is what one looks at when there is no quorum: no barrier."""
    application.door.failure = Busy("no quorum")
    reply = await client.get("/admin/v1/cluster")
    assert (reply.status_code, reply.json()) == (200, {"leader": 1})
    assert application.door.barrier_count == 0


async def test_unknown_paths_and_methods_have_the_same_error_form(client: httpx2.AsyncClient) -> None:
    """404 and 405 come in the envelope of all errors."""
    missing = await client.get("/admin/v1/nothing")
    assert (missing.status_code, missing.json()["error"]["condition"]) == (404, "item-not-found")
    wrong = await client.patch("/admin/v1/users")
    assert (wrong.status_code, wrong.json()["error"]["condition"]) == (405, "not-allowed")


async def test_a_failure_of_ours_is_500_without_its_details(
    application: Application, client: httpx2.AsyncClient
) -> None:
    """An unexpected exception becomes a plain 500; what it says goes to the log alone."""

    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret detail")

    application.door.ask = fail  # type: ignore[method-assign]
    reply = await client.get("/admin/v1/users")
    assert (reply.status_code, reply.json()["error"]["condition"]) == (500, "internal-server-error")
    assert "secret detail" not in reply.text
