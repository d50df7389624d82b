"""
Pairs of users who chat: a closed loop (a window of messages under way in each pair) and an open one (a given rate).

A message is written once, around its number: pair and number stand in the body, behind a mark that bytes are searched
for. Whatever the server makes of the stanza (ids, delays, other quotes), the body comes through as it is.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

from bench.generator.accounts import LOGIN_CONCURRENCY, Users, in_parallel, username
from bench.generator.meter import Meter
from bench.generator.stream import Stream, StreamFailedError
from bench.latency import NS_PER_MS, NS_PER_S, Ledger, OpenLoopSchedule, percentile
from bench.task import Measured, Task

MARK = f"#{secrets.token_hex(4)}:".encode()
"""Another for each process: what an earlier task left behind, such as offline messages, is not counted."""

NUMBER_DIGITS = 10
DRAIN_TIMEOUT_S = 20.0


class MessageText:
    """The bytes of a pair's messages, all but the number."""

    def __init__(self, to: str, body_size: int) -> None:
        padding = "x" * (body_size - len(MARK) - NUMBER_DIGITS)
        self._head = f"<message to='{to}' type='chat' id='m".encode()
        self._middle = b"'><body>" + MARK
        self._tail = f"{padding}</body></message>".encode()

    def stanza(self, number: int) -> bytes:
        """Return the message of this number."""
        digits = b"%010d" % number
        return b"".join((self._head, digits, self._middle, digits, self._tail))


def message_numbers(block: bytes) -> list[int]:
    """Return the numbers in all bodies of a block of whole tags, in order."""
    numbers = []
    place = block.find(MARK)
    while place >= 0:
        place += len(MARK)
        numbers.append(int(block[place : place + NUMBER_DIGITS]))
        place = block.find(MARK, place)
    return numbers


def _ignore(_block: bytes) -> None:
    """Take what nobody looks at."""


class Pair:
    """One who writes and one who reads."""

    def __init__(self, sender: Stream, receiver: Stream, text: MessageText) -> None:
        self.sender = sender
        self.receiver = receiver
        self.text = text
        self.ledger = Ledger()

    def send(self, count: int, started_ns: int) -> None:
        """Write messages at once."""
        start, stanza = self.ledger.start, self.text.stanza
        self.sender.write(b"".join([stanza(start(started_ns)) for _ in range(count)]))


class Conversation:
    """
    All pairs of a task.

    Attributes:
        failures: Streams that ended on their own; the measurement is void then.
    """

    def __init__(self, task: Task, meter: Meter) -> None:
        self._task = task
        self._meter = meter
        self.pairs: list[Pair] = []
        self.failures: list[str] = []

    async def connect(self) -> None:
        """Log all users in: number 2k writes to number 2k+1, which is on another node where there are several."""
        users = Users(self._task)
        streams = await in_parallel(self._task.user_count, LOGIN_CONCURRENCY, users.log_in_available)
        for number in range(0, len(streams) - 1, 2):
            text = MessageText(f"{username(number + 1)}@{self._task.domain}", self._task.body_size)
            self.pairs.append(Pair(streams[number], streams[number + 1], text))
        for stream in streams:
            stream.on_end = self.failures.append

    def take_traffic(self, on_arrival: Callable[[Pair, int], None]) -> None:
        """Note what arrives, then hand the size of each batch to `on_arrival`; what senders receive is ignored."""
        for pair in self.pairs:
            pair.receiver.take_traffic(self._receiver_callback(pair, on_arrival))
            pair.sender.take_traffic(_ignore)

    def _receiver_callback(self, pair: Pair, on_arrival: Callable[[Pair, int], None]) -> Callable[[bytes], None]:
        meter, note, arrive = self._meter, self._meter.note, pair.ledger.arrive

        def receive(block: bytes) -> None:
            now_ns = time.perf_counter_ns()
            count = 0
            for number in message_numbers(block):
                started_ns = arrive(number)
                if started_ns is not None:
                    count += 1
                    if meter.is_on:
                        note(now_ns - started_ns)
            if count:
                on_arrival(pair, count)

        return receive

    async def drain(self) -> int:
        """Wait until all messages sent have arrived, for 20 s at most; return how many did not."""
        deadline_ns = time.perf_counter_ns() + DRAIN_TIMEOUT_S * NS_PER_S
        # Each arrival would have to look at the sum; a look in ten milliseconds costs less.
        while (outstanding := self.outstanding) and time.perf_counter_ns() < deadline_ns and not self.failures:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return outstanding

    @property
    def outstanding(self) -> int:
        """Messages sent that did not arrive."""
        return sum(pair.ledger.outstanding for pair in self.pairs)

    def result(self, undelivered: int, lag_p99_ms: float | None = None) -> Measured:
        """
        Sum up and close all streams.

        Raises:
            StreamFailedError: A stream ended on its own.
        """
        if self.failures:
            raise StreamFailedError(f"{len(self.failures)} streams ended, the first: {self.failures[0]}")
        measured = self._meter.result(
            undelivered=undelivered,
            doubled=sum(pair.ledger.doubled for pair in self.pairs),
            reordered=sum(pair.ledger.reordered for pair in self.pairs),
            lag_p99_ms=lag_p99_ms,
        )
        for pair in self.pairs:
            pair.sender.close()
            pair.receiver.close()
        return measured


async def chat(task: Task) -> Measured:
    """Closed loop: in each pair `window` messages are under way, and each that arrives lets the next one go."""
    meter = Meter(task)
    conversation = Conversation(task, meter)
    await conversation.connect()
    is_sending = True

    def on_arrival(pair: Pair, count: int) -> None:
        if is_sending:
            pair.send(count, time.perf_counter_ns())

    conversation.take_traffic(on_arrival)
    for pair in conversation.pairs:
        pair.send(task.window, time.perf_counter_ns())
    await meter.measure()
    is_sending = False
    return conversation.result(await conversation.drain())


async def open_loop(task: Task) -> Measured:
    """Open loop: messages fall due at a rate, over all pairs in turn, whatever has arrived."""
    meter = Meter(task)
    conversation = Conversation(task, meter)
    await conversation.connect()
    conversation.take_traffic(lambda _pair, _count: None)
    lags_ns: list[int] = []
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(_write_when_due(conversation.pairs, task.rate_per_s, lags_ns))
        await meter.measure()
        writing.cancel()
    lag_p99_ms = percentile(sorted(lags_ns), 0.99) / NS_PER_MS
    return conversation.result(await conversation.drain(), lag_p99_ms)


async def _write_when_due(pairs: list[Pair], rate_per_s: float, lags_ns: list[int]) -> None:
    schedule = OpenLoopSchedule(rate_per_s, time.perf_counter_ns())
    while True:
        now_ns = time.perf_counter_ns()
        for number in schedule.take_due(now_ns):
            due_ns = schedule.due_ns(number)
            lags_ns.append(now_ns - due_ns)
            pairs[number % len(pairs)].send(1, due_ns)
        await asyncio.sleep(max(schedule.due_ns(schedule.next_number) - time.perf_counter_ns(), 0) / NS_PER_S)
