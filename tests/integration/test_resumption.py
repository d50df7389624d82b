"""
Sessions that outlive their node (XEP-0198 section 5): promises P1, P2 and P4 when a node dies or stands still.

A hundred sessions on one node write to each other in pairs, change their rosters, ask questions and change their
presence, without pause, when the node is killed or stopped. All resume on the other nodes.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import time
from collections import Counter
from xml.etree import ElementTree as ET

import pytest

from integration.archive import check_exactly_once, check_order, read_archive
from integration.cluster_process import Cluster, wait_until
from integration.resumer import Resumer
from integration.xmpp_raw import NS_CLIENT, NS_SID, RawClient, register

pytestmark = pytest.mark.timeout(240)

SESSION_COUNT = 100
PASSWORD = "outlives-its-node"
WRITE_INTERVAL_S = 0.1  # per session
BEFORE_S = 3.0
AFTER_S = 3.0
RESUME_BOUND_S = 10.0
SETTLE_TIMEOUT_S = 40.0
NS_ROSTER = "jabber:iq:roster"
REGISTER_AT_ONCE = 8


class Person(Resumer):
    """
    One user of a pair, and all that was sent and shown.

    Attributes:
        numbers: Origin ids of own messages and their order.
        shown: Messages of the partner: stanza id to origin id, in the order first seen.
        asked: Requests that have no answer yet, by id.
        roster: Names of contacts as last set, by address.
        status: Own presence as last sent; `seen` is the partner's as last shown.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"user{number}", PASSWORD)
        self.partner = f"user{number ^ 1}@localhost"
        self.numbers: dict[str, int] = {}
        self.shown: dict[str, str] = {}
        self.repeats: Counter[str] = Counter()
        self.asked: dict[str, float] = {}
        self.answers: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.roster: dict[str, str] = {}
        self.status = ""
        self.seen = ""
        self.has_seen_farewell = False
        self.on_stanza = self._take
        self._count = 0
        self._chance = random.Random(number)

    def _take(self, stanza: ET.Element) -> None:
        if stanza.tag == f"{{{NS_CLIENT}}}message":
            self._take_message(stanza)
        elif stanza.tag == f"{{{NS_CLIENT}}}iq" and stanza.get("type") in {"result", "error"}:
            request_id = stanza.get("id", "")
            self.answers[request_id] += 1
            self.asked.pop(request_id, None)
            error = stanza.find(f"{{{NS_CLIENT}}}error")
            if error is not None:
                self.errors[f"{error.get('type')} {error[0].tag.partition('}')[2]}"] += 1
        elif stanza.tag == f"{{{NS_CLIENT}}}presence" and stanza.get("from", "").startswith(self.partner):
            if stanza.get("type") == "unavailable":
                self.has_seen_farewell = True
            elif stanza.get("type") is None:
                self.seen = stanza.findtext(f"{{{NS_CLIENT}}}status") or ""

    def _take_message(self, stanza: ET.Element) -> None:
        stanza_id, origin = stanza.find(f"{{{NS_SID}}}stanza-id"), stanza.find(f"{{{NS_SID}}}origin-id")
        assert stanza_id is not None
        assert origin is not None
        key, origin_id = stanza_id.get("id", ""), origin.get("id", "")
        if key in self.shown:
            assert self.shown[key] == origin_id, "another message under the same stanza id"
            self.repeats[key] += 1
        else:
            self.shown[key] = origin_id

    def ask(self, kind: str, payload: str, to: str = "") -> None:
        """Send an IQ request and wait for no answer."""
        self._count += 1
        request_id = f"q{self._count}"
        self.asked[request_id] = time.monotonic()
        target = f" to='{to}'" if to else ""
        self.send(f"<iq type='{kind}' id='{request_id}'{target}>{payload}</iq>")

    def act(self) -> None:
        """Do one of the things that people's clients do."""
        self._count += 1
        match self._chance.randrange(10):
            case 0:
                contact, name = f"friend{self._chance.randrange(5)}@localhost", f"name {self._count}"
                self.roster[contact] = name
                self.ask("set", f"<query xmlns='{NS_ROSTER}'><item jid='{contact}' name='{name}'/></query>")
            case 1:
                self.ask("get", "<ping xmlns='urn:xmpp:ping'/>", "localhost")
            case 2:
                self.ask("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "localhost")
            case 3:
                self.status = f"status {self._count}"
                self.send(f"<presence><status>{self.status}</status></presence>")
            case _:
                origin_id = f"{self.username}-{self._count}"
                self.numbers[origin_id] = self._count
                self.send(
                    f"<message to='{self.partner}' type='chat' id='{origin_id}'><body>{origin_id}</body>"
                    f"<origin-id xmlns='{NS_SID}' id='{origin_id}'/></message>"
                )

    async def befriend(self) -> None:
        """Become visible, and subscribe to the partner, both sides at once."""
        self.send("<presence/>")
        self.ask("get", f"<query xmlns='{NS_ROSTER}'/>")
        self.send(f"<presence type='subscribe' to='{self.partner}'/>")
        self.send(f"<presence type='subscribed' to='{self.partner}'/>")

    async def write_until(self, stop: asyncio.Event) -> None:
        """Act without pause, whatever the connection does."""
        await asyncio.sleep(self._chance.uniform(0, WRITE_INTERVAL_S))
        while not stop.is_set():
            self.act()
            await asyncio.sleep(WRITE_INTERVAL_S)


class Crowd:
    """All sessions."""

    def __init__(self) -> None:
        self.people = [Person(number) for number in range(SESSION_COUNT)]
        self.pairs = list(zip(self.people[::2], self.people[1::2], strict=True))
        self._stop = asyncio.Event()
        self._writers: list[asyncio.Task[None]] = []

    async def arrive(self, cluster: Cluster, node_id: int) -> None:
        """Make the accounts, log everyone in at one node, and wait until partners see each other."""
        port = cluster.node(node_id).xmpp
        limit = asyncio.Semaphore(REGISTER_AT_ONCE)

        async def arrive_one(person: Person) -> None:
            async with limit:
                await register(port, person.username, PASSWORD)
                await person.log_in(port)

        await asyncio.gather(*(arrive_one(person) for person in self.people))
        for person in self.people:
            await person.befriend()
        await self.settle("everyone is there")
        for person in self.people:
            person.status = "hello"
            person.send("<presence><status>hello</status></presence>")
        await wait_until("partners see each other", self._all_seen, SETTLE_TIMEOUT_S)
        for person in self.people:
            person.has_seen_farewell = False

    def start(self) -> None:
        """Begin to write."""
        self._writers = [asyncio.create_task(person.write_until(self._stop)) for person in self.people]

    async def stop(self) -> None:
        """Write no more."""
        self._stop.set()
        await asyncio.gather(*self._writers)

    async def resume(self, ports: list[int], since: float) -> list[float]:
        """Resume all sessions at once; return how long after `since` each went on, in seconds."""

        async def resume_one(number: int, person: Person) -> float:
            turn = number % len(ports)
            await person.resume(ports[turn:] + ports[:turn])
            return time.monotonic() - since

        return await asyncio.gather(*(resume_one(number, person) for number, person in enumerate(self.people)))

    async def settle(self, what: str) -> None:
        """Wait until everything sent is acknowledged, answered and shown to the partner."""
        await wait_until(what, self._is_settled, SETTLE_TIMEOUT_S)

    async def _is_settled(self) -> bool:
        return all(
            not person.unacknowledged and not person.asked and set(other.shown.values()) >= set(person.numbers)
            for one, two in self.pairs
            for person, other in ((one, two), (two, one))
        )

    async def _all_seen(self) -> bool:
        return all(one.seen == two.status and two.seen == one.status for one, two in self.pairs)

    async def check(self, cluster: Cluster) -> None:
        """Hold what everyone was shown, and what the servers keep, against what was done."""
        await self.settle("everything is acknowledged, answered and shown")
        await wait_until("the last presence is seen", self._all_seen, SETTLE_TIMEOUT_S)
        for one, two in self.pairs:
            for person, other in ((one, two), (two, one)):
                shown = list(person.shown.values())
                assert len(shown) == len(set(shown)), "a message under two stanza ids"
                assert shown == list(other.numbers), "messages in another order than they were written"
                assert not person.has_seen_farewell, "a session seemed to be away"
                # Once by the node that died and once by the next, where the client had no time to acknowledge.
                assert all(count <= 2 for count in person.answers.values()), "a request was answered too often"
        for node_id in cluster.node_ids:
            readers = self.pairs[node_id :: 2 * cluster.node_count]
            for one, two in readers:
                async with RawClient() as reader:
                    await reader.log_in(cluster.node(node_id).xmpp, one.username, PASSWORD, resource="reader")
                    rows = await read_archive(reader)
                    check_exactly_once(rows, [*one.numbers, *two.numbers], f"{one.username} through node {node_id}")
                    check_order(rows, {**one.numbers, **two.numbers}, one.username)
                    answer = await reader.ask("get", f"<query xmlns='{NS_ROSTER}'/>")
                    items = answer.findall(f"{{{NS_ROSTER}}}query/{{{NS_ROSTER}}}item")
                    names = {item.get("jid"): item.get("name") for item in items if item.get("jid") != one.partner}
                    assert names == one.roster, f"{one.username} through node {node_id}"

    def report(self, what: str, times_s: list[float]) -> None:
        """Print the figures."""
        times_ms = sorted(round(value * 1000) for value in times_s)
        errors: Counter[str] = sum((person.errors for person in self.people), Counter())
        print(
            f"\n{what}: {len(times_ms)} sessions resumed, median {statistics.median(times_ms):.0f} ms, "
            f"p99 {times_ms[int(len(times_ms) * 0.99) - 1]} ms, max {times_ms[-1]} ms; "
            f"messages {sum(len(person.numbers) for person in self.people)}, "
            f"shown again under the same id {sum(person.repeats.total() for person in self.people)}, "
            f"stanzas sent again {sum(person.resend_count for person in self.people)}, "
            f"requests {sum(len(person.answers) for person in self.people)}, "
            f"answered twice {sum(count > 1 for person in self.people for count in person.answers.values())}, "
            f"by an error {dict(errors)}"
        )

    async def leave(self) -> None:
        """Close all connections."""
        for task in self._writers:
            task.cancel()
        await asyncio.gather(*self._writers, return_exceptions=True)
        await asyncio.gather(*(person.close() for person in self.people))


@pytest.mark.parametrize("leads", [False, True], ids=["a follower", "the leader"])
async def test_sessions_of_a_killed_node_resume_on_the_others(cluster: Cluster, *, leads: bool) -> None:
    """P1, P2, P4: nothing is lost, doubled or reordered, and no request stays without an answer."""
    leader = await cluster.leader()
    victim = leader if leads else next(node_id for node_id in cluster.node_ids if node_id != leader)
    ports = [cluster.node(node_id).xmpp for node_id in cluster.node_ids if node_id != victim]
    crowd = Crowd()
    try:
        await crowd.arrive(cluster, victim)
        crowd.start()
        await asyncio.sleep(BEFORE_S)
        killed_at = await cluster.kill(victim)
        times_s = await crowd.resume(ports, killed_at)
        await asyncio.sleep(AFTER_S)
        await crowd.stop()
        await cluster.start_node(victim)
        await crowd.check(cluster)
        crowd.report(f"SIGKILL of {'the leader' if leads else 'a follower'}", times_s)
        assert max(times_s) < RESUME_BOUND_S
        await cluster.wait_equal_hashes()
    finally:
        await crowd.leave()


async def test_sessions_of_a_paused_node_resume_on_the_others(cluster: Cluster) -> None:
    """The same with a node that stands still; when it goes on, its old streams end with `conflict`."""
    leader = await cluster.leader()
    victim = next(node_id for node_id in cluster.node_ids if node_id != leader)
    ports = [cluster.node(node_id).xmpp for node_id in cluster.node_ids if node_id != victim]
    pid = cluster.node(victim).pid
    crowd = Crowd()
    try:
        await crowd.arrive(cluster, victim)
        crowd.start()
        await asyncio.sleep(BEFORE_S)
        paused_at = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        times_s = await crowd.resume(ports, paused_at)
        await asyncio.sleep(AFTER_S)
        os.kill(pid, signal.SIGCONT)
        ends = await asyncio.gather(*(person.former[0].wait_end(SETTLE_TIMEOUT_S) for person in crowd.people))
        assert set(ends) == {"conflict"}
        await crowd.stop()
        await crowd.check(cluster)
        crowd.report("SIGSTOP of a follower", times_s)
        assert max(times_s) < RESUME_BOUND_S
        await cluster.wait_equal_hashes()
    finally:
        os.kill(pid, signal.SIGCONT)
        await crowd.leave()


async def test_a_stopped_node_says_so_and_its_sessions_go_on(cluster: Cluster) -> None:
    """SIGTERM: `system-shutdown`, then the session resumes elsewhere; what came meanwhile follows page by page."""
    anna, bert = Resumer("anna", PASSWORD), Resumer("bert", PASSWORD)
    bodies: list[str] = []
    written = [f"number {number}" for number in range(250)]

    async def all_shown() -> bool:
        return len(bodies) >= len(written)

    bert.on_stanza = lambda stanza: bodies.extend(filter(None, [stanza.findtext(f"{{{NS_CLIENT}}}body")]))
    try:
        for person in (anna, bert):
            await register(cluster.node(1).xmpp, person.username, PASSWORD)
        await anna.log_in(cluster.node(1).xmpp)
        await bert.log_in(cluster.node(2).xmpp)
        assert bert.enabled.get("location") == f"127.0.0.1:{cluster.node(3).xmpp}"
        bert.send("<presence/>")
        stopping = asyncio.ensure_future(cluster.kill(2, signal.SIGTERM))
        assert await bert.stream.wait_end(SETTLE_TIMEOUT_S) == "system-shutdown"
        for text in written:
            anna.send(f"<message to='bert@localhost' type='chat'><body>{text}</body></message>")
        await wait_until("all is acknowledged", anna.is_acknowledged, SETTLE_TIMEOUT_S)
        await bert.resume([cluster.node(3).xmpp])
        await wait_until("all is shown", all_shown, SETTLE_TIMEOUT_S)
        assert bodies == written
        await stopping
    finally:
        await anna.close()
        await bert.close()
