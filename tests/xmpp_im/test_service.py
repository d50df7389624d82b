"""Conversations of several clients through handlers, state machine and rendering."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from xmpp_im.playbook import tree
from xmpp_im.service import Client, Service

BODY = "{jabber:client}body"
SID = "{urn:xmpp:sid:0}stanza-id"
DELAY = "{urn:xmpp:delay}delay"
MAM = "{urn:xmpp:mam:2}"
RSM = "{http://jabber.org/protocol/rsm}"
ITEM = "{jabber:iq:roster}item"
CHAT = "<message to='{}' type='chat' id='{}'><body>{}</body></message>"


@pytest.fixture
def service() -> Service:
    """Alice, Bob and Carol have accounts."""
    return Service("alice", "bob", "carol")


def trees(client: Client) -> list[ET.Element]:
    """What a client was sent since the last time."""
    return [tree(data) for data in client.take()]


def bodies(client: Client) -> list[str | None]:
    """Texts of the messages among it."""
    return [message.findtext(BODY) for message in trees(client) if message.find(BODY) is not None]


def befriend(one: Client, other: Client) -> None:
    """Subscribe both ways."""
    for asks, answers in ((one, other), (other, one)):
        asks.write(f"<presence to='{answers.jid.bare}' type='subscribe'/>")
        answers.write(f"<presence to='{asks.jid.bare}' type='subscribed'/>")


def history(client: Client, inner: str = "") -> tuple[list[str], list[str | None], ET.Element]:
    """Query the archive: ids and texts of the results, and the summary."""
    client.take()
    client.write(f"<iq type='set' id='h'><query xmlns='urn:xmpp:mam:2'>{inner}</query></iq>")
    *messages, reply = trees(client)
    assert reply.get("type") == "result", ET.tostring(reply)
    results = [message.find(f"{MAM}result") for message in messages]
    ids = [result.get("id", "") for result in results if result is not None]
    return ids, [message.findtext(f".//{BODY}") for message in messages], reply[0]


def test_a_message_bears_its_archive_id(service: Service) -> None:
    """What Bob receives has the id under which both find it in their archives; Alice's copy is the same message."""
    alice, bob = service.bind("alice"), service.bind("bob")
    bob.write("<presence/>")
    bob.take()
    alice.write(CHAT.format("bob@example.org", "m1", "hi"))
    [message] = trees(bob)
    stanza_id = message.find(SID)
    assert message.attrib == {
        "from": "alice@example.org/phone",
        "to": "bob@example.org",
        "type": "chat",
        "id": "m1",
    }
    assert stanza_id is not None
    assert stanza_id.get("by") == "bob@example.org"
    for client in (alice, bob):
        ids, texts, _ = history(client)
        assert (ids, texts) == ([stanza_id.get("id")], ["hi"])


def test_offline_messages_come_late_in_order(service: Service) -> None:
    """Bob comes back and gets what waited, with its time and ids; a chat state did not wait."""
    alice = service.bind("alice")
    for number in (1, 2, 3):
        alice.write(CHAT.format("bob@example.org", f"m{number}", f"text {number}"))
        alice.write(
            "<message to='bob@example.org' type='chat'>"
            "<composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
        )
    assert alice.take() == []
    bob = service.bind("bob")
    bob.write("<presence/>")
    messages = [message for message in trees(bob) if message.tag == "{jabber:client}message"]
    assert [message.findtext(BODY) for message in messages] == ["text 1", "text 2", "text 3"]
    stamps = [delay.get("stamp", "") for message in messages if (delay := message.find(DELAY)) is not None]
    assert len(stamps) == 3
    assert stamps == sorted(stamps)
    found = [identity.get("id") for message in messages if (identity := message.find(SID)) is not None]
    assert found == history(bob)[0]
    bob.end()
    again = service.bind("bob")
    again.write("<presence/>")
    assert bodies(again) == []


def test_bounces(service: Service) -> None:
    """A message to nobody comes back as an error under its id."""
    alice = service.bind("alice")
    alice.write(CHAT.format("nobody@example.org", "m1", "hi"))
    [error] = trees(alice)
    assert error.attrib == {
        "from": "nobody@example.org",
        "to": "alice@example.org/phone",
        "type": "error",
        "id": "m1",
    }
    assert error.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}service-unavailable") is not None


def test_an_origin_id_counts_once(service: Service) -> None:
    """The same message under the same origin id arrives once, also from another session; another text is another."""
    alice, bob = service.bind("alice"), service.bind("bob")
    bob.write("<presence/>")
    bob.take()
    text = (
        "<message to='bob@example.org' type='chat'><body>{}</body><origin-id xmlns='urn:xmpp:sid:0' id='o'/></message>"
    )
    alice.write(text.format("hi"))
    alice.write(text.format("hi"))
    service.bind("alice", "desk").write(text.format("hi"))
    alice.write(text.format("ho"))
    assert bodies(bob) == ["hi", "ho"]
    assert history(alice)[1] == ["hi", "ho"]


def test_a_forged_id_does_not_arrive(service: Service) -> None:
    """Bob sees one stanza id by himself: the true one."""
    alice, bob = service.bind("alice"), service.bind("bob")
    bob.write("<presence/>")
    bob.take()
    alice.write(
        "<message to='bob@example.org'><body>hi</body>"
        "<stanza-id xmlns='urn:xmpp:sid:0' by='bob@example.org' id='7-1'/></message>"
    )
    [message] = trees(bob)
    assert len(message.findall(SID)) == 1
    assert [element.get("id") for element in message.findall(SID)] == history(bob)[0]


def test_what_may_not_be_stored_leaves_no_trace(service: Service) -> None:
    """It reaches who is there and is in no archive."""
    alice, bob = service.bind("alice"), service.bind("bob")
    bob.write("<presence/>")
    bob.take()
    alice.write("<message to='bob@example.org'><body>psst</body><no-store xmlns='urn:xmpp:hints'/></message>")
    assert bodies(bob) == ["psst"]
    assert history(alice)[0] == history(bob)[0] == []


def test_subscriptions_and_presence(service: Service) -> None:
    """Two people subscribe, and then see each other come, change and go; each stanza is well-formed and addressed."""
    alice, bob = service.bind("alice"), service.bind("bob")
    for client in (alice, bob):
        client.write("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        client.write("<presence/>")
        client.take()
    alice.write("<presence to='bob@example.org/phone' type='subscribe' id='s'><status>it's me</status></presence>")
    [request] = trees(bob)
    assert request.attrib == {"from": "alice@example.org", "to": "bob@example.org", "type": "subscribe", "id": "s"}
    [push] = trees(alice)
    item = push.find(f".//{ITEM}")
    assert item is not None
    assert item.attrib == {"jid": "bob@example.org", "subscription": "none", "ask": "subscribe"}
    bob.write("<presence to='alice@example.org' type='subscribed'/>")
    received = trees(alice)
    kinds = [(stanza.get("type"), stanza.get("from")) for stanza in received if "presence" in stanza.tag]
    assert ("subscribed", "bob@example.org") in kinds
    assert (None, "bob@example.org/phone") in kinds
    assert all(stanza.get("to") in {"alice@example.org", "alice@example.org/phone"} for stanza in received)
    alice.take()
    bob.write("<presence><show>away</show></presence>")
    [away] = trees(alice)
    assert (away.get("from"), away.findtext("{jabber:client}show")) == ("bob@example.org/phone", "away")
    bob.end()
    [gone] = trees(alice)
    assert gone.attrib == {"from": "bob@example.org/phone", "to": "alice@example.org", "type": "unavailable"}


def test_a_late_request_is_shown_again(service: Service) -> None:
    """A subscription request that waited is delivered as it was sent."""
    service.bind("alice").write("<presence to='bob@example.org' type='subscribe'/>")
    bob = service.bind("bob")
    bob.write("<presence/>")
    assert ("subscribe", "alice@example.org", "bob@example.org") in [
        (stanza.get("type"), stanza.get("from"), stanza.get("to")) for stanza in trees(bob)
    ]


def test_the_roster(service: Service) -> None:
    """Set, push, get, remove; interest brings pushes to other devices, and no interest none."""
    phone, desk, tv = service.bind("alice"), service.bind("alice", "desk"), service.bind("alice", "tv")
    for client in (phone, desk):
        client.write("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        assert [reply.get("type") for reply in trees(client)] == ["result"]
    phone.write(
        "<iq type='set' id='s'><query xmlns='jabber:iq:roster'>"
        "<item jid='bob@example.org' name='Bob'><group>Friends</group></item></query></iq>"
    )
    assert sorted((stanza.get("type"), stanza.get("id") == "s") for stanza in trees(phone)) == [
        ("result", True),
        ("set", False),
    ]
    [push] = trees(desk)
    assert push.attrib["to"] == "alice@example.org/desk"
    assert trees(tv) == []
    tv.write("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    [reply] = trees(tv)
    item = reply.find(f".//{ITEM}")
    assert item is not None
    assert item.attrib == {"jid": "bob@example.org", "name": "Bob", "subscription": "none"}
    remove = (
        "<iq type='set' id='x'><query xmlns='jabber:iq:roster'>"
        "<item jid='bob@example.org' subscription='remove'/></query></iq>"
    )
    phone.write(remove)
    phone.take()
    phone.write(remove)
    [error] = trees(phone)
    assert error.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}item-not-found") is not None


class TestHistory:
    """XEP-0313 with the replica's own pages."""

    @pytest.fixture
    def alice(self, service: Service) -> Client:
        """Alice wrote 25 messages, by turns to Bob and Carol, and one to herself."""
        alice = service.bind("alice")
        for number in range(24):
            alice.write(CHAT.format(f"{('bob', 'carol')[number % 2]}@example.org", f"m{number}", number))
        alice.write(CHAT.format("alice@example.org", "m24", 24))
        return alice

    @staticmethod
    def form(**fields: str) -> str:
        """Write a form."""
        written = "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in fields.items())
        kind = "<field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
        return f"<x xmlns='jabber:x:data' type='submit'>{kind}{written}</x>"

    @staticmethod
    def rsm(inner: str) -> str:
        """Write a request for a page."""
        return f"<set xmlns='http://jabber.org/protocol/rsm'>{inner}</set>"

    def test_by_contact(self, alice: Client) -> None:
        """Of one contact, and of oneself."""
        with_bob = self.form(**{"with": "bob@example.org"})
        assert history(alice, with_bob)[1] == [str(number) for number in range(0, 24, 2)]
        assert history(alice, self.form(**{"with": "alice@example.org"}))[1] == ["24"]
        assert history(alice, self.form(**{"with": "stranger@elsewhere.example"}))[1] == []

    @pytest.mark.parametrize("backward", [False, True])
    def test_pages(self, alice: Client, backward: bool) -> None:
        """Page by page each message comes once, with count and index."""
        everything, _, _ = history(alice, self.rsm("<max>100</max>"))
        seen: list[str] = []
        bound = "<before/>" if backward else ""
        while True:
            ids, _, fin = history(alice, self.rsm(f"<max>7</max>{bound}"))
            seen = ids + seen if backward else seen + ids
            first = fin.find(f".//{RSM}first")
            assert first is not None
            assert first.get("index") == str(everything.index(ids[0]))
            assert fin.findtext(f".//{RSM}count") == "25"
            if fin.get("complete") == "true":
                break
            bound = f"<before>{ids[0]}</before>" if backward else f"<after>{ids[-1]}</after>"
        assert seen == everything
        assert len(set(seen)) == 25

    @pytest.mark.one_process(reason="a clock that moves with each command")
    def test_by_time_and_id(self, alice: Client) -> None:
        """The times that metadata and results tell bound a query to just those messages."""
        ids, texts, _ = history(alice)
        assert texts == [str(number) for number in range(25)]
        stamps = []
        alice.write("<iq type='set' id='h'><query xmlns='urn:xmpp:mam:2'/></iq>")
        stamps = [delay.get("stamp", "") for message in trees(alice) for delay in message.iter(DELAY)]
        assert history(alice, self.form(start=stamps[3], end=stamps[5]))[0] == ids[3:6]
        assert history(alice, self.form(**{"after-id": ids[3], "before-id": ids[6]}))[0] == ids[4:6]
        assert history(alice, self.form(ids=ids[9]))[0] == [ids[9]]
        alice.take()
        alice.write("<iq type='get' id='g'><metadata xmlns='urn:xmpp:mam:2'/></iq>")
        [reply] = trees(alice)
        assert [(end.get("id"), end.get("timestamp")) for end in reply[0]] == [
            (ids[0], stamps[0]),
            (ids[-1], stamps[-1]),
        ]

    def test_ids_of_others(self, alice: Client, service: Service) -> None:
        """An id of Bob's archive that is not in Carol's does not exist for her."""
        ids, _, _ = history(service.bind("bob"))
        carol = service.bind("carol")
        carol.write(
            f"<iq type='set' id='h'><query xmlns='urn:xmpp:mam:2'>{self.rsm(f'<after>{ids[0]}</after>')}</query></iq>"
        )
        [error] = trees(carol)
        assert error.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}item-not-found") is not None

    @pytest.mark.parametrize("bad", ["7-9999999999999999999", "7-9223372036854775808", "7-9223372036854775807", "7-0"])
    def test_ids_that_nobody_wrote(self, alice: Client, bad: str) -> None:
        """Numbers around the largest that a database holds are ids that do not exist, and no fault."""
        for inner in (self.rsm(f"<before>{bad}</before>"), self.form(ids=bad)):
            alice.write(f"<iq type='set' id='h'><query xmlns='urn:xmpp:mam:2'>{inner}</query></iq>")
            [error] = trees(alice)
            assert error.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}item-not-found") is not None


def test_discovery_of_people(service: Service) -> None:
    """Bob is described to Alice once he shares his presence with her, and before that not."""
    alice, bob = service.bind("alice"), service.bind("bob")
    query = "<iq type='get' id='d' to='bob@example.org'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    alice.write(query)
    assert [reply.get("type") for reply in trees(alice)] == ["error"]
    befriend(alice, bob)
    alice.take()
    alice.write(query)
    assert [reply.get("type") for reply in trees(alice)] == ["result"]


def test_directed_presence(service: Service) -> None:
    """A stranger sees it while it lasts, off the log, and gets the farewell."""
    alice, bob = service.bind("alice"), service.bind("bob")
    bob.write("<presence/>")
    alice.write("<presence/>")
    bob.take()
    alice.write("<presence to='bob@example.org'/>")
    alice.write("<presence type='unavailable'/>")
    assert [(stanza.get("from"), stanza.get("type")) for stanza in trees(bob)] == [
        ("alice@example.org/phone", None),
        ("alice@example.org/phone", "unavailable"),
    ]


def test_probe(service: Service) -> None:
    """A client that probes gets what the server would have told it."""
    alice, bob = service.bind("alice"), service.bind("bob")
    bob.write("<presence><show>dnd</show></presence>")
    alice.write("<presence to='bob@example.org' type='probe'/>")
    assert [stanza.get("type") for stanza in trees(alice)] == ["unsubscribed"]
    befriend(alice, bob)
    alice.take()
    alice.write("<presence to='bob@example.org' type='probe'/>")
    [presence] = trees(alice)
    assert (presence.get("to"), presence.findtext("{jabber:client}show")) == ("alice@example.org", "dnd")
