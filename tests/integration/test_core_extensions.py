"""Carbons, block lists and account data between clients on different nodes, with a library and with bare hands."""

from __future__ import annotations

import asyncio
from xml.etree import ElementTree as ET

import pytest

from integration.cluster_process import Cluster, wait_until
from integration.xmpp_client import CONNECT_TIMEOUT_S, Client
from integration.xmpp_raw import (
    NS_CLIENT,
    NS_FORWARD,
    NS_MAM,
    NS_SID,
    NS_STANZA_ERROR,
    RawClient,
    condition_of,
    register,
)

pytestmark = pytest.mark.timeout(120)

NS_CARBONS = "urn:xmpp:carbons:2"
NS_BLOCKING = "urn:xmpp:blocking"
BODY = f"{{{NS_CLIENT}}}body"
ERROR = f"{{{NS_CLIENT}}}error"


def copy_in(stanza: ET.Element, direction: str) -> ET.Element | None:
    """The message inside a carbon copy of that direction."""
    return stanza.find(f"{{{NS_CARBONS}}}{direction}/{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message")


async def wait_copy(client: RawClient, direction: str, body: str) -> ET.Element:
    """Wait for a copy and return the message inside."""

    def accept(stanza: ET.Element) -> bool:
        copy = copy_in(stanza, direction)
        return copy is not None and copy.findtext(BODY) == body

    wrapper = await client.wait_stanza(accept)
    assert wrapper.get("from") == client.jid.partition("/")[0], "only the account itself vouches for copies"
    copy = copy_in(wrapper, direction)
    assert copy is not None
    return copy


async def archive_ids(client: RawClient) -> dict[str, str]:
    """Ids of the client's archive by the text of the message."""
    client.stanzas.clear()
    await client.ask("set", f"<query xmlns='{NS_MAM}' queryid='q'/>")
    results = [found for stanza in client.stanzas if (found := stanza.find(f"{{{NS_MAM}}}result")) is not None]
    return {result.findtext(f".//{BODY}") or "": result.get("id", "") for result in results}


async def set_up(cluster: Cluster, *names: str) -> None:
    for name in names:
        await register(cluster.node(1).xmpp, name, f"secret-{name}")


async def log_in(cluster: Cluster, node_id: int, name: str, resource: str) -> RawClient:
    """A client that is there: bound, with presence seen by itself."""
    client = RawClient()
    await client.log_in(cluster.node(node_id).xmpp, name, f"secret-{name}", resource=resource)
    client.send("<presence/>")
    await client.wait_stanza(lambda stanza: stanza.tag.endswith("presence") and stanza.get("from") == client.jid)
    return client


async def test_every_device_shows_the_conversation(cluster: Cluster) -> None:
    """XEP-0280: devices of one account on two nodes, a partner on a third; ids are those of the archives."""
    await set_up(cluster, "anna", "bert")
    phone, desk = await log_in(cluster, 1, "anna", "phone"), await log_in(cluster, 2, "anna", "desk")
    bert = await log_in(cluster, 3, "bert", "home")
    async with phone, desk, bert:
        assert (await desk.ask("set", f"<enable xmlns='{NS_CARBONS}'/>")).get("type") == "result"
        phone.send_chat("bert@localhost", "from anna", "a-1")
        sent = await wait_copy(desk, "sent", "from anna")
        arrived = await bert.wait_stanza(lambda stanza: stanza.findtext(BODY) == "from anna")
        bert.send_chat(phone.jid, "from bert", "b-1")
        received = await wait_copy(desk, "received", "from bert")

        ids = await archive_ids(desk)
        for copy, body in ((sent, "from anna"), (received, "from bert")):
            [stanza_id] = copy.iter(f"{{{NS_SID}}}stanza-id")
            assert (stanza_id.get("by"), stanza_id.get("id")) == ("anna@localhost", ids[body])
        assert arrived.find(f"{{{NS_SID}}}stanza-id") is not None
        assert copy_in(arrived, "sent") is None

        phone.send(
            f"<message to='bert@localhost' type='chat'><body>secret</body><private xmlns='{NS_CARBONS}'/></message>"
        )
        await bert.wait_stanza(lambda stanza: stanza.findtext(BODY) == "secret")
        phone.send_chat("bert@localhost", "after it", "a-2")
        await wait_copy(desk, "sent", "after it")  # what was copied before it is here by now
        assert all("secret" not in ET.tostring(stanza, "unicode") for stanza in desk.stanzas)
    await cluster.wait_equal_hashes()


async def test_who_is_blocked_meets_silence_through_every_node(cluster: Cluster) -> None:
    """XEP-0191: the blocker on two nodes, the blocked on a third: presence, messages, requests, and the way back."""
    await set_up(cluster, "anna", "bert")
    phone, desk = await log_in(cluster, 1, "anna", "phone"), await log_in(cluster, 2, "anna", "desk")
    bert = await log_in(cluster, 3, "bert", "home")
    async with phone, desk, bert:
        bert.send("<presence to='anna@localhost' type='subscribe'/>")
        await phone.wait_stanza(lambda stanza: stanza.get("type") == "subscribe")
        phone.send("<presence to='bert@localhost' type='subscribed'/>")
        for jid in (phone.jid, desk.jid):
            await bert.wait_stanza(lambda stanza, jid=jid: stanza.get("from") == jid)
        await desk.ask("get", f"<blocklist xmlns='{NS_BLOCKING}'/>")

        item = "<item jid='bert@localhost'/>"
        assert (await phone.ask("set", f"<block xmlns='{NS_BLOCKING}'>{item}</block>")).get("type") == "result"
        # From here on nothing of Bert reaches Anna, whichever node he is on and whichever hers.
        for device in (desk, phone):
            answer = await bert.ask("get", "<query xmlns='jabber:iq:version'/>", to=device.jid)
            assert condition_of(answer.find(ERROR), NS_STANZA_ERROR) == "service-unavailable"  # type: ignore[arg-type]
            bert.send(f"<message to='{device.jid}' type='chat' id='to-{device.jid}'><body>hello?</body></message>")
            bounced = await bert.wait_stanza(lambda stanza, jid=device.jid: stanza.get("id") == f"to-{jid}")
            assert condition_of(bounced.find(ERROR), NS_STANZA_ERROR) == "service-unavailable"  # type: ignore[arg-type]
            await bert.wait_stanza(
                lambda stanza, jid=device.jid: stanza.get("from") == jid and stanza.get("type") == "unavailable"
            )
        await desk.wait_stanza(lambda stanza: stanza.find(f"{{{NS_BLOCKING}}}block") is not None)
        desk.send("<message to='bert@localhost' type='chat' id='own'><body>oh</body></message>")
        refused = await desk.wait_stanza(lambda stanza: stanza.get("id") == "own")
        assert refused.find(f"{ERROR}/{{{NS_BLOCKING}:errors}}blocked") is not None

        assert (await desk.ask("set", f"<unblock xmlns='{NS_BLOCKING}'/>")).get("type") == "result"
        for device in (phone, desk):
            await bert.wait_stanza(lambda stanza, jid=device.jid: stanza.get("from") == jid and not stanza.get("type"))
        bert.send_chat("anna@localhost", "again", "b-9")
        for device in (phone, desk):
            message = await device.wait_stanza(lambda stanza: stanza.findtext(BODY) is not None)
            assert message.findtext(BODY) == "again", "something was delivered in spite of the block"
        assert list(await archive_ids(phone)) == ["again"]
    await cluster.wait_equal_hashes()


async def test_a_library_finds_its_way(cluster: Cluster) -> None:
    """What slixmpp makes of carbons, block lists and vCards, over three nodes."""
    anna = Client("anna", "secret-1", ca_file=cluster.ca_file)
    await anna.register_account(cluster.node(1).xmpp)
    desk = Client("anna", "secret-1", ca_file=cluster.ca_file)
    for name in ("xep_0280", "xep_0191", "xep_0054"):
        desk.register_plugin(name)
    anna.register_plugin("xep_0054")
    await desk.log_in(cluster.node(2).xmpp)
    bert = Client("bert", "secret-2", ca_file=cluster.ca_file)
    await bert.register_account(cluster.node(3).xmpp)

    await desk.plugin["xep_0280"].enable()
    copied: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    desk.add_event_handler("carbon_sent", lambda message: copied.set_result(message["carbon_sent"]["body"]))
    anna.say("bert@localhost", "hello bert", "a-1")
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        assert await copied == "hello bert"

    await desk.plugin["xep_0191"].block("bert@localhost")
    blocked = await desk.plugin["xep_0191"].get_blocked()
    assert {str(item["jid"]) for item in blocked["blocklist"]["items"]} == {"bert@localhost"}
    await desk.plugin["xep_0191"].unblock("bert@localhost")

    card = desk.plugin["xep_0054"].make_vcard()
    card["FN"] = "Anna"
    await desk.plugin["xep_0054"].publish_vcard(card)

    async def is_read() -> bool:
        read = await anna.plugin["xep_0054"].get_vcard("anna@localhost")
        return read["vcard_temp"]["FN"] == "Anna"

    # Anna's node answers from its own replica, which may be a moment behind the one that confirmed the card.
    await wait_until("the card is read through another node", is_read, CONNECT_TIMEOUT_S)

    await anna.log_out()
    await desk.log_out()
    await bert.log_out()
    await cluster.wait_equal_hashes()
