"""
What the leader holds of one application's events: a *lane* for each person, delivered in order, and bounded.

    state:   every event that waits                       in order of their keys
    window:  lanes of some people, some events of each    what is known, and whether there is more

An event comes into the window when it is caused, if there is room, or is read from the state later: of a lane what
follows the last one that is known, of people without a lane the first one. It leaves the window when the log says that
it was delivered; until then it still waits in the state, and a lane remembers it (`unsettled`), so that what is read
again is not delivered again.

An event older than what a lane knows is one that was delivered anew by an operator: the lane is read from the start.

Pure: no clock, no I/O. What is read is handed in at the moment it was read, so that it matches `unsettled`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from raftline.base.ids import Position
from raftline.base.webhook_limits import WEBHOOK_LANE_COUNT_MAX, WEBHOOK_WINDOW_COUNT_MAX

if TYPE_CHECKING:
    from raftline.machine.business.values import EventView

Key = tuple[Position, int]
"""Position and ordinal of an event."""

BEFORE_ALL: Key = (Position(0), 0)


def key_of(view: EventView) -> Key:
    """Return the key of an event."""
    return view.event.position, view.event.ordinal


class Lane:
    """
    Events about one person.

    Attributes:
        queue: Events to be delivered, the next one first.
        known: Key of the last event that is, or was, in the queue.
        has_more: Whether the state may have events after `known`.
        unsettled: Delivered, and the log does not say so yet.
        is_queued: Its turn to be delivered comes.
        is_busy: The first of the queue is being delivered.
        rest: Stands for the time that it waits for another try; None when it does not.
        failure_count: How often the first of the queue was not taken in a row.
        must_look: Time has gone by since the first of the queue was known to wait.
    """

    __slots__ = (
        "failure_count",
        "has_more",
        "is_busy",
        "is_queued",
        "known",
        "must_look",
        "peer",
        "queue",
        "rest",
        "unsettled",
    )

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.queue: deque[EventView] = deque()
        self.known = BEFORE_ALL
        self.has_more = False
        self.unsettled: set[Key] = set()
        self.is_queued = False
        self.is_busy = False
        self.rest: object | None = None
        self.failure_count = 0
        self.must_look = False

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done or known."""
        return not (self.queue or self.has_more or self.unsettled or self.is_busy)


class Window:
    """
    The lanes of one application.

    Attributes:
        event_count: Events that lanes hold, or have delivered and not settled.
        is_behind: People without a lane may have events that wait. As long as that is so, only what is read from the
            state makes a lane: what was caused last would come before what waits already.
        heads_after: Up to which person those were looked for; empty for the next look to begin.
    """

    def __init__(self) -> None:
        self.lanes: dict[str, Lane] = {}
        self.event_count = 0
        self.is_behind = True
        self.heads_after = ""
        self._missed = False

    @property
    def has_room(self) -> bool:
        """Whether more people can have a lane."""
        return self.event_count < WEBHOOK_WINDOW_COUNT_MAX

    def take(self, view: EventView) -> Lane | None:
        """Take note of an event that was caused now; returns the lane if it has something new to do."""
        if view.event.peer not in self.lanes and (self.is_behind or not self.has_room):
            self.is_behind = self._missed = True
            return None
        return self._take(view)

    def _take(self, view: EventView) -> Lane | None:
        key = key_of(view)
        peer = view.event.peer
        lane = self.lanes.get(peer)
        if lane is None:
            lane = self.lanes[peer] = Lane(peer)
        if key in lane.unsettled:
            return None
        if key > lane.known:
            if lane.has_more or (lane.queue and not self._takes(lane)):
                lane.has_more = True
            else:
                self._append(lane, view)
            return lane
        first = key_of(lane.queue[0]) if lane.queue else None
        if first is not None and key >= first:
            return None
        self._rewind(lane)
        return lane

    def heads_read(self, heads: Iterable[EventView], *, is_last: bool) -> list[Lane]:
        """
        Take the first events of people, read after `heads_after`; returns lanes that have something new to do.

        Args:
            is_last: There are no more people.
        """
        if not self.heads_after:
            self._missed = False
        found: list[Lane] = []
        for view in heads:
            if view.event.peer not in self.lanes and not self.has_room:
                self.is_behind = True
                return found  # the next look begins here
            lane = self._take(view)
            self.heads_after = view.event.peer
            if lane is not None:
                lane.has_more = True  # this is only the first of them
                found.append(lane)
        if is_last:
            self.heads_after = ""
            self.is_behind = self._missed
        return found

    def room_of(self, lane: Lane) -> int:
        """Return how many events may be read for a lane; at least one, for otherwise it would never go on."""
        held = len(lane.queue)
        return max(min(WEBHOOK_LANE_COUNT_MAX - held, WEBHOOK_WINDOW_COUNT_MAX - self.event_count), 1)

    def lane_read(self, lane: Lane, views: Iterable[EventView], *, is_last: bool) -> None:
        """Take events of a lane, read after `known`."""
        busy = key_of(lane.queue[0]) if lane.is_busy else None
        for view in views:
            key = key_of(view)
            if key in lane.unsettled or key == busy:
                lane.known = max(lane.known, key)
            else:
                self._append(lane, view)
        lane.has_more = not is_last
        self._forget_if_over(lane)

    def delivered(self, lane: Lane) -> Key:
        """Take note that a receiver has taken the first of a lane; it stays known until it is settled."""
        view = lane.queue.popleft()
        lane.failure_count = 0
        lane.must_look = False
        key = key_of(view)
        lane.unsettled.add(key)
        return key

    def settled(self, lane: Lane, key: Key) -> None:
        """Take note that the log says so."""
        if key in lane.unsettled:
            lane.unsettled.remove(key)
            self.event_count -= 1
            self._forget_if_over(lane)

    def dropped(self, lane: Lane) -> None:
        """Forget the first of a lane: it does not wait any more."""
        lane.queue.popleft()
        lane.failure_count = 0
        lane.must_look = False
        self.event_count -= 1
        self._forget_if_over(lane)

    def _takes(self, lane: Lane) -> bool:
        return self.has_room and len(lane.queue) < WEBHOOK_LANE_COUNT_MAX

    def _append(self, lane: Lane, view: EventView) -> None:
        lane.queue.append(view)
        lane.known = max(lane.known, key_of(view))
        self.event_count += 1

    def _rewind(self, lane: Lane) -> None:
        """Forget what is not being delivered, and read the lane from its start."""
        kept = [lane.queue[0]] if lane.is_busy else []
        self.event_count -= len(lane.queue) - len(kept)
        lane.queue = deque(kept)
        lane.known = BEFORE_ALL
        lane.has_more = True

    def _forget_if_over(self, lane: Lane) -> None:
        if lane.is_over and self.lanes.get(lane.peer) is lane:
            del self.lanes[lane.peer]
