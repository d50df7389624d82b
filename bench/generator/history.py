"""Pages of history: the newest page of an archive, again and again (XEP-0313 with XEP-0059)."""

from __future__ import annotations

import asyncio
import re
import time

from bench.generator.chat import Conversation, Pair
from bench.generator.meter import Meter
from bench.generator.stream import Stream, StreamFailedError
from bench.task import Measured, Task

_END = re.compile(rb"<iq[^>]*\btype=['\"](result|error)['\"]")
_RESULT = re.compile(rb"<result[ >]")


class Reader:
    """One client that reads its own archive, one page at a time."""

    def __init__(self, stream: Stream, page_size: int, meter: Meter) -> None:
        self._stream = stream
        self._page_size = page_size
        self._meter = meter
        self._asked_ns = 0
        self._asked_count = 0
        self._row_count = 0
        self.is_over = False
        self.page_done = asyncio.Event()
        self.failure = ""

    def ask(self) -> None:
        """Ask for the newest page."""
        self._asked_count += 1
        self._row_count = 0
        self.page_done.clear()
        self._asked_ns = time.perf_counter_ns()
        self._stream.write(
            f"<iq type='set' id='page{self._asked_count}'><query xmlns='urn:xmpp:mam:2'>"
            f"<set xmlns='http://jabber.org/protocol/rsm'><max>{self._page_size}</max><before/></set>"
            f"</query></iq>".encode()
        )

    def take(self, block: bytes) -> None:
        """Count the rows; the answer to the query ends the page."""
        end = _END.search(block)
        self._row_count += len(_RESULT.findall(block))
        if end is None:
            return
        if end[1] == b"error" or self._row_count != self._page_size:
            self.failure = f"wanted {self._page_size} rows, got {self._row_count} and {block[end.start() :][:300]!r}"
            self.page_done.set()
            return
        if self._meter.is_on:
            self._meter.note(time.perf_counter_ns() - self._asked_ns)
        if self.is_over:
            self.page_done.set()
        else:
            self.ask()


async def history(task: Task) -> Measured:
    """
    Fill each pair's archives, then let all receivers read: each has one query under way.

    Raises:
        StreamFailedError: A page had not as many rows as asked for.
    """
    meter = Meter(task)
    conversation = Conversation(task, meter)
    await conversation.connect()
    await _fill(conversation, task.fill_count)
    readers = []
    for pair in conversation.pairs:
        reader = Reader(pair.receiver, task.page_size, meter)
        pair.receiver.take_traffic(reader.take)
        readers.append(reader)
    for reader in readers:
        reader.ask()
    await meter.measure()
    for reader in readers:
        reader.is_over = True
    async with asyncio.timeout(20):
        for reader in readers:
            await reader.page_done.wait()
    for reader in readers:
        if reader.failure:
            raise StreamFailedError(reader.failure)
    return conversation.result(0)


async def _fill(conversation: Conversation, count: int) -> None:
    """Send messages, ten under way in each pair, until each archive has `count` of them."""

    def on_arrival(pair: Pair, arrived: int) -> None:
        missing = count - pair.ledger.sent
        if missing > 0:
            pair.send(min(arrived, missing), time.perf_counter_ns())

    conversation.take_traffic(on_arrival)
    for pair in conversation.pairs:
        pair.send(min(10, count), time.perf_counter_ns())
    undelivered = await conversation.drain()
    if undelivered or any(pair.ledger.sent < count for pair in conversation.pairs):
        raise StreamFailedError(f"{undelivered} messages that fill the archives did not arrive")
