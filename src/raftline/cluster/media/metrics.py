"""Figures of uploaded files."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaMetrics:
    """
    Figures since the start of this node.

    Attributes:
        fetched_count, fetch_failure_count, sent_bytes, received_bytes: Between the nodes' own disks.
        missing_count: Files that this node should have and does not, when it last looked; of an object store, that the
            store should have.
        undescribable_count: Files that look like pictures, sound or film and could not be described.
    """

    kept_count: int
    fetched_count: int = 0
    fetch_failure_count: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    missing_count: int
    deleted_count: int
    damaged_count: int
    described_count: int
    undescribable_count: int
