"""The delivery of events under chance: receivers that fail in every way, leaders that come and go, small windows."""

from __future__ import annotations

import asyncio
import random

import pytest

from raftline.base.errors import OutcomeUnknown, Unavailable
from raftline.base.ids import Position
from raftline.machine.business.commands import BusinessAction
from raftline.machine.outcomes import Outcome
from raftline.web.cloud.webhooks import delivery, directory, dispatcher, lanes, settling, targets
from raftline.web.cloud.webhooks.client import NoAnswer, Unreachable
from raftline.web.cloud.webhooks.dispatcher import Dispatcher
from web.cloud.outbox import Outbox, eventually, peer_in, position_in
from web.cloud.webhook_samples import SERVICE, TIME_MS

FAST_S = 0.002
NODE_COUNT = 3
PEOPLE = tuple(f"1555000{number}" for number in range(6))
APPS = (5, 6, 7)
EVENT_COUNT = 150
SEEDS = range(12)
ASKED = "<body>Hi</body><request xmlns='urn:xmpp:receipts'/>"


@pytest.fixture(autouse=True)
def _small_and_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every time be short, and every window small, so that all of them end."""
    for module in (delivery, targets):
        monkeypatch.setattr(module, "WEBHOOK_RETRY_MIN_S", FAST_S)
    monkeypatch.setattr(delivery, "WEBHOOK_RETRY_MAX_S", 4 * FAST_S)
    monkeypatch.setattr(targets, "WEBHOOK_REST_MAX_S", 4 * FAST_S)
    monkeypatch.setattr(targets, "WEBHOOK_TARGET_IN_FLIGHT_COUNT_MAX", 3)
    monkeypatch.setattr(delivery, "WEBHOOK_APP_IN_FLIGHT_COUNT_MAX", 3)
    monkeypatch.setattr(delivery, "WEBHOOK_IN_FLIGHT_COUNT_MAX", 5)
    monkeypatch.setattr(delivery, "HEAD_COUNT", 2)
    monkeypatch.setattr(lanes, "WEBHOOK_WINDOW_COUNT_MAX", 7)
    monkeypatch.setattr(lanes, "WEBHOOK_LANE_COUNT_MAX", 3)
    monkeypatch.setattr(directory, "REMEMBERED_S", FAST_S)
    monkeypatch.setattr(dispatcher, "PERIOD_S", 5 * FAST_S)
    monkeypatch.setattr(dispatcher, "PAGE_COUNT", 4)
    monkeypatch.setattr(dispatcher, "PAUSE_S", 0)
    monkeypatch.setattr(settling, "AGAIN_S", FAST_S)
    monkeypatch.setattr(settling, "GATHER_S", FAST_S)


class World:
    """
    Nodes of one cluster that deliver, any number of them at a time, and programs that fail by chance.

    Attributes:
        taken: What each program took, in order, by application.
        asked: How many messages asked for a receipt.
        is_calm: Nothing fails any more.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.outbox = Outbox()
        self.leads = [True, False, False]
        self.taken: dict[int, list[bytes]] = {app_id: [] for app_id in APPS}
        self.bytes_of: dict[tuple[int, int], bytes] = {}
        self.asked = 0
        self.is_calm = False
        self._under_way: list[set[tuple[str, str]]] = [set() for _ in range(NODE_COUNT)]
        for app_id in APPS:
            host = f"http://host{app_id % 2}"  # two of them share one
            self.outbox.callbacks[app_id, "app"] = f"{host}/{app_id}"
        self.nodes = [self._node(place) for place in range(NODE_COUNT)]

    def _node(self, place: int) -> Dispatcher:
        node = Dispatcher(
            ask=self.outbox.ask,
            execute=self._execute,
            change_count=lambda: self.outbox.change_count,
            applied=lambda: Position(self.outbox.applied),
            is_leader=lambda: self.leads[place],
            post=lambda url, _headers, body: self._post(place, url, body),
            service=SERVICE,
            cluster_ms=lambda: TIME_MS,
        )
        self.outbox.listeners.append(node.slice_applied)
        return node

    async def _post(self, place: int, url: str, body: bytes) -> int:
        """Take a POST or not; whatever is said, it may have been taken."""
        line = url, peer_in(body)
        assert line not in self._under_way[place], "two at a time about one person"
        self._under_way[place].add(line)
        try:
            await self._wait()
            fate = 1.0 if self.is_calm else self.random.random()
            if fate < 0.1:
                raise Unreachable("nobody there")
            if fate < 0.2:
                return 500
            self._take(int(url.rpartition("/")[2]), body)
            await self._wait()
            if fate < 0.3:
                raise NoAnswer("taken, but who knows")
            return 200
        finally:
            self._under_way[place].discard(line)

    def _take(self, app_id: int, body: bytes) -> None:
        known = self.bytes_of.setdefault((app_id, position_in(body)), body)
        assert known == body, "another try has other bytes"
        self.taken[app_id].append(body)

    async def _execute(self, action: BusinessAction) -> Outcome:
        await self._wait()
        fate = 1.0 if self.is_calm else self.random.random()
        if fate < 0.2:
            raise Unavailable("no quorum")
        outcome = await self.outbox.execute(action)
        if fate < 0.4:
            raise OutcomeUnknown("applied, but who knows")
        return outcome

    async def _wait(self) -> None:
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)

    async def live(self) -> None:
        """Let things happen while leaders come and go; two may lead at a time, or none."""
        for _ in range(EVENT_COUNT):
            content = self.random.choice(("<body>Hi</body>", ASKED))
            self.outbox.add(self.random.choice(PEOPLE), app_id=self.random.choice(APPS), content=content)
            self.asked += content is ASKED
            if self.random.random() < 0.1:
                self.leads = [self.random.random() < 0.4 for _ in range(NODE_COUNT)]
                self.outbox.listeners[0]()
            await asyncio.sleep(self.random.choice((0, 0, 0, FAST_S)))


@pytest.mark.parametrize("seed", SEEDS)
async def test_all_in_order_whatever_happens(seed: int) -> None:
    """
    Each event is taken, the first times in the order of each person, and each try has the same bytes.

    Who asks for a receipt gets it, and repetitions of it are the same bytes as well.
    """
    world = World(seed)
    tasks = [asyncio.create_task(node.run()) for node in world.nodes]
    caused = {app_id: list[int]() for app_id in APPS}
    put = world.outbox.put
    world.outbox.put = lambda view: (caused[view.event.app_id].append(view.event.position), put(view))[1]  # type: ignore[method-assign]
    try:
        await world.live()
        world.leads = [False, True, False]
        world.is_calm = True
        await eventually(lambda: not world.outbox.waiting)
        await eventually(lambda: all(node.figures().in_flight == 0 for node in world.nodes))
        assert world.nodes[1].figures().resting_hosts == 0
        await eventually(lambda: world.nodes[1].figures().held == 0)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends
    assert len({receipt.message.stanza for receipt in world.outbox.sent}) == world.asked > 0
    for app_id in APPS:
        first = list(dict.fromkeys(world.taken[app_id]))
        assert sorted(map(position_in, first)) == caused[app_id]
        for person in PEOPLE:
            mine = [position_in(body) for body in first if peer_in(body) == person]
            assert mine == sorted(mine), (app_id, person)
