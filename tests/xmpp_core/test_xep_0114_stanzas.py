"""XEP-0114: what components and users send one another. The stream itself: test_xep_0114.py."""

from __future__ import annotations

import re

import pytest

from raftline.xmpp.catalog import all_modules
from xmpp_core.components import HOST, PUPPET, Component, service_with_component
from xmpp_im.playbook import DOMAIN
from xmpp_im.service import Client, Service

ALICE = f"alice@{DOMAIN}"


def here(service: Service, localpart: str = "alice") -> Client:
    """A client that is available, and was told of that."""
    client = service.bind(localpart)
    client.write("<presence/>")
    client.take()
    return client


def heard(client: Client) -> str:
    """What a client was sent since the last look."""
    return b"".join(client.take()).decode()


def said(component: Component) -> str:
    """What a component was sent since the last look, without pings."""
    return re.sub(rb"<iq [^>]*><ping [^>]*/></iq>", b"", component.take()).decode()


class TestMessages:
    """RFC 6121 section 5, between accounts and components."""

    def test_a_user_writes(self):
        """To any address at the component, under the user's full address."""
        service, component = service_with_component("alice")
        alice = here(service)
        for to in (HOST, PUPPET, f"{PUPPET}/phone"):
            alice.write(f"<message to='{to}' type='chat' id='m'><body>hi</body></message>")
            assert f"<message from='{alice.jid}' to='{to}' type='chat' id='m'><body>hi</body>" in said(component)
        assert heard(alice) == ""

    def test_a_component_writes(self):
        """As anybody at it; the user's archive has it, as the stanza id says."""
        service, component = service_with_component("alice")
        alice = here(service)
        component.feed(f"<message from='{PUPPET}/p' to='{ALICE}' type='chat' id='m'><body>hi</body></message>")
        received = heard(alice)
        assert f"<message from='{PUPPET}/p' to='{ALICE}' type='chat' id='m'><body>hi</body>" in received
        assert f"by='{ALICE}'" in received

    def test_ids_and_delays_of_ours_are_ours_to_give(self):
        """What a user, or a component, claims the server to have said is taken out (XEP-0359 section 6, XEP-0203)."""
        service, component = service_with_component("alice")
        alice = here(service)
        forged = (
            f"<stanza-id xmlns='urn:xmpp:sid:0' by='{HOST}' id='f'/>"
            f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ALICE}' id='f'/>"
            f"<delay xmlns='urn:xmpp:delay' from='{DOMAIN}' stamp='2020-01-01T00:00:00Z'/>"
        )
        alice.write(f"<message to='{PUPPET}' type='chat'><body>x</body>{forged}</message>")
        to_component = said(component)
        component.feed(f"<message from='{PUPPET}' to='{ALICE}' type='chat'><body>x</body>{forged}</message>")
        for received in (to_component, heard(alice).replace(f"by='{HOST}' id='f'", "")):
            assert received.count("<body>x</body>") == 1
            assert "id='f'" not in received
            assert "<delay " not in received

    def test_what_is_read_is_noted(self):
        """A marker that asks for it is published for the other devices, whatever becomes of it (XEP-0490 3.2.3)."""
        service, component = service_with_component("alice")
        alice = here(service)
        read = "<displayed xmlns='urn:xmpp:mds:displayed:0'><x xmlns='urn:x'/></displayed>"
        marker = "<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>"
        for number, hint in enumerate(("", "<no-store xmlns='urn:xmpp:hints'/>")):
            to = f"r{number}@{HOST}"
            alice.write(f"<message to='{to}' type='chat'>{marker}{hint}{read}</message>")
            assert "mds:displayed" not in said(component)
            alice.write(
                "<iq type='get' id='i'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
                "<items node='urn:xmpp:mds:displayed:0'/></pubsub></iq>"
            )
            assert f"<item id='{to}'>" in heard(alice)

    def test_what_is_taken_back(self):
        """A retraction (XEP-0424) leaves a tombstone in the user's archive, whichever side it is by."""
        service, component = service_with_component("alice")
        alice = here(service)
        taken = "<retract xmlns='urn:xmpp:message-retract:1' id='m'/>"
        body = "<body>secret</body>"
        alice.write(f"<message to='{PUPPET}' type='chat' id='m'>{body}</message>")
        alice.write(f"<message to='{PUPPET}' type='chat' id='r'>{taken}</message>")
        component.feed(f"<message from='{PUPPET}' to='{ALICE}' type='chat' id='m'>{body}</message>")
        component.feed(f"<message from='alice@{HOST}' to='{ALICE}' type='chat' id='x'>{taken}</message>")
        component.feed(f"<message from='{PUPPET}' to='{ALICE}' type='chat' id='r'>{taken}</message>")
        alice.take()
        alice.write("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")
        history = heard(alice)
        assert "secret" not in history
        assert history.count("<retracted ") == 2

    def test_it_waits_for_who_is_away(self):
        """Messages of components are kept like all others (XEP-0160)."""
        service, component = service_with_component("alice")
        assert component.feed(f"<message from='{PUPPET}' to='{ALICE}' type='chat'><body>hi</body></message>") == b""
        alice = service.bind("alice")
        alice.write("<presence/>")
        assert "<body>hi</body>" in heard(alice)

    def test_errors_come_back_to_who_sent_it(self):
        """An account that does not exist is an error for the very address that wrote."""
        _, component = service_with_component("alice")
        sent = component.feed(
            f"<message from='{PUPPET}/p' to='no@{DOMAIN}' type='chat' id='m'><body>x</body></message>"
        )
        assert f" from='no@{DOMAIN}' to='{PUPPET}/p' type='error' id='m'".encode() in sent
        assert b"<service-unavailable " in sent

    def test_a_component_answers_with_an_error(self):
        """What a component does not take comes back to the session that wrote (RFC 6120 section 8.3)."""
        service, component = service_with_component("alice")
        alice = here(service)
        component.feed(f"<message from='{PUPPET}' to='{alice.jid}' type='error' id='m'><error/></message>")
        assert "type='error' id='m'" in heard(alice)
        component.feed(f"<message from='{PUPPET}' to='{ALICE}' type='error' id='m'><error type='cancel'/></message>")
        assert heard(alice) == ""

    def test_a_user_answers_with_an_error(self):
        """And the other way round."""
        service, component = service_with_component("alice")
        alice = here(service)
        alice.write(f"<message to='{PUPPET}' type='error' id='m'><error type='cancel'/></message>")
        assert "type='error'" in said(component)

    def test_rooms_of_a_component_are_its_own_affair(self):
        """A groupchat message to a component is content: it goes through the log, and waits."""
        service, component = service_with_component("alice")
        component.end()
        here(service).write(f"<message to='room@{HOST}' type='groupchat'><body>all</body></message>")
        again = Component(service)
        assert b"<body>all</body>" in again.connect()

    def test_states_stay_off_the_log(self):
        """Chat states go to a connection, or nowhere, both ways (XEP-0085 section 5)."""
        service, component = service_with_component("alice")
        alice = here(service)
        state = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
        alice.write(f"<message to='{PUPPET}' type='chat'>{state}</message>")
        assert "composing" in said(component)
        component.feed(f"<message from='{PUPPET}' to='{ALICE}' type='chat'>{state}</message>")
        assert "composing" in heard(alice)
        component.end()
        alice.write(f"<message to='{PUPPET}' type='chat'>{state}</message>")
        assert heard(alice) == ""
        assert b"composing" not in Component(service).connect()

    def test_what_may_not_be_kept_is_refused_when_nobody_is_there(self):
        """A `no-store` hint (XEP-0334 section 4.3) and no connection: `service-unavailable`."""
        service, component = service_with_component("alice")
        component.end()
        alice = here(service)
        hint = "<no-store xmlns='urn:xmpp:hints'/>"
        alice.write(f"<message to='{PUPPET}' type='chat' id='m'><body>x</body>{hint}</message>")
        assert "<service-unavailable " in heard(alice)

    def test_one_that_was_never_there(self):
        """A label that is configured and nothing more: `service-unavailable`."""
        service = Service("alice", components=("irc",))
        alice = here(service)
        alice.write(f"<message to='{PUPPET}' type='chat' id='m'><body>x</body></message>")
        received = heard(alice)
        assert f" from='{PUPPET}' to='{alice.jid}' type='error' id='m'" in received
        assert "<service-unavailable " in received

    def test_the_server_and_other_services_take_none(self):
        """The server takes no messages; rooms and other components know no components; others are not found."""
        service, component = service_with_component("alice")
        for to, condition in (
            (DOMAIN, b"<service-unavailable "),
            (f"room@conference.{DOMAIN}", b"<service-unavailable "),
            (f"x@{HOST}", b"<service-unavailable "),
            ("x@elsewhere.example", b"<remote-server-not-found "),
        ):
            sent = component.feed(f"<message from='{PUPPET}' to='{to}' type='chat' id='m'><body>x</body></message>")
            assert condition in sent, to
        assert service.clients == {}

    def test_blocked(self):
        """Neither side passes a block list (XEP-0191 section 3.3)."""
        service, component = service_with_component("alice")
        alice = here(service)
        alice.write(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{HOST}'/></block></iq>")
        alice.take()
        alice.write(f"<message to='{PUPPET}' type='chat' id='m'><body>x</body></message>")
        assert "<not-acceptable " in heard(alice)
        alice.write(f"<iq to='{PUPPET}' type='get' id='i'><query xmlns='jabber:iq:version'/></iq>")
        assert "<not-acceptable " in heard(alice)
        sent = component.feed(f"<message from='{PUPPET}' to='{ALICE}' type='chat' id='m'><body>x</body></message>")
        assert b"<service-unavailable " in sent
        assert heard(alice) == ""


class TestRequests:
    """IQs, off the log (RFC 6120 section 8.2.3)."""

    def test_a_user_asks(self):
        """Requests to the component and to anybody at it are the component's to answer."""
        service, component = service_with_component("alice")
        alice = here(service)
        for to in (HOST, PUPPET, f"{PUPPET}/phone"):
            alice.write(f"<iq to='{to}' type='get' id='i'><query xmlns='jabber:iq:version'/></iq>")
            assert f"<iq from='{alice.jid}' to='{to}' type='get' id='i'>" in said(component)
            component.feed(f"<iq from='{to}' to='{alice.jid}' type='result' id='i'/>")
            assert heard(alice) == f"<iq from='{to}' to='{alice.jid}' type='result' id='i'/>"

    def test_without_a_connection(self):
        """`service-unavailable`."""
        service, component = service_with_component("alice")
        component.end()
        alice = here(service)
        alice.write(f"<iq to='{HOST}' type='get' id='i'><query xmlns='jabber:iq:version'/></iq>")
        assert "<service-unavailable " in heard(alice)

    def test_what_is_no_request(self):
        """`bad-request` without a payload, as everywhere."""
        service, component = service_with_component("alice")
        alice = here(service)
        alice.write(f"<iq to='{HOST}' type='get' id='i'/>")
        assert "<bad-request " in heard(alice)
        sent = component.feed(f"<iq from='{HOST}' to='{DOMAIN}' type='get' id='i'/>")
        assert b"<bad-request " in sent

    def test_the_connection_ends_before_the_answer(self):
        """`remote-server-timeout` for what was asked and not answered, and for nothing else."""
        service, component = service_with_component("alice")
        alice = here(service)
        for number in (1, 2):
            alice.write(f"<iq to='{HOST}' type='get' id='i{number}'><query xmlns='jabber:iq:version'/></iq>")
        component.feed(f"<iq from='{HOST}' to='{alice.jid}' type='result' id='i1'/>")
        alice.take()
        component.end()
        received = heard(alice)
        assert received.count("<remote-server-timeout ") == 1
        assert f"<iq from='{HOST}' to='{alice.jid}' type='error' id='i2'>" in received

    def test_requests_that_are_remembered_are_bounded(self, monkeypatch: pytest.MonkeyPatch):
        """The oldest is forgotten, the last that fits is not."""
        monkeypatch.setattr("raftline.xmpp.components.stream.COMPONENT_REQUEST_COUNT_MAX", 2)
        service, component = service_with_component("alice")
        alice = here(service)
        for number in range(3):
            alice.write(f"<iq to='{HOST}' type='get' id='i{number}'><query xmlns='jabber:iq:version'/></iq>")
        component.end()
        assert re.findall("id='(i.)'", heard(alice)) == ["i1", "i2"]

    def test_a_component_asks_a_client(self):
        """A request to a full JID goes there, the answer comes back."""
        service, component = service_with_component("alice")
        alice = here(service)
        component.feed(f"<iq from='{PUPPET}' to='{alice.jid}' type='get' id='i'><query xmlns='a'/></iq>")
        assert f"<iq from='{PUPPET}' to='{alice.jid}' type='get' id='i'>" in heard(alice)
        alice.write(f"<iq to='{PUPPET}' type='result' id='i'/>")
        assert said(component) == f"<iq from='{alice.jid}' to='{PUPPET}' type='result' id='i'/>"

    @pytest.mark.parametrize("to", [f"{ALICE}/gone", f"no@{DOMAIN}/x"])
    def test_a_component_asks_nobody(self, to: str):
        """`service-unavailable`, to the address that asked."""
        _, component = service_with_component("alice")
        sent = component.feed(f"<iq from='{PUPPET}' to='{to}' type='get' id='i'><query xmlns='a'/></iq>")
        assert f"to='{PUPPET}' type='error' id='i'".encode() in sent
        assert b"<service-unavailable " in sent

    def test_a_component_asks_the_server(self):
        """What a stranger may ask: discovery, and whether it is there."""
        _, component = service_with_component("alice")
        asked = f"<iq from='{HOST}' to='{DOMAIN}' type='get' id='i'>"
        sent = component.feed(f"{asked}<query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        assert f"<iq from='{DOMAIN}' to='{HOST}' type='result' id='i'>".encode() in sent
        assert b"category='server'" in sent
        assert b"type='result'" in component.feed(f"{asked}<ping xmlns='urn:xmpp:ping'/></iq>")

    def test_a_component_asks_an_account(self):
        """Answered by the server as for any stranger: a card, and nothing of one who shares no presence."""
        service, component = service_with_component("alice")
        here(service).write("<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>Alice</FN></vCard></iq>")
        asked = f"<iq from='{PUPPET}' to='{ALICE}' type='get' id='i'>"
        assert b"<FN>Alice</FN>" in component.feed(f"{asked}<vCard xmlns='vcard-temp'/></iq>")
        info = component.feed(f"{asked}<query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        assert b"<service-unavailable " in info

    @pytest.mark.parametrize(
        ("kind", "payload"),
        [
            ("get", "<query xmlns='jabber:iq:roster'/>"),
            ("get", "<query xmlns='jabber:iq:private'><x xmlns='storage:bookmarks'/></query>"),
            ("get", "<blocklist xmlns='urn:xmpp:blocking'/>"),
            ("set", "<query xmlns='jabber:iq:register'><remove/></query>"),
            ("set", "<query xmlns='urn:xmpp:mam:2'/>"),
            ("set", "<vCard xmlns='vcard-temp'/>"),
            ("set", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n'/></pubsub>"),
        ],
    )
    @pytest.mark.parametrize("to", [ALICE, DOMAIN])
    def test_an_address_like_a_users_is_no_user(self, kind: str, payload: str, to: str):
        """`alice@irc.DOMAIN` is a stranger to `alice@DOMAIN`: nothing that is hers is told or changed."""
        service, component = service_with_component("alice")
        sent = component.feed(f"<iq from='alice@{HOST}' to='{to}' type='{kind}' id='i'>{payload}</iq>")
        assert b"<service-unavailable " in sent
        here(service)


class TestPresence:
    """Presence, directed and by subscription (RFC 6121 sections 3, 4)."""

    def test_a_gateway_is_subscribed_to(self):
        """Request, consent, presence both ways, and the roster that tells of it."""
        service, component = service_with_component("alice")
        alice = here(service)
        alice.write("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        alice.write(f"<presence to='{HOST}' type='subscribe' id='s'/>")
        assert f"<presence from='{ALICE}' to='{HOST}' type='subscribe' id='s'/>" in said(component)
        component.feed(f"<presence from='{HOST}' to='{ALICE}' type='subscribed'/>")
        assert "subscription='to'" in heard(alice)
        component.feed(f"<presence from='{HOST}' to='{ALICE}' type='subscribe'/>")
        assert "type='subscribe'" in heard(alice)
        alice.write(f"<presence to='{HOST}' type='subscribed'/>")
        assert f"<presence to='{HOST}' from='{alice.jid}'/>" in said(component)
        component.feed(f"<presence from='{HOST}' to='{ALICE}'><show>away</show></presence>")
        assert f"<presence from='{HOST}' to='{ALICE}'><show>away</show></presence>" in heard(alice)

    def test_users_are_probed_for(self):
        """A session that comes online makes the server probe, from the bare JID (section 4.3.1)."""
        service, component = service_with_component("alice")
        alice = here(service)
        alice.write(f"<presence to='{PUPPET}' type='subscribe'/>")
        component.feed(f"<presence from='{PUPPET}' to='{ALICE}' type='subscribed'/>")
        component.take()
        other = service.bind("alice", "tablet")
        other.write("<presence/>")
        assert f"<presence from='{ALICE}' to='{PUPPET}' type='probe'/>" in said(component)

    def test_components_probe(self):
        """Answered with the presence of the sessions, or as to a stranger (section 4.3.2)."""
        service, component = service_with_component("alice")
        alice = here(service)
        probe = f"<presence from='{PUPPET}' to='{ALICE}' type='probe'/>"
        assert b"type='unsubscribed'" in component.feed(probe)
        component.feed(f"<presence from='{PUPPET}' to='{ALICE}' type='subscribe'/>")
        alice.write(f"<presence to='{PUPPET}' type='subscribed'/>")
        component.take()
        assert f"from='{alice.jid}'".encode() in component.feed(probe)

    def test_directed_presence_and_its_farewell(self):
        """What was directed to somebody is ended when the user goes offline (section 4.6.3)."""
        service, component = service_with_component("alice")
        alice = here(service)
        alice.write(f"<presence to='room@{HOST}/nick'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        assert f"<presence from='{alice.jid}' to='room@{HOST}/nick'>" in said(component)
        alice.write("<presence type='unavailable'/>")
        assert f"<presence from='{alice.jid}' to='room@{HOST}/nick' type='unavailable'/>" in said(component)
        alice.write(f"<presence to='room@{HOST}/nick'/>")
        alice.write(f"<presence to='room@{HOST}/nick' type='unavailable'/>")
        component.take()
        alice.write("<presence type='unavailable'/>")
        assert said(component) == ""

    def test_who_is_away_misses_it(self):
        """Presence of a component to nobody, and of a user to no connection, is dropped (section 8.5)."""
        service, component = service_with_component("alice")
        assert component.feed(f"<presence from='{PUPPET}' to='{ALICE}'/>") == b""
        component.end()
        alice = here(service)
        alice.write(f"<presence to='{PUPPET}'/>")
        assert heard(alice) == ""

    def test_blocked(self):
        """`not-acceptable` to the user, silence to the component."""
        service, component = service_with_component("alice")
        alice = here(service)
        alice.write(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{HOST}'/></block></iq>")
        alice.take()
        alice.write(f"<presence to='{PUPPET}'/>")
        assert "<not-acceptable " in heard(alice)
        assert component.feed(f"<presence from='{PUPPET}' to='{ALICE}'/>") == b""
        assert heard(alice) == ""

    def test_kinds_that_do_not_exist(self):
        """`bad-request` on either side."""
        service, component = service_with_component("alice")
        alice = here(service)
        alice.write(f"<presence to='{PUPPET}' type='odd' id='p'/>")
        assert "<bad-request " in heard(alice)
        assert b"<bad-request " in component.feed(f"<presence from='{PUPPET}' to='{ALICE}' type='odd'/>")

    def test_the_server_has_no_presence(self):
        """Subscriptions to it are refused, everything else is dropped."""
        _, component = service_with_component("alice")
        assert b"<service-unavailable " in component.feed(f"<presence from='{HOST}' to='{DOMAIN}' type='subscribe'/>")
        assert component.feed(f"<presence from='{HOST}' to='{DOMAIN}'/>") == b""
        assert component.feed(f"<presence from='{HOST}' to='{DOMAIN}' type='probe'/>") == b""

    def test_directed_presence_is_bounded(self, monkeypatch: pytest.MonkeyPatch):
        """As to accounts: the last that fits goes, the next is refused."""
        monkeypatch.setattr("raftline.xmpp.xeps.xep_0114_components.DIRECTED_PRESENCE_COUNT_MAX", 1)
        service, _component = service_with_component("alice")
        alice = here(service)
        alice.write(f"<presence to='a@{HOST}'/>")
        assert heard(alice) == ""
        alice.write(f"<presence to='b@{HOST}'/>")
        assert "<resource-constraint " in heard(alice)


class TestDiscovery:
    """Components are services of the server (XEP-0030 section 4.1)."""

    def test_they_are_items_of_the_server(self):
        """Whoever is configured, connected or not."""
        service, component = service_with_component("alice")
        component.end()
        alice = here(service)
        alice.write(f"<iq to='{DOMAIN}' type='get' id='i'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>")
        assert f"<item jid='{HOST}' name='irc'/>" in heard(alice)

    def test_none_by_default(self):
        """Without a setting there is none."""
        assert "irc" not in all_modules().hosts
