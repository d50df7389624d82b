"""`raftline config`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from cli.serving import raftline
from raftline.server.development_layout import lay_out, settings_file, settle_parameters


@pytest.fixture
def node_file(tmp_path: Path) -> Path:
    """Settings of a node whose files are all there."""
    lay_out(tmp_path, settle_parameters(tmp_path, 1, None, None), open_registration=False, allow_plaintext=True)
    return settings_file(tmp_path, 1)


async def test_correct_settings_pass(node_file: Path) -> None:
    """Exit code 0, by position or by name."""
    for arguments in ((str(node_file),), ("--config", str(node_file))):
        ended = await raftline("config", "check", *arguments)
        assert (ended.code, ended.err) == (0, "")


async def test_what_is_wrong_is_named_with_its_path(node_file: Path) -> None:
    """Unknown keys, bad values, missing files, the environment: exit code 2 and the key."""
    text = node_file.read_text(encoding="utf-8")
    node_file.write_text(text + "\n[http2]\nport = 1\n", encoding="utf-8")
    assert "http2.port" in (await raftline("config", "check", str(node_file))).err
    node_file.write_text(text, encoding="utf-8")
    ended = await raftline("config", "check", str(node_file), environment={"RAFTLINE_LIMITS__STANZA_BYTES_MAX": "1"})
    assert ended.code == 2
    assert "limits.stanza_bytes_max" in ended.err
    ended = await raftline("config", "check", str(node_file), environment={"RAFTLINE_XMPP__HOST": "0.0.0.0"})
    assert "plaintext.allow" in ended.err
    node_file.write_text(text.replace('fingerprint = "', 'fingerprint = "ab', 1), encoding="utf-8")
    assert "cluster.peers[0].fingerprint" in (await raftline("config", "check", str(node_file))).err
    node_file.write_text(text.replace("node1.pem", "ca.pem"), encoding="utf-8")
    assert "not for node 1" in (await raftline("config", "check", str(node_file))).err
    pinned = text.partition('fingerprint = "')[2][:64]
    node_file.write_text(text.replace(pinned, "0" * 64), encoding="utf-8")
    assert "the other nodes would refuse" in (await raftline("config", "check", str(node_file))).err
    node_file.write_text(text, encoding="utf-8")
    (node_file.parent.parent / "admin.token").unlink()
    assert "admin.token_file" in (await raftline("config", "check", str(node_file))).err


async def test_show_prints_what_is_in_effect(node_file: Path) -> None:
    """File, environment and defaults, as TOML that is itself a correct file; the token is not in it."""
    ended = await raftline("config", "show", str(node_file), environment={"RAFTLINE_LOG__LEVEL": "debug"})
    assert ended.code == 0
    shown = tomllib.loads(ended.out)
    assert shown["log"] == {"level": "debug", "format": "console"}
    assert shown["timing"]["heartbeat_ms"] == 40
    token = (node_file.parent.parent / "admin.token").read_text(encoding="utf-8").strip()
    assert token not in ended.out
    node_file.write_text(ended.out, encoding="utf-8")
    assert (await raftline("config", "show", str(node_file))).out == ended.out
