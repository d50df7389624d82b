"""A backup made without a cluster, for tests of what is done with one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from msgspec.structs import replace

from machine.world import DOMAIN, World
from raftline.base.ids import NodeId
from raftline.cluster.backup_file import BackupHeader, BackupWriter, Part
from raftline.machine.node_commands import RaiseVersion, StartNode
from raftline.machine.snapshot import SnapshotCopy, SnapshotHead


def make_backup(directory: Path, **changes: object) -> tuple[Path, BackupHeader]:
    """Write a backup in which alice is online at node 1 of a former cluster; `changes` are of its header."""
    world = World(directory / "former.db")
    world.do(RaiseVersion(3))
    world.do(StartNode(NodeId(1), 1, b"former data", "https://one", ""))
    world.account("alice")
    world.online("alice").send("alice", "a note to myself")
    world.machine.commit()
    copy = SnapshotCopy(directory / "former.db", directory / "copy.db")
    while not copy.step():
        pass
    copy.close()
    world.machine.close()
    content = (directory / "copy.db").read_bytes()
    header = replace(header_of(copy.head, content), **changes)
    file = directory / "whole.backup"
    with BackupWriter(file, header) as writer:
        writer.write(content)
        writer.finish()
    return file, header


def header_of(head: SnapshotHead, content: bytes) -> BackupHeader:
    return BackupHeader(
        cluster_id="the former cluster",
        domain=DOMAIN,
        cluster_epoch=4,
        node_id=1,
        applied_index=head.applied_index,
        applied_term=head.applied_term,
        machine_version=head.machine_version,
        state_hash=head.state_hash.hex(),
        entry_chain=head.entry_chain.hex(),
        made_ms=0,
        release="test",
        parts=(Part("state", len(content), hashlib.sha256(content).hexdigest()),),
    )
