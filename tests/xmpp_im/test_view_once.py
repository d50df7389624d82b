"""Messages that are viewed once, an extension of our own (docs/view-once.md), on the real state machine."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from raftline.base.limits import SEALED_FILE_COUNT_MAX
from raftline.xmpp.view_once import FALLBACK_TEXT
from xmpp_im.conversations import archive, take
from xmpp_im.inbox import inbox
from xmpp_im.nodes import INFO, online
from xmpp_im.playbook import DOMAIN
from xmpp_im.polls import SID, poll, request
from xmpp_im.rooms import ROOM, admin, condition, features, iq
from xmpp_im.service import Client, Service

NAMESPACE = "urn:raftline:view-once:0"
ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
BODY = "{jabber:client}body"
OWN = ""
SECRET = (
    "<body xmlns='jabber:client'>look</body>"
    "<x xmlns='jabber:x:oob'><url>https://example.org/upload/00112233445566778899aabbccddeeff/a.jpg</url></x>"
)


def sealed(inner: str = SECRET) -> str:
    """Write what is viewed once."""
    return f"<view-once xmlns='{NAMESPACE}'>{inner}</view-once>"


def send(client: Client, payload: str, to: str = BOB, body: str = "", kind: str = "") -> list[ET.Element]:
    """Send a message; what the client is told."""
    take(client)
    kind = kind or ("groupchat" if to == ROOM else "chat")
    client.write(f"<message to='{to}' type='{kind}' id='m1'>{body}{payload}</message>")
    return take(client)


def open_it(client: Client, stanza_id: str, to: str = OWN) -> tuple[ET.Element, list[ET.Element]]:
    """Ask for what is sealed; the answer, and what else the client was sent."""
    take(client)
    address = f"to='{to}'" if to else ""
    client.write(f"<iq {address} type='set' id='q'><open xmlns='{NAMESPACE}' id='{stanza_id}'/></iq>")
    told = take(client)
    [answer] = [stanza for stanza in told if stanza.get("id") == "q"]
    return answer, [stanza for stanza in told if stanza is not answer]


def content(told: list[ET.Element]) -> list[str]:
    """Texts of contents that a client was given."""
    return [text for stanza in told if (text := stanza.findtext(f"{{{NAMESPACE}}}content/{BODY}")) is not None]


@pytest.fixture
def bob(service: Service) -> Client:
    """Bob, available."""
    client = online(service, "bob")
    take(client)
    return client


class TestSending:
    """What goes its way is the message without what is sealed."""

    def test_discovery(self, phone: Client) -> None:
        """The own account announces it."""
        phone.write(f"<iq type='get' id='d'><query xmlns='{INFO}'/></iq>")
        assert NAMESPACE.encode() in b"".join(phone.take())

    def test_delivered_and_archived(self, phone: Client, bob: Client) -> None:
        """With a text for clients that do not know, an empty element for those that do; it counts as a message."""
        assert send(phone, sealed()) == []
        [heard] = take(bob)
        assert heard.findtext(BODY) == FALLBACK_TEXT
        left = heard.find(f"{{{NAMESPACE}}}view-once")
        assert left is not None
        assert (len(left), left.attrib) == (0, {})
        for client in (phone, bob):
            assert b"look" not in ET.tostring(archive(client).messages[-1])
        assert inbox(bob).unread == {"alice": 1}

    def test_the_senders_text(self, phone: Client, bob: Client) -> None:
        """A text beside what is sealed stays as it is."""
        send(phone, sealed(), body="<body>a photo</body>")
        assert take(bob)[0].findtext(BODY) == "a photo"

    @pytest.mark.parametrize(
        ("payload", "kind", "expected"),
        [
            (sealed(""), "chat", "bad-request"),
            (sealed("text alone"), "chat", "bad-request"),
            (sealed() + sealed(), "chat", "bad-request"),
            (sealed() + "<no-store xmlns='urn:xmpp:hints'/>", "chat", "not-acceptable"),
            (sealed() + "<no-permanent-store xmlns='urn:xmpp:hints'/>", "chat", "not-acceptable"),
            (sealed(), "headline", "not-acceptable"),
            (sealed() + poll(), "chat", "not-acceptable"),
        ],
    )
    def test_refused(self, phone: Client, bob: Client, payload: str, kind: str, expected: str) -> None:
        """Nobody gets anything of it."""
        [reply] = send(phone, payload, kind=kind)
        assert condition(reply)[0] == expected
        assert take(bob) == []

    def test_too_many_files(self, phone: Client) -> None:
        """So many and no more."""
        links = [f"<u xmlns='urn:u'>/upload/{number:032x}/f</u>" for number in range(SEALED_FILE_COUNT_MAX + 1)]
        [reply] = send(phone, sealed("".join(links)))
        assert condition(reply) == ("policy-violation", "modify")
        assert send(phone, sealed("".join(links[1:]))) == []

    def test_to_one_occupant(self, service: Service, alice: Client) -> None:
        """It is neither passed on as it is, nor sealed."""
        [reply] = send(alice, sealed(), f"{ROOM}/owner", kind="chat")
        assert condition(reply) == ("not-acceptable", "modify")


class TestOpening:
    """Given to each account once, to the device that asks."""

    def test_in_a_chat(self, service: Service, phone: Client, bob: Client) -> None:
        """As a message of its own; then it is gone, and both sides are told."""
        desk = online(service, "bob", "desk")
        send(phone, sealed())
        stanza_id = archive(bob).ids[-1]
        take(desk)
        answer, told = open_it(bob, stanza_id)
        assert answer.get("type") == "result"
        assert content(told) == ["look"]
        given = next(stanza for stanza in told if stanza.find(f"{{{NAMESPACE}}}content") is not None)
        assert (given.get("from"), given.find(f"{{{NAMESPACE}}}content").get("id")) == (ALICE, stanza_id)  # type: ignore[union-attr]
        for client, other in ((phone, BOB), (desk, ALICE)):
            [news] = [stanza for stanza in take(client) if stanza.find(f"{{{NAMESPACE}}}opened") is not None]
            assert news[0].attrib == {"id": stanza_id, "with": other}
        again, nothing = open_it(desk, stanza_id)
        assert (condition(again), nothing) == (("gone", "cancel"), [])
        left = archive(desk).messages[-1].find(f"{{{NAMESPACE}}}view-once")
        assert left is not None
        assert left.get("state") == "opened"
        assert len(archive(bob).ids) == 1

    def test_who_may_not(self, service: Service, phone: Client, bob: Client) -> None:
        """Its sender, a third, and whoever names nothing."""
        send(phone, sealed())
        stanza_id = archive(phone).ids[-1]
        assert condition(open_it(phone, stanza_id)[0]) == ("not-allowed", "cancel")
        carol = online(service, "carol")
        for name in (stanza_id, "", "x", "7-1"):
            assert condition(open_it(carol, name)[0]) == ("item-not-found", "cancel")
        assert condition(open_it(carol, stanza_id, BOB)[0]) == ("forbidden", "auth")

    def test_in_a_room(self, service: Service, alice: Client) -> None:
        """Members who are away too, each account once; nobody else."""
        assert NAMESPACE in features(iq(alice, "get", f"<query xmlns='{INFO}'/>"))
        bob, carol = online(service, "bob"), online(service, "carol")
        [own] = send(alice, sealed(), ROOM)
        found = own.find(SID)
        assert found is not None
        stanza_id = found.get("id", "")
        assert b"look" not in ET.tostring(own)
        assert condition(open_it(bob, stanza_id, ROOM)[0]) == ("forbidden", "auth")
        for name in ("bob", "carol"):
            admin(alice, f"<item affiliation='member' jid='{name}@example.org'/>")
        for client in (bob, carol):
            answer, told = open_it(client, stanza_id, ROOM)
            assert (answer.get("type"), content(told)) == ("result", ["look"])
            assert condition(open_it(client, stanza_id, ROOM)[0]) == ("gone", "cancel")
        reply = request(alice, "set", f"<open xmlns='{NAMESPACE}' id='{stanza_id}'/>")
        assert condition(reply) == ("not-allowed", "cancel")

    @pytest.mark.one_process(reason="time is made to pass")
    def test_too_late(self, service: Service, phone: Client, bob: Client) -> None:
        """After a fortnight it is gone, and the message says so."""
        send(phone, sealed())
        stanza_id = archive(bob).ids[-1]
        service.pass_time(14 * 24 * 60 * 60)
        assert condition(open_it(bob, stanza_id)[0]) == ("gone", "cancel")
        left = archive(bob).messages[-1].find(f"{{{NAMESPACE}}}view-once")
        assert left is not None
        assert left.get("state") == "expired"
