"""
What a file is, by its first bytes; what its sender says of it does not count.

A format that is not named here is not looked into. Those that can name other files or addresses (HLS, SVG, playlists)
are none.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

HEAD_BYTES: Final = 64
"""From the beginning of a file: all that is looked at here."""


class Format(NamedTuple):
    """
    A format and who reads it.

    Attributes:
        reader: `picture` is Pillow, under its name for the format; `stream` is ffmpeg, under that of its demuxer.
    """

    reader: Literal["picture", "stream"]
    name: str


_WAVE: Final = Format("stream", "wav")
_STARTS: Final = (
    (b"\xff\xd8\xff", Format("picture", "JPEG")),
    (b"\x89PNG\r\n\x1a\n", Format("picture", "PNG")),
    (b"GIF87a", Format("picture", "GIF")),
    (b"GIF89a", Format("picture", "GIF")),
    (b"II*\x00", Format("picture", "TIFF")),
    (b"MM\x00*", Format("picture", "TIFF")),
    (b"OggS", Format("stream", "ogg")),
    (b"fLaC", Format("stream", "flac")),
    (b"\x1a\x45\xdf\xa3", Format("stream", "matroska")),
    (b"#!AMR", Format("stream", "amr")),
    (b"caff", Format("stream", "caf")),
    (b"ID3", Format("stream", "mp3")),
    (b"\xff\xfb", Format("stream", "mp3")),
    (b"\xff\xf3", Format("stream", "mp3")),
    (b"\xff\xf2", Format("stream", "mp3")),
    (b"\xff\xf1", Format("stream", "aac")),
    (b"\xff\xf9", Format("stream", "aac")),
)
_RIFF: Final = {b"WEBP": Format("picture", "WEBP"), b"WAVE": _WAVE, b"AVI ": Format("stream", "avi")}
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})


def format_of(head: bytes) -> Format | None:
    """Return what a file is that begins so; None for what is not looked into."""
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _of_brand(head[8:12])
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return Format("picture", "BMP")
    return next((form for start, form in _STARTS if head.startswith(start)), None)


def _of_brand(brand: bytes) -> Format | None:
    if brand in _AVIF_BRANDS:
        return Format("picture", "AVIF")
    return None if brand in _HEIF_BRANDS else Format("stream", "mov")
