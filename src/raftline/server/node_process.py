"""
The process of one node: lock, loop, signals, exit code.

SIGTERM and SIGINT end it in order; SIGHUP reads the settings again (reload.py). What makes going on impossible (a
failing disk) ends it at once, with one plain sentence and the exit code of failures.py: after a failed fsync nothing
may be written or acknowledged any more, so there is no order to keep.

Damage that the node's peers can repair begins the program anew in this very process, with nothing of the old one left
in memory: the start repairs it (`raftline.cluster.repair`), and nobody who watches the process has to know.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

import structlog
import uvloop

from raftline.base.errors import ConfigError, Dismissed, StorageCorrupt, StorageError
from raftline.cluster.repair import read_note
from raftline.server.config import NodeSettings
from raftline.server.failures import ExitCode, Failure
from raftline.server.locks import DirectoryLock
from raftline.server.node import RunningNode
from raftline.server.telemetry import set_up_logging

SWITCH_INTERVAL_S: Final = 0.0005
"""The log thread needs the interpreter lock for microseconds between system calls; Python's 5 ms would be its wait."""

COLLECTOR_THRESHOLDS: Final = (20_000, 20, 500)
"""Whole collections stop the loop for longer than a commit takes. Nearly all of our garbage has no cycles and goes
without the collector; one in 200 million allocations is left for what has."""

Logger = structlog.stdlib.BoundLogger


def run_node(
    settings: NodeSettings,
    *,
    read: Callable[[], NodeSettings] | None = None,
    on_locked: Callable[[], None] | None = None,
    stop_on_stdin_end: bool = False,
    on_dismissed: Callable[[], None] = lambda: None,
) -> ExitCode:
    """
    Run a node until a signal ends it.

    Args:
        read: Reads the settings again, for SIGHUP and the administration interface.
        on_locked: Called once this process alone holds the data directory.
        stop_on_stdin_end: End when standard input ends too: whoever started us is gone.
        on_dismissed: Called before the process ends because the node was removed from its cluster.

    Raises:
        ConfigError, StorageError, Failure: It cannot start; nothing of it runs any more.
    """
    log = set_up_logging(settings.log.level, settings.log.format)
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = DirectoryLock(settings.data_dir / "lock")
    except OSError as error:
        raise Failure(ExitCode.STORAGE, f"{settings.data_dir} cannot be used: {error.strerror}") from error
    try:
        if on_locked is not None:
            on_locked()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, read, log, stop_on_stdin_end, on_dismissed))
        return ExitCode.DONE
    finally:
        lock.close()


async def _serve(
    settings: NodeSettings,
    read: Callable[[], NodeSettings] | None,
    log: Logger,
    stop_on_stdin_end: bool,
    on_dismissed: Callable[[], None],
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if stop_on_stdin_end:
        _watch_stdin(loop, stop)

    def fatal(error: BaseException) -> NoReturn:
        if isinstance(error, StorageCorrupt) and repair_is_due(settings.data_dir):
            begin_anew(log, error)
        if isinstance(error, Dismissed):
            on_dismissed()
        end_at_once(log, error)

    node = RunningNode(settings, log, fatal, read)
    loop.add_signal_handler(signal.SIGHUP, _reload, node, log)
    stopped = loop.create_task(stop.wait(), name="stop")
    starting = loop.create_task(node.start(), name="start")
    try:
        await asyncio.wait((stopped, starting), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            _raise_or_repair(starting, fatal)
            gc.collect()
            gc.freeze()
            gc.set_threshold(*COLLECTOR_THRESHOLDS)
            await stopped
        log.info("stopping")
        if starting.cancel():
            await asyncio.wait((starting,))
    finally:
        stopped.cancel()
        await node.stop()
    log.info("stopped")


def _raise_or_repair(starting: asyncio.Task[None], fatal: Callable[[BaseException], NoReturn]) -> None:
    try:
        starting.result()
    except StorageCorrupt as error:
        fatal(error)


def repair_is_due(data_dir: Path) -> bool:
    """Whether damage is noted that the next start repairs."""
    try:
        note = read_note(data_dir)
    except StorageError:
        return False
    return note is not None and not note.is_set_aside


def begin_anew(log: Logger, error: StorageCorrupt) -> NoReturn:
    """Begin the program anew in this process; descriptors are closed, standard streams stay."""
    log.critical("the node begins anew and is repaired by its peers", reason=str(error))
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  the command line that we are


def _reload(node: RunningNode, log: Logger) -> None:
    """Read the settings again; what is wrong with them is told and changes nothing."""
    try:
        node.reload()
    except ConfigError as error:
        log.error("the settings stay as they were", reason=str(error))  # noqa: TRY400  a sentence, no stack


def end_at_once(log: Logger, error: BaseException) -> NoReturn:
    """End the process now, with a sentence and the exit code of the failure's kind."""
    if isinstance(error, Dismissed):
        log.critical("the node ends for good", reason=str(error))
        code = ExitCode.DISMISSED
    elif isinstance(error, StorageError | OSError):
        log.critical("the node cannot go on and ends", reason=str(error))
        code = ExitCode.STORAGE
    else:
        log.critical("the node cannot go on and ends: this is a bug", exc_info=error)
        code = ExitCode.BUG
    sys.stderr.flush()
    os._exit(code)


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends."""
    descriptor = sys.stdin.fileno()

    def read() -> None:
        if not os.read(descriptor, 4_096):
            loop.remove_reader(descriptor)
            stop.set()

    loop.add_reader(descriptor, read)
