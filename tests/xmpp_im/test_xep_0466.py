"""XEP-0466 Ephemeral Messages, by section, over the real state machine."""

from __future__ import annotations

import pytest

from raftline.base.limits import EPHEMERAL_TIMER_S_MAX, EPHEMERAL_TIMER_S_MIN
from xmpp_im.conversations import BODY, archive, error_of, say, take
from xmpp_im.rooms import INFO, ROOM, iq, join, make_room, owner_form
from xmpp_im.rooms import say as speak
from xmpp_im.service import Client, Service

pytestmark = pytest.mark.one_process(reason="time is made to pass")

ALICE = "alice@example.org"
BOB = "bob@example.org"
EPHEMERAL = "urn:xmpp:ephemeral:0"
SECRET = "the secret"
WEEK_S = 604_800
TIMER_FIELD = "{urn:raftline:rooms}message_timer"


@pytest.fixture
def service() -> Service:
    """A service of three people."""
    return Service("alice", "bob", "carol")


def element(timer: object = WEEK_S) -> str:
    """Write the element of section 3.2."""
    return f"<ephemeral xmlns='{EPHEMERAL}' timer='{timer}'/>"


def holds(service: Service, text: str = SECRET) -> bool:
    """Whether any stored message has this text."""
    service.machine.commit()
    sql = "SELECT count(*) FROM message WHERE instr(stanza, ?)"
    return bool(service.machine._database.execute(sql, (text.encode(),)).fetchone()[0])


class TestSection31:
    """3.1 Advertising support."""

    def test_feature(self, service: Service) -> None:
        """The server says that it discards; an account does not, since its clients say that each for itself."""
        alice = service.bind("alice")
        features = []
        for to in ("example.org", ALICE):
            alice.write(f"<iq to='{to}' type='get' id='d'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
            [reply] = take(alice)
            features.append({feature.get("var") for feature in reply[0]})
        assert [EPHEMERAL in found for found in features] == [True, False]


class TestSection32:
    """3.2 Sending an ephemeral message."""

    def test_it_is_delivered_as_it_is(self, service: Service) -> None:
        """The recipient and the sender's other device learn the timer."""
        alice, bob = service.bind("alice"), service.bind("bob")
        bob.write("<presence/>")
        say(alice, BOB, SECRET, inner=element())
        [message] = [each for each in take(bob) if each.tag.endswith("}message")]
        assert message.findtext(BODY) == SECRET
        found = message.find(f"{{{EPHEMERAL}}}ephemeral")
        assert found is not None
        assert found.get("timer") == str(WEEK_S)

    def test_it_is_discarded(self, service: Service) -> None:
        """From both archives, to the second; its place, addresses, type and id stay, and the timer as the reason."""
        alice, bob = service.bind("alice"), service.bind("bob")
        say(alice, BOB, SECRET, "m1", element(60))
        say(alice, BOB, "stays", "m2")
        service.pass_time(57)
        assert archive(bob).texts == [SECRET, "stays"]
        service.pass_time(1)
        for client in (alice, bob):
            page = archive(client)
            assert page.texts == [None, "stays"]
            remains = page.messages[0]
            assert remains.attrib == {"from": f"{ALICE}/phone", "to": BOB, "type": "chat", "id": "m1"}
            assert [(child.tag, child.attrib) for child in remains] == [(f"{{{EPHEMERAL}}}ephemeral", {"timer": "60"})]
        assert not holds(service)

    def test_who_was_away(self, service: Service) -> None:
        """What waited offline is gone as well; the device is told that something was there."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, inner=element(60))
        service.pass_time(60)
        bob = service.bind("bob")
        bob.write("<presence/>")
        [message] = [each for each in take(bob) if each.tag.endswith("}message")]
        assert message.findtext(BODY) is None
        assert message.find(f"{{{EPHEMERAL}}}ephemeral") is not None

    @pytest.mark.parametrize("hint", ["no-permanent-store", "store", "no-copy"])
    def test_with_hints(self, service: Service, hint: str) -> None:
        """Whatever was kept, and where, it goes."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, inner=f"{element(60)}<{hint} xmlns='urn:xmpp:hints'/>")
        assert holds(service)
        service.pass_time(60)
        assert not holds(service)

    def test_off_the_record(self, service: Service) -> None:
        """What may not be stored is not, with or without a time."""
        alice, bob = service.bind("alice"), service.bind("bob")
        bob.write("<presence/>")
        say(alice, BOB, SECRET, inner=f"{element(60)}<no-store xmlns='urn:xmpp:hints'/>")
        assert SECRET in [message.findtext(BODY) for message in take(bob)]
        assert not holds(service)

    def test_notes_to_oneself(self, service: Service) -> None:
        """They disappear too."""
        alice = service.bind("alice")
        say(alice, ALICE, SECRET, inner=element(60))
        service.pass_time(60)
        assert archive(alice).texts == [None]

    @pytest.mark.parametrize(
        "timer", ["", "x", "-1", "1.5", "1 0", "4294967296", "99999999999999", "0x10", "\u0661", "+-1"]
    )
    def test_what_is_no_number(self, service: Service, timer: str) -> None:
        """It is refused and not sent without a time: nothing is kept that was to go."""
        alice = service.bind("alice")
        for inner in (element(timer), f"{element(timer)}<no-store xmlns='urn:xmpp:hints'/>"):
            say(alice, BOB, SECRET, inner=inner)
            assert error_of(alice) == "bad-request"
        assert not holds(service)

    def test_without_a_timer(self, service: Service) -> None:
        """The attribute is needed."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, inner=f"<ephemeral xmlns='{EPHEMERAL}'/>")
        assert error_of(alice) == "bad-request"

    def test_two_that_differ(self, service: Service) -> None:
        """Nobody could say which one counts; the same twice is one."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, inner=element(60) + element(61))
        assert error_of(alice) == "bad-request"
        say(alice, BOB, SECRET, inner=element(60) + element(60))
        service.pass_time(60)
        assert archive(alice).texts == [None]

    @pytest.mark.parametrize("timer", [EPHEMERAL_TIMER_S_MIN - 1, EPHEMERAL_TIMER_S_MAX + 1, (1 << 32) - 1])
    def test_too_short_and_too_long(self, service: Service, timer: int) -> None:
        """A time that is a number and cannot be kept is against the server's policy."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, inner=element(timer))
        assert error_of(alice) == "policy-violation"
        assert not holds(service)

    @pytest.mark.parametrize("timer", [EPHEMERAL_TIMER_S_MIN, EPHEMERAL_TIMER_S_MAX, " +0060\n"])
    def test_shortest_longest_and_odd(self, service: Service, timer: object) -> None:
        """The bounds themselves are taken, and so is every way to write an unsigned integer."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, inner=element(timer))
        assert archive(alice).texts == [SECRET]
        service.pass_time(EPHEMERAL_TIMER_S_MAX)
        assert not holds(service)

    def test_errors_are_not_answered(self, service: Service) -> None:
        """A message that comes back with what it carried is handed on, whatever that was."""
        alice, bob = service.bind("alice"), service.bind("bob")
        bob.write("<presence/>")
        bob.take()
        inner = f"{element('x')}<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        alice.write(f"<message to='{bob.jid}' type='error' id='e'>{inner}</message>")
        assert [message.get("type") for message in take(bob)] == ["error"]
        assert take(alice) == []

    def test_a_chat_state(self, service: Service) -> None:
        """Who is typing stays off the log, though the client gives all it sends a time."""
        alice, bob = service.bind("alice"), service.bind("bob")
        bob.write("<presence/>")
        bob.take()
        composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
        alice.write(f"<message to='{BOB}' type='chat'>{composing}{element(60)}</message>")
        assert [message.find(f"{{{EPHEMERAL}}}ephemeral") is not None for message in take(bob)] == [True]
        assert not holds(service, "composing")

    def test_of_another_namespace(self, service: Service) -> None:
        """What is only called so means nothing."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, inner="<ephemeral xmlns='urn:other' timer='1'/>")
        service.pass_time(60)
        assert archive(alice).texts == [SECRET]


class TestSection32InRooms:
    """3.2: messages in groups are sent as they are there."""

    @pytest.fixture
    def alice(self, service: Service) -> Client:
        """The owner of a room."""
        return service.bind("alice")

    def test_to_all(self, service: Service, alice: Client) -> None:
        """The room's archive discards; whoever enters later is shown that something was there."""
        make_room(alice)
        speak(alice, SECRET, extra=element(60))
        service.pass_time(60)
        bob = service.bind("bob")
        shown = [each for each in join(bob, "bob") if each.find(f"{{{EPHEMERAL}}}ephemeral") is not None]
        assert [(each.get("from"), each.findtext(BODY)) for each in shown] == [(f"{ROOM}/owner", None)]
        assert shown[0].find("{urn:xmpp:occupant-id:0}occupant-id") is not None
        assert not holds(service)

    @pytest.mark.parametrize(
        ("timer", "condition"),
        [("x", "bad-request"), (0, "policy-violation"), (EPHEMERAL_TIMER_S_MAX + 1, "policy-violation")],
    )
    @pytest.mark.parametrize("to", [ROOM, f"{ROOM}/owner"])
    def test_bad_timers(self, service: Service, alice: Client, to: str, timer: object, condition: str) -> None:
        """As between accounts, to all and to one."""
        make_room(alice)
        say(alice, to, SECRET, inner=element(timer), kind="groupchat" if to == ROOM else "chat")
        assert error_of(alice) == condition
        assert not holds(service)

    def test_a_subject(self, service: Service, alice: Client) -> None:
        """A subject stays until there is another, so one with a time is refused."""
        make_room(alice)
        alice.write(f"<message to='{ROOM}' type='groupchat' id='s'><subject>x</subject>{element(60)}</message>")
        assert error_of(alice) == "not-acceptable"

    def test_the_room_sets_a_time(self, service: Service, alice: Client) -> None:
        """It is shown in the form, given to what is said without one, and can be taken away again."""
        make_room(alice, "owner", (TIMER_FIELD, "60"))
        form = iq(alice, "get", owner_form())
        fields = {field.get("var"): "".join(field.itertext()) for field in form.iter("{jabber:x:data}field")}
        assert fields[TIMER_FIELD] == "60"
        found = speak(alice, SECRET).find(f"{{{EPHEMERAL}}}ephemeral")
        assert found is not None
        assert found.get("timer") == "60"
        service.pass_time(60)
        assert not holds(service)
        assert iq(alice, "set", owner_form((TIMER_FIELD, ""))).get("type") == "result"
        assert speak(alice, SECRET).find(f"{{{EPHEMERAL}}}ephemeral") is None

    def test_what_a_room_says_of_itself(self, alice: Client) -> None:
        """That it discards, and after which time if it sets one."""
        make_room(alice, "owner", (TIMER_FIELD, "60"))
        for value in ("60", None):
            answer = iq(alice, "get", f"<query xmlns='{INFO}'/>")
            assert EPHEMERAL in {feature.get("var") for feature in answer.iter(f"{{{INFO}}}feature")}
            fields = {field.get("var"): "".join(field.itertext()) for field in answer.iter("{jabber:x:data}field")}
            assert fields.get(TIMER_FIELD) == value
            iq(alice, "set", owner_form((TIMER_FIELD, "")))

    @pytest.mark.parametrize("value", ["x", "-1", str(EPHEMERAL_TIMER_S_MAX + 1), "9999999999"])
    def test_what_no_room_can_have(self, service: Service, alice: Client, value: str) -> None:
        """The form is refused as a whole."""
        make_room(alice)
        reply = iq(alice, "set", owner_form((TIMER_FIELD, value)))
        assert reply.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}not-acceptable") is not None

    def test_the_longest_of_a_room(self, service: Service, alice: Client) -> None:
        """The bound itself is taken."""
        make_room(alice, "owner", (TIMER_FIELD, str(EPHEMERAL_TIMER_S_MAX)))
        assert speak(alice, SECRET).find(f"{{{EPHEMERAL}}}ephemeral") is not None


class TestSection34:
    """3.4 Implicit timer negotiation."""

    def test_a_message_without_text(self, service: Service) -> None:
        """With a `store` hint it is archived, so that a device that comes back learns of the timer, also later on."""
        alice, bob = service.bind("alice"), service.bind("bob")
        alice.write(f"<message to='{BOB}' type='chat'>{element(60)}<store xmlns='urn:xmpp:hints'/></message>")
        for _ in range(2):
            [message] = archive(bob).messages
            found = message.find(f"{{{EPHEMERAL}}}ephemeral")
            assert found is not None
            assert found.get("timer") == "60"
            service.pass_time(60)


class TestSection35:
    """3.5 Opting out."""

    def test_no_setting_is_kept(self, service: Service) -> None:
        """What is sent without a timer stays, whatever the messages before it said."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, inner=element(60))
        say(alice, BOB, "stays", inner="<i-want-out/>")
        service.pass_time(60)
        assert archive(alice).texts == [None, "stays"]


class TestSection5:
    """5. Business rules."""

    def test_a_timer_cannot_be_changed(self, service: Service) -> None:
        """A correction has its own; the message it corrects keeps what it was sent with."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, "m1", element(60))
        say(alice, BOB, "corrected", "m2", f"<replace xmlns='urn:xmpp:message-correct:0' id='m1'/>{element(600)}")
        service.pass_time(60)
        assert archive(alice).texts == [None, "corrected"]

    def test_unread(self, service: Service) -> None:
        """Time counts from when the server took the message, read or not: what is read it does not see."""
        alice, bob = service.bind("alice"), service.bind("bob")
        say(alice, BOB, SECRET, inner=element(60))
        service.pass_time(60)
        assert archive(bob).texts == [None]
