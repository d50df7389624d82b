"""
A group on three nodes, most of whose members are away, through the death of the leader.

The push service is a double: a client of a library that answers what is published to it.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from slixmpp import JID

from integration.archive import ArchiveRow, read_archive
from integration.cluster_process import Cluster, wait_until
from integration.test_conversations import MARKERS, Device, Entry
from integration.test_conversations import PASSWORD as DEVICE_PASSWORD
from integration.test_push import PASSWORD as APP_PASSWORD
from integration.test_push import AppServer, enable
from integration.test_rooms import PATIENCE_S, ROOM, MucClient
from integration.xmpp_raw import NS_SID, register
from raftline.node.publisher import IN_FLIGHT_COUNT_MAX

pytestmark = pytest.mark.timeout(180)

DISPLAYED = "urn:xmpp:mds:displayed:0"
COUNT_BEFORE, COUNT_WHILE = 10, 40
INTERVAL_S = 0.03
SETTINGS = {
    "muc#roomconfig_persistentroom": True,
    "muc#roomconfig_membersonly": True,
    "muc#roomconfig_publicroom": False,
    "muc#roomconfig_whois": "anyone",
}


class Group:
    """Anna and Cleo in the group, each on a node of her own that stays; what Anna says is counted."""

    def __init__(self) -> None:
        self.anna, self.cleo = MucClient("anna"), MucClient("cleo")
        self.said: list[str] = []

    async def open(self, cluster: Cluster, first: int, second: int) -> None:
        """Make the group, with Bert on its list, who is not there."""
        await self.anna.register_account(cluster.node(first).xmpp)
        await self.cleo.register_account(cluster.node(second).xmpp)
        await self.anna.muc.join_muc_wait(JID(ROOM), "anna", timeout=PATIENCE_S)
        form = await self.anna.muc.get_room_config(ROOM)
        form["values"] = {**form["values"], **SETTINGS}
        await self.anna.muc.set_room_config(ROOM, form)
        for name in ("bert", "cleo"):
            await self.add(name)
        await self.cleo.muc.join_muc_wait(JID(ROOM), "cleo", timeout=PATIENCE_S)

    async def add(self, name: str, affiliation: str = "member") -> None:
        """Change what somebody is to the group."""
        await self.anna.muc.set_affiliation(ROOM, affiliation, jid=JID(f"{name}@localhost"))

    def say(self, body: str) -> None:
        """Say something to everyone."""
        self.said.append(body)
        self.anna.send_message(mto=JID(ROOM), mbody=body, mtype="groupchat")

    async def wait_heard(self) -> None:
        """Wait until everybody has heard everything, once and in order."""
        for person in (self.anna, self.cleo):
            await person.wait_heard("anna", self.said[-1])
            assert person.heard == [("anna", body) for body in self.said]

    async def close(self) -> None:
        """Log out."""
        await asyncio.gather(self.anna.log_out(), self.cleo.log_out())


async def test_members_who_are_away(cluster: Cluster) -> None:
    """Bert was never there: he is told by push meanwhile, once of each message, and finds it all on return."""
    leader = await cluster.leader()
    first, second = (node_id for node_id in (1, 2, 3) if node_id != leader)
    for name, password in (("bert", DEVICE_PASSWORD), ("dora", DEVICE_PASSWORD), ("maker", APP_PASSWORD)):
        await register(cluster.node(leader).xmpp, name, password)
    app, group = AppServer(), Group()
    await app.log_in(cluster.node(first).xmpp)
    await group.open(cluster, first, second)
    async with Device() as phone:
        await phone.arrive(cluster, "bert", leader)
        await enable(phone, app.boundjid.full, "bert")
        await phone.wait_entry(ROOM, Entry(0, None, {}))  # at once, before anything is said
    for number in range(COUNT_BEFORE):
        group.say(f"{number}")
    await wait_until("bert is told", app.has_published, PATIENCE_S, interval_s=0.02)
    killed = asyncio.create_task(cluster.kill(leader))
    for number in range(COUNT_BEFORE, COUNT_BEFORE + COUNT_WHILE):
        group.say(f"{number}, bert" if number % 10 == 0 else f"{number}")
        await asyncio.sleep(INTERVAL_S)  # the pace of the load
    await killed
    await group.wait_heard()

    rows = await _return(cluster, group, first, second)
    ids = [row.stanza_id for row in rows]
    await app.wait_published("bert", *ids)
    published = Counter(app.published["bert"])
    assert set(published) == set(ids)
    assert published.total() - len(published) <= IN_FLIGHT_COUNT_MAX  # what was under way when the leader died
    await _come_and_go(cluster, group, first, second)
    await group.close()
    await app.log_out()
    await cluster.start_node(leader)
    await cluster.wait_equal_hashes()


async def _return(cluster: Cluster, group: Group, first: int, second: int) -> list[ArchiveRow]:
    """Bert finds what he missed, on each device; what one reads is read on the other. Return his history."""
    count, mentions = len(group.said), str(COUNT_WHILE // 10)
    async with Device() as phone, Device() as desk:
        await phone.arrive(cluster, "bert", first)
        await desk.arrive(cluster, "bert", second)
        for device in (phone, desk):
            await device.wait_entry(ROOM, Entry(count, group.said[-1], {"mentions": mentions}))
            rows = await read_archive(device, 20, ROOM)
            assert [row.body for row in rows] == group.said
        middle, last = rows[count // 2].stanza_id, rows[-1].stanza_id
        named = f"<stanza-id xmlns='{NS_SID}' by='{ROOM}' id='{middle}'/>"
        await phone.publish(DISPLAYED, ROOM, f"<displayed xmlns='{DISPLAYED}'>{named}</displayed>")
        rest = group.said[count // 2 + 1 :]
        left = sum("bert" in body for body in rest)
        await desk.wait_entry(ROOM, Entry(len(rest), group.said[-1], {"mentions": str(left)}))
        group.cleo.send_raw(
            f"<message to='{ROOM}' type='groupchat'><displayed xmlns='{MARKERS}' id='{last}'/></message>"
        )
        await desk.wait_ticks(ROOM, [(None, "1", "2")], last)  # of Cleo and Bert, who has told nobody
    return rows


async def _come_and_go(cluster: Cluster, group: Group, first: int, second: int) -> None:
    """Dora is made a member while she is away, then banned; Bert is removed."""
    await group.add("dora")
    group.say("welcome, dora")
    await group.wait_heard()
    async with Device() as dora, Device() as bert:
        await dora.arrive(cluster, "dora", first)
        await bert.arrive(cluster, "bert", second)
        await dora.wait_entry(ROOM, Entry(1, "welcome, dora", {"mentions": "1"}))
        await group.add("dora", "outcast")
        await group.add("bert", "none")
        for device in (dora, bert):
            await _wait_gone(device)


async def _wait_gone(device: Device) -> None:
    async def probe() -> bool:
        return ROOM not in (await device.inbox())[0]

    await wait_until(f"{device.jid} does not see the group any more", probe, PATIENCE_S, interval_s=0.05)
