"""A new cluster with the state of a backup: what it is made of, and all that is refused before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raftline.base.errors import ConfigError, StorageCorrupt, StorageError
from raftline.cluster.backup_file import BackupHeader
from raftline.cluster.identity import read_identity
from raftline.cluster.verification import compare, verify_node
from raftline.server.config import NodeSettings
from raftline.server.config_file import build_settings, load_settings
from raftline.server.development_layout import settings_file, settle_parameters
from raftline.server.failures import ExitCode, Failure
from raftline.server.restoring import DRAFT_SUFFIX, restore_development, restore_node, total_bytes
from server.backup_files import make_backup
from server.settings_values import raw_settings


@pytest.fixture
def backup(tmp_path: Path) -> tuple[Path, BackupHeader]:
    """Of a cluster of example.org whose stanza ids are of epoch 4."""
    place = tmp_path / "backups"
    place.mkdir()
    return make_backup(place)


def node_settings(folder: Path, node_count: int = 1, **cluster: Any) -> NodeSettings:
    raw = raw_settings(node_count)
    raw["cluster"] |= {"id": "the new cluster", "epoch": 5, **cluster}
    return build_settings(raw, folder, {})


class TestDevelopment:
    """All nodes of a cluster on this machine."""

    def test_a_new_cluster_is_made(self, backup: tuple[Path, BackupHeader], tmp_path: Path) -> None:
        """Another id, a greater epoch, the same domain, equal nodes that are whole."""
        file, header = backup
        directory = tmp_path / "new"
        told: list[int] = []
        assert restore_development(file, directory, nodes=2, base_port=20_000, told=told.append) == header
        assert sum(told) == total_bytes(header, 2)
        parameters = settle_parameters(directory, None, None, None)
        assert (parameters.domain, parameters.nodes, parameters.base_port) == ("example.org", 2, 20_000)
        assert parameters.epoch == 5
        assert parameters.cluster_id != header.cluster_id
        nodes = []
        for node_id in (1, 2):
            settings = load_settings(settings_file(directory, node_id), {})
            identity = read_identity(settings.data_dir)
            assert identity is not None
            assert (identity.cluster_id, identity.node_id) == (parameters.cluster_id, node_id)
            assert (settings.cluster.epoch, identity.epoch_min, identity.has_begun) == (5, 5, True)
            assert len(identity.founders) == 2
            (scratch := tmp_path / f"scratch{node_id}").mkdir()
            nodes.append(verify_node(settings.data_dir, scratch))
        assert [node.complaints for node in nodes] == [[], []]
        assert compare(nodes) == []
        assert {node.head.applied_index for node in nodes if node.head} == {header.applied_index + 1}

    def test_another_epoch_may_be_chosen(self, backup: tuple[Path, BackupHeader], tmp_path: Path) -> None:
        """Who restores one backup twice must; it is greater than the former one's."""
        restore_development(backup[0], tmp_path / "new", nodes=1, epoch=9)
        assert settle_parameters(tmp_path / "new", None, None, None).epoch == 9
        with pytest.raises(ConfigError, match="--epoch: must be more than 4"):
            restore_development(backup[0], tmp_path / "other", nodes=1, epoch=4)
        assert not (tmp_path / "other").exists()

    def test_a_directory_that_is_not_empty_stays(self, backup: tuple[Path, BackupHeader], tmp_path: Path) -> None:
        """Whatever is in it; an empty one is taken."""
        directory = tmp_path / "new"
        directory.mkdir()
        (directory / "notes").write_text("mine")
        with pytest.raises(Failure) as refused:
            restore_development(backup[0], directory)
        assert refused.value.code is ExitCode.REFUSED
        assert [path.name for path in directory.iterdir()] == ["notes"]
        (directory / "notes").unlink()
        restore_development(backup[0], directory, nodes=1)

    def test_another_domain_is_refused(self, backup: tuple[Path, BackupHeader], tmp_path: Path) -> None:
        """Addresses in the state are of the domain; its own may be given."""
        with pytest.raises(ConfigError, match="keeps its domain"):
            restore_development(backup[0], tmp_path / "new", domain="example.net")
        assert not (tmp_path / "new").exists()
        restore_development(backup[0], tmp_path / "new", domain="example.org", nodes=1)

    @pytest.mark.parametrize("place", ["header", "state", "end"])
    def test_damage_is_refused_before_anything_is_made(
        self, backup: tuple[Path, BackupHeader], tmp_path: Path, place: str
    ) -> None:
        """A flipped bit or a file that was cut short leaves no directory."""
        file, _ = backup
        content = bytearray(file.read_bytes())
        if place == "end":
            content = content[:-1]
        else:
            content[40 if place == "header" else -2_000] ^= 1
        file.write_bytes(content)
        with pytest.raises(StorageError):
            restore_development(file, tmp_path / "new")
        assert not (tmp_path / "new").exists()

    def test_a_header_that_tells_of_another_state_is_refused(self, tmp_path: Path) -> None:
        """Digests hold, but the database is not what was promised; nothing is left."""
        file, _ = make_backup(tmp_path, state_hash="00" * 32)
        with pytest.raises(StorageCorrupt, match="not the one"):
            restore_development(file, tmp_path / "new")
        assert not (tmp_path / "new").exists()


class TestProduction:
    """The first node of a cluster, by its settings."""

    def test_a_cluster_of_one_node_is_founded(self, backup: tuple[Path, BackupHeader], tmp_path: Path) -> None:
        """It knows that nobody else has its data; what an attempt left that did not end is removed."""
        settings = node_settings(tmp_path / "node")
        draft = settings.data_dir.with_name(settings.data_dir.name + DRAFT_SUFFIX)
        (draft / "log").mkdir(parents=True)
        restore_node(backup[0], settings)
        identity = read_identity(settings.data_dir)
        assert identity is not None
        assert (identity.is_alone, identity.has_begun, identity.epoch_min) == (True, True, 5)
        assert not draft.exists()
        (tmp_path / "scratch").mkdir()
        assert verify_node(settings.data_dir, tmp_path / "scratch").complaints == []

    @pytest.mark.parametrize(
        ("changes", "path"),
        [
            ({"id": "the former cluster"}, "cluster.id"),
            ({"epoch": 4}, "cluster.epoch"),
            ({"node_count": 3}, "cluster.peers"),
        ],
    )
    def test_settings_of_another_cluster_are_refused(
        self, backup: tuple[Path, BackupHeader], tmp_path: Path, changes: dict[str, Any], path: str
    ) -> None:
        """The former cluster's id or epoch, or several nodes; nothing is written."""
        settings = node_settings(tmp_path / "node", **changes)
        with pytest.raises(ConfigError) as refused:
            restore_node(backup[0], settings)
        assert refused.value.path == path
        assert not settings.data_dir.exists()

    def test_another_domain_is_refused(self, tmp_path: Path) -> None:
        """As the settings name it."""
        file, _ = make_backup(tmp_path, domain="example.net")
        with pytest.raises(ConfigError, match="domain: is"):
            restore_node(file, node_settings(tmp_path / "node"))

    def test_data_that_are_there_stay(self, backup: tuple[Path, BackupHeader], tmp_path: Path) -> None:
        """Nothing is founded over another node's data."""
        settings = node_settings(tmp_path / "node")
        restore_node(backup[0], settings)
        known = read_identity(settings.data_dir)
        with pytest.raises(Failure, match="is not empty"):
            restore_node(backup[0], settings)
        assert read_identity(settings.data_dir) == known
