"""XEP-0490 Message Displayed Synchronization, on the real state machine."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from raftline.base.limits import PUBSUB_ITEM_SIZE_MAX
from xmpp_im.conversations import archive
from xmpp_im.nodes import INFO, condition, items, online, options, publish, request, told
from xmpp_im.playbook import answer, tree
from xmpp_im.rooms import ROOM, join, make_room
from xmpp_im.service import Client, Service

NODE = "urn:xmpp:mds:displayed:0"
BOB = "bob@example.org"
MARKER = "<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>"
STATE = f"<displayed xmlns='{NODE}'><stanza-id xmlns='urn:xmpp:sid:0' by='alice@example.org' id='{{}}'/></displayed>"


@pytest.fixture
def service() -> Service:
    return Service("alice", "bob")


@pytest.fixture
def phone(service: Service) -> Client:
    return online(service, "alice")


@pytest.fixture
def desk(service: Service) -> Client:
    """Alice's other device."""
    return online(service, "alice", "desk", wants=(NODE,))


@pytest.fixture
def bob(service: Service) -> Client:
    return online(service, "bob")


def test_publishing(phone: Client, desk: Client) -> None:
    """3.1: an item for each conversation, for the own devices."""
    wanted = options(persist_items="true", max_items="max", send_last_published_item="never", access_model="whitelist")
    for room, state in (("a@x", "1"), ("b@x", "2"), ("a@x", "3")):
        assert condition(publish(phone, NODE, STATE.format(state), item_id=room, extra=wanted)) == ()
    assert [entry[2] for entry in told(desk)] == ["item"] * 3
    assert [item_id for item_id, _ in items(desk, NODE)] == ["b@x", "a@x"]


class TestSection32ServerAssist:
    """3.2: a marker and the state in one message."""

    def test_discovery(self, phone: Client) -> None:
        """3.2.2: on the account."""
        phone.write(f"<iq type='get' id='d'><query xmlns='{INFO}'/></iq>")
        assert b"urn:xmpp:mds:server-assist:0" in ET.tostring(answer(phone.take(), "d"))

    def test_a_marker(self, phone: Client, desk: Client, bob: Client) -> None:
        """3.2.3: the contact gets the marker alone, the own devices the state, under the address it was sent to."""
        phone.write(f"<message to='{BOB}' type='chat'>{MARKER}{STATE.format('s')}</message>")
        [message] = [data for data in bob.take() if data.startswith(b"<message")]
        assert MARKER.encode() in message
        assert NODE.encode() not in message
        assert told(desk) == [("alice@example.org", NODE, "item", BOB)]
        item = request(desk, "get", f"<items node='{NODE}'/>")[0][0][0]
        assert (item.get("id"), item[0].tag, item[0][0].get("id")) == (BOB, f"{{{NODE}}}displayed", "s")

    def test_the_node_that_is_made(self, service: Service, phone: Client, bob: Client) -> None:
        """4.2, 5: closed to everyone else, many items, nothing sent to who comes."""
        phone.write(f"<message to='{BOB}'>{MARKER}{STATE.format('s')}</message>")
        reply = request(bob, "get", f"<items node='{NODE}'/>", to="alice@example.org")
        assert condition(reply) == ("not-allowed", "closed-node", "cancel")
        phone.write(f"<message to='alice@example.org'>{MARKER}{STATE.format('t')}</message>")
        assert len(items(phone, NODE)) == 2
        assert told(online(service, "alice", "tablet", wants=(NODE,))) == []

    def test_archive_and_copies(self, service: Service, phone: Client, desk: Client) -> None:
        """4.2: stripped before the message is stored and before it is copied."""
        desk.write("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        desk.take()
        phone.write(f"<message to='{BOB}' type='chat'><body>hi</body>{STATE.format('s')}</message>")
        copies = [data for data in desk.take() if b"urn:xmpp:carbons:2" in data]
        assert len(copies) == 1
        assert NODE.encode() not in copies[0]
        [kept] = archive(phone).messages
        assert NODE.encode() not in ET.tostring(kept)

    def test_a_message_that_stays_off_the_log(self, phone: Client, desk: Client, bob: Client) -> None:
        """A hint against storage is for the message; the state is published all the same."""
        hint = "<no-store xmlns='urn:xmpp:hints'/>"
        phone.write(f"<message to='{BOB}'>{MARKER}{STATE.format('s')}{hint}</message>")
        assert [NODE.encode() in data for data in bob.take() if data.startswith(b"<message")] == [False]
        assert len(told(desk)) == 1

    def test_a_state_too_large(self, phone: Client, desk: Client, bob: Client) -> None:
        """It cannot be published, so the message is refused as a whole: nothing is lost in silence."""
        phone.write(f"<message to='{BOB}' id='m'>{MARKER}{STATE.format('x' * PUBSUB_ITEM_SIZE_MAX)}</message>")
        assert condition(tree(phone.take()[-1])) == ("not-acceptable", "payload-too-big", "modify")
        assert [data for data in (*bob.take(), *desk.take()) if data.startswith(b"<message")] == []

    @pytest.mark.parametrize("more", ["", "<body>hi</body>", "<no-store xmlns='urn:xmpp:hints'/>"])
    def test_a_room(self, phone: Client, desk: Client, bob: Client, more: str) -> None:
        """3.2.3: occupants get the message without the state, which is published under the room's address."""
        make_room(phone)
        join(bob, "bob")
        desk.take()
        phone.write(f"<message to='{ROOM}' type='groupchat'>{MARKER}{more}{STATE.format('s')}</message>")
        assert [NODE.encode() in data for data in bob.take() if data.startswith(b"<message")] == [False]
        assert told(desk) == [("alice@example.org", NODE, "item", ROOM)]

    def test_a_room_that_the_sender_is_not_in(self, phone: Client, desk: Client, bob: Client) -> None:
        """The message is refused, so nothing is published."""
        make_room(bob)
        phone.write(f"<message to='{ROOM}' type='groupchat' id='m'>{MARKER}{STATE.format('s')}</message>")
        assert condition(tree(phone.take()[-1]))[0] == "not-acceptable"
        assert told(desk) == []
