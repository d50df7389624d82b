"""
A crowd in one room: a few come and go all the time, and each presence that anybody gets counts.

Closed loop: who has come in (its own presence and the subject, which comes last) leaves, and who is out comes in again.
The room shows everyone's presence, or, where the task says so, that of moderators only.
"""

from __future__ import annotations

import asyncio
import re
import time

from bench.generator.accounts import LOGIN_CONCURRENCY, Users, in_parallel, username
from bench.generator.chat import MARK
from bench.generator.meter import Meter
from bench.generator.stream import Stream, StreamFailedError
from bench.task import Measured, Task

_MUC = "http://jabber.org/protocol/muc"
_JOINED = re.compile(rb"code=['\"]110['\"]")
_OPENED = re.compile(rb"<iq[^>]*\bid=['\"]open['\"][^>]*?(?:/>|>.*?</iq>)", re.DOTALL)
_SUBJECT = re.compile(rb"<subject\s*/>|</subject>")
_OWN_LEAVE = re.compile(
    rb"<presence[^>]*\btype=['\"]unavailable['\"](?:(?!</presence>).)*code=['\"]110['\"]", re.DOTALL
)
_TAG_SIZE_MAX = 64
"""More than the tags looked for."""


class Comer:
    """
    One who comes and goes.

    Attributes:
        is_staying: It leaves no more once it has come in.
        done: Set when it has come in for the last time.
    """

    def __init__(self, stream: Stream, address: str, meter: Meter, crowd: Crowd) -> None:
        self._stream = stream
        self._address = address
        self._meter = meter
        self._crowd = crowd
        self._rest = b""
        self._is_out = False
        self._started_ns = 0
        self.is_staying = False
        self.done = asyncio.Event()

    def leave(self) -> None:
        """Leave the room."""
        self._is_out = True
        self._stream.write(f"<presence to='{self._address}' type='unavailable'/>".encode())

    def take(self, block: bytes) -> None:
        """Count presences in a block, and go on when what was waited for has come."""
        self._crowd.take(block)
        self._rest += block
        while True:
            found = (_OWN_LEAVE if self._is_out else _SUBJECT).search(self._rest)
            if found is None:
                break
            self._rest = self._rest[found.end() :]
            if self._is_out:
                self._enter()
            else:
                self._entered()
        # What may be the beginning of what is waited for: a presence that is not whole, or a tag.
        self._rest = self._rest[max(self._rest.rfind(b"<presence"), 0) if self._is_out else -_TAG_SIZE_MAX :]

    def _enter(self) -> None:
        self._is_out = False
        self._started_ns = time.perf_counter_ns()
        self._stream.write(_entering(self._address))

    def _entered(self) -> None:
        if self._meter.is_on:
            self._meter.note(time.perf_counter_ns() - self._started_ns)
        if self.is_staying:
            self.done.set()
        else:
            self.leave()


class Crowd:
    """
    Counts the presences that everybody gets.

    Attributes:
        presence_count: In the time measured.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.presence_count = 0

    def take(self, block: bytes) -> None:
        """Count those in a block, which begins and ends between tags."""
        if self._meter.is_on:
            self.presence_count += block.count(b"<presence")


async def crowd(task: Task) -> Measured:
    """
    Let all users enter one room, and the last `window` of them come and go.

    Raises:
        StreamFailedError: A stream ended on its own.
    """
    meter = Meter(task)
    streams = await in_parallel(task.user_count, LOGIN_CONCURRENCY, Users(task).log_in)
    room = f"crowd-{MARK[1:-1].decode()}@conference.{task.domain}"
    addresses = [f"{room}/{username(number)}" for number in range(len(streams))]
    await _open(streams[0], room, addresses[0], shows_moderators_only=task.shows_moderators_only)
    counter = Crowd(meter)
    failures: list[str] = []

    async def enter(number: int) -> None:
        stream = streams[number]
        stream.write(_entering(addresses[number]))
        await stream.expect(_JOINED)
        await stream.expect(_SUBJECT)
        stream.on_end = failures.append
        if number < len(streams) - task.window:
            stream.take_traffic(counter.take)

    streams[0].take_traffic(counter.take)
    await in_parallel(len(streams) - 1, LOGIN_CONCURRENCY, enter, first=1)
    comers = [
        Comer(stream, address, meter, counter)
        for stream, address in zip(streams[-task.window :], addresses[-task.window :], strict=True)
    ]
    for comer, stream in zip(comers, streams[-task.window :], strict=True):
        stream.take_traffic(comer.take)
        comer.leave()
    await meter.measure()
    for comer in comers:
        comer.is_staying = True
    await asyncio.wait([asyncio.ensure_future(comer.done.wait()) for comer in comers], timeout=20.0)
    missing = sum(not comer.done.is_set() for comer in comers)
    if failures:
        raise StreamFailedError(f"{len(failures)} streams ended, the first: {failures[0]}")
    if missing:
        raise StreamFailedError(f"{missing} of {len(comers)} did not come in again")
    measured = meter.result(presence_count=counter.presence_count)
    for stream in streams:
        stream.close()
    return measured


def _entering(address: str) -> bytes:
    return f"<presence to='{address}'><x xmlns='{_MUC}'><history maxstanzas='0'/></x></presence>".encode()


async def _open(stream: Stream, room: str, address: str, *, shows_moderators_only: bool) -> None:
    """Make the room and configure it."""
    stream.write(_entering(address))
    await stream.expect(_JOINED)
    await stream.expect(_SUBJECT)
    fields = f"<field var='FORM_TYPE'><value>{_MUC}#roomconfig</value></field>"
    if shows_moderators_only:
        fields += "<field var='muc#roomconfig_presencebroadcast'><value>moderator</value></field>"
    stream.write(
        f"<iq to='{room}' type='set' id='open'><query xmlns='{_MUC}#owner'>"
        f"<x xmlns='jabber:x:data' type='submit'>{fields}</x></query></iq>".encode()
    )
    opened = await stream.expect(_OPENED)
    if b"type='error'" in opened[0] or b'type="error"' in opened[0]:
        raise StreamFailedError(f"the room's configuration was refused: {opened[0]!r}")
