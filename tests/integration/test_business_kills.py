"""
A program that sends and is told, while the leader dies (P1, P2; webhooks at least once, in order).

Twenty people keep one session each, resumed wherever it can be; each writes a hundred messages to a number and is sent
a hundred by it, one after another, each under an idempotency key of its own: a request without an answer is made again,
under the same key, at the next node. Half-way the leader gets SIGKILL, and it comes back before the end.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from itertools import count

import httpx
import pytest

from integration.business import VERSION, Business, create_business, http_url
from integration.cluster_process import Cluster, wait_until
from integration.resumer import ResumingChatter
from integration.webhook_receiver import VERIFY_TOKEN, WebhookReceiver
from integration.xmpp_raw import register

NUMBER = "15550001111"
PASSWORD = "ten-times-a-hundred"
PERSON_COUNT = 20
MESSAGE_COUNT = 100
WRITE_INTERVAL_S = 0.1
ATTEMPT_TIMEOUT_S = 8.0
SETTLE_TIMEOUT_S = 90.0

pytestmark = pytest.mark.timeout(300)


class Program:
    """
    Sends texts, and never gives up.

    Attributes:
        wamids: Id of each message that was answered, by person, in order.
        retry_count: Requests that were made again.
    """

    def __init__(self, cluster: Cluster, business: Business) -> None:
        self._cluster = cluster
        self._business = business
        self.wamids: dict[str, list[str]] = defaultdict(list)
        self.retry_count = 0

    @property
    def sent_count(self) -> int:
        """Messages that were answered."""
        return sum(map(len, self.wamids.values()))

    async def send_all(self, person: str, first_node: int) -> None:
        """Send one message after another to a person."""
        turns = count(first_node)
        async with httpx.AsyncClient(timeout=ATTEMPT_TIMEOUT_S) as client:
            for number in range(MESSAGE_COUNT):
                body = {
                    "messaging_product": "whatsapp",
                    "to": person,
                    "type": "text",
                    "text": {"body": f"shop says {number}"},
                }
                headers = {
                    "Authorization": f"Bearer {self._business.token}",
                    "Idempotency-Key": f"{person}-{number}",
                }
                self.wamids[person].append(await self._send(client, turns, body, headers))

    async def _send(
        self, client: httpx.AsyncClient, turns: count[int], body: dict[str, object], headers: dict[str, str]
    ) -> str:
        while True:
            node_ids = self._cluster.node_ids
            root = http_url(self._cluster, node_ids[next(turns) % len(node_ids)])
            url = f"{root}/{VERSION}/{self._business.phone_number_id}/messages"
            try:
                answer = await client.post(url, json=body, headers=headers)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 200:
                wamid: str = answer.json()["messages"][0]["id"]
                return wamid
            assert answer is None or answer.status_code == 503, answer.text
            self.retry_count += 1
            await asyncio.sleep(0.05)  # a pause between attempts, as every client makes


async def write_all(people: list[ResumingChatter]) -> None:
    """Let everybody write, at a steady pace."""
    for _ in range(MESSAGE_COUNT):
        for person in people:
            person.write()
            await asyncio.sleep(WRITE_INTERVAL_S / len(people))


async def test_a_leader_kill_amid_sends_and_webhooks(cluster: Cluster) -> None:
    """2,000 sends and 2,000 messages to the number: none lost, none doubled by id, in order for each pair."""
    names = [f"person{place}" for place in range(PERSON_COUNT)]
    for name in names:
        await register(cluster.node(1).xmpp, name, PASSWORD)
    async with WebhookReceiver() as receiver:
        business = await create_business(cluster, "Shop", NUMBER, callback_url=receiver.url, verify_token=VERIFY_TOKEN)
        receiver.secret = business.app_secret
        program = Program(cluster, business)
        partner = f"{NUMBER}@localhost"
        people = []
        for place, name in enumerate(names):
            people.append(ResumingChatter(name, PASSWORD, partner, lambda turn=place: ports_from(cluster, turn)))
        async with asyncio.TaskGroup() as tasks:
            lives = [tasks.create_task(person.run()) for person in people]
            await wait_until("everybody there", when(lambda: all(person.jid for person in people)), SETTLE_TIMEOUT_S)
            sending = [tasks.create_task(program.send_all(name, place)) for place, name in enumerate(names)]
            writing = tasks.create_task(write_all(people))
            half = PERSON_COUNT * MESSAGE_COUNT // 2
            await wait_until("half of the sends", when(lambda: program.sent_count >= half), SETTLE_TIMEOUT_S)
            leader = await cluster.leader()
            await cluster.kill(leader)
            await cluster.start_node(leader)
            await asyncio.gather(*sending, writing)
            await wait_until(
                "all acknowledged", when(lambda: not any(person.unacknowledged for person in people)), SETTLE_TIMEOUT_S
            )
            await wait_until("all told", when(lambda: is_all_told(receiver)), SETTLE_TIMEOUT_S, interval_s=0.5)
            await wait_until(
                "all shown",
                when(lambda: all(len(person.shown) >= MESSAGE_COUNT for person in people)),
                SETTLE_TIMEOUT_S,
            )
            for person in people:
                await person.close()
            await asyncio.gather(*lives)
        report(program, receiver, people)
        check_sends(program, receiver, people)
        check_incoming(receiver, people)
    await cluster.wait_equal_hashes()


def ports_from(cluster: Cluster, turn: int) -> list[int]:
    """XMPP ports of all nodes, another one first for each person."""
    node_ids = cluster.node_ids
    turn %= len(node_ids)
    return [cluster.node(node_id).xmpp for node_id in node_ids[turn:] + node_ids[:turn]]


def when(condition: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    """Make a probe of a condition."""

    async def probe() -> bool:
        return condition()

    return probe


def is_all_told(receiver: WebhookReceiver) -> bool:
    """Whether there was a webhook of each message, sent or come."""
    total = PERSON_COUNT * MESSAGE_COUNT
    sent = {status["id"] for status in receiver.values("statuses") if status["status"] == "sent"}
    return len(sent) >= total and len({message["id"] for message in receiver.values("messages")}) >= total


def report(program: Program, receiver: WebhookReceiver, people: list[ResumingChatter]) -> None:
    """Say what the kill cost."""
    moved = sum(person.move_count for person in people)
    print(
        f"\n{program.sent_count} sends, {program.retry_count} made again; {len(receiver.bodies)} webhooks, "
        f"{receiver.repeat_count} came again; {moved} sessions moved"
    )


def check_sends(program: Program, receiver: WebhookReceiver, people: list[ResumingChatter]) -> None:
    """Each message that was answered arrived once, in its place, and was told of once."""
    told: dict[str, list[str]] = defaultdict(list)
    for status in receiver.values("statuses"):
        if status["status"] == "sent":
            told[status["id"]].append(status["status"])
    assert {wamid: len(times) for wamid, times in told.items() if len(times) != 1} == {}
    for person in people:
        wamids = program.wamids[person.username]
        assert len(set(wamids)) == MESSAGE_COUNT
        assert [wamid for wamid in told if wamid in set(wamids)] == wamids
        assert list(person.shown.values()) == [f"shop says {number}" for number in range(MESSAGE_COUNT)]


def check_incoming(receiver: WebhookReceiver, people: list[ResumingChatter]) -> None:
    """Each message that was acknowledged was told of once, under one id, in the order of its author."""
    said: dict[str, list[str]] = defaultdict(list)
    messages = receiver.values("messages")
    assert len({message["id"] for message in messages}) == len(messages)
    for message in messages:
        author, _, number = message["text"]["body"].partition(" says ")
        said[author].append(number)
    assert said == {person.username: [str(number) for number in range(MESSAGE_COUNT)] for person in people}
