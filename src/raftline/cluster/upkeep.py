"""
What a node's disk asks for while the node works: the log's writer, space, checkpoints, compaction, the index of
messages, snapshots, repair.

One object joins them, since they depend on each other: a checkpoint lets the log be compacted, a snapshot holds that
up, a snapshot that is installed is a checkpoint, and a repair ends when the core says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from raftline.cluster.backups import Backups
from raftline.cluster.checkpoints import Checkpoints
from raftline.cluster.compaction import Compaction
from raftline.cluster.database_copy import DatabaseCopies
from raftline.cluster.indexing import Indexing
from raftline.cluster.metrics import UpkeepMetrics
from raftline.cluster.snapshots import Snapshots
from raftline.cluster.storage_watch import StorageWatch

if TYPE_CHECKING:
    from raftline.cluster.apply_loop import ApplyLoop
    from raftline.cluster.chores import Chores
    from raftline.cluster.config import ClusterConfig
    from raftline.cluster.links import PeerLinks
    from raftline.cluster.lives import Lives
    from raftline.cluster.storage import NodeStorage
    from raftline.cluster.succession import Succession
    from raftline.raft.node import Raft
    from raftline.raft.ready import Ready

_LOG: Final = logging.getLogger(__name__)


class Upkeep:
    """
    Starts and joins the parts of a node that keep its disk in order.

    Args:
        call_on_loop: Lets the event loop call a function, from any thread.
        on_durable: Called on the loop when the log has made the write of this sequence, and all before it, durable.
        on_failure: Called on the loop with an error after which the node must stop.
        draw_name: Gives a name that no snapshot of this node ever had.
        on_installed: Called when the database is another one, before anything is applied to it.
        on_change: Called when the core has something to say.
    """

    def __init__(
        self,
        config: ClusterConfig,
        raft: Raft,
        storage: NodeStorage,
        apply: ApplyLoop,
        lives: Lives,
        links: PeerLinks,
        succession: Succession,
        chores: Chores,
        *,
        now_ns: Callable[[], int],
        wall_ms: Callable[[], int],
        call_on_loop: Callable[..., object],
        on_durable: Callable[[int], None],
        on_failure: Callable[[BaseException], None],
        draw_name: Callable[[], str],
        on_installed: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        settings = storage.settings
        self._raft = raft
        self._machine = storage.machine
        self._repair = storage.repair
        self._chores = chores
        self._repair_count = 0

        def durable(sequence: int) -> None:
            call_on_loop(on_durable, sequence)

        def failed(error: BaseException) -> None:
            call_on_loop(on_failure, error)

        self.writer = settings.start_writer(storage.log, on_durable=durable, on_failure=failed, now_ns=now_ns)
        self.storage = StorageWatch(
            config, storage.log, self.writer, apply, lives, links, succession, disk=storage.disk, on_failure=on_failure
        )
        self.compaction = Compaction(
            raft, storage.log, self.writer, trailing_bytes=settings.trailing_bytes, now_ns=now_ns, wall_ms=wall_ms
        )
        self.checkpoints = Checkpoints(
            settings.database_path,
            apply,
            aside=chores.aside,
            on_durable=self.compaction.checkpointed,
            has_room_for=self.storage.has_room_for,
            vfs=settings.vfs,
        )
        self.indexing = Indexing(apply, now_ns=now_ns)
        for work, name in ((self.checkpoints.run(), "checkpoints"), (self.indexing.run(), "indexing")):
            chores.begin(work, name)
        copies = DatabaseCopies(settings, chores)
        self.backups = self._make_backups(storage, copies, apply, draw_name, now_ns)
        self.snapshots = Snapshots(
            raft,
            storage,
            apply,
            links,
            copies,
            chores,
            self.checkpoints,
            self.compaction,
            draw_name=draw_name,
            now_ns=now_ns,
            on_installed=on_installed,
            on_change=on_change,
        )

    def _make_backups(
        self,
        storage: NodeStorage,
        copies: DatabaseCopies,
        apply: ApplyLoop,
        draw_name: Callable[[], str],
        now_ns: Callable[[], int],
    ) -> Backups:
        return Backups(
            storage,
            copies,
            apply,
            self._chores,
            has_room_for=self.storage.leaves_reserve,
            draw_name=draw_name,
            now_ns=now_ns,
        )

    def follow(self, ready: Ready) -> None:
        """Do what the core asks for."""
        self.snapshots.follow(ready)
        if ready.recovered:
            self._chores.begin(self._finish_repair(), "repair")

    async def _finish_repair(self) -> None:
        await self._chores.aside(self._repair.finish)
        self._repair_count += 1
        _LOG.warning("the node is repaired: it has back everything that it may have acknowledged")

    def keep_house(self, now_ns: int, *, is_drained: bool) -> None:
        """Look at what no event announces."""
        self.storage.keep_house(now_ns, is_drained=is_drained)
        self.snapshots.keep_house(now_ns)
        self.backups.keep_house(now_ns)
        self.compaction.keep_house(now_ns)

    def metrics(self) -> UpkeepMetrics:
        """Return the figures as they are now."""
        raft, snapshots = self._raft, self.snapshots
        return UpkeepMetrics(
            is_recovering=raft.is_recovering,
            repair_count=self._repair_count,
            compaction_count=self.compaction.count,
            snapshot_taken_count=snapshots.source.taken_count,
            snapshot_installed_count=snapshots.installed_count,
            snapshot_sent_bytes=snapshots.source.sent_bytes,
            snapshot_received_bytes=snapshots.fetch.received_bytes,
            snapshot_failure_count=snapshots.fetch.failure_count,
            snapshot_damaged_count=snapshots.source.damaged_count,
            voter_count=len(raft.voters),
            member_count=len(raft.membership.members),
            machine_version=self._machine.machine_version,
        )
