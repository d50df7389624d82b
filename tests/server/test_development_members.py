"""Nodes that join or leave a development cluster, as its files tell of them."""

from __future__ import annotations

import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from raftline.base.errors import ConfigError
from raftline.server.certificates import check_identity, fingerprint_of
from raftline.server.cluster_file import read_cluster_file, record_process, write_cluster_file
from raftline.server.config_file import check_files, load_settings
from raftline.server.development_layout import (
    Layout,
    lay_out,
    node_directory,
    serves_plain_http,
    settings_file,
    settle_parameters,
    token_file_of,
)
from raftline.server.development_members import add_node, drop_node

TOKEN = "ab" * 32


def make(directory: Path, *, plaintext: bool = True, registration: bool = True) -> Layout:
    """A cluster of three as `raftline up` lays it out, or goes on with it."""
    parameters = settle_parameters(directory, None, None, None)
    layout = lay_out(directory, parameters, open_registration=registration, allow_plaintext=plaintext)
    write_cluster_file(directory, layout.content)
    return layout


def known_nodes(directory: Path) -> list[int]:
    return [node.id for node in read_cluster_file(directory).nodes]


class TestAdd:
    """A node that is invited."""

    def test_it_can_be_started(self, tmp_path: Path) -> None:
        """Its settings are whole, name everybody who is there, and the file with its token, which nobody may read."""
        make(tmp_path)
        node = add_node(tmp_path, 4, TOKEN)
        settings = load_settings(settings_file(tmp_path, 4), {})
        check_files(settings)
        check_identity(settings)
        assert settings.cluster.node_id == 4
        assert [peer.node_id for peer in settings.cluster.peers] == [1, 2, 3, 4]
        assert settings.cluster.join_token_file == token_file_of(tmp_path, 4)
        assert token_file_of(tmp_path, 4).read_text(encoding="utf-8") == f"{TOKEN}\n"
        assert stat.S_IMODE(token_file_of(tmp_path, 4).stat().st_mode) == 0o600
        assert (node.id, node.pid) == (4, 0)
        assert (node.xmpp, node.xmpps, node.http, node.peer) == (15_030, 15_031, 15_032, 15_033)
        assert node.data == str(settings.data_dir)
        assert not settings.data_dir.exists()  # it is to join, not to found

    def test_it_has_a_key_of_its_own(self, tmp_path: Path) -> None:
        """Signed by the cluster's authority; those of the others stay, by which they are known."""
        layout = make(tmp_path)
        add_node(tmp_path, 4, TOKEN)
        peers = load_settings(settings_file(tmp_path, 4), {}).cluster.peers
        assert peers[:3] == layout.settings[0].cluster.peers
        assert peers[3].fingerprint == fingerprint_of(tmp_path / "certificates" / "node4.pem")
        assert len({peer.fingerprint for peer in peers}) == 4

    @pytest.mark.parametrize(("plaintext", "registration"), [(True, False), (False, True)])
    def test_it_serves_clients_as_the_others_do(self, tmp_path: Path, plaintext: bool, registration: bool) -> None:
        """What `raftline up` was told counts for it too."""
        make(tmp_path, plaintext=plaintext, registration=registration)
        add_node(tmp_path, 4, TOKEN)
        settings = load_settings(settings_file(tmp_path, 4), {})
        assert settings.plaintext.allow == plaintext == serves_plain_http(tmp_path)
        assert settings.registration.open == registration
        assert settings.own.http_url.startswith("http://" if plaintext else "https://")

    def test_tools_know_it(self, tmp_path: Path) -> None:
        """And still know the others and their processes."""
        make(tmp_path)
        record_process(tmp_path, 2, 1234)
        node = add_node(tmp_path, 4, TOKEN)
        nodes = read_cluster_file(tmp_path).nodes
        assert [(each.id, each.pid) for each in nodes] == [(1, 0), (2, 1234), (3, 0), (4, 0)]
        assert nodes[3] == node

    def test_a_second_invitation_for_it_counts(self, tmp_path: Path) -> None:
        """The first one may have been lost."""
        make(tmp_path)
        add_node(tmp_path, 4, TOKEN)
        add_node(tmp_path, 4, "cd" * 32)
        assert known_nodes(tmp_path) == [1, 2, 3, 4]
        assert token_file_of(tmp_path, 4).read_text(encoding="utf-8") == "cd" * 32 + "\n"

    def test_the_cluster_goes_on_with_it(self, tmp_path: Path) -> None:
        """The next `raftline up` starts it as well, as one that joined; the founders know the founders."""
        first = make(tmp_path)
        add_node(tmp_path, 4, TOKEN)
        layout = make(tmp_path)
        assert [settings.cluster.node_id for settings in layout.settings] == [1, 2, 3, 4]
        assert layout.settings[:3] == first.settings
        assert layout.settings[3] == load_settings(settings_file(tmp_path, 4), {})
        assert layout.settings[3].cluster.join_token_file is not None
        assert not layout.settings[3].data_dir.exists()


class TestDrop:
    """A node that is no member any more."""

    def test_tools_forget_it_and_its_files_stay(self, tmp_path: Path) -> None:
        """They may be all that is left of something; the next `raftline up` does not start it."""
        make(tmp_path)
        drop_node(tmp_path, 2)
        assert known_nodes(tmp_path) == [1, 3]
        assert settings_file(tmp_path, 2).exists()
        assert (node_directory(tmp_path, 2) / "data" / "identity.json").exists()
        assert [settings.cluster.node_id for settings in make(tmp_path).settings] == [1, 3]

    def test_twice_is_once(self, tmp_path: Path) -> None:
        """So is dropping one that never was."""
        make(tmp_path)
        for node_id in (2, 2, 9):
            drop_node(tmp_path, node_id)
        assert known_nodes(tmp_path) == [1, 3]

    def test_several_at_once(self, tmp_path: Path) -> None:
        """Whoever asked for a removal forgets the node, and it does so itself as it ends: no write is lost or torn."""
        make(tmp_path)
        for node_id in range(4, 8):
            add_node(tmp_path, node_id, TOKEN)
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(lambda node_id: drop_node(tmp_path, node_id), [*range(4, 8)] * 8))
        assert known_nodes(tmp_path) == [1, 2, 3]
        assert settle_parameters(tmp_path, None, None, None).members == (1, 2, 3)

    def test_founders_that_left_are_still_who_founded_it(self, tmp_path: Path) -> None:
        """The others began with all of them, and their settings may not change under them."""
        first = make(tmp_path)
        drop_node(tmp_path, 2)
        layout = make(tmp_path)
        assert layout.settings == (first.settings[0], first.settings[2])

    def test_all_founders_may_be_replaced(self, tmp_path: Path) -> None:
        """One after the other; a new node then knows those that are there, and nobody else."""
        make(tmp_path, registration=True)
        for gone, new in ((1, 4), (2, 5), (3, 6)):
            add_node(tmp_path, new, TOKEN)
            drop_node(tmp_path, gone)
        add_node(tmp_path, 7, TOKEN)
        assert known_nodes(tmp_path) == [4, 5, 6, 7]
        settings = load_settings(settings_file(tmp_path, 7), {})
        assert [peer.node_id for peer in settings.cluster.peers] == [4, 5, 6, 7]
        assert settings.registration.open

    @pytest.mark.parametrize("is_open", [True, False])
    def test_the_first_node_may_be_gone(self, tmp_path: Path, is_open: bool) -> None:
        """How the others serve clients is not told by what is left of its files."""
        make(tmp_path, plaintext=not is_open, registration=not is_open)
        drop_node(tmp_path, 1)
        make(tmp_path, plaintext=is_open, registration=is_open)
        assert serves_plain_http(tmp_path) == is_open
        add_node(tmp_path, 4, TOKEN)
        settings = load_settings(settings_file(tmp_path, 4), {})
        assert (settings.plaintext.allow, settings.registration.open) == (is_open, is_open)


def add_one(directory: Path) -> None:
    add_node(directory, 4, TOKEN)


def drop_one(directory: Path) -> None:
    drop_node(directory, 1)


@pytest.mark.parametrize("change", [add_one, drop_one])
def test_there_must_be_a_cluster(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """An error that says how to make one, and no file."""
    with pytest.raises(ConfigError, match="raftline up"):
        change(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
