"""Conditional and partial requests for content that never changes (RFC 9110 sections 13, 14). Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_BYTES: Final = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,18})[ \t]*-[ \t]*(\d{0,18})", re.ASCII | re.IGNORECASE)


class Unsatisfiable(Exception):
    """No byte of the content is in the range that is asked for (section 15.5.17)."""


class ByteRange(NamedTuple):
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int


def wanted_range(headers: Mapping[str, str], size: int, etag: str) -> ByteRange | None:
    """
    Return the part of the content that a GET asks for; None for all of it.

    A range in another unit, several ranges, and one that cannot be read are passed over (section 14.2); so is one that
    counts only for other content (`If-Range`, section 13.1.5).

    Args:
        headers: By name in small letters.
        etag: Strong, as it stands in a header.

    Raises:
        Unsatisfiable: The range lies behind the end.
    """
    match = _BYTES.fullmatch(headers.get("range", "").strip())
    if match is None or headers.get("if-range", etag).strip() != etag:
        return None
    first, last = match[1], match[2]
    if not first:
        return _suffix(last, size)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return ByteRange(start, min(int(last) + 1, size) if last else size)


def _suffix(length: str, size: int) -> ByteRange | None:
    if not length:
        return None
    if not int(length) or not size:
        raise Unsatisfiable
    return ByteRange(max(size - int(length), 0), size)


def is_unchanged(headers: Mapping[str, str], etag: str) -> bool:
    """Whether the client has this content already (`If-None-Match`, section 13.1.2)."""
    known = [one.strip().removeprefix("W/") for one in headers.get("if-none-match", "").split(",")]
    return etag in known or known == ["*"]
