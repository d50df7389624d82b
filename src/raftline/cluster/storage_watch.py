"""
What a node does about its disk while it runs: refuses in time, tells its peers, keeps the ballast, gives up leading.

`disk_space` says when space is short, the log when it has no room for another segment, and its writer since when the
oldest write waits. Looked at in the driver's housekeeping; the answers are asked for by every proposal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from raftline.cluster.apply_loop import ApplyLoop
from raftline.cluster.config import ClusterConfig
from raftline.cluster.disk_space import DiskSpace, SpaceState
from raftline.cluster.links import PeerLinks
from raftline.cluster.lives import Lives
from raftline.cluster.succession import Succession
from raftline.wal.log import WriteAheadLog
from raftline.wal.writer import Writer

WRITE_QUEUE_COUNT_MAX: Final = 256
"""Writes of a leader that are not on its own disk yet, of one entry or less; a disk that works has a few at most."""


class StorageWatch:
    """
    Looks after the disk of one node.

    Args:
        disk: Where log and database lie; None looks at the log's own space alone.
        on_failure: Takes the error after which the node must stop.
    """

    def __init__(
        self,
        config: ClusterConfig,
        log: WriteAheadLog,
        writer: Writer,
        apply: ApplyLoop,
        lives: Lives,
        links: PeerLinks,
        succession: Succession,
        *,
        disk: DiskSpace | None,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._isolated_after_ns = config.timing.isolated_after_ns
        self._disk = disk
        self._log = log
        self._writer = writer
        self._apply = apply
        self._lives = lives
        self._links = links
        self._succession = succession
        self._on_failure = on_failure
        self._ballast: asyncio.Future[bool] | None = None
        self.is_told_short = False
        self._out_since_ns: int | None = None

    @property
    def state(self) -> SpaceState:
        """How much the disk takes, as last seen."""
        return SpaceState.AMPLE if self._disk is None else self._disk.state

    @property
    def room_bytes(self) -> int:
        """What the disk still takes, as it is now; 0 where only the log's own space is looked at, or none is left."""
        return 0 if self._disk is None else max(0, self._disk.room_bytes())

    @property
    def has_space(self) -> bool:
        """New commands can be taken."""
        return self.state is SpaceState.AMPLE and self.takes_entries

    @property
    def takes_entries(self) -> bool:
        """The log can be written: what is taken already, and the node's own housekeeping, goes on while it can."""
        return self._log.has_space and not self._writer.stalled and self.state is not SpaceState.OUT

    @property
    def takes_another_entry(self) -> bool:
        """As leader: the disk keeps up as well. Commits run ahead of it when the others' disks are faster."""
        return self.takes_entries and self._writer.queue_count < WRITE_QUEUE_COUNT_MAX

    @property
    def release_count(self) -> int:
        """How often the ballast had to go."""
        return 0 if self._disk is None else self._disk.release_count

    def has_room_for(self, size: int) -> bool:
        """Whether the database may grow by so much at once. From any thread."""
        return self._disk is None or self._disk.has_room_for(size)

    def leaves_reserve(self, size: int) -> bool:
        """Whether new commands are taken even when so much more is written."""
        return self._disk is None or self._disk.leaves_reserve(size)

    def announce(self) -> None:
        """Tell the peers what has changed of this node."""
        self._links.announce()

    def link_up(self) -> None:
        """Repeat what a new connection's peer has not heard; ample space goes without saying."""
        if self.is_told_short:
            self.announce()

    def keep_house(self, now_ns: int, *, is_drained: bool) -> None:
        """Look, and act on what changed."""
        if self._disk is not None:
            self._disk.look()
            self._mind_ballast(self._disk)
            self._go_on_applying(now_ns)
        if self.is_told_short is self.has_space:
            self.is_told_short = not self.is_told_short
            self.announce()
        oldest_write_ns = None if self._writer.stalled else self._writer.pending_since
        is_unfit = self.is_told_short or is_drained
        self._succession.keep_house(now_ns, is_unfit=is_unfit, oldest_write_ns=oldest_write_ns)

    def _mind_ballast(self, disk: DiskSpace) -> None:
        if disk.wants_ballast and (self._ballast is None or self._ballast.done()):
            self._ballast = asyncio.get_running_loop().run_in_executor(None, disk.make_ballast)
            self._ballast.add_done_callback(self._ballast_made)

    def _ballast_made(self, made: asyncio.Future[bool]) -> None:
        if not made.cancelled() and (error := made.exception()) is not None:
            self._on_failure(error)

    def _go_on_applying(self, now_ns: int) -> None:
        """Apply what waited for space; without any for long, send the clients to other nodes."""
        if self._apply.held_since_ns is not None:
            self._apply.go_on()
        if self.state is not SpaceState.OUT:
            self._out_since_ns = None
        elif self._out_since_ns is None:
            self._out_since_ns = now_ns
        elif now_ns - self._out_since_ns >= self._isolated_after_ns:
            # What is committed reaches no client here, and nothing of theirs is counted.
            self._lives.end(self._lives.incarnation)

    async def stop(self) -> None:
        """Wait for a ballast that is being made."""
        if self._ballast is not None:
            await asyncio.wait((self._ballast,))
