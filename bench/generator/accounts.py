"""The generator's users, and many connections at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bench.generator.scram import KeyCache
from bench.generator.stream import Stream, connect, insecure_context
from bench.task import Endpoint, Measured, Task

RESOURCE = "bench"
PASSWORD = "correct horse battery staple"  # noqa: S105  of users that live for minutes, on loopback
LOGIN_CONCURRENCY = 25
REGISTER_CONCURRENCY = 4

Result = TypeVar("Result")


def username(number: int) -> str:
    """Return the name of a user."""
    return f"user{number:05d}"


class Users:
    """Logs users in as a task says."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._cache = KeyCache()
        self._context = insecure_context() if task.tls else None

    def endpoint(self, number: int) -> Endpoint:
        """Return where a user connects: in turn."""
        return self._task.endpoints[number % len(self._task.endpoints)]

    async def log_in(self, number: int, resource: str = RESOURCE) -> Stream:
        """Connect, authenticate and bind; no presence yet."""
        stream = await connect(self.endpoint(number), self._task.domain, self._context)
        name = username(number % self._task.user_count)
        await stream.authenticate(self._task.mechanism, name, PASSWORD, self._cache)
        await stream.bind(resource)
        return stream

    async def log_in_available(self, number: int, resource: str = RESOURCE) -> Stream:
        """Log in and broadcast presence."""
        stream = await self.log_in(number, resource)
        await stream.become_available()
        return stream


async def in_parallel(
    count: int, concurrency: int, work: Callable[[int], Awaitable[Result]], first: int = 0
) -> list[Result]:
    """Do a piece of work for each number, at most `concurrency` at a time; the first failure ends all."""
    gate = asyncio.Semaphore(concurrency)

    async def one(number: int) -> Result:
        async with gate:
            return await work(number)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(first, first + count)]
    return [each.result() for each in tasks]


async def register(task: Task) -> Measured:
    """Make all accounts in-band."""
    users = Users(task)
    context = insecure_context() if task.tls else None

    async def one(number: int) -> None:
        stream = await connect(users.endpoint(number), task.domain, context)
        await stream.register(username(number), PASSWORD)
        stream.close()

    await in_parallel(task.user_count, REGISTER_CONCURRENCY, one)
    return Measured(count=task.user_count, duration_s=1.0, server_cpu_s=0.0, generator_cpu_share=0.0)
