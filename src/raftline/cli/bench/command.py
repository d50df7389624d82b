"""`raftline bench`: accounts, the load between them, and what is told of it."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Annotated, Final, NamedTuple

from cyclopts import Parameter, validators
from rich.console import Console
from rich.table import Table

from raftline.cli.bench.chatter import Chatter, ChatterError
from raftline.cli.bench.figures import Durations, Measured
from raftline.cli.bench.load import Pair, run_load
from raftline.cli.connection import HERE, AdminClient, Target, open_client
from raftline.cli.output import Json, print_json
from raftline.server.failures import ExitCode, Failure

PAIR_COUNT_MAX: Final = 500
RATE_MAX: Final = 100_000
SECONDS_MAX: Final = 3_600
BODY_LENGTH_MAX: Final = 10_000


class User(NamedTuple):
    """An account that was made for the run."""

    address: str
    password: str


def bench(
    *,
    seconds: Annotated[
        float, Parameter(help="How long to measure.", validator=validators.Number(gte=0.1, lte=SECONDS_MAX))
    ] = 10.0,
    pairs: Annotated[
        int, Parameter(help="Pairs of clients.", validator=validators.Number(gte=1, lte=PAIR_COUNT_MAX))
    ] = 10,
    rate: Annotated[
        float | None,
        Parameter(
            help="Messages in a second, of all pairs together; without it as many as the cluster takes.",
            validator=validators.Number(gt=0, lte=RATE_MAX),
        ),
    ] = None,
    size: Annotated[
        int, Parameter(help="Characters of a message.", validator=validators.Number(gte=1, lte=BODY_LENGTH_MAX))
    ] = 200,
    json: Json = False,
    target: Target = HERE,
) -> ExitCode | None:
    """Measure how quick a running cluster is; its help stands in command_list.py."""
    client = open_client(target)
    with _users(client, 2 * pairs) as users:
        try:
            measured = asyncio.run(_measure(client, users, seconds, rate, "x" * size))
        except* ChatterError as group:
            raise Failure(ExitCode.UNAVAILABLE, f"The cluster could not be measured: {_first(group)}") from group
    if json:
        print_json(measured)
    else:
        _print(measured)
    return None if measured.delivered == measured.sent else ExitCode.REFUSED


@contextmanager
def _users(client: AdminClient, count: int) -> Iterator[list[User]]:
    """Make accounts, and delete them in the end; one that stays is named."""
    run = secrets.token_hex(4)
    made: dict[str, User] = {}
    try:
        for number in range(count):
            name, password = f"bench-{run}-{number}", secrets.token_urlsafe(16)
            reply = client.request("POST", "/admin/v1/users", {"username": name, "password": password})
            made[name] = User(reply["jid"], password)
        yield list(made.values())
    finally:
        for name in made:
            try:
                client.request("DELETE", f"/admin/v1/users/{name}")
            except Failure as failure:
                print(f"The account {name} could not be deleted: {failure}", file=sys.stderr)


async def _measure(client: AdminClient, users: list[User], seconds: float, rate: float | None, body: str) -> Measured:
    """Log everybody in, and let them write."""
    async with AsyncExitStack() as stack:
        chatters = []
        for place, user in enumerate(users):
            chatters.append(await _log_in(client, place, user))
            stack.push_async_callback(chatters[-1].close)
        pairs = [
            Pair(writer, reader, user.address, now_ns=time.monotonic_ns)
            for writer, reader, user in zip(chatters[::2], chatters[1::2], users[1::2], strict=True)
        ]
        async with asyncio.TaskGroup() as group:
            listening = [group.create_task(chatter.listen()) for chatter in chatters]
            measured = await run_load(pairs, seconds=seconds, rate=rate, body=body, now_ns=time.monotonic_ns)
            for task in listening:
                task.cancel()
    return measured


async def _log_in(client: AdminClient, place: int, user: User) -> Chatter:
    """Log in at the node whose turn it is, or at the next one that answers."""
    urls = client.base_urls
    failures: list[ChatterError] = []
    for step in range(len(urls)):
        chatter = Chatter(urls[(place + step) % len(urls)], client.trust, now_ns=time.monotonic_ns)
        try:
            await chatter.log_in(user.address, user.password)
        except ChatterError as error:
            failures.append(error)
        else:
            return chatter
    raise failures[0]


def _first(group: BaseExceptionGroup[ChatterError]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _print(measured: Measured) -> None:
    console = Console(soft_wrap=True)
    how = "as many as it takes" if measured.rate is None else f"{measured.rate:g} a second"
    console.print(f"{measured.pairs} pairs for {measured.seconds:g} s, {how}: {measured.per_second:,} messages/s")
    missing = measured.sent - measured.delivered - measured.refused
    if missing or measured.refused:
        console.print(f"Of {measured.sent:,} messages {measured.refused:,} came back and {missing:,} did not arrive.")
    table = Table("Milliseconds until")
    for name in ("p50", "p95", "p99", "max"):
        table.add_column(name, justify="right")
    for what, durations in (("acknowledged", measured.acknowledged_ms), ("delivered", measured.delivered_ms)):
        table.add_row(what, *_cells(durations))
    console.print(table)


def _cells(durations: Durations) -> list[str]:
    return [f"{value:.1f}" for value in (durations.p50_ms, durations.p95_ms, durations.p99_ms, durations.max_ms)]
