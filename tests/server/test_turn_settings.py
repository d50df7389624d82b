"""The servers that help calls, as an operator names them (XEP-0215)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raftline.base.errors import ConfigError
from raftline.server.config import NodeSettings
from raftline.server.config_file import build_settings, check_files
from raftline.server.discovery import external_services
from raftline.xmpp.xeps.xep_0215_external_services import ExternalService, ExternalServices
from server.settings_values import raw_settings

STUN = {"type": "stun", "host": "turn.example.org"}
TURN = {"type": "turn", "host": "turn.example.org", "port": 3479, "transport": "tcp"}


def build(folder: Path, **turn: Any) -> NodeSettings:
    return build_settings({**raw_settings(), "turn": turn}, folder, {})


def test_nothing_is_offered_by_default(tmp_path: Path) -> None:
    """Without services there are none, whatever else is set."""
    assert external_services(build(tmp_path, ttl_s=60).turn) is None


def test_what_is_named_is_offered(tmp_path: Path) -> None:
    """With defaults for what is left out; the secret is read from beside the settings."""
    (tmp_path / "turn.secret").write_text("north\n")
    settings = build(tmp_path, secret_file="turn.secret", services=[STUN, TURN])
    assert external_services(settings.turn) == ExternalServices(
        (
            ExternalService("stun", "turn.example.org", 3478, "udp"),
            ExternalService("turn", "turn.example.org", 3479, "tcp"),
        ),
        b"north",
        86_400,
    )


def test_stun_needs_no_secret(tmp_path: Path) -> None:
    """It asks for no credentials."""
    offered = external_services(build(tmp_path, services=[STUN]).turn)
    assert offered is not None
    assert offered.secret == b""


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    """Is told before the start, and by the start."""
    raw = {**raw_settings(), "turn": {"secret_file": "turn.secret", "services": [TURN]}}
    raw["tls"]["peer_ca_file"] = "ca.pem"
    settings = build_settings(raw, tmp_path, {})
    for file in (*raw["tls"].values(), "admin.token"):
        (tmp_path / file).write_text("x")
    with pytest.raises(ConfigError) as refused:
        check_files(settings)
    assert refused.value.path == "turn.secret_file"
    with pytest.raises(ConfigError) as refused:
        external_services(settings.turn)
    assert refused.value.path == "turn.secret_file"
    (tmp_path / "turn.secret").write_text("north")
    check_files(settings)


@pytest.mark.parametrize(
    ("turn", "path"),
    [
        ({"services": [TURN]}, "turn.secret_file"),
        ({"ttl_s": 59}, "turn.ttl_s"),
        ({"ttl_s": 604_801}, "turn.ttl_s"),
        ({"services": [{**STUN, "type": "ftp"}]}, "turn.services[0].type"),
        ({"services": [{**STUN, "port": 0}]}, "turn.services[0].port"),
        ({"services": [{**STUN, "transport": "sctp"}]}, "turn.services[0].transport"),
        ({"services": [STUN, STUN]}, "turn.services[1].host"),
        ({"services": [STUN] * 17}, "turn.services"),
        ({"secret": "north"}, "turn.secret"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, turn: dict[str, Any], path: str) -> None:
    """Each error names its key; a secret is never a setting."""
    with pytest.raises(ConfigError) as refused:
        build(tmp_path, **turn)
    assert refused.value.path == path


@pytest.mark.parametrize("ttl_s", [60, 604_800])
def test_bounds(tmp_path: Path, ttl_s: int) -> None:
    """The values that are just taken."""
    assert build(tmp_path, ttl_s=ttl_s).turn.ttl_s == ttl_s
