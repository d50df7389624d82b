"""
Push notifications (XEP-0357) from three nodes to an application server, through a leader's death.

The application server is a double: a client of a library that answers what is published to it and remembers the ids of
items. What it must have got is read from the recipient's archive, whose ids are those of the items.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from xml.etree import ElementTree as ET

import pytest
import slixmpp

from integration.archive import ArchiveRow, read_archive
from integration.cluster_process import Cluster, wait_until
from integration.resumer import Resumer
from integration.xmpp_client import CONNECT_TIMEOUT_S, Chatter, Client
from integration.xmpp_raw import NS_CLIENT, RawClient, register
from raftline.node.publisher import IN_FLIGHT_COUNT_MAX

pytestmark = pytest.mark.timeout(180)

PUSH = "urn:xmpp:push:0"
PUBSUB = "http://jabber.org/protocol/pubsub"
FORM = "jabber:x:data"
PASSWORD = "tell-me-when"
WRITE_INTERVAL_S = 0.02  # per writer
COUNT_BEFORE = COUNT_AFTER = 120  # messages of each writer
SETTLE_TIMEOUT_S = 60.0


class AppServer(Client):
    """
    What the maker of an app runs.

    Attributes:
        published: Ids of items by node, in the order they came.
        last: The last request.
    """

    def __init__(self) -> None:
        super().__init__("maker", PASSWORD)
        self.published: dict[str, list[str]] = {}
        self.last = ET.Element("none")
        publish = slixmpp.xmlstream.matcher.MatchXPath(f"{{{NS_CLIENT}}}iq/{{{PUBSUB}}}pubsub/{{{PUBSUB}}}publish")
        self.register_handler(slixmpp.xmlstream.handler.Callback("publish", publish, self._on_publish))

    def _on_publish(self, request: slixmpp.Iq) -> None:
        self.last = request.xml
        node = next(request.xml.iter(f"{{{PUBSUB}}}publish")).get("node", "")
        if node == "gone":
            reply = request.reply()
            reply["error"]["condition"] = "item-not-found"
            reply["error"]["type"] = "cancel"
            reply.send()
            return
        self.published.setdefault(node, []).extend(item.get("id", "") for item in request.xml.iter(f"{{{PUBSUB}}}item"))
        request.reply().send()

    async def has_published(self) -> bool:
        """Probe: it got something."""
        return bool(self.published)

    async def wait_published(self, node: str, *item_ids: str) -> None:
        """Wait until it got all of these."""

        async def probe() -> bool:
            return set(item_ids) <= set(self.published.get(node, ()))

        await wait_until(f"{item_ids} at {node}", probe, SETTLE_TIMEOUT_S, interval_s=0.02)


def enabling(service: str, node: str) -> str:
    """The request to be told through a node."""
    fields = (
        f"<field var='FORM_TYPE'><value>{PUBSUB}#publish-options</value></field>"
        "<field var='secret'><value>s3cret</value></field>"
    )
    form = f"<x xmlns='{FORM}' type='submit'>{fields}</x>"
    return f"<enable xmlns='{PUSH}' jid='{service}' node='{node}'>{form}</enable>"


async def enable(phone: RawClient, service: str, node: str) -> None:
    answer = await phone.ask("set", enabling(service, node))
    assert answer.get("type") == "result", ET.tostring(answer)


async def archive_of(port: int, username: str) -> list[ArchiveRow]:
    """Read an archive from another device."""
    async with RawClient() as reader:
        await reader.log_in(port, username, PASSWORD, resource="reader")
        return await read_archive(reader)


async def test_devices_that_are_away_are_told(cluster: Cluster) -> None:
    """Offline, or with a dead connection, whoever holds it: told once; connected: not; after an error: never again."""
    for name in ("anna", "bert", "cleo", "maker"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    app, anna = AppServer(), RawClient()
    await app.log_in(cluster.node(2).xmpp)
    service = app.boundjid.full
    phone, dead = RawClient(), Resumer("cleo", PASSWORD, "phone")
    async with anna, phone:
        await anna.log_in(cluster.node(3).xmpp, "anna", PASSWORD, resource="desk")
        await phone.log_in(cluster.node(1).xmpp, "bert", PASSWORD, resource="phone")
        phone.send("<presence/>")
        for node in ("bert", "gone"):
            await enable(phone, service, node)
        await dead.log_in(cluster.node(2).xmpp)
        dead.send(f"<iq type='set' id='e'>{enabling(service, 'cleo')}</iq>")
        dead.send("<presence/>")
        await wait_until("cleo is there", dead.is_acknowledged, CONNECT_TIMEOUT_S, interval_s=0.02)

        anna.send_chat("bert@localhost", "while he is there", "a1")
        await phone.wait_stanza(lambda stanza: stanza.findtext(f"{{{NS_CLIENT}}}body") == "while he is there")
        await phone.close()
        anna.send_chat("cleo@localhost", "while she is there", "a2")
        connection = dead.abandon()
        await connection.close()
        for number in (3, 4):
            sent = anna.send_chat("bert@localhost", "while he is away", f"a{number}")
            await anna.wait_acked(sent)

    first, *missed = [row.stanza_id for row in await archive_of(cluster.node(1).xmpp, "bert")]
    await app.wait_published("bert", *missed)
    assert app.published["bert"] == missed, f"{first} was seen"
    [unseen] = [row.stanza_id for row in await archive_of(cluster.node(3).xmpp, "cleo")]
    await app.wait_published("cleo", unseen)
    assert app.published["cleo"] == [unseen]
    assert "gone" not in app.published
    form = app.last.find(f".//{{{PUBSUB}}}publish-options/{{{FORM}}}x")
    assert form is not None
    assert {field.get("var"): field[0].text for field in form}["secret"] == "s3cret"
    assert app.last.get("from") == "localhost"
    await app.log_out()
    await cluster.wait_equal_hashes()


async def test_a_leader_dies_in_the_midst_of_a_stream(cluster: Cluster) -> None:
    """
    Every message that alerts has exactly one item id at the application server, and none is missing.

    The recipient is away, the application server is on a follower, and one of the writers on the leader. What was under
    way to the server when the leader died may come again, under its id.
    """
    for name in ("anna", "bert", "carla", "maker"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    leader = await cluster.leader()
    follower, other = (node_id for node_id in (1, 2, 3) if node_id != leader)
    app = AppServer()
    await app.log_in(cluster.node(follower).xmpp)
    async with RawClient() as phone:
        await phone.log_in(cluster.node(other).xmpp, "bert", PASSWORD, resource="phone")
        await enable(phone, app.boundjid.full, "bert")
    writers = [Chatter(cluster, "anna", PASSWORD, "bert@localhost", leader)]
    writers.append(Chatter(cluster, "carla", PASSWORD, "bert@localhost", other))
    tasks = [asyncio.create_task(writer.run()) for writer in writers]

    async def write(count: int) -> None:
        for _ in range(count):
            for writer in writers:
                writer.write()
            await asyncio.sleep(WRITE_INTERVAL_S)  # the pace of the load

    async def all_acknowledged() -> bool:
        return not any(writer.unacknowledged_count for writer in writers)

    await write(COUNT_BEFORE)
    await wait_until("notifications flow", app.has_published, SETTLE_TIMEOUT_S, interval_s=0.01)
    killed = asyncio.create_task(cluster.kill(leader))
    await write(COUNT_AFTER)
    await killed
    await wait_until("all is acknowledged", all_acknowledged, SETTLE_TIMEOUT_S, interval_s=0.02)
    for writer in writers:
        await writer.close()
    await asyncio.gather(*tasks)

    rows = await archive_of(cluster.node(follower).xmpp, "bert")
    assert len(rows) == 2 * (COUNT_BEFORE + COUNT_AFTER)
    ids = [row.stanza_id for row in rows]
    await app.wait_published("bert", *ids)
    published = Counter(app.published["bert"])
    assert set(published) == set(ids)
    repeats = published.total() - len(published)
    print(f"{len(ids)} messages, {repeats} notifications came twice")
    assert repeats <= IN_FLIGHT_COUNT_MAX
    await app.log_out()
    await cluster.start_node(leader)
    await cluster.wait_equal_hashes()
