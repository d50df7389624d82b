"""Settings as each release wrote them, read by this one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fixtures.released import NODE_IDS, RELEASES, Release
from raftline.base.errors import ConfigError
from raftline.server.certificates import check_identity
from raftline.server.config import NodeSettings, PeerSettings, TlsSettings
from raftline.server.config_file import load_settings
from raftline.server.development_layout import lay_out, settings_file, settle_parameters

every_release = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)


def both(release: Release, folder: Path) -> list[tuple[NodeSettings, NodeSettings]]:
    """The settings of each node as they were written, and as a start writes them now."""
    cluster = release.unpack(folder)
    old = [load_settings(settings_file(cluster, node_id), {}) for node_id in NODE_IDS]
    layout = lay_out(
        cluster, settle_parameters(cluster, None, None, None), open_registration=True, allow_plaintext=True
    )
    return list(zip(old, layout.settings, strict=True))


def without_pins(settings: NodeSettings) -> list[PeerSettings]:
    return [msgspec.structs.replace(peer, fingerprint="") for peer in settings.cluster.peers]


@every_release
def test_a_settings_file_is_still_read(release: Release, tmp_path: Path) -> None:
    """No key that a release knew is unknown later, and none means something else."""
    for before, now in both(release, tmp_path):
        assert before.domain == now.domain
        assert (before.cluster.id, before.cluster.node_id) == (now.cluster.id, now.cluster.node_id)
        assert without_pins(before) == without_pins(now)
        assert before.listeners == now.listeners
        assert before.timing == now.timing
        assert before.limits == now.limits
        assert before.plaintext == now.plaintext


@every_release
def test_a_node_is_known_by_what_it_was_known_by(release: Release, tmp_path: Path) -> None:
    """The first release pinned certificates, later ones keys; whoever starts with such a pin is told the new one."""
    for before, now in both(release, tmp_path):
        check_identity(now)
        files: TlsSettings = now.tls
        settings = msgspec.structs.replace(before, tls=files)
        if release.pins_keys:
            check_identity(settings)
            continue
        with pytest.raises(ConfigError, match=f"which is {now.own.fingerprint}") as caught:
            check_identity(settings)
        place = before.cluster.peers.index(before.own)
        assert caught.value.path == f"cluster.peers[{place}].fingerprint"
