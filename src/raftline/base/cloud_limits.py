"""Bounds of the Cloud API's HTTP edge (web/cloud); most of them are those that its contract names."""

from __future__ import annotations

from typing import Final

CLOUD_BODY_BYTES_MAX: Final = 131_072
"""Greatest JSON body; the longest text, with each character escaped, needs a third of it."""

CLOUD_PATH_PART_COUNT_MAX: Final = 6
"""Segments of a path after the version; none has more."""

CLOUD_RETRY_AFTER_S: Final = 1
"""A cluster that lost its leader has a new one within a second, or has no majority."""

CLOUD_FORM_PART_COUNT_MAX: Final = 16
"""Values of a form with a file; none has more than three."""

CLOUD_FORM_VALUE_BYTES_MAX: Final = 8_192
"""Bytes of such a value: the description of a group is the longest."""

CLOUD_DRAIN_BYTES_MAX: Final = 16 << 20
"""Bytes of a file that is refused which are read on, so that its sender hears why."""

CLOUD_MEDIA_TTL_MINUTES_MIN: Final = 60
"""Least time for which an uploaded file can be asked to be kept."""

CLOUD_MEDIA_TTL_MINUTES_MAX: Final = 30 * 24 * 60
"""Greatest such time, which counts when nothing is asked for."""

CLOUD_PAGE_ROW_COUNT: Final = 25
"""Items of a page of a list when nothing is asked for."""

CLOUD_PAGE_ROW_COUNT_MAX: Final = 1_000
"""Greatest number of items of a page; whoever asks for more gets so many."""

CLOUD_BLOCK_COUNT_MAX: Final = 1_000
"""People whom one request blocks or unblocks; a block list has hardly more (BLOCKED_ADDRESS_COUNT_MAX)."""

CLOUD_UPLOAD_SESSION_AGE_MAX_MS: Final = 24 * 60 * 60 * 1000
"""Time for which a resumable upload can be completed."""

CLOUD_PROFILE_PICTURE_BYTES_MAX: Final = 5 << 20
"""Bytes of the picture of a profile; people are shown one that is made small."""

CLOUD_PROFILE_PICTURE_WAIT_S: Final = 5.0
"""Time for which a request waits until a large picture was made small."""
