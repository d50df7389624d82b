"""External components, as an operator names them (XEP-0114)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from raftline.base.errors import ConfigError
from raftline.base.limits import COMPONENT_COUNT_MAX, COMPONENT_LABEL_SIZE_MAX
from raftline.cli.nodes import read_component
from raftline.server.config import NodeSettings
from raftline.server.config_file import build_settings, check_files, load_settings, read_secret
from raftline.server.development_layout import lay_out, settings_file, settle_parameters
from raftline.server.development_members import add_node
from raftline.server.toml_text import format_settings
from raftline.xmpp.catalog import all_modules
from raftline.xmpp.xeps.xep_0114_components import RESERVED_LABELS
from server.settings_values import raw_settings


def build(folder: Path, environment: dict[str, str] | None = None, **components: Any) -> NodeSettings:
    return build_settings({**raw_settings(), "components": components}, folder, environment or {})


def ports(settings: NodeSettings) -> list[int]:
    """Where a node listens for components."""
    return [port for path, _, port in settings.listeners if path == "components.port"]


def test_there_are_none_by_default(tmp_path: Path) -> None:
    """And then nobody listens for them."""
    assert ports(build(tmp_path)) == []


def test_what_is_named_may_connect(tmp_path: Path) -> None:
    """Secrets are files beside the settings; a node may leave the listening to others."""
    settings = build(tmp_path, secret_files={"irc": "irc.secret"})
    assert settings.components.secret_files == {"irc": tmp_path / "irc.secret"}
    assert ports(settings) == [5_347]
    assert ports(build(tmp_path, port=0, secret_files={"irc": "irc.secret"})) == []


def test_the_environment_names_them_too(tmp_path: Path) -> None:
    """Like every setting."""
    settings = build(tmp_path, {"RAFTLINE_COMPONENTS__SECRET_FILES__IRC": "other.secret"})
    assert settings.components.secret_files == {"irc": tmp_path / "other.secret"}


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    """It is missed by name."""
    with pytest.raises(ConfigError) as caught:
        check_files_of_components(build(tmp_path, secret_files={"irc": "irc.secret"}))
    assert caught.value.path == "components.secret_files.irc"


def check_files_of_components(settings: NodeSettings) -> None:
    """Check the files of a node whose other files are not at issue."""
    for label, file in settings.components.secret_files.items():
        read_secret(f"components.secret_files.{label}", file)


@pytest.mark.parametrize("label", ["irc", "a-b", "x" * COMPONENT_LABEL_SIZE_MAX, "bücher"])
def test_labels(tmp_path: Path, label: str) -> None:
    """One label of a domain name, up to the greatest size."""
    assert label in build(tmp_path, secret_files={label: "s"}).components.secret_files


@pytest.mark.parametrize(
    "label", ["", "a.b", "IRC", "a b", "a@b", "a/b", "x" * (COMPONENT_LABEL_SIZE_MAX + 1), *sorted(RESERVED_LABELS)]
)
def test_what_is_no_label_is_refused(tmp_path: Path, label: str) -> None:
    """Not in its normal form, more than one, too long, or that of a service of our own."""
    with pytest.raises(ConfigError) as caught:
        build(tmp_path, secret_files={label: "s"})
    assert caught.value.path == f"components.secret_files.{label}"


def test_our_services_are_reserved() -> None:
    """Every service that there is; else a component would take its place, or keep the node from starting."""
    assert set(all_modules().hosts) <= RESERVED_LABELS


def test_there_are_not_too_many(tmp_path: Path) -> None:
    """As many as the cluster remembers, and not one more."""
    labels = {f"c{number}": "s" for number in range(COMPONENT_COUNT_MAX)}
    build(tmp_path, secret_files=labels)
    with pytest.raises(ConfigError, match="at most"):
        build(tmp_path, secret_files={**labels, "more": "s"})


@pytest.mark.parametrize(
    ("components", "path"),
    [
        ({"secrets": {"irc": "s"}}, "components.secrets.irc"),
        ({"secret_files": {"irc": 7}}, "components.secret_files[...]"),
        ({"port": 65_536}, "components.port"),
        ({"port": -1}, "components.port"),
        ({"port": 5_222, "secret_files": {"irc": "s"}}, "components.port"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, components: dict[str, Any], path: str) -> None:
    """With the path of the key: unknown, of another type, out of bounds, or a port that is taken."""
    with pytest.raises(ConfigError) as caught:
        build(tmp_path, **components)
    assert caught.value.path == path


def test_what_is_shown_is_read_back(tmp_path: Path) -> None:
    """`config show` writes a table of labels that is the same when it is read, the empty one too."""
    for files in ({}, {"irc": "irc.secret", "sms": 'a "b" c'}):
        settings = build(tmp_path, secret_files=files)
        assert build_settings(tomllib.loads(format_settings(settings)), tmp_path, {}) == settings


def test_a_development_cluster(tmp_path: Path) -> None:
    """`--component` on every node, at base port plus 4; in files that only the owner reads; gone without it."""
    parameters = settle_parameters(tmp_path, None, None, None)
    options = {"open_registration": False, "allow_plaintext": True}
    layout = lay_out(tmp_path, parameters, **options, components={"irc": "s:e"})
    assert [ports(one) for one in layout.settings] == [[15_004], [15_014], [15_024]]
    settings = load_settings(settings_file(tmp_path, 2), {})
    check_files(settings)
    file = settings.components.secret_files["irc"]
    assert read_secret("", file) == "s:e"
    assert file.stat().st_mode & 0o077 == 0
    (tmp_path / "cluster.json").write_text('{"domain":"localhost","admin_token":"t","ca":"","nodes":[]}')
    add_node(tmp_path, 4, "token")
    assert load_settings(settings_file(tmp_path, 4), {}).components.secret_files == {"irc": file}
    again = lay_out(tmp_path, settle_parameters(tmp_path, None, None, None), **options)
    assert [ports(one) for one in again.settings] == [[], [], [], []]


def test_a_bad_label_makes_no_cluster(tmp_path: Path) -> None:
    """The option is named."""
    with pytest.raises(ConfigError) as caught:
        lay_out(
            tmp_path,
            settle_parameters(tmp_path, None, None, None),
            open_registration=False,
            allow_plaintext=True,
            components={"upload": "s"},
        )
    assert caught.value.path == "--component"


def test_the_option() -> None:
    """LABEL:SECRET, where the secret may have colons."""
    assert read_component("irc:a:b") == ("irc", "a:b")
    for text in ("irc", "irc:", "irc: "):
        with pytest.raises(ConfigError, match="LABEL:SECRET"):
            read_component(text)
