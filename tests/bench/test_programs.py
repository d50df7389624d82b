"""What the bench finds out of programs of a business: its HTTP, and when a webhook counts."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from bench.generator.http import HttpClient, Receiver, post
from bench.generator.meter import Meter
from bench.generator.programs import Sends
from bench.generator.stream import StreamFailedError
from bench.goals import judge
from bench.latency import Latency
from bench.results import Row, Run
from bench.task import Kind, Measured, Task, WebhookFigures

TASK = Task(kind=Kind.SENDS, endpoints=(), domain="localhost", user_count=2, server_pids=())
WAMID = b"wamid.MS0x"


class Transport:
    """Keeps what is written; what is answered is given by hand."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        """Nothing is open."""


def connected(protocol: Any) -> Transport:
    transport = Transport()
    protocol.connection_made(transport)
    return transport


def answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


def test_answers_come_in_order_however_they_are_cut() -> None:
    """Two answers in three pieces are two answers."""
    client = HttpClient(pytest.fail)
    connected(client)
    heard: list[tuple[int, bytes]] = []
    for _ in range(2):
        client.request(post("/x", b"{}", "t"), lambda status, body: heard.append((status, body)))
    data = answer(200, b"first") + answer(400, b"")
    for piece in (data[:10], data[10:50], data[50:]):
        client.data_received(piece)
    assert heard == [(200, b"first"), (400, b"")]


def test_a_refusal_is_a_failure() -> None:
    """And so is a connection that ends on its own."""
    ended: list[str] = []
    client = HttpClient(ended.append)
    connected(client)

    async def refused() -> None:
        asking = asyncio.create_task(client.ask(post("/x", b"{}", "t")))
        await asyncio.sleep(0)
        client.data_received(answer(503, b"later"))
        await asking

    with pytest.raises(StreamFailedError, match="503"):
        asyncio.run(refused())
    client.connection_lost(None)
    assert ended == ["a connection ended: closed by the server"]


def test_the_receiver_answers_challenges_and_takes_posts() -> None:
    """Any number of them over one connection."""
    taken: list[bytes] = []
    receiver = Receiver(taken.append)
    transport = connected(receiver)
    receiver.data_received(b"GET /hook?hub.mode=subscribe&hub.challenge=42 HTTP/1.1\r\nHost: x\r\n\r\n")
    receiver.data_received(2 * post("/hook", b"{}", "t"))
    assert taken == [b"{}", b"{}"]
    assert transport.written.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n42")


@pytest.mark.parametrize("is_told_first", [True, False])
def test_a_webhook_counts_once_whichever_comes_first(monkeypatch: pytest.MonkeyPatch, is_told_first: bool) -> None:
    """The answer may come after the webhook; a second webhook is a double."""
    meter = Meter(TASK)
    meter.is_on = True
    sending = Sends(TASK, meter)
    sending.business.path = "/v1/1/messages"
    client = HttpClient(pytest.fail)
    connected(client)
    sending.send(client, 1, lambda: None)
    reply = answer(200, b'{"messages":[{"id":"%b"}]}' % WAMID)
    webhook = b'{"statuses":[{"id": "%b", "status": "sent"}]}' % WAMID
    steps = [lambda: client.data_received(reply), lambda: sending._take(webhook)]
    for step in reversed(steps) if is_told_first else steps:
        step()
    assert (len(sending.delays_ns), sending._outstanding, sending.doubled) == (1, 0, 0)
    sending._take(webhook)
    assert sending.doubled == 1


def test_another_status_is_none_of_it() -> None:
    """What was delivered or read says nothing of the delay."""
    sending = Sends(TASK, Meter(TASK))
    sending._take(b'{"statuses":[{"id":"%b","status":"read"}]}' % WAMID)
    assert (sending.delays_ns, sending.business.failures) == ([], [])


@pytest.mark.parametrize(("p99_ms", "undelivered", "reached"), [(249.0, 0, True), (251.0, 0, False), (10.0, 1, False)])
def test_the_aim(p99_ms: float, undelivered: int, reached: bool) -> None:
    """A thousand sends a second, all told, in time."""
    delay = Latency(count=1, p50_ms=1, p95_ms=1, p99_ms=p99_ms, max_ms=p99_ms)
    measured = Measured(
        count=1000,
        duration_s=1.0,
        server_cpu_s=1.0,
        generator_cpu_share=0.1,
        undelivered=undelivered,
        webhooks=WebhookFigures(delay=delay),
    )
    row = Row(server="raftline-3", scenario="business-1000", kind=Kind.SENDS_OPEN, rounds=(measured,))
    run = SimpleNamespace(
        find=lambda server, scenario: row if scenario == row.scenario and server == row.server else None
    )
    goals: Run = run  # type: ignore[assignment]  # judging asks for rows alone
    (goal,) = [goal for goal in judge(goals) if "sends/s" in goal.text]
    assert goal.reached is reached
