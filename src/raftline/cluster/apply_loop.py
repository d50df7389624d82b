"""
Committed entries into the state machine, in slices that leave the event loop its breath.

A slice ends after `SLICE_COMMANDS` commands or `SLICE_NS`, whichever comes first, but never inside an entry; the rest
goes on in the next turn of the loop. Results are handed over entry by entry, as soon as each is applied: they are
committed and durable here, so nobody sees what could be lost.

The machine's transaction may span slices, since the log is the durability; it is closed once nothing was applied for
`IDLE_NS`, and after `TRANSACTION_NS` at the latest, so that a restart has little to replay and the checkpoint thread
something to do. Local reads use the same connection and see the open transaction. It is closed as well once it holds
`TRANSACTION_BYTES`, so that what a commit writes at once has a bound (`disk_space` says why that matters).

While the disk has no space nothing is applied; `go_on` looks again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from raftline.base.ids import LogIndex
from raftline.cluster.config import MILLISECOND_NS
from raftline.cluster.disk_space import DiskSpace, SpaceState
from raftline.machine.machine import Machine
from raftline.machine.outcomes import CommandResult
from raftline.raft.messages import Entry, EntryKind

_LOG: Final = logging.getLogger(__name__)

SLICE_COMMANDS: Final = 256
SLICE_NS: Final = 5 * MILLISECOND_NS
IDLE_NS: Final = 5 * MILLISECOND_NS
TRANSACTION_NS: Final = 50 * MILLISECOND_NS
TRANSACTION_BYTES: Final = 4 << 20


class ApplyLoop:
    """
    Applies what is committed, in order.

    Args:
        on_results: Takes the results of each entry, in order.
        on_slice: Called after each slice, with nothing in between half done.
        on_failure: Takes the error after which this node must stop; nothing is applied any more.
        disk: Where the database lies; None for one in memory.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        monotonic_ns: Callable[[], int],
        on_results: Callable[[list[CommandResult]], None],
        on_slice: Callable[[], None],
        on_failure: Callable[[BaseException], None],
        disk: DiskSpace | None = None,
    ) -> None:
        self._machine = machine
        self._disk = disk
        self._monotonic_ns = monotonic_ns
        self._on_results = on_results
        self._on_slice = on_slice
        self._on_failure = on_failure
        self._queue: deque[Entry] = deque()
        self._queue_bytes = 0
        self._is_scheduled = False
        self._is_stopped = False
        self._pause_count = 0
        self._commit_timer: asyncio.TimerHandle | None = None
        self._opened_ns = 0
        self._applied_ns = 0
        self._open_bytes = 0
        self._held_since_ns: int | None = None
        self.command_count = 0
        self.indexed_count = 0
        """Messages that were made searchable: these change the database as well."""
        self.apply_ns = 0

    @property
    def queue_bytes(self) -> int:
        """Payload bytes of entries that wait."""
        return self._queue_bytes

    def enqueue(self, entries: Sequence[Entry]) -> None:
        """Take committed entries, contiguous with those before; a first slice is applied at once."""
        self._queue.extend(entries)
        self._queue_bytes += sum(len(entry.payload) for entry in entries)
        if not self._is_scheduled:
            self._run_slice()

    def drop(self) -> None:
        """Forget what waits, and leave the transaction that is open to its machine: a snapshot contains all of it."""
        self._queue.clear()
        self._queue_bytes = 0
        self._open_bytes = 0
        if self._commit_timer is not None:
            self._commit_timer.cancel()
            self._commit_timer = None

    def pause(self) -> None:
        """Close the transaction and apply nothing until `resume` was called as often."""
        self._pause_count += 1
        self._commit()

    def resume(self) -> None:
        """End a pause."""
        self._pause_count -= 1
        self.go_on()

    def go_on(self) -> None:
        """Apply again what waits, if neither a pause nor the disk forbids it."""
        if self._queue and not self._is_scheduled:
            self._run_slice()

    @property
    def held_since_ns(self) -> int | None:
        """When entries that are committed began to wait for space on the disk; None while there is some."""
        return self._held_since_ns

    def _is_held(self) -> bool:
        """Look whether the disk takes more; if it does not, close the transaction, which the ballast has room for."""
        if self._disk is None or self._disk.look() is not SpaceState.OUT:
            self._held_since_ns = None
            return False
        if self._held_since_ns is None:
            self._held_since_ns = self._monotonic_ns()
        self._commit()
        return True

    def _run_slice(self) -> None:
        self._is_scheduled = False
        if self._is_stopped or self._pause_count or self._is_held():
            return
        try:
            self._apply_slice()
            self._on_slice()
        except BaseException as error:  # noqa: BLE001  a replica that cannot apply must stop, whatever the reason
            self._is_stopped = True
            self._on_failure(error)
            return
        if self._queue:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._run_slice)

    def _apply_slice(self) -> None:
        machine = self._machine
        started_ns = now_ns = self._monotonic_ns()
        count = 0
        while self._queue and count < SLICE_COMMANDS and now_ns - started_ns < SLICE_NS:
            entry = self._queue.popleft()
            self._queue_bytes -= len(entry.payload)
            self._open_bytes += len(entry.payload)
            if entry.kind is EntryKind.DATA:
                results = machine.apply(entry.index, entry.term, entry.payload)
                count += len(results)
                self._on_results(results)
            else:
                machine.apply_empty(entry.index, entry.term)
            now_ns = self._monotonic_ns()
        self.command_count += count
        self.apply_ns += now_ns - started_ns
        self._applied_ns = now_ns
        for fault in machine.take_faults():
            # The command was refused on every node alike; why is in the code.
            _LOG.error("a fault in applying command %d", fault.position, exc_info=fault.error)
        if self._open_bytes >= TRANSACTION_BYTES:
            self._commit()
        if self._commit_timer is None and machine.has_open_transaction:
            self._opened_ns = started_ns
            self._arm_commit()

    def _arm_commit(self) -> None:
        self._commit_timer = asyncio.get_running_loop().call_later(IDLE_NS / 1e9, self._commit_if_due)

    def _commit_if_due(self) -> None:
        """Close the transaction if it is idle or old; look again soon otherwise."""
        self._commit_timer = None
        if self._is_stopped:
            return
        now_ns = self._monotonic_ns()
        if now_ns - self._applied_ns < IDLE_NS and now_ns - self._opened_ns < TRANSACTION_NS - IDLE_NS:
            self._arm_commit()
        else:
            self._commit()

    def _commit(self) -> None:
        if self._is_stopped or not self._machine.has_open_transaction:
            return
        try:
            if self._disk is not None and self._disk.look() is SpaceState.OUT:
                self._disk.release_ballast()
            self._machine.commit()
            self._open_bytes = 0
        except BaseException as error:  # noqa: BLE001  as above
            self._is_stopped = True
            self._on_failure(error)

    def index_some(self, limit: int) -> int:
        """
        Make the next messages searchable, at most so many; return how many.

        None while something waits to be applied, or the disk has no ample space. The database follows with the next
        commit.
        """
        if self._is_stopped or self._pause_count or self._queue:
            return 0
        if self._disk is not None and self._disk.look() is not SpaceState.AMPLE:
            return 0
        try:
            count = self._machine.index_some(limit)
        except BaseException as error:  # noqa: BLE001  as above
            self._is_stopped = True
            self._on_failure(error)
            return 0
        self.indexed_count += count
        if self._commit_timer is None:
            self._commit()
        return count

    @property
    def applied_index(self) -> LogIndex:
        """Index of the last entry applied."""
        return self._machine.applied_index

    def stop(self) -> None:
        """Apply nothing more and close the transaction."""
        if self._commit_timer is not None:
            self._commit_timer.cancel()
            self._commit_timer = None
        self._commit()
        self._is_stopped = True
