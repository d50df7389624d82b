"""What the page listens to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from console.consoles import START_MS, ConsoleApplication, figures, node, reading
from raftline.base.limits import CONSOLE_STREAM_COUNT_MAX
from raftline.console.readings import Change
from raftline.console.sessions import PASS_LIFETIME_MS
from web.application import TOKEN

PATH = "/console/stream"
CHANGES = (Change(START_MS, 4, "leads", 1),)


async def listen(application: ConsoleApplication, shown: str = TOKEN) -> list[tuple[str, Any]]:
    """Everything that a stream says until it ends."""
    async with application.client(shown) as client:
        reply = await client.get(PATH)
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    blocks = reply.text.removesuffix("\n\n").split("\n\n")
    pairs = [block.split("\n") for block in blocks]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in pairs]


def pass_of(application: ConsoleApplication, account: str = "anna") -> str:
    """A pass as the page has it."""
    sessions = application.sessions
    return sessions.sign(sessions.pass_of(sessions.begin(account, b"")))


async def test_it_begins_with_all_and_ends_when_the_node_stops(application: ConsoleApplication) -> None:
    """Who tells, the time line, a frame; and why it is over."""
    application.next_reading = reading(node(1, figures(), "leader"), node(2, None), changes=CHANGES)
    events = await listen(application, pass_of(application))
    assert [name for name, _ in events] == ["cluster", "changes", "frame", "over"]
    assert events[0][1] == {"domain": "example.org", "node": 1}
    assert events[1][1] == [{"time_ms": START_MS, "term": 4, "kind": "leads", "node": 1}]
    frame = events[2][1]
    assert [each["role"] for each in frame["reading"]["nodes"]] == ["leader", "unknown"]
    assert frame["reading"]["nodes"][0]["figures"]["connection_count"] == 7
    assert frame["reading"]["nodes"][1]["figures"] is None
    assert events[3][1] == {"reason": "stopping"}
    assert application.stream.count == 0


async def test_the_time_line_comes_again_when_there_is_news(
    application: ConsoleApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only then."""
    monkeypatch.setattr("raftline.console.stream.PERIOD_S", 0.001)
    application.gather_count_max = 4
    application.next_reading = reading(node(1, figures()), changes=CHANGES)
    gather = application._gather

    async def gather_news() -> Any:
        found = await gather()
        if application.gather_count == 2:
            news = (*CHANGES, Change(START_MS, 5, "leads", 2))
            application.next_reading = reading(node(1, figures()), changes=news)
        return found

    application.stream.watch._gather = gather_news
    names = [name for name, _ in await listen(application)]
    assert names == ["cluster", "changes", "frame", "frame", "changes", "frame", "frame", "over"]


@pytest.mark.parametrize("shown", [None, "", "another", "cookie"])
async def test_it_needs_a_pass(application: ConsoleApplication, shown: str | None) -> None:
    """The token is as good; a cookie's content is not."""
    sessions = application.sessions
    text = sessions.sign(sessions.begin("anna", b"")) if shown == "cookie" else shown
    async with application.client(text) as client:
        reply = await client.get(PATH)
    assert (reply.status_code, reply.json()["error"]["condition"]) == (401, "not-authorized")
    assert application.gather_count == 0


@pytest.mark.parametrize("ends", ["time", "right"])
async def test_it_ends_with_the_pass(
    application: ConsoleApplication, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """When its time is over, or when who has it is no administrator any more."""
    monkeypatch.setattr("raftline.console.stream.PERIOD_S", 0.001)
    application.gather_count_max = 100
    shown = pass_of(application)
    gather = application._gather

    async def gather_and_end() -> Any:
        if ends == "time":
            application.wall_ms += PASS_LIFETIME_MS
        else:
            application.administrators.clear()
        return await gather()

    application.stream.watch._gather = gather_and_end
    assert (await listen(application, shown))[-1] == ("over", {"reason": "signed-out"})
    assert application.gather_count == 1


async def test_those_who_watch_together_share_a_look(application: ConsoleApplication) -> None:
    """The cluster is asked once, however many pages there are; and again once the frame is old."""
    watch = application.stream.watch
    frames = await asyncio.gather(*(watch.frame() for _ in range(20)))
    assert application.gather_count == 1
    assert all(frame is frames[0][0] for frame, _ in frames)
    await watch.frame()
    assert application.gather_count == 2  # the clock went on by a second


@pytest.mark.parametrize("count", [CONSOLE_STREAM_COUNT_MAX - 1, CONSOLE_STREAM_COUNT_MAX])
async def test_pages_have_a_bound(application: ConsoleApplication, count: int) -> None:
    """One beyond is told to come again."""
    application.stream.count = count
    async with application.client() as client:
        reply = await client.get(PATH)
    assert reply.status_code == (200 if count < CONSOLE_STREAM_COUNT_MAX else 503)
    assert application.stream.count == count
