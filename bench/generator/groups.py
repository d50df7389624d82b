"""
A group most of whose members are away: a few of those who are there speak, then some who were away come and read.

While they speak it is a room (rooms.py): each copy that anybody gets counts, and the loop is closed. What the others
cost is to be seen in what the server stores for a message. Then members who never were there log in, one after another,
and read the whole history of the group, page by page.
"""

from __future__ import annotations

import asyncio
import re
import time

from bench.generator.accounts import LOGIN_CONCURRENCY, Users, in_parallel, username
from bench.generator.chat import MARK
from bench.generator.meter import Meter
from bench.generator.rooms import SPEAKER_COUNT, Listener, Speaker, drain, enter
from bench.generator.stored import stored_in
from bench.generator.stream import Stream, StreamFailedError
from bench.latency import summarize
from bench.task import GroupFigures, Measured, Task

RETURNING_COUNT = 5
LISTED_AT_ONCE = 100
"""Members that one request makes."""

_MUC = "http://jabber.org/protocol/muc"
_SETTINGS = {"persistentroom": "1", "membersonly": "1", "publicroom": "0", "whois": "anyone"}
_ANSWER = re.compile(rb"<iq[^>]*\bid=['\"]group[0-9]+['\"][^>]*?(?:/>|>.*?</iq>)", re.DOTALL)
_PAGE = re.compile(
    rb"(?P<results>.*?)<iq[^>]*\btype=['\"](?P<kind>result|error)['\"](?P<end>(?:(?!</iq>).)*)</iq>", re.DOTALL
)
_RESULT = re.compile(rb"<result[ >]")
_LAST = re.compile(rb"<last>([^<]*)</last>")
_COMPLETE = re.compile(rb"complete=['\"]true['\"]")


async def group(task: Task) -> Measured:
    """
    Let the first `present_count` users be in a group of all, and ten of them speak.

    Raises:
        StreamFailedError: A stream ended on its own, or a request was refused.
    """
    meter = Meter(task)
    users = Users(task)
    streams = await in_parallel(task.present_count, LOGIN_CONCURRENCY, users.log_in_available)
    address = f"group-{MARK[1:-1].decode()}@conference.{task.domain}"
    await _open(streams[0], address, task)
    await asyncio.gather(*(enter(stream, address, number) for number, stream in enumerate(streams) if number))
    failures: list[str] = []
    speakers = [Speaker(number, streams[number], address, task.body_size) for number in range(SPEAKER_COUNT)]
    listeners = [Listener(number, speakers, meter) for number in range(len(streams))]
    for stream, listener in zip(streams, listeners, strict=True):
        stream.on_end = failures.append
        stream.take_traffic(listener.take)
    before = [stored_in(path) for path in task.databases]
    for speaker in speakers:
        for _ in range(task.window):
            speaker.speak()
    await meter.measure()
    for listener in listeners:
        listener.is_speaking = False
    undelivered = await drain(speakers, listeners, failures)
    if failures:
        raise StreamFailedError(f"{len(failures)} streams ended, the first: {failures[0]}")
    stored = [stored_in(path).since(then) for path, then in zip(task.databases, before, strict=True)]
    said = sum(len(speaker.started_ns) for speaker in speakers)
    durations_ns = [
        await read_all(await users.log_in(task.present_count + number), address, task.page_size, said)
        for number in range(RETURNING_COUNT)
    ]
    figures = GroupFigures(
        present_count=len(streams),
        said=said,
        returning=summarize([duration_ns for duration_ns in durations_ns if duration_ns]),
        rows_per_message=max((each.row_count for each in stored), default=0) / said,
        bytes_per_message=max((each.byte_count for each in stored), default=0) / said,
    )
    measured = meter.result(
        undelivered=undelivered,
        doubled=sum(listener.doubled for listener in listeners),
        reordered=sum(listener.reordered for listener in listeners),
        group=figures,
    )
    for stream in streams:
        stream.close()
    return measured


async def _open(owner: Stream, address: str, task: Task) -> None:
    """Make the group and everybody a member of it."""
    await enter(owner, address, 0)
    fields = f"<field var='FORM_TYPE'><value>{_MUC}#roomconfig</value></field>"
    fields += "".join(
        f"<field var='muc#roomconfig_{name}'><value>{value}</value></field>" for name, value in _SETTINGS.items()
    )
    form = f"<query xmlns='{_MUC}#owner'><x xmlns='jabber:x:data' type='submit'>{fields}</x></query>"
    await _ask(owner, address, 0, form)
    for first in range(1, task.user_count, LISTED_AT_ONCE):
        names = map(username, range(first, min(first + LISTED_AT_ONCE, task.user_count)))
        items = "".join(f"<item affiliation='member' jid='{name}@{task.domain}'/>" for name in names)
        await _ask(owner, address, first, f"<query xmlns='{_MUC}#admin'>{items}</query>")


async def _ask(stream: Stream, address: str, number: int, payload: str) -> None:
    stream.write(f"<iq to='{address}' type='set' id='group{number}'>{payload}</iq>".encode())
    answer = await stream.expect(_ANSWER)
    if b"type='error'" in answer[0] or b'type="error"' in answer[0]:
        raise StreamFailedError(f"the group could not be made: {answer[0]!r}")


async def read_all(stream: Stream, address: str, page_size: int, said: int) -> int:
    """
    Read the whole history; return how many nanoseconds that took, 0 where the room keeps none.

    Raises:
        StreamFailedError: Something of what was said is missing.
    """
    started_ns = time.perf_counter_ns()
    count = number = 0
    after = ""
    while True:
        number += 1
        paging = f"<set xmlns='http://jabber.org/protocol/rsm'><max>{page_size}</max>{after}</set>"
        query = f"<query xmlns='urn:xmpp:mam:2' queryid='p{number}'>{paging}</query>"
        stream.write(f"<iq to='{address}' type='set' id='page{number}'>{query}</iq>".encode())
        page = await stream.expect(_PAGE)
        if page["kind"] == b"error":
            stream.close()
            return 0
        count += len(_RESULT.findall(page["results"]))
        last = _LAST.search(page["end"])
        if last is None or _COMPLETE.search(page["end"]):
            break
        after = f"<after>{last[1].decode()}</after>"
    stream.close()
    if count < said:
        raise StreamFailedError(f"of {said} messages the history has {count}")
    return time.perf_counter_ns() - started_ns
