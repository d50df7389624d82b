"""Moments as text (XEP-0082): pure, for whoever writes them into stanzas or rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def format_timestamp(time_ms: int) -> str:
    """Write milliseconds since 1970 as a DateTime in UTC (XEP-0082 section 3.2)."""
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"
