"""XEP-0080 User Location: in messages, and live at a node of the account, on the real state machine."""

from __future__ import annotations

import pytest

from raftline.base.limits import LOCATION_INTERVAL_MIN_MS
from xmpp_im.conversations import archive, say
from xmpp_im.nodes import condition, events, friend_of, items, online, options, publish, told
from xmpp_im.service import Client, Service

ALICE = "alice@example.org"
BOB = "bob@example.org"
NODE = "http://jabber.org/protocol/geoloc"
HERE = f"<geoloc xmlns='{NODE}'><lat>{{}}</lat><lon>12.33</lon></geoloc>"
END = f"<geoloc xmlns='{NODE}'/>"
HOUR_S = 3600


@pytest.fixture
def alice(service: Service) -> Client:
    return online(service, "alice")


@pytest.fixture
def friend(service: Service, alice: Client) -> Client:
    """Bob, who sees Alice and wants to know where she is."""
    return friend_of(service, alice, NODE)


class TestSection3:
    """3: what a location is."""

    @pytest.mark.parametrize("latitude", ["90", "-90", "+45.44", ".5", "5.", " 1 ", "-0.0"])
    def test_on_earth(self, alice: Client, latitude: str) -> None:
        """Every way to write a decimal number, up to the poles."""
        assert condition(publish(alice, NODE, HERE.format(latitude))) == ()

    @pytest.mark.parametrize("latitude", ["90.01", "-91", "north", "", "1e1", "nan", "1,5", "0x1", "--1", "."])
    def test_malformed_coordinates(self, alice: Client, friend: Client, latitude: str) -> None:
        """They are refused and told to nobody."""
        assert condition(publish(alice, NODE, HERE.format(latitude))) == ("bad-request", "invalid-payload", "modify")
        assert told(friend) == []

    @pytest.mark.parametrize(("longitude", "is_good"), [("180", True), ("-180", True), ("180.5", False), ("x", False)])
    def test_longitude(self, alice: Client, longitude: str, *, is_good: bool) -> None:
        """It goes twice as far."""
        payload = f"<geoloc xmlns='{NODE}'><lon>{longitude}</lon></geoloc>"
        assert (condition(publish(alice, NODE, payload)) == ()) is is_good

    def test_without_coordinates(self, alice: Client) -> None:
        """All that describes a place is optional."""
        assert condition(publish(alice, NODE, f"<geoloc xmlns='{NODE}'><country>Italy</country></geoloc>")) == ()

    def test_something_else(self, alice: Client) -> None:
        """Nothing but locations is published as one."""
        refused = condition(publish(alice, NODE, "<a xmlns='urn:other'/>"))
        assert refused == ("bad-request", "invalid-payload", "modify")


class TestSection4Messages:
    """4: a location in a message."""

    @pytest.mark.parametrize("fallback", ["", "<body>geo:45.44,12.33</body>"])
    def test_it_is_content(self, service: Service, alice: Client, fallback: str) -> None:
        """Archived on both sides and copied to other devices, with the text for older clients or without."""
        desk, bob = online(service, "alice", "desk"), online(service, "bob")
        desk.write("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        desk.take()
        alice.write(f"<message to='{BOB}' type='chat'>{fallback}{HERE.format(45.44)}</message>")
        [copy] = desk.take()
        assert b"urn:xmpp:carbons:2" in copy
        assert b"45.44" in copy
        for client in (alice, bob):
            [message] = archive(client).messages
            assert message.findtext(f"{{{NODE}}}geoloc/{{{NODE}}}lat") == "45.44"


@pytest.mark.one_process(reason="time is made to pass")
class TestSection41:
    """4.1: live, by personal eventing."""

    def test_start_updates_and_end(self, alice: Client, friend: Client) -> None:
        """Contacts hear of each update and of the end, which is an empty location; the latest one alone is kept."""
        for latitude in (45.44, 45.45):
            assert condition(publish(alice, NODE, HERE.format(latitude), item_id="current")) == ()
        assert told(friend) == [(ALICE, NODE, "item", "45.4412.33"), (ALICE, NODE, "item", "45.4512.33")]
        assert items(friend, NODE, to=ALICE) == [("current", "45.4512.33")]
        publish(alice, NODE, END, item_id="current")
        [message] = events(friend)
        assert len(message[0][0][0][0]) == 0
        assert items(friend, NODE, to=ALICE) == [("current", "")]

    def test_gone_after_expiry(self, service: Service, alice: Client, friend: Client) -> None:
        """A device that falls silent is seen no longer; each update gives it its time anew."""
        expiring = options(item_expire=str(HOUR_S))
        publish(alice, NODE, HERE.format(1), item_id="current", extra=expiring)
        service.pass_time(HOUR_S - 60)
        publish(alice, NODE, HERE.format(2), item_id="current", extra=expiring)
        service.pass_time(HOUR_S - 60)
        assert items(friend, NODE, to=ALICE) == [("current", "212.33")]
        friend.take()
        service.pass_time(60)
        assert items(friend, NODE, to=ALICE) == []
        assert told(friend) == [(ALICE, NODE, "retract", "current")]


@pytest.mark.one_process(reason="time is made to pass")
class TestSection5:
    """5: updates are limited by rate."""

    def at_once(self, service: Service, client: Client, *payloads: str) -> list[tuple[str, ...]]:
        """Publish several times with less than the interval between each and the first."""
        assert LOCATION_INTERVAL_MIN_MS == 1000
        found = []
        for number, payload in enumerate(payloads):
            if number:
                service.hurry(999 if number == 1 else 1000)
            found.append(condition(publish(client, NODE, payload, item_id="current")))
        return found

    def test_too_soon(self, service: Service, alice: Client, friend: Client) -> None:
        """An update within the interval is to be tried again; nobody hears of it, and the one before stays."""
        assert self.at_once(service, alice, HERE.format(1), HERE.format(2)) == [(), ("resource-constraint", "wait")]
        assert [entry[3] for entry in told(friend)] == ["112.33"]
        assert items(friend, NODE, to=ALICE) == [("current", "112.33")]

    def test_in_time(self, alice: Client) -> None:
        """One interval later it is taken: here a second passes with each command."""
        assert [condition(publish(alice, NODE, HERE.format(number))) for number in range(3)] == [(), (), ()]

    def test_an_end_is_always_taken(self, service: Service, alice: Client, friend: Client) -> None:
        """Who wants to be seen no longer is not told to wait."""
        assert self.at_once(service, alice, HERE.format(1), END) == [(), ()]
        assert items(friend, NODE, to=ALICE) == [("current", "")]

    def test_others_are_not_concerned(self, service: Service, alice: Client, friend: Client) -> None:
        """Neither another account nor another node."""
        publish(alice, NODE, HERE.format(1))
        service.hurry(999)
        assert condition(publish(friend, NODE, HERE.format(1))) == ()
        assert condition(publish(alice, "urn:other", "<a xmlns='urn:other'/>")) == ()

    def test_a_message_is_no_update(self, service: Service, alice: Client, friend: Client) -> None:
        """Locations in messages are as many as messages."""
        for number in range(3):
            service.hurry(1000)
            say(alice, BOB, f"geo:{number},0", inner=HERE.format(number))
        assert len(archive(friend).texts) == 3
