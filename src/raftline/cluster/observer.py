"""
What this node has to tell to whoever watches the cluster, and what all of them tell.

Nobody is asked while nobody watches. Who led when is remembered since the start of the process, at each node as it saw
it: together they know more than any of them, and what one forgets in a restart the others remember.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from raftline import __version__
from raftline.base.ids import NodeId, Term
from raftline.cluster.reading import LEADS, LOST, STANDS, EdgeFigures, LeadershipChange, Reading
from raftline.raft.node import Role

if TYPE_CHECKING:
    from raftline.cluster.disk_space import DiskSpace
    from raftline.cluster.driver import Driver
    from raftline.cluster.latency import LatencyFigures

CHANGE_COUNT_MAX: Final = 64
"""Changes of leadership that a node remembers, and that a time line of all nodes holds."""


class Observer:
    """
    One node's readings of itself.

    Args:
        latency: Returns how many commands took how long, by classes.
        wall_ms: The wall clock.
        disk: Where log and database lie; None where nobody looks.

    Attributes:
        edges: Returns what the edges know; set by whoever composes the node.
    """

    def __init__(
        self, driver: Driver, latency: Callable[[], LatencyFigures], wall_ms: Callable[[], int], disk: DiskSpace | None
    ) -> None:
        self._driver = driver
        self._latency = latency
        self._wall_ms = wall_ms
        self._disk = disk
        self._started_ms = wall_ms()
        self._started_ns = driver.now_ns()
        self._changes: deque[LeadershipChange] = deque(maxlen=CHANGE_COUNT_MAX)
        self._leader: tuple[NodeId, Term] | None = None
        self.edges: Callable[[], EdgeFigures] = EdgeFigures

    def role_changed(self) -> None:
        """Note what changed: role, term or leader do."""
        raft = self._driver.raft
        leader = None if raft.leader_id is None else (raft.leader_id, raft.term)
        if leader != self._leader:
            if self._leader is not None:
                self._note(LOST, *self._leader)
            if leader is not None:
                self._note(LEADS, *leader)
            self._leader = leader
        if raft.role is Role.CANDIDATE:
            self._note(STANDS, self._driver.node_id, raft.term)

    def _note(self, kind: str, node_id: NodeId, term: Term) -> None:
        self._changes.append(LeadershipChange(self._wall_ms(), term, kind, node_id))

    def reading(self) -> Reading:
        """Return what this node tells of itself now."""
        driver = self._driver
        raft = driver.raft
        now_ns = driver.now_ns()
        syncs = driver.upkeep.writer.sync_latency
        return Reading(
            release=__version__,
            machine_version=driver.machine.machine_version,
            started_ms=self._started_ms,
            elapsed_ns=now_ns - self._started_ns,
            term=raft.term,
            last_index=raft.last_index,
            commit_index=raft.commit_index,
            is_drained=driver.draining.is_drained,
            disk_state=int(driver.storage.state),
            disk_room_bytes=None if self._disk is None else self._disk.room_bytes(),
            sync_count=syncs.count,
            sync_seconds=syncs.total_seconds,
            in_flight_count=len(driver.forwarding.pending),
            edges=self.edges(),
            latencies=self._latency().counts,
            changes=tuple(self._changes),
        )


def time_line(readings: Iterable[Reading]) -> list[LeadershipChange]:
    """
    Join what nodes saw of elections, oldest first; what several saw is told once, as the first of them saw it.

    That one stands for an election only it tells. Wall clocks of nodes differ: terms decide before they do.
    """
    first: dict[tuple[Term, str, NodeId], LeadershipChange] = {}
    for reading in readings:
        for change in reading.changes:
            key = (change.term, change.kind, change.node_id)
            if key not in first or change.time_ms < first[key].time_ms:
                first[key] = change
    order = (STANDS, LEADS, LOST)
    found = sorted(first.values(), key=lambda change: (change.term, order.index(change.kind), change.node_id))
    return found[-CHANGE_COUNT_MAX:]
