"""The file of a backup: what is written is read again, and nothing else is ever taken for it."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import msgspec
import pytest

from raftline.base.errors import StorageCorrupt, StorageError
from raftline.cluster import backup_file
from raftline.cluster.backup_file import (
    FORMAT,
    MAGIC,
    BackupHeader,
    BackupWriter,
    Part,
    read_header,
    read_part,
    verify_parts,
)

STATE = bytes(range(256))
PICTURE = b"a picture" * 5


def part(name: str, content: bytes) -> Part:
    return Part(name, len(content), hashlib.sha256(content).hexdigest())


def header_of(*parts: Part) -> BackupHeader:
    return BackupHeader(
        cluster_id="c",
        domain="example.org",
        cluster_epoch=3,
        node_id=2,
        applied_index=70,
        applied_term=4,
        machine_version=3,
        state_hash="ab" * 32,
        entry_chain="cd" * 32,
        made_ms=1_700_000_000_000,
        release="1.0",
        parts=parts,
    )


MEDIA_PART = f"media/{hashlib.sha256(PICTURE).hexdigest()}"
HEADER = header_of(part("state", STATE), part(MEDIA_PART, PICTURE))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A backup of two parts."""
    path = tmp_path / "whole.backup"
    with BackupWriter(path, HEADER) as writer:
        writer.write(STATE[:100])
        writer.write(STATE[100:])
        writer.write(PICTURE)
        writer.finish()
    return path


def is_refused(path: Path) -> bool:
    """Whether reading the whole of a file finds it damaged."""
    try:
        return bool(verify_parts(path))
    except StorageError:
        return True


class TestReading:
    """What was written."""

    def test_header_and_parts_come_back(self, file: Path) -> None:
        """Each part by its name, with its own bytes; whoever reads is told how far that is."""
        told: list[int] = []
        assert read_header(file) == HEADER
        assert b"".join(read_part(file, "state")) == STATE
        assert b"".join(read_part(file, MEDIA_PART)) == PICTURE
        assert verify_parts(file, told.append) == []
        assert sum(told) == len(STATE) + len(PICTURE) == HEADER.content_bytes

    def test_nobody_else_may_read_it(self, file: Path) -> None:
        """It holds credentials and messages."""
        assert file.stat().st_mode & 0o777 == 0o600
        assert [path.name for path in file.parent.iterdir()] == [file.name]

    def test_a_part_that_is_not_there_is_told(self, file: Path) -> None:
        """By its name."""
        with pytest.raises(StorageError, match="no part media/2"):
            list(read_part(file, "media/2"))

    def test_an_empty_part_is_a_part(self, tmp_path: Path) -> None:
        """Nothing has to be written for it."""
        path = tmp_path / "file"
        with BackupWriter(path, header_of(part("state", STATE), part("other", b""))) as writer:
            writer.write(STATE)
            writer.finish()
        assert list(read_part(path, "other")) == []


class TestDamage:
    """Every byte counts."""

    def test_each_flipped_byte_is_found(self, file: Path) -> None:
        """In the frame, the header, its digest, and each part."""
        whole = file.read_bytes()
        missed = []
        for offset in range(len(whole)):
            changed = bytearray(whole)
            changed[offset] ^= 0x20
            file.write_bytes(changed)
            if not is_refused(file):
                missed.append(offset)
        assert missed == []

    def test_each_cut_is_found(self, file: Path) -> None:
        """Wherever it ends, down to nothing."""
        whole = file.read_bytes()
        missed = []
        for size in range(len(whole)):
            file.write_bytes(whole[:size])
            if not is_refused(file):
                missed.append(size)
        assert missed == []

    def test_more_than_there_should_be_is_found(self, file: Path) -> None:
        """One byte is enough."""
        file.write_bytes(file.read_bytes() + b"\0")
        with pytest.raises(StorageCorrupt, match="more than it should"):
            read_header(file)

    def test_a_damaged_part_is_known_at_its_end(self, file: Path) -> None:
        """Whoever reads one part learns of its damage, and of no other's."""
        whole = bytearray(file.read_bytes())
        whole[-1] ^= 1
        file.write_bytes(whole)
        assert b"".join(read_part(file, "state")) == STATE
        with pytest.raises(StorageCorrupt, match=MEDIA_PART):
            list(read_part(file, MEDIA_PART))

    def test_something_else_is_no_backup(self, tmp_path: Path) -> None:
        """Such as a database."""
        path = tmp_path / "state.db"
        path.write_bytes(b"SQLite format 3\0" + bytes(100))
        with pytest.raises(StorageCorrupt, match="is no backup"):
            read_header(path)


class TestLaterFormats:
    """What a later release wrote is refused by its number, and never taken for damage."""

    @staticmethod
    def framed(version: int, payload: bytes) -> bytes:
        head = struct.pack("<8sII", MAGIC, version, len(payload)) + payload
        return head + hashlib.sha256(head).digest()

    def test_a_later_format_is_named(self, tmp_path: Path) -> None:
        """Whatever its header holds."""
        path = tmp_path / "later"
        path.write_bytes(self.framed(FORMAT + 1, b"\x93whatever") + b"parts")
        with pytest.raises(
            StorageError, match=f"format {FORMAT + 1}, this release knows formats up to {FORMAT}"
        ) as told:
            read_header(path)
        assert not isinstance(told.value, StorageCorrupt)

    def test_parts_of_a_later_release_are_passed_over(self, tmp_path: Path) -> None:
        """Fields and parts may be added in the same format."""
        path = tmp_path / "more"
        fields = msgspec.to_builtins(HEADER) | {"colour": "blue"}
        path.write_bytes(self.framed(FORMAT, msgspec.json.encode(fields)) + STATE + PICTURE)
        assert read_header(path) == HEADER
        assert verify_parts(path) == []

    @pytest.mark.parametrize("names", [(), ("media/1",), ("media/1", "state"), ("state", "state")])
    def test_the_state_is_the_first_part(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        """No name stands twice."""
        path = tmp_path / "parts"
        payload = msgspec.json.encode(header_of(*(part(name, b"") for name in names)))
        path.write_bytes(self.framed(FORMAT, payload))
        with pytest.raises(StorageCorrupt, match="parts"):
            read_header(path)

    def test_a_file_is_called_by_its_digest(self, tmp_path: Path) -> None:
        """Else it would be put where nobody looks for it, or in the place of another."""
        path = tmp_path / "parts"
        other = Part(MEDIA_PART, 0, hashlib.sha256(b"").hexdigest())
        path.write_bytes(self.framed(FORMAT, msgspec.json.encode(header_of(part("state", b""), other))))
        with pytest.raises(StorageCorrupt, match="no name of a file"):
            read_header(path)

    def test_a_header_has_a_greatest_size(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """On both sides; no memory is asked for on the word of a damaged number."""
        payload = msgspec.json.encode(HEADER)
        path = tmp_path / "large"
        path.write_bytes(self.framed(FORMAT, payload) + STATE + PICTURE)
        monkeypatch.setattr(backup_file, "HEADER_BYTES_MAX", len(payload))
        assert read_header(path) == HEADER
        monkeypatch.setattr(backup_file, "HEADER_BYTES_MAX", len(payload) - 1)
        with pytest.raises(StorageCorrupt, match="a header of"):
            read_header(path)
        with pytest.raises(StorageError, match="its header is larger"):
            BackupWriter(tmp_path / "out", HEADER)


class TestWriting:
    """There is a whole file under the name, or what was there before."""

    @pytest.mark.parametrize(
        ("blocks", "complaint"),
        [
            ((STATE[:-1],), "1 bytes are missing of the part state"),
            ((STATE,), "missing of the part media/"),
            ((STATE[:-1] + b"?", PICTURE), "the part state of the backup did not arrive"),
            ((STATE + b"?",), "more arrived"),
            ((STATE, PICTURE, b"?"), "more arrived"),
        ],
    )
    def test_other_bytes_than_announced_leave_no_file(
        self, tmp_path: Path, blocks: tuple[bytes, ...], complaint: str
    ) -> None:
        """Too few, too many, others."""
        path = tmp_path / "file"
        path.write_bytes(b"before")

        def write() -> None:
            with BackupWriter(path, HEADER) as writer:
                for block in blocks:
                    writer.write(block)
                writer.finish()

        with pytest.raises(StorageCorrupt, match=complaint):
            write()
        assert path.read_bytes() == b"before"
        assert [other.name for other in tmp_path.iterdir()] == ["file"]

    def test_whoever_gives_up_leaves_no_file(self, tmp_path: Path) -> None:
        """Leaving the block without `finish` is giving up."""
        with BackupWriter(tmp_path / "file", HEADER) as writer:
            writer.write(STATE)
        assert list(tmp_path.iterdir()) == []
