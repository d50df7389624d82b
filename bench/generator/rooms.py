"""
One room: everybody is in it, a few speak, and each copy that anybody gets counts.

Closed loop: a speaker whose own message comes back, which is its acknowledgement, says the next one. The number in a
body says who spoke and how often before.
"""

from __future__ import annotations

import asyncio
import re
import time

from bench.generator.accounts import LOGIN_CONCURRENCY, Users, in_parallel, username
from bench.generator.chat import DRAIN_TIMEOUT_S, MARK, NUMBER_DIGITS, message_numbers
from bench.generator.meter import Meter
from bench.generator.stream import Stream, StreamFailedError
from bench.latency import NS_PER_S
from bench.task import Measured, Task

SPEAKER_COUNT = 10
NUMBERS_PER_SPEAKER = 10 ** (NUMBER_DIGITS - 2)
"""A number is that of the speaker times this, and how often it spoke before."""

_JOINED = re.compile(rb"code=['\"]110['\"]")
_OPENED = re.compile(rb"<iq[^>]*\bid=['\"]open['\"][^>]*?(?:/>|>.*?</iq>)", re.DOTALL)
_SUBJECT = re.compile(rb"<subject\s*/>|</subject>")
_OPEN = (
    "<iq to='{room}' type='set' id='open'><query xmlns='http://jabber.org/protocol/muc#owner'>"
    "<x xmlns='jabber:x:data' type='submit'/></query></iq>"
)


class Speaker:
    """
    One who speaks.

    Attributes:
        started_ns: When each of its messages was written.
    """

    def __init__(self, number: int, stream: Stream, room: str, body_size: int) -> None:
        padding = "x" * (body_size - len(MARK) - NUMBER_DIGITS)
        self._first = number * NUMBERS_PER_SPEAKER
        self._stream = stream
        self._head = f"<message to='{room}' type='groupchat' id='m".encode()
        self._middle = b"'><body>" + MARK
        self._tail = f"{padding}</body></message>".encode()
        self.started_ns: list[int] = []

    def speak(self) -> None:
        """Say the next thing."""
        digits = b"%010d" % (self._first + len(self.started_ns))
        self.started_ns.append(time.perf_counter_ns())
        self._stream.write(b"".join((self._head, digits, self._middle, digits, self._tail)))


class Listener:
    """
    One who is in the room.

    Attributes:
        count: Copies that it got.
        doubled, reordered: Messages that came again, or after a later one of the same speaker.
    """

    def __init__(self, number: int, speakers: list[Speaker], meter: Meter) -> None:
        self._number = number
        self._speakers = speakers
        self._meter = meter
        self._last = [-1] * len(speakers)
        self.is_speaking = number < len(speakers)
        self.count = self.doubled = self.reordered = 0

    def take(self, block: bytes) -> None:
        """Count the copies in a block."""
        now_ns = time.perf_counter_ns()
        meter, last = self._meter, self._last
        for found in message_numbers(block):
            speaker, number = divmod(found, NUMBERS_PER_SPEAKER)
            if number <= last[speaker]:
                self.doubled += number == last[speaker]
                self.reordered += number < last[speaker]
                continue
            last[speaker] = number
            self.count += 1
            if meter.is_on:
                meter.note(now_ns - self._speakers[speaker].started_ns[number])
            if speaker == self._number and self.is_speaking:
                self._speakers[speaker].speak()


async def room(task: Task) -> Measured:
    """
    Let all users enter one room, and the first ten of them speak, each with `window` messages under way.

    Raises:
        StreamFailedError: A stream ended on its own.
    """
    meter = Meter(task)
    streams = await in_parallel(task.user_count, LOGIN_CONCURRENCY, Users(task).log_in_available)
    address = f"bench-{MARK[1:-1].decode()}@conference.{task.domain}"
    await enter(streams[0], address, 0)
    streams[0].write(_OPEN.format(room=address).encode())
    await streams[0].expect(_OPENED)
    await asyncio.gather(*(enter(stream, address, number) for number, stream in enumerate(streams) if number))
    failures: list[str] = []
    speakers = [
        Speaker(number, stream, address, task.body_size) for number, stream in enumerate(streams[:SPEAKER_COUNT])
    ]
    listeners = [Listener(number, speakers, meter) for number in range(len(streams))]
    for stream, listener in zip(streams, listeners, strict=True):
        stream.on_end = failures.append
        stream.take_traffic(listener.take)
    for speaker in speakers:
        for _ in range(task.window):
            speaker.speak()
    await meter.measure()
    for listener in listeners:
        listener.is_speaking = False
    undelivered = await drain(speakers, listeners, failures)
    if failures:
        raise StreamFailedError(f"{len(failures)} streams ended, the first: {failures[0]}")
    measured = meter.result(
        undelivered=undelivered,
        doubled=sum(listener.doubled for listener in listeners),
        reordered=sum(listener.reordered for listener in listeners),
    )
    for stream in streams:
        stream.close()
    return measured


async def enter(stream: Stream, address: str, number: int) -> None:
    """Enter the room, without history, and wait for its subject, which comes last."""
    history = "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x>"
    stream.write(f"<presence to='{address}/{username(number)}'>{history}</presence>".encode())
    await stream.expect(_JOINED)
    await stream.expect(_SUBJECT)


async def drain(speakers: list[Speaker], listeners: list[Listener], failures: list[str]) -> int:
    """Wait until everyone has heard everything, for 20 s at most; return how many copies are missing."""
    deadline_ns = time.perf_counter_ns() + DRAIN_TIMEOUT_S * NS_PER_S
    expected = len(listeners) * sum(len(speaker.started_ns) for speaker in speakers)
    # Each arrival would have to look at the sum; a look in ten milliseconds costs less.
    while sum(listener.count for listener in listeners) < expected and time.perf_counter_ns() < deadline_ns:
        if failures:
            break
        await asyncio.sleep(0.01)
    return expected - sum(listener.count for listener in listeners)
