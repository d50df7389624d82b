"""Invitations to rooms by link: made by who may, used as often as they are good for, by whoever comes first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from machine.rooms import (
    ROOM,
    change_affiliation,
    configure,
    enter,
    leave,
    open_room,
    raise_version,
    refusal,
    seen,
)
from machine.world import Client, World, credential
from raftline.base.limits import (
    ACCOUNT_INVITE_COUNT_MAX,
    INVITE_DIGEST_SIZE,
    INVITE_LIFETIME_MIN_MS,
    ROOM_AFFILIATION_COUNT_MAX,
    ROOM_INVITE_COUNT_MAX,
    ROOM_INVITE_USE_COUNT_MAX,
)
from raftline.machine.commands import DeleteAccount, RegisterByInvite
from raftline.machine.invites import issuing
from raftline.machine.invites.commands import IssueInvite, Purpose, RevokeRoomInvite
from raftline.machine.invites.queries import InviteOf, RoomInvites
from raftline.machine.invites.views import InviteView
from raftline.machine.outcomes import CommandResult, Done, InviteIssued, Outcome, Rejected
from raftline.machine.pruning import ROWS_PER_ENTRY
from raftline.machine.queries import ListAccounts
from raftline.machine.rooms import invitations
from raftline.machine.rooms.commands import DestroyRoom, RegisterInRoom
from raftline.machine.rooms.queries import AffiliatedTo
from raftline.machine.rooms.ranks import Affiliation

DIGEST = b"d" * INVITE_DIGEST_SIZE
OTHER = b"o" * INVITE_DIGEST_SIZE
JOIN = int(Purpose.JOIN)
BOTH = int(Purpose.JOIN | Purpose.REGISTER)
NO_GOOD = "{urn:raftline:rooms:0}invalid-invitation"


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    """A members-only room that alice owns; bob and carol are outside."""
    world = new_world()
    raise_version(world)
    for name in ("alice", "bob", "carol"):
        world.account(name)
    return world


@pytest.fixture
def alice(world: World) -> Client:
    client = world.online("alice")
    open_room(client, "alice", members_only=True, persistent=True)
    return client


def issue(
    world: World,
    inviter: str = "alice",
    *,
    digest: bytes = DIGEST,
    purposes: int = JOIN,
    uses: int = 1,
    lifetime_ms: int = INVITE_LIFETIME_MIN_MS,
    room: str = ROOM,
) -> Outcome:
    return world.do(IssueInvite(digest, inviter, "", purposes, lifetime_ms, room, uses)).outcome


def condition(outcome: Outcome) -> str:
    return outcome.condition if isinstance(outcome, Rejected) else type(outcome).__name__


def members(world: World) -> list[str]:
    found = world.machine.answer(AffiliatedTo(ROOM, int(Affiliation.MEMBER)))
    assert isinstance(found, list)
    return [entry.jid.partition("@")[0] for entry in found]


def uses_left(world: World, digest: bytes = DIGEST) -> int:
    found = world.machine.answer(InviteOf(digest))
    return found.uses if isinstance(found, InviteView) else 0


def listed(world: World, inviter: str | None = None) -> list[bytes]:
    found = world.machine.answer(RoomInvites(ROOM, inviter))
    assert isinstance(found, list)
    return [view.digest for view in found]


def detail(result: CommandResult) -> str:
    assert isinstance(result.outcome, Rejected)
    return result.outcome.detail


class TestIssuing:
    """Who may make a link, and how many."""

    def test_who_may(self, world: World, alice: Client):
        """Owners and admins; members where the room allows it; nobody else, and none into a room that is not there."""
        assert issue(world) == Done(InviteIssued(world.time_ms + INVITE_LIFETIME_MIN_MS))
        assert condition(issue(world, "bob", digest=OTHER)) == "forbidden"
        change_affiliation(alice, "bob", Affiliation.MEMBER)
        assert condition(issue(world, "bob", digest=OTHER)) == "Done"
        configure(alice, members_only=True, persistent=True, invites_open=False)
        assert condition(issue(world, "bob", digest=b"2" * 32)) == "forbidden"
        change_affiliation(alice, "bob", Affiliation.ADMIN)
        assert condition(issue(world, "bob", digest=b"2" * 32)) == "Done"
        assert condition(issue(world, digest=b"3" * 32, room="nowhere")) == "item-not-found"

    def test_a_room_that_is_locked(self, world: World):
        """Nobody is invited before the room is open."""
        enter(world.online("alice"), "alice")
        assert condition(issue(world)) == "item-not-found"

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"uses": 0}, "not-acceptable"),
            ({"uses": ROOM_INVITE_USE_COUNT_MAX}, "Done"),
            ({"uses": ROOM_INVITE_USE_COUNT_MAX + 1}, "not-acceptable"),
            ({"purposes": int(Purpose.SUBSCRIBE)}, "bad-request"),
            ({"purposes": int(Purpose.JOIN | Purpose.SUBSCRIBE)}, "bad-request"),
            ({"purposes": int(Purpose.REGISTER)}, "bad-request"),
            ({"purposes": BOTH}, "Done"),
            ({"room": "", "purposes": JOIN}, "bad-request"),
            ({"room": "", "purposes": int(Purpose.REGISTER), "uses": 2}, "not-acceptable"),
            ({"inviter": ""}, "bad-request"),
        ],
    )
    def test_bounds(self, world: World, alice: Client, changes: dict[str, object], expected: str):
        """A link to a room is good for members, and once to a thousand times; any other once."""
        assert condition(issue(world, **changes)) == expected  # type: ignore[arg-type]  # of its parameters

    def test_so_many_of_an_account(self, world: World, alice: Client):
        """They count among the invitations of their inviter."""
        for number in range(ACCOUNT_INVITE_COUNT_MAX):
            assert condition(issue(world, digest=bytes([number]) * 32)) == "Done"
        assert condition(issue(world, digest=OTHER)) == "resource-constraint"

    def test_so_many_of_a_room(self, world: World, alice: Client, monkeypatch: pytest.MonkeyPatch):
        """A room has so many links open, whoever made them; one that is taken back makes place."""
        assert ROOM_INVITE_COUNT_MAX > ACCOUNT_INVITE_COUNT_MAX
        monkeypatch.setattr(issuing, "ROOM_INVITE_COUNT_MAX", 2)
        change_affiliation(alice, "bob", Affiliation.ADMIN)
        assert condition(issue(world)) == condition(issue(world, "bob", digest=OTHER)) == "Done"
        assert condition(issue(world, digest=b"3" * 32)) == "resource-constraint"
        assert alice.do(RevokeRoomInvite(ROOM, OTHER)).outcome == Done()
        assert condition(issue(world, digest=b"3" * 32)) == "Done"


class TestEntering:
    """Presence with a token."""

    def test_once(self, world: World, alice: Client):
        """Who comes first is a member and inside; the second is told why not; a member needs no token again."""
        issue(world)
        bob, carol = world.online("bob"), world.online("carol", node_id=2)
        assert enter(bob, "bob", invite=DIGEST).outcome == Done()
        assert seen(bob).affiliation == Affiliation.MEMBER
        late = enter(carol, "carol", invite=DIGEST)
        assert refusal(late) == ("registration-required", "auth")
        assert detail(late) == NO_GOOD
        leave(bob)
        assert enter(bob, "bob").outcome == Done()
        assert members(world) == ["bob"]

    def test_in_the_order_of_the_log(self, world: World, alice: Client):
        """Two commands of one entry, from two nodes: the first one takes the use."""
        issue(world)
        bob, carol = world.online("bob"), world.online("carol", node_id=2)
        commands = [
            world.command(RegisterInRoom(ROOM, name, DIGEST), client.origin(), node_id=client.node_id)
            for name, client in (("carol", carol), ("bob", bob))
        ]
        results = world.apply(*commands)
        assert [condition(result.outcome) for result in results] == ["Done", "not-allowed"]
        assert members(world) == ["carol"]

    def test_as_often_as_it_is_good_for(self, world: World, alice: Client):
        """Each new member takes one use; one who is a member already takes none."""
        issue(world, uses=2)
        bob, carol = world.online("bob"), world.online("carol")
        enter(bob, "bob", invite=DIGEST)
        leave(bob)
        enter(bob, "bob", invite=DIGEST)
        assert uses_left(world) == 1
        assert enter(carol, "carol", invite=DIGEST).outcome == Done()
        assert uses_left(world) == 0
        assert members(world) == ["bob", "carol"]

    def test_what_is_refused_uses_nothing(self, world: World, alice: Client):
        """Where something else keeps one out, neither use nor membership is gone or there."""
        issue(world)
        bob = world.online("bob")
        assert refusal(enter(bob, "alice", invite=DIGEST)) == ("conflict", "cancel")
        configure(alice, members_only=True, persistent=True, password="sesame")
        assert refusal(enter(bob, "bob", invite=DIGEST)) == ("not-authorized", "auth")
        assert members(world) == []
        assert uses_left(world) == 1
        assert enter(bob, "bob", invite=DIGEST, password="sesame").outcome == Done()

    def test_the_list_is_full(self, world: World, alice: Client, monkeypatch: pytest.MonkeyPatch):
        """Without a place for a member it waits."""
        assert ROOM_AFFILIATION_COUNT_MAX > 1
        issue(world)
        monkeypatch.setattr(invitations, "ROOM_AFFILIATION_COUNT_MAX", 1)
        assert refusal(enter(world.online("bob"), "bob", invite=DIGEST)) == ("resource-constraint", "wait")
        assert uses_left(world) == 1

    def test_whoever_is_banned(self, world: World, alice: Client):
        """A link does not lift a ban."""
        issue(world)
        change_affiliation(alice, "bob", Affiliation.OUTCAST)
        assert refusal(enter(world.online("bob"), "bob", invite=DIGEST)) == ("forbidden", "auth")
        assert uses_left(world) == 1

    def test_too_late(self, world: World, alice: Client):
        """It is good until its time in the log, and not a millisecond longer."""
        issue(world, uses=2)
        bob, carol = world.online("bob"), world.online("carol")
        world.time_ms += INVITE_LIFETIME_MIN_MS
        assert enter(bob, "bob", invite=DIGEST).outcome == Done()
        world.time_ms += 1
        assert detail(enter(carol, "carol", invite=DIGEST)) == NO_GOOD
        assert listed(world) == []

    def test_an_open_room(self, world: World, alice: Client):
        """There a good token makes a member, and a bad one keeps nobody out."""
        configure(alice, persistent=True)
        issue(world)
        bob, carol = world.online("bob"), world.online("carol")
        enter(bob, "bob")
        assert enter(bob, "bob", invite=DIGEST).outcome == Done()
        assert seen(bob).affiliation == Affiliation.MEMBER
        assert enter(carol, "carol", invite=DIGEST).outcome == Done()
        assert seen(carol).affiliation == Affiliation.NONE

    def test_of_another_room(self, world: World, alice: Client):
        """A link leads into one room, and not into a later one of its name."""
        issue(world)
        alice.do(DestroyRoom(ROOM))
        open_room(alice, "alice", members_only=True)
        assert detail(enter(world.online("bob"), "bob", invite=DIGEST)) == NO_GOOD

    def test_who_made_it_may_invite_no_more(self, world: World, alice: Client):
        """What a banned member has given away opens nothing, neither the room nor an account."""
        change_affiliation(alice, "bob", Affiliation.MEMBER)
        issue(world, "bob", purposes=BOTH)
        change_affiliation(alice, "bob", Affiliation.OUTCAST)
        assert detail(enter(world.online("carol"), "carol", invite=DIGEST)) == NO_GOOD
        assert condition(world.do(RegisterByInvite("dora", (), DIGEST)).outcome) == "item-not-found"

    def test_registration(self, world: World, alice: Client):
        """Section 7.10 of XEP-0045 with a token: a member under a nickname that is kept."""
        issue(world)
        bob = world.online("bob")
        assert refusal(bob.do(RegisterInRoom(ROOM, "bob"))) == ("not-allowed", "cancel")
        bad = bob.do(RegisterInRoom(ROOM, "bob", OTHER))
        assert (refusal(bad), detail(bad)) == (("not-allowed", "cancel"), NO_GOOD)
        assert bob.do(RegisterInRoom(ROOM, "bob", DIGEST)).outcome == Done()
        assert seen(bob).kept_nick == "bob"


class TestNewcomers:
    """An account that is opened by a link of a room."""

    def test_is_a_member(self, world: World, alice: Client):
        """Each takes one use, is a member at once, and was invited by who made the link."""
        issue(world, purposes=BOTH, uses=2)
        for name in ("dora", "emil"):
            assert world.do(RegisterByInvite(name, (credential(name),), DIGEST)).outcome == Done()
        assert condition(world.do(RegisterByInvite("fritz", (), DIGEST)).outcome) == "item-not-found"
        assert members(world) == ["dora", "emil"]
        rows = world.machine.answer(ListAccounts())
        assert isinstance(rows, list)
        assert {row.localpart: row.inviter for row in rows}["dora"] == "alice"
        assert {row.localpart: row.inviter for row in rows}["emil"] == "alice"
        world.do(DeleteAccount("dora"))
        assert world.count("invite") == 1

    def test_not_by_every_link(self, world: World, alice: Client):
        """A link that is for members alone opens no account."""
        issue(world)
        assert condition(world.do(RegisterByInvite("dora", (), DIGEST)).outcome) == "item-not-found"
        assert uses_left(world) == 1

    def test_a_ban_that_was_there_before(self, world: World, alice: Client):
        """Whom the room has banned by name is no member."""
        change_affiliation(alice, "dora", Affiliation.OUTCAST)
        issue(world, purposes=BOTH)
        assert world.do(RegisterByInvite("dora", (), DIGEST)).outcome == Done()
        assert members(world) == []


class TestTakingBack:
    """Open links are listed, revoked, and gone with who or what they belong to."""

    def test_by_whom(self, world: World, alice: Client):
        """Members take back their own, admins all; each sees as much."""
        change_affiliation(alice, "bob", Affiliation.MEMBER)
        bob = world.online("bob")
        issue(world)
        issue(world, "bob", digest=OTHER, lifetime_ms=2 * INVITE_LIFETIME_MIN_MS)
        assert listed(world) == [DIGEST, OTHER]
        assert listed(world, "bob") == [OTHER]
        assert refusal(bob.do(RevokeRoomInvite(ROOM, DIGEST))) == ("item-not-found", "cancel")
        assert bob.do(RevokeRoomInvite(ROOM, OTHER)).outcome == Done()
        assert refusal(bob.do(RevokeRoomInvite(ROOM, OTHER))) == ("item-not-found", "cancel")
        assert refusal(bob.do(RevokeRoomInvite("nowhere", OTHER))) == ("item-not-found", "cancel")
        assert alice.do(RevokeRoomInvite(ROOM, DIGEST)).outcome == Done()
        assert listed(world) == []

    def test_with_the_inviter(self, world: World, alice: Client):
        """A deleted account has invited nobody."""
        change_affiliation(alice, "bob", Affiliation.MEMBER)
        issue(world, "bob")
        world.do(DeleteAccount("bob"))
        assert listed(world) == []

    def test_with_the_room(self, world: World, alice: Client):
        """What a destroyed room leaves is deleted in steps."""
        assert ROWS_PER_ENTRY > 1
        issue(world, lifetime_ms=10 * INVITE_LIFETIME_MIN_MS)
        alice.do(DestroyRoom(ROOM))
        alice.end()
        for _ in range(3):
            world.apply_empty()
            world.do(DeleteAccount("nobody"))
        assert world.count("invite") == 0
