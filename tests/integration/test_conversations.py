"""The list of conversations (XEP-0430) of one user on three nodes, and through the death of the leader."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from integration.archive import read_archive
from integration.cluster_process import Cluster, wait_until
from integration.test_formats import wait_upgraded
from integration.xmpp_raw import NS_CLIENT, NS_MAM, NS_SID, RawClient, register

pytestmark = pytest.mark.timeout(120)

PASSWORD = "many-devices"
ANNA, BERT = "anna@localhost", "bert@localhost"
ROOM = "den@conference.localhost"
INBOX = "urn:xmpp:inbox:1"
OWN = "urn:raftline:conversations:0"
TICKS = "urn:raftline:ticks:0"
DISPLAYED = "urn:xmpp:mds:displayed:0"
MARKERS = "urn:xmpp:chat-markers:0"
MUC = "http://jabber.org/protocol/muc"
PATIENCE_S = 20.0


class Entry(NamedTuple):
    """What an entry says: unread messages, the text beside it, our own attributes."""

    unread: int
    text: str | None
    state: dict[str, str]


class Device(RawClient):
    """A device of somebody's, which asks for the list."""

    async def arrive(self, cluster: Cluster, name: str, node_id: int) -> None:
        """Log in on a node and be available."""
        await self.log_in(cluster.node(node_id).xmpp, name, PASSWORD, resource=f"on-{node_id}")
        self.send("<presence/>")

    async def inbox(self, attributes: str = "") -> tuple[dict[str, Entry], dict[str, str]]:
        """Entries by address, in order, and the totals."""
        self.stanzas.clear()
        answer = await self.ask("get", f"<inbox xmlns='{INBOX}' {attributes}/>")
        assert answer.get("type") == "result"
        entries: dict[str, Entry] = {}
        for message in self.stanzas:
            found = message.find(f"{{{INBOX}}}entry")
            if found is not None:
                state = found.find(f"{{{OWN}}}state")
                text = message.findtext(f"{{{NS_MAM}}}result//{{{NS_CLIENT}}}body")
                said = {} if state is None else dict(state.attrib)
                entries[found.get("jid", "")] = Entry(int(found.get("unread", "")), text, said)
        return entries, dict(answer[0].attrib)

    async def wait_entry(self, jid: str, expected: Entry) -> None:
        """Wait until the list has an entry; another node may be a moment behind."""

        async def probe() -> bool:
            return (await self.inbox())[0].get(jid) == expected

        await wait_until(f"{self.jid} finds {expected} with {jid}", probe, PATIENCE_S, interval_s=0.05)

    async def ticks(self, jid: str, *ids: str) -> list[tuple[str | None, ...]]:
        """How far messages have come: received, read, of how many."""
        inner = "".join(f"<message id='{stanza_id}'/>" for stanza_id in ids)
        answer = await self.ask("get", f"<ticks xmlns='{TICKS}' with='{jid}'>{inner}</ticks>")
        assert answer.get("type") == "result"
        return [tuple(found.get(name) for name in ("received", "read", "of")) for found in answer[0]]

    async def wait_ticks(self, jid: str, expected: list[tuple[str | None, ...]], *ids: str) -> None:
        """Wait until messages have come so far; another node may be a moment behind."""

        async def probe() -> bool:
            return await self.ticks(jid, *ids) == expected

        await wait_until(f"{self.jid} finds {expected} with {jid}", probe, PATIENCE_S, interval_s=0.05)

    async def last_id(self, sender: str) -> tuple[str, str]:
        """Wait for a message with a text; its own id and its stanza id."""
        stanza = await self.wait_stanza(
            lambda found: found.get("from", "").startswith(sender) and found.find(f"{{{NS_CLIENT}}}body") is not None
        )
        mark = stanza.find(f"{{{NS_SID}}}stanza-id")
        assert mark is not None
        return stanza.get("id", ""), mark.get("id", "")

    async def publish(self, node: str, item_id: str, payload: str) -> None:
        """Publish an item that nobody else reads."""
        fields = "".join(
            f"<field var='pubsub#{name}'><value>{value}</value></field>"
            for name, value in (("access_model", "whitelist"), ("persist_items", "true"), ("max_items", "max"))
        )
        kind = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
        options = f"<publish-options><x xmlns='jabber:x:data' type='submit'>{kind}{fields}</x></publish-options>"
        item = f"<publish node='{node}'><item id='{item_id}'>{payload}</item></publish>"
        content = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{item}{options}</pubsub>"
        assert (await self.ask("set", content)).get("type") == "result"

    def say(self, to: str, body: str, message_id: str, kind: str = "chat") -> None:
        """Say something."""
        self.send(f"<message to='{to}' type='{kind}' id='{message_id}'><body>{body}</body></message>")

    def mark(self, to: str, message_id: str, kind: str = "chat") -> None:
        """Tell others how far is read."""
        self.send(f"<message to='{to}' type='{kind}'><displayed xmlns='{MARKERS}' id='{message_id}'/></message>")


async def test_one_list_on_every_device(cluster: Cluster) -> None:
    """
    What one device reads is read on the others, whichever node they are on, and after the leader's death.

    By a displayed state, by a marker, by an answer; with a contact and in a room, where mentions are counted.
    """
    await wait_upgraded(cluster)
    for name in ("anna", "bert"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    async with Device() as phone, Device() as desk, Device() as bert:
        await phone.arrive(cluster, "anna", 1)
        await desk.arrive(cluster, "anna", 2)
        await bert.arrive(cluster, "bert", 3)
        sent = await _read_a_contact(phone, desk, bert)
        said = await _read_a_room(phone, desk, bert)
    leader = await cluster.leader()
    await cluster.kill(leader)
    near, far = (node_id for node_id in (1, 2, 3) if node_id != leader)
    async with Device() as phone, Device() as desk, Device() as bert:
        await phone.arrive(cluster, "anna", near)
        await desk.arrive(cluster, "anna", far)
        await bert.arrive(cluster, "bert", far)
        entries, totals = await phone.inbox()
        assert entries == {ROOM: Entry(0, "anna?", {}), BERT: Entry(0, "four", {"pinned": "true"})}
        assert totals == {"total": "2", "unread": "0", "all-unread": "0"}
        assert await bert.ticks(ANNA, *sent) == [("1", "1", "1")] * 2
        assert await bert.ticks(ROOM, *said) == [(None, "1", "1")] * 2
        bert.say(ANNA, "five", "b5")
        await phone.wait_entry(BERT, Entry(1, "five", {"pinned": "true"}))
        assert list((await phone.inbox())[0]) == [BERT, ROOM]
        desk.say(BERT, "six", "a6")
        await phone.wait_entry(BERT, Entry(0, "six", {"pinned": "true"}))
        assert (await phone.inbox("unread-only='true'"))[0] == {}
    await cluster.start_node(leader)
    await cluster.wait_healthy()
    async with Device() as tablet:
        await tablet.arrive(cluster, "anna", leader)
        entries, _ = await tablet.inbox()
        assert entries == {BERT: Entry(0, "six", {"pinned": "true"}), ROOM: Entry(0, "anna?", {})}
    await cluster.wait_equal_hashes()


async def _read_a_contact(phone: Device, desk: Device, bert: Device) -> list[str]:
    """Return ids of the last two messages, as the sender's archive has them."""
    for number, text in enumerate(("one", "two", "three"), 1):
        bert.say(ANNA, text, f"b{number}")
    ids = [await phone.last_id(BERT) for _ in range(3)]
    await desk.wait_entry(BERT, Entry(3, "three", {}))
    named = f"<stanza-id xmlns='{NS_SID}' by='{ANNA}' id='{ids[1][1]}'/>"
    await phone.publish(DISPLAYED, BERT, f"<displayed xmlns='{DISPLAYED}'>{named}</displayed>")
    await desk.wait_entry(BERT, Entry(1, "three", {}))
    bert.say(ANNA, "four", "b4")
    await desk.wait_entry(BERT, Entry(2, "four", {}))
    sent = [row.stanza_id for row in await read_archive(bert)][-2:]
    assert await bert.ticks(ANNA, *sent) == [("0", "0", "1")] * 2  # strangers are not told of devices
    phone.mark(BERT, "b4")
    await desk.wait_entry(BERT, Entry(0, "four", {}))
    await bert.wait_ticks(ANNA, [("1", "1", "1")] * 2, *sent)
    assert (await bert.inbox())[0] == {ANNA: Entry(0, "four", {})}
    pinned = "<pinned xmlns='urn:xmpp:bookmarks-pinning:0'/>"
    await desk.publish(OWN, BERT, f"<conversation xmlns='{OWN}'>{pinned}</conversation>")
    await phone.wait_entry(BERT, Entry(0, "four", {"pinned": "true"}))
    return sent


async def _read_a_room(phone: Device, desk: Device, bert: Device) -> list[str]:
    """Return ids of the messages."""
    bert.send(f"<presence to='{ROOM}/bert'><x xmlns='{MUC}'/></presence>")
    persistent = "<field var='muc#roomconfig_persistentroom'><value>1</value></field>"
    kind = f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>"
    form = f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'>{kind}{persistent}</x></query>"
    assert (await bert.ask("set", form, ROOM)).get("type") == "result"
    member = f"<query xmlns='{MUC}#admin'><item affiliation='member' jid='{ANNA}'/></query>"
    assert (await bert.ask("set", member, ROOM)).get("type") == "result"
    phone.send(f"<presence to='{ROOM}/anna'><x xmlns='{MUC}'/></presence>")
    await phone.wait_stanza(lambda stanza: stanza.get("from") == f"{ROOM}/anna")
    for number, text in enumerate(("hello", "anna?"), 1):
        bert.say(ROOM, text, f"r{number}", "groupchat")
    _, first = await phone.last_id(ROOM)
    _, second = await phone.last_id(ROOM)
    phone.mark(ROOM, first, "groupchat")
    await desk.wait_entry(ROOM, Entry(1, "anna?", {"mentions": "1"}))
    await bert.wait_ticks(ROOM, [(None, "1", "1"), (None, "0", "1")], first, second)
    phone.mark(ROOM, second, "groupchat")
    await desk.wait_entry(ROOM, Entry(0, "anna?", {}))
    return [first, second]
