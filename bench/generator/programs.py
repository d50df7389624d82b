"""
Programs of a business that speak the Cloud API: they send texts, and are told by webhooks.

    sends      closed loop: on each of `window` connections, spread over the nodes, one request is under way
    sends at a rate   open loop: requests fall due at a rate, whatever was answered, over the same connections
    incoming   users write to the number at a rate; the time is that from writing to the webhook

Of sends two times are told: that of the request until it is answered, which is after the message is on a majority of
the nodes, and that from the answer's beginning, the request, to the webhook of the status `sent`.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable

import msgspec

from bench.generator.accounts import LOGIN_CONCURRENCY, Users, in_parallel, username
from bench.generator.chat import DRAIN_TIMEOUT_S, MARK, MessageText, message_numbers
from bench.generator.http import HttpClient, Receiver, post
from bench.generator.meter import Meter
from bench.generator.stream import StreamFailedError
from bench.latency import NS_PER_MS, NS_PER_S, Ledger, OpenLoopSchedule, percentile, summarize
from bench.task import Measured, Task, WebhookFigures

WRITER_COUNT = 50

_WAMID = re.compile(rb'"id"\s*:\s*"(wamid\.[^"]+)"')
_SENT = b'"status":"sent"'
_BLANKS = re.compile(rb"\s+")


class Business:
    """
    A number, connections to all nodes that speak for it, and a receiver of its webhooks.

    Attributes:
        number: Drawn by chance, since a server may be measured more than once.
        failures: What went wrong; the measurement is void then.
    """

    def __init__(self, task: Task, take: Callable[[bytes], None]) -> None:
        self._task = task
        self._take = take
        self._server: asyncio.Server | None = None
        self.number = f"1555{secrets.randbelow(10**7):07}"
        self.failures: list[str] = []
        self.clients: list[HttpClient] = []
        self.path = ""
        self.token = ""

    async def open(self) -> None:
        """
        Create the business and connect to the nodes.

        Raises:
            StreamFailedError: Something was refused.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Receiver(self._take), "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        for place in range(max(self._task.window, len(self._task.http))):
            endpoint = self._task.http[place % len(self._task.http)]
            _, client = await loop.create_connection(
                lambda: HttpClient(self.failures.append), endpoint.host, endpoint.port
            )
            self.clients.append(client)
        wanted = {
            "name": "Bench",
            "number": self.number,
            "callback_url": f"http://127.0.0.1:{port}/hook",
            "verify_token": "bench",
        }
        request = post("/admin/v1/businesses", msgspec.json.encode(wanted), self._task.admin_token)
        created = msgspec.json.decode(await self.clients[0].ask(request))
        self.path = f"/v23.0/{created['phone_number_id']}/messages"
        self.token = created["token"]

    def request(self, number: int) -> bytes:
        """Return the request that sends text `number` to a user: each user in turn."""
        digits = b"%010d" % number
        padding = "x" * (self._task.body_size - len(MARK) - len(digits))
        body = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": username(number % self._task.user_count),
            "type": "text",
            "text": {"body": (MARK + digits).decode() + padding, "preview_url": False},
        }
        return post(self.path, msgspec.json.encode(body), self.token)

    def disconnect(self) -> None:
        """End the connections to the nodes."""
        for client in self.clients:
            client.close()
        self.clients.clear()

    def close(self) -> None:
        """
        End all connections, and receive nothing more.

        Raises:
            StreamFailedError: Something went wrong meanwhile.
        """
        self.disconnect()
        assert self._server is not None
        self._server.close()
        if self.failures:
            raise StreamFailedError(f"{len(self.failures)} failures, the first: {self.failures[0]}")


class Sends:
    """Texts that are sent, and what is told of them: requests by number, statuses by the message's id."""

    def __init__(self, task: Task, meter: Meter) -> None:
        self._meter = meter
        self.business = Business(task, self._take)
        self.delays_ns: list[int] = []
        self.doubled = 0
        self._started_ns: dict[bytes, int] = {}
        self._told_ns: dict[bytes, int] = {}
        self._sent_count = self._answered_count = 0

    def send(self, client: HttpClient, due_ns: int, on_answer: Callable[[], None]) -> None:
        """Send the next text; its time counts from `due_ns`."""
        request = self.business.request(self._sent_count)
        self._sent_count += 1

        def answered(status: int, body: bytes) -> None:
            self._answered_count += 1
            found = _WAMID.search(body)
            if status != 200 or found is None:
                self.business.failures.append(f"{status} {body[:200]!r}")
                return
            if self._meter.is_on:
                self._meter.note(time.perf_counter_ns() - due_ns)
            told_ns = self._told_ns.get(found[1])
            self._started_ns[found[1]] = due_ns
            if told_ns is not None:
                self._note(told_ns - due_ns)
            on_answer()

        client.request(request, answered)

    async def drain(self) -> int:
        """Wait until everything is answered and told, for 20 s at most; return of how many nothing was told."""
        deadline_ns = time.perf_counter_ns() + DRAIN_TIMEOUT_S * NS_PER_S
        # Each webhook would have to look; a look in ten milliseconds costs less.
        while self._outstanding and time.perf_counter_ns() < deadline_ns:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return self._outstanding

    @property
    def _outstanding(self) -> int:
        return self._sent_count - self._answered_count + len(self._started_ns.keys() - self._told_ns.keys())

    def _take(self, body: bytes) -> None:
        now_ns = time.perf_counter_ns()
        if _SENT not in _BLANKS.sub(b"", body):
            return
        found = _WAMID.search(body)
        if found is None:
            self.business.failures.append(f"a status without an id: {body[:200]!r}")
        elif found[1] in self._told_ns:
            self.doubled += 1
        else:
            self._told_ns[found[1]] = now_ns
            started_ns = self._started_ns.get(found[1])
            if started_ns is not None:
                self._note(now_ns - started_ns)

    def _note(self, delay_ns: int) -> None:
        if self._meter.is_on:
            self.delays_ns.append(delay_ns)


async def sends(task: Task) -> Measured:
    """Closed loop over `window` connections."""
    meter = Meter(task)
    sending = Sends(task, meter)
    await sending.business.open()
    is_sending = True

    def send_next(client: HttpClient) -> None:
        if is_sending:
            sending.send(client, time.perf_counter_ns(), lambda: send_next(client))

    for client in sending.business.clients:
        send_next(client)
    await meter.measure()
    is_sending = False
    return await _finish(sending, meter)


async def sends_at_a_rate(task: Task) -> Measured:
    """Open loop: a text falls due, and is sent over the next connection in turn."""
    meter = Meter(task)
    sending = Sends(task, meter)
    await sending.business.open()
    lags_ns: list[int] = []

    async def write_when_due() -> None:
        clients = sending.business.clients
        schedule = OpenLoopSchedule(task.rate_per_s, time.perf_counter_ns())
        while True:
            now_ns = time.perf_counter_ns()
            for number in schedule.take_due(now_ns):
                due_ns = schedule.due_ns(number)
                lags_ns.append(now_ns - due_ns)
                sending.send(clients[number % len(clients)], due_ns, _nothing)
            await asyncio.sleep(max(schedule.due_ns(schedule.next_number) - time.perf_counter_ns(), 0) / NS_PER_S)

    async with asyncio.TaskGroup() as group:
        writing = group.create_task(write_when_due())
        await meter.measure()
        writing.cancel()
    return await _finish(sending, meter, percentile(sorted(lags_ns), 0.99) / NS_PER_MS)


async def incoming(task: Task) -> Measured:
    """Users write to the number at a rate, each in turn; what is counted is their webhooks."""
    meter = Meter(task)
    ledgers = [Ledger() for _ in range(WRITER_COUNT)]

    def take(body: bytes) -> None:
        now_ns = time.perf_counter_ns()
        for number in message_numbers(body):
            writer, place = number % WRITER_COUNT, number // WRITER_COUNT
            started_ns = ledgers[writer].arrive(place)
            if started_ns is not None and meter.is_on:
                meter.note(now_ns - started_ns)

    business = Business(task, take)
    await business.open()
    business.disconnect()  # nothing is sent
    streams = await in_parallel(WRITER_COUNT, LOGIN_CONCURRENCY, Users(task).log_in_available)
    text = MessageText(f"{business.number}@{task.domain}", task.body_size)
    for stream in streams:
        stream.on_end = business.failures.append
        stream.take_traffic(lambda _block: None)

    async def write_when_due() -> None:
        schedule = OpenLoopSchedule(task.rate_per_s, time.perf_counter_ns())
        while True:
            for number in schedule.take_due(time.perf_counter_ns()):
                ledgers[number % WRITER_COUNT].start(schedule.due_ns(number))
                streams[number % WRITER_COUNT].write(text.stanza(number))
            await asyncio.sleep(max(schedule.due_ns(schedule.next_number) - time.perf_counter_ns(), 0) / NS_PER_S)

    async with asyncio.TaskGroup() as group:
        writing = group.create_task(write_when_due())
        await meter.measure()
        writing.cancel()
    deadline_ns = time.perf_counter_ns() + DRAIN_TIMEOUT_S * NS_PER_S
    while any(ledger.outstanding for ledger in ledgers) and time.perf_counter_ns() < deadline_ns:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    measured = meter.result(
        undelivered=sum(ledger.outstanding for ledger in ledgers),
        doubled=sum(ledger.doubled for ledger in ledgers),
        reordered=sum(ledger.reordered for ledger in ledgers),
    )
    for stream in streams:
        stream.on_end = _ignore
        stream.close()
    business.close()
    return measured


async def _finish(sending: Sends, meter: Meter, lag_p99_ms: float | None = None) -> Measured:
    undelivered = await sending.drain()
    measured = meter.result(
        undelivered=undelivered,
        doubled=sending.doubled,
        lag_p99_ms=lag_p99_ms,
        webhooks=WebhookFigures(delay=summarize(sending.delays_ns)),
    )
    sending.business.close()
    return measured


def _nothing() -> None:
    """Go on with nothing."""


def _ignore(_why: str) -> None:
    """It ended because it was to."""
