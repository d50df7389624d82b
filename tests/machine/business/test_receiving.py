"""What comes for a number (machine/business/receiving): which events it makes, and of what they tell."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from machine.business.programs import (
    DIGITS,
    JID,
    ask,
    choice_of,
    create,
    interactive,
    open_business,
    send,
    settle_all,
    status_of,
    statuses,
    waiting,
    write,
)
from machine.world import DOMAIN, Client, World, arrivals
from raftline.base import business_limits
from raftline.machine.business import statuses as statuses_module
from raftline.machine.business.queries import IdentityOf, WaitingEvents
from raftline.machine.business.tables import EventKind, PromptKind
from raftline.machine.business.values import Option
from raftline.machine.commands import ActForNumber, ChangeBlocklist, DeleteAccount, SetVcard
from raftline.machine.history.commands import Retraction
from raftline.machine.message_commands import MessageKind, Storage

RECEIPT = "<received xmlns='urn:xmpp:receipts' id='{}'/>"
DISPLAYED = "<displayed xmlns='urn:xmpp:chat-markers:0' id='{}'/>"
PLAYED = "<played xmlns='urn:raftline:played:0' id='{}'/>"
REACTION = "<reactions xmlns='urn:xmpp:reactions:0' id='{}'><reaction>x</reaction></reactions>"
CORRECTION = "<body>new</body><replace xmlns='urn:xmpp:message-correct:0' id='{}'/>"
REPLY = "<body>yes</body><reply xmlns='urn:xmpp:reply:0' id='{}'/>"
FORM = "<body>x</body><x xmlns='jabber:x:data' type='submit'><field var='choice'><value>{}</value></field></x>"
CHOICE = "<body>x</body><choice xmlns='urn:raftline:business:0' id='{}'/>"
OLDER = "<reply xmlns='urn:xmpp:reply:0' id='q1'/>"
QUOTE = (
    "<body>&gt; Well?\n{}</body><reply xmlns='urn:xmpp:reply:0' id='q1'/>"
    "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='8'/></fallback>"
)


@pytest.fixture
def alice(world: World) -> Client:
    """Somebody who writes to a business."""
    open_business(world)
    return world.online("alice")


class TestMessages:
    """Events of kind MESSAGE."""

    @pytest.mark.parametrize("name", ["1-9999999999999999999", f"1-{1 << 63}", "1-7", "1-x"])
    def test_answers_nothing_that_is_known(self, world: World, alice: Client, name: str):
        """Whatever id somebody writes into an answer, it is told; one that is no place in the log names nothing."""
        write(alice, REPLY.format(name))
        (view,) = world.machine.answer(WaitingEvents())
        assert (view.event.kind, view.event.target) == (EventKind.MESSAGE, 0)

    def test_waits_with_its_message(self, world: World, alice: Client):
        """Nobody is signed in to the number: nothing waits offline, and nothing comes back."""
        result = write(alice)
        (view,) = world.machine.answer(WaitingEvents())
        assert (view.event.kind, view.event.message, view.event.peer) == (
            EventKind.MESSAGE,
            result.position,
            alice.jid,
        )
        assert b"<body>hi</body>" in view.stanza
        assert (view.event.name, view.message_ms) == ("alice", world.time_ms)
        assert world.count("offline") == 0
        assert result.events == []

    def test_a_device_of_the_number_gets_it_too(self, world: World, alice: Client):
        """Somebody may sign in to the number and look on."""
        desk = world.online(DIGITS)
        assert [event.session_id for event in arrivals(write(alice))] == [desk.session_id]
        assert len(waiting(world)) == 1

    def test_what_a_device_of_the_number_does_not_take(self, world: World, alice: Client):
        """It does not wait for the next one: the program has it."""
        desk = world.online(DIGITS)
        write(alice)
        desk.end()
        assert world.count("offline") == 0

    def test_a_device_of_the_number_writes_to_it(self, world: World, alice: Client):
        """Notes to oneself are nothing that a program has to know."""
        desk = world.online(DIGITS)
        write(desk)
        assert waiting(world) == []

    def test_is_told_though_no_archive_keeps_it(self, world: World, alice: Client):
        """The event holds the message, and lets it go."""
        write(alice, storage=int(Storage.OFFLINE))
        assert (world.count("message"), world.count("archive")) == (1, 0)
        settle_all(world)
        assert (world.count("message"), world.count("business_event")) == (0, 0)

    @pytest.mark.parametrize("content", ["", "<subject>s</subject>", "<x xmlns='urn:other'/>", RECEIPT.format("none")])
    def test_what_says_nothing(self, world: World, alice: Client, content: str):
        """Signals and what nobody knows make no event."""
        write(alice, content, storage=0)
        assert waiting(world) == []
        assert world.count("message") == 0

    def test_who_is_blocked_is_not_heard(self, world: World, alice: Client):
        """The number's block list counts (XEP-0191)."""
        world.do(ActForNumber(DIGITS, ChangeBlocklist(True, (alice.jid,))))
        assert [type(event).__name__ for event in write(alice).events] == ["MessageBounced"]
        assert waiting(world) == []

    def test_the_name_is_that_of_the_time(self, world: World, alice: Client):
        """A later name changes nothing of an event, so that each delivery has the same bytes."""
        alice.do(SetVcard(b"<vCard xmlns='vcard-temp'><FN>Ann</FN></vCard>"))
        write(alice)
        alice.do(SetVcard(b"<vCard xmlns='vcard-temp'><FN>Beth</FN></vCard>"))
        write(alice, message_id="c2")
        assert [event.name for event in waiting(world)] == ["Ann", "Beth"]

    def test_two_numbers_talk(self, world: World, alice: Client):
        """Each is told of its own side."""
        world.do(create("Other", "15550002222"))
        sent = send(world, "15550002222")
        kinds = [(event.kind, event.peer) for event in waiting(world)]
        assert kinds == [(EventKind.STATUS, f"15550002222@{DOMAIN}"), (EventKind.MESSAGE, JID)]
        assert sent.events == []


class TestWhose:
    """Which account an event is about."""

    def test_an_account(self, world: World, alice: Client):
        """Its id stands beside the event, for what names it to programs, and stays though the account is deleted."""
        write(alice)
        identity = world.machine.answer(IdentityOf("alice"))
        (view,) = world.machine.answer(WaitingEvents())
        assert view.event.peer_account == identity.account_id > 0
        world.do(DeleteAccount("alice"))
        (view,) = world.machine.answer(WaitingEvents())
        assert view.event.peer_account == identity.account_id


class TestReferences:
    """What replies, reactions, corrections and retractions refer to."""

    @pytest.mark.parametrize("content", [REPLY, REACTION])
    def test_to_a_message_of_the_number(self, world: World, alice: Client, content: str):
        """By the id that it was sent under."""
        position = send(world, "alice", message_id="m7").position
        write(alice, content.format("m7"))
        assert [event.target for event in waiting(world)][-1] == position

    @pytest.mark.parametrize("content", [REPLY, REACTION, CORRECTION])
    def test_to_a_message_of_their_own(self, world: World, alice: Client, content: str):
        """By the id that its author gave it; the latest of that id."""
        write(alice, message_id="c1")
        position = write(alice, message_id="c1").position
        write(alice, content.format("c1"), message_id="c2")
        assert [event.target for event in waiting(world)][-1] == position

    def test_by_stanza_id(self, world: World, alice: Client):
        """Some clients know a message by its place in the archive; of another conversation it is none."""
        position = write(alice).position
        bob = world.online("bob")
        others = (bob.send("alice").position, write(bob).position)
        settle_all(world)
        for number in (position, *others):
            write(alice, REPLY.format(f"1-{number}"))
        assert [event.target for event in waiting(world)] == [position, 0, 0]

    def test_to_what_nobody_knows(self, world: World, alice: Client):
        """The message is told all the same."""
        write(alice, REPLY.format("unknown"))
        assert [event.target for event in waiting(world)] == [0]

    def test_a_retraction(self, world: World, alice: Client):
        """It names what it takes back, and what was not yet taken is told as what is left of it."""
        position = write(alice).position
        retract = "<retract xmlns='urn:xmpp:message-retract:1' id='c1'/>"
        write(alice, retract, message_id="c2", retraction=Retraction((position,), b"<gone>", b"</gone>"))
        first, second = world.machine.answer(WaitingEvents())
        assert b"<body>" not in first.stanza
        assert (second.event.target, b"<retract" in second.stanza) == (position, True)

    def test_a_retraction_with_corrections(self, world: World, alice: Client):
        """Corrections go with the message that they correct, which is the one that a program knows."""
        position = write(alice).position
        later = write(alice, CORRECTION.format("c1"), message_id="c2").position
        retract = "<retract xmlns='urn:xmpp:message-retract:1' id='c1'/>"
        write(alice, retract, message_id="c3", retraction=Retraction((later, position), b"<gone>", b"</gone>"))
        assert waiting(world)[-1].target == position

    def test_is_forgotten_after_a_month(self, world: World, alice: Client):
        """Rows that receipts are matched by do not pile up."""
        send(world, "alice")
        world.time_ms += business_limits.BUSINESS_MESSAGE_AGE_MAX_MS
        write(alice, RECEIPT.format("m1"), storage=0)
        assert [status for status, _ in statuses(waiting(world))] == ["SENT", "DELIVERED"]
        world.time_ms += 1
        alice.send("bob")
        assert world.count("business_message") == 0


class TestStatuses:
    """Events of kind STATUS."""

    def test_the_usual_course(self, world: World, alice: Client):
        """Sent, delivered, read, played; each once, with what the program has kept."""
        position = send(world, "alice", opaque="o").position
        for content in (RECEIPT, RECEIPT, DISPLAYED, RECEIPT, PLAYED, DISPLAYED):
            write(alice, content.format("m1"), storage=0)
        assert statuses(waiting(world)) == [(name, position) for name in ("SENT", "DELIVERED", "READ", "PLAYED")]
        assert {status_of(event).opaque for event in waiting(world)} == {"o"}

    def test_a_marker_is_for_all_before(self, world: World, alice: Client):
        """In their order; what comes later is not read (XEP-0333)."""
        positions = [send(world, "alice", message_id=f"m{place}").position for place in range(4)]
        settle_all(world)
        write(alice, DISPLAYED.format("m2"), storage=0)
        assert statuses(waiting(world)) == [("READ", position) for position in positions[:3]]

    def test_a_marker_has_a_reach(self, world: World, alice: Client, monkeypatch: pytest.MonkeyPatch):
        """One command writes so many events at most: for the latest."""
        monkeypatch.setattr(statuses_module, "BUSINESS_MARKED_COUNT_MAX", 2)
        positions = [send(world, "alice", message_id=f"m{place}").position for place in range(4)]
        settle_all(world)
        write(alice, DISPLAYED.format("m3"), storage=0)
        assert statuses(waiting(world)) == [("READ", position) for position in positions[2:]]

    def test_a_device_refuses(self, world: World, alice: Client):
        """An error for a message that was not read yet."""
        position = send(world, "alice").position
        write(alice, "<error/>", message_id="m1", kind=MessageKind.ERROR, storage=0)
        write(alice, "<error/>", message_id="m1", kind=MessageKind.ERROR, storage=0)
        assert statuses(waiting(world)) == [("SENT", position), ("FAILED", position)]

    def test_a_message_of_their_own(self, world: World, alice: Client):
        """Only what the number has sent is delivered and read."""
        write(alice)
        settle_all(world)
        for content in (RECEIPT, DISPLAYED, PLAYED):
            write(alice, content.format("c1"), storage=0)
        assert waiting(world) == []

    def test_a_message_of_another(self, world: World, alice: Client):
        """Whoever knows an id changes nothing of what was sent to somebody else."""
        send(world, "bob", message_id="m1")
        settle_all(world)
        write(alice, RECEIPT.format("m1"), storage=0)
        assert waiting(world) == []


class TestAnswers:
    """Events of kind ANSWER."""

    @pytest.mark.parametrize(
        ("content", "title"),
        [
            ("<body>2</body>", "No"),
            ("<body> yes </body>", "Yes"),
            ("<body>ID-NO</body>", "No"),
            (QUOTE.format("1"), "Yes"),
            (FORM.format("id-No"), "No"),
            (CHOICE.format("id-Yes"), "Yes"),
        ],
    )
    def test_ways_to_answer(self, world: World, alice: Client, content: str, title: str):
        """What a client says of it, or what somebody types who sees text alone."""
        asked = ask(world, "alice", "Yes", "No")
        settle_all(world)
        result = write(alice, content)
        (event,) = waiting(world)
        assert (event.kind, event.target, event.message) == (EventKind.ANSWER, asked, result.position)
        assert choice_of(event).option.title == title
        assert choice_of(event).kind == PromptKind.BUTTONS

    @pytest.mark.parametrize(
        "content", ["<body>3</body>", "<body>0</body>", "<body>maybe</body>", FORM.format("other"), "<body>²</body>"]
    )
    def test_what_is_none(self, world: World, alice: Client, content: str):
        """It is told as what it is: a message."""
        ask(world, "alice", "Yes", "No")
        settle_all(world)
        write(alice, content)
        assert [event.kind for event in waiting(world)] == [EventKind.MESSAGE]

    def test_what_is_typed_counts_once(self, world: World, alice: Client):
        """Two cups are not the second option; a button may be pressed again."""
        ask(world, "alice", "Yes", "No")
        settle_all(world)
        for content in ("<body>2</body>", "<body>2</body>", CHOICE.format("id-No")):
            write(alice, content)
        assert [event.kind for event in waiting(world)] == [EventKind.ANSWER, EventKind.MESSAGE, EventKind.ANSWER]

    def test_after_something_else_was_said(self, world: World, alice: Client):
        """Only a client that says so answers the question."""
        ask(world, "alice", "Yes", "No")
        send(world, "alice", message_id="m2")
        settle_all(world)
        write(alice, "<body>2</body>")
        write(alice, CHOICE.format("id-No"))
        assert [event.kind for event in waiting(world)] == [EventKind.MESSAGE, EventKind.ANSWER]

    def test_the_next_question_takes_its_place(self, world: World, alice: Client):
        """Options of the former are unknown."""
        ask(world, "alice", "Yes", "No")
        ask(world, "alice", "Red", message_id="q2")
        settle_all(world)
        write(alice, CHOICE.format("id-No"))
        assert [event.kind for event in waiting(world)] == [EventKind.MESSAGE]

    @pytest.mark.parametrize("kind", PromptKind)
    def test_an_older_question(self, world: World, alice: Client, kind: PromptKind):
        """Who scrolls back and taps there answers that one, whatever was asked since under the same ids."""
        asked = ask(world, "alice", "Yes", "No", kind=kind)
        ask(world, "alice", "Red", "No", message_id="q2")
        settle_all(world)
        write(alice, CHOICE.format("id-No") + OLDER)
        (event,) = waiting(world)
        assert (event.kind, event.target) == (EventKind.ANSWER, asked)
        assert (choice_of(event).kind, choice_of(event).option.title) == (kind, "No")

    def test_an_older_question_leaves_the_last_one_open(self, world: World, alice: Client):
        """What is typed next is still an answer to the last."""
        ask(world, "alice", "Yes", "No")
        last = ask(world, "alice", "Red", message_id="q2")
        settle_all(world)
        write(alice, CHOICE.format("id-No") + OLDER)
        write(alice, "<body>1</body>")
        assert [event.target for event in waiting(world)][1] == last

    @pytest.mark.parametrize(
        "content",
        [
            "<body>no question</body>",
            "<interactive xmlns='urn:raftline:business:0' type='cta_url'><url title='A' href='x'/></interactive>",
            "<interactive xmlns='urn:raftline:business:0' type='button'><button title='Red'/></interactive>",
        ],
    )
    def test_a_reply_to_what_asked_nothing(self, world: World, alice: Client, content: str):
        """Then the choice is of the last question, if it has such an option."""
        stanza = f"<message from='{JID}' to='alice@{DOMAIN}' type='chat' id='q1'>{content}</message>".encode()
        send(world, "alice", message_id="q1", stanza=stanza)
        last = ask(world, "alice", "Red", message_id="q2")
        settle_all(world)
        for name in ("id-Red", "id-Blue"):
            write(alice, CHOICE.format(name) + OLDER)
        assert [(event.kind, event.target == last) for event in waiting(world)] == [
            (EventKind.ANSWER, True),
            (EventKind.MESSAGE, False),
        ]

    def test_a_question_of_ones_own(self, world: World, alice: Client):
        """What a person writes is no question of the number's, whatever it says."""
        ask(world, "alice", "Red")
        write(alice, f"<body>x</body>{interactive(1, (Option('id-No', 'No'),))}", message_id="q9")
        settle_all(world)
        write(alice, CHOICE.format("id-No") + OLDER.replace("q1", "q9"))
        assert [event.kind for event in waiting(world)] == [EventKind.MESSAGE]

    def test_an_older_question_that_is_gone(self, world: World, alice: Client):
        """A choice without its question, which no archive has, is the message that it is."""
        asked = ask(world, "alice", "Yes", "No", storage=0)
        ask(world, "alice", "Red", message_id="q2")
        settle_all(world)
        assert world.machine._context.messages.get(asked) is None
        write(alice, CHOICE.format("id-No") + OLDER)
        assert [event.kind for event in waiting(world)] == [EventKind.MESSAGE]

    def test_a_question_is_for_one(self, world: World, alice: Client):
        """Nobody answers what somebody else was asked."""
        ask(world, "bob", "Yes", "No")
        settle_all(world)
        write(alice, "<body>1</body>")
        assert [event.kind for event in waiting(world)] == [EventKind.MESSAGE]


def test_replicas_agree(new_world: Callable[..., World]):
    """The same log gives the same state, events included."""
    worlds = [new_world(), new_world()]
    for made in worlds:
        for localpart in ("alice", "bob"):
            made.account(localpart)
        open_business(made)
        client = made.online("alice", managed=True)
        ask(made, "alice", "Yes", "No")
        write(client, "<body>2</body>")
        write(client, RECEIPT.format("q1"), storage=0)
        settle_all(made)
        send(made, "nobody", message_id="gone")
    worlds[1].machine.commit()
    assert worlds[0].machine.state_hash == worlds[1].machine.state_hash
    assert worlds[0].scrub() == worlds[1].scrub()
