"""What browsers get: files, configuration, registration, discovery."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from raftline.base.errors import Busy
from raftline.web.page import security_policy
from web.application import WEBSOCKETS, Application


async def test_the_page_and_its_files_are_served_under_the_policy(client: httpx2.AsyncClient) -> None:
    """Index and files come with a content security policy that names our own origin and our nodes alone."""
    index = await client.get("/")
    assert index.status_code == 200
    assert index.headers["content-type"].startswith("text/html")
    assert index.headers["cache-control"] == "no-cache"
    invitation = await client.get("/invite/")
    assert (invitation.status_code, invitation.headers["cache-control"]) == (200, "no-cache")
    script = await client.get("/static/app.js")
    assert script.status_code == 200
    for reply in (index, invitation, script, await client.get("/nothing")):
        policy = reply.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "connect-src 'self' ws://127.0.0.1:15002 ws://127.0.0.1:15012;" in policy
        assert "'unsafe-eval'" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/static/../conftest.py", "/static/%2e%2e/%2e%2e/etc/passwd", "/static/"])
async def test_nothing_beside_the_static_files_is_served(client: httpx2.AsyncClient, path: str) -> None:
    """No path leads out of the static directory, and directories are not listed."""
    assert (await client.get(path)).status_code == 404


async def test_the_configuration_names_all_nodes(application: Application, static_directory: Path) -> None:
    """The page learns domain, WebSockets of all nodes, and whether registration is open."""
    async with application.client(None) as client:
        assert (await client.get("/client-config.json")).json() == {
            "domain": "example.org",
            "websockets": list(WEBSOCKETS),
            "open_registration": True,
        }
    async with Application(static_directory, open_registration=False).client(None) as client:
        assert (await client.get("/client-config.json")).json()["open_registration"] is False


async def test_registration_makes_an_account_once(application: Application) -> None:
    """201, then 409 for the same name in another case; bad input is 400; errors are flat here."""
    async with application.client(None) as client:
        made = await client.post("/client/register", json={"username": "anna", "password": "secret"})
        assert (made.status_code, made.json()) == (201, {"jid": "anna@example.org"})
        taken = await client.post("/client/register", json={"username": "ANNA", "password": "secret"})
        assert (taken.status_code, taken.json()) == (409, {"condition": "conflict", "text": "This name is taken."})
        bad = await client.post("/client/register", json={"username": "a@b", "password": "secret"})
        assert (bad.status_code, bad.json()["condition"]) == (400, "jid-malformed")


async def test_registration_that_is_closed_is_403(static_directory: Path) -> None:
    """Without open registration nobody registers, whatever the body."""
    closed = Application(static_directory, open_registration=False)
    async with closed.client(None) as client:
        reply = await client.post("/client/register", json={"username": "anna", "password": "secret"})
    assert (reply.status_code, reply.json()["condition"]) == (403, "not-allowed")
    assert closed.door.executed == []


async def test_registration_without_a_majority_is_503(application: Application) -> None:
    """The page learns that nothing happened."""
    application.door.failure = Busy("no quorum")
    async with application.client(None) as client:
        reply = await client.post("/client/register", json={"username": "anna", "password": "secret"})
    assert (reply.status_code, reply.json()["condition"]) == (503, "service-unavailable")


async def test_registrations_from_one_address_are_limited(static_directory: Path) -> None:
    """The bucket empties, refuses with Retry-After, and fills again."""
    application = Application(static_directory, per_minute=2)
    async with application.client(None) as client:

        async def register(name: str) -> httpx2.Response:
            return await client.post("/client/register", json={"username": name, "password": "x"})

        assert [(await register(name)).status_code for name in ("a", "b", "c")] == [201, 201, 429]
        assert (await register("c")).headers["retry-after"] == "31"
        application.now_ns += 30_000_000_000
        assert [(await register(name)).status_code for name in ("c", "d")] == [201, 429]


async def test_another_site_cannot_register_through_its_visitors(application: Application) -> None:
    """A form or a simple cross-site request cannot declare JSON, and is refused."""
    async with application.client(None) as client:
        for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            reply = await client.post(
                "/client/register",
                content=b'{"username":"anna","password":"x"}',
                headers={"Content-Type": content_type},
            )
            assert reply.status_code == 415
    assert application.door.executed == []


def test_the_policy_lists_each_origin_once() -> None:
    """Nodes behind one name are one origin."""
    policy = security_policy(("wss://a/xmpp-websocket", "wss://b/xmpp-websocket", "wss://a/xmpp-websocket"))
    assert "connect-src 'self' wss://a wss://b;" in policy
