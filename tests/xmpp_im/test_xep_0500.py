"""XEP-0500 MUC Slow Mode, over the real state machine; times to the millisecond are in machine/test_room_pace.py."""

from __future__ import annotations

import pytest

from raftline.base.limits import SLOW_MODE_S_MAX
from xmpp_im.rooms import (
    CLIENT,
    DATA,
    ERRORS,
    INFO,
    MUC,
    ROOM,
    codes,
    condition,
    form_values,
    iq,
    join,
    make_room,
    one,
    owner_form,
    take,
)
from xmpp_im.service import Client, Service

CONFIG, TOLD = "muc#roomconfig_slow_mode_duration", "muc#roominfo_slow_mode_duration"
VALIDATE = "{http://jabber.org/protocol/xdata-validate}"
PACE_S = 600


@pytest.fixture
def service() -> Service:
    return Service("alice", "bob")


@pytest.fixture
def alice(service: Service) -> Client:
    client = service.bind("alice")
    make_room(client, "alice", (CONFIG, str(PACE_S)), ("muc#roomconfig_persistentroom", "1"))
    return client


@pytest.fixture
def bob(service: Service, alice: Client) -> Client:
    client = service.bind("bob")
    join(client, "bob")
    take(alice)
    return client


def say(client: Client, inside: str) -> None:
    client.write(f"<message to='{ROOM}' type='groupchat' id='m'>{inside}</message>")


class TestSection51Configuration:
    """Section 5.1: the room's form."""

    def test_the_field(self, alice: Client) -> None:
        """It holds one text, which clients check to be a number from 0 on."""
        form = iq(alice, "get", f"<query xmlns='{MUC}#owner'/>")
        [field] = [field for field in form.iter(f"{DATA}field") if field.get("var") == CONFIG]
        assert field.get("type") == "text-single"
        assert field.findtext(f"{DATA}value") == str(PACE_S)
        validate = field.find(f"{VALIDATE}validate")
        assert validate is not None
        assert validate.get("datatype") == "xs:integer"
        assert validate[0].attrib == {"min": "0", "max": str(SLOW_MODE_S_MAX)}

    @pytest.mark.parametrize(
        ("value", "is_good"),
        [
            ("0", True),
            ("1", True),
            (str(SLOW_MODE_S_MAX), True),
            (str(SLOW_MODE_S_MAX + 1), False),
            ("-1", False),
            ("9" * 30, False),
            ("soon", False),
        ],
    )
    def test_values(self, alice: Client, value: str, is_good: bool) -> None:
        """What is no such number, or too large, is not-acceptable and changes nothing."""
        answer = iq(alice, "set", owner_form((CONFIG, value)))
        assert answer.get("type") == ("result" if is_good else "error")
        told = form_values(iq(alice, "get", f"<query xmlns='{INFO}'/>"))[TOLD]
        assert told == [value if is_good else str(PACE_S)]

    def test_a_change_is_told(self, alice: Client, bob: Client) -> None:
        """Status 104 to all."""
        iq(alice, "set", owner_form((CONFIG, "7")))
        assert codes(one(bob)) == {104}


class TestSection52Discovery:
    """Section 5.2: anyone finds it."""

    def test_the_field(self, service: Service, alice: Client) -> None:
        """In seconds; 0 where nobody waits."""
        asked = f"<query xmlns='{INFO}'/>"
        assert form_values(iq(service.bind("bob"), "get", asked))[TOLD] == [str(PACE_S)]
        iq(alice, "set", owner_form((CONFIG, "0")))
        assert form_values(iq(alice, "get", asked))[TOLD] == ["0"]


class TestSection6Limiting:
    """Section 6: what the room refuses."""

    def test_too_soon(self, service: Service, alice: Client, bob: Client) -> None:
        """`policy-violation` of type `wait`, with the time in the text and, for programs, what is left of it."""
        say(bob, "<body>one</body>")
        for client in (alice, bob):
            assert one(client).findtext(f"{CLIENT}body") == "one"
        say(bob, "<body>two</body>")
        refused = one(bob)
        assert condition(refused) == ("policy-violation", "wait")
        assert f"{PACE_S} seconds" in (refused.findtext(f"{CLIENT}error/{ERRORS}text") or "")
        left = refused.find(f"{CLIENT}error/{{urn:raftline:rooms:0}}slow-mode")
        assert left is not None
        assert 0 < int(left.get("remaining", "")) <= PACE_S
        assert take(alice) == []

    @pytest.mark.one_process(reason="time passes at will")
    def test_in_turn(self, service: Service, bob: Client) -> None:
        """After the time the next one is taken."""
        say(bob, "<body>one</body>")
        service.pass_time(PACE_S)
        take(bob)
        say(bob, "<body>two</body>")
        assert one(bob).findtext(f"{CLIENT}body") == "two"

    def test_what_counts(self, alice: Client, bob: Client) -> None:
        """Chat states and markers go on between two messages."""
        say(bob, "<body>one</body>")
        take(alice)
        say(bob, "<composing xmlns='http://jabber.org/protocol/chatstates'/>")
        say(bob, "<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>")
        assert [stanza.get("type") for stanza in take(alice)] == ["groupchat", "groupchat"]

    def test_admins(self, alice: Client, bob: Client) -> None:
        """Owners say what they like."""
        for text in ("one", "two"):
            say(alice, f"<body>{text}</body>")
        assert [stanza.findtext(f"{CLIENT}body") for stanza in take(bob)] == ["one", "two"]
