"""Invitations of people over HTTP."""

from __future__ import annotations

import re

import httpx2
import pytest

from raftline.base.errors import OutcomeUnknown
from raftline.base.limits import INVITE_LIFETIME_MAX_MS, INVITE_LIFETIME_MIN_MS, INVITE_LIFETIME_MS
from raftline.machine.invites.commands import IssueInvite, Purpose
from raftline.xmpp.invites import digest_of
from web.application import Application

PATH = "/admin/v1/invitations"


async def test_without_the_token_nothing_happens(application: Application) -> None:
    """Every endpoint asks for it."""
    async with application.client(None) as client:
        for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/{'ab' * 32}")):
            assert (await client.request(method, path, json={})).status_code == 401
    assert application.door.executed == []


async def test_one_is_made_listed_and_taken_back(application: Application, client: httpx2.AsyncClient) -> None:
    """The link is told once; the list knows the name, which was prepared, and an id."""
    made = await client.post(PATH, json={"username": "Anna"})
    assert made.status_code == 201
    told = made.json()
    found = re.fullmatch(r"xmpp:anna@example\.org\?register;preauth=([0-9a-f]{24})", told["uri"])
    assert found is not None
    assert (told["username"], told["expires_ms"]) == ("anna", 1_000 + INVITE_LIFETIME_MS)
    assert told["landing_url"] == f"https://one.example.org:5443/invite/#{told['uri'].removeprefix('xmpp:')}"
    [action] = application.door.executed
    assert action == IssueInvite(digest_of(found[1]), "", "anna", int(Purpose.REGISTER), INVITE_LIFETIME_MS)
    [entry] = (await client.get(PATH)).json()["invitations"]
    assert entry == {
        "id": digest_of(found[1]).hex(),
        "inviter": None,
        "username": "anna",
        "registers": True,
        "room": None,
        "uses": 1,
        "expires_ms": 2_000,
    }
    assert found[1] not in (await client.get(PATH)).text
    assert (await client.delete(f"{PATH}/{entry['id']}")).status_code == 204
    assert (await client.get(PATH)).json() == {"invitations": []}


async def test_without_a_name(client: httpx2.AsyncClient) -> None:
    """The link is for the service; each has a token of its own."""
    links = {(await client.post(PATH, json={})).json()["uri"] for _ in range(3)}
    assert len(links) == 3
    assert all(link.startswith("xmpp:example.org?register;preauth=") for link in links)


async def test_a_repeat_under_the_same_key_tells_the_same_link(application: Application) -> None:
    """After an unknown outcome, at another node too; another key is another link."""
    headers = {"Idempotency-Key": "k1"}
    async with application.client() as client:
        first = await client.post(PATH, json={"username": "anna"}, headers=headers)
        again = await client.post(PATH, json={"username": "anna"}, headers=headers)
        other = await client.post(PATH, json={"username": "bert"}, headers={"Idempotency-Key": "k2"})
    assert first.json() == again.json() != other.json()
    assert len(application.door.invites) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"lifetime_s": INVITE_LIFETIME_MIN_MS // 1000 - 1}, 400),
        ({"lifetime_s": INVITE_LIFETIME_MIN_MS // 1000}, 201),
        ({"lifetime_s": INVITE_LIFETIME_MAX_MS // 1000}, 201),
        ({"lifetime_s": INVITE_LIFETIME_MAX_MS // 1000 + 1}, 400),
        ({"username": "a b"}, 400),
        ({"name": "anna"}, 400),
    ],
)
async def test_bad_input(client: httpx2.AsyncClient, body: dict[str, object], status: int) -> None:
    """Both sides of both bounds of its lifetime; names that cannot be one; keys that there are not."""
    assert (await client.post(PATH, json=body)).status_code == status


async def test_refusals(application: Application, client: httpx2.AsyncClient) -> None:
    """A name that is taken is 409, an invitation that there is not 404, an unknown outcome 503."""
    await client.post("/admin/v1/users", json={"username": "anna", "password": "secret"})
    assert (await client.post(PATH, json={"username": "anna"})).status_code == 409
    for wrong in ("ab" * 32, "ab", "nonsense"):
        assert (await client.delete(f"{PATH}/{wrong}")).status_code == 404
    application.door.failure = OutcomeUnknown("who knows")
    assert (await client.post(PATH, json={})).status_code == 503
