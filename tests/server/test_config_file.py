"""Settings: file, environment, bounds, relations; each error names its key."""

from __future__ import annotations

import ast
import itertools
import tomllib
from pathlib import Path
from typing import Any

import pytest

from raftline.base.errors import ConfigError
from raftline.server import config
from raftline.server.config import NodeSettings
from raftline.server.config_file import build_settings, check_files, load_settings, read_secret
from raftline.server.toml_text import format_settings
from server.settings_values import raw_settings

BASE = Path("/srv/raftline")


def build(raw: dict[str, Any], **environment: str) -> NodeSettings:
    return build_settings(raw, BASE, environment)


def set_key(raw: dict[str, Any], path: str, value: object) -> None:
    """Set the value at a path such as `cluster.peers[0].port`."""
    *tables, key = path.replace("[", ".").replace("]", "").split(".")
    place: Any = raw
    for name in tables:
        place = place[int(name)] if name.isdigit() else place.setdefault(name, {})
    place[key] = value


class TestValues:
    """What a value may be by itself."""

    def test_defaults_and_paths(self) -> None:
        """Defaults fill what is missing; relative paths count from the file's directory."""
        settings = build(raw_settings())
        assert settings.http.port == 5443
        assert settings.data_dir == BASE / "data"
        assert settings.tls.key_file == BASE / "server.key"
        assert settings.tls.peer_ca_file == Path("/etc/ca.pem")
        assert settings.admin.token_file == BASE / "admin.token"
        assert not settings.plaintext.allow
        assert not settings.registration.open
        assert settings.own.host == "n1.example.org"

    @pytest.mark.parametrize(
        ("path", "good", "bad"),
        [
            ("http.port", [1, 65_535], [0, 65_536, "80", True]),
            ("xmpp.direct_tls_port", [0, 65_535], [-1, 65_536]),
            ("cluster.node_id", [1, 3], [0, 65_536]),
            ("cluster.epoch", [1, 2**40], [0]),
            ("limits.stanza_bytes_max", [10_000, 1_048_576], [9_999, 1_048_577]),
            ("storage.segment_bytes", [1_048_576, 1_073_741_824], [1_048_575, 1_073_741_825]),
            ("registration.per_minute", [1, 10_000], [0, 10_001]),
            ("timing.heartbeat_ms", [1, 74], [0, 600_001]),
            ("log.level", ["debug", "error"], ["loud", 1]),
            ("log.format", ["json", "console"], ["xml"]),
            ("cluster.peers[0].fingerprint", ["ab" * 32], ["ab" * 31, "AB" * 32, "xy" * 32]),
            ("cluster.peers[0].http_url", ["https://a:1"], ["ftp://a", "https://a/", "https://"]),
            ("contacts.abuse", [["mailto:a@b"], [], ["x:" + "y" * 1_022]], ["mailto:a@b"]),
            ("domain", ["a.b"], ["", "Example.org", "a@b", "a/b", 5]),
            ("data_dir", ["x", "/x"], ["", 7]),
            ("xmpp.status_urls", [[], ["https://a"], ["http://a/b.json"] * 8], ["https://a", ["http://a/b.json"] * 9]),
        ],
    )
    def test_both_sides_of_each_bound(self, path: str, good: list[object], bad: list[object]) -> None:
        """Values at the bound are taken, values beyond it are refused with the path of the key."""
        for value in good:
            raw = raw_settings()
            set_key(raw, path, value)
            build(raw)
        for value in bad:
            raw = raw_settings()
            set_key(raw, path, value)
            with pytest.raises(ConfigError) as caught:
                build(raw)
            assert caught.value.path == path

    @pytest.mark.parametrize("address", ["", "ftp://a", "https:///b", "https://a/ b", 1])
    def test_status_urls(self, address: object) -> None:
        """What a client could not fetch is refused, with its place in the list."""
        with pytest.raises(ConfigError) as caught:
            build(raw_settings() | {"xmpp": {"status_urls": ["https://a/b", address]}})
        assert caught.value.path == "xmpp.status_urls[1]"

    def test_missing_keys_are_named(self) -> None:
        """A key without a default that is not there is an error with its path."""
        for path in ("domain", "cluster.id", "tls.key_file", "admin.token_file", "cluster.peers[1].port"):
            raw = raw_settings()
            *tables, key = path.replace("[", ".").replace("]", "").split(".")
            place: Any = raw
            for name in tables:
                place = place[int(name)] if name.isdigit() else place[name]
            del place[key]
            with pytest.raises(ConfigError, match="is missing") as caught:
                build(raw)
            assert caught.value.path == path

    def test_unknown_keys_are_all_named(self) -> None:
        """A misspelt key is an error, wherever it is; all of them are told at once."""
        raw = raw_settings()
        raw["http"] = {"prot": 1}
        raw["nodes"] = {"a": {"b": 1}, "c": 2}
        raw["cluster"]["peers"][2]["weight"] = 1
        with pytest.raises(ConfigError) as caught:
            build(raw)
        assert caught.value.path == "cluster.peers[2].weight"
        for path in ("http.prot", "nodes.a.b", "nodes.c"):
            assert path in str(caught.value)

    @pytest.mark.parametrize("uri", ["a@b", "mailto:a b", "", "x:" + "y" * 1_023])
    def test_contacts_are_uris(self, uri: str) -> None:
        """XEP-0157: with a scheme, without white space, of bounded length."""
        raw = raw_settings()
        raw["contacts"] = {"status": ["https://status.example.org", uri]}
        with pytest.raises(ConfigError) as caught:
            build(raw)
        assert caught.value.path == "contacts.status[1]"


class TestRelations:
    """What values must be to one another."""

    @pytest.mark.parametrize(
        "account", ["anna", "anna@elsewhere.org", "anna@example.org/phone", "Anna@example.org", "example.org", "@@", ""]
    )
    def test_an_administrator_is_an_account_here(self, account: str) -> None:
        """What would be nobody is refused with its place; a prepared bare JID of the domain is taken."""
        raw = raw_settings()
        raw["xmpp"] = {"administrators": ["anna@example.org", account]}
        with pytest.raises(ConfigError) as caught:
            build(raw)
        assert caught.value.path == "xmpp.administrators[1]"
        raw["xmpp"]["administrators"].pop()
        assert build(raw).xmpp.administrators == ("anna@example.org",)

    @pytest.mark.parametrize(
        ("path", "value", "blamed"),
        [
            ("cluster.node_id", 4, "cluster.node_id"),
            ("cluster.peers[1].node_id", 1, "cluster.peers[1].node_id"),
            ("cluster.peers[2].fingerprint", f"{1:064x}", "cluster.peers[2].fingerprint"),
            ("cluster.peers[1].host", "n1.example.org", "cluster.peers[1].port"),
            ("cluster.peers[1].http_url", "http://n2.example.org:5443", "cluster.peers[1].http_url"),
            ("timing.heartbeat_ms", 75, "timing.election_timeout_min_ms"),
            ("timing.election_timeout_max_ms", 150, "timing.election_timeout_max_ms"),
            ("timing.bury_after_ms", 599, "timing.bury_after_ms"),
            ("timing.contact_loss_ms", 1_500, "timing.contact_loss_ms"),
            ("http.port", 5222, "http.port"),
            ("xmpp.direct_tls_port", 5269, "xmpp.direct_tls_port"),
        ],
    )
    def test_contradictions_name_the_key_to_change(self, path: str, value: object, blamed: str) -> None:
        """Each relation is checked, and tells which key breaks it."""
        raw = raw_settings()
        set_key(raw, path, value)
        with pytest.raises(ConfigError) as caught:
            build(raw)
        assert caught.value.path == blamed

    def test_relations_hold_at_their_bounds(self) -> None:
        """One step inside each timing relation is taken."""
        raw = raw_settings()
        raw["timing"] = {
            "heartbeat_ms": 74,
            "election_timeout_min_ms": 149,
            "election_timeout_max_ms": 150,
            "bury_after_ms": 300,
            "contact_loss_ms": 301,
        }
        build(raw)

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.9.10"])
    def test_plain_text_is_taken_on_loopback(self, host: str) -> None:
        """Development on this machine may go without TLS."""
        raw = raw_settings()
        raw.update(plaintext={"allow": True}, xmpp={"host": host}, http={"host": host})
        for peer in raw["cluster"]["peers"]:
            peer["http_url"] = "http://127.0.0.1:15002"
        build(raw)

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
    @pytest.mark.parametrize("listener", ["xmpp", "http"])
    def test_plain_text_is_refused_elsewhere(self, host: str, listener: str) -> None:
        """Whatever others can reach has TLS."""
        raw = raw_settings()
        raw.update({"plaintext": {"allow": True}, listener: {"host": host}})
        with pytest.raises(ConfigError, match="loopback") as caught:
            build(raw)
        assert caught.value.path == "plaintext.allow"


class TestEnvironment:
    """RAFTLINE_* lies over the file."""

    def test_values_are_read_as_toml_or_text(self) -> None:
        """Numbers, flags and lists are TOML; what is none is text."""
        settings = build(
            raw_settings(),
            RAFTLINE_DOMAIN="other.example",
            RAFTLINE_HTTP__PORT="8443",
            RAFTLINE_REGISTRATION__OPEN="true",
            RAFTLINE_CLUSTER__ID='"quoted"',
            PATH="/bin",
        )
        assert settings.domain == "other.example"
        assert settings.http.port == 8443
        assert settings.registration.open
        assert settings.cluster.id == "quoted"

    @pytest.mark.parametrize(
        ("variable", "value", "path"),
        [
            ("RAFTLINE_DOMIAN", "x", "domian"),
            ("RAFTLINE_HTTP__PROT", "1", "http.prot"),
            ("RAFTLINE_HTTP__PORT", "many", "http.port"),
            ("RAFTLINE_DOMAIN__NAME", "x", "domain.name"),
        ],
    )
    def test_errors_name_the_key(self, variable: str, value: str, path: str) -> None:
        """A misspelt or wrong variable is as much an error as a line of the file."""
        with pytest.raises(ConfigError) as caught:
            build(raw_settings(), **{variable: value})
        assert caught.value.path == path

    def test_variables_of_the_test_suite_are_no_settings(self) -> None:
        """They share the prefix and are left alone."""
        build(raw_settings(), RAFTLINE_REQUIRE_ALL_TESTS="1")


class TestFiles:
    """Reading files."""

    def test_a_file_that_is_none_says_so(self, tmp_path: Path) -> None:
        """Missing, unreadable as TOML, not UTF-8: the file's name and the reason."""
        broken = tmp_path / "broken.toml"
        broken.write_text("a = ", encoding="utf-8")
        latin = tmp_path / "latin.toml"
        latin.write_bytes(b"a = '\xe4'")
        for file in (tmp_path / "missing.toml", broken, latin, tmp_path):
            with pytest.raises(ConfigError) as caught:
                load_settings(file, {})
            assert caught.value.path == str(file)

    def test_what_is_written_is_read_back(self, tmp_path: Path) -> None:
        """format_settings and load_settings are inverse, odd characters and all."""
        raw = raw_settings()
        raw["cluster"]["id"] = 'quote " backslash \\ tab \t umlaut ä del \x7f'
        settings = build(raw)
        file = tmp_path / "node.toml"
        file.write_text(format_settings(settings), encoding="utf-8")
        assert load_settings(file, {}) == settings
        assert tomllib.loads(file.read_text(encoding="utf-8"))["http"] == {"host": "127.0.0.1", "port": 5443}

    def test_named_files_are_checked(self, tmp_path: Path) -> None:
        """`check_files` blames the setting whose file is missing or empty."""
        raw = raw_settings()
        raw["tls"]["peer_ca_file"] = "ca.pem"
        settings = build_settings(raw, tmp_path, {})
        names = ["server.pem", "server.key", "node.pem", "node.key", "ca.pem", "admin.token"]
        for name in names:
            (tmp_path / name).write_text("content", encoding="utf-8")
        check_files(settings)
        (tmp_path / "node.key").unlink()
        with pytest.raises(ConfigError) as caught:
            check_files(settings)
        assert caught.value.path == "tls.peer_key_file"
        (tmp_path / "node.key").write_text(" \n", encoding="utf-8")
        with pytest.raises(ConfigError, match="is empty"):
            check_files(settings)

    def test_secrets_are_one_line(self, tmp_path: Path) -> None:
        """A token's file holds the token and perhaps a line's end."""
        file = tmp_path / "token"
        file.write_text("secret\n", encoding="utf-8")
        assert read_secret("admin.token_file", file) == "secret"
        for content in ("", "\n", "a\nb\n"):
            file.write_text(content, encoding="utf-8")
            with pytest.raises(ConfigError) as caught:
                read_secret("admin.token_file", file)
            assert caught.value.path == "admin.token_file"


class TestDocumentation:
    """Every setting is explained where it is declared."""

    def test_each_setting_has_a_sentence(self) -> None:
        """A field of a settings Struct is followed by a string that says what it is; nested tables have a docstring."""
        tree = ast.parse(Path(config.__file__).read_text(encoding="utf-8"))
        missing = []
        for node in (node for node in tree.body if isinstance(node, ast.ClassDef)):
            assert ast.get_docstring(node), node.name
            for field, following in itertools.pairwise([*node.body, ast.Pass()]):
                if not isinstance(field, ast.AnnAssign) or ast.unparse(field.annotation).endswith("Settings"):
                    continue
                if not (isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)):
                    missing.append(f"{node.name}.{ast.unparse(field.target)}")
        assert missing == []
