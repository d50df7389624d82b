"""Slots and files of accounts (XEP-0363): quotas, time, references, deletion."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from machine.world import START_MS, Client, World
from raftline.base.ids import AccountId
from raftline.base.limits import (
    STORED_FILE_GRACE_MS,
    UPLOAD_CONTENT_TYPE_SIZE_MAX,
    UPLOAD_NAME_SIZE_MAX,
    UPLOAD_RATE_MIN,
    UPLOAD_SIZE_MAX,
    UPLOAD_SLOT_COUNT_MAX,
    UPLOAD_SLOT_LIFETIME_MS,
)
from raftline.base.timestamps import format_timestamp
from raftline.machine.commands import CarryOutDue, DeleteAccount
from raftline.machine.media.commands import RequestUploadSlot, StoreUpload
from raftline.machine.media.queries import StoredAmong, StoredFiles, UploadOf, UploadUseOf
from raftline.machine.media.tables import StoredFile, UploadUse
from raftline.machine.media.values import UploadView
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.queries import NextExpiry

DIGEST = hashlib.sha256(b"content").digest()
OTHER_DIGEST = hashlib.sha256(b"other content").digest()
SIZE = 1_000


def token(number: int) -> bytes:
    return number.to_bytes(16, "big")


def slot(number: int = 1, **changes: Any) -> RequestUploadSlot:
    fields: dict[str, Any] = {
        "token": token(number),
        "name": "cat.jpg",
        "size": SIZE,
        "content_type": "image/jpeg",
        "expire_before_ms": 0,
        "keep_ms": 0,
        "bytes_max": 1 << 40,
        "file_count_max": 1_000,
    }
    return RequestUploadSlot(**{**fields, **changes})


def store(number: int = 1, digest: bytes = DIGEST, size: int = SIZE, content_type: str = "") -> StoreUpload:
    return StoreUpload(token(number), digest, size, content_type)


def condition(outcome: Outcome) -> str:
    assert isinstance(outcome, Rejected), outcome
    return outcome.condition


@pytest.fixture
def alice(world: World) -> Client:
    """A client of a cluster that understands uploads."""
    world.do(RaiseVersion(3))
    return world.bind("alice")


def use_of(world: World, localpart: str = "alice") -> UploadUse | None:
    use = world.machine.answer(UploadUseOf(localpart))
    assert use is None or isinstance(use, UploadUse)
    return use


def view_of(world: World, number: int = 1) -> UploadView | None:
    view = world.machine.answer(UploadOf(token(number)))
    assert view is None or isinstance(view, UploadView)
    return view


def stored(world: World) -> list[tuple[bytes, int]]:
    """Which files the cluster keeps, and how many uploads refer to each."""
    return [(row.digest, row.holders) for row in world.machine.answer(StoredFiles())]  # type: ignore[union-attr]


def pass_time(world: World, time_ms: int) -> None:
    """Let an entry be applied at this time."""
    world.time_ms = time_ms
    world.do(CarryOutDue())


class TestSlots:
    """RequestUploadSlot."""

    def test_a_slot_is_open_until_it_has_a_file(self, world: World, alice: Client) -> None:
        """It is known under its token, and counts towards the quotas with its size."""
        assert view_of(world) is None
        assert alice.do(slot()).outcome == Done()
        assert view_of(world) == UploadView(
            "cat.jpg", SIZE, "image/jpeg", 0, b"", is_over=False, account_id=AccountId(1)
        )
        use = use_of(world)
        assert use is not None
        assert use[1:] == (1, 0, SIZE)
        assert use_of(world, "bob") is None

    def test_it_needs_machine_version_3(self, world: World) -> None:
        """Before all members understand it, it is a command that nobody can read."""
        alice = world.bind("alice")
        assert condition(alice.do(slot()).outcome) == "bad-request"
        assert condition(world.do(store()).outcome) == "bad-request"
        assert world.count("upload") == 0

    def test_it_needs_a_session(self, world: World, alice: Client) -> None:
        """Nobody opens a slot for an account from elsewhere."""
        assert condition(world.do(slot()).outcome) == "bad-request"

    @pytest.mark.parametrize(
        ("changes", "is_taken"),
        [
            ({"name": "x" * UPLOAD_NAME_SIZE_MAX}, True),
            ({"name": "x" * (UPLOAD_NAME_SIZE_MAX + 1)}, False),
            ({"name": ""}, False),
            ({"size": 1}, True),
            ({"size": 0}, False),
            ({"size": UPLOAD_SIZE_MAX}, True),
            ({"size": UPLOAD_SIZE_MAX + 1}, False),
            ({"content_type": "x" * UPLOAD_CONTENT_TYPE_SIZE_MAX}, True),
            ({"content_type": "x" * (UPLOAD_CONTENT_TYPE_SIZE_MAX + 1)}, False),
            ({"token": b"x" * 15}, False),
            ({"token": b"x" * 17}, False),
        ],
    )
    def test_what_cannot_be(self, alice: Client, changes: dict[str, Any], *, is_taken: bool) -> None:
        """Both sides of each limit."""
        outcome = alice.do(slot(**changes)).outcome
        assert outcome == Done() if is_taken else condition(outcome) == "bad-request"

    def test_a_token_is_used_once(self, world: World, alice: Client) -> None:
        """Two slots never share an address."""
        alice.do(slot())
        assert condition(world.bind("bob").do(slot()).outcome) == "bad-request"

    def test_bytes_quota(self, world: World, alice: Client) -> None:
        """Open slots and files together fill it, to the last byte; then it is told when the next slot ends."""
        assert alice.do(slot(1, bytes_max=2 * SIZE)).outcome == Done()
        world.do(store(1))
        assert alice.do(slot(2, bytes_max=2 * SIZE)).outcome == Done()
        outcome = alice.do(slot(3, size=1, bytes_max=2 * SIZE)).outcome
        due = format_timestamp(START_MS + UPLOAD_SLOT_LIFETIME_MS + SIZE * 1000 // UPLOAD_RATE_MIN)
        assert isinstance(outcome, Rejected)
        assert outcome[:2] == ("resource-constraint", "wait")
        assert outcome.detail == f"{{urn:xmpp:http:upload:0}}retry stamp={due}"
        assert world.bind("bob").do(slot(3, bytes_max=2 * SIZE)).outcome == Done()

    def test_nothing_ends_by_itself(self, world: World, alice: Client) -> None:
        """Over a quota of files that stay for ever there is no time to come back: the error is for good."""
        alice.do(slot(1, bytes_max=SIZE))
        world.do(store(1))
        outcome = alice.do(slot(2, bytes_max=SIZE)).outcome
        assert isinstance(outcome, Rejected)
        assert (outcome.condition, outcome.kind, outcome.detail) == ("resource-constraint", "cancel", "")

    def test_file_quota(self, world: World, alice: Client) -> None:
        """So many files and open slots, and no more."""
        for number in (1, 2):
            assert alice.do(slot(number, file_count_max=2)).outcome == Done()
        world.do(store(1))
        assert condition(alice.do(slot(3, file_count_max=2)).outcome) == "resource-constraint"
        assert alice.do(slot(3, file_count_max=3)).outcome == Done()

    def test_open_slots(self, world: World, alice: Client) -> None:
        """So many wait for their file; one that got it makes room."""
        for number in range(UPLOAD_SLOT_COUNT_MAX):
            assert alice.do(slot(number)).outcome == Done()
        assert condition(alice.do(slot(99)).outcome) == "resource-constraint"
        world.do(store(0))
        assert alice.do(slot(99)).outcome == Done()

    def test_a_file_that_would_be_gone(self, world: World, alice: Client) -> None:
        """Just now is too late, a millisecond later is not."""
        assert condition(alice.do(slot(expire_before_ms=world.time_ms)).outcome) == "not-acceptable"
        assert alice.do(slot(expire_before_ms=world.time_ms + 1)).outcome == Done()


class TestFiles:
    """StoreUpload."""

    def test_a_file_is_put(self, world: World, alice: Client) -> None:
        """It is known by its hash; the slot is not open any more."""
        alice.do(slot())
        assert world.do(store()).outcome == Done()
        assert view_of(world) == UploadView(
            "cat.jpg", SIZE, "image/jpeg", 0, DIGEST, is_over=False, account_id=AccountId(1)
        )
        use = use_of(world)
        assert use is not None
        assert use[1:] == (0, 1, SIZE)
        assert world.machine.answer(StoredFiles()) == [StoredFile(DIGEST, SIZE, 1)]

    def test_the_same_again_and_another(self, world: World, alice: Client) -> None:
        """A repeat has no second effect; other bytes are refused and change nothing."""
        alice.do(slot())
        world.do(store())
        assert world.do(store()).outcome == Done()
        assert condition(world.do(store(digest=OTHER_DIGEST)).outcome) == "conflict"
        assert stored(world) == [(DIGEST, 1)]

    def test_an_unknown_slot(self, world: World, alice: Client) -> None:
        """There is nothing to put it into."""
        assert condition(world.do(store(7)).outcome) == "item-not-found"

    @pytest.mark.parametrize("changes", [{"size": SIZE - 1}, {"size": SIZE + 1}, {"digest": b"short"}])
    def test_other_than_announced(self, world: World, alice: Client, changes: dict[str, Any]) -> None:
        """Another size is not what the quota was asked for."""
        alice.do(slot())
        assert condition(world.do(store(**changes)).outcome) == "not-acceptable"

    def test_the_same_bytes_are_kept_once(self, world: World, alice: Client) -> None:
        """Whoever uploads them, in whatever slot; each counts for its account."""
        bob = world.bind("bob")
        alice.do(slot(1))
        alice.do(slot(2))
        bob.do(slot(3))
        for number in (1, 2, 3):
            assert world.do(store(number)).outcome == Done()
        assert stored(world) == [(DIGEST, 3)]
        assert [use and use.size for use in (use_of(world), use_of(world, "bob"))] == [2 * SIZE, SIZE]

    @pytest.mark.parametrize(
        ("announced", "put", "kept"),
        [
            ("image/png", "image/jpeg", "image/png"),
            ("", "image/jpeg", "image/jpeg"),
            ("", "", "application/octet-stream"),
        ],
    )
    def test_type(self, world: World, alice: Client, announced: str, put: str, kept: str) -> None:
        """That of the slot; else that of the file; else just bytes."""
        alice.do(slot(content_type=announced))
        world.do(store(content_type=put))
        view = view_of(world)
        assert view is not None
        assert view.content_type == kept

    def test_questions_about_files(self, world: World, alice: Client) -> None:
        """Page by page, and by name."""
        digests = sorted(hashlib.sha256(b"%d" % number).digest() for number in range(5))
        for number, digest in enumerate(digests):
            alice.do(slot(number))
            world.do(store(number, digest))
        pages = [
            [row.digest for row in world.machine.answer(StoredFiles(after, 2))]  # type: ignore[union-attr]
            for after in (b"", digests[1], digests[3], digests[4])
        ]
        assert pages == [digests[:2], digests[2:4], digests[4:], []]
        assert world.machine.answer(StoredAmong((digests[3], DIGEST))) == [StoredFile(digests[3], SIZE, 1)]


class TestTime:
    """What is over by cluster time."""

    DUE_MS = START_MS + UPLOAD_SLOT_LIFETIME_MS + SIZE * 1000 // UPLOAD_RATE_MIN

    def test_a_slot_ends(self, world: World, alice: Client) -> None:
        """A millisecond before its time it takes a file, then it does not, and gives its quota back."""
        alice.do(slot(1))
        alice.do(slot(2))
        world.time_ms = self.DUE_MS - 1
        assert world.do(store(1)).outcome == Done()
        world.time_ms = self.DUE_MS
        assert condition(world.do(store(2)).outcome) == "gone"
        pass_time(world, self.DUE_MS)
        assert (view_of(world, 2), world.count("upload")) == (None, 1)
        use = use_of(world)
        assert use is not None
        assert use[1:] == (0, 1, SIZE)

    def test_large_files_have_more_time(self, world: World, alice: Client) -> None:
        """As much as a slow client needs for them."""
        size = 10 * 60 * UPLOAD_RATE_MIN
        alice.do(slot(size=size))
        world.time_ms = START_MS + UPLOAD_SLOT_LIFETIME_MS + 600_000 - 1
        assert world.do(store(size=size)).outcome == Done()

    def test_no_slot_outlives_the_grace_time(self) -> None:
        """Else bytes that a node said it has might be deleted before they are referred to."""
        assert UPLOAD_SLOT_LIFETIME_MS + UPLOAD_SIZE_MAX * 1000 // UPLOAD_RATE_MIN < STORED_FILE_GRACE_MS

    @pytest.mark.parametrize(
        ("changes", "until_ms"),
        [
            ({"keep_ms": 5_000_000}, START_MS + 5_000_000),
            ({"expire_before_ms": START_MS + 3_000_000}, START_MS + 3_000_000),
            ({"keep_ms": 5_000_000, "expire_before_ms": START_MS + 3_000_000}, START_MS + 3_000_000),
            ({"keep_ms": 5_000_000, "expire_before_ms": START_MS + 7_000_000}, START_MS + 5_000_000),
        ],
    )
    def test_a_file_ends(self, world: World, alice: Client, changes: dict[str, Any], until_ms: int) -> None:
        """At the earlier of what the installation and what the client say; its bytes are referred to no more."""
        alice.do(slot(**changes))
        world.do(store())
        pass_time(world, until_ms - 1)
        view = view_of(world)
        assert view is not None
        assert (view.until_ms, view.is_over) == (until_ms, False)
        pass_time(world, until_ms)
        assert (view_of(world), stored(world), use_of(world)) == (None, [], None)

    def test_a_slot_of_a_file_that_ends_soon(self, world: World, alice: Client) -> None:
        """The file's end is the slot's, too."""
        alice.do(slot(expire_before_ms=START_MS + 10))
        world.time_ms += 10
        assert condition(world.do(store()).outcome) == "gone"

    def test_the_leader_knows_when_to_look(self, world: World, alice: Client) -> None:
        """Without commands of clients cluster time stands still: the next end is told to whoever moves it."""
        assert world.machine.answer(NextExpiry()) is None
        alice.do(slot(1))
        alice.do(slot(2, expire_before_ms=START_MS + 7_000))
        assert world.machine.answer(NextExpiry()) == START_MS + 7_000
        world.time_ms = START_MS + 7_000
        world.do(CarryOutDue())
        assert (view_of(world, 2), world.machine.answer(NextExpiry())) == (None, self.DUE_MS)

    def test_many_end_in_steps(self, world: World, alice: Client) -> None:
        """Some with each command, and a shared file only with its last holder."""
        count = 150
        for number in range(count):
            alice.do(slot(number, keep_ms=1_000_000))
            world.do(store(number))
        pass_time(world, START_MS + 1_000_000)
        left = world.count("upload")
        assert 0 < left < count
        assert stored(world) == [(DIGEST, left)]
        for _ in range(3):
            world.do(CarryOutDue())
        assert (world.count("upload"), world.count("upload_use"), stored(world)) == (0, 0, [])


class TestDeletedAccounts:
    """What an account leaves."""

    def test_its_uploads_go(self, world: World, alice: Client) -> None:
        """In steps, and only its own: a file that another account has, too, stays."""
        bob = world.bind("bob")
        for number in range(100):
            alice.do(slot(number))
            world.do(store(number, hashlib.sha256(b"%d" % (number // 2)).digest()))
        alice.do(slot(100))
        bob.do(slot(101))
        world.do(store(101, hashlib.sha256(b"0").digest()))
        world.do(DeleteAccount("alice"))
        assert world.count("upload") > 1
        assert {view_of(world, number) for number in range(101)} == {None}  # though most rows are there yet
        assert condition(world.do(store(100)).outcome) == "item-not-found"
        for _ in range(5):
            world.do(RaiseVersion(1))
        assert (world.count("upload"), world.count("upload_use"), world.count("doomed")) == (1, 1, 0)
        assert stored(world) == [(hashlib.sha256(b"0").digest(), 1)]

    def test_replicas_are_equal(self, world: World, alice: Client, new_world: Any) -> None:
        """The same log gives the same rows, hash and all, where it is applied in one go."""
        for number in range(10):
            alice.do(slot(number, keep_ms=1_000_000 if number % 2 else 0))
            world.do(store(number))
        pass_time(world, START_MS + 2_000_000)
        other = new_world()
        for index, payload in enumerate(world.log, 1):
            assert payload is not None
            other.machine.apply(index, 1, payload)
        assert other.machine.state_hash == world.machine.state_hash
        assert other.scrub() == world.scrub()
