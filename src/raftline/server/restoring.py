"""
`raftline restore`: a new cluster with the state of a backup.

It is another cluster: another id, other keys, other nodes, a greater `cluster.epoch`, since what the former one gave
out as stanza ids after the backup was made must not be given out again. Accounts, credentials, rosters, archives and
rooms are those of the backup, and what was said keeps its ids; what people did after it is lost. The former cluster
must not serve the domain any more.

A development cluster is founded with all its nodes. In production one node is founded, and others are invited: a state
of which several people make several copies would be the same only if nobody makes a mistake.

A node's directory is made beside its place and renamed when it is whole and durable, so that nothing half made is ever
started.
"""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path
from typing import Final

import msgspec

from raftline.base.errors import ConfigError, StorageCorrupt
from raftline.base.ids import NodeId
from raftline.cluster.backup_file import (
    MEDIA_PREFIX,
    STATE_PART,
    BackupHeader,
    Progress,
    disk_errors,
    read_header,
    read_part,
    read_parts,
    verify_parts,
)
from raftline.cluster.identity import new_identity, write_identity
from raftline.cluster.media.store import MediaStore
from raftline.cluster.refounding import begin_with_state
from raftline.cluster.storage import StorageSettings
from raftline.machine.snapshot import SnapshotHead
from raftline.server.config import NodeSettings
from raftline.server.development_layout import settle_parameters, write_layout, write_parameters
from raftline.server.failures import ExitCode, Failure
from raftline.server.founding import configured_peers
from raftline.wal.files import OperatingSystemFiles

DRAFT_SUFFIX: Final = ".restoring"


def restore_development(
    file: Path,
    directory: Path,
    *,
    nodes: int | None = None,
    base_port: int | None = None,
    domain: str | None = None,
    epoch: int | None = None,
    told: Progress = lambda _count: None,
) -> BackupHeader:
    """
    Found a development cluster in an empty directory; `raftline up` starts it.

    Args:
        nodes, base_port: As for `raftline up`.
        domain: Must be the backup's, if given.
        epoch: Of stanza ids; one more than the former cluster's if not given.
        told: Told of bytes read: all once for verification, and once more for each node.

    Raises:
        ConfigError: A parameter is out of range.
        Failure: REFUSED: the directory is not empty.
        StorageError: The file cannot be used, or the disk failed; nothing is left in the directory then.
    """
    header = _verified(file, told)
    _check_domain("--domain", header.domain if domain is None else domain, header)
    epoch = _checked_epoch("--epoch", header.cluster_epoch + 1 if epoch is None else epoch, header)
    _require_empty(directory)
    parameters = msgspec.structs.replace(settle_parameters(directory, nodes, base_port, header.domain), epoch=epoch)
    try:
        layout = write_layout(directory, parameters, open_registration=False, allow_plaintext=False)
        for settings in layout.settings:
            _found_with_state(settings, file, header, told)
        write_parameters(layout.directory, parameters)
    except BaseException:
        # All of it is ours: it was empty.
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return header


def restore_node(file: Path, settings: NodeSettings, told: Progress = lambda _count: None) -> BackupHeader:
    """
    Found a cluster of one node; others are invited once it runs.

    Raises:
        ConfigError: The settings are not those of a new cluster of one node with the backup's domain.
        Failure: REFUSED: the data directory is not empty.
        StorageError: The file cannot be used, or the disk failed; the data directory is as before.
    """
    header = _verified(file, told)
    cluster = settings.cluster
    _check_domain("domain", settings.domain, header)
    _checked_epoch("cluster.epoch", cluster.epoch, header)
    if cluster.id == header.cluster_id:
        raise ConfigError("cluster.id", "is that of the former cluster; choose another one, this is a new cluster")
    if len(cluster.peers) > 1:
        raise ConfigError(
            "cluster.peers",
            "must name this node alone: state is restored on one node, others are invited with `raftline cluster add`",
        )
    _require_empty(settings.data_dir)
    _found_with_state(settings, file, header, told)
    return header


def total_bytes(header: BackupHeader, node_count: int) -> int:
    """Return how many bytes `told` hears of in the course of a restoration."""
    return (1 + node_count) * header.content_bytes


def _verified(file: Path, told: Progress) -> BackupHeader:
    header = read_header(file)
    complaints = verify_parts(file, told)
    if complaints:
        raise StorageCorrupt("; ".join(complaints))
    return header


def _check_domain(path: str, domain: str, header: BackupHeader) -> None:
    if domain != header.domain:
        raise ConfigError(
            path, f"is {domain}, but all addresses in the backup are of {header.domain}: a cluster keeps its domain"
        )


def _checked_epoch(path: str, epoch: int, header: BackupHeader) -> int:
    if epoch <= header.cluster_epoch:
        raise ConfigError(
            path,
            f"must be more than {header.cluster_epoch}, that of the former cluster (and of any other one that was"
            " restored from it): it gave out stanza ids after the backup, which must not be given out again",
        )
    return epoch


def _require_empty(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Failure(ExitCode.REFUSED, f"{directory} is not empty; it stays as it is. Choose another directory.")


def _found_with_state(settings: NodeSettings, file: Path, header: BackupHeader, told: Progress) -> None:
    data_dir = settings.data_dir
    draft = data_dir.with_name(data_dir.name + DRAFT_SUFFIX)
    if draft.exists():
        shutil.rmtree(draft)  # of an attempt that did not end
    draft.mkdir(mode=0o700, parents=True)
    cluster = settings.cluster
    founders = configured_peers(settings)
    try:
        head = begin_with_state(
            StorageSettings(
                data_dir=draft,
                cluster_id=cluster.id,
                node_id=NodeId(cluster.node_id),
                domain=settings.domain,
                segment_bytes=settings.storage.segment_bytes,
            ),
            founders,
            lambda path: _extract(file, path, told),
            header.cluster_epoch,
        )
        _require_told(file, header, head)
        _extract_files(file, draft, told)
        identity = new_identity(cluster.id, NodeId(cluster.node_id), os.urandom, founders=founders)
        write_identity(draft, msgspec.structs.replace(identity, has_begun=True, epoch_min=cluster.epoch))
        with disk_errors(data_dir):
            draft.rename(data_dir)
            OperatingSystemFiles().fsync_directory(data_dir.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _require_told(file: Path, header: BackupHeader, head: SnapshotHead) -> None:
    if (head.applied_index, head.state_hash.hex()) != (header.applied_index, header.state_hash):
        raise StorageCorrupt(f"{file}: its database is not the one that its header tells of")


def _extract_files(file: Path, data_dir: Path, told: Progress) -> None:
    """Put uploaded files where the node will look for them."""
    numbers = itertools.count(1)
    store = MediaStore(data_dir, draw_name=lambda: str(next(numbers)))
    store.begin()
    for part, blocks in read_parts(file, MEDIA_PREFIX):
        draft = store.new_draft(part.size)
        for block in blocks:
            draft.write(block)
            told(len(block))
        draft.sync()
        store.keep(draft)


def _extract(file: Path, target: Path, told: Progress) -> None:
    with disk_errors(target), target.open("wb") as stream:
        for block in read_part(file, STATE_PART):
            stream.write(block)
            told(len(block))
