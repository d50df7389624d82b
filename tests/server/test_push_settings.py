"""What push services are told, as an operator decides (XEP-0357 section 9)."""

from __future__ import annotations

from pathlib import Path

import pytest

from raftline.base.errors import ConfigError
from raftline.server.config import PushSettings
from raftline.server.config_file import build_settings
from server.settings_values import raw_settings


def test_by_default_no_text_leaves_the_server(tmp_path: Path) -> None:
    """Who wrote is told, what was written is not."""
    assert build_settings(raw_settings(), tmp_path, {}).push == PushSettings(sender=True, body=False)


def test_each_is_a_setting(tmp_path: Path) -> None:
    """In the file and in the environment."""
    settings = build_settings({**raw_settings(), "push": {"sender": False}}, tmp_path, {"RAFTLINE_PUSH__BODY": "true"})
    assert settings.push == PushSettings(sender=False, body=True)


@pytest.mark.parametrize(("push", "path"), [({"body": "short"}, "push.body"), ({"text": True}, "push.text")])
def test_bad_values(tmp_path: Path, push: dict[str, object], path: str) -> None:
    """They are named by their path."""
    with pytest.raises(ConfigError) as refused:
        build_settings({**raw_settings(), "push": push}, tmp_path, {})
    assert refused.value.path == path
