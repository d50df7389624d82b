"""XEP-0359 Unique and Stable Stanza IDs, by section, over the real state machine."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from xmpp_im.conversations import archive, say, take
from xmpp_im.service import Client, Service

ALICE, BOB = "alice@example.org", "bob@example.org"
SID = "{urn:xmpp:sid:0}stanza-id"
ORIGIN = "{urn:xmpp:sid:0}origin-id"
FORGED = "<stanza-id xmlns='urn:xmpp:sid:0' by='{}' id='7-9'/>"


@pytest.fixture
def service() -> Service:
    """A service of two people."""
    return Service("alice", "bob")


@pytest.fixture
def alice(service: Service) -> Client:
    """Alice's phone."""
    return service.bind("alice")


@pytest.fixture
def bob(service: Service) -> Client:
    """Bob's phone, which takes messages."""
    client = service.bind("bob")
    client.write("<presence/>")
    client.take()
    return client


def ids(message: ET.Element) -> list[tuple[str | None, str | None]]:
    """Stanza ids of a message: by whom, and which."""
    return [(found.get("by"), found.get("id")) for found in message.findall(SID)]


class TestSection2:
    """2. Use cases."""

    def test_the_account_gives_the_id(self, alice: Client, bob: Client) -> None:
        """2.1: that of its archive, and the same for each device and each time."""
        say(alice, BOB, "hi")
        [message] = take(bob)
        [(by, stanza_id)] = ids(message)
        assert by == BOB
        assert [stanza_id] == archive(bob).ids == archive(bob).ids

    def test_a_carbon_copy(self, service: Service, alice: Client) -> None:
        """XEP-0313 section 3.5: the copy of a message that was sent has the id of the sender's archive."""
        desk = service.bind("alice", "desk")
        desk.write("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        desk.take()
        say(alice, BOB, "hi")
        [copy] = take(desk)
        message = copy.find(".//{jabber:client}message")
        assert message is not None
        assert ids(message) == [(ALICE, archive(alice).ids[0])]

    def test_origin_ids_stay(self, alice: Client, bob: Client) -> None:
        """2.2: what the client wrote is preserved, wherever the message goes."""
        say(alice, BOB, "hi", inner="<origin-id xmlns='urn:xmpp:sid:0' id='o1'/>")
        [message] = take(bob)
        for found in (message, archive(alice).messages[0], archive(bob).messages[0]):
            assert [origin.get("id") for origin in found.findall(ORIGIN)] == ["o1"]

    def test_a_message_that_is_sent_again(self, alice: Client, bob: Client) -> None:
        """2.2: under the same origin id it is the same message; under another one it is not."""
        for origin_id in ("o1", "o1", "o2"):
            say(alice, BOB, "hi", inner=f"<origin-id xmlns='urn:xmpp:sid:0' id='{origin_id}'/>")
        assert len(take(bob)) == len(archive(bob).ids) == 2


class TestSection3:
    """3. Business rules."""

    @pytest.mark.parametrize("by", [BOB, "BOB@example.org", ALICE, "example.org"])
    def test_forged_ids_go(self, alice: Client, bob: Client, by: str) -> None:
        """Rule 2: also on what stays off the log and gets no id at all."""
        say(alice, BOB, "hi", inner=FORGED.format(by))
        say(alice, BOB, "secret", inner=FORGED.format(by) + "<no-store xmlns='urn:xmpp:hints'/>")
        archived, off_log = take(bob)
        assert ids(archived) == [(BOB, archive(bob).ids[0])]
        assert ids(off_log) == []

    def test_ids_of_others_stay(self, alice: Client, bob: Client) -> None:
        """Rule 3: they are somebody else's to give."""
        say(alice, BOB, "hi", inner=FORGED.format("room@conference.elsewhere.example"))
        [message] = take(bob)
        assert ("room@conference.elsewhere.example", "7-9") in ids(message)

    def test_one_by_each(self, alice: Client, bob: Client) -> None:
        """Rule 4: the recipient's account gives one, and the sender's none that the recipient sees."""
        say(alice, BOB, "hi", inner=FORGED.format(BOB) + FORGED.format(ALICE))
        [message] = take(bob)
        assert [by for by, _ in ids(message)] == [BOB]


def test_section_5_discovering_support(alice: Client) -> None:
    """The account and the server announce that ids by accounts can be trusted."""
    for to in ("example.org", ALICE):
        alice.write(f"<iq to='{to}' type='get' id='d'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        [reply] = take(alice)
        assert "urn:xmpp:sid:0" in {feature.get("var") for feature in reply[0]}
