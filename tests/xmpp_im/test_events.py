"""Events with answers, an extension of our own (docs/events.md), by its sections, on the real state machine."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from raftline.base.limits import EVENT_TEXT_SIZE_MAX
from xmpp_im.conversations import take
from xmpp_im.nodes import INFO, online
from xmpp_im.polls import (
    ALICE,
    BOB,
    EVENT,
    EVENTS,
    answers,
    ask,
    attend,
    counted,
    event,
    news,
    poll,
    reason,
    request,
    send,
)
from xmpp_im.rooms import ROOM, condition, features, iq
from xmpp_im.service import Client, Service

BODY = "{jabber:client}body"
OWN = ""
START = "start='1971-06-01T10:00:00Z'"

pytestmark = pytest.mark.one_process(reason="the clock of the service begins in 1970")


def cancel(client: Client, event_id: str, to: str = ROOM) -> ET.Element:
    """Cancel an event."""
    return request(client, "set", f"<cancel xmlns='{EVENTS}' event='{event_id}'/>", to)


class TestAsking:
    """An event is a message."""

    def test_discovery(self, alice: Client) -> None:
        """Rooms announce it."""
        assert EVENTS in features(iq(alice, "get", f"<query xmlns='{INFO}'/>"))

    def test_in_a_room(self, alice: Client, bob: Client) -> None:
        """Everyone gets it; its id in the archive names it."""
        event_id = ask(alice, event())
        [heard] = take(bob)
        assert heard.findtext(f"{{{EVENTS}}}event/{{{EVENTS}}}title") == "Picnic"
        stands = answers(bob, event_id)
        assert counted(stands) == {"yes": 0, "no": 0, "maybe": 0}
        assert stands.attrib == {"event": event_id, "message": "m1", "state": "open", "people": "0"}
        assert stands.findtext(f"{{{EVENTS}}}title") == "Picnic"

    def test_without_a_text(self, alice: Client, bob: Client) -> None:
        """A message without a text is given one that says what, when and where."""
        inner = f"{EVENT}<place>Park</place><description>Bring cake.</description>"
        send(alice, event(inner, f"{START} end='1971-06-01T12:00:00+01:00'"), body="")
        [heard] = take(bob)
        lines = ["Event: Picnic", "1971-06-01T10:00:00.000Z - 1971-06-01T11:00:00.000Z", "Park", "Bring cake."]
        assert heard.findtext(BODY) == "\n".join(lines)

    @pytest.mark.parametrize(
        ("payload", "expected"),
        [
            (event(attributes=""), ("bad-request", "unreadable")),
            (event(attributes="start='soon'"), ("bad-request", "unreadable")),
            (event(attributes=f"{START} end='1970-12-01T00:00:00Z'"), ("bad-request", "unreadable")),
            (event(attributes="start='1969-12-31T00:00:00Z'"), ("not-acceptable", "bad-end")),
            (event(""), ("bad-request", "no-text")),
            (event(f"{EVENT}<place>a</place><place>b</place>"), ("bad-request", "unreadable")),
            (event(f"{EVENT}<place>{'x' * (EVENT_TEXT_SIZE_MAX + 1)}</place>"), ("policy-violation", "too-long")),
            (event() + poll(), ("bad-request", "")),
        ],
    )
    def test_refused(self, alice: Client, bob: Client, payload: str, expected: tuple[str, str]) -> None:
        """Nobody hears of it, and the sender hears why."""
        [reply] = send(alice, payload)
        assert reason(reply) == expected
        assert take(bob) == []


class TestAnswering:
    """Yes, no or maybe; the last answer before the end counts."""

    def test_in_a_room(self, alice: Client, bob: Client) -> None:
        """Answered, answered anew, taken back."""
        event_id = ask(alice, event())
        for value in ("maybe", "yes"):
            assert attend(bob, event_id, value).get("type") == "result"
        attend(alice, event_id, "no")
        stands = answers(bob, event_id, attributes="people='true'")
        assert counted(stands) == {"yes": 1, "no": 1, "maybe": 0}
        chosen = [shown.get("value") for shown in stands.findall(f"{{{EVENTS}}}answer") if shown.get("chosen")]
        assert chosen == ["yes"]
        people = stands.findall(f"{{{EVENTS}}}person")
        assert sorted(person.get("value", "") for person in people) == ["no", "yes"]
        attend(bob, event_id, "")
        assert counted(answers(alice, event_id)) == {"yes": 0, "no": 1, "maybe": 0}

    def test_in_a_chat(self, service: Service, phone: Client) -> None:
        """By either side, at the own account; listed there."""
        bob = online(service, "bob")
        event_id = ask(phone, event(), BOB)
        attend(bob, event_id, "yes", OWN)
        assert counted(answers(phone, event_id, OWN))["yes"] == 1
        reply = request(bob, "get", f"<events xmlns='{EVENTS}' with='{ALICE}'/>", OWN)
        assert [shown.get("event") for shown in reply[0].findall(f"{{{EVENTS}}}answers")] == [event_id]

    def test_no_such_answer(self, alice: Client) -> None:
        """There are three."""
        event_id = ask(alice, event())
        assert reason(attend(alice, event_id, "perhaps")) == ("item-not-found", "unknown-option")

    def test_a_poll_is_none(self, alice: Client) -> None:
        """What is a poll is not found among events."""
        reply = request(alice, "get", f"<answers xmlns='{EVENTS}' event='{ask(alice, poll())}'/>")
        assert condition(reply) == ("item-not-found", "cancel")


class TestEnd:
    """Cancelled by hand, over by its time."""

    def test_cancelled(self, alice: Client, bob: Client) -> None:
        """By who asked, or a moderator; everyone is told, in words as well."""
        event_id = ask(bob, event())
        attend(bob, event_id, "yes")
        assert cancel(alice, event_id).get("type") == "result"
        [told] = news(bob, "answers", EVENTS)
        assert told.findtext(BODY) == "Event cancelled: Picnic\nyes: 1\nno: 0\nmaybe: 0"
        assert answers(bob, event_id).get("state") == "cancelled"
        assert reason(attend(bob, event_id, "no")) == ("not-allowed", "closed")
        assert condition(cancel(bob, ask(alice, event()))) == (
            "forbidden",
            "auth",
        )

    def test_over(self, service: Service, alice: Client, bob: Client) -> None:
        """At its end answers are taken no longer; without an end, at its start."""
        start, end = "1970-01-01T01:00:00Z", "1970-01-01T02:00:00Z"
        short = ask(alice, event(attributes=f"start='{start}'"))
        long = ask(alice, event(attributes=f"start='{start}' end='{end}'"))
        service.pass_time(3600)
        assert reason(attend(bob, short, "yes")) == ("not-allowed", "closed")
        assert attend(bob, long, "yes").get("type") == "result"
        service.pass_time(3600)
        assert answers(bob, long).get("state") == "over"
        assert counted(answers(bob, long))["yes"] == 1
