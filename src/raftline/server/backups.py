"""What the administration interface asks of a node's backups, in the words of the cluster's own floor."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Callable
from typing import Final

import msgspec

from raftline.base.errors import Unavailable
from raftline.cluster.backup_file import BackupHeader
from raftline.cluster.backups import Backup, State
from raftline.cluster.driver import Driver
from raftline.server.config import NodeSettings
from raftline.web.backups import BackupEndpoints

BARRIER_TIMEOUT_S: Final = 2.0
"""For a majority to say what is committed; a backup is made without it too, and says so."""


class BackupReply(msgspec.Struct, frozen=True):
    """What is told of a backup; see `raftline.web.backups`."""

    name: str
    state: State
    reason: str
    copied_bytes: int
    expected_bytes: int
    is_current: bool
    header: BackupHeader | None


def make_backups(
    driver: Driver, settings: NodeSettings, wall_ms: Callable[[], int], log: Callable[..., object]
) -> BackupEndpoints:
    """
    Join the endpoints with a driver that was started.

    Args:
        log: Takes a sentence and its details: who takes all data with him leaves a line in the server's log.
    """
    backups = driver.upkeep.backups
    current: dict[str, tuple[bool, int]] = {}

    async def begin() -> BackupReply:
        try:
            async with asyncio.timeout(BARRIER_TIMEOUT_S):
                await driver.read_barrier()
        except (TimeoutError, Unavailable):
            is_current = False
        else:
            is_current = True
        backup = backups.begin()
        current.clear()
        current[backup.name] = (is_current, wall_ms())
        log("a backup is made for an administrator", backup=backup.name, is_current=is_current)
        return tell(backup)

    def tell(backup: Backup) -> BackupReply:
        is_current, made_ms = current[backup.name]
        return BackupReply(
            backup.name,
            backup.state,
            backup.reason,
            backup.copied_bytes,
            backup.expected_bytes,
            is_current,
            _header_of(backup, settings, made_ms),
        )

    async def end(name: str) -> None:
        await backups.end(name)
        log("a backup was read or given up", backup=name)

    return BackupEndpoints(
        begin,
        lambda name: tell(backups.find(name)),
        backups.chunk,
        end,
    )


def _header_of(backup: Backup, settings: NodeSettings, made_ms: int) -> BackupHeader | None:
    head = backup.head
    if head is None:
        return None
    return BackupHeader(
        cluster_id=settings.cluster.id,
        domain=settings.domain,
        cluster_epoch=settings.cluster.epoch,
        node_id=settings.cluster.node_id,
        applied_index=head.applied_index,
        applied_term=head.applied_term,
        machine_version=head.machine_version,
        state_hash=head.state_hash.hex(),
        entry_chain=head.entry_chain.hex(),
        made_ms=made_ms,
        release=importlib.metadata.version("raftline"),
        parts=tuple(backup.parts.values()),
        missing=backup.missing,
    )
