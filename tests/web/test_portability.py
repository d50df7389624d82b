"""Accounts that move, over HTTP: a door with a machine behind it, what is refused, and what is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from machine.world import DOMAIN, World
from raftline.base.errors import RaftlineError
from raftline.base.ids import Epochs
from raftline.machine.commands import Action, DeleteAccount, KeyOrigin
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import Done, Outcome
from raftline.machine.queries import Answer, CredentialsOf, Query
from raftline.web.admin import Admin
from raftline.web.portability import PIECE_COUNT_MAX, Portability
from raftline.web.replies import BadRequest, error_reply
from web.application import TOKEN, derive

ITEM = "<item xmlns='jabber:iq:roster' jid='bob@example.org'/>"
RESULT = (
    "<result xmlns='urn:xmpp:mam:2' id='1'><forwarded xmlns='urn:xmpp:forward:0'>"
    "<delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>"
    "<message xmlns='jabber:client' from='bob@example.org/x' to='alice@example.org'><body>hi</body></message>"
    "</forwarded></result>"
)


class Door:
    """What these endpoints ask of door.Node, answered by a machine."""

    domain = DOMAIN
    epochs = Epochs(1)

    def __init__(self) -> None:
        self.world = World()
        self.world.do(RaiseVersion(3))

    async def barrier(self) -> None:
        """Nobody else writes."""

    async def ask(self, query: Query) -> Answer:
        return self.world.machine.answer(query)

    async def execute(self, action: Action, *, key: bytes | None = None) -> Outcome:
        return self.world.do(action, None if key is None else KeyOrigin(key)).outcome


@pytest.fixture
def door() -> Door:
    """No account is there."""
    return Door()


@pytest_asyncio.fixture
async def client(door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    """Return an administrator's client of the endpoints alone."""
    drawn = count(1)

    async def status() -> object:
        return {}

    async def refuse(_request: object, error: Exception) -> object:
        assert isinstance(error, RaftlineError | BadRequest)
        return error_reply(error)

    def draw(size: int) -> bytes:
        return next(drawn).to_bytes(size)

    admin = Admin(door, TOKEN, status, derive, draw)  # type: ignore[arg-type]
    endpoints = Portability(door, derive, draw, lambda *_words, **_details: None)  # type: ignore[arg-type]
    app = Starlette(
        routes=endpoints.routes(admin.guarded),
        exception_handlers={RaftlineError: refuse, BadRequest: refuse},  # type: ignore[dict-item]
    )
    headers = {"Authorization": f"Bearer {TOKEN}"}
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers) as asking:
        yield asking


async def begin(client: httpx2.AsyncClient, **changes: Any) -> httpx2.Response:
    body = {"name": "alice", "host": DOMAIN, "password": "secret", **changes}
    return await client.post("/admin/v1/imports", json=body)


async def put(client: httpx2.AsyncClient, *pieces: dict[str, Any], key: str = "") -> dict[str, Any]:
    headers = {"Idempotency-Key": key} if key else {}
    reply = await client.post("/admin/v1/users/alice/import", json={"pieces": pieces}, headers=headers)
    assert reply.status_code == 200, reply.text
    content: dict[str, Any] = reply.json()
    return content


async def pages(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """Read a whole export."""
    found: list[dict[str, Any]] = []
    following: str | None = ""
    while following is not None:
        reply = await client.get("/admin/v1/users/alice/export", params={"page": following})
        assert reply.status_code == 200, reply.text
        found.append(reply.json())
        following = found[-1]["next"]
    return found


class TestBegin:
    """`POST /admin/v1/imports`."""

    async def test_an_account_is_made(self, client: httpx2.AsyncClient, door: Door) -> None:
        """With credentials of a plain password, where there are no others."""
        reply = await begin(client)
        assert (reply.status_code, reply.json()) == (201, {"jid": f"alice@{DOMAIN}", "left": []})
        (credential,) = await door.ask(CredentialsOf("alice"))  # type: ignore[misc]
        assert credential.stored_key == b"secret"

    async def test_one_that_is_there_is_refused(self, client: httpx2.AsyncClient) -> None:
        """Nothing of it is touched."""
        await begin(client)
        reply = await begin(client)
        assert (reply.status_code, reply.json()["error"]["condition"]) == (409, "conflict")

    async def test_another_domain_is_refused(self, client: httpx2.AsyncClient) -> None:
        """Addresses in the data are of that one."""
        reply = await begin(client, host="example.net")
        assert reply.status_code == 400
        assert "example.net" in reply.json()["error"]["text"]

    async def test_what_is_not_carried_is_told(self, client: httpx2.AsyncClient) -> None:
        """Credentials that nobody can use here, and that there is no password then."""
        other = "<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-512'/>"
        left = (await begin(client, password="", credentials=[other, "<"])).json()["left"]
        assert len(left) == 3
        assert "SCRAM-SHA-512" in left[0]
        assert "no password" in left[2]


class TestPieces:
    """`POST /admin/v1/users/NAME/import`."""

    async def test_they_are_counted_by_kind(self, client: httpx2.AsyncClient) -> None:
        """What cannot be is told, and the rest goes on."""
        await begin(client)
        told = await put(
            client,
            {"kind": "contact", "xml": ITEM},
            {"kind": "contact", "xml": "<item"},
            {"kind": "unknown", "xml": "<odd xmlns='x:y'/>"},
            {"kind": "contact", "xml": "<item xmlns='jabber:iq:roster' jid='alice@example.org'/>"},
            {"kind": "archived", "xml": RESULT, "waits": True},
        )
        assert told["done"] == {"contact": 1, "archived": 1}
        assert len(told["left"]) == 3

    async def test_an_item_needs_its_node(self, client: httpx2.AsyncClient) -> None:
        """Else it would be shown to contacts, whatever its owner wanted; a node that is there already is there."""
        await begin(client)
        item = {"kind": "item", "node": "n", "xml": "<item id='1'><p xmlns='x'/></item>"}
        assert (await put(client, item))["left"] == ["item: the node n has no configuration"]
        node = {"kind": "node", "xml": "<configure xmlns='http://jabber.org/protocol/pubsub#owner' node='n'/>"}
        for _ in range(2):
            assert await put(client, node, item) == {"done": {"node": 1, "item": 1}, "left": []}

    async def test_under_one_key_once(self, client: httpx2.AsyncClient, door: Door) -> None:
        """As long as it is the same account: one that was made anew has nothing."""
        await begin(client)
        piece = {"kind": "archived", "xml": RESULT}
        for _ in range(2):
            assert (await put(client, piece, piece, key="k"))["done"] == {"archived": 2}
        assert door.world.count("archive") == 2
        door.world.time_ms += 1
        assert door.world.do(DeleteAccount("alice")).outcome == Done()
        await begin(client)
        await put(client, piece, key="k")
        assert (await pages(client))[-1]["xml"].count("<result") == 1

    async def test_nobody_is_not_found(self, client: httpx2.AsyncClient) -> None:
        """Also beside a name that is longer."""
        await begin(client, name="alice2")
        reply = await client.post("/admin/v1/users/alice/import", json={"pieces": [{"kind": "contact", "xml": ITEM}]})
        assert reply.status_code == 404

    async def test_so_many_at_once(self, client: httpx2.AsyncClient) -> None:
        """Both sides."""
        await begin(client)
        piece = {"kind": "contact", "xml": ITEM}
        assert (await put(client, *[piece] * PIECE_COUNT_MAX))["done"] == {"contact": PIECE_COUNT_MAX}
        body = {"pieces": [piece] * (PIECE_COUNT_MAX + 1)}
        assert (await client.post("/admin/v1/users/alice/import", json=body)).status_code == 413


class TestExport:
    """`GET /admin/v1/users/NAME/export`."""

    async def test_pages_in_order(self, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        """All but messages, then those that wait, then the archive; each page is bounded by rows and bytes."""
        await begin(client)
        await put(client, *[{"kind": "archived", "xml": RESULT, "waits": True}] * 5)
        monkeypatch.setattr("raftline.web.portability.PAGE_ROW_COUNT", 2)
        found = await pages(client)
        assert (found[0]["name"], found[0]["domain"]) == ("alice", DOMAIN)
        assert [page["section"] for page in found] == ["", *["offline"] * 4, *["archive"] * 3]
        assert [page["xml"].count("<body>") for page in found[1:]] == [2, 2, 1, 0, 2, 2, 1]
        monkeypatch.setattr("raftline.web.portability.PAGE_ROW_COUNT", 100)
        monkeypatch.setattr("raftline.web.portability.EXPORT_PAGE_BYTES_MAX", 1)
        assert [page["xml"].count("<body>") for page in (await pages(client))[3:]] == [1] * 5

    @pytest.mark.parametrize("page", ["x", "archive", "archive:x", "archive:-1", f"offline:{1 << 63}", "offline:"])
    async def test_what_is_no_page(self, client: httpx2.AsyncClient, page: str) -> None:
        """400."""
        await begin(client)
        assert (await client.get("/admin/v1/users/alice/export", params={"page": page})).status_code == 400

    async def test_nobody_is_not_found(self, client: httpx2.AsyncClient) -> None:
        """Nothing is written of an account that is not there."""
        assert (await client.get("/admin/v1/users/alice/export")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/users/alice/export"), ("POST", "/imports"), ("POST", "/users/alice/import")],
)
async def test_all_of_it_needs_the_token(client: httpx2.AsyncClient, method: str, path: str) -> None:
    """What people wrote to each other is not for everybody."""
    client.headers["Authorization"] = "Bearer another"
    assert (await client.request(method, f"/admin/v1{path}", json={})).status_code == 401
