"""What numbers say in groups (group_speaking.py), and what they hear there (group_telling.py, group_events.py)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from machine.business.groups import (
    GROUP,
    GROUP_ADDRESS,
    NAME,
    NUMBER,
    NUMBER_JID,
    change,
    come_in,
    create,
    events,
    make_business,
    said,
    sent,
    share,
    speak,
    statuses,
)
from machine.business.programs import interactive
from machine.groups import add_members
from machine.pushing import enable, waiting
from machine.rooms import change_affiliation, configure, enter, events_for, heard, refusal, say
from machine.world import DOMAIN, Client, World
from raftline.base.business_limits import BUSINESS_MARKED_COUNT_MAX, GROUP_REFERENCE_REACH_MAX
from raftline.base.ids import Epochs, Position, format_stanza_id
from raftline.machine.business.commands import ChangeNumber, Prompt
from raftline.machine.business.group_commands import PinFromNumber, SpeakFromNumber
from raftline.machine.business.tables import EventKind, MessageStatus, PromptKind
from raftline.machine.business.values import Choice, Created, EventView, Option, Sent
from raftline.machine.commands import DeleteAccount, KeyOrigin
from raftline.machine.outcomes import Done
from raftline.machine.pins.events import PinTold
from raftline.machine.rooms.commands import ChangeKind, ChangeOccupants, ModerateMessage, OccupantChange, SpeakInRoom
from raftline.machine.rooms.events import RoomMessageArrived
from raftline.machine.rooms.queries import RoomArchivePage
from raftline.machine.rooms.ranks import Affiliation

EPOCH = 1


@pytest.fixture
def business(world: World) -> Created:
    """A business that leads the group, whose link is `t`."""
    made = make_business(world)
    assert create(world).outcome == Done()
    share(world, "t")
    events(world)
    return made


@pytest.fixture
def alice(world: World, business: Created) -> Client:
    """Alice, in the group."""
    client = world.online("alice")
    assert come_in(client, "t").outcome == Done()
    events(world)
    return client


@pytest.fixture
def bob(world: World, business: Created) -> Client:
    """Bob, in the group."""
    client = world.online("bob")
    assert come_in(client, "t").outcome == Done()
    events(world)
    return client


def tell(client: Client, inner: str, *, message_id: str = "x", **changes: object) -> Position:
    """Say something that is made of these elements; return where it is."""
    stanza = f"<message type='groupchat' id='{message_id}'>{inner}</message>".encode()
    fields = {"is_subject": False, "kept": True, "origin_id": "", "fingerprint": b"", **changes}
    result = client.do(SpeakInRoom(GROUP, stanza, **fields))  # type: ignore[arg-type]
    assert result.outcome == Done(), result.outcome
    return result.position


def named(position: Position) -> str:
    """The id that the room gave a message."""
    return format_stanza_id(Epochs(EPOCH), position)


def reacts(client: Client, position: Position, emoji: str = "+") -> Position:
    """React to a message."""
    inner = f"<reactions xmlns='urn:xmpp:reactions:0' id='{named(position)}'><reaction>{emoji}</reaction></reactions>"
    return tell(client, inner)


def marks(client: Client, position: Position) -> None:
    """Say that a message, and all before it, is read."""
    tell(client, "<displayed xmlns='urn:xmpp:chat-markers:0' id='any'/>", marked=position, marks_only=True)


class TestSpeaking:
    """A number says something."""

    def test_everyone_hears(self, world: World, alice: Client, bob: Client) -> None:
        """Under its name, with an occupant id; the room's archive has it; the outcome tells where it is."""
        result = speak(world, "hello", fingerprint=b"12345678")
        assert heard(result, alice) == heard(result, bob) == ["hello"]
        (message,) = events_for(result, alice, RoomMessageArrived)
        assert f"from='{GROUP_ADDRESS}/{NAME}'".encode() in message.stanza
        assert b"<occupant-id xmlns='urn:xmpp:occupant-id:0'" in message.stanza
        assert result.outcome == Done(Sent(result.position, b"12345678"))
        page = world.machine.answer(RoomArchivePage(GROUP, author=NUMBER_JID))
        assert [row.position for row in page.rows] == [result.position]  # type: ignore[union-attr]

    def test_sent(self, world: World, alice: Client) -> None:
        """That it is sent is told at once, with what the program wants handed back; nothing else of it is."""
        position = sent(speak(world, opaque="mine"))
        assert statuses(world) == [(NUMBER, position, MessageStatus.SENT, "mine")]

    def test_reactions_have_no_status(self, world: World, alice: Client) -> None:
        """What has no message id has no status."""
        assert isinstance(speak(world, message_id="").outcome, Done)
        assert events(world) == []

    def test_once(self, world: World, alice: Client) -> None:
        """Under a key it happens once, and the answer is the same."""
        action = SpeakFromNumber(
            NUMBER, SpeakInRoom(GROUP, b"<message type='groupchat'><body>b</body></message>", False, True, "", b""), "m"
        )
        first, second = (world.do(action, KeyOrigin(b"k" * 16)) for _ in range(2))
        assert first.outcome == second.outcome
        assert (heard(first, alice), heard(second, alice)) == (["b"], [])

    def test_refusals(self, world: World, alice: Client, business: Created) -> None:
        """No number, no group, no member, not registered, no voice: nothing is said."""
        assert refusal(speak(world, localpart="alice")) == ("item-not-found", "cancel")
        assert refusal(speak(world, room="nowhere")) == ("item-not-found", "cancel")
        make_business(world, "15550002222", "Other")
        assert refusal(speak(world, localpart="15550002222")) == ("item-not-found", "cancel")
        assert isinstance(come_in(world.bind("15550002222"), "t").outcome, Done)
        events(world)
        assert isinstance(speak(world, localpart="15550002222").outcome, Done)
        world.do(ChangeNumber(business.number_id, "test", is_registered=False))
        assert refusal(speak(world)) == ("not-allowed", "cancel")
        pin = world.do(PinFromNumber(NUMBER, GROUP, Position(1)))
        assert refusal(pin) == ("not-allowed", "cancel")

    def test_announcements(self, world: World, business: Created) -> None:
        """Affiliation decides about voice, as on entering."""
        alice = world.online("alice")
        enter(alice, "alice", room="den")
        configure(alice, announcements=True, persistent=True)
        change_affiliation(alice, NUMBER, Affiliation.MEMBER)
        assert refusal(speak(world, room="den")) == ("forbidden", "auth")
        change_affiliation(alice, NUMBER, Affiliation.ADMIN)
        assert isinstance(speak(world, room="den").outcome, Done)

    def test_pace(self, world: World, alice: Client, business: Created) -> None:
        """A limit of the number counts in groups as well, and the group as a pair."""
        world.do(ChangeNumber(business.number_id, "test", pair_per_minute=1))
        assert isinstance(speak(world).outcome, Done)
        outcome = speak(world).outcome
        assert (outcome.condition, outcome.detail) == ("policy-violation", "pair")  # type: ignore[union-attr]
        world.time_ms += 60_000
        assert isinstance(speak(world).outcome, Done)

    def test_slow_mode(self, world: World, business: Created) -> None:
        """Slow mode holds for a number that is only a member."""
        alice = world.online("alice")
        enter(alice, "alice", room="den")
        configure(alice, slow_mode_s=60, persistent=True)
        change_affiliation(alice, NUMBER, Affiliation.MEMBER)
        assert isinstance(speak(world, room="den").outcome, Done)
        assert refusal(speak(world, room="den")) == ("policy-violation", "wait")

    def test_members_away_are_told(self, world: World, alice: Client, bob: Client) -> None:
        """A member who is away is notified, with the number's name."""
        assert enable(bob, "bob").outcome == Done()
        bob.end()
        position = sent(speak(world, "hello"))
        assert [(row.position, row.sender) for row in waiting(world)] == [(position, f"{GROUP_ADDRESS}/{NAME}")]

    def test_name_is_kept(self, world: World, business: Created) -> None:
        """Nobody takes the nickname of a number that has spoken; one that came too late goes by its digits."""
        speak(world)
        assert refusal(come_in(world.online("alice"), "t", NAME)) == ("conflict", "cancel")
        world.do(ChangeNumber(business.number_id, "test", verified_name="bob"))
        bob = world.online("bob")
        assert come_in(bob, "t").outcome == Done()
        result = speak(world)
        (message,) = events_for(result, bob, RoomMessageArrived)
        assert f"from='{GROUP_ADDRESS}/{NUMBER}'".encode() in message.stanza

    def test_retract(self, world: World, alice: Client) -> None:
        """A number takes back what it said: a tombstone is left."""
        position = sent(speak(world, "secret"))
        speak(world, "taken back", message_id="m2", retracts=position)
        page = world.machine.answer(RoomArchivePage(GROUP, positions=(position,)))
        assert b"secret" not in page.rows[0].stanza  # type: ignore[union-attr]


class TestPins:
    """A number pins for all."""

    def test_pin_and_unpin(self, world: World, alice: Client) -> None:
        """Those who are there are told; a message that is not there is refused."""
        position = sent(speak(world))
        result = world.do(PinFromNumber(NUMBER, GROUP, position, fingerprint=b"f"))
        assert result.outcome == Done(Sent(result.position, b"f"))
        assert [event.is_pinned for event in events_for(result, alice, PinTold)] == [True]
        result = world.do(PinFromNumber(NUMBER, GROUP, position, False))
        assert [event.is_pinned for event in events_for(result, alice, PinTold)] == [False]
        assert refusal(world.do(PinFromNumber(NUMBER, GROUP, Position(1)))) == ("item-not-found", "cancel")

    def test_members_do_not(self, world: World, business: Created) -> None:
        """Only admins and owners pin."""
        alice = world.online("alice")
        enter(alice, "alice", room="den")
        configure(alice, persistent=True)
        change_affiliation(alice, NUMBER, Affiliation.MEMBER)
        position = say(alice, "x").position
        assert refusal(world.do(PinFromNumber(NUMBER, "den", position))) == ("forbidden", "auth")


class TestHearing:
    """What people say becomes events."""

    def test_message(self, world: World, alice: Client) -> None:
        """With the room, the author's address and name, and the message as the room sent it."""
        position = tell(alice, "<body>hello</body>")
        (view,) = events(world)
        event = view.event
        assert (event.kind, event.peer, event.room, event.message) == (EventKind.MESSAGE, alice.jid, GROUP, position)
        assert (event.name, event.target) == ("alice", 0)
        assert view.stanza is not None
        assert f"from='{GROUP_ADDRESS}/alice'".encode() in view.stanza

    @pytest.mark.parametrize(
        "inner",
        [
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>",
            "<received xmlns='urn:xmpp:receipts' id='1'/>",
            "<store xmlns='urn:xmpp:hints'/>",
        ],
    )
    def test_nothing_said(self, world: World, alice: Client, inner: str) -> None:
        """Markers, receipts and signals are no messages."""
        tell(alice, inner)
        assert events(world) == []

    def test_subject(self, world: World, business: Created) -> None:
        """A subject is none either."""
        owner = world.bind(NUMBER)
        enter(owner, NAME, room=GROUP)
        tell(owner, "<subject>s</subject>", is_subject=True)
        assert events(world) == []

    def test_references(self, world: World, alice: Client, bob: Client) -> None:
        """Replies, reactions and retractions name a message by the room's id, corrections by its own."""
        first = tell(alice, "<body>first</body>", message_id="a1")
        own = sent(speak(world, "own"))
        events(world)
        tell(bob, f"<body>reply</body><reply xmlns='urn:xmpp:reply:0' id='{named(own)}'/>")
        reacts(bob, first)
        tell(alice, "<body>better</body><replace xmlns='urn:xmpp:message-correct:0' id='a1'/>", message_id="a2")
        tell(alice, f"<retract xmlns='urn:xmpp:message-retract:1' id='{named(first)}'/>", retracts=first)
        assert said(world) == [
            ("bob", "reply", own),
            ("bob", "", first),
            ("alice", "better", first),
            ("alice", "", first),
        ]

    def test_bad_references(self, world: World, alice: Client) -> None:
        """What is not in the room's archive is not found, however it is written."""
        other = world.online("bob")
        enter(other, "bob", room="den")
        elsewhere = say(other, "elsewhere").position
        for name in (named(elsewhere), "1-" + "9" * 19, "nothing", "1-1"):
            tell(alice, f"<body>x</body><reply xmlns='urn:xmpp:reply:0' id='{name}'/>")
        assert said(world) == [("alice", "x", 0)] * 4

    def test_retraction_of_others(self, world: World, alice: Client, bob: Client) -> None:
        """Who retracts what another said retracts nothing, so nothing is told of."""
        first = tell(alice, "<body>first</body>")
        events(world)
        tell(bob, f"<retract xmlns='urn:xmpp:message-retract:1' id='{named(first)}'/>", retracts=first)
        assert said(world) == []

    def test_moderation(self, world: World, alice: Client, bob: Client) -> None:
        """What a moderator takes back is told of, as said by the moderator."""
        first = tell(bob, "<body>first</body>")
        change = OccupantChange(ChangeKind.AFFILIATION, alice.jid, int(Affiliation.ADMIN))
        assert world.bind(NUMBER).do(ChangeOccupants(GROUP, (change,))).outcome == Done()
        events(world)
        assert alice.do(ModerateMessage(GROUP, first, named(first), "m")).outcome == Done()
        assert said(world) == [("alice", "", first)]

    def test_reach(self, world: World, alice: Client) -> None:
        """An id attribute is looked for among the latest messages alone."""
        first = tell(alice, "<body>first</body>", message_id="a1")
        for _ in range(GROUP_REFERENCE_REACH_MAX - 1):
            tell(alice, "<body>more</body>")
        events(world)
        correction = "<body>c</body><replace xmlns='urn:xmpp:message-correct:0' id='a1'/>"
        tell(alice, correction, message_id="c1")
        tell(alice, correction, message_id="c2")
        assert said(world) == [("alice", "c", first), ("alice", "c", 0)]

    def test_after_membership(self, world: World, alice: Client) -> None:
        """A number hears from when it is a member until it is none; so does the second number."""
        make_business(world, "15550002222", "Other")
        tell(alice, "<body>one</body>")
        come_in(world.bind("15550002222"), "t")
        tell(alice, "<body>two</body>")
        assert [text for _, text, _ in said(world)] == ["one", "two", "two"]
        world.do(DeleteAccount("15550002222"))
        tell(alice, "<body>three</body>")
        assert [text for _, text, _ in said(world)] == ["three"]

    def test_outside(self, world: World, business: Created) -> None:
        """A room of others tells nothing."""
        alice = world.online("alice")
        enter(alice, "alice", room="den")
        say(alice, "x")
        assert events(world) == []

    def test_unkept(self, world: World, alice: Client) -> None:
        """What nobody keeps is told all the same, and goes with the event."""
        position = tell(alice, "<body>gone</body>", kept=False)
        (view,) = events(world)
        assert view.stanza is not None
        assert world.machine._context.messages.get(position) is None

    def test_holds(self, world: World, alice: Client) -> None:
        """The event holds the message until it is settled, the archive after that."""
        position = tell(alice, "<body>x</body>")
        message = world.machine._context.messages.get(position)
        assert message is not None
        assert message.holders == 2
        events(world)
        message = world.machine._context.messages.get(position)
        assert message is not None
        assert message.holders == 1

    def test_answer(self, world: World, alice: Client) -> None:
        """Who chooses what the number asked in the group answers it."""
        prompt = Prompt(int(PromptKind.BUTTONS), (Option("yes", "Yes"), Option("no", "No")))
        asked = sent(speak(world, "Well?", prompt=prompt))
        events(world)
        tell(alice, "<body>No</body><choice xmlns='urn:raftline:business:0' id='no'/>")
        (view,) = events(world)
        assert isinstance(view, EventView)
        assert (view.event.kind, view.event.target, view.event.peer) == (EventKind.ANSWER, asked, alice.jid)
        choice = msgspec.msgpack.decode(view.event.detail, type=Choice)
        assert choice.option.option_id == "no"

    def test_answer_to_an_older_question(self, world: World, alice: Client) -> None:
        """Who names the question answers that one, though another one was asked since."""
        options = (Option("yes", "Yes"), Option("no", "No"))
        asked = sent(speak(world, "Well?", inner=interactive(1, options), prompt=Prompt(1, options)))
        speak(world, "And?", message_id="m2", prompt=Prompt(1, (Option("no", "Nothing"),)))
        events(world)
        reply = f"<reply xmlns='urn:xmpp:reply:0' id='{named(asked)}'/>"
        tell(alice, f"<body>No</body><choice xmlns='urn:raftline:business:0' id='no'/>{reply}")
        (view,) = events(world)
        assert isinstance(view, EventView)
        assert (view.event.kind, view.event.target) == (EventKind.ANSWER, asked)
        assert msgspec.msgpack.decode(view.event.detail, type=Choice).option.title == "No"


class TestReading:
    """Markers become statuses, from each person."""

    def test_read(self, world: World, alice: Client, bob: Client) -> None:
        """All of the number's messages up to the marked one that were not read before, once for each reader."""
        first, second = sent(speak(world, opaque="a")), sent(speak(world, message_id="m2", opaque="b"))
        events(world)
        marks(alice, first)
        marks(alice, first)
        marks(bob, second)
        marks(alice, second)
        read = MessageStatus.READ
        assert statuses(world) == [
            ("alice", first, read, "a"),
            ("bob", first, read, "a"),
            ("bob", second, read, "b"),
            ("alice", second, read, "b"),
        ]

    def test_not_before_they_came(self, world: World, alice: Client) -> None:
        """Who comes later has not read what was said before."""
        sent(speak(world))
        bob = world.online("bob")
        come_in(bob, "t")
        second = sent(speak(world, message_id="m2"))
        events(world)
        marks(bob, second)
        assert [position for _, position, _, _ in statuses(world)] == [second]

    def test_unknown(self, world: World, alice: Client) -> None:
        """A marker for what is not in the room's archive reads nothing."""
        sent(speak(world))
        events(world)
        marks(alice, Position(7))
        assert statuses(world) == []

    def test_bound(self, world: World, alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """One marker lets the latest of many be read."""
        assert BUSINESS_MARKED_COUNT_MAX > 2
        monkeypatch.setattr("raftline.machine.business.group_events.BUSINESS_MARKED_COUNT_MAX", 2)
        positions = [sent(speak(world, message_id=f"m{number}")) for number in range(3)]
        events(world)
        marks(alice, positions[-1])
        assert [position for _, position, _, _ in statuses(world)] == positions[1:]


class TestState:
    """What is derived is as good as what is read again."""

    def test_restart(self, new_world: object, tmp_path: Path) -> None:
        """A node that starts again, and one that does not, tell the same."""
        assert callable(new_world)
        world: World = new_world(tmp_path / "a")
        for name in ("alice", "bob"):
            world.account(name)
        make_business(world)
        create(world)
        share(world, "t")
        alice = world.online("alice")
        come_in(alice, "t")
        tell(alice, "<body>one</body>")
        speak(world)
        change(world, subject="Other")
        before = world.scrub()
        world.reopen(commit=True)
        tell(alice, "<body>two</body>")
        assert [text for _, text, _ in said(world)] == ["one", "two"]
        assert before.keys() == world.scrub().keys()

    def test_many_members(self, world: World, business: Created) -> None:
        """Members who are put on the list by hand are told of one by one."""
        owner = world.bind(NUMBER)
        enter(owner, NAME, room="den")
        configure(owner, persistent=True)
        events(world)
        add_members(owner, ["alice", "bob"])
        address = f"den@conference.{DOMAIN}"
        assert [(view.event.kind, view.event.peer) for view in events(world)] == [(EventKind.GROUP, address)] * 2
