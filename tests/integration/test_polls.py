"""
Polls, events, pins and view-once messages with a library's clients on three nodes, and the leader's death amid votes.

Votes are requests: whoever got an answer was counted. So the tally after all is that of everyone's last answered vote,
the same on every node, whoever led meanwhile.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from slixmpp import JID, Message
from slixmpp.exceptions import IqError
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from integration.cluster_process import Cluster, wait_until
from integration.xmpp_client import CONNECT_TIMEOUT_S, Client
from integration.xmpp_raw import register
from raftline.machine.database import checkpoint

pytestmark = pytest.mark.timeout(240)

PASSWORD = "raise-your-hands"
POLLS = "urn:raftline:polls:0"
EVENTS = "urn:raftline:events:0"
PINS = "urn:raftline:pins:0"
VIEW_ONCE = "urn:raftline:view-once:0"
SECRET = "nevermoreseen"
MUC = "http://jabber.org/protocol/muc"
ROOM = "den@conference.localhost"
SID = "{urn:xmpp:sid:0}stanza-id"
OPTIONS = ("pizza", "sushi", "soup")
VOTER_COUNT = 8
VOTES_EACH = 12
PATIENCE_S = 30.0


class Person(Client):
    """A client of the library, in the room if need be; it keeps what it was sent."""

    def __init__(self, username: str) -> None:
        super().__init__(username, PASSWORD)
        self.register_plugin("xep_0045")
        self.seen: list[ET.Element] = []
        matcher = MatchXPath("{jabber:client}message")  # events of the library are of messages with a text alone
        self.register_handler(Callback("everything", matcher, self._keep))

    def _keep(self, message: Message) -> None:
        self.seen.append(message.xml)

    async def ask(self, kind: str, payload: str, to: str = "") -> ET.Element | None:
        """Send an IQ and return what is in its answer; an error is raised."""
        iq = self.make_iq(ito=to or None, itype=kind)
        iq.append(ET.fromstring(payload))
        answer = await iq.send(timeout=PATIENCE_S)
        return next(iter(answer.xml), None)

    async def enter(self) -> None:
        """Enter the room."""
        await self.plugin["xep_0045"].join_muc_wait(JID(ROOM), self.account, timeout=CONNECT_TIMEOUT_S)

    def say(self, to: str, payload: str, body: str, origin_id: str = "m1") -> None:
        """Send a message with a payload."""
        message = self.make_message(mto=to, mbody=body, mtype="groupchat" if to == ROOM else "chat")
        message["id"] = origin_id
        if payload:
            message.append(ET.fromstring(payload))
        message.send()

    async def heard(self, name: str, namespace: str) -> ET.Element:
        """Wait for a message with a payload."""

        async def probe() -> ET.Element | None:
            return next((found for found in self.seen if found.find(f"{{{namespace}}}{name}") is not None), None)

        return await wait_until(f"{self.account} hears of a {name}", probe, PATIENCE_S, interval_s=0.02)

    async def vote(self, poll_id: str, option: int, to: str = ROOM) -> None:
        """Vote; return when it counts."""
        await self.ask("set", f"<vote xmlns='{POLLS}' poll='{poll_id}'><choice option='{option}'/></vote>", to)

    async def tally(self, poll_id: str, to: str = ROOM) -> tuple[str | None, list[int]]:
        """State and votes of a poll, as this client's node has it."""
        found = await self.ask("get", f"<tally xmlns='{POLLS}' poll='{poll_id}'/>", to)
        assert found is not None
        return found.get("state"), [int(option.get("votes", "")) for option in found.findall(f"{{{POLLS}}}option")]


def stanza_id(message: ET.Element) -> str:
    """The id of a message in the archive it came from."""
    found = message.find(SID)
    assert found is not None
    return found.get("id", "")


def poll(attributes: str = "") -> str:
    """Write a poll."""
    options = "".join(f"<option>{option}</option>" for option in OPTIONS)
    return f"<poll xmlns='{POLLS}' {attributes}><question>lunch</question>{options}</poll>"


async def log_in(cluster: Cluster, name: str, node_id: int) -> Person:
    """A person on one node."""
    await register(cluster.node(node_id).xmpp, name, PASSWORD)
    person = Person(name)
    await person.log_in(cluster.node(node_id).xmpp)
    return person


async def open_room(owner: Person) -> None:
    """Make the room."""
    await owner.enter()
    await owner.ask("set", f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'/></query>", ROOM)


async def vote_often(person: Person, poll_id: str, seed: int, voted: asyncio.Event) -> int:
    """Vote again and again; return what the last vote was for."""
    draw = random.Random(seed)
    option = 0
    for _ in range(VOTES_EACH):
        option = draw.randrange(len(OPTIONS)) + 1
        await person.vote(poll_id, option)
        voted.set()
    return option


async def _votes_in_a_room(cluster: Cluster) -> None:
    """
    Eight people vote a dozen times each while the leader is killed: the tally is that of everyone's last vote.

    It is so on both nodes at once, and on the third one when it is back; then the poll is closed, and everyone is told.
    """
    leader = await cluster.leader()
    followers = [node_id for node_id in cluster.node_ids if node_id != leader]
    owner = await log_in(cluster, "owner", followers[0])
    guest = await log_in(cluster, "guest", leader)
    await open_room(owner)
    voters = [await log_in(cluster, f"v{number}", followers[number % 2]) for number in range(VOTER_COUNT)]
    for person in (guest, *voters):
        await person.enter()
    owner.say(ROOM, poll("anonymous='true'"), "Poll: lunch")
    poll_id = stanza_id(await guest.heard("poll", POLLS))
    await guest.vote(poll_id, 2)

    voted = asyncio.Event()
    voting = [asyncio.create_task(vote_often(person, poll_id, seed, voted)) for seed, person in enumerate(voters)]
    await voted.wait()
    await cluster.kill(leader)
    last = [2, *(await asyncio.gather(*voting))]
    expected = ("open", [last.count(number) for number in (1, 2, 3)])
    assert sum(expected[1]) == VOTER_COUNT + 1
    for person in voters[:2]:

        async def is_exact(person: Person = person) -> bool:
            return await person.tally(poll_id) == expected

        await wait_until("both nodes to count the same", is_exact, PATIENCE_S)

    async def is_told() -> bool:
        news = [found for message in voters[0].seen if (found := message.find(f"{{{POLLS}}}tally")) is not None]
        return bool(news) and [int(option.get("votes", "")) for option in news[-1][1:]] == expected[1]

    await wait_until("the last count to be told", is_told, PATIENCE_S)
    news_count = sum(message.find(f"{{{POLLS}}}tally") is not None for message in voters[0].seen)
    assert news_count < VOTER_COUNT * VOTES_EACH / 2, "votes are told together"

    await cluster.start_node(leader)
    await cluster.wait_healthy()
    late = await log_in(cluster, "late", leader)
    await late.enter()
    assert await late.tally(poll_id) == expected
    with pytest.raises(IqError) as refused:
        await late.ask("set", f"<close xmlns='{POLLS}' poll='{poll_id}'/>", ROOM)
    assert refused.value.condition == "forbidden"
    late.seen.clear()
    await owner.ask("set", f"<close xmlns='{POLLS}' poll='{poll_id}'/>", ROOM)
    told = await late.heard("tally", POLLS)
    text = told.findtext("{jabber:client}body")
    counted = [f"{option}: {count}" for option, count in zip(OPTIONS, expected[1], strict=True)]
    assert text == "\n".join(["Poll closed: lunch", *counted])
    with pytest.raises(IqError) as refused:
        await late.vote(poll_id, 1)
    assert refused.value.condition == "not-allowed"
    for person in (owner, late, *voters):
        await person.log_out()
    await guest.log_out()


async def _a_chat_of_two(cluster: Cluster) -> None:
    """A poll that ends by its time, an event that is answered and cancelled, a message that is pinned: on two nodes."""
    anna, bert = await log_in(cluster, "anna", 1), await log_in(cluster, "bert", 2)
    closes = datetime.now(UTC) + timedelta(seconds=4)
    anna.say("bert@localhost", poll(f"closes='{closes:%Y-%m-%dT%H:%M:%SZ}'"), "Poll: lunch")
    heard = await bert.heard("poll", POLLS)
    poll_id = stanza_id(heard)
    await bert.vote(poll_id, 3, "")
    await anna.vote(poll_id, 1, "")
    assert await anna.tally(poll_id, "") == ("open", [1, 0, 1])

    async def is_closed() -> bool:
        return await anna.tally(poll_id, "") == await bert.tally(poll_id, "") == ("closed", [1, 0, 1])

    await wait_until("the poll to end", is_closed, PATIENCE_S)
    with pytest.raises(IqError) as refused:
        await bert.vote(poll_id, 2, "")
    assert refused.value.condition == "not-allowed"

    event = f"<event xmlns='{EVENTS}' start='2099-01-01T10:00:00Z'><title>tea</title></event>"
    bert.say("anna@localhost", event.replace("2099", str(datetime.now(UTC).year + 1)), "Event: tea")
    event_id = stanza_id(await anna.heard("event", EVENTS))
    await anna.ask("set", f"<answer xmlns='{EVENTS}' event='{event_id}' value='maybe'/>")
    await anna.ask("set", f"<answer xmlns='{EVENTS}' event='{event_id}' value='yes'/>")
    told = (await bert.heard("answers", EVENTS)).find(f"{{{EVENTS}}}answers")
    assert told is not None
    assert (told.get("with"), told.get("people")) == ("anna@localhost", "1")
    await bert.ask("set", f"<cancel xmlns='{EVENTS}' event='{event_id}'/>")

    async def is_cancelled() -> bool:
        found = await anna.ask("get", f"<answers xmlns='{EVENTS}' event='{event_id}'/>")
        assert found is not None
        counts = {answer.get("value"): answer.get("count") for answer in found.findall(f"{{{EVENTS}}}answer")}
        return (found.get("state"), counts) == ("cancelled", {"yes": "1", "no": "0", "maybe": "0"})

    await wait_until("the event to be cancelled on the other node", is_cancelled, PATIENCE_S)

    await anna.ask("set", f"<pin xmlns='{PINS}' id='{event_id}' with='bert@localhost'/>")
    pinned = (await bert.heard("pinned", PINS)).find(f"{{{PINS}}}pinned")
    assert pinned is not None
    assert pinned.attrib == {"id": event_id, "with": "anna@localhost"}
    found = await bert.ask("get", f"<pins xmlns='{PINS}' with='anna@localhost'/>")
    assert found is not None
    assert [pin.get("id") for pin in found] == [event_id]
    for person in (anna, bert):
        await person.log_out()


async def _viewed_once(cluster: Cluster) -> None:
    """Two devices of one account, on different nodes, ask at the same time: the log decides which one is given it."""
    dora, emil = await log_in(cluster, "dora", 1), await log_in(cluster, "emil", 2)
    desk = Person("emil")
    await desk.log_in(cluster.node(3).xmpp)
    secret = f"<view-once xmlns='{VIEW_ONCE}'><body xmlns='jabber:client'>{SECRET}</body></view-once>"
    dora.say("emil@localhost", secret, "a photo")
    heard = await emil.heard("view-once", VIEW_ONCE)
    assert heard.findtext("{jabber:client}body") == "a photo"
    request = f"<open xmlns='{VIEW_ONCE}' id='{stanza_id(heard)}'/>"
    answers = await asyncio.gather(emil.ask("set", request), desk.ask("set", request), return_exceptions=True)
    [refused] = [answer for answer in answers if answer is not None]
    assert isinstance(refused, IqError)
    assert refused.condition == "gone"
    winner, other = (emil, desk) if answers[0] is None else (desk, emil)
    given = await winner.heard("content", VIEW_ONCE)
    assert "".join(given.itertext()) == SECRET
    await dora.heard("opened", VIEW_ONCE)
    await other.heard("opened", VIEW_ONCE)
    assert not any(SECRET in "".join(message.itertext()) for message in (*other.seen, *dora.seen))
    for person in (dora, emil, desk):
        await person.log_out()


async def test_what_people_share(cluster: Cluster) -> None:
    """
    In a room while the leader dies, and in chats on the nodes that are there.

    At the end all nodes have the same state, and what was viewed once is in no database.
    """
    await _votes_in_a_room(cluster)
    await _a_chat_of_two(cluster)
    await _viewed_once(cluster)
    await cluster.wait_equal_hashes()
    files = [Path(cluster.node(node_id).data) / "state.db" for node_id in cluster.node_ids]
    await cluster.stop()
    for path in files:
        checkpoint(path, truncate=True)
        assert SECRET.encode() not in path.read_bytes(), path
