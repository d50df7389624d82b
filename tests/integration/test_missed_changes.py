"""What a client missed is told on another node, after the leader was killed (XEP-0463, XEP-0318, XEP-0492)."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from integration.cluster_process import Cluster
from integration.xmpp_raw import NS_CLIENT, NS_SM, RawClient, register

pytestmark = pytest.mark.timeout(120)

PASSWORD = "pencil"
ROOM = "coven@conference.localhost"
NS_MUC = "http://jabber.org/protocol/muc"
MAV = "urn:xmpp:muc:affiliations:1"
USER = f"{{{NS_MUC}#user}}"
BOOKMARKS = "urn:xmpp:bookmarks:1"
NOTIFY = "urn:xmpp:notification-settings:1"
PUBSUB = "http://jabber.org/protocol/pubsub"


async def log_in(cluster: Cluster, node_id: int, name: str) -> RawClient:
    client = RawClient()
    await client.log_in(cluster.node(node_id).xmpp, name, PASSWORD, resource="phone")
    return client


def mav_of(stanza: ET.Element) -> dict[str, str]:
    """Versions of lists that a stanza of the room tells."""
    mav = stanza.find(f"{USER}x/{{{MAV}}}mav")
    return {} if mav is None else dict(mav.attrib)


async def enter(client: RawClient, since: str = "") -> tuple[dict[str, str], str]:
    """Enter the room and ask what changed; returns the names that are listed, and the version in the self-presence."""
    nick = client.jid.partition("@")[0]
    asked = f"<mav xmlns='{MAV}' since='{since}'/>" if since else f"<mav xmlns='{MAV}'/>"
    client.send(f"<presence to='{ROOM}/{nick}'><x xmlns='{NS_MUC}'>{asked}</x></presence>")
    own = await client.wait_stanza(
        lambda stanza: (
            stanza.get("from") == f"{ROOM}/{nick}" and stanza.find(f"{USER}x/{USER}status[@code='110']") is not None
        )
    )
    listed = [stanza for stanza in client.stanzas if stanza.tag == f"{{{NS_CLIENT}}}message" and mav_of(stanza)]
    items = [item for message in listed for item in message.findall(f"{USER}x/{USER}item")]
    client.stanzas.clear()
    told = {(item.get("jid") or "").partition("@")[0]: item.get("affiliation") or "" for item in items}
    return told, mav_of(own)["until"]


async def affiliate(owner: RawClient, name: str, affiliation: str) -> None:
    item = f"<item jid='{name}@localhost' affiliation='{affiliation}'/>"
    answer = await owner.ask("set", f"<query xmlns='{NS_MUC}#admin'>{item}</query>", ROOM)
    assert answer.get("type") == "result", ET.tostring(answer)


async def befriend(asks: RawClient, answers: RawClient) -> None:
    """Let one see the other's presence."""
    one, other = asks.jid.partition("/")[0], answers.jid.partition("/")[0]
    asks.send(f"<presence to='{other}' type='subscribe'/>")
    await answers.wait_stanza(lambda stanza: stanza.get("type") == "subscribe" and stanza.get("from") == one)
    answers.send(f"<presence to='{one}' type='subscribed'/>")
    await asks.wait_stanza(lambda stanza: stanza.get("type") == "subscribed")


async def test_after_the_leader_was_killed(cluster: Cluster) -> None:
    """A version of a room's lists, a farewell and a setting of one node are known on every other."""
    leader = await cluster.leader()
    here, there = (node_id for node_id in cluster.node_ids if node_id != leader)
    for name in ("anna", "bert", "carla"):
        await register(cluster.node(here).xmpp, name, PASSWORD)
    anna, bert = await log_in(cluster, here, "anna"), await log_in(cluster, leader, "bert")
    for client in (anna, bert):
        await client.ask("get", "<query xmlns='jabber:iq:roster'/>")
        client.send("<presence/>")
    await befriend(anna, bert)
    await enter(anna)
    fields = "".join(
        f"<field var='{name}'><value>{value}</value></field>"
        for name, value in (("FORM_TYPE", f"{NS_MUC}#roomconfig"), ("muc#roomconfig_whois", "anyone"))
    )
    form = f"<query xmlns='{NS_MUC}#owner'><x xmlns='jabber:x:data' type='submit'>{fields}</x></query>"
    assert (await anna.ask("set", form, ROOM)).get("type") == "result"
    told, version = await enter(bert)
    assert told == {"anna": "owner"}
    notify = f"<notify xmlns='{NOTIFY}'><never/></notify>"
    bookmark = f"<conference xmlns='{BOOKMARKS}'><extensions>{notify}</extensions></conference>"
    publish = (
        f"<pubsub xmlns='{PUBSUB}'><publish node='{BOOKMARKS}'><item id='{ROOM}'>{bookmark}</item></publish></pubsub>"
    )
    assert (await bert.ask("set", publish)).get("type") == "result"
    count = bert.send("<presence type='unavailable'><status>Good night</status></presence>")
    bert.write(f"<r xmlns='{NS_SM}'/>")
    await bert.wait_acked(count)
    await bert.close()
    await affiliate(anna, "carla", "member")

    await cluster.kill(leader)
    await affiliate(anna, "carla", "admin")
    anna.stanzas.clear()
    anna.send("<presence to='bert@localhost' type='probe'/>")
    farewell = await anna.wait_stanza(lambda stanza: stanza.get("from") == "bert@localhost")
    assert farewell.get("type") == "unavailable"
    assert farewell.findtext(f"{{{NS_CLIENT}}}status") == "Good night"
    assert farewell.find("{urn:xmpp:delay}delay") is not None
    async with await log_in(cluster, there, "bert") as again:
        told, latest = await enter(again, version)
        assert told == {"carla": "admin"}
        assert latest != version
        asked = await again.ask("get", f"<pubsub xmlns='{PUBSUB}'><items node='{BOOKMARKS}'/></pubsub>")
        assert asked.find(f".//{{{NOTIFY}}}notify/{{{NOTIFY}}}never") is not None
    await anna.close()
