"""The publisher, between doubles of everything it touches: an outbox, leadership, services and a clock."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from raftline.base.errors import Unavailable
from raftline.base.ids import Position
from raftline.machine.push.answers import WaitingNotification
from raftline.machine.push.queries import PushNotifications, PushServices
from raftline.machine.queries import Answer, Query
from raftline.node import publisher
from raftline.node.publisher import (
    ANSWER_NS,
    IN_FLIGHT_COUNT_MAX,
    REST_NS_MAX,
    REST_NS_MIN,
    SERVICE_COUNT_MAX,
    TAKEOVER_NS,
    Publisher,
)

SECOND_NS = 1_000_000_000


class System:
    """
    Everything around a publisher.

    Attributes:
        outbox: What waits, by service.
        sent: What each service was sent, in order.
        unreachable: Services that nobody is at.
        barrier_ns: How long a barrier takes; None when there is no quorum.
    """

    def __init__(self, *, leads: bool = True) -> None:
        self.outbox: dict[str, list[int]] = {}
        self.sent: dict[str, list[int]] = {}
        self.unreachable: set[str] = set()
        self.leads = leads
        self.leads_after_barrier = True
        self.barrier_ns: int | None = 0
        self.barrier_count = 0
        self.now_ns = 5 * SECOND_NS
        self.change_count = 0
        self.publisher = Publisher(
            ask=self.ask,
            change_count=lambda: self.change_count,
            is_leader=lambda: self.leads,
            barrier=self.barrier,
            send=self.send,
            write=lambda row, _service: str(row.position).encode(),
            with_message=False,
            now_ns=lambda: self.now_ns,
            cluster_ms=lambda: 0,
        )

    def ask(self, query: Query) -> Answer:
        if isinstance(query, PushServices):
            return tuple(sorted(name for name, rows in self.outbox.items() if rows and name > query.after))[
                : query.limit
            ]
        assert isinstance(query, PushNotifications)
        rows = self.outbox[query.service][: query.limit]
        return [WaitingNotification(Position(row), 1, "n", b"", 1, 0, "", None) for row in rows]

    async def barrier(self) -> None:
        self.barrier_count += 1
        if self.barrier_ns is None:
            raise Unavailable("no quorum")
        self.now_ns += self.barrier_ns
        self.leads = self.leads and self.leads_after_barrier

    def send(self, service: str, stanza: bytes) -> bool:
        if service in self.unreachable:
            return False
        self.sent.setdefault(service, []).append(int(stanza))
        return True

    def write(self, service: str, *positions: int) -> None:
        """Let something wait."""
        self.outbox.setdefault(service, []).extend(positions)
        self.change_count += 1

    def answer(self, service: str, *positions: int) -> None:
        """Let answers of a service be applied; all that wait, unless said otherwise."""
        rows = self.outbox[service]
        self.outbox[service] = [row for row in rows if positions and row not in positions]
        self.change_count += 1

    async def round(self, *, after_ns: int = 0) -> None:
        self.now_ns += after_ns
        await self.publisher.publish_round()

    async def lead(self) -> None:
        """Lead for long enough."""
        await self.round()
        await self.round(after_ns=TAKEOVER_NS)


@pytest.fixture
async def system() -> System:
    """One that has led for a while."""
    made = System()
    await made.lead()
    return made


class TestLeadership:
    """One node publishes."""

    async def test_a_follower_publishes_nothing(self) -> None:
        """Whatever waits."""
        system = System(leads=False)
        system.write("a", 1)
        await system.lead()
        assert system.sent == {}

    async def test_a_new_leader_waits(self) -> None:
        """Answers to its predecessor settle what they settle; the rest it publishes."""
        system = System()
        system.write("a", 1, 2, 3)
        await system.round()
        await system.round(after_ns=TAKEOVER_NS - 1)
        assert system.sent == {}
        system.answer("a", 1, 2)
        await system.round(after_ns=1)
        assert system.sent == {"a": [3]}

    async def test_who_leads_again_waits_again(self, system: System) -> None:
        """There was another leader meanwhile, and what this one knew of is of no use."""
        system.write("a", 1)
        await system.round()
        system.leads = False
        await system.round()
        system.leads = True
        await system.round()
        await system.round(after_ns=TAKEOVER_NS)
        assert system.sent == {"a": [1, 1]}

    async def test_without_a_quorum(self, system: System) -> None:
        """Nobody confirms that it leads; it tries again."""
        system.write("a", 1)
        system.barrier_ns = None
        await system.round()
        assert system.sent == {}
        system.barrier_ns = 0
        await system.round()
        assert system.sent == {"a": [1]}

    async def test_a_barrier_that_takes_too_long(self, system: System) -> None:
        """A successor may have begun by now."""
        system.write("a", 1)
        system.barrier_ns = TAKEOVER_NS // 2
        await system.round()
        assert system.sent == {}
        system.barrier_ns -= 1
        await system.round()
        assert system.sent == {"a": [1]}

    async def test_deposed_while_it_waits(self, system: System) -> None:
        """The barrier brought news of another leader."""
        system.write("a", 1)
        system.leads_after_barrier = False
        await system.round()
        assert system.sent == {}

    async def test_nothing_to_do_costs_no_barrier(self, system: System) -> None:
        """An idle leader asks nobody."""
        await system.round()
        assert system.barrier_count == 0


class TestOneService:
    """What is sent, and when again."""

    async def test_once_until_it_is_answered(self, system: System) -> None:
        """Round after round, in order."""
        system.write("a", 1, 2)
        await system.round()
        await system.round(after_ns=SECOND_NS)
        system.write("a", 3)
        await system.round()
        system.answer("a")
        await system.round()
        assert system.sent == {"a": [1, 2, 3]}

    async def test_bounded_requests(self, system: System) -> None:
        """So many without an answer; each answer makes room for one."""
        system.write("a", *range(IN_FLIGHT_COUNT_MAX + 5))
        await system.round()
        await system.round()
        assert system.sent["a"] == list(range(IN_FLIGHT_COUNT_MAX))
        system.answer("a", 7)
        await system.round()
        assert system.sent["a"][IN_FLIGHT_COUNT_MAX:] == [IN_FLIGHT_COUNT_MAX]

    async def test_no_answer(self, system: System) -> None:
        """The service rests, longer each time up to a bound, and then everything is sent again."""
        system.write("a", 1)
        await system.round()
        await system.round(after_ns=ANSWER_NS - 1)
        rest_ns = REST_NS_MIN
        for count in range(1, 9):
            assert system.sent["a"] == [1] * count
            await system.round(after_ns=1 if count == 1 else ANSWER_NS)  # found silent
            await system.round(after_ns=rest_ns - 1)
            assert system.sent["a"] == [1] * count
            await system.round(after_ns=1)
            rest_ns = min(2 * rest_ns, REST_NS_MAX)
        assert rest_ns == REST_NS_MAX

    async def test_an_answer_forgives(self, system: System) -> None:
        """The next rest is a short one again."""
        system.unreachable.add("a")
        system.write("a", 1)
        for _ in range(4):
            await system.round(after_ns=REST_NS_MAX)
        system.unreachable.clear()
        await system.round(after_ns=REST_NS_MAX)
        system.answer("a", 1)
        system.write("a", 2)
        await system.round()
        system.unreachable.add("a")
        system.write("a", 3)
        await system.round()
        system.unreachable.clear()
        await system.round(after_ns=REST_NS_MIN)
        assert system.sent["a"] == [1, 2, 2, 3]

    async def test_nobody_there(self, system: System) -> None:
        """Nothing is lost: it is sent when somebody is."""
        system.unreachable.add("a")
        system.write("a", 1, 2)
        await system.round()
        system.unreachable.clear()
        await system.round(after_ns=REST_NS_MIN - 1)
        assert system.sent == {}
        await system.round(after_ns=1)
        assert system.sent == {"a": [1, 2]}


class TestManyServices:
    """A slow or dead one harms nobody else."""

    async def test_each_has_its_own_bound_and_rest(self, system: System) -> None:
        """One is dead, one never answers, one is well."""
        system.unreachable.add("dead")
        for name in ("dead", "mute", "well"):
            system.write(name, *range(2 * IN_FLIGHT_COUNT_MAX))
        for _ in range(2):
            await system.round()
            system.answer("well", *system.sent["well"])
        assert "dead" not in system.sent
        assert len(system.sent["mute"]) == IN_FLIGHT_COUNT_MAX
        assert Counter(system.sent["well"]) == Counter(range(2 * IN_FLIGHT_COUNT_MAX))

    async def test_more_than_a_round_takes(self, system: System) -> None:
        """They take turns."""
        names = [f"s{number:04}" for number in range(SERVICE_COUNT_MAX + 3)]
        for name in names:
            system.write(name, 1)
        await system.round()
        assert len(system.sent) == SERVICE_COUNT_MAX
        await system.round()
        assert sorted(system.sent) == names
        await system.round()
        assert all(sent == [1] for sent in system.sent.values())

    @pytest.mark.parametrize("count", [1, SERVICE_COUNT_MAX - 1, SERVICE_COUNT_MAX, SERVICE_COUNT_MAX + 1])
    async def test_who_has_nothing_waiting_is_forgotten(self, system: System, count: int) -> None:
        """Memory is that of what waits, however many services come and go."""
        for generation in range(3):
            for number in range(count):
                system.write(f"{generation}-{number}", 1)
            for _ in range(2):
                await system.round()
            assert len(system.publisher._services) == count
            system.outbox.clear()
            for _ in range(2):
                await system.round()
            assert not system.publisher._services


@asynccontextmanager
async def running(made: System) -> AsyncIterator[None]:
    """Let a publisher run."""
    task = asyncio.create_task(made.publisher.run())
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class TestRunning:
    """The task."""

    async def test_news_are_published_at_once(self, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
        """A slice with something new wakes it; one without does not."""
        monkeypatch.setattr(publisher, "PERIOD_SECONDS", 3600.0)
        done = asyncio.Event()
        send = system.publisher._send

        def sending(service: str, stanza: bytes) -> bool:
            done.set()
            return send(service, stanza)

        monkeypatch.setattr(system.publisher, "_send", sending)
        async with running(system):
            system.write("a", 1)
            system.publisher.slice_applied()
            await asyncio.wait_for(done.wait(), 10)
        assert system.sent == {"a": [1]}
        system.publisher._wake.clear()
        system.publisher.slice_applied()
        assert not system.publisher._wake.is_set()

    async def test_it_looks_now_and_then(self, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
        """A rest that is over wakes nobody."""
        monkeypatch.setattr(publisher, "PERIOD_SECONDS", 0.001)
        asked = asyncio.Event()

        def ask(query: Query) -> Answer:
            asked.set()
            return system.ask(query)

        monkeypatch.setattr(system.publisher, "_ask", ask)
        async with running(system):
            await asyncio.wait_for(asked.wait(), 10)
