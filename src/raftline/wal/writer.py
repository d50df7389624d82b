"""
The thread that writes the log.

Jobs queue up while a sync runs; the next round appends all of them and syncs once. There is no timer: a batch is what
arrived during the last sync, one job on a quiet server and hundreds on a busy one.

    submit ──> queue ──> append, append, append, sync ──> on_durable(last sequence)

A second thread zero-fills the next segment whenever none waits, so that the first one never does. When there is no
space for it, the log goes on in the segment in use; when that is full as well, the writer is *stalled*: it keeps its
jobs, acknowledges nothing of them, and goes on when space has come back, for which the second thread looks every
`SPACE_POLL_SECONDS`, since no file system tells.

Any other error ends the writer for good: `on_failure` is told once, nothing is acknowledged any more, and the process
must stop (a sync that failed cannot be repeated; see `raftline.wal.files`).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from raftline.base.errors import LocalProtocolError, StorageFull
from raftline.wal.rounds import WriteRounds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raftline.base.ids import LogIndex
    from raftline.raft.messages import Entry, HardState
    from raftline.wal.index import SnapshotMark
    from raftline.wal.log import WriteAheadLog

SPACE_POLL_SECONDS: Final = 1.0
"""How often space is looked for while there is none."""

MARK_IDLE_SECONDS: Final = 0.1
"""How long nothing arrives before the mark is synced as well."""


class SyncLatency(msgspec.Struct, frozen=True, gc=False):
    """
    How long syncs took.

    Attributes:
        count: Rounds that were synced.
        total_seconds: Their sum; each from the call of `sync` to its return.
        last_seconds: The last one.
    """

    count: int = 0
    total_seconds: float = 0.0
    last_seconds: float = 0.0


class Writer(Protocol):
    """What a driver asks of the writer of its log; simulations have one without threads. See `LogWriter`."""

    @property
    def pending_since(self) -> int | None:
        """Monotonic ns of when the oldest job not yet durable was submitted; None if none waits."""

    @property
    def queue_count(self) -> int:
        """Jobs not yet durable."""

    @property
    def stalled(self) -> bool:
        """Whether jobs wait for space on the disk."""

    @property
    def sync_latency(self) -> SyncLatency:
        """How long syncs took so far."""

    def submit(
        self,
        sequence: int,
        hard_state: HardState | None,
        entries: Sequence[Entry],
        snapshot: SnapshotMark | None = None,
    ) -> None:
        """Queue a job."""

    def trim(self, upto: LogIndex, *, roll: bool = False) -> None:
        """Ask for a trim of the log, after what is queued."""

    def close(self) -> None:
        """Write what is queued, then end; may block. The log stays open."""


class StartWriter(Protocol):
    """Makes the writer of a log; `LogWriter` is one."""

    def __call__(
        self,
        log: WriteAheadLog,
        *,
        on_durable: Callable[[int], None],
        on_failure: Callable[[BaseException], None],
        now_ns: Callable[[], int],
    ) -> Writer:
        """As the arguments of `LogWriter`."""


class LogWriter:
    """
    Group commit over a log that from now on belongs to this writer, until `close`.

    Args:
        log: Open. Others may read it; the writer alone appends, syncs and, at the end, leaves it open.
        on_durable: Called on the writer's thread with the sequence of the last job that became durable, with all
            before it. Must be short and must not call back into the writer.
        on_failure: Called once, on one of the writer's threads, with what ended it. The process must then stop.
        now_ns: The monotonic clock of this node.
        space_poll_seconds: How often space is looked for while there is none.
    """

    def __init__(
        self,
        log: WriteAheadLog,
        *,
        on_durable: Callable[[int], None],
        on_failure: Callable[[BaseException], None],
        now_ns: Callable[[], int] = time.monotonic_ns,
        space_poll_seconds: float = SPACE_POLL_SECONDS,
    ) -> None:
        self._log = log
        self._rounds = WriteRounds(log, now_ns)
        self._on_durable = on_durable
        self._on_failure = on_failure
        self._now_ns = now_ns
        self._space_poll_seconds = space_poll_seconds
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._spare_work = threading.Condition(self._lock)
        self._trim_upto: LogIndex | None = None
        self._roll_is_due = False
        self._is_closing = False
        self._is_stalled = False
        self._is_failed = False
        self._latency = SyncLatency()
        self._writer_thread = threading.Thread(target=self._write_rounds, name="log-writer", daemon=True)
        self._spare_thread = threading.Thread(target=self._prepare_spares, name="log-spare", daemon=True)
        self._writer_thread.start()
        self._spare_thread.start()

    def submit(
        self,
        sequence: int,
        hard_state: HardState | None,
        entries: Sequence[Entry],
        snapshot: SnapshotMark | None = None,
    ) -> None:
        """
        Queue a job; from any thread, never blocks on the disk.

        Args:
            sequence: Higher than that of the job before.
            hard_state: As for `WriteAheadLog.append`.
            entries: The same; not to be changed afterwards. A job with neither is a marker for the ones before it.
            snapshot: As for `WriteAheadLog.install_snapshot`, behind the hard state and before the entries.

        Raises:
            LocalProtocolError: The writer is closed, or the sequence does not grow.

        Limits: the caller bounds what it submits; `queue_count` tells how much waits. After a failure jobs are taken
            and never acknowledged.
        """
        with self._lock:
            if self._is_closing:
                raise LocalProtocolError("the log writer is closed")
            self._rounds.submit(sequence, hard_state, entries, snapshot)
            self._work.notify()

    def trim(self, upto: LogIndex, *, roll: bool = False) -> None:
        """
        Ask for `WriteAheadLog.trim`, after what is queued and on the writer's thread; from any thread, never blocks.

        Order: the caller reads no entry up to `upto` any more. A request that is still waiting when the next one comes,
        or when the writer is closed, is dropped: the next start can ask again.
        """
        with self._lock:
            self._trim_upto = upto
            self._roll_is_due |= roll
            self._work.notify()

    @property
    def pending_since(self) -> int | None:
        """Monotonic ns of when the oldest job not yet durable was submitted; None if none waits. For a watchdog."""
        with self._lock:
            return self._rounds.pending_since_ns

    @property
    def queue_count(self) -> int:
        """Jobs not yet durable, the running round included."""
        with self._lock:
            return self._rounds.count

    @property
    def stalled(self) -> bool:
        """Whether jobs wait for space on the disk."""
        return self._is_stalled

    @property
    def failed(self) -> bool:
        """Whether an error ended the writer; nothing becomes durable any more."""
        return self._is_failed

    @property
    def sync_latency(self) -> SyncLatency:
        """How long syncs took so far."""
        return self._latency

    def close(self) -> None:
        """
        Write what is queued, then end both threads; the log stays open. Not from a callback.

        Jobs that wait for space, or came before a failure, are dropped: nobody was told that they are durable.
        """
        with self._lock:
            self._is_closing = True
            self._work.notify()
            self._spare_work.notify()
        self._writer_thread.join()
        self._spare_thread.join()

    def _write_rounds(self) -> None:
        try:
            while self._wait_for_round():
                self._write_round()
                self._trim()
        except BaseException as error:  # noqa: BLE001  whatever ends this thread must stop the process
            self._fail(error)

    def _wait_for_round(self) -> bool:
        """Begin a round of everything queued, an empty one if a trim is due; False when nothing is left to do."""
        while True:
            with self._lock:
                while not (self._rounds.count or self._trim_upto is not None or self._is_ending()):
                    is_idle = not self._work.wait(MARK_IDLE_SECONDS if self._log.is_mark_dirty else None)
                    if is_idle:
                        break
                if self._is_failed:
                    return False
                if self._rounds.begin() or (self._trim_upto is not None and not self._is_closing):
                    return True
                if self._is_closing:
                    return False
            self._log.sync_mark()

    def _write_round(self) -> None:
        """Append the round's jobs and make them durable with one sync; keep those that find no space."""
        count = self._rounds.append()
        if count:
            started_ns = self._now_ns()
            self._log.sync()
            seconds = (self._now_ns() - started_ns) / 1e9
            latency = self._latency
            self._latency = SyncLatency(latency.count + 1, latency.total_seconds + seconds, seconds)
            with self._lock:
                sequence = self._rounds.finish(count)
                if not self._log.has_spare:
                    self._spare_work.notify()
            self._on_durable(sequence)
        if self._rounds.is_short:
            self._wait_for_space()

    def _trim(self) -> None:
        with self._lock:
            upto, self._trim_upto = self._trim_upto, None
            roll, self._roll_is_due = self._roll_is_due, False
        if upto is not None:
            self._log.trim(upto, roll=roll)

    def _wait_for_space(self) -> None:
        """Stall until the other thread has found space; drop what waits if the writer is to end without it."""
        with self._lock:
            if self._is_closing:
                self._rounds.drop()
                return
            self._is_stalled = True
            # A spare that waits already was not enough for the job: look again later.
            poll_seconds = self._space_poll_seconds if self._log.has_spare else None
            is_short = self._log.has_spare
            self._work.wait_for(
                lambda: self._is_ending() or self._trim_upto is not None or (self._log.has_spare and not is_short),
                timeout=poll_seconds,
            )
            self._is_stalled = False

    def _prepare_spares(self) -> None:
        """Keep a spare ready; look again every now and then while there is no space for one."""
        try:
            while True:
                has_spare = self._prepare_spare()
                with self._lock:
                    if has_spare:
                        self._work.notify()
                        self._spare_work.wait_for(lambda: not self._log.has_spare or self._is_ending())
                    else:
                        self._spare_work.wait_for(self._is_ending, self._space_poll_seconds)
                    if self._is_ending():
                        return
        except BaseException as error:  # noqa: BLE001  whatever ends this thread must stop the process
            self._fail(error)

    def _prepare_spare(self) -> bool:
        try:
            self._log.prepare_spare()
        except StorageFull:
            return False
        return True

    def _is_ending(self) -> bool:
        return self._is_closing or self._is_failed

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            is_first = not self._is_failed
            self._is_failed = True
            self._work.notify()
            self._spare_work.notify()
        if is_first:
            self._on_failure(error)
