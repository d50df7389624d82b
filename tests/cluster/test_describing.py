"""What the worker finds out of files, and of what it keeps its hands off."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from cluster.media_samples import bomb, by_ffmpeg, film, picture, require_ffmpeg, sound, voice_note
from raftline.base.limits import MEDIA_PIXEL_COUNT_MAX, THUMBNAIL_BYTES_MAX, THUMBNAIL_EDGE_MAX, WAVEFORM_SIZE
from raftline.cluster.media.describing import pictures, process, streams, waves, worker
from raftline.cluster.media.describing.findings import Findings
from raftline.cluster.media.describing.formats import Format, format_of
from raftline.cluster.media.describing.process import look_into


def described(folder: Path, content: bytes) -> Findings:
    """Look into a file in this process, without limits."""
    path = folder / "file"
    path.write_bytes(content)
    return worker.describe(path)


async def looked_into(folder: Path, content: bytes) -> Findings:
    """Let the worker look into a file."""
    path = folder / "file"
    path.write_bytes(content)
    return await look_into(path)


def shown(findings: Findings) -> Image.Image:
    """Return the thumbnail as a client shows it."""
    thumbnail = findings.thumbnail
    assert thumbnail is not None
    assert len(thumbnail.content) <= THUMBNAIL_BYTES_MAX
    image = Image.open(io.BytesIO(thumbnail.content))
    assert image.size == (thumbnail.width, thumbnail.height)
    assert image.get_format_mimetype() == thumbnail.media_type
    return image


class TestFormats:
    """A file is what it begins like."""

    @pytest.mark.parametrize(
        "head",
        [
            b"",
            b"%PDF-1.7",
            b"<svg xmlns=",
            b"#EXTM3U\n",
            b"PK\x03\x04",
            b"ffconcat version 1.0",
            b"BMore text",
            b"RIFF",
        ],
    )
    def test_what_is_not_looked_into(self, tmp_path: Path, head: bytes) -> None:
        """Above all nothing that names other files."""
        assert format_of(head) is None
        assert described(tmp_path, head) == Findings(lack="plain")

    def test_a_film_is_never_guessed_at(self) -> None:
        """Each reader is told the format, whatever the name of a file is."""
        assert format_of(b"\x00\x00\x00\x20ftypisom") == Format("stream", "mov")
        assert format_of(b"\x00\x00\x00\x20ftypheic") is None


class TestPictures:
    """Dimensions and thumbnail."""

    @pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
    def test_dimensions_and_thumbnail(self, tmp_path: Path, form: str) -> None:
        """The longer side of the thumbnail is THUMBNAIL_EDGE_MAX, the shape that of the picture."""
        findings = described(tmp_path, picture(640, 480, form))
        assert (findings.width, findings.height, findings.lack) == (640, 480, "")
        assert shown(findings).size == (THUMBNAIL_EDGE_MAX, THUMBNAIL_EDGE_MAX * 3 // 4)

    def test_small_ones_stay_small(self, tmp_path: Path) -> None:
        """Nothing is made larger than it is."""
        assert shown(described(tmp_path, picture(40, 30))).size == (40, 30)

    def test_a_picture_that_lies_on_its_side(self, tmp_path: Path) -> None:
        """Dimensions and thumbnail are as it is to be shown; nothing else of what the camera said is kept."""
        findings = described(tmp_path, picture(640, 480, orientation=6))
        assert (findings.width, findings.height) == (480, 640)
        thumbnail = shown(findings)
        assert thumbnail.size == (240, 320)
        assert dict(thumbnail.getexif()) == {}
        assert findings.thumbnail is not None
        assert b"Secret" not in findings.thumbnail.content

    def test_transparency_stays(self, tmp_path: Path) -> None:
        """The thumbnail is a PNG then."""
        thumbnail = shown(described(tmp_path, picture(form="PNG", mode="RGBA")))
        assert (thumbnail.format, thumbnail.mode) == ("PNG", "RGBA")

    def test_a_thumbnail_that_compresses_badly(self, tmp_path: Path) -> None:
        """It is made smaller until it is small enough."""
        image = Image.frombytes("RGBA", (400, 400), os.urandom(640_000))
        stream = io.BytesIO()
        image.save(stream, "PNG")
        assert shown(described(tmp_path, stream.getvalue())).size[0] < THUMBNAIL_EDGE_MAX

    def test_pixels(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As many as may be, and one row too many."""
        monkeypatch.setattr(pictures, "MEDIA_PIXEL_COUNT_MAX", 10_000)
        assert described(tmp_path, picture(100, 100)).width == 100
        assert described(tmp_path, picture(100, 101)) == Findings(lack="too-large")

    @pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
    def test_cut_off_or_altered(self, tmp_path: Path, form: str) -> None:
        """It is told, and nothing breaks."""
        content = picture(200, 200, form)
        for damaged in (content[:100], content[:20], content[:30] + os.urandom(400)):
            assert described(tmp_path, damaged).lack in {"unreadable", "too-large"}


class TestWaves:
    """Plain WAV needs no ffmpeg."""

    @pytest.mark.parametrize("channels", [1, 2])
    def test_duration_and_waveform(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int) -> None:
        """The waveform of a tone that grows, grows; the loudest part has 100."""
        monkeypatch.setenv("PATH", "")
        findings = described(tmp_path, sound(2.5, channels=channels))
        assert (findings.duration_ms, findings.lack, findings.thumbnail) == (2500, "", None)
        assert len(findings.waveform) == WAVEFORM_SIZE
        assert list(findings.waveform) == sorted(findings.waveform)
        assert (findings.waveform[0] <= 3, findings.waveform[-1]) == (True, 100)

    def test_silence(self, tmp_path: Path) -> None:
        """It is flat."""
        assert waves.waveform_of(waves.samples_of(bytes(20_000))) == bytes(WAVEFORM_SIZE)
        assert waves.waveform_of(waves.samples_of(b"\x01")) == b""

    def test_cut_off(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A sound that ends before it says so."""
        monkeypatch.setenv("PATH", "")
        assert described(tmp_path, sound()[:3_000]).lack == "unreadable"
        assert described(tmp_path, sound()[:44]).lack == "unreadable"

    def test_too_long_for_a_waveform(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its duration is told still."""
        monkeypatch.setattr(waves, "WAVE_SECONDS_MAX", 2)
        assert len(described(tmp_path, sound(2.0)).waveform) == WAVEFORM_SIZE
        assert described(tmp_path, sound(2.001)) == Findings(duration_ms=2001)


class TestStreams:
    """By ffmpeg."""

    @pytest.mark.parametrize("name", ["note.ogg", "note.m4a", "note.mp3", "note.flac"])
    def test_voice_notes(self, tmp_path: Path, name: str) -> None:
        """Duration, give or take what a codec adds, and waveform."""
        findings = described(tmp_path, voice_note(tmp_path, name))
        assert 1_900 <= findings.duration_ms <= 2_200
        assert (len(findings.waveform), max(findings.waveform), findings.thumbnail) == (WAVEFORM_SIZE, 100, None)

    def test_a_recording_that_does_not_say_how_long_it_is(self, tmp_path: Path) -> None:
        """Browsers write such: its sound is counted."""
        note = by_ffmpeg(tmp_path, "live.webm", "-f", "lavfi", "-i", "sine=440:duration=2", "-live", "1")
        findings = described(tmp_path, note)
        assert 1_900 <= findings.duration_ms <= 2_200

    @pytest.mark.parametrize("name", ["film.mp4", "film.webm", "film.avi"])
    def test_films(self, tmp_path: Path, name: str) -> None:
        """Duration, dimensions and a frame of it."""
        findings = described(tmp_path, film(tmp_path, name, size="640x360"))
        assert (findings.width, findings.height, findings.waveform, findings.lack) == (640, 360, b"", "")
        assert 1_900 <= findings.duration_ms <= 2_200
        assert shown(findings).size == (320, 180)

    def test_a_film_of_one_frame(self, tmp_path: Path) -> None:
        """There is nothing a second after the beginning: the first frame is taken."""
        source = "testsrc=size=64x64:rate=1:duration=1"
        findings = described(tmp_path, by_ffmpeg(tmp_path, "one.mp4", "-f", "lavfi", "-i", source, "-frames:v", "1"))
        assert shown(findings).size == (64, 64)

    def test_the_cover_of_a_song_is_no_film(self, tmp_path: Path) -> None:
        """A picture that is attached to sound."""
        (tmp_path / "cover.png").write_bytes(picture(64, 64, "PNG"))
        options = ("-f", "lavfi", "-i", "sine=440:duration=2", "-i", str(tmp_path / "cover.png"))
        song = by_ffmpeg(tmp_path, "song.mp3", *options, "-map", "0", "-map", "1", "-disposition:v", "attached_pic")
        findings = described(tmp_path, song)
        assert (findings.width, len(findings.waveform)) == (0, WAVEFORM_SIZE)

    def test_frames_that_are_too_large(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """They are not decoded."""
        content = film(tmp_path, size="320x180")
        monkeypatch.setattr(streams, "MEDIA_PIXEL_COUNT_MAX", 320 * 180 - 1)
        assert described(tmp_path, content) == Findings(lack="too-large")

    @pytest.mark.parametrize("name", ["film.mp4", "note.ogg"])
    def test_cut_off(self, tmp_path: Path, name: str) -> None:
        """Either what there is of it is described, or it is told that it cannot be read."""
        content = film(tmp_path, name) if name == "film.mp4" else voice_note(tmp_path, name)
        assert described(tmp_path, content[: len(content) // 8]).lack in {"", "unreadable"}
        assert described(tmp_path, content[:40]).lack == "unreadable"
        assert described(tmp_path, content[:40] + os.urandom(5_000)).lack == "unreadable"

    def test_a_playlist_under_the_name_of_a_film(self, tmp_path: Path) -> None:
        """What refers to other files is read by nobody, as it is not what it begins like."""
        require_ffmpeg()
        secret = tmp_path / "secret"
        secret.write_bytes(sound())
        listing = f"#EXTM3U\n#EXTINF:1,\nfile:{secret}\n".encode()
        for start in (b"", b"\x00\x00\x00\x20ftypisom", b"OggS", b"\x1a\x45\xdf\xa3"):
            assert described(tmp_path, start + listing).lack in {"plain", "unreadable"}

    def test_without_ffmpeg(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pictures are described, of film it is told why not."""
        monkeypatch.setenv("PATH", "")
        assert described(tmp_path, b"\x00\x00\x00\x20ftypisom" + bytes(100)) == Findings(lack="no-decoder")
        assert described(tmp_path, picture()).width == 640


class TestLimits:
    """The process that looks into a file."""

    async def test_what_it_tells(self, tmp_path: Path) -> None:
        """The same as in this process."""
        assert await looked_into(tmp_path, picture()) == described(tmp_path, picture())
        assert (await looked_into(tmp_path, b"text")).lack == "plain"

    async def test_a_bomb(self, tmp_path: Path) -> None:
        """A small file with more pixels than memory: it is not decoded; one with as many as may be is."""
        assert (await looked_into(tmp_path, bomb())).lack == "too-large"
        edge = int(MEDIA_PIXEL_COUNT_MAX**0.5)
        assert (await looked_into(tmp_path, bomb(edge, edge))).width == edge

    def test_memory(self, tmp_path: Path) -> None:
        """A process that has taken the limits of the worker cannot have more, nor can it write files."""
        code = (
            "import sys; from raftline.cluster.media.describing import worker\n"
            f"sys.argv = ['', {str(tmp_path / 'empty')!r}]\n"
            "worker.main()\n"
            "try: bytearray(2 << 30)\n"
            "except MemoryError: print('no memory')\n"
            "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            f"file = open({str(tmp_path / 'written')!r}, 'wb', 0)\n"
            "try: file.write(b'x')\n"
            "except OSError: print('no file')\n"
        )
        (tmp_path / "empty").touch()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "no memory" in done.stdout
        assert "no file" in done.stdout

    async def test_time(self, tmp_path: Path) -> None:
        """Whoever takes too long is ended, with all that it runs."""
        assert (await look_into(tmp_path / "nothing", patience_seconds=0.0)).lack == "too-slow"

    async def test_a_worker_that_dies(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A decoder that crashes is a file that cannot be read; one that was killed took too much."""
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        for number, lack in [(signal.SIGSEGV, "unreadable"), (signal.SIGXCPU, "too-slow")]:
            monkeypatch.setattr(process, "WORKER", f"dying_{number}")
            (tmp_path / f"dying_{number}.py").write_text(f"import os; os.kill(os.getpid(), {int(number)})")
            assert (await look_into(tmp_path / "file")).lack == lack

    async def test_a_worker_that_talks_too_much(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """No more is listened to than what findings may have."""
        (tmp_path / "talking.py").write_text("while True: print('x' * 100_000)")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(process, "WORKER", "talking")
        assert (await look_into(tmp_path / "file")).lack == "unreadable"
