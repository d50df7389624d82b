"""Logins per second, and what an idle connection weighs."""

from __future__ import annotations

import asyncio
import time

import msgspec

from bench import process_tree
from bench.generator.accounts import LOGIN_CONCURRENCY, Users, in_parallel
from bench.generator.meter import Meter
from bench.generator.stream import Stream, StreamFailedError
from bench.task import Measured, Task


async def logins(task: Task) -> Measured:
    """
    Log in and out again, `window` clients at a time: from connecting to the bound resource.

    Each user logs in once before, so that the generator has derived its keys.
    """
    meter = Meter(task)
    users = Users(task)

    async def once(number: int) -> None:
        (await users.log_in(number)).close()

    await in_parallel(task.user_count, LOGIN_CONCURRENCY, once)
    is_over = False

    async def again_and_again(client: int) -> None:
        number = client
        while not is_over:
            started_ns = time.perf_counter_ns()
            stream = await users.log_in(number, f"client{client}")
            if meter.is_on:
                meter.note(time.perf_counter_ns() - started_ns)
            stream.close()
            number += task.window

    async with asyncio.TaskGroup() as group:
        for client in range(task.window):
            group.create_task(again_and_again(client))
        await meter.measure()
        is_over = True
    return meter.result()


async def idle(task: Task) -> Measured:
    """
    Log in `connection_count` connections that are available and say nothing, and see what memory they add.

    Only what comes after the first quarter is counted: those take up what a server freed since its start, and fill
    pools that are there once. The server CPU is what all of them cost while idle.
    """
    meter = Meter(task)
    users = Users(task)
    ended: list[str] = []
    streams: list[Stream] = []

    async def one(number: int) -> None:
        stream = await users.log_in_available(number, f"idle{number // task.user_count}")
        stream.on_end = ended.append
        stream.take_traffic(lambda _block: None)
        streams.append(stream)

    first_count = task.connection_count // 4
    await in_parallel(first_count, LOGIN_CONCURRENCY, one)
    before = process_tree.measure(task.server_pids, with_memory=True).memory_bytes
    counted = task.connection_count - first_count
    await in_parallel(counted, LOGIN_CONCURRENCY, one, first=first_count)
    await meter.measure()
    if ended:
        raise StreamFailedError(f"{len(ended)} idle streams ended, the first: {ended[0]}")
    after = process_tree.measure(task.server_pids, with_memory=True).memory_bytes
    measured = meter.result(memory_bytes=after - before)
    for stream in streams:
        stream.close()
    return msgspec.structs.replace(measured, count=counted)
