"""Settings and their relations."""

from __future__ import annotations

import dataclasses

import pytest

from raftline.base.errors import ConfigError
from raftline.raft.config import RaftConfig


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("election_timeout_max_ns", RaftConfig().election_timeout_min_ns),
        ("heartbeat_ns", RaftConfig().election_timeout_min_ns // 2 + 1),
        ("connection_loss_jitter_ns_max", RaftConfig().election_timeout_min_ns + 1),
        ("append_bytes_max", RaftConfig().uncommitted_bytes_max + 1),
        *((field.name, 0) for field in dataclasses.fields(RaftConfig)),
    ],
)
def test_contradictions_are_refused_by_name(name: str, value: int) -> None:
    """A value that breaks a relation is an error that names the setting."""
    with pytest.raises(ConfigError) as caught:
        RaftConfig(**{name: value})
    assert caught.value.path == f"raft.{name}"


def test_defaults_are_valid() -> None:
    """The defaults keep the relations."""
    assert RaftConfig().inflight_appends_max == 2
