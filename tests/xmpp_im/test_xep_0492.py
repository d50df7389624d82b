"""XEP-0492 Chat notification settings: what clients say of chats is kept as they said it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from xmpp_im.nodes import PUBSUB, online, request
from xmpp_im.service import Client, Service
from xmpp_im.test_xep_0402 import NODE, A, bookmark, new, old, store

ADVANCED = (
    "<notify xmlns='urn:xmpp:notification-settings:1'>"
    "<never identity-category='client' identity-type='pc'><advanced>"
    "<mine xmlns='custom:ns-1'><when day='monday'>night &amp; day</when></mine><other xmlns='custom:ns-2'/>"
    "</advanced></never><on-mention identity-category='gateway'/><always/></notify>"
)
EXTENSIONS = f"<extensions>{ADVANCED}</extensions>"


@pytest.fixture
def service() -> Service:
    return Service("alice")


@pytest.fixture
def phone(service: Service) -> Client:
    return online(service, "alice", wants=(NODE,))


def conference(client: Client) -> ET.Element:
    """The one bookmark there is."""
    [item] = request(client, "get", f"<items node='{NODE}'/>").iter(f"{{{PUBSUB}}}item")
    return item[0]


def settings(client: Client) -> str:
    """Its settings, in canonical form."""
    notify = conference(client).find(f"{{{NODE}}}extensions/{{urn:xmpp:notification-settings:1}}notify")
    assert notify is not None
    return canonical(notify)


def canonical(element: ET.Element) -> str:
    return ET.canonicalize(ET.tostring(element, encoding="unicode"))


EXPECTED = canonical(ET.fromstring(ADVANCED))


class TestSection3Protocol:
    """Section 3: settings in a bookmark."""

    def test_they_are_kept(self, phone: Client) -> None:
        """With identities, advanced ones, and all that is inside of these."""
        bookmark(phone, A, new("name='One'", EXTENSIONS))
        assert settings(phone) == EXPECTED

    def test_they_are_told(self, service: Service, phone: Client) -> None:
        """Other devices hear of a change."""
        desk = online(service, "alice", "desk", wants=(NODE,))
        desk.take()
        bookmark(phone, A, new(content=EXTENSIONS))
        assert any(b"custom:ns-1" in data for data in desk.take())


class TestSection4Rules:
    """Section 4: nobody deletes or alters what they do not understand."""

    def test_a_client_of_the_older_form(self, service: Service, phone: Client) -> None:
        """Which cannot say them leaves them as they are, whatever it changes (XEP-0402 section 5.4)."""
        bookmark(phone, A, new("name='One'", EXTENSIONS))
        desk = service.bind("alice", "desk")
        assert store(desk, old(A, "name='Two' autojoin='true'", "<nick>al</nick>")) == ()
        assert settings(phone) == EXPECTED
        assert conference(phone).get("name") == "Two"
