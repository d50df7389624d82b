"""A backup over HTTP: who may, what is asked for, and how it is refused."""

from __future__ import annotations

import httpx2
import pytest
from starlette.applications import Starlette

from raftline.base.errors import RaftlineError, Refused
from raftline.web.admin import Admin
from raftline.web.backups import BackupEndpoints
from raftline.web.replies import BadRequest, error_reply
from web.application import TOKEN, derive
from web.fake_door import FakeDoor

CONTENT = b"abcdefghij"


class Fake:
    """Stands where the node's backups are."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.asked: list[tuple[str, str, int, int]] = []

    async def begin(self) -> object:
        if self.names:
            raise Refused("resource-constraint", "wait", "Another backup is under way on this node.")
        self.names.append("b1")
        return {"name": "b1", "state": "copying"}

    def look(self, name: str) -> object:
        self._find(name)
        return {"name": name, "state": "ready"}

    async def chunk(self, name: str, part: str, offset: int, size: int) -> bytes:
        self._find(name)
        self.asked.append((name, part, offset, size))
        return CONTENT[offset : offset + size]

    async def end(self, name: str) -> None:
        self._find(name)
        self.names.remove(name)

    def _find(self, name: str) -> None:
        if name not in self.names:
            raise Refused("item-not-found", "cancel", "This node has no such backup any more.")


@pytest.fixture
def fake() -> Fake:
    """Nothing was begun."""
    return Fake()


def client(fake: Fake, token: str = TOKEN) -> httpx2.AsyncClient:
    """Return a client of the endpoints alone."""

    async def status() -> object:
        return {}

    async def refuse(_request: object, error: Exception) -> object:
        assert isinstance(error, RaftlineError | BadRequest)
        return error_reply(error)

    admin = Admin(FakeDoor(), TOKEN, status, derive, bytes)
    endpoints = BackupEndpoints(fake.begin, fake.look, fake.chunk, fake.end)
    app = Starlette(
        routes=endpoints.routes(admin.guarded),
        exception_handlers={RaftlineError: refuse, BadRequest: refuse},  # type: ignore[dict-item]
    )
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://test", headers={"Authorization": f"Bearer {token}"}
    )


async def test_a_backup_is_begun_read_and_removed(fake: Fake) -> None:
    """In the order in which `raftline backup` asks."""
    async with client(fake) as asking:
        begun = await asking.post("/admin/v1/backups")
        assert (begun.status_code, begun.json()["name"]) == (201, "b1")
        assert (await asking.get("/admin/v1/backups/b1")).json()["state"] == "ready"
        read = await asking.get("/admin/v1/backups/b1/parts/media/one?offset=2&size=5")
        assert (read.status_code, read.content) == (200, b"cdefg")
        assert read.headers["content-type"] == "application/octet-stream"
        assert fake.asked == [("b1", "media/one", 2, 5)]
        assert (await asking.delete("/admin/v1/backups/b1")).status_code == 204
    assert fake.names == []


async def test_a_second_one_is_refused(fake: Fake) -> None:
    """503, to be tried again."""
    async with client(fake) as asking:
        await asking.post("/admin/v1/backups")
        reply = await asking.post("/admin/v1/backups")
    assert (reply.status_code, reply.json()["error"]["condition"]) == (503, "resource-constraint")


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("GET", "/parts/state?offset=0&size=1")])
async def test_none_of_that_name_is_not_found(fake: Fake, method: str, path: str) -> None:
    """404: it was removed, or another one began."""
    async with client(fake) as asking:
        reply = await asking.request(method, f"/admin/v1/backups/b0{path}")
    assert (reply.status_code, reply.json()["error"]["condition"]) == (404, "item-not-found")


@pytest.mark.parametrize(
    "query", ["", "?offset=1", "?offset=x&size=1", "?offset=-1&size=1", f"?offset={10**18}&size=1"]
)
async def test_a_range_is_two_numbers(fake: Fake, query: str) -> None:
    """400 otherwise, and nothing is read."""
    async with client(fake) as asking:
        await asking.post("/admin/v1/backups")
        reply = await asking.get(f"/admin/v1/backups/b1/parts/state{query}")
    assert reply.status_code == 400
    assert fake.asked == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ""), ("GET", "/b1"), ("DELETE", "/b1"), ("GET", "/b1/parts/state?offset=0&size=1")],
)
async def test_all_of_it_needs_the_token(fake: Fake, method: str, path: str) -> None:
    """Whoever has a backup has everything."""
    fake.names.append("b1")
    async with client(fake, "another") as asking:
        reply = await asking.request(method, f"/admin/v1/backups{path}")
    assert reply.status_code == 401
    assert (fake.names, fake.asked) == (["b1"], [])
