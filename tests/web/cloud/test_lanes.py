"""What the leader holds of an application's events: pure."""

from __future__ import annotations

import pytest

from raftline.machine.business.values import EventView
from raftline.web.cloud.webhooks import lanes
from raftline.web.cloud.webhooks.lanes import Window, key_of
from web.cloud.webhook_samples import TIME_MS, event_of

WINDOW_COUNT = 4
LANE_COUNT = 2


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let windows be small."""
    monkeypatch.setattr(lanes, "WEBHOOK_WINDOW_COUNT_MAX", WINDOW_COUNT)
    monkeypatch.setattr(lanes, "WEBHOOK_LANE_COUNT_MAX", LANE_COUNT)


@pytest.fixture
def window() -> Window:
    """A window that has looked through the state, where nothing waits."""
    window = Window()
    window.heads_read([], is_last=True)
    return window


def view(position: int, peer: str = "a") -> EventView:
    """Return an event about somebody."""
    return EventView(event_of(position, peer=peer), None, TIME_MS)


class TestNewEvents:
    """Events that are caused while the leader follows."""

    def test_before_the_state_was_looked_through(self) -> None:
        """Earlier events of the same person may wait: nothing new makes a lane."""
        window = Window()
        assert window.take(view(5)) is None
        (lane,) = window.heads_read([view(2)], is_last=True)
        assert [key_of(one)[0] for one in lane.queue] == [2]
        assert lane.has_more
        assert not window.is_behind

    def test_up_to_the_bound(self, window: Window) -> None:
        """What has no room is left in the state, and what comes behind it as well, until it was read."""
        for position in range(1, LANE_COUNT + 3):
            window.take(view(position))
        lane = window.lanes["a"]
        assert len(lane.queue) == LANE_COUNT
        assert lane.has_more
        window.delivered(lane)
        window.delivered(lane)
        window.take(view(9))
        assert not lane.queue
        window.lane_read(lane, [view(3), view(4)], is_last=False)
        assert [key_of(one)[0] for one in lane.queue] == [3, 4]
        assert lane.has_more

    def test_people_beyond_the_bound(self, window: Window) -> None:
        """With a full window nobody new gets a lane, and that is known."""
        for number in range(WINDOW_COUNT):
            assert window.take(view(number + 1, f"p{number}")) is not None
        assert not window.is_behind
        assert window.take(view(9, "late")) is None
        assert window.is_behind
        lane = window.lanes["p0"]
        window.settled(lane, window.delivered(lane))
        assert window.has_room
        assert window.take(view(10, "late")) is None, "its first event would be overtaken"
        heads = [view(number + 1, f"p{number}") for number in range(1, WINDOW_COUNT)]
        (found,) = window.heads_read([view(9, "late"), *heads], is_last=True)
        assert found.peer == "late"
        assert not window.is_behind


class TestSettling:
    """What was delivered is known until the log says so."""

    def test_what_still_waits_in_the_state(self, window: Window) -> None:
        """It is not delivered again when it is read again, and makes way once it is settled."""
        lane = window.take(view(1))
        assert lane is not None
        key = window.delivered(lane)
        assert window.heads_read([view(1)], is_last=True) == []
        window.lane_read(lane, [view(1)], is_last=True)
        assert not lane.queue
        assert window.event_count == 1
        window.settled(lane, key)
        assert (window.event_count, window.lanes) == (0, {})

    def test_what_waits_no_more(self, window: Window) -> None:
        """It makes way at once."""
        lane = window.take(view(1))
        assert lane is not None
        window.dropped(lane)
        assert (window.event_count, window.lanes) == (0, {})


class TestDeliveredAnew:
    """Events that wait again under their old place."""

    def test_behind_one_that_is_under_way(self, window: Window) -> None:
        """The lane is read from the start; what is under way or delivered is passed over."""
        lane = window.take(view(5))
        assert lane is not None
        window.take(view(6))
        key = window.delivered(lane)
        lane.is_busy = True
        assert window.heads_read([view(2)], is_last=True) == [lane]
        assert [key_of(one)[0] for one in lane.queue] == [6]
        window.lane_read(lane, [view(2), view(5), view(6), view(7)], is_last=True)
        assert [key_of(one)[0] for one in lane.queue] == [6, 2, 7]
        window.settled(lane, key)
        assert window.event_count == 3

    def test_room_for_a_lane(self, window: Window) -> None:
        """At least one event may be read, however full the window is."""
        for number in range(WINDOW_COUNT):
            window.take(view(number + 1, f"p{number}"))
        assert window.room_of(window.lanes["p0"]) == 1
