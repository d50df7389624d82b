"""Reports of spam and abuse over HTTP."""

from __future__ import annotations

import httpx2
import pytest

from raftline.base.ids import Position
from raftline.machine.history.answers import ReportRecord
from raftline.machine.history.commands import ReportConsent
from web.application import Application

PATH = "/admin/v1/reports"


def record(position: int, number: int = 0, *, text: str = "", closed_ms: int = 0) -> ReportRecord:
    """Make a report of two messages, one of which can be read."""
    return ReportRecord(
        Position(position),
        number,
        7,  # type: ignore[arg-type]  # an account
        500,
        "eve@example.org",
        "urn:xmpp:reporting:spam",
        text,
        (11, 12),
        int(ReportConsent.ORIGIN),
        closed_ms,
        "alice",
        ("buy this", ""),
    )


@pytest.fixture
def reported(application: Application) -> Application:
    """Three open reports, and one that is closed."""
    for one in (record(20), record(20, 1), record(30, text="spam!"), record(10, closed_ms=900)):
        application.door.reports[one.position, one.number] = one
    return application


async def test_without_the_token_nothing_happens(application: Application) -> None:
    """Every endpoint asks for it."""
    async with application.client(None) as client:
        for method, path in (("GET", PATH), ("POST", f"{PATH}/30-0/close")):
            assert (await client.request(method, path)).status_code == 401
    assert application.door.executed == []


async def test_what_a_report_tells(reported: Application, client: httpx2.AsyncClient) -> None:
    """Who, whom, why, when, and what the messages say; the read passes a barrier."""
    [told] = (await client.get(PATH, params={"limit": "1"})).json()["reports"]
    assert told == {
        "id": "30-0",
        "reporter": "alice@example.org",
        "reported": "eve@example.org",
        "reason": "urn:xmpp:reporting:spam",
        "text": "spam!",
        "time_ms": 500,
        "closed_ms": None,
        "messages": [{"id": "1-11", "text": "buy this"}, {"id": "1-12", "text": None}],
        "may_tell_origin": True,
        "may_tell_others": False,
    }
    assert reported.door.barrier_count == 1


async def test_pages(reported: Application, client: httpx2.AsyncClient) -> None:
    """The last first; `next` leads on, and is null behind the last one."""
    first = (await client.get(PATH, params={"limit": "2"})).json()
    assert [one["id"] for one in first["reports"]] == ["30-0", "20-1"]
    rest = (await client.get(PATH, params={"before": first["next"]})).json()
    assert ([one["id"] for one in rest["reports"]], rest["next"]) == (["20-0"], None)


@pytest.mark.parametrize(("state", "count"), [("open", 3), ("closed", 1), ("all", 4)])
async def test_states(reported: Application, client: httpx2.AsyncClient, state: str, count: int) -> None:
    """Open ones unless others are asked for."""
    found = (await client.get(PATH, params={"state": state})).json()["reports"]
    assert len(found) == count
    if state == "open":
        assert found == (await client.get(PATH)).json()["reports"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("state", "none"), ("before", "x"), ("before", "1"), ("limit", "0"), ("limit", "101"), ("limit", "x")],
)
async def test_bad_questions(reported: Application, client: httpx2.AsyncClient, name: str, value: str) -> None:
    """They are told what is wrong with them; a page as long as can be is none."""
    answer = await client.get(PATH, params={name: value})
    assert (answer.status_code, answer.json()["error"]["condition"]) == (400, "bad-request")
    assert (await client.get(PATH, params={"limit": "100"})).status_code == 200


async def test_closed(reported: Application, client: httpx2.AsyncClient) -> None:
    """Once; a repeat under the same key has the first answer, a second one finds nothing to close."""
    headers = {"Idempotency-Key": "k"}
    for _ in range(2):
        assert (await client.post(f"{PATH}/30-0/close", headers=headers)).status_code == 204
    assert len(reported.door.executed) == 1
    for report in ("30-0", "99-0", "x", "1-2-3"):
        answer = await client.post(f"{PATH}/{report}/close")
        assert (answer.status_code, answer.json()["error"]["condition"]) == (404, "item-not-found")
    assert [one["id"] for one in (await client.get(PATH)).json()["reports"]] == ["20-1", "20-0"]
