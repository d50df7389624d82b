"""Block lists (XEP-0191 section 3.3) and components (XEP-0114): gateways and bots are blocked like anybody else."""

from __future__ import annotations

import pytest

from xmpp_core.components import HOST, PUPPET, Component, service_with_component
from xmpp_im.blocks import ALICE, REFUSED_BY_OWN_LIST, ask, block, unblock
from xmpp_im.conversations import archive, take
from xmpp_im.nodes import online
from xmpp_im.rooms import condition
from xmpp_im.service import Client

SENDER = f"{PUPPET}/net"
WAYS = [SENDER, PUPPET, HOST]
"""One resource, one person, and all of the component."""

ANSWERED = {
    "text": "<message to='{}' type='chat' id='x'><body>hi</body></message>",
    "direct invitation": "<message to='{}' id='x'><x xmlns='jabber:x:conference' jid='tea@irc.example.org'/></message>",
    "invitation through a room of its own": (
        "<message to='{}' id='x'><x xmlns='http://jabber.org/protocol/muc#user'>"
        "<invite from='carol@irc.example.org'/></x></message>"
    ),
    "call": "<message to='{}' type='chat' id='x'><propose xmlns='urn:xmpp:jingle-message:0' id='c'/></message>",
    "not to be stored": "<message to='{}' id='x'><body>hi</body><no-store xmlns='urn:xmpp:hints'/></message>",
    "request to the account": "<iq to='{}' type='get' id='x'><vCard xmlns='vcard-temp'/></iq>",
    "request for a node": (
        "<iq to='{}' type='get' id='x'>"
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'/></pubsub></iq>"
    ),
    "request to a device": "<iq to='{}/phone' type='get' id='x'><q xmlns='urn:x'/></iq>",
}
UNANSWERED = {
    "chat state": "<message to='{}' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
    "presence": "<presence to='{}'/>",
    "probe": "<presence to='{}' type='probe'/>",
    "request to subscribe": "<presence to='{}' type='subscribe'/>",
    "answer": "<iq to='{}/phone' type='result' id='x'/>",
}


@pytest.fixture
def ends() -> tuple[Client, Component]:
    """Alice, who has a card, and a component that is connected."""
    service, component = service_with_component("alice")
    alice = online(service, "alice")
    alice.write("<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>Alice</FN></vCard></iq>")
    alice.take()
    return alice, component


def write(component: Component, stanza: str) -> bytes:
    """Let the component send something to Alice; what it gets for that."""
    return component.feed(stanza.format(ALICE).replace(" to=", f" from='{SENDER}' to=", 1))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stanza", ANSWERED.values(), ids=list(ANSWERED))
def test_what_is_answered(ends: tuple[Client, Component], way: str, stanza: str) -> None:
    """`service-unavailable`, and nothing of it reaches a device or the archive, until the unblock."""
    alice, component = ends
    block(alice, way)
    sent = write(component, stanza)
    assert b" id='x'" in sent
    assert b"<service-unavailable " in sent
    assert take(alice) == []
    assert archive(alice).ids == []
    unblock(alice, way)
    assert b"<service-unavailable " not in write(component, stanza)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stanza", UNANSWERED.values(), ids=list(UNANSWERED))
def test_what_is_not(ends: tuple[Client, Component], way: str, stanza: str) -> None:
    """Silence, as for anybody."""
    alice, component = ends
    block(alice, way)
    if (way, "subscribe" in stanza) != (SENDER, True):  # who subscribes is an account, whichever resource asks
        assert write(component, stanza) == b""
        assert take(alice) == []


@pytest.mark.parametrize("way", [PUPPET, HOST])
def test_what_the_user_sends(ends: tuple[Client, Component], way: str) -> None:
    """It is refused, whatever it is, and the component sees nothing of it."""
    alice, component = ends
    block(alice, way)
    for stanza in (
        f"<message to='{PUPPET}' type='chat'><body>x</body></message>",
        f"<message to='{PUPPET}' type='groupchat'><body>x</body></message>",
        f"<presence to='{PUPPET}'/>",
        f"<presence to='{PUPPET}' type='subscribe'/>",
    ):
        alice.write(stanza)
        assert [condition(reply) for reply in take(alice)] == [REFUSED_BY_OWN_LIST]
    assert ask(alice, PUPPET, "<query xmlns='jabber:iq:version'/>") == REFUSED_BY_OWN_LIST
    assert component.take() == b""


def test_others_of_the_component(ends: tuple[Client, Component]) -> None:
    """One person of it is blocked, another is heard."""
    alice, component = ends
    block(alice, PUPPET)
    component.feed(f"<message from='eve@{HOST}/net' to='{ALICE}' type='chat'><body>hi</body></message>")
    assert len(take(alice)) == 1
