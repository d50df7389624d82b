"""How long things are kept, over HTTP."""

from __future__ import annotations

import httpx2
import pytest

from raftline.base.errors import Unavailable
from raftline.machine.retention.commands import RetentionLimit, SetRetention
from web.application import Application

PATH = "/admin/v1/retention"
DAY_MS = 86_400_000
FIELDS = ("account_archives_days", "room_archives_days", "uploads_days", "reports_days", "deleted_accounts_days")


async def test_without_the_token_nothing_happens(application: Application) -> None:
    """Neither reading nor writing."""
    async with application.client(None) as client:
        for method in ("GET", "PUT"):
            assert (await client.request(method, PATH, json={"uploads_days": 1})).status_code == 401
    assert application.door.executed == []


async def test_nothing_is_set(client: httpx2.AsyncClient) -> None:
    """Zero is no limit."""
    assert (await client.get(PATH)).json() == dict.fromkeys(FIELDS, 0)


async def test_what_is_named_is_set(application: Application, client: httpx2.AsyncClient) -> None:
    """In one command; the rest stays. What was set is told, and read again behind a barrier."""
    told = await client.put(PATH, json={"uploads_days": 90, "room_archives_days": 365})
    wanted = {**dict.fromkeys(FIELDS, 0), "uploads_days": 90, "room_archives_days": 365}
    assert (told.status_code, told.json()) == (200, wanted)
    limits = (RetentionLimit("room-archives", 365 * DAY_MS), RetentionLimit("uploads", 90 * DAY_MS))
    assert application.door.executed == [SetRetention(limits)]
    await client.put(PATH, json={"uploads_days": 0})
    assert (await client.get(PATH)).json() == {**wanted, "uploads_days": 0}
    assert application.door.barrier_count == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"uploads_days": 1}, 200),
        ({"uploads_days": 36_500}, 200),
        ({"uploads_days": 36_501}, 400),
        ({"uploads_days": -1}, 400),
        ({"uploads_days": 1.5}, 400),
        ({"passwords_days": 1}, 400),
    ],
)
async def test_bounds(client: httpx2.AsyncClient, body: dict[str, object], status: int) -> None:
    """Both sides of each, and kinds that are none."""
    assert (await client.put(PATH, json=body)).status_code == status


async def test_no_quorum(application: Application, client: httpx2.AsyncClient) -> None:
    """It is said that nothing was set."""
    application.door.failure = Unavailable("no quorum")
    reply = await client.put(PATH, json={"uploads_days": 1})
    assert (reply.status_code, application.door.retention) == (503, {})
