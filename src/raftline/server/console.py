"""The console, composed: what the cluster's own floor tells, in the console's words."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from hashlib import blake2b
from typing import Final

from raftline.base.ids import NodeId
from raftline.cluster.driver import Driver
from raftline.cluster.latency import CLASS_COUNT, cumulative, quantile
from raftline.cluster.observer import time_line
from raftline.cluster.peer_book import peer_of
from raftline.cluster.reading import Reading
from raftline.console.console import Console
from raftline.console.readings import GAP_NS_MAX, Change, NodeFigures, NodeReading
from raftline.console.readings import Reading as ClusterReading
from raftline.console.sessions import Sessions
from raftline.console.sign_in import SignIn
from raftline.console.stream import EventStream
from raftline.console.watch import Watch
from raftline.machine.commands import Credential
from raftline.machine.queries import NodeProfiles
from raftline.machine.records import NodeProfile
from raftline.node.node import LocalNode
from raftline.server.cluster_file import FILE_NAME
from raftline.server.config import NodeSettings
from raftline.web.page import STATIC_DIRECTORY
from raftline.web.rate_limit import RateLimit
from raftline.web.static_files import built_page

SIGN_INS_PER_MINUTE: Final = 10
"""Of one address, and for one account from anywhere."""

DISK_STATES: Final = ("ample", "short", "out")


def make_console(
    node: LocalNode,
    settings: NodeSettings,
    token: str,
    *,
    http_urls: Callable[[], tuple[str, ...]],
    check: Callable[[str, Credential], Awaitable[bool]],
    decoy_key: bytes,
    wall_ms: Callable[[], int],
) -> Console:
    """
    Join the console with a node.

    Args:
        token: Of the cluster.
        http_urls: Returns where the nodes' HTTP listeners are.
        check: Compares a password with what is kept of it, off the loop.
        decoy_key: Stands for what is kept of accounts that are none.
    """
    driver = node.driver
    administrators = frozenset(settings.xmpp.administrators)
    sessions = Sessions(
        blake2b(settings.cluster.id.encode(), key=blake2b(token.encode()).digest(), person=b"console").digest(),
        wall_ms=wall_ms,
        entropy=os.urandom,
        is_administrator=lambda account: f"{account}@{settings.domain}" in administrators,
    )

    latencies = Latencies()

    async def gather() -> ClusterReading:
        return await read_cluster(driver, latencies, wall_ms())

    def about() -> dict[str, object]:
        return {
            "domain": settings.domain,
            "node": settings.cluster.node_id,
            "directory": development_directory(settings),
        }

    return Console(
        SignIn(
            node=node,
            sessions=sessions,
            token=token,
            by_address=RateLimit(SIGN_INS_PER_MINUTE),
            by_account=RateLimit(SIGN_INS_PER_MINUTE),
            check=check,
            decoy_key=decoy_key,
            clock=time.monotonic_ns,
        ),
        EventStream(Watch(gather, time.monotonic_ns), sessions, token, about),
        http_urls,
        partial(built_page, STATIC_DIRECTORY, "console"),
    )


def development_directory(settings: NodeSettings) -> str | None:
    """Return the directory of a development cluster (`raftline up`) that a node belongs to; None in production."""
    found = [folder for folder in settings.data_dir.parents[:3] if (folder / FILE_NAME).exists()]
    return str(found[0]) if settings.plaintext.allow and found else None


class Latencies:
    """How long commands took between one look at the nodes and the next."""

    def __init__(self) -> None:
        self._before: Mapping[NodeId, Reading] = {}

    def since(self, readings: Mapping[NodeId, Reading]) -> dict[float, int]:
        """Return what came into each class since the last call, cumulative, of nodes that can be compared."""
        total = Counter[float]()
        for node_id, now in readings.items():
            before = self._before.get(node_id)
            if before is not None and _are_comparable(before, now):
                grown = [count - former for count, former in zip(now.latencies, before.latencies, strict=True)]
                total.update(cumulative(grown))
        self._before = readings
        return dict(total)


def _are_comparable(before: Reading, now: Reading) -> bool:
    """Whether one process told both, lately enough for a rate, and in classes that this release knows."""
    is_recent = before.started_ms == now.started_ms and now.elapsed_ns - before.elapsed_ns <= GAP_NS_MAX
    return is_recent and len(before.latencies) == len(now.latencies) == CLASS_COUNT


async def read_cluster(driver: Driver, latencies: Latencies, time_ms: int) -> ClusterReading:
    """Ask all nodes, and say it in the console's words."""
    status, readings = await driver.survey.gather()
    rows = driver.machine.answer(NodeProfiles())
    assert isinstance(rows, list)
    urls = {row.node_id: row.http_url for row in rows if isinstance(row, NodeProfile)}
    peers = {member.node_id: peer_of(member) for member in driver.raft.membership.members}
    grown = latencies.since(readings)
    p50_s, p99_s = quantile(0.5, grown), quantile(0.99, grown)
    return ClusterReading(
        time_ms=time_ms,
        node=driver.node_id,
        leader=status.leader_id,
        term=status.term,
        commit_index=status.commit_index,
        commit_p50_ms=None if p50_s is None else p50_s * 1e3,
        commit_p99_ms=None if p99_s is None else p99_s * 1e3,
        nodes=tuple(
            NodeReading(
                id=each.node_id,
                role=each.role,
                is_reachable=each.reachable,
                http_url=urls.get(each.node_id, ""),
                address=f"{peers[each.node_id].host}:{peers[each.node_id].port}" if each.node_id in peers else "",
                applied_index=each.applied_index,
                match_index=each.match_index,
                figures=_figures(readings[each.node_id]) if each.node_id in readings else None,
            )
            for each in status.nodes
        ),
        changes=tuple(
            Change(change.time_ms, change.term, change.kind, change.node_id) for change in time_line(readings.values())
        ),
    )


def _figures(reading: Reading) -> NodeFigures:
    return NodeFigures(
        release=reading.release,
        machine_version=reading.machine_version,
        started_ms=reading.started_ms,
        elapsed_ns=reading.elapsed_ns,
        term=reading.term,
        last_index=reading.last_index,
        commit_index=reading.commit_index,
        is_drained=reading.is_drained,
        disk_state=DISK_STATES[reading.disk_state],
        disk_room_bytes=reading.disk_room_bytes,
        sync_count=reading.sync_count,
        sync_seconds=reading.sync_seconds,
        in_flight_count=reading.in_flight_count,
        connection_count=reading.edges.connection_count,
        message_count=reading.edges.message_count,
    )
