"""Waveforms, and plain WAV by the standard library."""

from __future__ import annotations

import sys
import wave
from array import array
from itertools import pairwise
from pathlib import Path
from typing import Final

from raftline.base.limits import WAVEFORM_SIZE
from raftline.cluster.media.describing.findings import Findings, Lacking

LOUDEST: Final = 100
WAVE_SECONDS_MAX: Final = 7_200
"""Sounds that are longer get no waveform."""

_PART_FRAMES_MAX: Final = 1 << 16
"""Frames that are in memory at a time."""


def describe_wave(path: Path) -> Findings | None:
    """
    Look into a WAV file of plain 16-bit samples; None for another kind, which ffmpeg may read.

    Raises:
        Lacking: It is cut off, or empty.
    """
    try:
        with wave.open(str(path), "rb") as sound:
            if sound.getsampwidth() != 2:
                return None
            frame_count, rate = sound.getnframes(), sound.getframerate()
            if not frame_count or not rate:
                raise Lacking("unreadable")
            duration_ms = 1000 * frame_count // rate
            if duration_ms > 1000 * WAVE_SECONDS_MAX:
                return Findings(duration_ms=duration_ms)
            return Findings(duration_ms=duration_ms, waveform=_waveform_of(sound, frame_count))
    except (wave.Error, EOFError):
        return None


def _waveform_of(sound: wave.Wave_read, frame_count: int) -> bytes:
    peaks = [0] * WAVEFORM_SIZE
    read_count = 0
    for part in range(WAVEFORM_SIZE):
        end = frame_count * (part + 1) // WAVEFORM_SIZE
        while read_count < end:
            samples = samples_of(sound.readframes(min(end - read_count, _PART_FRAMES_MAX)))
            if not samples:
                raise Lacking("unreadable")
            read_count += len(samples) // sound.getnchannels()
            peaks[part] = max(peaks[part], _peak(samples))
    return scaled(peaks)


def samples_of(data: bytes) -> array[int]:
    """Read signed 16-bit samples, little-endian; what is left of a cut one is passed over."""
    samples = array("h", data[: len(data) & ~1])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def waveform_of(samples: array[int]) -> bytes:
    """Return how loud each of WAVEFORM_SIZE equal parts is, from 0 to 100, the loudest being 100; empty for nothing."""
    count = len(samples)
    if not count:
        return b""
    bounds = [count * part // WAVEFORM_SIZE for part in range(WAVEFORM_SIZE + 1)]
    return scaled([_peak(samples[start:end]) for start, end in pairwise(bounds)])


def scaled(peaks: list[int]) -> bytes:
    """Return peaks as percentages of the highest one, so that a quiet sound has a shape as well."""
    highest = max(peaks)
    return bytes(LOUDEST * peak // highest if highest else 0 for peak in peaks)


def _peak(samples: array[int]) -> int:
    if not samples:
        return 0
    high, low = max(samples), min(samples)
    return max(high, -low)
