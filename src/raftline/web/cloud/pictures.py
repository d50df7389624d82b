"""How large a JPEG picture is (ISO/IEC 10918-1 annex B), by its head alone. Pure."""

from __future__ import annotations

from typing import Final

_START: Final = b"\xff\xd8"
_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of frames; those left out are tables that stand between them."""
_BARE: Final = frozenset({0x01, *range(0xD0, 0xDA)})
"""Markers without a segment."""
_FRAME_HEAD: Final = 7


def side_lengths(picture: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels; None for what is no JPEG, or breaks off before it says so."""
    if not picture.startswith(_START):
        return None
    place = len(_START)
    while place + 4 <= len(picture) and picture[place] == 0xFF:
        kind = picture[place + 1]
        if kind == 0xFF:
            place += 1
            continue
        if kind in _BARE:
            place += 2
            continue
        length = int.from_bytes(picture[place + 2 : place + 4])
        segment = picture[place + 4 : place + 2 + length]
        if kind in _FRAMES:
            if len(segment) < _FRAME_HEAD - 2:
                return None
            return int.from_bytes(segment[3:5]), int.from_bytes(segment[1:3])
        place += 2 + max(length, 2)
    return None
