"""Block lists (XEP-0191 section 3.3) and what is not a message: presence, requests, notifications, calls and push."""

from __future__ import annotations

import pytest

from raftline.machine.commands import EnableManagement, KeyOrigin
from raftline.machine.outcomes import Done
from raftline.xmpp.avatars import METADATA_NODE
from xmpp_im.blocks import (
    ALICE,
    BOB,
    REFUSED_BY_CONTACT,
    REFUSED_BY_OWN_LIST,
    WAYS_TO_BLOCK_BOB,
    ask,
    block,
    change,
    device,
    unblock,
)
from xmpp_im.conversations import take
from xmpp_im.nodes import TUNE, befriend, online, options, publish, request, told
from xmpp_im.playbook import tree
from xmpp_im.rooms import MUC, ROOM, make_room
from xmpp_im.service import Client, Service
from xmpp_im.test_xep_0357 import waiting

NODE = "http://jabber.org/protocol/tune"
LAST = "<query xmlns='jabber:iq:last'/>"
PROPOSE = (
    "<propose xmlns='urn:xmpp:jingle-message:0' id='c'>"
    "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/></propose>"
)
REQUESTS = {
    "last activity (XEP-0012)": LAST,
    "card (XEP-0054)": "<vCard xmlns='vcard-temp'/>",
    "picture (XEP-0084)": f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{METADATA_NODE}'/></pubsub>",
    "items of an open node (XEP-0163)": (
        f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{NODE}'/></pubsub>"
    ),
    "what there is (XEP-0030)": "<query xmlns='http://jabber.org/protocol/disco#info'/>",
    "nodes (XEP-0030)": "<query xmlns='http://jabber.org/protocol/disco#items'/>",
}
"""Requests that an account answers a friend."""


@pytest.fixture
def friends(service: Service) -> tuple[Client, Client]:
    """Alice and Bob, who see each other and hear of each other's nodes; Alice has a card, and an open node."""
    alice, bob = online(service, "alice", wants=(NODE,)), online(service, "bob", wants=(NODE,))
    befriend(alice, bob)
    alice.write("<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>Alice</FN></vCard></iq>")
    publish(alice, NODE, TUNE.format("old"), extra=options(access_model="open"))
    publish(alice, METADATA_NODE, "<metadata xmlns='urn:xmpp:avatar:metadata'/>")
    alice.take()
    bob.take()
    return alice, bob


class TestRequests:
    """What an account's server answers, and what its clients do."""

    @pytest.mark.parametrize("way", WAYS_TO_BLOCK_BOB)
    @pytest.mark.parametrize("payload", REQUESTS.values(), ids=list(REQUESTS))
    def test_an_account_is_asked(self, friends: tuple[Client, Client], way: str, payload: str) -> None:
        """Refused as by an account that is not there; the other way the user is told why."""
        alice, bob = friends
        assert ask(bob, ALICE, payload) is None
        change(alice, "block", way)
        assert ask(bob, ALICE, payload) == REFUSED_BY_CONTACT
        assert ask(alice, f"{BOB}/phone" if "/" in way else BOB, payload) == REFUSED_BY_OWN_LIST
        unblock(alice, way)
        assert ask(bob, ALICE, payload) is None

    def test_another_resource_asks(self, service: Service, friends: tuple[Client, Client]) -> None:
        """The resource that is on the list is refused, another is not."""
        alice, _bob = friends
        laptop = online(service, "bob", "laptop")
        change(alice, "block", f"{BOB}/laptop")
        assert ask(laptop, ALICE, LAST) == REFUSED_BY_CONTACT
        tablet = online(service, "bob", "tablet")
        assert ask(tablet, ALICE, LAST) is None

    def test_a_device_is_asked(self, friends: tuple[Client, Client]) -> None:
        """Nothing reaches it; what sets up a call (XEP-0166) is a request like any other."""
        alice, bob = friends
        jingle = "<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='s'/>"
        block(alice, BOB)
        assert ask(bob, f"{ALICE}/phone", jingle, "set") == REFUSED_BY_CONTACT
        assert take(alice) == []

    def test_an_answer_under_way(self, friends: tuple[Client, Client]) -> None:
        """It is dropped, though the user had asked."""
        alice, bob = friends
        alice.write(f"<iq to='{BOB}/phone' type='get' id='slow'><query xmlns='jabber:iq:version'/></iq>")
        assert len(take(bob)) == 1
        block(alice, BOB)
        bob.take()
        bob.write(f"<iq to='{ALICE}/phone' type='result' id='slow'/>")
        assert (take(alice), take(bob)) == ([], [])


class TestPresence:
    """Broadcast, directed, asked for."""

    @pytest.mark.parametrize("way", WAYS_TO_BLOCK_BOB)
    def test_nothing_is_seen(self, service: Service, friends: tuple[Client, Client], way: str) -> None:
        """Not the user, not a device that comes later, not by a probe, and not since when somebody is away."""
        alice, bob = friends
        block(alice, way)
        assert [stanza.get("type") for stanza in take(bob)] == ["unavailable"]
        desk = online(service, "alice", "desk")
        desk.write("<presence><show>away</show></presence>")
        bob.write(f"<presence to='{ALICE}' type='probe'/>")
        bob.write("<presence><show>dnd</show></presence>")
        bob.write(f"<presence to='{ALICE}/desk'><status>boo</status></presence>")
        desk.write("<presence type='unavailable'/>")
        assert [stanza for stanza in take(bob) if not is_from(stanza.get("from"), BOB)] == []
        seen = [stanza.get("from") for stanza in take(alice) + take(desk)]
        assert [sender for sender in seen if is_from(sender, BOB)] == []

    def test_directed_presence_ends_and_does_not_come_back(self, service: Service) -> None:
        """Who was shown presence without a subscription is told that it is over, before the list closes."""
        alice, bob = online(service, "alice"), online(service, "bob")
        alice.write(f"<presence to='{BOB}'/>")
        bob.take()
        block(alice, BOB)
        assert [stanza.get("type") for stanza in take(bob)] == ["unavailable"]
        unblock(alice)
        assert take(bob) == []

    def test_requests_to_subscribe(self, service: Service) -> None:
        """Neither shown nor kept, from any device, and none of the four kinds is answered."""
        alice, bob = online(service, "alice"), online(service, "bob")
        block(alice, BOB)
        bob.take()
        for kind in ("subscribe", "subscribed", "unsubscribe", "unsubscribed"):
            bob.write(f"<presence to='{ALICE}' type='{kind}'/>")
        assert [stanza for stanza in take(bob) if stanza.tag == "{jabber:client}presence"] == []
        later = online(service, "alice", "later")
        assert [stanza for stanza in take(alice) + take(later) if is_from(stanza.get("from"), BOB)] == []


class TestNotifications:
    """Personal eventing (XEP-0163): what a user is told without asking."""

    @pytest.mark.parametrize("way", [BOB, "example.org"])
    def test_neither_side_is_told(self, friends: tuple[Client, Client], way: str) -> None:
        """Of what either publishes, while the block holds. Nodes are of accounts, never of one resource."""
        alice, bob = friends
        block(alice, way)
        bob.take()
        publish(alice, NODE, TUNE.format("hers"))
        publish(bob, NODE, TUNE.format("his"))
        assert [text for *_, text in told(bob)] == ["his"]
        assert [text for *_, text in told(alice)] == ["hers"]

    def test_nor_is_a_subscriber(self, service: Service) -> None:
        """Who subscribed to a node by itself (XEP-0060 section 6.1), before the block."""
        alice, bob = online(service, "alice"), online(service, "bob")
        publish(alice, NODE, TUNE.format("old"), extra=options(access_model="open"))
        assert request(bob, "set", f"<subscribe node='{NODE}' jid='{BOB}'/>", to=ALICE).get("type") == "result"
        block(alice, BOB)
        bob.take()
        publish(alice, NODE, TUNE.format("new"))
        assert told(bob) == []
        unblock(alice)
        bob.take()
        publish(alice, NODE, TUNE.format("again"))
        assert [text for *_, text in told(bob)] == ["again"]

    def test_nor_does_a_device_that_comes_later_get_the_last_item(
        self, service: Service, friends: tuple[Client, Client]
    ) -> None:
        """What is sent to whoever comes (XEP-0163 section 4.3.4) is not sent past the list."""
        alice, bob = friends
        publish(bob, NODE, TUNE.format("his"))
        block(alice, BOB)
        desk = online(service, "alice", "desk", wants=(NODE,))
        assert [text for *_, text in told(desk)] == ["old"]
        laptop = online(service, "bob", "laptop", wants=(NODE,))
        assert [text for *_, text in told(laptop)] == ["his"]


def manage(service: Service, client: Client) -> None:
    """Let a client acknowledge what it gets (XEP-0198), which is the business of its stream."""
    enable = EnableManagement(client.bound.session_id, client.bound.epoch)
    assert isinstance(service.apply(enable, KeyOrigin(service.key())), Done)


def is_from(sender: str | None, account: str) -> bool:
    """Whether an address is one of an account's."""
    return sender is not None and sender.partition("/")[0] == account


@pytest.mark.one_process(reason="what waits for a push service is read from the machine")
class TestPush:
    """XEP-0357: nobody is woken by somebody whom they have blocked."""

    @pytest.fixture
    def phone(self, service: Service) -> Client:
        """Alice's phone, which is told by push when it is away."""
        phone = device(service, "alice")
        phone.write("<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' jid='carol@example.org/app' node='n'/></iq>")
        assert tree(phone.take()[-1]).get("type") == "result"
        return phone

    @pytest.mark.parametrize("way", WAYS_TO_BLOCK_BOB)
    @pytest.mark.parametrize("content", ["<body>x</body>", PROPOSE])
    def test_nothing_that_is_blocked(self, service: Service, phone: Client, way: str, content: str) -> None:
        """Neither a text nor a call, whether the phone is there or not; of an unblocked contact it is told again."""
        bob = device(service, "bob")
        block(phone, way)
        phone.end()
        bob.write(f"<message to='{ALICE}' type='chat' id='m'>{content}</message>")
        assert waiting(service) == []
        desk = device(service, "alice", "desk")
        unblock(desk, way)
        bob.write(f"<message to='{ALICE}' type='chat' id='m'>{content}</message>")
        assert [row.sender for _, row in waiting(service)] == [f"{BOB}/phone"]

    @pytest.mark.parametrize("way", [BOB, ROOM])
    def test_nor_an_invitation(self, service: Service, phone: Client, way: str) -> None:
        """Neither through the room nor by a message."""
        bob = device(service, "bob")
        make_room(bob, "b")
        block(phone, way)
        phone.end()
        bob.write(f"<message to='{ROOM}'><x xmlns='{MUC}#user'><invite to='{ALICE}'/></x></message>")
        if way == BOB:
            bob.write(f"<message to='{ALICE}'><x xmlns='jabber:x:conference' jid='{ROOM}'/></message>")
        assert waiting(service) == []

    @pytest.mark.parametrize(("way", "count"), [(BOB, 0), (f"{BOB}/laptop", 1)])
    def test_nor_what_came_before(self, service: Service, phone: Client, way: str, count: int) -> None:
        """A device whose connection turns out to be dead is told of what it owes, but not of who is blocked by now."""
        manage(service, phone)
        bob = device(service, "bob")
        bob.write(f"<message to='{ALICE}' type='chat' id='m'><body>x</body></message>")
        assert waiting(service) == []
        block(device(service, "alice", "desk"), way)
        phone.end()
        assert len(waiting(service)) == count
