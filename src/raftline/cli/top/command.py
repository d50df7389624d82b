"""`raftline top`: reading after reading, until somebody has seen enough."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import httpx2
import msgspec
from cyclopts import Parameter, validators
from rich.console import Console
from rich.live import Live

from raftline.cli.connection import HERE, AdminClient, Target, no_answer, open_client
from raftline.cli.output import Json, print_json
from raftline.cli.top.probe import Probe
from raftline.cli.top.reading import History, Reading
from raftline.cli.top.view import render

INTERVAL_S_DEFAULT: Final = 1.0
INTERVAL_S_MIN: Final = 0.1
INTERVAL_S_MAX: Final = 3_600.0

QUIT_KEYS: Final = frozenset(b"qQ")
KEY_BYTES_MAX: Final = 64
"""Of what was typed since it was looked at last."""

NOTE: Final = "q ends it"


def top(
    *,
    interval: Annotated[
        float,
        Parameter(
            help="Seconds between two readings.", validator=validators.Number(gte=INTERVAL_S_MIN, lte=INTERVAL_S_MAX)
        ),
    ] = INTERVAL_S_DEFAULT,
    once: Annotated[bool, Parameter(help="Print one reading, and end.", negative=())] = False,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """Show the cluster live; its help stands in command_list.py."""
    watch = Watch(open_client(target), interval)
    try:
        if once or not (json or sys.stdout.isatty()):
            reading = asyncio.run(watch.once())
            if json:
                print_json(reading)
            else:
                console = Console()
                console.print(render(reading, console.width))
        elif json:
            asyncio.run(watch.follow(_print_line))
        else:
            _show(watch)
    except KeyboardInterrupt:
        return  # how people end it


def _print_line(reading: Reading) -> None:
    """Print a reading in one line, for a program that reads line by line."""
    sys.stdout.write(msgspec.json.encode(reading).decode() + "\n")
    sys.stdout.flush()


def _show(watch: Watch) -> None:
    console = Console()
    with _keys() as has_keys, Live(console=console, screen=True, auto_refresh=False) as live:

        def show(reading: Reading) -> None:
            live.update(render(reading, console.width, note=NOTE if has_keys else ""), refresh=True)

        asyncio.run(watch.follow(show, has_keys=has_keys))


class Watch:
    """
    Reads one cluster again and again.

    Args:
        interval_s: From one reading to the next.
    """

    def __init__(self, admin: AdminClient, interval_s: float) -> None:
        self._admin = admin
        self._interval_s = interval_s

    async def once(self) -> Reading:
        """
        Return one reading, of two samples.

        Raises:
            Failure: UNAVAILABLE: no node tells of the cluster.
        """
        history = History()
        async with self._admin.open_async() as http:
            probe = self._probe(http)
            first = await probe.sample()
            if first.status is not None:
                history.add(first)
                await asyncio.sleep(self._interval_s)
                second = await probe.sample()
                if second.status is not None:
                    return history.add(second)
        raise no_answer(probe.failures, unknown=False)

    async def follow(self, show: Callable[[Reading], object], *, has_keys: bool = False) -> None:
        """
        Show readings until a key or an interrupt ends it; that no node answers ends nothing.

        An interrupt is taken as a wish, like the key: what is under way is finished, and no wait is cut short in a way
        that a library below might take for its own.

        Args:
            has_keys: Standard input gives single keys.
        """
        history = History()
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, ended.set)
        if has_keys:
            loop.add_reader(sys.stdin.fileno(), _read_key, ended)
        try:
            async with self._admin.open_async() as http:
                probe = self._probe(http)
                while not ended.is_set():
                    begun_s = loop.time()
                    show(history.add(await probe.sample()))
                    remaining_s = max(0.0, self._interval_s - (loop.time() - begun_s))
                    try:
                        await asyncio.wait_for(ended.wait(), remaining_s)
                    except TimeoutError:
                        continue
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            if has_keys:
                loop.remove_reader(sys.stdin.fileno())

    def _probe(self, http: httpx2.AsyncClient) -> Probe:
        return Probe(self._admin, http, monotonic_s=time.monotonic, wall_ms=lambda: time.time_ns() // 1_000_000)


def _read_key(ended: asyncio.Event) -> None:
    keys = os.read(sys.stdin.fileno(), KEY_BYTES_MAX)
    if not keys or QUIT_KEYS.intersection(keys):
        ended.set()


@contextmanager
def _keys() -> Iterator[bool]:
    """Let a terminal give single keys, unseen, as long as this lasts. Yields: whether there is a terminal."""
    if not sys.stdin.isatty():
        yield False
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield True
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
