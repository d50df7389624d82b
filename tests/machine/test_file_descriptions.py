"""What is known of the content of stored files: the first description counts, and goes with its file."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from machine.test_uploads import DIGEST, OTHER_DIGEST, SIZE, condition, slot, store, stored
from machine.world import Client, World
from raftline.base.limits import (
    MEDIA_PIXEL_COUNT_MAX,
    THUMBNAIL_BYTES_MAX,
    THUMBNAIL_EDGE_MAX,
    WAVEFORM_SIZE,
)
from raftline.machine.commands import DeleteAccount
from raftline.machine.media.commands import DescribeFile
from raftline.machine.media.descriptions import LACKS
from raftline.machine.media.queries import DescriptionOf, UndescribedFiles
from raftline.machine.media.tables import FileDescription, UndescribedFile
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import Done

THUMBNAIL = hashlib.sha256(b"thumbnail").digest()
WAVEFORM = bytes(range(WAVEFORM_SIZE))


@pytest.fixture
def alice(world: World) -> Client:
    """A client of a cluster that understands uploads."""
    world.do(RaiseVersion(3))
    return world.bind("alice")


def picture(world: World, digest: bytes = DIGEST, **changes: Any) -> DescribeFile:
    fields: dict[str, Any] = {
        "digest": digest,
        "due_ms": world.time_ms + 1,
        "width": 640,
        "height": 480,
        "thumbnail": THUMBNAIL,
        "thumbnail_size": 900,
        "thumbnail_type": "image/jpeg",
        "thumbnail_width": 320,
        "thumbnail_height": 240,
    }
    return DescribeFile(**{**fields, **changes})


def upload(world: World, alice: Client, number: int = 1, digest: bytes = DIGEST) -> None:
    alice.do(slot(number))
    assert world.do(store(number, digest)).outcome == Done()


def waiting(world: World) -> object:
    return world.machine.answer(UndescribedFiles())


class TestDescriptions:
    """DescribeFile."""

    def test_a_file_waits_for_its_description(self, world: World, alice: Client) -> None:
        """From when it is stored until somebody tells what it is like; the thumbnail is a stored file."""
        upload(world, alice)
        assert waiting(world) == [UndescribedFile(DIGEST, SIZE)]
        assert world.machine.answer(DescriptionOf(DIGEST)) is None
        assert world.do(picture(world)).outcome == Done()
        assert waiting(world) == []
        known = FileDescription(DIGEST, 640, 480, 0, b"", THUMBNAIL, 900, "image/jpeg", 320, 240, "")
        assert world.machine.answer(DescriptionOf(DIGEST)) == known
        assert sorted(stored(world)) == sorted([(DIGEST, 1), (THUMBNAIL, 1)])

    def test_the_first_counts(self, world: World, alice: Client) -> None:
        """Another node that found something else changes nothing, and its thumbnail is held by nobody."""
        upload(world, alice)
        world.do(picture(world))
        assert world.do(picture(world, width=1, thumbnail=OTHER_DIGEST)).outcome == Done()
        known = world.machine.answer(DescriptionOf(DIGEST))
        assert isinstance(known, FileDescription)
        assert (known.width, known.thumbnail) == (640, THUMBNAIL)
        assert sorted(stored(world)) == sorted([(DIGEST, 1), (THUMBNAIL, 1)])

    def test_the_same_bytes_again_are_described(self, world: World, alice: Client) -> None:
        """Nobody looks into them a second time."""
        upload(world, alice)
        world.do(picture(world))
        upload(world, alice, 2)
        assert waiting(world) == []

    def test_it_goes_with_the_last_upload(self, world: World, alice: Client) -> None:
        """And so does the thumbnail, which no other description holds."""
        upload(world, alice)
        upload(world, alice, 2, OTHER_DIGEST)
        world.do(picture(world))
        world.do(picture(world, OTHER_DIGEST))
        assert dict(stored(world))[THUMBNAIL] == 2
        world.do(DeleteAccount("alice"))
        for _ in range(3):
            world.apply_empty()
        assert (stored(world), world.count("file_description")) == ([], 0)

    def test_what_is_deleted_before_it_is_described(self, world: World, alice: Client) -> None:
        """It does not wait any more, and a description that comes too late has no effect."""
        upload(world, alice)
        world.do(DeleteAccount("alice"))
        world.apply_empty()
        assert waiting(world) == []
        assert condition(world.do(picture(world)).outcome) == "item-not-found"
        assert stored(world) == []

    def test_too_late_for_the_thumbnail(self, world: World, alice: Client) -> None:
        """At the time that it names a description does not count any more; before, it does."""
        upload(world, alice)
        assert condition(world.do(picture(world, due_ms=world.time_ms)).outcome) == "gone"
        assert world.do(picture(world, due_ms=world.time_ms + 1)).outcome == Done()

    def test_nobody_knows_the_file(self, world: World, alice: Client) -> None:
        """A description of nothing is refused."""
        assert condition(world.do(picture(world)).outcome) == "item-not-found"

    def test_it_needs_machine_version_3(self, world: World) -> None:
        """Before, it is a command that nobody can read."""
        assert condition(world.do(picture(world)).outcome) == "bad-request"

    @pytest.mark.parametrize(
        ("changes", "is_taken"),
        [
            ({"width": MEDIA_PIXEL_COUNT_MAX, "height": 1}, True),
            ({"width": MEDIA_PIXEL_COUNT_MAX + 1, "height": 1}, False),
            ({"thumbnail_size": THUMBNAIL_BYTES_MAX}, True),
            ({"thumbnail_size": THUMBNAIL_BYTES_MAX + 1}, False),
            ({"thumbnail_size": 0}, False),
            ({"thumbnail_width": THUMBNAIL_EDGE_MAX + 1}, False),
            ({"thumbnail_height": 0}, False),
            ({"thumbnail": DIGEST}, False),
            ({"thumbnail": b"short"}, False),
            ({"thumbnail": b""}, False),
            ({"thumbnail_type": "image/svg+xml"}, False),
            ({"waveform": WAVEFORM}, True),
            ({"waveform": WAVEFORM[1:]}, False),
            ({"waveform": bytes([101]) * WAVEFORM_SIZE}, False),
            ({"duration_ms": 1 << 40}, True),
            ({"duration_ms": (1 << 40) + 1}, False),
            ({"lack": "plain"}, False),
        ],
    )
    def test_what_can_be(self, world: World, alice: Client, changes: dict[str, Any], is_taken: bool) -> None:
        """Both sides of each limit; what is refused leaves the file waiting."""
        upload(world, alice)
        outcome = world.do(picture(world, **changes)).outcome
        assert (outcome == Done(), waiting(world) == []) == (is_taken, is_taken)

    @pytest.mark.parametrize("lack", sorted(LACKS))
    def test_nothing_is_known(self, world: World, alice: Client, lack: str) -> None:
        """Why is kept, so that nobody looks again."""
        upload(world, alice)
        assert world.do(DescribeFile(DIGEST, world.time_ms + 1, lack=lack)).outcome == Done()
        assert world.machine.answer(DescriptionOf(DIGEST)) == FileDescription(DIGEST, lack=lack)
        assert waiting(world) == []

    def test_a_reason_that_is_none(self, world: World, alice: Client) -> None:
        """Reasons are a list, on which clients may rely."""
        upload(world, alice)
        assert condition(world.do(DescribeFile(DIGEST, world.time_ms + 1, lack="tired")).outcome) == "bad-request"

    def test_pages(self, world: World, alice: Client) -> None:
        """What waits comes by digest, a page at a time."""
        upload(world, alice)
        upload(world, alice, 2, OTHER_DIGEST)
        first, second = sorted([DIGEST, OTHER_DIGEST])
        assert world.machine.answer(UndescribedFiles(limit=1)) == [UndescribedFile(first, SIZE)]
        assert world.machine.answer(UndescribedFiles(after=first)) == [UndescribedFile(second, SIZE)]
