"""Settings of uploaded files, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raftline.base.errors import ConfigError
from raftline.base.limits import UPLOAD_SIZE_MAX, UPLOAD_TOKEN_SIZE
from raftline.cluster.media.metrics import MediaMetrics
from raftline.server.config import NodeSettings
from raftline.server.config_file import build_settings
from raftline.server.uploads import bucket_of, media_figures, upload_service
from server.settings_values import raw_settings


def settings(**media: Any) -> NodeSettings:
    return build_settings({**raw_settings(), "media": media}, Path("/"), {})


def test_links_lead_to_https() -> None:
    """To the node that gives them out, or to a name for all; plain HTTP is for development alone."""
    assert upload_service(settings()).base_url() == "https://n1.example.org:5443"
    assert upload_service(settings(public_url="https://files.example.org")).base_url() == "https://files.example.org"
    with pytest.raises(ConfigError, match="must be https") as caught:
        settings(public_url="http://files.example.org")
    assert caught.value.path == "media.public_url"


def test_what_is_offered_is_what_is_set() -> None:
    """Sizes, quotas, time and types; and tokens are never the same."""
    service = upload_service(
        settings(
            size_max=5_000,
            account_bytes_max=50_000,
            account_file_count_max=7,
            keep_days=2,
            refused_types=["text/html", "application/*"],
        )
    )
    assert (service.size_max, service.bytes_max, service.file_count_max) == (5_000, 50_000, 7)
    assert (service.keep_ms, service.refused_types) == (2 * 86_400_000, ("text/html", "application/*"))
    tokens = {service.draw_token() for _ in range(10)}
    assert {len(token) for token in tokens} == {UPLOAD_TOKEN_SIZE}
    assert len(tokens) == 10


@pytest.mark.parametrize(
    ("key", "value", "is_taken"),
    [
        ("size_max", UPLOAD_SIZE_MAX, True),
        ("size_max", UPLOAD_SIZE_MAX + 1, False),
        ("size_max", 1_023, False),
        ("account_file_count_max", 0, False),
        ("keep_days", -1, False),
        ("keep_days", 0, True),
        ("refused_types", ["Text/HTML"], False),
        ("refused_types", ["text"], False),
        ("public_url", "https://files.example.org/path", False),
        ("max_size", 1, False),
    ],
)
def test_bounds(key: str, value: object, *, is_taken: bool) -> None:
    """Both sides of each, and names that are none."""
    if is_taken:
        settings(**{key: value})
    else:
        with pytest.raises(ConfigError) as caught:
            settings(**{key: value})
        assert caught.value.path.startswith(f"media.{key}")


def test_figures_have_names_of_their_own() -> None:
    """Each figure of a node is told once."""
    names = list(MediaMetrics.__dataclass_fields__)
    metrics = MediaMetrics(**{name: number for number, name in enumerate(names, 1)})
    assert sorted(media_figures(metrics).values(), key=int) == list(range(1, len(names) + 1))  # type: ignore[call-overload]


S3 = {
    "endpoint": "https://s3.example.org",
    "bucket": "files",
    "prefix": "raftline",
    "access_key_id": "key",
    "secret_key_file": "s3.secret",
}


def test_a_bucket(tmp_path: Path) -> None:
    """The secret is in a file of its own; disks need none of it."""
    (tmp_path / "s3.secret").write_text("hidden\n")
    raw = {**raw_settings(), "media": {"storage": "s3", "s3": S3}}
    bucket = bucket_of(build_settings(raw, tmp_path, {}))
    assert bucket == ("https://s3.example.org", "files", "us-east-1", "raftline", "key", "hidden")
    assert bucket_of(settings()) is None
    (tmp_path / "s3.secret").unlink()
    with pytest.raises(ConfigError) as caught:
        bucket_of(build_settings(raw, tmp_path, {}))
    assert caught.value.path == "media.s3.secret_key_file"


def test_a_bucket_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told which extra is missing."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"raftline\[s3\]") as caught:
        bucket_of(settings(storage="s3", s3=S3))
    assert caught.value.path == "media.storage"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("endpoint", ""),
        ("bucket", ""),
        ("bucket", "Files"),
        ("access_key_id", ""),
        ("endpoint", "http://s3.example.org"),
        ("endpoint", "https://s3.example.org/path"),
        ("prefix", "/files"),
        ("secret", "x"),
    ],
)
def test_a_bucket_that_cannot_be(key: str, value: str) -> None:
    """What is missing or wrong is named; without TLS it must be said that this is meant."""
    with pytest.raises(ConfigError) as caught:
        settings(storage="s3", s3={**S3, key: value})
    assert caught.value.path.startswith(f"media.s3.{key}")
    if value.startswith("http:"):
        settings(storage="s3", s3={**S3, key: value, "plaintext": True})
