"""
What disappears by itself, on three nodes and through the death of the leader (XEP-0466, XEP-0060, XEP-0080).

Nobody writes when the time has come: it is the leader's affair that time passes then, whoever leads.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from slixmpp import JID

from integration.archive import read_archive
from integration.cluster_process import Cluster, wait_until
from integration.test_formats import wait_upgraded
from integration.xmpp_client import CONNECT_TIMEOUT_S, Client
from integration.xmpp_raw import NS_CLIENT, RawClient, register
from raftline.machine.database import checkpoint

pytestmark = pytest.mark.timeout(180)

PASSWORD = "gone-with-the-wind"
PUBSUB = "http://jabber.org/protocol/pubsub"
GEOLOC = "http://jabber.org/protocol/geoloc"
STORIES = "urn:xmpp:pubsub-social-feed:stories:0"
MUC = "http://jabber.org/protocol/muc"
ROOM = "den@conference.localhost"
EPHEMERAL = "urn:xmpp:ephemeral:0"
SECRET = "nevermoreseen"
STAYS = "evermorehere"
TIMER_S = 15


class Person(Client):
    """A client of the library."""

    def __init__(self, username: str) -> None:
        super().__init__(username, PASSWORD)
        self.register_plugin("xep_0045")

    def send_text(self, to: str, text: str, timer_s: int = 0, kind: str = "chat") -> None:
        """Send a text that disappears, or one that stays."""
        message = self.make_message(mto=to, mbody=text, mtype=kind)
        if timer_s:
            message.append(ET.fromstring(f"<ephemeral xmlns='{EPHEMERAL}' timer='{timer_s}'/>"))
        message.send()

    async def ask(self, kind: str, payload: str, to: str = "") -> ET.Element:
        """Send an IQ and return its answer; an error is raised."""
        iq = self.make_iq(ito=to or None, itype=kind)
        iq.append(ET.fromstring(payload))
        answer = await iq.send(timeout=CONNECT_TIMEOUT_S)
        return answer.xml

    async def publish(self, node: str, payload: str) -> None:
        """Publish an item that expires when the messages disappear."""
        head = f"<field var='FORM_TYPE' type='hidden'><value>{PUBSUB}#publish-options</value></field>"
        field = f"<field var='pubsub#item_expire'><value>{TIMER_S}</value></field>"
        form = f"<publish-options><x xmlns='jabber:x:data' type='submit'>{head}{field}</x></publish-options>"
        content = f"<publish node='{node}'><item id='current'>{payload}</item></publish>{form}"
        await self.ask("set", f"<pubsub xmlns='{PUBSUB}'>{content}</pubsub>")

    async def items(self, node: str) -> list[str]:
        """Return texts of the items of one of its nodes."""
        answer = await self.ask("get", f"<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>")
        return ["".join(item.itertext()) for item in answer.iter(f"{{{PUBSUB}}}item")]


async def log_in(cluster: Cluster, name: str, node_id: int) -> Person:
    """A person on one node."""
    person = Person(name)
    await person.log_in(cluster.node(node_id).xmpp)
    return person


async def open_room(person: Person) -> None:
    """Enter a room that is made so."""
    await person.plugin["xep_0045"].join_muc_wait(JID(ROOM), person.account, timeout=CONNECT_TIMEOUT_S)
    form = "<x xmlns='jabber:x:data' type='submit'/>"
    await person.ask("set", f"<query xmlns='{MUC}#owner'>{form}</query>", ROOM)


async def archived(cluster: Cluster, name: str, node_id: int, to: str = "") -> list[str]:
    """Texts of an archive as one node has it; empty for what has disappeared."""
    async with RawClient() as client:
        await client.log_in(cluster.node(node_id).xmpp, name, PASSWORD, resource=f"reader-{node_id}")
        return [row.body for row in await read_archive(client, to=to)]


async def test_nothing_is_left_on_any_node(cluster: Cluster) -> None:
    """
    Messages to who is there, who is away and a room, a story and a live location are gone once their time is over.

    The leader dies in between. What has no timer stays, on every node.
    """
    await wait_upgraded(cluster)
    for name in ("anna", "bert", "cleo"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    leader = await cluster.leader()
    first, second = [node_id for node_id in cluster.node_ids if node_id != leader]
    anna, bert = await log_in(cluster, "anna", first), await log_in(cluster, "bert", second)
    await open_room(anna)
    for to, kind in (("bert@localhost", "chat"), ("cleo@localhost", "chat"), (ROOM, "groupchat")):
        anna.send_text(to, f"{SECRET} {kind}", TIMER_S, kind)
        anna.send_text(to, f"{STAYS} {kind}", kind=kind)
    for text in (SECRET, STAYS):
        await bert.wait_received(f"{text} chat")
    await anna.publish(STORIES, f"<entry xmlns='http://www.w3.org/2005/Atom'><title>{SECRET}</title></entry>")
    assert await anna.items(STORIES) == [SECRET]
    await anna.publish(GEOLOC, f"<geoloc xmlns='{GEOLOC}'><text>{SECRET}</text></geoloc>")
    assert await anna.items(GEOLOC) == [SECRET]
    await cluster.kill(leader)

    async def is_gone() -> bool:
        return await anna.items(GEOLOC) == await anna.items(STORIES) == []

    await wait_until("the story and the location to expire", is_gone, TIMER_S + CONNECT_TIMEOUT_S)
    for node_id in (first, second):
        assert await archived(cluster, "bert", node_id) == ["", f"{STAYS} chat"]
        assert await archived(cluster, "anna", node_id, ROOM) == ["", f"{STAYS} groupchat"]
    cleo = await log_in(cluster, "cleo", second)
    await cleo.wait_received(f"{STAYS} chat")
    assert [message.body for message in cleo.received] == [f"{STAYS} chat"]
    for person in (anna, bert, cleo):
        await person.log_out()

    await cluster.start_node(leader)
    await cluster.wait_healthy()
    await cluster.wait_equal_hashes()
    assert await archived(cluster, "cleo", leader) == ["", f"{STAYS} chat"]
    files = [Path(cluster.node(node_id).data) / "state.db" for node_id in cluster.node_ids]
    await cluster.stop()
    for path in files:
        checkpoint(path, truncate=True)
        content = path.read_bytes()
        assert (SECRET.encode() in content, STAYS.encode() in content) == (False, True), path


async def test_refusals_are_told(cluster: Cluster) -> None:
    """A timer that cannot be kept, and a location too soon after another, come back to who sent them."""
    await wait_upgraded(cluster)
    port = cluster.node(2).xmpp
    await register(port, "anna", PASSWORD)
    async with RawClient() as client:
        await client.log_in(port, "anna", PASSWORD)
        for timer in ("soon", "0"):
            client.send(
                f"<message to='anna@localhost' type='chat' id='m{timer}'><body>{SECRET}</body>"
                f"<ephemeral xmlns='{EPHEMERAL}' timer='{timer}'/></message>"
            )
        content = f"<publish node='{GEOLOC}'><item><geoloc xmlns='{GEOLOC}'><lat>1</lat></geoloc></item></publish>"
        for number in range(10):
            client.send(f"<iq type='set' id='p{number}'><pubsub xmlns='{PUBSUB}'>{content}</pubsub></iq>")

        async def is_answered() -> bool:
            return {f"p{number}" for number in range(10)} <= {stanza.get("id") for stanza in client.stanzas}

        await wait_until("all to be answered", is_answered, CONNECT_TIMEOUT_S)
        errors = {
            stanza.get("id", ""): found[0].tag.rpartition("}")[2]
            for stanza in client.stanzas
            if (found := stanza.find(f"{{{NS_CLIENT}}}error")) is not None
        }
        assert (errors.pop("msoon"), errors.pop("m0")) == ("bad-request", "policy-violation")
        assert "p0" not in errors
        assert "resource-constraint" in errors.values()
    assert await archived(cluster, "anna", 1) == []
