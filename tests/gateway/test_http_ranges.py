"""Partial and conditional requests (RFC 9110 sections 13, 14)."""

from __future__ import annotations

import pytest

from raftline.gateway.uploads.ranges import ByteRange, Unsatisfiable, is_unchanged, wanted_range

ETAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=0-100", (0, 100)),
        ("bytes=99-", (99, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=-1", (99, 100)),
        ("bytes=-100", (0, 100)),
        ("bytes=-101", (0, 100)),
        (" Bytes = 5-6 ", (5, 7)),
    ],
)
def test_one_range(header: str, wanted: tuple[int, int]) -> None:
    """Section 14.1.2: from a byte on, up to a byte, the last ones; what lies behind the end is left away."""
    assert wanted_range({"range": header}, 100, ETAG) == ByteRange(*wanted)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=0-1,3-4",
        "lines=0-1",
        "bytes=0-1x",
        "bytes=--1",
    ],
)
def test_no_range(header: str) -> None:
    """Section 14.2: what cannot be read, or asks for several parts, gets all."""
    assert wanted_range({"range": header}, 100, ETAG) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_behind_the_end(header: str) -> None:
    """Section 15.5.17: no byte is in it."""
    with pytest.raises(Unsatisfiable):
        wanted_range({"range": header}, 100, ETAG)


def test_if_range() -> None:
    """Section 13.1.5: the range counts for this content alone; a weak validator is none."""
    assert wanted_range({"range": "bytes=0-1", "if-range": ETAG}, 100, ETAG) == ByteRange(0, 2)
    for other in ('"abd"', f"W/{ETAG}", "Sat, 28 Nov 2026 12:00:00 GMT"):
        assert wanted_range({"range": "bytes=0-1", "if-range": other}, 100, ETAG) is None


@pytest.mark.parametrize(
    ("header", "unchanged"),
    [(ETAG, True), (f'"x", {ETAG}', True), (f"W/{ETAG}", True), ("*", True), ('"x"', False), ("", False)],
)
def test_if_none_match(header: str, *, unchanged: bool) -> None:
    """Section 13.1.2: compared weakly, any of a list."""
    assert is_unchanged({"if-none-match": header}, ETAG) is unchanged


def test_without_conditions() -> None:
    """A plain request gets all."""
    assert wanted_range({}, 100, ETAG) is None
    assert is_unchanged({}, ETAG) is False
