"""Members of groups who are away are told of what is said (machine/rooms/alerting.py)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from machine.groups import (
    ADDRESS,
    add_members,
    conversation,
    leave_phone,
    open_group,
    take_steps,
    told,
    want,
    who_is_told,
)
from machine.pushing import detach, disable, enable, phone, resume
from machine.rooms import change_affiliation, configure, enter, leave, manage, refusal, say
from machine.world import DOMAIN, Client, World
from raftline.base.limits import (
    ROOM_ALERT_INTERVAL_MS,
    ROOM_ALERT_STEP_COUNT_MAX,
    ROOM_MENTION_ALERT_COUNT_MAX,
    ROOM_OWED_ALERT_REACH_MAX,
)
from raftline.machine.commands import CarryOutDue, ChangeBlocklist, DeleteAccount
from raftline.machine.outcomes import Done
from raftline.machine.rooms.commands import DestroyRoom, InviteToRoom, ModerateMessage, RegisterInRoom
from raftline.machine.rooms.ranks import Affiliation

REFERENCE = "<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:{}'/>"
INTERVAL_S = ROOM_ALERT_INTERVAL_MS / 1000


@pytest.fixture
def alice(world: World) -> Client:
    """In a private group, whose members Bob and Carol are away."""
    alice = open_group(world)
    add_members(alice, ("bob", "carol"))
    for name in ("bob", "carol"):
        leave_phone(world, name)
    return alice


def crowd(world: World, alice: Client, count: int) -> list[str]:
    """Make so many members who are away; return their names, sorted."""
    names = [f"m{number:04}" for number in range(count)]
    for name in names:
        world.account(name)
    add_members(alice, names)
    for name in names:
        leave_phone(world, name)
    return names


def say_to(client: Client, address: str, body: str = "look") -> int:
    """Say something with a reference to somebody; return its position."""
    stanza = f"<message type='groupchat'><body>{body}</body>{REFERENCE.format(address)}</message>"
    return say(client, body, stanza=stanza.encode()).position


class TestWho:
    """Members, admins and owners with a device that is not given the message."""

    def test_members_who_have_never_been_there(self, world: World, alice: Client) -> None:
        """Each device once, with the room's address and the nickname; the message is stored once."""
        before = world.count("archive")
        position = say(alice, "hello").position
        assert told(world) == [
            ("bob", position, 1, f"{ADDRESS}/alice"),
            ("carol", position, 1, f"{ADDRESS}/alice"),
        ]
        assert world.count("archive") == before + 1

    def test_every_message_counts(self, world: World, alice: Client) -> None:
        """The count grows until the device is there again."""
        say(alice, "one")
        told(world)
        say(alice, "two")
        assert [count for *_, count, _ in told(world)] == [2, 2]
        world.bind("bob", "phone").end()
        say(alice, "three")
        assert [(node, count) for node, _, count, _ in told(world)] == [("bob", 1), ("carol", 3)]

    def test_a_device_in_the_room(self, world: World, alice: Client) -> None:
        """It is given the message; when it leaves it is away, connected or not."""
        bob = phone(world, node="bob")
        enter(bob, "bob")
        say(alice, "one")
        assert who_is_told(world) == ["carol"]
        leave(bob)
        say(alice, "two")
        assert who_is_told(world) == ["bob", "carol"]

    def test_another_device_in_the_room(self, world: World, alice: Client) -> None:
        """That the desk is there says nothing of the phone in a pocket."""
        enter(world.online("bob", "desk"), "bob")
        say(alice, "one")
        assert who_is_told(world) == ["bob", "carol"]

    def test_the_author(self, world: World, alice: Client) -> None:
        """Is told nothing of what they said."""
        enabled = world.bind("alice", "phone")
        enable(enabled, "alice")
        enabled.end()
        say(alice, "one")
        assert who_is_told(world) == ["bob", "carol"]

    def test_who_has_no_affiliation(self, world: World) -> None:
        """Visitors of an open room are not told when they have left."""
        alice = open_group(world, members_only=False)
        bob = phone(world, node="bob")
        want(bob, "always")
        enter(bob, "bob")
        leave(bob)
        bob.end()
        say(alice, "one")
        assert told(world) == []

    def test_who_registered(self, world: World) -> None:
        """XEP-0045, 7.10: it makes a member."""
        alice = open_group(world, members_only=False)
        bob = phone(world, node="bob")
        want(bob, "always")
        bob.do(RegisterInRoom("den", "bobby"))
        bob.end()
        say(alice, "one")
        assert who_is_told(world) == ["bob"]

    def test_who_is_removed_or_banned(self, world: World, alice: Client) -> None:
        """Is told nothing any more, and does not see the group."""
        assert conversation(world, "bob") is not None
        change_affiliation(alice, "bob", Affiliation.NONE)
        change_affiliation(alice, "carol", Affiliation.OUTCAST)
        say(alice, "one")
        assert told(world) == []
        assert conversation(world, "bob") is conversation(world, "carol") is None

    def test_who_enables_later(self, world: World, alice: Client) -> None:
        """And who disables: the room learns of it."""
        say(alice, "one")
        told(world)
        bob = world.bind("bob", "phone")
        disable(bob)
        say(alice, "two")
        assert who_is_told(world) == ["carol"]
        enable(bob, "bob")
        say(alice, "three")
        assert who_is_told(world) == ["bob", "carol"]

    def test_another_device_takes_over_what_one_enabled(self, world: World, alice: Client) -> None:
        """The one that enabled it last is the one to be told."""
        bob = phone(world, node="bob")
        enter(bob, "bob")
        say(alice, "one")
        assert who_is_told(world) == ["carol"]
        enable(world.bind("bob", "tablet"), "bob")
        say(alice, "two")
        assert who_is_told(world) == ["bob", "carol"]

    def test_an_account_that_is_deleted(self, world: World, alice: Client) -> None:
        """Its successor of the same name is nobody's member."""
        say(alice, "one")
        told(world)
        world.do(DeleteAccount("bob"))
        world.account("bob")
        leave_phone(world, "bob")
        say(alice, "two")
        assert who_is_told(world) == ["carol"]

    def test_a_room_that_is_destroyed(self, world: World, alice: Client) -> None:
        """Its successor of the same name has no members but its owner."""
        say(alice, "one")
        told(world)
        alice.do(DestroyRoom("den"))
        assert world.machine._context.watchers._rooms == {}
        enter(alice, "alice")
        configure(alice)
        say(alice, "two")
        assert told(world) == []


class TestWhat:
    """Instant messages that the room's archive keeps."""

    @pytest.mark.parametrize(
        "inner",
        [
            "<body>x</body><replace xmlns='urn:xmpp:message-correct:0' id='m'/>",
            "<reactions xmlns='urn:xmpp:reactions:0' id='m'><reaction>x</reaction></reactions>",
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>",
        ],
    )
    def test_what_refers_to_others(self, world: World, alice: Client, inner: str) -> None:
        """Corrections, reactions and markers wake nobody."""
        say(alice, "", stanza=f"<message type='groupchat'>{inner}</message>".encode())
        assert told(world) == []

    def test_a_subject(self, world: World, alice: Client) -> None:
        """Nor does a subject."""
        say(alice, "x", is_subject=True)
        assert told(world) == []

    def test_what_is_not_kept(self, world: World, alice: Client) -> None:
        """There would be nothing to find."""
        say(alice, "x", kept=False)
        configure(alice, archived=False, members_only=True, non_anonymous=True, public=False)
        say(alice, "x")
        assert told(world) == []

    def test_an_encrypted_message(self, world: World, alice: Client) -> None:
        """It alerts like any other."""
        inner = "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'/><payload>x</payload></encrypted>"
        say(alice, "", stanza=f"<message type='groupchat'>{inner}</message>".encode())
        assert who_is_told(world) == ["bob", "carol"]

    def test_an_invitation(self, world: World) -> None:
        """It comes from the room and alerts who is invited; not who has blocked the room."""
        alice = open_group(world)
        for name in ("bob", "carol"):
            leave_phone(world, name)
        world.bind("carol").do(ChangeBlocklist(True, (ADDRESS,)))
        for name in ("bob", "carol"):
            alice.do(InviteToRoom("den", name))
        assert [(node, sender) for node, _, _, sender in told(world)] == [("bob", ADDRESS)]


class TestSettings:
    """XEP-0492, and block lists (XEP-0191)."""

    @pytest.mark.parametrize(
        ("level", "plain", "mentioned"),
        [("always", True, True), ("on-mention", False, True), ("never", False, False)],
    )
    def test_what_the_member_wants(self, world: World, alice: Client, level: str, plain: bool, mentioned: bool) -> None:
        """As the bookmark of the room says."""
        want(world.bind("bob", "desk"), level)
        say(alice, "hello")
        assert ("bob" in who_is_told(world)) is plain
        say_to(alice, f"bob@{DOMAIN}")
        assert ("bob" in who_is_told(world)) is mentioned

    @pytest.mark.parametrize("changed", [{"members_only": False}, {"non_anonymous": False}, {"public": True}])
    def test_a_room_that_is_no_private_group(self, world: World, changed: dict[str, bool]) -> None:
        """Section 4: without a setting mentions alone alert."""
        alice = open_group(world, **changed)
        add_members(alice, ("bob", "carol"))
        for name in ("bob", "carol"):
            leave_phone(world, name)
        say(alice, "hello")
        assert told(world) == []
        say_to(alice, f"bob@{DOMAIN}")
        assert who_is_told(world) == ["bob"]

    def test_who_is_blocked(self, world: World, alice: Client) -> None:
        """The room, the nickname there, the author whom everyone sees."""
        for blocked in (ADDRESS, f"{ADDRESS}/alice", f"alice@{DOMAIN}", DOMAIN):
            bob = world.bind("bob", "desk")
            bob.do(ChangeBlocklist(True, (blocked,)))
            say(alice, "hello")
            assert who_is_told(world) == ["carol"], blocked
            bob.do(ChangeBlocklist(False, ()))
        say(alice, "hello")
        assert who_is_told(world) == ["bob", "carol"]

    def test_a_group_of_somebody_who_is_blocked(self, world: World, alice: Client) -> None:
        """Who is on its list by no choice of theirs hears nothing of it, whoever speaks (rooms/blocks.py)."""
        world.account("dave")
        add_members(alice, ("dave",))
        dave = world.online("dave")
        enter(dave, "dave")
        bob = world.bind("bob", "desk")
        bob.do(ChangeBlocklist(True, (f"alice@{DOMAIN}",)))
        say(dave, "hello")
        assert who_is_told(world) == ["carol"]
        want(bob, "always")
        say(dave, "hello")
        assert who_is_told(world) == ["bob", "carol"]

    def test_a_blocked_author_whom_nobody_knows(self, world: World) -> None:
        """In a room that hides addresses a block list must not tell who is behind a nickname; admins know anyhow."""
        alice = open_group(world, non_anonymous=False)
        add_members(alice, ("bob",))
        add_members(alice, ("carol",), Affiliation.ADMIN)
        for name in ("bob", "carol"):
            leave_phone(world, name)
            client = world.bind(name, "desk")
            want(client, "always")
            client.do(ChangeBlocklist(True, (f"alice@{DOMAIN}",)))
        say(alice, "hello")
        assert who_is_told(world) == ["bob"]


class TestMentions:
    """Whom a message speaks to: here only mentions alert."""

    @pytest.fixture
    def alice(self, world: World) -> Client:
        """In a public room with Bob, who was there as bobby, and Carol, who was never there."""
        alice = open_group(world, public=True, members_only=False)
        add_members(alice, ("bob", "carol"))
        bob = world.online("bob", "desk")
        enter(bob, "bobby")
        bob.end()
        for name in ("bob", "carol"):
            leave_phone(world, name)
        return alice

    @pytest.mark.parametrize(
        ("body", "mentioned"),
        [
            ("Bobby: hi", ["bob"]),
            ("ask bobby", ["bob"]),
            ("bobbys, notbobby, bobby2", []),
            ("bob", []),
            ("carol?", ["carol"]),
            (f"ask bob@{DOMAIN}", ["bob"]),
            (f"@carol, @bobby: BOB@{DOMAIN.upper()}", ["bob", "carol"]),
            ("hello", []),
        ],
    )
    def test_names_in_the_text(self, world: World, alice: Client, body: str, mentioned: list[str]) -> None:
        """As a word, whatever the case: the last nickname, else the local part, and the address."""
        say(alice, body)
        assert who_is_told(world) == mentioned
        for name in ("bob", "carol"):
            found = conversation(world, name)
            assert found is not None
            assert found.mentions == (name in mentioned), "the list of conversations says the same"

    @pytest.mark.parametrize(
        ("address", "mentioned"),
        [
            (f"bob@{DOMAIN}", ["bob"]),
            (f"{ADDRESS}/bobby", ["bob"]),
            (f"{ADDRESS}/Bobby", []),
            (f"{ADDRESS}/carol", ["carol"]),
            (f"dave@{DOMAIN}", []),
        ],
    )
    def test_references(self, world: World, alice: Client, address: str, mentioned: list[str]) -> None:
        """XEP-0372: to the real address, or that in the room."""
        say_to(alice, address)
        assert who_is_told(world) == mentioned

    def test_replies(self, world: World, alice: Client) -> None:
        """XEP-0461: to a message of theirs."""
        inner = f"<body>yes</body><reply xmlns='urn:xmpp:reply:0' to='{ADDRESS}/bobby' id='x'/>"
        say(alice, "", stanza=f"<message type='groupchat'>{inner}</message>".encode())
        assert who_is_told(world) == ["bob"]

    def test_nicknames_that_are_kept_change_or_go(self, world: World, alice: Client) -> None:
        """The one that is kept counts beside the last; who is no member any more is called nothing."""
        change_affiliation(alice, "bob", Affiliation.MEMBER, nick="Robert the Bruce")
        say(alice, "well, Robert The Bruce!")
        assert who_is_told(world) == ["bob"]
        bob = world.online("bob", "desk")
        enter(bob, "rob")
        enter(bob, "robin", joins=False)
        bob.end()
        for body, mentioned in (("bobby, rob", []), ("robin", ["bob"]), ("robert the bruce", ["bob"])):
            say(alice, body)
            assert who_is_told(world) == mentioned, body
        change_affiliation(alice, "bob", Affiliation.ADMIN)  # keeps both
        for body in ("robin", "robert the bruce"):
            say(alice, body)
            assert who_is_told(world) == ["bob"], body
        bob = world.bind("bob", "desk")
        bob.do(RegisterInRoom("den", ""))  # an admin who gives a nickname up stays one
        for body, mentioned in (("robert the bruce", []), ("robin", ["bob"])):
            say(alice, body)
            assert who_is_told(world) == mentioned, body
        change_affiliation(alice, "bob", Affiliation.NONE)
        say(alice, "robin")
        assert told(world) == []
        change_affiliation(alice, "bob", Affiliation.MEMBER)
        say(alice, "robin")
        assert told(world) == []


class TestConnections:
    """XEP-0198: what a dead connection was given."""

    def test_a_session_that_waits(self, world: World, alice: Client) -> None:
        """It is told of what comes while it waits, and not when it is back."""
        bob = phone(world, node="bob")
        enter(bob, "bob")
        say(alice, "zero")
        assert who_is_told(world) == ["carol"]
        detach(bob)
        assert who_is_told(world) == ["bob"]
        say(alice, "one")
        assert who_is_told(world) == ["bob", "carol"]
        resume(bob, node_id=1)
        say(alice, "two")
        assert who_is_told(world) == ["carol"]

    @pytest.mark.parametrize("ends", [False, True])
    def test_what_was_not_acknowledged(self, world: World, alice: Client, ends: bool) -> None:
        """Of what it was given last it is told once, when its session waits, or ends."""
        bob = phone(world, node="bob")
        enter(bob, "bob")
        say(alice, "one")
        say(alice, "two")
        last = say(alice, "three").position
        assert "bob" not in who_is_told(world)
        if not ends:
            detach(bob)
            assert told(world) == [("bob", last, 3, f"{ADDRESS}/alice")]
            bob.end()
            assert told(world) == []
        else:
            bob.end()
            assert told(world) == [("bob", last, 3, f"{ADDRESS}/alice")]

    def test_what_was_acknowledged(self, world: World, alice: Client) -> None:
        """It is told of nothing that it has, or said itself."""
        bob = phone(world, node="bob")
        enter(bob, "bob")
        position = say(alice, "one").position
        told(world)
        bob.acknowledge(position)
        say(bob, "two")
        bob.end()
        assert "bob" not in who_is_told(world)

    def test_settings_count_then_too(self, world: World, alice: Client) -> None:
        """Mentions alone, and nobody who is blocked."""
        want(world.bind("bob", "desk"), "on-mention")
        for body, is_told in (("hello", False), ("bobby!", True)):
            bob = phone(world, node="bob")
            enter(bob, "bobby")
            say(alice, body)
            told(world)
            detach(bob)
            assert bool(told(world)) is is_told
            bob.end()
        bob = phone(world, node="bob")
        bob.do(ChangeBlocklist(True, (f"{ADDRESS}/alice",)))
        world.bind("bob", "other")
        enter(bob, "bobby")
        say(alice, "bobby!")
        told(world)
        bob.end()
        assert told(world) == []

    @pytest.mark.parametrize("extra", [0, 1])
    def test_how_far_back_it_is_looked(self, world: World, alice: Client, extra: int) -> None:
        """`ROOM_OWED_ALERT_REACH_MAX` messages, both sides of the limit."""
        bob = phone(world, node="bob")
        enter(bob, "bob")
        say(alice, "hello")
        for _ in range(ROOM_OWED_ALERT_REACH_MAX - 1 + extra):
            say(alice, "", stanza=b"<message type='groupchat'><subject>x</subject></message>")
        told(world)
        bob.end()
        assert bool(told(world)) is not bool(extra)


class TestRounds:
    """More than one command tells."""

    def test_as_many_as_one_command_tells(self, world: World) -> None:
        """`ROOM_ALERT_STEP_COUNT_MAX` are told by the command itself, each time."""
        alice = open_group(world)
        names = crowd(world, alice, ROOM_ALERT_STEP_COUNT_MAX)
        for _ in range(2):
            say(alice, "hello")
            assert who_is_told(world) == names
        assert take_steps(world) == 0

    def test_one_more(self, world: World) -> None:
        """They are told in steps, in order; a message writes the same few rows however many there are."""
        alice = open_group(world)
        names = crowd(world, alice, ROOM_ALERT_STEP_COUNT_MAX + 1)
        position = say(alice, "hello").position
        assert told(world) == []
        assert take_steps(world) == 2
        assert told(world) == [(name, position, 1, f"{ADDRESS}/alice") for name in names]
        assert take_steps(world) == 0

    def test_messages_of_one_interval_are_told_together(self, world: World) -> None:
        """By the last one, with their count, and not sooner than the interval after the round before."""
        alice = open_group(world)
        names = crowd(world, alice, ROOM_ALERT_STEP_COUNT_MAX + 1)
        say(alice, "one")
        first = say(alice, "two").position
        take_steps(world)
        assert told(world) == [(name, first, 2, f"{ADDRESS}/alice") for name in names]
        say(alice, "three")
        last = say(alice, "four").position
        assert take_steps(world, INTERVAL_S - 0.001) == 0
        assert take_steps(world, 0.001) == 2
        assert told(world) == [(name, last, 4, f"{ADDRESS}/alice") for name in names]
        say(alice, "five")
        assert take_steps(world, 2 * INTERVAL_S) == 2  # late
        assert who_is_told(world) == names
        say(alice, "six")
        assert take_steps(world, INTERVAL_S - 0.001) == 0, "it counts from when the steps were taken"

    def test_a_message_in_the_midst_of_a_round(self, world: World) -> None:
        """It waits for the next one, which tells everybody."""
        alice = open_group(world)
        names = crowd(world, alice, ROOM_ALERT_STEP_COUNT_MAX + 1)
        say(alice, "one")
        world.do(CarryOutDue())
        assert who_is_told(world) == names[:-1]
        second = say(alice, "two").position
        take_steps(world)
        assert who_is_told(world) == names[-1:]
        take_steps(world, INTERVAL_S)
        assert [row[:3] for row in told(world)] == [(name, second, 2) for name in names]

    def test_mentions_come_at_once(self, world: World) -> None:
        """And once."""
        alice = open_group(world)
        names = crowd(world, alice, ROOM_ALERT_STEP_COUNT_MAX + 1)
        say(alice, "hello m0007, M0009!")
        assert who_is_told(world) == ["m0007", "m0009"]
        take_steps(world)
        assert who_is_told(world) == [name for name in names if name not in {"m0007", "m0009"}]

    @pytest.mark.parametrize("extra", [0, 1])
    def test_so_many_mentions(self, world: World, extra: int) -> None:
        """`ROOM_MENTION_ALERT_COUNT_MAX` at once; the others in the round."""
        alice = open_group(world)
        names = crowd(world, alice, max(ROOM_ALERT_STEP_COUNT_MAX, ROOM_MENTION_ALERT_COUNT_MAX) + 1)
        named = names[: ROOM_MENTION_ALERT_COUNT_MAX + extra]
        say(alice, " ".join(named))
        assert who_is_told(world) == named[:ROOM_MENTION_ALERT_COUNT_MAX]

    def test_who_comes_or_goes_meanwhile(self, world: World) -> None:
        """Who is there by then is not told; who is no member any more neither."""
        alice = open_group(world)
        names = crowd(world, alice, ROOM_ALERT_STEP_COUNT_MAX + 3)
        say(alice, "hello")
        enter(phone(world, names[0], node=names[0]), names[0])
        change_affiliation(alice, names[1], Affiliation.NONE)
        take_steps(world)
        assert who_is_told(world) == names[2:]

    def test_a_message_that_is_taken_back(self, world: World) -> None:
        """Nobody is told of it any more, and the next message is told of."""
        alice = open_group(world)
        names = crowd(world, alice, ROOM_ALERT_STEP_COUNT_MAX + 1)
        position = say(alice, "oops").position
        assert alice.do(ModerateMessage("den", position, "s", "m")).outcome == Done()
        take_steps(world)
        assert told(world) == []
        say(alice, "hello")
        take_steps(world, INTERVAL_S)
        assert who_is_told(world) == names

    def test_a_room_that_is_destroyed_meanwhile(self, world: World) -> None:
        """Its round goes with it."""
        alice = open_group(world)
        crowd(world, alice, ROOM_ALERT_STEP_COUNT_MAX + 1)
        say(alice, "hello")
        alice.do(DestroyRoom("den"))
        assert take_steps(world) == 0
        assert (told(world), world.count("room_alert_round")) == ([], 0)

    def test_replicas_agree_whatever_they_remember(self, new_world: Callable[[], World]) -> None:
        """One forgets what is derived before each command."""
        one, other = new_world(), new_world()
        for made in (one, other):
            for name in ("alice", "bob"):
                made.account(name)
        for made in (one, other):
            alice = open_group(made)
            crowd(made, alice, ROOM_ALERT_STEP_COUNT_MAX + 1)
        for made in (one, other):
            alice = made.online("alice", "again")
            enter(alice, "alice")
            for body in ("one", "m0003: two", "three"):
                if made is other:
                    made.machine._context.drop_derived()
                say(alice, body)
                take_steps(made, 1)
        assert one.machine.state_hash == other.machine.state_hash


def test_a_refusal_tells_nobody(world: World, alice: Client) -> None:
    """Who is not in the room says nothing there."""
    bob = world.online("bob", "desk")
    manage(bob)
    assert refusal(say(bob, "hello")) == ("not-acceptable", "modify")
    assert told(world) == []
