"""`raftline bench`: what is counted, between clients in memory; a real cluster is measured in tests/integration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cli.serving import raftline
from raftline.cli.bench import load
from raftline.cli.bench.chatter import Chatter, ChatterError
from raftline.cli.bench.figures import Durations, Measured, summarize
from raftline.cli.bench.load import NS_PER_S, Pair, run_load

MS = 1_000_000


class Clock:
    """Time that passes when somebody waits."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        """Let time pass, and others have their turn."""
        self.now_ns += max(round(seconds * NS_PER_S), 0)
        await asyncio.sleep(0)


class Line:
    """
    Two clients without a server between them.

    Args:
        fate: What becomes of a message that is written.
    """

    def __init__(self, fate: Callable[[Line, str], Awaitable[None]]) -> None:
        self.clock = Clock()
        self.writer, self.reader = (Chatter("http://x", False, now_ns=self.clock) for _ in range(2))
        self.written: list[str] = []

        async def write(_to: str, message_id: str, _body: str) -> None:
            self.written.append(message_id)
            await fate(self, message_id)

        self.writer.write = write  # type: ignore[method-assign]

    async def measure(self, rate: float | None = None) -> Measured:
        """Run a load for a second, after another one that does not count."""
        pair = Pair(self.writer, self.reader, "b@x", now_ns=self.clock, sleep=self.clock.sleep)
        return await run_load([pair], seconds=1.0, rate=rate, body="x", now_ns=self.clock)


async def at_once(line: Line, message_id: str) -> None:
    """Acknowledged after 1 ms, and there after 2."""
    await line.clock.sleep(0.001)
    line.writer.on_acknowledged(message_id, line.clock())
    await line.clock.sleep(0.001)
    line.reader.on_arrived(message_id, line.clock())


class TestClosedLoop:
    """One message under way for each pair."""

    async def test_the_next_one_when_the_last_has_arrived(self) -> None:
        """What was written before the time that counts is not counted; all else is, once."""
        line = Line(at_once)
        told = await line.measure()
        assert (len(line.written), told.sent, told.delivered, told.refused) == (1_000, 500, 500, 0)
        assert (told.pairs, told.rate, told.per_second) == (1, None, 500.0)
        assert told.acknowledged_ms == Durations(p50_ms=1, p95_ms=1, p99_ms=1, max_ms=1)
        assert told.delivered_ms == Durations(p50_ms=2, p95_ms=2, p99_ms=2, max_ms=2)

    async def test_one_that_does_not_arrive(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing follows it, and the run ends all the same; it is missing in what is told."""
        monkeypatch.setattr(load, "OUTSTANDING_S", 0.0)

        async def lost(line: Line, message_id: str) -> None:
            if len(line.written) <= 600:
                await at_once(line, message_id)

        told = await Line(lost).measure()
        assert (told.sent, told.delivered, told.refused) == (101, 100, 0)

    @pytest.mark.parametrize("missing", ["on_acknowledged", "on_arrived"])
    async def test_one_of_both_is_not_enough(self, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
        """A message that was delivered or acknowledged alone holds its pair."""
        monkeypatch.setattr(load, "WARM_UP_S", 0.0)
        monkeypatch.setattr(load, "OUTSTANDING_S", -0.9)

        async def half(line: Line, message_id: str) -> None:
            if missing != "on_acknowledged":
                line.writer.on_acknowledged(message_id, line.clock())
            if missing != "on_arrived":
                line.reader.on_arrived(message_id, line.clock())

        line = Line(half)
        await line.measure()
        assert len(line.written) == 1

    async def test_refusals_are_told(self) -> None:
        """A message that comes back is one of them, and the pair goes on."""

        async def refused(line: Line, message_id: str) -> None:
            await line.clock.sleep(0.01)
            line.writer.on_acknowledged(message_id, line.clock())
            line.writer.on_refused(message_id)

        told = await Line(refused).measure()
        assert (told.sent, told.delivered, told.refused) == (100, 0, 100)


class TestOpenLoop:
    """Messages fall due whatever the servers do."""

    async def test_as_many_as_are_due(self) -> None:
        """The rate decides."""
        told = await Line(at_once).measure(rate=40)
        assert (told.sent, told.delivered, told.rate) == (40, 40, 40)
        assert told.delivered_ms.max_ms == 2

    async def test_a_stall_is_charged_for_what_fell_due(self) -> None:
        """Durations count from when a message was due: one stall of 50 ms makes ten slow ones, less and less."""

        async def stalls(line: Line, message_id: str) -> None:
            if len(line.written) == 250:
                await line.clock.sleep(0.05)
            await at_once(line, message_id)

        told = await Line(stalls).measure(rate=200)
        assert told.sent == told.delivered == 200
        assert (told.delivered_ms.p50_ms, told.delivered_ms.max_ms) == (2, 52)
        assert told.delivered_ms.p95_ms > 20


class TestFigures:
    """Percentiles."""

    def test_of_nothing_and_of_one(self) -> None:
        """Neither is a failure."""
        assert summarize([]) == Durations()
        assert summarize([3 * MS]) == Durations(p50_ms=3, p95_ms=3, p99_ms=3, max_ms=3)

    def test_of_many(self) -> None:
        """0 … 100 ms."""
        told = summarize([place * MS for place in reversed(range(101))])
        assert told == Durations(p50_ms=50, p95_ms=95, p99_ms=99, max_ms=100)


class TestChatter:
    """Without a server."""

    async def test_nobody_listens(self) -> None:
        """That is said with the address."""
        with pytest.raises(ChatterError, match=r"^ws://127\.0\.0\.1:1/xmpp-websocket: "):
            await Chatter("http://127.0.0.1:1", False, now_ns=Clock()).log_in("anna@x", "secret")


@pytest.mark.parametrize("option", [("--pairs", "0"), ("--seconds", "0"), ("--rate", "-1"), ("--size", "0")])
async def test_what_cannot_be_measured(option: tuple[str, str]) -> None:
    """Options out of their bounds are usage errors, before anything is made."""
    ended = await raftline("bench", *option)
    assert ended.code == 2, ended
    assert option[0] in ended.err
