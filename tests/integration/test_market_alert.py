"""
A market alert: one number tells a thousand people, who are on all three nodes, and the leader dies meanwhile.

The program sends over connections to all nodes, each request under an idempotency key; what has no answer is sent again
under its key. People keep their sessions, resumed wherever it can be. Everybody is to be told once. How long it took is
printed; the figures are in docs/benchmarks.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from xml.etree import ElementTree as ET

import msgspec
import pytest

from bench.generator.http import HttpClient, post
from integration.business import VERSION, Business, create_business
from integration.cluster_process import Cluster, wait_until
from integration.resumer import Resumer
from integration.xmpp_raw import NS_CLIENT, NS_SID, register

NUMBER = "15550002222"
PASSWORD = "bulls-and-bears"
SUBSCRIBER_COUNT = 1000
LOGINS_AT_ONCE = 16
CONNECTION_COUNT = 24
ANSWER_TIMEOUT_S = 8.0
SETTLE_TIMEOUT_S = 60.0

pytestmark = pytest.mark.timeout(400)


class Subscriber(Resumer):
    """
    Somebody who wants to be told.

    Attributes:
        told_ns: When each message came, by its body; each once, however often it came.
    """

    def __init__(self, username: str) -> None:
        super().__init__(username, PASSWORD)
        self.told_ns: dict[str, int] = {}
        self.stanza_ids: dict[str, set[str]] = {}
        self.on_stanza = self._take
        self.is_closing = False

    async def stay(self, cluster: Cluster, turn: int) -> None:
        """Be there until `is_closing`, at whichever node takes the session."""
        while True:
            await self.stream.wait_end(None)
            if self.is_closing:
                return
            node_ids = cluster.node_ids
            turn = (turn + 1) % len(node_ids)
            ports = [cluster.node(node_id).xmpp for node_id in node_ids]
            await self.resume(ports[turn:] + ports[:turn])

    def _take(self, stanza: ET.Element) -> None:
        body, stanza_id = stanza.findtext(f"{{{NS_CLIENT}}}body"), stanza.find(f"{{{NS_SID}}}stanza-id")
        if body is not None and stanza_id is not None:
            self.told_ns.setdefault(body, time.monotonic_ns())
            self.stanza_ids.setdefault(body, set()).add(stanza_id.get("id", ""))


class Broadcaster:
    """Sends one text to many, over connections to all nodes; a request whose connection ends goes to another."""

    def __init__(self, cluster: Cluster, business: Business) -> None:
        self._cluster = cluster
        self._business = business
        self._waiting: deque[int] = deque()
        self.retry_count = 0

    async def tell(self, text: str) -> None:
        """Tell everybody; returns once all requests are answered."""
        self._waiting.extend(range(SUBSCRIBER_COUNT))
        async with asyncio.TaskGroup() as tasks:
            for place in range(CONNECTION_COUNT):
                tasks.create_task(self._work(text, place))

    async def _work(self, text: str, turn: int) -> None:
        client: HttpClient | None = None
        ended = asyncio.Event()
        while self._waiting:
            number = self._waiting.popleft()
            if client is None:
                turn += 1
                ended = asyncio.Event()
                client = await self._connect(turn, ended)
            if client is None or not await self._send(client, ended, number, text):
                self.retry_count += 1
                self._waiting.append(number)
                client = None
        if client is not None:
            client.close()

    async def _connect(self, turn: int, ended: asyncio.Event) -> HttpClient | None:
        node_ids = self._cluster.node_ids
        port = self._cluster.node(node_ids[turn % len(node_ids)]).http
        try:
            _, client = await asyncio.get_running_loop().create_connection(
                lambda: HttpClient(lambda _why: ended.set()), "127.0.0.1", port
            )
        except OSError:
            await asyncio.sleep(0.02)  # a pause between attempts, as every client makes
            return None
        return client

    async def _send(self, client: HttpClient, ended: asyncio.Event, number: int, text: str) -> bool:
        """Send to one; False when there is no answer, or it is that nothing can be done now."""
        path = f"/{VERSION}/{self._business.phone_number_id}/messages"
        body = {
            "messaging_product": "whatsapp",
            "to": name_of(number),
            "type": "text",
            "text": {"body": text},
        }
        request = post(path, msgspec.json.encode(body), self._business.token, key=f"{text}-{number}")
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        client.request(request, lambda status, _body: answered.done() or answered.set_result(status))
        end = asyncio.ensure_future(ended.wait())
        try:
            await asyncio.wait({answered, end}, timeout=ANSWER_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            end.cancel()
        if not answered.done():
            client.close()
            return False
        assert answered.result() in {200, 503}, answered.result()
        return answered.result() == 200


def name_of(number: int) -> str:
    """Return the name of a subscriber."""
    return f"subscriber{number:04d}"


async def settle(people: list[Subscriber], text: str, began_ns: int) -> float:
    """Wait until everybody was told; return after how many seconds the last one was."""

    async def probe() -> bool:
        return all(text in person.told_ns for person in people)

    await wait_until(f"everybody told {text}", probe, SETTLE_TIMEOUT_S)
    return (max(person.told_ns[text] for person in people) - began_ns) / 1e9


async def test_a_thousand_are_told_once_though_the_leader_dies(cluster: Cluster) -> None:
    """First without a fault, then with SIGKILL of the leader a tenth of the way."""
    gate = asyncio.Semaphore(LOGINS_AT_ONCE)
    people = [Subscriber(name_of(number)) for number in range(SUBSCRIBER_COUNT)]
    node_ids = cluster.node_ids

    async def arrive(place: int) -> None:
        async with gate:
            port = cluster.node(node_ids[place % len(node_ids)]).xmpp
            await register(port, people[place].username, PASSWORD)
            await people[place].log_in(port)
            people[place].send("<presence/>", asks=False)

    async with asyncio.TaskGroup() as tasks:
        for place in range(SUBSCRIBER_COUNT):
            tasks.create_task(arrive(place))
    broadcaster = Broadcaster(cluster, await create_business(cluster, "Market", NUMBER))
    async with asyncio.TaskGroup() as tasks:
        for place, person in enumerate(people):
            tasks.create_task(person.stay(cluster, place))
        began_ns = time.monotonic_ns()
        await broadcaster.tell("calm")
        calm_s = await settle(people, "calm", began_ns)
        leader = await cluster.leader()
        began_ns = time.monotonic_ns()
        telling = tasks.create_task(broadcaster.tell("storm"))

        async def a_tenth() -> bool:
            return sum("storm" in person.told_ns for person in people) >= SUBSCRIBER_COUNT // 10

        await wait_until("a tenth told", a_tenth, SETTLE_TIMEOUT_S, interval_s=0.005)
        await cluster.kill(leader)
        await telling
        storm_s = await settle(people, "storm", began_ns)
        for person in people:
            person.is_closing = True
            await person.close()
    print(
        f"\n{SUBSCRIBER_COUNT} told: the last after {calm_s:.2f} s; with the leader killed after {storm_s:.2f} s, "
        f"{broadcaster.retry_count} requests made again"
    )
    for text in ("calm", "storm"):
        assert {person.username for person in people if len(person.stanza_ids[text]) != 1} == set()
