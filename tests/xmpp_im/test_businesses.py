"""A business's number as people meet it (docs/business.md): who it is, and that it is there."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import msgspec
import pytest

from raftline.machine import rosters
from raftline.machine.business.commands import ChangeApp, ChangeNumber, CreateBusiness, DeleteBusiness, SendFromNumber
from raftline.machine.business.queries import EventsOf, NumberAt
from raftline.machine.business.tables import MessageStatus
from raftline.machine.business.values import Created, StatusDetail
from raftline.machine.commands import CreateAccount, KeyOrigin
from raftline.machine.message_commands import MessageKind, SendMessage, Storage
from raftline.machine.outcomes import Done
from raftline.xmpp.capabilities import INFO_NAMESPACE
from xmpp_im.blocks import block
from xmpp_im.nodes import online
from xmpp_im.playbook import DOMAIN, answer, tree
from xmpp_im.service import Client, Service
from xmpp_im.test_xep_0398 import PNG, digest_of, photo_in, publish_avatar

LOCALPART = "15550001111"
NUMBER = f"{LOCALPART}@{DOMAIN}"
BUSINESS = "urn:raftline:business:0"
FORMS = "{jabber:x:data}"
NAME = "Lucky Shrub"

pytestmark = pytest.mark.one_process(reason="operators make businesses over HTTP, which no client speaks")


@pytest.fixture
def created(service: Service) -> Created:
    """A business with a number and a stream."""
    action = CreateBusiness(NAME, LOCALPART, bytes(16), bytes(32), "messages", "admin")
    outcome = service.apply(action, KeyOrigin(service.key()))
    assert isinstance(outcome, Done)
    assert isinstance(outcome.result, Created)
    return outcome.result


@pytest.fixture
def bob(service: Service, created: Created) -> Client:
    """Bob, available, who has asked for his roster."""
    client = online(service, "bob")
    roster_of(client)
    return client


def describe(client: Client, jid: str) -> ET.Element:
    """Ask service discovery about an address."""
    client.write(f"<iq to='{jid}' type='get' id='d'><query xmlns='{INFO_NAMESPACE}'/></iq>")
    return answer(client.take(), "d")


def roster_of(client: Client) -> dict[str | None, str | None]:
    """Ask for the roster; returns the subscription of each contact."""
    client.write("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    items = answer(client.take(), "r").iterfind("{jabber:iq:roster}query/{jabber:iq:roster}item")
    return {item.get("jid"): item.get("subscription") for item in items}


def subscribe(client: Client, kind: str = "subscribe", jid: str = NUMBER) -> list[ET.Element]:
    """Send a stanza of a subscription; returns what comes."""
    client.write(f"<presence to='{jid}' type='{kind}'/>")
    return [tree(data) for data in client.take()]


def presences(stanzas: list[ET.Element]) -> list[tuple[str | None, str | None]]:
    """Type and sender of each presence."""
    found = (stanza for stanza in stanzas if stanza.tag.endswith("}presence"))
    return [(stanza.get("type"), stanza.get("from")) for stanza in found]


def keep_events(service: Service, created: Created) -> None:
    """Let the application's events be kept, for whoever reads them as a stream."""
    service.apply(ChangeApp(created.app_id, "admin", streams=True), None)


def last_status(service: Service, created: Created) -> MessageStatus:
    """The status that the application was told last."""
    last = service.machine.answer(EventsOf(created.app_id))[-1].event
    return MessageStatus(msgspec.msgpack.decode(last.detail, type=StatusDetail).status)


class TestServiceDiscovery:
    """Who it is."""

    def test_a_number_is_described_to_everybody(self, bob: Client) -> None:
        """Bob is no contact of it; beside the identities and features of an account there are those of a business."""
        query = describe(bob, NUMBER).find(f"{{{INFO_NAMESPACE}}}query")
        assert query is not None
        identities = [child.attrib for child in query.findall(f"{{{INFO_NAMESPACE}}}identity")]
        assert identities[0] == {"category": "account", "type": "registered"}
        assert {"category": "client", "type": "bot", "name": NAME} in identities
        features = {child.get("var") for child in query.findall(f"{{{INFO_NAMESPACE}}}feature")}
        assert {BUSINESS, INFO_NAMESPACE} <= features
        form = query.find(f"{FORMS}x")
        assert form is not None
        assert form.get("type") == "result"
        fields = {field.get("var"): field.findtext(f"{FORMS}value") for field in form.findall(f"{FORMS}field")}
        assert fields == {"FORM_TYPE": BUSINESS, "verified_name": NAME}

    def test_operators_alone_change_the_name(self, service: Service, created: Created, bob: Client) -> None:
        """What a device of the number writes into its card and nickname is not its verified name."""
        shop = online(service, LOCALPART)
        shop.write("<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>The Bank</FN></vCard></iq>")
        shop.write("<presence><nick xmlns='http://jabber.org/protocol/nick'>The Bank</nick></presence>")
        assert b"The Bank" not in ET.tostring(describe(bob, NUMBER))
        service.apply(ChangeNumber(created.number_id, "admin", verified_name="Lucky & Sons"), None)
        assert b"Lucky &amp; Sons" in ET.tostring(describe(bob, NUMBER))

    @pytest.mark.parametrize("localpart", ["carol", "15550002222"])
    def test_other_accounts_are_no_businesses(self, service: Service, bob: Client, localpart: str) -> None:
        """Strangers are not described to Bob; their own devices read nothing of a business, digits or not."""
        service.apply(CreateAccount(localpart, ()), KeyOrigin(service.key()))
        assert describe(bob, f"{localpart}@{DOMAIN}").get("type") == "error"
        own = online(service, localpart)
        assert BUSINESS.encode() not in ET.tostring(describe(own, f"{localpart}@{DOMAIN}"))

    def test_somebody_whom_it_has_blocked(self, service: Service, bob: Client) -> None:
        """Who is blocked meets an account that is not there."""
        block(online(service, LOCALPART), f"bob@{DOMAIN}")
        assert describe(bob, NUMBER).get("type") == "error"


class TestPresence:
    """That it is there (RFC 6121 sections 3 and 4)."""

    def test_a_request_is_granted_at_once(self, bob: Client) -> None:
        """Bob sees it available under its resource, and is not asked in turn."""
        stanzas = subscribe(bob)
        assert presences(stanzas) == [("subscribed", NUMBER), (None, f"{NUMBER}/business")]
        assert roster_of(bob) == {NUMBER: "to"}

    def test_it_is_there_whenever_bob_comes(self, service: Service, bob: Client) -> None:
        """A session that becomes available is told so, and so is one that asks (section 4.3)."""
        subscribe(bob)
        desk = service.bind("bob", "desk")
        desk.take()
        desk.write("<presence/>")
        assert (None, f"{NUMBER}/business") in presences([tree(data) for data in desk.take()])

    @pytest.mark.parametrize("jid", [NUMBER, f"{NUMBER}/business"])
    def test_a_probe(self, bob: Client, jid: str) -> None:
        """A client that asks by itself is told the same, whether it is a contact or not (XEP-0318)."""
        bob.write(f"<presence to='{jid}' type='probe'/>")
        assert presences([tree(data) for data in bob.take()]) == [(None, f"{NUMBER}/business")]

    def test_another_resource(self, bob: Client) -> None:
        """A probe of a resource that is not there is answered as such."""
        bob.write(f"<presence to='{NUMBER}/phone' type='probe'/>")
        assert presences([tree(data) for data in bob.take()]) == [("unavailable", f"{NUMBER}/phone")]

    def test_its_last_activity(self, bob: Client) -> None:
        """It is never idle (XEP-0012)."""
        bob.write(f"<iq to='{NUMBER}' type='get' id='l'><query xmlns='jabber:iq:last'/></iq>")
        query = answer(bob.take(), "l").find("{jabber:iq:last}query")
        assert query is not None
        assert query.get("seconds") == "0"

    def test_asking_twice(self, bob: Client) -> None:
        """Who asks again is granted it again (section 3.1.3)."""
        subscribe(bob)
        assert (None, f"{NUMBER}/business") in presences(subscribe(bob))

    def test_the_end_of_a_subscription(self, bob: Client) -> None:
        """Bob sees it go, and does not see it when he comes again (section 3.3)."""
        subscribe(bob)
        assert ("unavailable", f"{NUMBER}/business") in presences(subscribe(bob, "unsubscribe"))
        bob.write("<presence type='unavailable'/>")
        bob.write("<presence/>")
        assert not any(sender == f"{NUMBER}/business" for _, sender in presences([tree(data) for data in bob.take()]))

    def test_a_device_of_the_number(self, service: Service, bob: Client) -> None:
        """A person who is signed in to it is seen beside the programs, and gets no request to answer."""
        shop = online(service, LOCALPART)
        shop.take()
        seen = presences(subscribe(bob))
        assert {sender for _, sender in seen} == {NUMBER, f"{NUMBER}/phone", f"{NUMBER}/business"}
        assert ("subscribe", f"bob@{DOMAIN}") not in presences([tree(data) for data in shop.take()])

    def test_a_full_roster_keeps_nobody_away(
        self, service: Service, bob: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One more than it can remember is granted as well, and is told when asking again."""
        carol = online(service, "carol")
        subscribe(carol)
        monkeypatch.setattr(rosters, "is_full", lambda _context, account: account.localpart == LOCALPART)
        assert (None, f"{NUMBER}/business") in presences(subscribe(bob))
        bob.write("<presence type='unavailable'/>")
        bob.write("<presence/>")
        assert (None, f"{NUMBER}/business") in presences([tree(data) for data in bob.take()])

    def test_somebody_whom_it_has_blocked(self, service: Service, bob: Client) -> None:
        """Nothing is granted, and nothing said (XEP-0191 section 3.3)."""
        block(online(service, LOCALPART), f"bob@{DOMAIN}")
        assert presences(subscribe(bob)) == []

    def test_its_picture(self, service: Service, bob: Client) -> None:
        """Presence has the hash of its avatar (XEP-0153); another one is shown to whoever sees it, with no device."""
        shop = online(service, LOCALPART)
        shop.end()
        subscribe(bob)
        writer = service.bind(LOCALPART, "editor")
        publish_avatar(writer, PNG)
        shown = [data for data in bob.take() if f"{NUMBER}/business".encode() in data]
        assert [photo_in(data) for data in shown] == [digest_of(PNG)]

    def test_its_end(self, service: Service, created: Created, bob: Client) -> None:
        """A business that is deleted goes, and is a contact no longer."""
        subscribe(bob)
        service.apply(DeleteBusiness(created.business_id, "admin"), None)
        seen = presences([tree(data) for data in bob.take()])
        assert seen == [("unavailable", f"{NUMBER}/business"), ("unsubscribed", NUMBER)]
        assert service.machine.answer(NumberAt(LOCALPART)) is None


class TestStanzasToIt:
    """What is sent to a number that nobody is signed in to."""

    @pytest.mark.parametrize("jid", [NUMBER, f"{NUMBER}/business"])
    @pytest.mark.parametrize("state", ["composing", "paused", "active", "gone"])
    def test_typing_goes_nowhere(self, bob: Client, jid: str, state: str) -> None:
        """No error comes (XEP-0085)."""
        bob.write(
            f"<message to='{jid}' type='chat' id='t'><{state} xmlns='http://jabber.org/protocol/chatstates'/></message>"
        )
        assert bob.take() == []

    @pytest.mark.parametrize("jid", [NUMBER, f"{NUMBER}/business"])
    @pytest.mark.parametrize("kind", ["chat", "normal"])
    def test_messages_become_events(self, service: Service, created: Created, bob: Client, jid: str, kind: str) -> None:
        """A message to either address is taken, without an error, and told to programs."""
        keep_events(service, created)
        bob.write(f"<message to='{jid}' type='{kind}' id='m'><body>Hi</body></message>")
        assert bob.take() == []
        [event] = service.machine.answer(EventsOf(created.app_id))
        assert event.event.peer == f"bob@{DOMAIN}"

    def test_a_voice_note_that_was_played(self, service: Service, created: Created, bob: Client) -> None:
        """The message of docs/business.md becomes a status, and is in nobody's archive."""
        keep_events(service, created)
        stanza = f"<message from='{NUMBER}' to='bob@{DOMAIN}' type='chat' id='note'><body>x</body></message>"
        message = SendMessage("bob", None, MessageKind.CHAT, int(Storage.ARCHIVE), stanza.encode(), "", b"")
        service.apply(SendFromNumber(LOCALPART, message, "note"), KeyOrigin(service.key()))
        bob.write(f"<message to='{NUMBER}' type='chat'><played xmlns='urn:raftline:played:0' id='note'/></message>")
        assert last_status(service, created) is MessageStatus.PLAYED
        bob.take()
        bob.write("<iq type='set' id='a'><query xmlns='urn:xmpp:mam:2'/></iq>")
        assert not any(b"urn:raftline:played:0" in data for data in bob.take())
