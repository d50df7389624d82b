"""
The thread that moves the database's write-ahead file into the database, so that no apply waits for the disk.

A passive checkpoint runs beside the writer and disturbs nobody, but under steady load it never catches up entirely,
and the file could only start anew if it did. So when the file has grown large, applying pauses for the moment it takes
to move the last pages: commands go on being logged and committed meanwhile, and are applied right after.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from raftline.base.errors import StorageFull
from raftline.machine.database import checkpoint

_LOG: Final = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 2.0
"""How often a checkpoint runs while something is applied: each costs a sync of the database."""

RESTART_PAGES: Final = 16_384
"""From this size on (64 MiB) the file is made to start anew."""


class CheckpointThread:
    """
    Runs checkpoints until stopped.

    Args:
        path: The database.
        progress: Changes whenever something was applied; from any thread.
        request_pause: Called on the thread: ask the event loop to commit, to apply nothing, and to call back then.
        resume: Called on the thread: apply again.
        on_failure: Called on the thread, once, with the error after which the node must stop.
        has_room_for: Called on the thread: whether the database may grow by so many bytes.
    """

    def __init__(
        self,
        path: Path,
        *,
        progress: Callable[[], int],
        request_pause: Callable[[Callable[[], None]], None],
        resume: Callable[[], None],
        on_failure: Callable[[BaseException], None],
        has_room_for: Callable[[int], bool] = lambda _size: True,
        period_seconds: float = PERIOD_SECONDS,
    ) -> None:
        self._path = path
        self._progress = progress
        self._seen_progress = -1
        self._request_pause = request_pause
        self._resume = resume
        self._on_failure = on_failure
        self._has_room_for = has_room_for
        self._period_seconds = period_seconds
        self._stopping = threading.Event()
        self._paused = threading.Event()
        self.passive_count = 0
        self.restart_count = 0
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self._period_seconds):
                self._look()
        except BaseException as error:  # noqa: BLE001  whatever ends this thread must stop the process
            self._on_failure(error)

    def _look(self) -> None:
        progress = self._progress()
        if progress == self._seen_progress or not self._has_room_for(self._file_bytes()):
            return
        try:
            result = checkpoint(self._path)
            self.passive_count += 1
            if result.wal_page_count >= RESTART_PAGES:
                self._restart_file()
        except StorageFull as error:
            # Nothing is damaged: the file keeps what could not be moved, and the log keeps it too.
            _LOG.warning("no checkpoint for now: %s", error)
        else:
            self._seen_progress = progress

    def _file_bytes(self) -> int:
        """Size of the write-ahead file: the database grows by no more when all of it is moved."""
        try:
            return self._path.with_name(f"{self._path.name}-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def _restart_file(self) -> None:
        self._paused.clear()
        self._request_pause(self._paused.set)
        self._paused.wait()
        try:
            if not self._stopping.is_set():
                checkpoint(self._path, restart=True)
                self.restart_count += 1
        finally:
            self._resume()

    def stop(self) -> None:
        """End the thread; call it before the event loop ends. A checkpoint under way is finished first."""
        self._stopping.set()
        self._paused.set()
        self._thread.join()
