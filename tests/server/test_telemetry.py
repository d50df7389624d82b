"""Metrics from plain figures, logs in both forms."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
import structlog
from prometheus_client.exposition import generate_latest

from raftline.server.telemetry import ByLabel, Distribution, make_registry, set_up_logging


@dataclass
class Figures:
    term: int = 3
    role: str = "leader"
    elections_total: int = 2
    links: ByLabel = field(default_factory=lambda: ByLabel("node", {"2": True, "3": False}))
    nothing: float | None = None


class Counts(NamedTuple):
    connections: int


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Put the process' logging back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_figures_become_metrics() -> None:
    """Gauges, counters by their name, a sample for each label; text and None are left out; read when asked."""
    figures = Figures()
    registry = make_registry({"raft": lambda: figures, "gateway": lambda: Counts(5), "web": lambda: {"requests": 1}})
    figures.term = 4
    lines = generate_latest(registry).decode().splitlines()
    assert "raftline_raft_term 4.0" in lines
    assert "raftline_raft_elections_total 2.0" in lines
    assert "# TYPE raftline_raft_elections_total counter" in lines
    assert 'raftline_raft_links{node="2"} 1.0' in lines
    assert 'raftline_raft_links{node="3"} 0.0' in lines
    assert "raftline_gateway_connections 5.0" in lines
    assert "raftline_web_requests 1.0" in lines
    assert not [line for line in lines if "role" in line or "nothing" in line]
    assert [line for line in lines if line.startswith("process_resident_memory_bytes")]


def test_durations_become_a_histogram() -> None:
    """Cumulative, as Prometheus has them, with the sum and the last class without a bound."""
    registry = make_registry({"raft": lambda: {"commit_seconds": Distribution((0.1, 0.5), (3, 2, 1), 1.75)}})
    lines = generate_latest(registry).decode().splitlines()
    assert [line for line in lines if line.startswith("raftline_raft")] == [
        'raftline_raft_commit_seconds_bucket{le="0.1"} 3.0',
        'raftline_raft_commit_seconds_bucket{le="0.5"} 5.0',
        'raftline_raft_commit_seconds_bucket{le="+Inf"} 6.0',
        "raftline_raft_commit_seconds_count 6.0",
        "raftline_raft_commit_seconds_sum 1.75",
    ]
    assert "# TYPE raftline_raft_commit_seconds histogram" in lines


@pytest.mark.usefixtures("restored_logging")
def test_logs_are_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours and those of libraries have the same form; what is below the level is not written."""
    log = set_up_logging("info", "json")
    log.info("started", node_id=1)
    log.debug("hidden")
    logging.getLogger("raftline.cluster").warning("link %s lost", 2)
    logging.getLogger("uvicorn.error").info("hidden")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("started", "info"), ("link 2 lost", "warning")]
    assert lines[0]["node_id"] == 1
    assert all(line["timestamp"].endswith("Z") for line in lines)


@pytest.mark.usefixtures("restored_logging")
def test_exceptions_are_logged_in_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    """A stack trace comes out as text for people and as data for machines; what variables held does not."""
    for form in ("console", "json"):
        log = set_up_logging("error", form)
        password = "secret " * 5
        try:
            dict[str, int]()["no such key"]
        except KeyError:
            log.exception("it failed")
        written = capsys.readouterr().err
        assert "no such key" in written
        assert password not in written
        structlog.reset_defaults()
