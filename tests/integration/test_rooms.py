"""Rooms on three nodes: with a library's own stack, and through the death of the leader with bare hands."""

from __future__ import annotations

import asyncio
import random
from xml.etree import ElementTree as ET

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError, PresenceError

from integration.archive import read_archive
from integration.cluster_process import Cluster, wait_until
from integration.resumer import Resumer
from integration.xmpp_client import Client
from integration.xmpp_raw import NS_CLIENT, NS_SID, RawClient, register

pytestmark = pytest.mark.timeout(180)

PASSWORD = "many-voices"
ROOM = "coven@conference.localhost"
NS_MUC = "http://jabber.org/protocol/muc"
NS_OWNER = f"{NS_MUC}#owner"
OPEN = f"<query xmlns='{NS_OWNER}'><x xmlns='jabber:x:data' type='submit'/></query>"
PATIENCE_S = 20.0
SPEAKER_COUNT = 9
INTERVAL_S = 0.05
BEFORE_S = 1.5
AFTER_S = 3.0


class MucClient(Client):
    """A client of the library, with its plugin for rooms."""

    def __init__(self, username: str) -> None:
        super().__init__(username, PASSWORD)
        self.register_plugin("xep_0045")
        self.muc = self.plugin["xep_0045"]
        self.heard: list[tuple[str, str]] = []
        self.subjects: list[str] = []
        self.refused: list[str] = []
        self.add_event_handler("groupchat_message", self._on_groupchat)
        self.add_event_handler("message_error", lambda message: self.refused.append(message["error"]["condition"]))
        self.add_event_handler("groupchat_subject", lambda message: self.subjects.append(message["subject"]))

    def _on_groupchat(self, message: object) -> None:
        self.heard.append((message["from"].resource, message["body"]))  # type: ignore[index]

    async def wait_heard(self, nick: str, body: str) -> None:
        """Wait until somebody was heard to say something."""

        async def probe() -> bool:
            return (nick, body) in self.heard

        await wait_until(f"{self.account} hears {nick} say {body!r}", probe, PATIENCE_S, interval_s=0.02)

    async def wait_people(self, *nicks: str) -> None:
        """Wait until just these are seen in the room."""

        async def probe() -> bool:
            return set(self.muc.get_roster(JID(ROOM))) == set(nicks)

        await wait_until(f"{self.account} sees {nicks}", probe, PATIENCE_S, interval_s=0.02)


async def test_a_library_and_its_rooms(cluster: Cluster) -> None:
    """Create, configure, enter, speak, set a subject, change ranks, kick, destroy: each user on another node."""
    people = [MucClient(name) for name in ("anna", "bert", "carla")]
    anna, bert, carla = people
    try:
        for node_id, person in enumerate(people, 1):
            await person.register_account(cluster.node(node_id).xmpp)
        room = JID(ROOM)
        await anna.muc.join_muc_wait(room, "anna", timeout=PATIENCE_S)
        with pytest.raises(PresenceError):
            await bert.muc.join_muc_wait(room, "bert", timeout=PATIENCE_S)
        form = await anna.muc.get_room_config(ROOM)
        form["values"] = {**form["values"], "muc#roomconfig_moderatedroom": True, "muc#roomconfig_roomname": "Cave"}
        await anna.muc.set_room_config(ROOM, form)
        await bert.muc.join_muc_wait(room, "bert", timeout=PATIENCE_S)
        info = await bert.plugin["xep_0030"].get_info(jid=room)
        assert {"muc_moderated", "urn:xmpp:mam:2"} <= set(info["disco_info"]["features"])
        await carla.muc.join_muc_wait(room, "carla", timeout=PATIENCE_S)
        for person in people:
            await person.wait_people("anna", "bert", "carla")

        bert.send_message(mto=room, mbody="may I?", mtype="groupchat")
        await wait_until("bert has no voice", lambda: _holds(bert.refused == ["forbidden"]), PATIENCE_S)
        await anna.muc.set_role(ROOM, "bert", "participant")
        await anna.muc.set_affiliation(ROOM, "member", jid=JID("carla@localhost"))
        bert.send_message(mto=room, mbody="thank you", mtype="groupchat")
        await carla.wait_heard("bert", "thank you")  # on another node: else either may come first
        carla.send_message(mto=room, mbody="welcome", mtype="groupchat")
        for person in people:
            await person.wait_heard("bert", "thank you")
            await person.wait_heard("carla", "welcome")
            assert ("bert", "may I?") not in person.heard
        with pytest.raises(IqError):
            await bert.muc.set_role(ROOM, "anna", "none")
        assert await anna.muc.get_affiliation_list(ROOM, "member") == [JID("carla@localhost")]

        for nick in ("bert", "anna"):  # oneself, whom the room answers for, and somebody on another node
            await bert.plugin["xep_0199"].ping(JID(f"{ROOM}/{nick}"), timeout=PATIENCE_S)
        anna.muc.set_subject(ROOM, "Spells")
        await wait_until("carla sees the subject", lambda: _holds("Spells" in carla.subjects), PATIENCE_S)
        await anna.muc.set_role(ROOM, "bert", "none", reason="enough")
        await carla.wait_people("anna", "carla")
        _, _, _, history = await bert.muc.join_muc_wait(room, "bert", maxstanzas=10, timeout=PATIENCE_S)
        assert [message["body"] for message in history if message["body"]] == ["thank you", "welcome"]
        await anna.muc.destroy(ROOM, reason="over")
        with pytest.raises(IqError):
            await anna.muc.get_room_config(ROOM)
    finally:
        await asyncio.gather(*(person.log_out() for person in people))


async def _holds(condition: bool) -> bool:
    return condition


class Speaker(Resumer):
    """
    Somebody in a room whose session outlives its node.

    Attributes:
        said: Origin ids of own messages, in order.
        heard: Origin id by stanza id of what the room said, in the order first heard.
        repeats: Messages that came again, under the same stanza id.
        people: Nicknames that are there, as told.
        lost: Requests that were answered by an error.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"speaker{number}", PASSWORD)
        self.said: list[str] = []
        self.heard: dict[str, str] = {}
        self.repeats = 0
        self.people: set[str] = set()
        self.lost: set[str] = set()
        self.on_stanza = self._take
        self._chance = random.Random(number)

    def _take(self, stanza: ET.Element) -> None:
        nick = stanza.get("from", "").partition("/")[2]
        if stanza.tag == f"{{{NS_CLIENT}}}presence":
            (self.people.discard if stanza.get("type") == "unavailable" else self.people.add)(nick)
            return
        if stanza.tag == f"{{{NS_CLIENT}}}iq" and stanza.get("type") == "error":
            self.lost.add(stanza.get("id", ""))
        body, mark = stanza.findtext(f"{{{NS_CLIENT}}}body"), stanza.find(f"{{{NS_SID}}}stanza-id")
        if body is None or mark is None:
            return
        stanza_id = mark.get("id", "")
        assert mark.get("by") == ROOM
        assert self.heard.get(stanza_id, body) == body, "one stanza id, two messages"
        self.repeats += stanza_id in self.heard
        self.heard[stanza_id] = body

    def say(self) -> None:
        """Say the next thing."""
        origin_id = f"{self.username}-{len(self.said)}"
        self.said.append(origin_id)
        self.send(
            f"<message to='{ROOM}' type='groupchat' id='{origin_id}'><body>{origin_id}</body>"
            f"<origin-id xmlns='{NS_SID}' id='{origin_id}'/></message>"
        )

    async def talk(self, stop: asyncio.Event) -> None:
        """Say something again and again."""
        while not stop.is_set():
            self.say()
            await asyncio.sleep(self._chance.uniform(0.5, 1.5) * INTERVAL_S)  # how fast people type


async def test_a_conversation_outlives_the_leader(cluster: Cluster) -> None:
    """
    Nine people on three nodes talk while the leader is killed; those who were there go on elsewhere.

    Everyone hears everything that anyone said, once for each stanza id and in the order of the room's archive, which
    has each message once. Nobody seems to leave. Who asked somebody on the dead node is told that no answer will come.
    """
    speakers = [Speaker(number) for number in range(SPEAKER_COUNT)]
    leader = await cluster.leader()
    node_of = {speaker: 1 + number % 3 for number, speaker in enumerate(speakers)}
    stop = asyncio.Event()
    try:
        for speaker in speakers:
            port = cluster.node(node_of[speaker]).xmpp
            await register(port, speaker.username, PASSWORD)
            await speaker.log_in(port)
        await _enter_all(speakers)
        talking = [asyncio.create_task(speaker.talk(stop)) for speaker in speakers]
        await asyncio.sleep(BEFORE_S)  # of the conversation
        asker = next(speaker for speaker in speakers if node_of[speaker] != leader)
        asked = next(speaker for speaker in speakers if node_of[speaker] == leader)
        asker.send(f"<iq to='{ROOM}/{asked.username}' type='get' id='ask'><query xmlns='jabber:iq:version'/></iq>")
        await wait_until("the question is asked", asker.is_acknowledged, PATIENCE_S, interval_s=0.005)
        await cluster.kill(leader)
        others = [node_id for node_id in (1, 2, 3) if node_id != leader]
        ports = [cluster.node(node_id).xmpp for node_id in others]
        homeless = [speaker for speaker in speakers if node_of[speaker] == leader]
        await asyncio.gather(*(speaker.resume(ports) for speaker in homeless))
        await asyncio.sleep(AFTER_S)  # of the conversation
        stop.set()
        await asyncio.gather(*talking)
        everything = {origin_id for speaker in speakers for origin_id in speaker.said}

        async def all_heard() -> bool:
            is_quiet = all(not one.unacknowledged and set(one.heard.values()) == everything for one in speakers)
            return is_quiet and asker.lost == {"ask"}

        await wait_until("everyone heard everything", all_heard, PATIENCE_S)
        await _check(cluster, others, speakers)
    finally:
        stop.set()
        for speaker in speakers:
            await speaker.close()


async def _enter_all(speakers: list[Speaker]) -> None:
    """Let the first one make the room, and all enter it."""
    for number, speaker in enumerate(speakers):
        speaker.send(f"<presence to='{ROOM}/{speaker.username}'><x xmlns='{NS_MUC}'/></presence>")

        async def is_inside(one: Speaker = speaker) -> bool:
            return one.username in one.people

        await wait_until(f"{speaker.username} is in the room", is_inside, PATIENCE_S, interval_s=0.01)
        if number == 0:
            speaker.send(f"<iq to='{ROOM}' type='set' id='open'>{OPEN}</iq>")
            await wait_until("the room is open", speaker.is_acknowledged, PATIENCE_S, interval_s=0.01)


async def _check(cluster: Cluster, node_ids: list[int], speakers: list[Speaker]) -> None:
    """Hold what everyone heard against the archive, as each node has it, and against what was said."""
    for node_id in node_ids:
        async with RawClient() as reader:
            await reader.log_in(cluster.node(node_id).xmpp, "speaker0", PASSWORD, resource="reader")
            rows = await read_archive(reader, to=ROOM)
        kept = {row.stanza_id: row.body for row in rows}
        assert len(set(kept.values())) == len(kept), "a message was said twice"
        for speaker in speakers:
            assert list(speaker.heard.items()) == list(kept.items()), f"{speaker.username} by node {node_id}"
            own = [body for body in kept.values() if body.startswith(f"{speaker.username}-")]
            assert own == speaker.said, "somebody's messages in another order than they were said"
    everyone = {speaker.username for speaker in speakers}
    assert all(speaker.people == everyone for speaker in speakers)
