"""Signing in at the console: who may, who may not, and how often it may be tried."""

from __future__ import annotations

import httpx2
import pytest

from console.consoles import ADMINISTRATOR, PER_MINUTE, ConsoleApplication
from raftline.base.errors import Unavailable
from raftline.console.sessions import PASS_LIFETIME_MS
from raftline.console.sign_in import BODY_BYTES_MAX, COOKIE
from web.application import TOKEN

PATH = "/console/session"
PASSWORD = "of anna"


@pytest.fixture
def anna(application: ConsoleApplication) -> ConsoleApplication:
    """An administrator, and somebody who is none."""
    application.add_account(ADMINISTRATOR, PASSWORD)
    application.add_account("bert", "of bert")
    return application


async def sign_in(client: httpx2.AsyncClient, name: str = ADMINISTRATOR, password: str = PASSWORD) -> httpx2.Response:
    """Try by an account."""
    return await client.post(PATH, json={"username": name, "password": password})


def condition(reply: httpx2.Response) -> tuple[int, str]:
    """The status of a refusal, and its condition."""
    return reply.status_code, reply.json()["error"]["condition"]


async def users_by(client: httpx2.AsyncClient, shown: str) -> int:
    """Ask the administration interface with a bearer token."""
    return (await client.get("/admin/v1/users", headers={"Authorization": f"Bearer {shown}"})).status_code


class TestByAccount:
    """An account of `xmpp.administrators`."""

    async def test_an_administrator_gets_a_pass(self, anna: ConsoleApplication) -> None:
        """It opens the administration interface; the cookie, out of reach of scripts and other sites, does not."""
        async with anna.client(token=None) as client:
            reply = await sign_in(client)
            told = reply.json()
            assert (reply.status_code, told["account"]) == (201, ADMINISTRATOR)
            assert told["lifetime_ms"] == PASS_LIFETIME_MS
            assert reply.headers["cache-control"] == "no-store"
            cookie = reply.headers["set-cookie"]
            assert cookie.startswith(f"{COOKIE}=")
            for word in ("HttpOnly", "SameSite=strict", f"Path={PATH}"):
                assert word in cookie
            assert "Secure" not in cookie  # plain HTTP here
            assert await users_by(client, told["pass"]) == 200
            assert await users_by(client, client.cookies[COOKIE]) == 401
            assert await users_by(client, "") == 401

    async def test_over_https_the_cookie_is_secure(self, anna: ConsoleApplication) -> None:
        """It does not leave by plain HTTP."""
        async with anna.client(token=None) as client:
            reply = await client.post("https://test" + PATH, json={"username": ADMINISTRATOR, "password": PASSWORD})
            assert "Secure" in reply.headers["set-cookie"]

    async def test_a_full_address_is_a_name_too(self, anna: ConsoleApplication) -> None:
        """Prepared as everywhere."""
        async with anna.client(token=None) as client:
            assert (await sign_in(client, "ANNA@example.org")).status_code == 201

    async def test_a_wrong_password_is_refused(self, anna: ConsoleApplication) -> None:
        """In the same words as a name that there is none of, for which as much is computed."""
        async with anna.client(token=None) as client:
            wrong, nobody = await sign_in(client, password="x"), await sign_in(client, "nobody")
        assert condition(wrong) == condition(nobody) == (401, "not-authorized")
        assert wrong.json() == nobody.json()
        assert "set-cookie" not in wrong.headers
        assert len(anna.checked) == 2

    async def test_others_are_refused(self, anna: ConsoleApplication) -> None:
        """With the right password as well: 403. With a wrong one nothing is told of who is an administrator."""
        async with anna.client(token=None) as client:
            assert condition(await sign_in(client, "bert", "of bert")) == (403, "forbidden")
            assert condition(await sign_in(client, "bert", "x")) == (401, "not-authorized")

    async def test_a_name_that_cannot_be_one(self, anna: ConsoleApplication) -> None:
        """Nothing is asked of the system."""
        async with anna.client(token=None) as client:
            assert condition(await sign_in(client, "a\u0000b")) == (401, "not-authorized")
            assert condition(await sign_in(client, "")) == (401, "not-authorized")
        assert anna.door.barrier_count == 0

    async def test_without_a_quorum(self, anna: ConsoleApplication) -> None:
        """An account cannot be looked up: 503. The token is good still."""
        anna.door.failure = Unavailable("no quorum")
        async with anna.client(token=None) as client:
            assert condition(await sign_in(client)) == (503, "service-unavailable")
            assert (await client.post(PATH, json={"token": TOKEN})).status_code == 201


class TestByToken:
    """The token of the cluster."""

    async def test_it_gives_a_pass(self, application: ConsoleApplication) -> None:
        """Of nobody's account."""
        async with application.client(token=None) as client:
            reply = await client.post(PATH, json={"token": f" {TOKEN}\n"})
            assert (reply.status_code, reply.json()["account"]) == (201, "")
            assert await users_by(client, reply.json()["pass"]) == 200

    async def test_another_is_refused(self, application: ConsoleApplication) -> None:
        """401."""
        async with application.client(token=None) as client:
            assert condition(await client.post(PATH, json={"token": "another"})) == (401, "not-authorized")


class TestLimits:
    """How often it may be tried, and how large a body may be."""

    async def test_an_account_is_tried_so_often(self, anna: ConsoleApplication) -> None:
        """From wherever; then even the right password waits, others do not."""
        async with anna.client(token=None) as client:
            for _ in range(PER_MINUTE):
                assert (await sign_in(client, password="x")).status_code == 401
            assert condition(await sign_in(client)) == (429, "policy-violation")
            assert len(anna.checked) == PER_MINUTE
            assert condition(await sign_in(client, "bert", "of bert")) == (403, "forbidden")
            anna.now_ns += 60 * 10**9
            assert (await sign_in(client)).status_code == 201

    async def test_an_address_tries_so_often(self, anna: ConsoleApplication) -> None:
        """Tokens and names alike."""
        async with anna.client(token=None) as client:
            for place in range(PER_MINUTE * 2):
                assert (await client.post(PATH, json={"token": f"guess {place}"})).status_code == 401
            assert condition(await client.post(PATH, json={"token": TOKEN})) == (429, "policy-violation")

    @pytest.mark.parametrize("size", [BODY_BYTES_MAX, BODY_BYTES_MAX + 1])
    async def test_a_body_has_a_bound(self, application: ConsoleApplication, size: int) -> None:
        """Both sides of it: one is read and refused for its token, the other is not read."""
        frame = len(b'{"token":""}')
        body = b'{"token":"%s"}' % (b"x" * (size - frame))
        async with application.client(token=None) as client:
            reply = await client.post(PATH, content=body, headers={"Content-Type": "application/json"})
        assert reply.status_code == (401 if size == BODY_BYTES_MAX else 400)

    @pytest.mark.parametrize(
        ("body", "kind"),
        [(b"{", "application/json"), (b'{"x":1}', "application/json"), (b'{"token":"x"}', "text/plain")],
    )
    async def test_other_bodies_are_refused(self, application: ConsoleApplication, body: bytes, kind: str) -> None:
        """What a form of another site could send as well."""
        async with application.client(token=None) as client:
            reply = await client.post(PATH, content=body, headers={"Content-Type": kind})
        assert condition(reply) == (400, "bad-request")


class TestRenewal:
    """PUT: a new pass by the cookie or the old pass."""

    async def test_by_the_cookie(self, anna: ConsoleApplication) -> None:
        """As after a reload of the page."""
        async with anna.client(token=None) as client:
            await sign_in(client)
            reply = await client.put(PATH)
            assert reply.status_code == 200
            assert "set-cookie" not in reply.headers
            assert await users_by(client, reply.json()["pass"]) == 200

    async def test_by_the_pass(self, anna: ConsoleApplication) -> None:
        """As at another node, which has no cookie."""
        async with anna.client(token=None) as client:
            shown = (await sign_in(client)).json()["pass"]
            client.cookies.clear()
            reply = await client.put(PATH, headers={"Authorization": f"Bearer {shown}"})
            assert (reply.status_code, reply.json()["account"]) == (200, ADMINISTRATOR)

    async def test_with_neither(self, anna: ConsoleApplication) -> None:
        """Nobody is signed in, which is no error."""
        async with anna.client(token=None) as client:
            assert (await client.put(PATH)).status_code == 204

    async def test_not_after_a_new_password(self, anna: ConsoleApplication) -> None:
        """Nor when the account is gone."""
        async with anna.client(token=None) as client:
            await sign_in(client)
            anna.add_account(ADMINISTRATOR, "a new one")
            assert condition(await client.put(PATH)) == (401, "not-authorized")
            del anna.door.accounts[ADMINISTRATOR]
            assert condition(await client.put(PATH)) == (401, "not-authorized")

    async def test_not_with_nonsense(self, anna: ConsoleApplication) -> None:
        """401, and the page asks to sign in."""
        async with anna.client(token=None) as client:
            reply = await client.put(PATH, headers={"Authorization": "Bearer nonsense"})
        assert condition(reply) == (401, "not-authorized")

    async def test_signing_out_takes_the_cookie(self, anna: ConsoleApplication) -> None:
        """Then there is nothing to renew by."""
        async with anna.client(token=None) as client:
            await sign_in(client)
            assert (await client.delete(PATH)).status_code == 204
            assert (await client.put(PATH)).status_code == 204
