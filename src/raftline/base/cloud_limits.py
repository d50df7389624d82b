"""Bounds of the Cloud API's HTTP edge (web/cloud); most of them are those that its contract names."""

from __future__ import annotations

from typing import Final

CLOUD_BODY_BYTES_MAX: Final = 131_072
"""Greatest JSON body; the longest text, with each character escaped, needs a third of it."""

CLOUD_PATH_PART_COUNT_MAX: Final = 6
"""Segments of a path after the version; none has more."""

CLOUD_RETRY_AFTER_S: Final = 1
"""A cluster that lost its leader has a new one within a second, or has no majority."""
