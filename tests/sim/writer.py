"""
The writer of a simulated node's log: `raftline.wal.writer.LogWriter` on virtual time.

The same rounds, without threads. A round is appended when it begins, and synced when the disk is done with it; between
the two a power failure finds the writes of the round unsynced. The disk goes on while the process is paused, but nobody
hears of it before the process wakes.

    idle ── submit ──> round: append ── the disk takes its time ──> sync ──> on_durable, trim, spare ──> idle or round
                         │ no space                                   │ an error: on_failure, once, and the end
                         └──> stalled, until a spare is there

The mark is synced when nothing came for a while. Spares are filled beside all that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from raftline.base.errors import LocalProtocolError, StorageFull
from raftline.wal.rounds import WriteJob, WriteRounds
from raftline.wal.writer import MARK_IDLE_SECONDS, SPACE_POLL_SECONDS, SyncLatency
from sim.scheduler import MICROSECOND_NS, SECOND_NS

if TYPE_CHECKING:
    from raftline.base.ids import LogIndex
    from raftline.raft.messages import Entry, HardState
    from raftline.wal.index import SnapshotMark
    from raftline.wal.log import WriteAheadLog
    from sim.disk import SimulatedDisk
    from sim.scheduler import Scheduled, Scheduler

_MARK_IDLE_NS: Final = int(MARK_IDLE_SECONDS * SECOND_NS)
_SPACE_POLL_NS: Final = int(SPACE_POLL_SECONDS * SECOND_NS)
_WAKE_NS: Final = 10 * MICROSECOND_NS


class WritingProcess(Protocol):
    """What the writer must know of its process."""

    @property
    def name(self) -> str:
        """For the trace."""

    @property
    def is_dying(self) -> bool:
        """Nothing of it runs any more."""

    @property
    def paused_until_ns(self) -> int:
        """Nothing of it runs before."""

    def jobs_durable(self, jobs: Sequence[WriteJob]) -> None:
        """Jobs are durable; the process has not been told yet."""

    def told_durable(self) -> None:
        """The process was told."""


class SimulatedWriter:
    """Implements `raftline.wal.writer.Writer`; arguments as there."""

    def __init__(
        self,
        log: WriteAheadLog,
        *,
        on_durable: Callable[[int], None],
        on_failure: Callable[[BaseException], None],
        now_ns: Callable[[], int],
        scheduler: Scheduler,
        disk: SimulatedDisk,
        process: WritingProcess,
    ) -> None:
        self._log = log
        self._rounds = WriteRounds(log, now_ns)
        self._on_durable = on_durable
        self._on_failure = on_failure
        self._now_ns = now_ns
        self._scheduler = scheduler
        self._disk = disk
        self._process = process
        self._is_writing = False
        self._is_closed = False
        self._is_stalled = False
        self._is_failed = False
        self._began_ns = 0
        self._appended = 0
        self._trim_upto: LogIndex | None = None
        self._roll_is_due = False
        self._mark_timer: Scheduled | None = None
        self._latency = SyncLatency()
        self._is_filling = False
        self._want_spare()

    # As a driver sees it

    def submit(
        self,
        sequence: int,
        hard_state: HardState | None,
        entries: Sequence[Entry],
        snapshot: SnapshotMark | None = None,
    ) -> None:
        """See `LogWriter.submit`."""
        if self._is_closed:
            raise LocalProtocolError("the log writer is closed")
        self._rounds.submit(sequence, hard_state, entries, snapshot)
        self._begin_soon()

    def trim(self, upto: LogIndex, *, roll: bool = False) -> None:
        """See `LogWriter.trim`."""
        self._trim_upto = upto
        self._roll_is_due |= roll
        self._look_for_space()
        self._begin_soon()

    @property
    def pending_since(self) -> int | None:
        """See `LogWriter.pending_since`."""
        return self._rounds.pending_since_ns

    @property
    def queue_count(self) -> int:
        """See `LogWriter.queue_count`."""
        return self._rounds.count

    @property
    def stalled(self) -> bool:
        """See `LogWriter.stalled`."""
        return self._is_stalled

    @property
    def failed(self) -> bool:
        """See `LogWriter.failed`."""
        return self._is_failed

    @property
    def sync_latency(self) -> SyncLatency:
        """See `LogWriter.sync_latency`."""
        return self._latency

    def close(self) -> None:
        """See `LogWriter.close`; called where functions run that block."""
        self._is_closed = True
        try:
            if not self._is_failed:
                self._finish_round()
            while not self._is_failed and self._rounds.begin():
                self._appended = self._rounds.append()
                if not self._appended:
                    break
                self._finish_round()
        except BaseException as error:  # noqa: BLE001  as in _guarded
            self._fail(error)
        self._rounds.drop()

    # Rounds

    def _begin_soon(self) -> None:
        if not self._is_writing and not self._is_stalled and not self._is_failed:
            self._is_writing = True
            self._later(_WAKE_NS, self._begin_round)

    def _later(self, delay_ns: int, step: Callable[[], None]) -> None:
        self._scheduler.after(delay_ns, self._guarded, step)

    def _guarded(self, step: Callable[[], None]) -> None:
        """Take a step of the thread, unless the process is gone, and when it is not paused."""
        process = self._process
        if process.is_dying or self._is_closed or self._is_failed:
            return
        if process.paused_until_ns > self._scheduler.now_ns:
            self._scheduler.at(process.paused_until_ns, self._guarded, step)
            return
        try:
            step()
        except BaseException as error:  # noqa: BLE001  whatever ends this thread must stop the process
            self._fail(error)

    def _begin_round(self) -> None:
        if self._mark_timer is not None:
            self._scheduler.cancel(self._mark_timer)
            self._mark_timer = None
        if not self._rounds.begin() and self._trim_upto is None:
            self._rest()
            return
        self._appended = self._rounds.append()
        self._began_ns = self._now_ns()
        if self._appended:
            self._scheduler.after(self._disk.draw_sync(), self._disk_is_done)
        else:
            self._end_round()

    def _disk_is_done(self) -> None:
        """The disk has what the round wrote, whether or not the process runs just now."""
        if self._process.is_dying or self._is_closed or self._is_failed:
            return
        if self._disk.stalled_until_ns > self._scheduler.now_ns:
            self._scheduler.at(self._disk.stalled_until_ns, self._disk_is_done)
            return
        try:
            self._log.sync()
        except BaseException as error:  # noqa: BLE001  as in _guarded
            failure = error
            self._guarded(lambda: self._fail(failure))
            return
        self._scheduler.note("synced", self._process.name, self._appended)
        self._process.jobs_durable(list(self._rounds._round)[: self._appended])
        self._guarded(self._tell)

    def _tell(self) -> None:
        seconds = (self._now_ns() - self._began_ns) / 1e9
        latency = self._latency
        self._latency = SyncLatency(latency.count + 1, latency.total_seconds + seconds, seconds)
        sequence = self._rounds.finish(self._appended)
        self._appended = 0
        self._on_durable(sequence)
        self._process.told_durable()
        if not self._process.is_dying:
            self._end_round()

    def _end_round(self) -> None:
        if self._rounds.is_short:
            self._is_stalled = True
        upto, self._trim_upto = self._trim_upto, None
        if upto is not None:
            self._log.trim(upto, roll=self._roll_is_due)
            self._roll_is_due = False
            self._scheduler.note("trimmed", self._process.name, upto)
        self._want_spare()
        if self._is_stalled:
            self._is_writing = False
            self._later(_SPACE_POLL_NS, self._look_for_space)
        elif self._rounds.count or self._trim_upto is not None:
            self._begin_round()
        else:
            self._rest()

    def _rest(self) -> None:
        self._is_writing = False
        if self._log.is_mark_dirty:
            self._mark_timer = self._scheduler.after(_MARK_IDLE_NS, self._guarded, self._log.sync_mark)

    def _finish_round(self) -> None:
        """For `close`: sync what the round has appended."""
        if self._appended:
            self._log.sync()
            self._process.jobs_durable(list(self._rounds._round)[: self._appended])
            self._on_durable(self._rounds.finish(self._appended))
            self._appended = 0
        self._is_writing = False

    # Space

    def _want_spare(self) -> None:
        """Have a spare filled if none waits."""
        if not self._is_filling and not self._log.has_spare:
            self._is_filling = True
            self._later(self._disk.draw_sync() * 10, self._fill_spare)

    def _fill_spare(self) -> None:
        try:
            self._log.prepare_spare()
        except StorageFull:
            self._later(_SPACE_POLL_NS, self._fill_spare)
            return
        self._is_filling = False
        self._scheduler.note("spare", self._process.name)
        self._look_for_space()

    def _look_for_space(self) -> None:
        """Try again what found no space."""
        if self._is_stalled:
            self._is_stalled = False
            self._begin_soon()

    def _fail(self, error: BaseException) -> None:
        if not self._is_failed:
            self._is_failed = True
            self._on_failure(error)
