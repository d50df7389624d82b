"""
Sound and film, by ffmpeg and ffprobe: duration, dimensions, waveform, a poster frame.

Both are told the format and open nothing but the one file. They inherit the limits of the worker.
"""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import msgspec

from raftline.base.limits import MEDIA_PIXEL_COUNT_MAX, THUMBNAIL_EDGE_MAX
from raftline.cluster.media.describing.findings import Findings, Lacking, Thumbnail
from raftline.cluster.media.describing.pictures import describe_picture
from raftline.cluster.media.describing.waves import WAVE_SECONDS_MAX, samples_of, waveform_of

SAMPLE_RATE: Final = 4_000
"""Enough for peaks."""

POSTER_SECONDS: Final = 1.0
"""Where the poster frame is taken, since films begin in the dark; the middle of shorter ones."""

_QUIET: Final = ("-v", "error", "-protocol_whitelist", "file,pipe")
_ENTRIES: Final = (
    "format=duration:stream=codec_type,width,height,duration:stream_disposition=attached_pic"
    ":stream_side_data=rotation:stream_tags=rotate"
)


def describe_stream(path: Path, demuxer: str) -> Findings:
    """
    Look into a file of sound or film.

    Args:
        demuxer: What ffmpeg calls its format.

    Raises:
        Lacking: It cannot be read, its frames are too large, or there is no ffmpeg.
    """
    if shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None:
        raise Lacking("no-decoder")
    streams, duration_ms = _probe(path, demuxer)
    film = next((one for one in streams if one.get("codec_type") == "video" and not _is_cover(one)), None)
    if film is not None:
        width, height = _dimensions(film)
        thumbnail = _poster(path, demuxer, duration_ms)
        return Findings(width=width, height=height, duration_ms=duration_ms, thumbnail=thumbnail)
    if not any(one.get("codec_type") == "audio" for one in streams):
        raise Lacking("unreadable")
    if duration_ms > 1000 * WAVE_SECONDS_MAX:
        return Findings(duration_ms=duration_ms)
    samples = samples_of(_samples(path, demuxer))
    if not samples:
        raise Lacking("unreadable")
    # A recording that was written as it was made does not say how long it is.
    duration_ms = duration_ms or 1000 * len(samples) // SAMPLE_RATE
    return Findings(duration_ms=duration_ms, waveform=waveform_of(samples))


def _probe(path: Path, demuxer: str) -> tuple[list[dict[str, Any]], int]:
    """Return the streams of a file, and its duration in milliseconds; 0 where it does not say."""
    output = _run("ffprobe", *_QUIET, "-f", demuxer, "-show_entries", _ENTRIES, "-of", "json", f"file:{path}")
    found = msgspec.json.decode(output, type=dict[str, Any])
    streams = found.get("streams", [])
    told = [found.get("format", {}).get("duration"), *(one.get("duration") for one in streams)]
    return streams, max((_milliseconds(one) for one in told), default=0)


def _milliseconds(text: str | None) -> int:
    try:
        return max(int(1000 * float(text or 0)), 0)
    except (ValueError, OverflowError):
        return 0


def _is_cover(stream: dict[str, Any]) -> bool:
    return bool(stream.get("disposition", {}).get("attached_pic"))


def _dimensions(film: dict[str, Any]) -> tuple[int, int]:
    width, height = int(film.get("width", 0)), int(film.get("height", 0))
    if not width or not height:
        raise Lacking("unreadable")
    if width * height > MEDIA_PIXEL_COUNT_MAX:
        raise Lacking("too-large")
    told = [one.get("rotation") for one in film.get("side_data_list", ())] + [film.get("tags", {}).get("rotate")]
    lies = any(abs(int(float(one))) % 180 == 90 for one in told if one is not None)
    return (height, width) if lies else (width, height)


def _poster(path: Path, demuxer: str, duration_ms: int) -> Thumbnail:
    for second in (min(POSTER_SECONDS, duration_ms / 2000), 0.0):
        size = f"'min({THUMBNAIL_EDGE_MAX},iw)':'min({THUMBNAIL_EDGE_MAX},ih)':force_original_aspect_ratio=decrease"
        frame = _decode(
            path, demuxer, *("-map", "0:V:0", "-frames:v", "1", "-vf", f"scale={size}", "-c:v", "png"),
            start=second, form="image2pipe",
        )  # fmt: skip
        if frame:
            thumbnail = describe_picture(io.BytesIO(frame), "PNG").thumbnail
            assert thumbnail is not None, "a picture has one"
            return thumbnail
    raise Lacking("unreadable")


def _samples(path: Path, demuxer: str) -> bytes:
    options = ("-map", "0:a:0", "-ac", "1", "-ar", str(SAMPLE_RATE), "-t", str(WAVE_SECONDS_MAX), "-c:a", "pcm_s16le")
    return _decode(path, demuxer, *options, start=0.0, form="s16le")


def _decode(path: Path, demuxer: str, *options: str, start: float, form: str) -> bytes:
    read = ("-threads", "1", "-ss", f"{start:.3f}", "-f", demuxer, "-i", f"file:{path}")
    return _run("ffmpeg", *_QUIET, "-nostdin", *read, "-threads", "1", *options, "-f", form, "pipe:1")


def _run(*command: str) -> bytes:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603
    if done.returncode < 0:
        raise Lacking("too-slow")  # a limit of the worker ended it
    if done.returncode:
        raise Lacking("unreadable")
    return done.stdout
