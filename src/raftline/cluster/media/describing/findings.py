"""What was found out of a file, as the worker tells it."""

from __future__ import annotations

import msgspec


class Thumbnail(msgspec.Struct, frozen=True):
    """A small picture, and its dimensions in pixels."""

    content: bytes
    media_type: str
    width: int
    height: int


class Findings(msgspec.Struct, frozen=True):
    """
    Fields as in machine.media.tables.FileDescription.

    Attributes:
        lack: Why nothing is known: one of machine.media.descriptions.LACKS; empty where something is.
    """

    width: int = 0
    height: int = 0
    duration_ms: int = 0
    waveform: bytes = b""
    thumbnail: Thumbnail | None = None
    lack: str = ""


class Lacking(Exception):
    """
    Nothing can be said of a file.

    Attributes:
        lack: As in Findings.
    """

    def __init__(self, lack: str) -> None:
        super().__init__(lack)
        self.lack = lack
