"""The delivery of events, between an outbox in memory and receivers at real sockets."""

from __future__ import annotations

import asyncio
import hmac
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from raftline.base.business_limits import SETTLED_EVENT_COUNT_MAX
from raftline.base.errors import OutcomeUnknown, Unavailable
from raftline.base.webhook_limits import WEBHOOK_APP_IN_FLIGHT_COUNT_MAX, WEBHOOK_SUSPECT_IN_FLIGHT_COUNT_MAX
from raftline.machine.outcomes import Rejected
from raftline.web.cloud.webhooks import client, delivery, directory, dispatcher, lanes, settling, targets
from raftline.web.cloud.webhooks.lanes import BEFORE_ALL
from web.cloud.outbox import SECRET, Outbox, Receiver, dispatching, eventually, peer_in, position_in

FAST_S = 0.02
ASKED = "<body>Hi</body><request xmlns='urn:xmpp:receipts'/>"


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every time that something waits be short."""
    for module in (delivery, targets):
        monkeypatch.setattr(module, "WEBHOOK_RETRY_MIN_S", FAST_S)
    monkeypatch.setattr(delivery, "NOBODY_S", FAST_S)
    monkeypatch.setattr(directory, "REMEMBERED_S", FAST_S)
    monkeypatch.setattr(dispatcher, "PERIOD_S", 5 * FAST_S)
    monkeypatch.setattr(settling, "AGAIN_S", FAST_S)


@pytest.fixture
def outbox() -> Outbox:
    """An outbox without anything."""
    return Outbox()


@pytest_asyncio.fixture
async def receiver(outbox: Outbox) -> AsyncIterator[Receiver]:
    """The receiver of application 5."""
    receiver = Receiver()
    await receiver.start()
    outbox.callbacks[5, "app"] = receiver.url
    yield receiver
    await receiver.stop()


@pytest_asyncio.fixture
async def other(outbox: Outbox) -> AsyncIterator[Receiver]:
    """The receiver of application 6."""
    receiver = Receiver()
    await receiver.start()
    outbox.callbacks[6, "app"] = receiver.url
    yield receiver
    await receiver.stop()


class TestOrder:
    """One line for each person."""

    async def test_everything_once_and_in_order(self, outbox: Outbox, receiver: Receiver) -> None:
        """What waits and what comes later is delivered once, in the order of each person, on few connections."""
        before = [outbox.add(f"1555000{person}") for person in range(5) for _ in range(10)]
        async with dispatching(outbox):
            after = [outbox.add(f"1555000{person}") for _ in range(10) for person in range(5)]
            await outbox.until_settled()
        assert sorted(map(position_in, receiver.taken)) == sorted([*before, *after])
        for person in range(5):
            mine = [position_in(body) for body in receiver.taken if peer_in(body) == f"1555000{person}"]
            assert mine == sorted(mine)
        assert receiver.connection_count <= 5

    async def test_one_at_a_time_for_a_person(self, outbox: Outbox, receiver: Receiver) -> None:
        """While a POST about somebody has no answer there is no other one about them, but those of others go on."""
        receiver.gate.clear()
        async with dispatching(outbox) as running:
            for _ in range(3):
                outbox.add("15550001")
            outbox.add("15550002")
            await eventually(lambda: receiver.open == 2)
            assert running.figures().in_flight == 2
            receiver.gate.set()
            await outbox.until_settled()
        assert receiver.open_max == 2
        assert Counter(map(peer_in, receiver.taken)) == {"15550001": 3, "15550002": 1}

    async def test_what_is_not_taken_is_not_overtaken(self, outbox: Outbox, receiver: Receiver) -> None:
        """The later events of a person wait for an earlier one that its receiver does not take; others do not."""
        first, second = outbox.add("15550001"), outbox.add("15550001")
        receiver.status = lambda count, body: 500 if position_in(body) == first and count < 4 else 200
        async with dispatching(outbox):
            others = outbox.add("15550002")
            await outbox.until_settled()
        assert receiver.positions() == [others, first, second]
        assert [position_in(body) for body in receiver.seen].count(first) == 4


class TestFailures:
    """Receivers that do not take what they get."""

    async def test_retries_are_the_same_bytes_and_signed(self, outbox: Outbox, receiver: Receiver) -> None:
        """Each try has equal bytes and a signature by the secret's digits; redirects and all but 2xx are failures."""
        answers = iter([500, 404, 302, 199 + 105, 204])
        receiver.status = lambda _count, _body: next(answers)
        outbox.add()
        async with dispatching(outbox) as running:
            await outbox.until_settled()
            assert running.figures()[:2] == (1, 4)
        assert len(receiver.seen) == 5
        assert len(set(receiver.seen)) == 1
        digest = hmac.digest(SECRET.hex().encode(), receiver.seen[0], "sha256").hex()
        assert all(f"X-Hub-Signature-256: sha256={digest}\r\n" in head for head in receiver.heads)
        assert all("Content-Type: application/json\r\n" in head for head in receiver.heads)

    async def test_waits_twice_as_long_each_time(
        self, outbox: Outbox, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Tries come after 1, 2, 4 … units, up to the greatest."""
        rests: list[float] = []
        monkeypatch.setattr(delivery, "WEBHOOK_RETRY_MAX_S", 5 * FAST_S)
        later = delivery.Delivery._later

        def note(self: delivery.Delivery, seconds: float, call: Callable[[], None]) -> None:
            rests.append(seconds)
            later(self, seconds, call)

        monkeypatch.setattr(delivery.Delivery, "_later", note)
        receiver.status = lambda count, _body: 200 if count == 6 else 503
        outbox.add()
        async with dispatching(outbox):
            await outbox.until_settled()
        assert rests == [FAST_S, 2 * FAST_S, 4 * FAST_S, 5 * FAST_S, 5 * FAST_S]

    async def test_one_that_is_not_there_harms_nobody(
        self, outbox: Outbox, receiver: Receiver, other: Receiver
    ) -> None:
        """While nobody listens at one host, one POST at a time finds that out, and another application's go on."""
        await other.stop()
        dead = [outbox.add(f"1555000{number}", app_id=6) for number in range(100)]
        async with dispatching(outbox) as running:
            alive = [outbox.add(f"1555000{number}") for number in range(100)]
            await outbox.until_settled(len(dead))
            assert sorted(receiver.positions()) == alive
            assert running.figures().resting_hosts == 1
            assert running.figures().failed_total <= WEBHOOK_APP_IN_FLIGHT_COUNT_MAX + 20
            await other.start()
            await outbox.until_settled()
        assert sorted(other.positions()) == dead

    async def test_a_slow_one_harms_nobody(
        self, outbox: Outbox, receiver: Receiver, other: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A receiver that never answers has a few POSTs under way, another application's are answered meanwhile."""
        monkeypatch.setattr(client, "WEBHOOK_TIMEOUT_S", 5 * FAST_S)
        other.gate.clear()
        stuck = [outbox.add(f"1555000{number}", app_id=6) for number in range(200)]
        async with dispatching(outbox) as running:
            for round_number in range(20):
                for number in range(20):
                    outbox.add(f"1555000{number}")
                await outbox.until_settled(len(stuck))
                assert len(receiver.positions()) == 20 * (round_number + 1)
                assert running.figures().in_flight <= WEBHOOK_APP_IN_FLIGHT_COUNT_MAX
            await eventually(lambda: running.figures().failed_total >= 100)
            assert running.figures().in_flight <= WEBHOOK_SUSPECT_IN_FLIGHT_COUNT_MAX
            other.gate.set()
            await outbox.until_settled()
        assert sorted(other.positions()) == stuck

    async def test_what_waits_no_more_is_not_tried_again(self, outbox: Outbox, receiver: Receiver) -> None:
        """An event whose time is over, as apply says, is dropped, and the next of that person is delivered."""
        first, second = outbox.add(), outbox.add()
        receiver.status = lambda _count, body: 500 if position_in(body) == first else 200
        async with dispatching(outbox) as running:
            await receiver.until(lambda: len(receiver.seen) >= 2)
            del outbox.waiting[first, 0]
            await outbox.until_settled()
            assert running.figures().dropped_total == 1
        assert receiver.positions() == [second]

    async def test_without_a_callback_nothing_is_sent(self, outbox: Outbox, receiver: Receiver) -> None:
        """What waits is delivered when its application has a callback again."""
        url = outbox.callbacks.pop((5, "app"))
        position = outbox.add()
        async with dispatching(outbox) as running:
            await eventually(lambda: running.figures().held == 1)
            outbox.callbacks[5, "app"] = url
            await outbox.until_settled()
        assert receiver.positions() == [position]


class TestScopes:
    """Which callback counts."""

    @pytest.mark.parametrize(
        ("scopes", "counts"),
        [
            (["app"], "app"),
            (["app", "200000000000003"], "200000000000003"),
            (["app", "300000000000007", "200000000000003"], "300000000000007"),
            (["app", "300000000000008"], "app"),
        ],
    )
    async def test_the_narrowest_counts(
        self, outbox: Outbox, receiver: Receiver, scopes: list[str], counts: str
    ) -> None:
        """That of the number before that of the business before that of the application."""
        for scope in scopes:
            outbox.callbacks[5, scope] = f"{receiver.url}/{scope}"
        outbox.add()
        async with dispatching(outbox):
            await outbox.until_settled()
        assert receiver.heads[0].startswith(f"POST /webhook/{counts} ")


class TestSettling:
    """What receivers have taken, into the log."""

    async def test_in_batches(self, outbox: Outbox, receiver: Receiver) -> None:
        """Many events take few commands, none with more than may be in one."""
        for number in range(600):
            outbox.add(f"1555{number:04}")
        async with dispatching(outbox):
            await outbox.until_settled()
        assert sum(map(len, outbox.settled)) == 600
        assert max(map(len, outbox.settled)) <= SETTLED_EVENT_COUNT_MAX
        assert len(outbox.settled) < 300

    @pytest.mark.parametrize("failure", [Unavailable("no quorum"), OutcomeUnknown("no outcome")])
    async def test_again_until_it_is_applied(
        self, outbox: Outbox, receiver: Receiver, failure: Unavailable | OutcomeUnknown
    ) -> None:
        """A command without an outcome is proposed again, and its events are delivered no second time."""
        outbox.failure = failure
        positions = [outbox.add(), outbox.add()]
        async with dispatching(outbox):
            await receiver.until(lambda: len(receiver.taken) == 2)
            outbox.failure = None
            await outbox.until_settled()
        assert list(map(position_in, receiver.taken)) == positions

    async def test_receipts_come_with_what_was_taken(self, outbox: Outbox, receiver: Receiver) -> None:
        """Who asks for a receipt gets one when the program has taken the message, not before, and nobody else does."""
        receiver.status = lambda count, _body: 200 if count > 1 else 500
        asked = outbox.add("15550001", content=ASKED)
        outbox.add("15550002")
        async with dispatching(outbox):
            await receiver.until(lambda: len(receiver.seen) >= 2)
            assert not outbox.sent
            await outbox.until_settled()
        assert [receipt.message.to_localpart for receipt in outbox.sent] == ["15550001"]
        assert b"<received " in outbox.sent[0].message.stanza
        assert outbox.settled_before[outbox.sent[0].message.stanza] == [], asked

    async def test_no_event_is_settled_without_its_receipt(self, outbox: Outbox, receiver: Receiver) -> None:
        """Receipts that enter no log are sent again, and their events wait for that; a refusal holds nothing up."""
        outbox.failure = Unavailable("no quorum")
        outbox.add(content=ASKED)
        async with dispatching(outbox):
            await receiver.until(lambda: len(receiver.taken) == 1)
            await asyncio.sleep(2 * FAST_S)
            assert (outbox.sent, outbox.settled) == ([], [])
            outbox.refusal = Rejected("item-not-found", "cancel", "There is no such account.")
            outbox.failure = None
            await outbox.until_settled()
        assert len(outbox.sent) == 1
        assert len(receiver.taken) == 1

    async def test_only_what_failed_is_sent_again(self, outbox: Outbox, receiver: Receiver) -> None:
        """One receipt without an outcome holds the batch, and the others are not repeated with it."""
        outbox.unknown_once.add("15550002")
        for person in ("15550001", "15550002", "15550003"):
            outbox.add(person, content=ASKED)
        async with dispatching(outbox):
            await outbox.until_settled()
        assert sorted(receipt.message.to_localpart for receipt in outbox.sent) == ["15550001", "15550002", "15550003"]
        assert not outbox.unknown_once


class TestLeadership:
    """Whoever leads delivers."""

    async def test_only_the_leader_delivers(self, outbox: Outbox, receiver: Receiver) -> None:
        """Who does not lead sends nothing, and goes on once it leads."""
        leads = False
        outbox.add()
        async with dispatching(outbox, lambda: leads) as running:
            await asyncio.sleep(10 * FAST_S)
            assert not receiver.seen
            leads = True
            running.slice_applied()
            await outbox.until_settled()
        assert len(receiver.taken) == 1

    async def test_the_next_leader_repeats_and_keeps_the_order(self, outbox: Outbox, receiver: Receiver) -> None:
        """Two that deliver at a time repeat events with equal bytes, and the order of first times holds."""
        outbox.failure = Unavailable("the first one is cut off")
        positions = [outbox.add(f"1555000{number % 3}") for number in range(60)]
        async with dispatching(outbox):
            await receiver.until(lambda: len(receiver.positions()) >= 30)
            async with dispatching(outbox):
                outbox.failure = None
                await outbox.until_settled()
        assert sorted(receiver.positions()) == positions
        for person in range(3):
            mine = [position_in(body) for body in dict.fromkeys(receiver.taken) if peer_in(body) == f"1555000{person}"]
            assert mine == positions[person::3]
        assert len(set(receiver.taken)) == len(positions)

    async def test_who_leads_no_more_breaks_off(self, outbox: Outbox, receiver: Receiver) -> None:
        """POSTs under way end with the leadership, and what was taken before is settled all the same."""
        leads = True
        async with dispatching(outbox, lambda: leads) as running:
            outbox.add("15550001")
            await outbox.until_settled()
            receiver.gate.clear()
            outbox.add("15550002")
            await eventually(lambda: running.figures().in_flight == 1)
            leads = False
            await eventually(lambda: running.figures().held == 0)
            assert running.figures().in_flight == 0
        assert len(outbox.waiting) == 1


class TestWindows:
    """What is held in memory is bounded, and the rest is read when there is room."""

    async def test_more_than_a_window(
        self, outbox: Outbox, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of a long line and of many people a part is held; all is delivered in order, new events behind it."""
        monkeypatch.setattr(lanes, "WEBHOOK_WINDOW_COUNT_MAX", 20)
        monkeypatch.setattr(lanes, "WEBHOOK_LANE_COUNT_MAX", 4)
        monkeypatch.setattr(delivery, "HEAD_COUNT", 8)
        people = [f"1555{number:04}" for number in range(50)]
        positions = {person: [outbox.add(person) for _ in range(3)] for person in people}
        positions["15559999"] = [outbox.add("15559999") for _ in range(40)]
        receiver.gate.clear()
        async with dispatching(outbox) as running:
            await eventually(lambda: running.figures().held >= 20)
            for person in people:
                positions[person].append(outbox.add(person))
            assert running.figures().held <= 2 * 20
            receiver.gate.set()
            await outbox.until_settled()
        for person, expected in positions.items():
            assert [position_in(body) for body in receiver.taken if peer_in(body) == person] == expected

    async def test_delivered_anew(self, outbox: Outbox, receiver: Receiver) -> None:
        """What waits again under its old place is found, though it is not new and its line busy with later ones."""
        async with dispatching(outbox):
            first = outbox.add()
            kept = outbox.all()[0]
            await outbox.until_settled()
            receiver.status = lambda count, _body: 200 if count > 3 else 500
            second = outbox.add()
            outbox.put(kept)
            await outbox.until_settled()
        assert list(map(position_in, receiver.taken)).count(first) == 2
        assert list(map(position_in, receiver.taken)).count(second) == 1

    async def test_nothing_is_read_twice(self, outbox: Outbox, receiver: Receiver) -> None:
        """Following the log reads each event once, beside the looks for what waits."""
        async with dispatching(outbox):
            outbox.add()
            await outbox.until_settled()
            before = outbox.asked
            for number in range(100):
                outbox.add(f"1555{number:04}")
            await outbox.until_settled()
            assert outbox.asked - before <= 2 * 100
        assert BEFORE_ALL == (0, 0)
