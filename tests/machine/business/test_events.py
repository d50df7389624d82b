"""The outbox of events (machine/business/events): from their cause to where they end."""

from __future__ import annotations

import pytest

from machine.business.programs import open_business, send, settle_all, waiting, write
from machine.world import Client, World
from raftline.base.business_limits import (
    BUSINESS_EVENT_AGE_MAX_MS,
    DEAD_EVENT_AGE_MAX_MS,
    EXPIRED_EVENT_COUNT_MAX,
    SETTLED_EVENT_COUNT_MAX,
    STREAMED_EVENT_AGE_MAX_MS,
)
from raftline.machine.business import events
from raftline.machine.business.commands import (
    ChangeApp,
    CreateApp,
    DiscardEvents,
    ReplayEvents,
    SetCallback,
    SettleEvents,
)
from raftline.machine.business.queries import (
    AppNamed,
    AppsWaiting,
    DeadEvents,
    EventsOf,
    WaitingEvents,
    WaitingEventsOf,
    WaitingHeads,
)
from raftline.machine.business.values import Created
from raftline.machine.commands import CarryOutDue
from raftline.machine.outcomes import Done, MessageBounced
from raftline.machine.queries import NextExpiry


@pytest.fixture
def ids(world: World) -> Created:
    """A business with a callback."""
    return open_business(world)


@pytest.fixture
def alice(world: World, ids: Created) -> Client:
    """Somebody who writes to it."""
    return world.online("alice")


class TestSettling:
    """SettleEvents."""

    def test_is_idempotent(self, world: World, alice: Client):
        """What is gone is left alone."""
        write(alice)
        events_before = settle_all(world)
        keys = tuple((event.position, event.ordinal) for event in events_before)
        assert world.do(SettleEvents(keys)).outcome == Done()
        assert world.count("business_event") == 0

    def test_streams_keep_what_was_taken(self, world: World, alice: Client, ids: Created):
        """For a day; then it goes."""
        world.do(ChangeApp(ids.app_id, "admin", streams=True))
        write(alice)
        settle_all(world)
        assert waiting(world) == []
        assert len(world.machine.answer(EventsOf(ids.app_id))) == 1
        world.time_ms += STREAMED_EVENT_AGE_MAX_MS
        world.do(CarryOutDue())
        assert world.machine.answer(EventsOf(ids.app_id)) == []


class TestGivingUp:
    """Dead letters."""

    def test_after_seven_days(self, world: World, alice: Client, ids: Created):
        """Not a moment earlier, by cluster time, and then for thirty days."""
        position = write(alice).position
        assert world.machine.answer(NextExpiry()) == world.time_ms + BUSINESS_EVENT_AGE_MAX_MS
        world.time_ms += BUSINESS_EVENT_AGE_MAX_MS - 1
        world.do(CarryOutDue())
        assert len(waiting(world)) == 1
        world.time_ms += 1
        world.do(CarryOutDue())
        assert waiting(world) == []
        (dead,) = world.machine.answer(DeadEvents(ids.app_id))
        assert (dead.event.message, b"<body>hi" in dead.stanza) == (position, True)
        assert world.machine.answer(AppNamed(ids.app_id))[2:] == (0, 1)
        world.time_ms += DEAD_EVENT_AGE_MAX_MS
        world.do(CarryOutDue())
        assert world.machine.answer(DeadEvents(ids.app_id)) == []

    def test_a_late_word_changes_nothing(self, world: World, alice: Client, ids: Created):
        """Whoever looks at the dead letters decides what becomes of them."""
        position = write(alice).position
        world.time_ms += BUSINESS_EVENT_AGE_MAX_MS
        world.do(CarryOutDue())
        world.do(SettleEvents(((position, 0),)))
        assert [view.event.position for view in world.machine.answer(DeadEvents(ids.app_id))] == [position]

    def test_are_delivered_anew(self, world: World, alice: Client, ids: Created):
        """In their old places, for as long as new ones; those of others are left alone."""
        first, second = (write(alice, message_id=name).position for name in ("a", "b"))
        world.time_ms += BUSINESS_EVENT_AGE_MAX_MS
        world.do(CarryOutDue())
        live = write(alice, message_id="c").position
        assert world.do(ReplayEvents(ids.app_id, "admin", ((second, 0), (live, 0), (99, 0)))).outcome == Done()
        assert [event.position for event in waiting(world)] == [second, live]
        assert waiting(world)[0].due_ms == world.time_ms + BUSINESS_EVENT_AGE_MAX_MS
        assert world.do(ReplayEvents(ids.app_id, "admin")).outcome == Done()
        assert [event.position for event in waiting(world)] == [first, second, live]
        assert world.do(ReplayEvents(99, "admin")).outcome.condition == "item-not-found"

    def test_are_discarded(self, world: World, alice: Client, ids: Created):
        """Those named, or the oldest ones; the message goes with them."""
        for name in ("a", "b", "c"):
            write(alice, message_id=name, storage=0)
        last = waiting(world)[-1]
        world.time_ms += BUSINESS_EVENT_AGE_MAX_MS
        world.do(CarryOutDue())
        world.do(DiscardEvents(ids.app_id, "admin", ((last.position, 0),)))
        assert (len(world.machine.answer(DeadEvents(ids.app_id))), world.count("message")) == (2, 2)
        world.do(DiscardEvents(ids.app_id, "admin"))
        assert (len(world.machine.answer(DeadEvents(ids.app_id))), world.count("message")) == (0, 0)

    def test_so_many_at_a_time(self, world: World, alice: Client, monkeypatch: pytest.MonkeyPatch):
        """One command takes bounded steps."""
        assert EXPIRED_EVENT_COUNT_MAX <= SETTLED_EVENT_COUNT_MAX
        for place in range(EXPIRED_EVENT_COUNT_MAX + 1):
            write(alice, message_id=f"c{place}")
        world.time_ms += BUSINESS_EVENT_AGE_MAX_MS
        world.do(CarryOutDue())
        assert len(waiting(world)) == 1


class TestBounds:
    """How many events there are."""

    def test_who_writes_is_refused(self, world: World, alice: Client, monkeypatch: pytest.MonkeyPatch):
        """Beyond the bound, so that nothing accepted is lost; room comes back as events are taken."""
        monkeypatch.setattr(events, "APP_EVENT_COUNT_MAX", 2)
        positions = [write(alice, message_id=f"c{place}").position for place in range(2)]
        (bounced,) = write(alice, message_id="c2").events
        assert isinstance(bounced, MessageBounced)
        assert (bounced.condition, bounced.kind) == ("resource-constraint", "wait")
        assert [event.position for event in settle_all(world)] == positions
        write(alice, message_id="more")
        assert len(waiting(world)) == 1

    def test_one_application_holds_up_no_other(
        self, world: World, alice: Client, ids: Created, monkeypatch: pytest.MonkeyPatch
    ):
        """One whose events nobody takes gets no more; the other goes on, and nobody is refused."""
        other = world.do(CreateApp(ids.business_id, "Second", b"t" * 16, "admin")).outcome.result
        write(alice, message_id="c0")
        world.do(SetCallback(other.app_id, "app", "http://other/", "v", "messages", "admin"))
        monkeypatch.setattr(events, "APP_EVENT_COUNT_MAX", 1)
        assert write(alice, message_id="c1").events == []
        assert [event.app_id for event in waiting(world)] == [ids.app_id, other.app_id]
        assert world.machine.lost_event_count == 1


class TestQuestions:
    """What a deliverer asks."""

    def test_heads_and_what_follows(self, world: World, ids: Created):
        """Of each peer the first, by peer, in pages; then the rest of one, in order."""
        people = {name: world.online(name) for name in ("carol", "alice", "bob")}
        firsts = {name: write(client).position for name, client in people.items()}
        later = write(people["bob"], message_id="c2").position
        heads = world.machine.answer(WaitingHeads(ids.app_id))
        assert [view.event.position for view in heads] == [firsts[name] for name in ("alice", "bob", "carol")]
        page = world.machine.answer(WaitingHeads(ids.app_id, limit=2))
        assert len(page) == 2
        rest = world.machine.answer(WaitingHeads(ids.app_id, after=page[-1].event.peer, limit=2))
        assert [view.event.position for view in rest] == [firsts["carol"]]
        of_bob = world.machine.answer(WaitingEventsOf(ids.app_id, people["bob"].jid, after=(firsts["bob"], 0)))
        assert [view.event.position for view in of_bob] == [later]
        assert world.machine.answer(AppsWaiting()) == (ids.app_id,)

    def test_pages(self, world: World, alice: Client, ids: Created):
        """A page ends where the next begins."""
        positions = [write(alice, message_id=f"c{place}").position for place in range(3)]
        first = world.machine.answer(WaitingEvents(limit=2))
        second = world.machine.answer(WaitingEvents(after=first[-1].event[:2], limit=2))
        assert [view.event.position for view in (*first, *second)] == positions
        assert world.machine.answer(EventsOf(ids.app_id, after=(positions[-1], 0))) == []


def test_ordinals_name_events_of_one_command(world: World, ids: Created):
    """What one command causes has names of its own, in order."""
    world.online("alice")
    send(world, "nobody")
    assert [event.ordinal for event in waiting(world)] == [0, 1]
