"""The page's own routes, what is listed for it, and requests from pages of other nodes."""

from __future__ import annotations

import pytest

from console.consoles import ConsoleApplication
from raftline.console.console import security_policy
from raftline.machine.media.queries import StoredFiles, UploadUseOf
from raftline.machine.media.tables import StoredFile, UploadUse
from raftline.machine.queries import AccountCounts, Answer, Counts, Query
from raftline.machine.rooms.queries import PeopleIn, PublicRooms
from raftline.machine.rooms.views import OccupantView, RoomName, RoomNames
from raftline.web.overview import FILE_PAGE_COUNT_MAX
from web.application import HTTP_URLS

SISTER = HTTP_URLS[1]


async def test_the_page_loads_its_own_files_alone(application: ConsoleApplication) -> None:
    """Its policy names this node and the others; scripts and styles come from here, as files."""
    async with application.client(token=None) as client:
        page = await client.get("/console")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert policy == security_policy(HTTP_URLS)
    assert policy.startswith("default-src 'self'; ")
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert all(url in policy for url in HTTP_URLS)


async def test_it_tells_where_the_nodes_are(application: ConsoleApplication) -> None:
    """To anyone, as host-meta does."""
    async with application.client(token=None) as client:
        assert (await client.get("/console/nodes.json")).json() == {"nodes": list(HTTP_URLS)}


async def test_it_is_there_while_the_node_starts(application: ConsoleApplication) -> None:
    """That is when one wants to see the cluster; what changes something waits."""
    application.health.started = False
    async with application.client() as client:
        assert (await client.get("/console")).status_code == 200
        assert (await client.get("/console/stream")).status_code == 200
        assert (await client.get("/admin/v1/overview")).status_code == 503


class TestOtherNodes:
    """A page goes on at another node when its own dies (CORS)."""

    @pytest.mark.parametrize("path", ["/admin/v1/users", "/console/session", "/console/stream"])
    async def test_a_page_of_a_node_may_ask(self, application: ConsoleApplication, path: str) -> None:
        """The browser asks first, and learns what it may send; cookies are not among it."""
        headers = {"Origin": SISTER, "Access-Control-Request-Method": "PUT"}
        async with application.client(token=None) as client:
            reply = await client.options(path, headers=headers)
        assert reply.status_code == 204
        assert reply.headers["access-control-allow-origin"] == SISTER
        assert "Authorization" in reply.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in reply.headers

    async def test_it_may_read_replies_and_refusals(self, application: ConsoleApplication) -> None:
        """Else it could not say what is wrong."""
        async with application.client() as client:
            reply = await client.get("/admin/v1/users", headers={"Origin": SISTER})
            refusal = await client.get("/admin/v1/users?limit=0", headers={"Origin": SISTER})
        assert (reply.status_code, refusal.status_code) == (200, 400)
        for each in (reply, refusal):
            assert each.headers["access-control-allow-origin"] == SISTER
            assert each.headers["vary"] == "Origin"

    @pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", SISTER + ".evil.example", SISTER + "/"])
    async def test_others_may_not(self, application: ConsoleApplication, origin: str) -> None:
        """Their browsers get no leave, before and after."""
        headers = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
        async with application.client() as client:
            asked = await client.options("/console/session", headers=headers)
            reply = await client.get("/admin/v1/users", headers={"Origin": origin})
        assert asked.status_code == 405
        assert "access-control-allow-origin" not in asked.headers
        assert "access-control-allow-origin" not in reply.headers

    async def test_nothing_else_is_opened(self, application: ConsoleApplication) -> None:
        """The page itself and the rest of the node stay closed to scripts of other nodes."""
        async with application.client() as client:
            for path in ("/console", "/metrics", "/healthz"):
                reply = await client.get(path, headers={"Origin": SISTER})
                assert "access-control-allow-origin" not in reply.headers, path


class TestOverview:
    """What the service holds (web/overview.py)."""

    @pytest.fixture
    def holding(self, application: ConsoleApplication, monkeypatch: pytest.MonkeyPatch) -> ConsoleApplication:
        """Three accounts, three rooms, and files of two pages."""
        for name in ("anna", "bert", "carla"):
            application.add_account(name, "x")
        ask = application.door.ask
        digests = [bytes([place]) for place in range(1, 4)]

        async def answer(query: Query) -> Answer:
            match query:
                case AccountCounts():
                    return Counts(3, 1)
                case PublicRooms():
                    names = [name for name in ("art", "bikes", "cats") if name > query.after]
                    return RoomNames([RoomName(name, name.title()) for name in names[: query.limit]], 3, 0)
                case PeopleIn():
                    return [OccupantView("anna", "anna@example.org/x", 0, 0)] * len(query.room)
                case StoredFiles():
                    found = [digest for digest in digests if digest > query.after]
                    return [StoredFile(digest, 100, 1) for digest in found[: query.limit]]
                case UploadUseOf():
                    return UploadUse(1, 0, 2, 300) if query.localpart == "bert" else None  # type: ignore[arg-type]
            return await ask(query)

        monkeypatch.setattr(application.door, "ask", answer)
        monkeypatch.setattr("raftline.web.overview.STORED_FILE_PAGE_ROW_COUNT_MAX", 2)
        return application

    async def test_totals(self, holding: ConsoleApplication) -> None:
        """Accounts, who is online, rooms that anyone may find."""
        async with holding.client() as client:
            assert (await client.get("/admin/v1/overview")).json() == {"accounts": 3, "online": 1, "rooms": 3}
        assert holding.door.barrier_count == 1

    async def test_files_are_counted_page_by_page(
        self, holding: ConsoleApplication, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All of them, or as many as there is patience for, and then that is said."""
        assert FILE_PAGE_COUNT_MAX > 2
        async with holding.client() as client:
            assert (await client.get("/admin/v1/media")).json() == {"files": 3, "bytes": 300, "is_complete": True}
            monkeypatch.setattr("raftline.web.overview.FILE_PAGE_COUNT_MAX", 1)
            assert (await client.get("/admin/v1/media")).json() == {"files": 2, "bytes": 200, "is_complete": False}

    async def test_rooms_by_pages(self, holding: ConsoleApplication) -> None:
        """With their people; `next` leads on and ends."""
        async with holding.client() as client:
            first = (await client.get("/admin/v1/rooms?limit=2")).json()
            rest = (await client.get(f"/admin/v1/rooms?limit=2&after={first['next']}")).json()
        assert [room["people"] for room in first["rooms"]] == [3, 5]
        assert first["rooms"][0] == {
            "name": "art", "jid": "art@conference.example.org", "title": "Art", "people": 3
        }  # fmt: skip
        assert (first["next"], rest["next"], first["total"]) == ("bikes", None, 3)
        assert [room["name"] for room in rest["rooms"]] == ["cats"]

    async def test_what_accounts_have_of_their_quotas(self, holding: ConsoleApplication) -> None:
        """Those without a file as well."""
        async with holding.client() as client:
            page = (await client.get("/admin/v1/media/accounts?limit=2")).json()
        assert page == {
            "accounts": [{"name": "anna", "files": 0, "bytes": 0}, {"name": "bert", "files": 2, "bytes": 300}],
            "next": "bert",
        }

    @pytest.mark.parametrize("path", ["/admin/v1/overview", "/admin/v1/rooms", "/admin/v1/media/accounts"])
    async def test_they_need_the_token(self, holding: ConsoleApplication, path: str) -> None:
        """401 without, 400 for a page of no size."""
        async with holding.client(token=None) as client:
            assert (await client.get(path)).status_code == 401
        async with holding.client() as client:
            assert (await client.get(path + "?limit=0")).status_code == (200 if path.endswith("overview") else 400)
