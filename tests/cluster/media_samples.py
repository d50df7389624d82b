"""Pictures, sounds and films that tests make."""

from __future__ import annotations

import io
import math
import shutil
import struct
import subprocess
import wave
from array import array
from pathlib import Path

from PIL import Image

from debian import skip_for


def require_ffmpeg() -> None:
    """Skip without ffmpeg, or fail where all tests are required."""
    is_there = shutil.which("ffmpeg") is not None and shutil.which("ffprobe") is not None
    skip_for("" if is_there else "ffmpeg is not installed (Debian package ffmpeg)")


def picture(
    width: int = 640, height: int = 480, form: str = "JPEG", *, mode: str = "RGB", orientation: int = 0
) -> bytes:
    """A picture with a gradient; `orientation` as Exif has it."""
    image = Image.linear_gradient("L").resize((width, height)).convert(mode)
    if "A" in mode:
        image.putalpha(Image.linear_gradient("L").resize((width, height)))
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
        exif[0x010F] = "Secret Camera"
    stream = io.BytesIO()
    image.save(stream, form, exif=exif) if orientation else image.save(stream, form)
    return stream.getvalue()


def bomb(width: int = 20_000, height: int = 20_000) -> bytes:
    """A PNG of a few kilobytes that has hundreds of megabytes of pixels."""
    stream = io.BytesIO()
    Image.new("1", (width, height)).save(stream, "PNG")
    return stream.getvalue()


def sound(seconds: float = 2.0, rate: int = 8_000, channels: int = 1) -> bytes:
    """A WAV file: a tone that grows from silence."""
    count = int(seconds * rate)
    samples = array("h")
    for number in range(count):
        level = int(30_000 * number / count * math.sin(number / 3))
        samples.extend([level] * channels)
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return stream.getvalue()


def by_ffmpeg(folder: Path, name: str, *options: str) -> bytes:
    """Let ffmpeg make a file."""
    require_ffmpeg()
    path = folder / name
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *options, str(path)], check=True)
    return path.read_bytes()


def film(folder: Path, name: str = "film.mp4", seconds: int = 2, size: str = "320x180") -> bytes:
    """A film with a test picture; the ending of the name says which kind."""
    source = f"testsrc=size={size}:rate=10:duration={seconds}"
    return by_ffmpeg(folder, name, "-f", "lavfi", "-i", source)


def voice_note(folder: Path, name: str = "note.ogg", seconds: int = 2) -> bytes:
    """A tone; the ending of the name says which kind."""
    return by_ffmpeg(folder, name, "-f", "lavfi", "-i", f"sine=440:duration={seconds}")
