"""XEP-0318 Best Practices for Client Initiated Presence Probes, over the real state machine."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from raftline.base.timestamps import format_timestamp
from xmpp_im.playbook import DOMAIN, tree
from xmpp_im.service import Client, Service

DELAY = "{urn:xmpp:delay}delay"
STATUS = "{jabber:client}status"
ERRORS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"


@pytest.fixture
def service() -> Service:
    return Service("juliet", "romeo", "tybalt")


@pytest.fixture
def juliet(service: Service) -> Client:
    """On the balcony, available; she may see Romeo's presence."""
    client = service.bind("juliet", "balcony")
    romeo = service.bind("romeo", "garden")
    client.write(f"<presence to='romeo@{DOMAIN}' type='subscribe'/>")
    romeo.write(f"<presence to='juliet@{DOMAIN}' type='subscribed'/>")
    romeo.end()
    client.write("<presence/>")
    return client


def probe(client: Client, contact: str) -> list[ET.Element]:
    """Probe; what the client is told."""
    client.take()
    client.write(f"<presence to='{contact}' type='probe'/>")
    return [tree(data) for data in client.take()]


def one(found: list[ET.Element]) -> ET.Element:
    [stanza] = found
    return stanza


def stamp(presence: ET.Element) -> tuple[str | None, str | None]:
    """By whom and when presence is said to be of."""
    delay = presence.find(DELAY)
    assert delay is not None, ET.tostring(presence)
    return delay.get("from"), delay.get("stamp")


class TestSection31Contacts:
    """Section 3.1: the presence of a contact that is up to date."""

    @pytest.mark.one_process(reason="a clock that moves with each command")
    def test_a_farewell(self, service: Service, juliet: Client) -> None:
        """What a contact said as it left, in its language, and when; from its account, of the device that left last."""
        romeo = service.bind("romeo", "orchard")
        romeo.write("<presence/>")
        romeo.write("<presence type='unavailable' xml:lang='it'><status>Batteria scarica</status></presence>")
        left_ms = service.time_ms
        romeo.end()
        told = one(probe(juliet, f"romeo@{DOMAIN}"))
        assert (told.get("from"), told.get("type")) == (f"romeo@{DOMAIN}", "unavailable")
        assert told.findtext(STATUS) == "Batteria scarica"
        assert told.get("{http://www.w3.org/XML/1998/namespace}lang") == "it"
        assert stamp(told) == (f"romeo@{DOMAIN}/orchard", format_timestamp(left_ms))

    @pytest.mark.one_process(reason="a clock that moves with each command")
    def test_without_a_farewell(self, service: Service, juliet: Client) -> None:
        """When the contact was lost is told all the same."""
        romeo = service.bind("romeo", "orchard")
        romeo.write("<presence/>")
        romeo.end()
        told = one(probe(juliet, f"romeo@{DOMAIN}"))
        assert (told.get("type"), stamp(told)) == (
            "unavailable",
            (f"romeo@{DOMAIN}", format_timestamp(service.time_ms)),
        )

    def test_a_device_of_a_contact_that_is_away(self, service: Service, juliet: Client) -> None:
        """A probe of a device is answered under its address."""
        romeo = service.bind("romeo", "orchard")
        romeo.write("<presence/>")
        romeo.end()
        told = one(probe(juliet, f"romeo@{DOMAIN}/orchard"))
        assert (told.get("from"), told.get("type")) == (f"romeo@{DOMAIN}/orchard", "unavailable")

    def test_a_contact_that_is_there(self, service: Service, juliet: Client) -> None:
        """The presence of each device, without a delay."""
        for resource in ("orchard", "cell"):
            service.bind("romeo", resource).write(f"<presence><status>{resource}</status></presence>")
        told = probe(juliet, f"romeo@{DOMAIN}")
        assert {(stanza.get("from"), stanza.findtext(STATUS)) for stanza in told} == {
            (f"romeo@{DOMAIN}/{resource}", resource) for resource in ("orchard", "cell")
        }
        assert all(stanza.get("type") is None and stanza.find(DELAY) is None for stanza in told)

    def test_one_device(self, service: Service, juliet: Client) -> None:
        """Of several devices the one that was asked for; one that is not there is unavailable."""
        for resource in ("orchard", "cell"):
            service.bind("romeo", resource).write("<presence/>")
        assert one(probe(juliet, f"romeo@{DOMAIN}/cell")).get("type") is None
        away = one(probe(juliet, f"romeo@{DOMAIN}/tomb"))
        assert (away.get("from"), away.get("type")) == (f"romeo@{DOMAIN}/tomb", "unavailable")

    def test_ones_own_devices(self, service: Service, juliet: Client) -> None:
        """Need no subscription."""
        service.bind("juliet", "ball").write("<presence/>")
        assert {stanza.get("from") for stanza in probe(juliet, f"juliet@{DOMAIN}")} == {
            f"juliet@{DOMAIN}/{resource}" for resource in ("balcony", "ball")
        }


class TestSection5Privacy:
    """Section 5 and RFC 6121 section 4.3.2: who is told nothing."""

    @pytest.mark.parametrize("is_online", [True, False])
    @pytest.mark.parametrize("resource", ["", "/orchard"])
    def test_strangers(self, service: Service, is_online: bool, resource: str) -> None:
        """They are answered alike whether the account is there, away, or does not exist: by the bare address."""
        tybalt = service.bind("tybalt")
        romeo = service.bind("romeo", "orchard")
        romeo.write("<presence><status>hidden</status></presence>")
        if not is_online:
            romeo.write("<presence type='unavailable'><status>hidden</status></presence>")
        answers = []
        for name in ("romeo", "nobody"):
            told = one(probe(tybalt, f"{name}@{DOMAIN}{resource}"))
            assert told.get("from") == f"{name}@{DOMAIN}"
            answers.append((told.get("type"), len(told)))
        assert answers == [("unsubscribed", 0)] * 2

    def test_the_other_direction(self, service: Service, juliet: Client) -> None:
        """That Juliet sees Romeo does not let Romeo see Juliet."""
        assert one(probe(service.bind("romeo"), f"juliet@{DOMAIN}")).get("type") == "unsubscribed"

    @pytest.mark.parametrize("blocked", [f"juliet@{DOMAIN}", f"juliet@{DOMAIN}/balcony", DOMAIN])
    def test_who_is_blocked(self, service: Service, juliet: Client, blocked: str) -> None:
        """Gets no answer at all (XEP-0191 section 3.3)."""
        romeo = service.bind("romeo", "orchard")
        romeo.write("<presence/>")
        romeo.write(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{blocked}'/></block></iq>")
        assert probe(juliet, f"romeo@{DOMAIN}") == []

    def test_who_blocks(self, service: Service, juliet: Client) -> None:
        """Whoever blocks a contact is told that; who blocks one device sees the others."""
        for resource in ("orchard", "cell"):
            service.bind("romeo", resource).write("<presence/>")
        block = "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{}'/></block></iq>"
        juliet.write(block.format(f"romeo@{DOMAIN}/cell"))
        assert [stanza.get("from") for stanza in probe(juliet, f"romeo@{DOMAIN}")] == [f"romeo@{DOMAIN}/orchard"]
        juliet.write(block.format(f"romeo@{DOMAIN}"))
        refused = one(probe(juliet, f"romeo@{DOMAIN}"))
        assert refused.get("type") == "error"
        assert refused.find(f"{{jabber:client}}error/{ERRORS}not-acceptable") is not None


class TestSection32Uptime:
    """Section 3.2: the server itself."""

    @pytest.mark.one_process(reason="a clock that moves with each command")
    def test_since_when_it_is_up(self, service: Service) -> None:
        """Available presence of the domain, with the moment this node started; for anyone."""
        told = one(probe(service.bind("tybalt"), DOMAIN))
        assert (told.get("from"), told.get("to"), told.get("type")) == (DOMAIN, f"tybalt@{DOMAIN}/phone", None)
        assert stamp(told) == (DOMAIN, format_timestamp(0))
