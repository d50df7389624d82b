"""
Pictures, by Pillow: their dimensions as they are to be shown, and a thumbnail.

The header tells how many pixels there are; what has too many is not decoded. Of animations it is the first frame that
counts. A thumbnail keeps nothing of what a picture says beside its pixels, such as where it was taken.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps

from raftline.base.limits import MEDIA_PIXEL_COUNT_MAX, THUMBNAIL_BYTES_MAX, THUMBNAIL_EDGE_MAX
from raftline.cluster.media.describing.findings import Findings, Lacking, Thumbnail

JPEG_QUALITY: Final = 75
_ORIENTATION_TAG: Final = 0x0112
_LYING_ORIENTATIONS: Final = frozenset({5, 6, 7, 8})
"""Values of the tag with which width and height change places (Exif 2.32 section 4.6.4)."""

# The greatest number of pixels is looked after here, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


def describe_picture(path: Path | io.BytesIO, format_name: str) -> Findings:
    """
    Look into a picture.

    Args:
        format_name: What Pillow calls its format.

    Raises:
        Lacking: It cannot be read, or has too many pixels.
    """
    try:
        with Image.open(path, formats=[format_name]) as image:
            width, height = image.size
            _require_bearable(width, height)
            if image.getexif().get(_ORIENTATION_TAG) in _LYING_ORIENTATIONS:
                width, height = height, width
            return Findings(width=width, height=height, thumbnail=_thumbnail(image))
    except Lacking:
        raise
    except MemoryError:
        raise Lacking("too-large") from None
    except Exception as error:  # decoders raise what they like about input that is none
        raise Lacking("unreadable") from error


def _require_bearable(width: int, height: int) -> None:
    if width * height > MEDIA_PIXEL_COUNT_MAX:
        raise Lacking("too-large")


def _thumbnail(image: Image.Image) -> Thumbnail:
    edge = THUMBNAIL_EDGE_MAX
    while True:
        image.thumbnail((edge, edge))
        small = ImageOps.exif_transpose(image)
        thumbnail = _encoded(small)
        if len(thumbnail.content) <= THUMBNAIL_BYTES_MAX:
            return thumbnail
        edge //= 2


def _encoded(image: Image.Image) -> Thumbnail:
    stream = io.BytesIO()
    if image.has_transparency_data:
        # A new image has none of what the first one says beside its pixels.
        _bare(image.convert("RGBA")).save(stream, "PNG", optimize=True)
        media_type = "image/png"
    else:
        _bare(image.convert("RGB")).save(stream, "JPEG", quality=JPEG_QUALITY, optimize=True)
        media_type = "image/jpeg"
    return Thumbnail(stream.getvalue(), media_type, *image.size)


def _bare(image: Image.Image) -> Image.Image:
    bare = Image.new(image.mode, image.size)
    bare.paste(image)
    return bare
