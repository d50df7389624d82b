"""Data directories as each release wrote them, opened by this one; `tests/fixtures/README.md` tells what is in them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cluster import damage
from fixtures.released import NODE_IDS, RELEASES, Release, data_directory
from raftline.base.errors import StorageCorrupt
from raftline.base.ids import NodeId
from raftline.cluster.identity import holds_data, read_identity
from raftline.cluster.repair import DAMAGED_DIRECTORY, NOTE_FILE, read_note
from raftline.cluster.snapshot_files import SnapshotFiles
from raftline.cluster.storage import NodeStorage, StorageSettings, open_storage
from raftline.machine.snapshot import read_head
from raftline.server.development_layout import PARAMETERS_FILE, Parameters

every_release = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)


def settings_of(cluster: Path, node_id: int) -> StorageSettings:
    parameters = msgspec.json.decode((cluster / PARAMETERS_FILE).read_bytes(), type=Parameters)
    return StorageSettings(
        data_dir=data_directory(cluster, node_id),
        cluster_id=parameters.cluster_id,
        node_id=NodeId(node_id),
        domain=parameters.domain,
        segment_bytes=1 << 20,
        has_begun=True,
    )


def close(storage: NodeStorage) -> None:
    storage.log.close()
    storage.machine.close()


@every_release
@pytest.mark.parametrize("node_id", NODE_IDS)
def test_whose_data_it_is_is_known(release: Release, node_id: int, tmp_path: Path) -> None:
    """The first release did not write it down, but that there are data can be seen."""
    cluster = release.unpack(tmp_path)
    assert holds_data(data_directory(cluster, node_id))
    identity = read_identity(data_directory(cluster, node_id))
    if not release.has_identity:
        assert identity is None
        return
    assert identity is not None
    assert (identity.format, identity.node_id) == (1, node_id)
    assert identity.cluster_id == settings_of(cluster, node_id).cluster_id
    assert identity.is_founder
    assert identity.has_begun
    assert set(identity.peers) == set(NODE_IDS)


@every_release
@pytest.mark.parametrize("node_id", NODE_IDS)
def test_a_directory_is_opened_without_a_repair(release: Release, node_id: int, tmp_path: Path) -> None:
    """Database and log belong together, and nothing of it is taken for damage; the second time as well."""
    cluster = release.unpack(tmp_path)
    for _ in range(2):
        storage = open_storage(settings_of(cluster, node_id))
        assert not storage.is_recovering
        assert storage.log.first_index - 1 <= storage.machine.applied_index <= storage.log.last_index
        assert storage.machine.machine_version == release.machine_version
        close(storage)
    assert not (data_directory(cluster, node_id) / NOTE_FILE).exists()
    assert not (data_directory(cluster, node_id) / DAMAGED_DIRECTORY).exists()


@pytest.mark.parametrize(
    "release", [release for release in RELEASES if release.snapshot], ids=lambda release: release.name
)
def test_a_snapshot_that_had_arrived_is_installed(release: Release, tmp_path: Path) -> None:
    """It takes the place of the database, and the log is told: the entries before it are needed no more."""
    assert release.snapshot is not None
    node_id, index = release.snapshot
    cluster = release.unpack(tmp_path)
    settings = settings_of(cluster, node_id)
    files = SnapshotFiles(settings.data_dir)
    meta = files.kept()
    assert meta is not None
    assert meta.index == index
    assert {member.node_id for member in meta.membership.members} == set(NODE_IDS)
    head = read_head(files.install_path)
    assert (head.applied_index, head.applied_term) == (index, meta.term)
    storage = open_storage(settings)
    assert (storage.machine.applied_index, storage.machine.state_hash) == (index, head.state_hash)
    assert storage.log.first_index == index + 1
    close(storage)
    assert files.kept() is None


@every_release
def test_what_its_disk_damaged_later_is_repaired_from_the_peers(release: Release, tmp_path: Path) -> None:
    """Unless the mark is of the first release, which knows no vote: then a damaged log is one that nobody can trust."""
    settings = settings_of(release.unpack(tmp_path), 1)
    damage.flip_a_record(settings.data_dir)
    if release.mark_version == 1:
        with pytest.raises(StorageCorrupt, match="raftline cluster replace 1"):
            open_storage(settings)
        assert read_note(settings.data_dir) is None
        return
    storage = open_storage(settings)
    assert storage.is_recovering
    assert storage.log.hard_state.term >= 1
    close(storage)
