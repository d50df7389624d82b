"""Personal eventing between clients on three nodes, with a library and with bare hands, through a leader's death."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from xml.etree import ElementTree as ET

import pytest
import slixmpp

from integration.cluster_process import Cluster, wait_until
from integration.resumer import Resumer
from integration.xmpp_client import CONNECT_TIMEOUT_S, Client
from integration.xmpp_raw import NS_CLIENT, RawClient, register

pytestmark = pytest.mark.timeout(150)

PUBSUB = "http://jabber.org/protocol/pubsub"
EVENT = f"{PUBSUB}#event"
INFO = "http://jabber.org/protocol/disco#info"
METADATA = "urn:xmpp:avatar:metadata"
BOOKMARKS = "urn:xmpp:bookmarks:1"
DEVICES = "eu.siacs.conversations.axolotl.devicelist"
TUNE = "http://jabber.org/protocol/tune"
PICTURE = b"\x89PNG\r\n\x1a\n a picture"
DIGEST = hashlib.sha1(PICTURE).hexdigest()
PASSWORD = "secret-of-all"
WANTED = (METADATA, BOOKMARKS, DEVICES, TUNE)


class Person(Client):
    """
    A client of the library that wants to hear of some nodes.

    Attributes:
        told: What it heard: sender, node, id of the item (with a sign for one that went).
    """

    def __init__(self, username: str, *wanted: str) -> None:
        super().__init__(username, PASSWORD)
        self.told: list[tuple[str, str, str]] = []
        for name in ("xep_0054", "xep_0060", "xep_0084", "xep_0115", "xep_0163"):
            self.register_plugin(name)
        self._wanted = wanted
        handler = slixmpp.xmlstream.handler.Callback(
            "any event",
            slixmpp.xmlstream.matcher.MatchXPath(f"{{{NS_CLIENT}}}message/{{{EVENT}}}event"),
            self._on_event,
        )
        self.register_handler(handler)

    async def arrive(self, port: int) -> None:
        """Log in, and say what is wanted."""
        await self.log_in(port)
        for node in self._wanted:
            await self.plugin["xep_0030"].add_feature(f"{node}+notify")
        await self.plugin["xep_0115"].update_caps()

    def _on_event(self, message: slixmpp.Message) -> None:
        sender = message["from"].bare
        for items in message.xml.iter(f"{{{EVENT}}}items"):
            for change in items:
                sign = "-" if change.tag.endswith("retract") else ""
                self.told.append((sender, items.get("node", ""), sign + change.get("id", "")))

    async def wait_told(self, sender: str, node: str, item_id: str) -> None:
        """Wait until it hears of an item."""

        async def probe() -> bool:
            return (f"{sender}@localhost", node, item_id) in self.told

        await wait_until(f"{self.account} hears of {item_id} at {node}", probe, CONNECT_TIMEOUT_S, interval_s=0.01)

    async def publish(self, node: str, item_id: str, payload: str, **fields: str) -> None:
        """Publish with options."""
        options = "".join(
            f"<field var='pubsub#{name}'><value>{value}</value></field>" for name, value in fields.items()
        )
        head = f"<field var='FORM_TYPE' type='hidden'><value>{PUBSUB}#publish-options</value></field>"
        form = f"<publish-options><x xmlns='jabber:x:data' type='submit'>{head}{options}</x></publish-options>"
        content = f"<publish node='{node}'><item id='{item_id}'>{payload}</item></publish>{form}"
        await self.ask("set", f"<pubsub xmlns='{PUBSUB}'>{content}</pubsub>")

    async def ask(self, kind: str, payload: str, to: str = "") -> ET.Element:
        """Send an IQ and return its answer; an error is raised."""
        iq = self.make_iq(ito=to or None, itype=kind)
        iq.append(ET.fromstring(payload))
        answer = await iq.send(timeout=CONNECT_TIMEOUT_S)
        return answer.xml

    async def items(self, node: str, owner: str) -> dict[str, str]:
        """Return the items of a node: payloads as text by id."""
        answer = await self.ask(
            "get", f"<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>", f"{owner}@localhost"
        )
        return {item.get("id", ""): "".join(item.itertext()) for item in answer.iter(f"{{{PUBSUB}}}item")}


async def test_what_clients_keep_and_hear(cluster: Cluster) -> None:
    """Avatar, bookmarks in both forms and a device list reach who may have them, whichever node holds whom."""
    for name in ("anna", "bert", "cleo"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    phone, desk = Person("anna", *WANTED), Person("anna", BOOKMARKS)
    bert, cleo = Person("bert", *WANTED), Person("cleo")
    for node_id, person in ((1, phone), (2, desk), (3, bert), (2, cleo)):
        await person.arrive(cluster.node(node_id).xmpp)
    try:
        await phone.add_contact("bert@localhost")

        await phone.plugin["xep_0084"].publish_avatar(PICTURE)
        info = {"id": DIGEST, "type": "image/png", "bytes": str(len(PICTURE))}
        await phone.plugin["xep_0084"].publish_avatar_metadata(info)
        await bert.wait_told("anna", METADATA, DIGEST)
        found = await bert.plugin["xep_0084"].retrieve_avatar(phone.boundjid.bare, DIGEST)
        assert found["pubsub"]["items"]["item"]["avatar_data"]["value"] == PICTURE
        card = await bert.ask("get", "<vCard xmlns='vcard-temp'/>", "anna@localhost")
        assert card.findtext(".//{vcard-temp}BINVAL") == b64encode(PICTURE).decode()

        devices = "<list xmlns='eu.siacs.conversations.axolotl'><device id='7'/></list>"
        await phone.publish(DEVICES, "current", devices, persist_items="true", access_model="open")
        await bert.wait_told("anna", DEVICES, "current")
        assert "current" in await cleo.items(DEVICES, "anna")
        with pytest.raises(slixmpp.exceptions.IqError) as refused:
            await cleo.items(METADATA, "anna")
        assert refused.value.condition == "not-authorized"

        room = "<conference jid='room@rooms.example' name='The Room' autojoin='true'/>"
        storage = f"<storage xmlns='storage:bookmarks'>{room}</storage>"
        await desk.ask("set", f"<query xmlns='jabber:iq:private'>{storage}</query>")
        await phone.wait_told("anna", BOOKMARKS, "room@rooms.example")
        await phone.publish(BOOKMARKS, "other@rooms.example", f"<conference xmlns='{BOOKMARKS}'/>", max_items="max")
        await desk.wait_told("anna", BOOKMARKS, "other@rooms.example")
        answer = await desk.ask("get", "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>")
        assert {found.get("jid") for found in answer.iter("{storage:bookmarks}conference")} == {
            "room@rooms.example",
            "other@rooms.example",
        }
        content = f"<retract node='{BOOKMARKS}' notify='true'><item id='room@rooms.example'/></retract>"
        await phone.ask("set", f"<pubsub xmlns='{PUBSUB}'>{content}</pubsub>")
        await desk.wait_told("anna", BOOKMARKS, "-room@rooms.example")
        assert not [sender for sender, node, _ in bert.told if node == BOOKMARKS], "nobody hears of others' bookmarks"
    finally:
        await asyncio.gather(*(person.log_out() for person in (phone, desk, bert, cleo)))
    await cluster.wait_equal_hashes()


class Listener(Resumer):
    """A bare client that says what it wants to hear of, and goes on after its node died."""

    def __init__(self, username: str) -> None:
        super().__init__(username, PASSWORD)
        self.told: list[str] = []
        self.asked = 0
        self.seen: set[str] = set()
        self.on_stanza = self._take

    def arrive(self) -> None:
        """Show a hash of capabilities."""
        caps = f"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:c' ver='{self._version()}'/>"
        self.send(f"<presence>{caps}</presence>")

    @staticmethod
    def _version() -> str:
        text = f"client/pc//x<{TUNE}+notify<"
        return b64encode(hashlib.sha1(text.encode()).digest()).decode()

    def _take(self, stanza: ET.Element) -> None:
        if stanza.find(f"{{{INFO}}}query") is not None and stanza.get("type") == "get":
            self.asked += 1
            features = f"<identity category='client' type='pc' name='x'/><feature var='{TUNE}+notify'/>"
            query = f"<query xmlns='{INFO}'>{features}</query>"
            self.send(f"<iq type='result' id='{stanza.get('id')}' to='localhost'>{query}</iq>")
        elif stanza.tag == f"{{{NS_CLIENT}}}presence" and stanza.get("type") is None:
            self.seen.add(stanza.get("from", ""))
        self.told += [item.get("id", "") for item in stanza.iter(f"{{{EVENT}}}item")]

    async def wait_told(self, item_id: str) -> None:
        """Wait until it hears of an item."""

        async def probe() -> bool:
            return item_id in self.told

        await wait_until(f"{self.username} hears of {item_id}", probe, CONNECT_TIMEOUT_S, interval_s=0.01)


async def test_a_leader_dies_between_publishing_and_reading(cluster: Cluster) -> None:
    """
    What was answered is there on every node that lives, and is told to whoever was away for it.

    Bert is on the leader, which is killed after he heard of the first item; Anna publishes another while he is gone.
    """
    for name in ("anna", "bert"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    leader = await cluster.leader()
    others = [node_id for node_id in (1, 2, 3) if node_id != leader]
    anna, late, bert = RawClient(), RawClient(), Listener("bert")
    await anna.log_in(cluster.node(others[0]).xmpp, "anna", PASSWORD, resource="home")
    async with anna, late:
        anna.send("<presence/>")
        await bert.log_in(cluster.node(leader).xmpp)
        bert.arrive()
        bert.send("<presence to='anna@localhost' type='subscribe'/>")
        await anna.wait_stanza(lambda stanza: stanza.get("type") == "subscribe")
        anna.send("<presence to='bert@localhost' type='subscribed'/>")

        async def sees_anna() -> bool:
            return anna.jid in bert.seen

        await wait_until("bert sees anna", sees_anna, CONNECT_TIMEOUT_S, interval_s=0.01)
        await publish(anna, "first")
        await bert.wait_told("first")
        assert bert.asked == 1

        await publish(anna, "second")
        killed = asyncio.create_task(cluster.kill(leader))
        await publish(anna, "third")
        await killed
        found = await anna.ask("get", f"<pubsub xmlns='{PUBSUB}'><items node='{TUNE}'/></pubsub>")
        assert [item.get("id") for item in found.iter(f"{{{PUBSUB}}}item")] == ["third"]
        await bert.resume([cluster.node(node_id).xmpp for node_id in others])
        await bert.wait_told("third")
        assert bert.asked == 1, "what the hash stands for is known to every node"
        await publish(anna, "fourth")
        await bert.wait_told("fourth")

        await late.log_in(cluster.node(others[1]).xmpp, "bert", PASSWORD, resource="late")
        late.send(f"<presence>{ET.tostring(capabilities(), 'unicode')}</presence>")
        await late.wait_stanza(
            lambda stanza: any(item.get("id") == "fourth" for item in stanza.iter(f"{{{EVENT}}}item"))
        )
    await bert.close()
    await cluster.start_node(leader)
    await cluster.wait_equal_hashes()


def capabilities() -> ET.Element:
    """The hash that Bert's clients show."""
    attributes = {"hash": "sha-1", "node": "urn:c", "ver": Listener._version()}
    return ET.Element("{http://jabber.org/protocol/caps}c", attributes)


async def publish(client: RawClient, item_id: str) -> None:
    """Publish a tune, and wait for the answer."""
    item = f"<item id='{item_id}'><tune xmlns='{TUNE}'/></item>"
    content = f"<pubsub xmlns='{PUBSUB}'><publish node='{TUNE}'>{item}</publish></pubsub>"
    answer = await client.ask("set", content)
    assert answer.get("type") == "result", ET.tostring(answer)
