"""The files that `raftline up` lays out."""

from __future__ import annotations

from pathlib import Path

import pytest

from raftline.base.errors import ConfigError
from raftline.server.certificates import fingerprint_of
from raftline.server.config_file import check_files, load_settings
from raftline.server.development_layout import (
    Layout,
    lay_out,
    serves_plain_http,
    settings_file,
    settle_parameters,
)


def make(directory: Path, *, nodes: int | None = None, plaintext: bool = True, registration: bool = True) -> Layout:
    parameters = settle_parameters(directory, nodes, None, None)
    return lay_out(directory, parameters, open_registration=registration, allow_plaintext=plaintext)


def test_nodes_listen_where_the_contract_says(tmp_path: Path) -> None:
    """Ten ports a node: 0 XMPP, 1 direct TLS, 2 HTTP, 3 peer link; three nodes from port 15000 by default."""
    layout = make(tmp_path)
    ports = [(node.id, node.xmpp, node.xmpps, node.http, node.peer) for node in layout.content.nodes]
    assert ports == [
        (1, 15_000, 15_001, 15_002, 15_003),
        (2, 15_010, 15_011, 15_012, 15_013),
        (3, 15_020, 15_021, 15_022, 15_023),
    ]
    assert layout.content.domain == "localhost"
    assert Path(layout.content.ca).is_absolute()


def test_settings_are_what_a_node_can_run_on(tmp_path: Path) -> None:
    """Each node's file loads, names files that exist, and pins the certificates that were made."""
    layout = make(tmp_path, plaintext=False, registration=False)
    for expected in layout.settings:
        node_id = expected.cluster.node_id
        settings = load_settings(settings_file(tmp_path, node_id), {})
        assert settings == expected
        check_files(settings)
        assert settings.own.fingerprint == fingerprint_of(settings.tls.peer_certificate_file)
        assert settings.own.http_url.startswith("https://127.0.0.1:")
        assert not settings.plaintext.allow
        assert not settings.registration.open
    assert not serves_plain_http(tmp_path)


def test_a_cluster_goes_on_as_it_was_made(tmp_path: Path) -> None:
    """A second start keeps identity, token and certificates; how it is opened to clients may change."""
    first = make(tmp_path, nodes=2, plaintext=False)
    second = make(tmp_path, plaintext=True)
    assert second.parameters == first.parameters
    assert second.content == first.content
    assert [one.own.fingerprint for one in second.settings] == [one.own.fingerprint for one in first.settings]
    assert serves_plain_http(tmp_path)
    assert settle_parameters(tmp_path, 2, 15_000, "localhost") == first.parameters


@pytest.mark.parametrize(
    ("option", "nodes", "base_port", "domain"),
    [("--nodes", 5, None, None), ("--base-port", None, 16_000, None), ("--domain", None, None, "example.org")],
)
def test_other_parameters_are_refused(
    tmp_path: Path, option: str, nodes: int | None, base_port: int | None, domain: str | None
) -> None:
    """What the cluster was made with cannot change by starting it differently; the option is named."""
    make(tmp_path)
    with pytest.raises(ConfigError, match="was made with") as caught:
        settle_parameters(tmp_path, nodes, base_port, domain)
    assert caught.value.path == option


@pytest.mark.parametrize(
    ("nodes", "base_port", "good"),
    [
        (1, 1_024, True),
        (9, 65_446, True),
        (0, 15_000, False),
        (10, 15_000, False),
        (9, 65_447, False),
        (1, 1_023, False),
    ],
)
def test_bounds_of_a_new_cluster(tmp_path: Path, nodes: int, base_port: int, good: bool) -> None:
    """Both sides of each bound; settling alone leaves no files."""
    directory = tmp_path / "cluster"
    if good:
        assert settle_parameters(directory, nodes, base_port, None).nodes == nodes
    else:
        with pytest.raises(ConfigError):
            settle_parameters(directory, nodes, base_port, None)
    assert not directory.exists()


def test_a_bad_domain_is_refused(tmp_path: Path) -> None:
    """A domain that cannot be one is refused before anything is laid out."""
    with pytest.raises(ConfigError):
        settle_parameters(tmp_path / "cluster", None, None, "Not A Domain")
    assert not (tmp_path / "cluster").exists()
