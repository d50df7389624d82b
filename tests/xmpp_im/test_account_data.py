"""XEP-0049 Private XML Storage, XEP-0054 vcard-temp, XEP-0012 Last Activity."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from raftline.base.limits import PRIVATE_ELEMENT_COUNT_MAX, PRIVATE_ELEMENT_SIZE_MAX, VCARD_SIZE_MAX
from xmpp_im.playbook import tree
from xmpp_im.service import Client, Service

PRIVATE = "jabber:iq:private"
STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
NOTES = "<notes xmlns='urn:x'><note lang='de'>a &lt; b</note></notes>"


@pytest.fixture
def service() -> Service:
    return Service("alice", "bob")


def ask(client: Client, kind: str, payload: str, to: str = "") -> ET.Element:
    """Send an IQ and return its answer."""
    client.take()
    client.write(f"<iq type='{kind}' id='q' {to}>{payload}</iq>")
    answer = tree(client.take()[-1])
    assert answer.get("id") == "q"
    return answer


def condition(answer: ET.Element) -> str:
    assert answer.get("type") == "error"
    return answer[-1][0].tag.removeprefix(STANZAS)


def private(inner: str) -> str:
    return f"<query xmlns='{PRIVATE}'>{inner}</query>"


class TestXep0049:
    """3. Protocol."""

    def test_what_is_stored_comes_back(self, service: Service) -> None:
        """As it was, to every device, and to no other account."""
        alice, desk, bob = service.bind("alice"), service.bind("alice", "desk"), service.bind("bob")
        assert ask(alice, "set", private(NOTES + "<other xmlns='urn:x'/>")).get("type") == "result"
        for client in (alice, desk):
            [query] = ask(client, "get", private("<notes xmlns='urn:x'/>"))
            assert ET.canonicalize(ET.tostring(query[0])) == ET.canonicalize(ET.tostring(tree(NOTES)))
        [query] = ask(bob, "get", private("<notes xmlns='urn:x'/>"))
        assert ET.tostring(query[0]) == ET.tostring(tree("<notes xmlns='urn:x'/>"))

    def test_replacing(self, service: Service) -> None:
        """The last one of a name and namespace counts."""
        alice = service.bind("alice")
        for text in ("1", "2"):
            ask(alice, "set", private(f"<a xmlns='urn:x'>{text}</a>"))
        ask(alice, "set", private("<a xmlns='urn:y'>3</a>"))
        assert ask(alice, "get", private("<a xmlns='urn:x'/>"))[0][0].text == "2"

    @pytest.mark.parametrize(
        ("kind", "inner", "expected"),
        [
            ("get", "", "bad-request"),
            ("get", "<a xmlns='urn:x'/><b xmlns='urn:x'/>", "bad-request"),
            ("get", "<a/>", "not-acceptable"),
            ("set", "", "not-acceptable"),
            ("set", "<a xmlns=''/>", "not-acceptable"),
            ("set", f"<a xmlns='urn:x'>{'x' * PRIVATE_ELEMENT_SIZE_MAX}</a>", "not-acceptable"),
            (
                "set",
                "".join(f"<a{n} xmlns='urn:x'/>" for n in range(PRIVATE_ELEMENT_COUNT_MAX + 1)),
                "resource-constraint",
            ),
        ],
    )
    def test_errors(self, service: Service, kind: str, inner: str, expected: str) -> None:
        """2.3: each with its condition."""
        assert condition(ask(service.bind("alice"), kind, private(inner))) == expected

    @pytest.mark.parametrize("kind", ["get", "set"])
    def test_of_somebody_else(self, service: Service, kind: str) -> None:
        """3: forbidden."""
        alice = service.bind("alice")
        assert condition(ask(alice, kind, private(NOTES), "to='bob@example.org'")) == "forbidden"


class TestXep0054:
    """3. Use cases."""

    CARD = "<vCard xmlns='vcard-temp'><FN>Alice &amp; co</FN><PHOTO><BINVAL>aaaa</BINVAL></PHOTO></vCard>"
    GET = "<vCard xmlns='vcard-temp'/>"

    def test_ones_own(self, service: Service) -> None:
        """3.1, 3.2: empty at first, then what was set last."""
        alice = service.bind("alice")
        assert len(ask(alice, "get", self.GET)[0]) == 0
        assert ask(alice, "set", self.CARD).get("type") == "result"
        for to in ("", "to='alice@example.org'"):
            assert ask(alice, "get", self.GET, to)[0].findtext("{vcard-temp}FN") == "Alice & co"

    def test_anothers(self, service: Service) -> None:
        """3.3: readable without a subscription, while its owner is away; not to be written."""
        alice, bob = service.bind("alice"), service.bind("bob")
        to = "to='alice@example.org'"
        assert condition(ask(bob, "get", self.GET, to)) == "service-unavailable"
        ask(alice, "set", self.CARD)
        alice.end()
        assert ask(bob, "get", self.GET, to)[0].findtext("{vcard-temp}FN") == "Alice & co"
        assert condition(ask(bob, "set", self.CARD, to)) == "forbidden"
        assert condition(ask(bob, "get", self.GET, "to='nobody@example.org'")) == "service-unavailable"

    def test_too_large(self, service: Service) -> None:
        """One byte too many, and the card stays as it was."""
        alice = service.bind("alice")
        ask(alice, "set", self.CARD)
        frame = len("<vCard xmlns='vcard-temp'><FN></FN></vCard>")
        for excess in (1, 0):
            text = "x" * (VCARD_SIZE_MAX - frame + excess)
            answer = ask(alice, "set", f"<vCard xmlns='vcard-temp'><FN>{text}</FN></vCard>")
            assert answer.get("type") == ("error" if excess else "result")
            if excess:
                assert condition(answer) == "not-acceptable"
                assert ask(alice, "get", self.GET)[0].findtext("{vcard-temp}FN") == "Alice & co"


class TestXep0012:
    """4. and 5."""

    QUERY = "<query xmlns='jabber:iq:last'/>"

    def befriended(self, service: Service) -> tuple[Client, Client]:
        alice, bob = service.bind("alice"), service.bind("bob")
        bob.write("<presence/>")
        alice.write("<presence to='bob@example.org' type='subscribe'/>")
        bob.write("<presence to='alice@example.org' type='subscribed'/>")
        return alice, bob

    @pytest.mark.one_process(reason="a clock that moves with each command")
    def test_the_server(self, service: Service) -> None:
        """5: how long it has been up."""
        alice = service.bind("alice")
        assert ask(alice, "get", self.QUERY, "to='example.org'")[0].get("seconds") == str(service.time_ms // 1000)

    def test_a_contact_that_is_there(self, service: Service) -> None:
        """4: zero while a session is available."""
        alice, _bob = self.befriended(service)
        assert ask(alice, "get", self.QUERY, "to='bob@example.org'")[0].attrib == {"seconds": "0"}

    @pytest.mark.one_process(reason="a clock that moves with each command")
    @pytest.mark.parametrize(("status", "text"), [("<status>bye &amp; good</status>", "bye & good"), ("", None)])
    def test_a_contact_that_left(self, service: Service, status: str, text: str | None) -> None:
        """4: the time since, and its last words."""
        alice, bob = self.befriended(service)
        bob.write(f"<presence type='unavailable'>{status}</presence>")
        left_ms = service.time_ms
        alice.write("<presence/>")
        alice.write("<presence/>")
        answer = ask(alice, "get", self.QUERY, "to='bob@example.org'")[0]
        assert (answer.get("seconds"), answer.text) == (str((service.time_ms - left_ms) // 1000), text)

    def test_a_contact_that_was_lost(self, service: Service) -> None:
        """4: the end of its session counts, without words."""
        alice, bob = self.befriended(service)
        bob.end()
        answer = ask(alice, "get", self.QUERY, "to='bob@example.org'")[0]
        assert (answer.get("seconds"), answer.text) == ("0", None)

    def test_strangers_are_not_told(self, service: Service) -> None:
        """3, 8: forbidden, alike for who does not share presence and who does not exist; oneself may ask."""
        alice, bob = self.befriended(service)
        assert condition(ask(bob, "get", self.QUERY, "to='alice@example.org'")) == "forbidden"
        assert condition(ask(bob, "get", self.QUERY, "to='nobody@example.org'")) == "forbidden"
        assert ask(alice, "get", self.QUERY).get("type") == "result"

    def test_strangers_do_not_reach_a_device(self, service: Service) -> None:
        """4, 8: to a full address forbidden, whether it is there or not; only who sees its presence gets through."""
        alice, bob = self.befriended(service)
        for resource in ("phone", "nowhere"):
            assert condition(ask(bob, "get", self.QUERY, f"to='alice@example.org/{resource}'")) == "forbidden"
        alice.take()
        bob.take()
        alice.write(f"<iq type='get' id='q' to='bob@example.org/phone'>{self.QUERY}</iq>")
        [request] = bob.take()
        assert tree(request).attrib | {"type": "get", "from": str(alice.jid)} == tree(request).attrib
        assert alice.take() == []
        assert condition(ask(alice, "get", self.QUERY, "to='bob@example.org/nowhere'")) == "service-unavailable"
        alice.write(f"<iq type='get' id='q' to='{alice.jid}'>{self.QUERY}</iq>")
        assert [tree(data).get("type") for data in alice.take()] == ["get"]
