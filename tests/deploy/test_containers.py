"""Dockerfile, compose file, unit and the script that prepares settings: linted, and held against the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from debian import program
from raftline.cluster.connections import key_fingerprint
from raftline.server.certificates import check_identity
from raftline.server.config_file import check_files, load_settings
from raftline.server.failures import ExitCode

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = DEPLOY / "docker" / "Dockerfile"
COMPOSE = DEPLOY / "docker" / "compose.yaml"
UNIT = DEPLOY / "systemd" / "raftline.service"
PREPARE = DEPLOY / "prepare.sh"
TOOLS = Path(sys.executable).parent

EXPOSURE_MAX = 20
"""Tenths: what `systemd-analyze security` may say of the unit, of 100 for a service without any bounds."""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end."""
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=50, check=False)


def passes(*command: str | Path) -> None:
    """A tool finds nothing to complain of."""
    done = run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def services() -> dict[str, Any]:
    """The nodes of the compose file."""
    content = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return {name: service for name, service in content.items() if service["image"] == "raftline"}


class TestLinters:
    """Published tools, each over what it is for."""

    def test_the_dockerfile(self) -> None:
        """By hadolint, which also runs shellcheck over its commands."""
        passes(TOOLS / "hadolint", DOCKERFILE)

    def test_the_compose_file(self) -> None:
        """Against the schema of the Compose specification."""
        passes(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)

    @pytest.mark.parametrize("script", ["deploy/prepare.sh", ".ci/run"])
    def test_shell_scripts(self, script: str) -> None:
        """By shellcheck."""
        passes(TOOLS / "shellcheck", ROOT / script)

    def test_the_unit(self, tmp_path: Path) -> None:
        """By systemd itself, with a program in the place of the one that is not installed here."""
        unit = tmp_path / UNIT.name
        text = UNIT.read_text(encoding="utf-8")
        assert "/opt/raftline/bin/raftline node run --config /etc/raftline/node.toml" in text
        unit.write_text(text.replace("/opt/raftline/bin/raftline", sys.executable), encoding="utf-8")
        done = run(program("systemd-analyze", "systemd"), "verify", "--man=no", unit)
        assert (done.returncode, done.stderr) == (0, "")

    def test_the_unit_is_hardened(self) -> None:
        """By systemd's own measure."""
        passes(program("systemd-analyze", "systemd"), "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", UNIT)


class TestWhatFitsTogether:
    """Numbers and paths that stand in two places."""

    def test_ports(self) -> None:
        """Those that the settings' defaults name are exposed, and all but the peer link's are published."""
        exposed = set(re.search(r"^EXPOSE (.*)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)[1].split())  # type: ignore[index]
        assert exposed == {"5222", "5223", "5443", "5269"}
        published = [port for service in services().values() for port in service["ports"]]
        assert {port.partition(":")[2] for port in published} == exposed - {"5269"}
        assert len({port.partition(":")[0] for port in published}) == len(published)

    def test_each_node_has_its_settings_and_a_volume(self) -> None:
        """Read-only, in the order of the hosts that prepare.sh is called with in the file's head."""
        hosts = re.search(r"prepare\.sh --self-signed \S+ \S+ (.*)$", COMPOSE.read_text(encoding="utf-8"), re.MULTILINE)
        assert hosts is not None
        assert list(services()) == hosts[1].split()
        for place, (name, service) in enumerate(services().items(), start=1):
            assert service["volumes"] == [f"./settings/node{place}:/etc/raftline:ro", f"{name}:/var/lib/raftline"]

    def test_the_user_of_the_container(self) -> None:
        """Whom the settings are given to is who runs there."""
        assert "useradd --system --uid 10001 " in DOCKERFILE.read_text(encoding="utf-8")
        assert "chown -R 10001:10001" in COMPOSE.read_text(encoding="utf-8")

    def test_a_stop_leaves_time(self) -> None:
        """Longer than a node takes to hand over and to tell its clients."""
        assert {service["stop_grace_period"] for service in services().values()} == {"30s"}

    def test_codes_that_no_restart_helps(self) -> None:
        """As the table of exit codes has them."""
        found = re.search(r"^RestartPreventExitStatus=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
        assert found is not None
        codes = {ExitCode.USAGE, ExitCode.STORAGE, ExitCode.DISMISSED}
        assert {int(code) for code in found[1].split()} == {int(code) for code in codes}

    @pytest.mark.parametrize("file", [DOCKERFILE, COMPOSE, UNIT], ids=lambda file: file.name)
    def test_what_was_not_run_says_so(self, file: Path) -> None:
        """In the head of the file."""
        head = "\n".join(file.read_text(encoding="utf-8").splitlines()[:6])
        assert re.search(r"not (built|started|run)", head)


class TestPrepare:
    """Settings of a cluster's first nodes."""

    def test_settings_are_correct(self, tmp_path: Path) -> None:
        """Each node's by the rules of `raftline config check`, with keys that are its own and nobody else's to read."""
        folder = tmp_path / "settings"
        passes(PREPARE, "--self-signed", "example.org", folder, "one.example.org", "two.example.org", "192.0.2.3")
        fingerprints = set()
        for node_id in (1, 2, 3):
            settings = load_settings(folder / f"node{node_id}" / "node.toml", {})
            check_files(settings)
            check_identity(settings)
            assert settings.cluster.node_id == node_id
            assert [peer.host for peer in settings.cluster.peers] == ["one.example.org", "two.example.org", "192.0.2.3"]
            fingerprints.add(settings.own.fingerprint)
            assert settings.tls.peer_key_file.stat().st_mode & 0o077 == 0
        assert len(fingerprints) == 3
        assert not (folder / "node1" / "ca.key").exists()

    def test_public_certificates_are_brought(self, tmp_path: Path) -> None:
        """Without --self-signed there is a place for them, and `config check` says which is missing."""
        folder = tmp_path / "settings"
        passes(PREPARE, "example.org", folder, "one.example.org")
        done = run(TOOLS / "raftline", "config", "check", folder / "node1" / "node.toml")
        assert done.returncode == ExitCode.USAGE
        assert "tls.certificate_file" in done.stderr

    def test_a_later_node_gets_a_key(self, tmp_path: Path) -> None:
        """Signed by the same authority, for its number; the fingerprint that is printed is that of the key."""
        folder = tmp_path / "settings"
        passes(PREPARE, "example.org", folder, "one.example.org")
        done = run(PREPARE, "--node", "4", folder)
        assert done.returncode == 0, done.stderr
        certificate = x509.load_pem_x509_certificate((folder / "node4" / "peer.pem").read_bytes())
        authority = x509.load_pem_x509_certificate((folder / "node4" / "peer-ca.pem").read_bytes())
        certificate.verify_directly_issued_by(authority)
        assert [name.value for name in certificate.subject] == ["4"]
        assert done.stdout.strip() == key_fingerprint(certificate)
        assert run(PREPARE, "--node", "4", folder).returncode == 1
        assert run(PREPARE, "--node", "5", tmp_path).returncode == 1
        assert run(PREPARE, "--node", "four", folder).returncode == 2

    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        """A folder that is there holds keys that are in use, perhaps; too few words are no cluster."""
        assert run(PREPARE, "example.org", tmp_path, "one").returncode == 1
        done = run(PREPARE, "example.org", tmp_path / "new")
        assert done.returncode == 2
        assert "DOMAIN FOLDER HOST" in done.stderr
        assert not (tmp_path / "new").exists()
