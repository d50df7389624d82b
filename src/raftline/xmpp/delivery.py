"""
Which deliveries are written as they come, and which are read later: delivery is a cursor.

A session with stream management has all it owes in its inbox, so a delivery that is not written when it comes is not
lost. While the client reads too slowly, or its session was just resumed, deliveries are passed over; what lies after
the last one written is then asked for, page by page, at the pace of the client, until live ones follow without a gap.

    live ── one is passed over, or resumed ──> behind ── nothing left, and none passed over meanwhile ──> live

Deliveries come in the order of their cursors, live or by page, so each is written once whatever both ways bring.
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import CURSOR_START, Cursor, SessionId
from raftline.machine.outcomes import CarbonCopied, Event, MessageArrived, cursor_of
from raftline.machine.outcomes import Delivery as Delivered
from raftline.machine.queries import InboxPage
from raftline.machine.rooms.events import RoomMessageArrived

PAGE_ROW_COUNT: Final = 100


class Delivery:
    """
    How far one stream has come with its deliveries.

    Attributes:
        is_kept: The session has an inbox: stream management is on.
        is_behind: Deliveries were passed over.
        is_congested: The client does not read what it is sent.
    """

    __slots__ = ("_has_passed_over", "_written", "is_behind", "is_congested", "is_kept")

    def __init__(self) -> None:
        self._written = CURSOR_START
        self._has_passed_over = False
        self.is_kept = False
        self.is_behind = False
        self.is_congested = False

    @property
    def is_due(self) -> bool:
        """Whether to ask for a page now."""
        return self.is_behind and not self.is_congested

    def admit(self, event: Delivered) -> Cursor | None:
        """Return the cursor of a delivery that is to be written now; None when it is passed over, or was written."""
        cursor = cursor_of(event)
        if not self.is_kept:
            return cursor
        if cursor <= self._written:
            return None
        if self.is_behind or self.is_congested:
            self.pass_over()
            return None
        self._written = cursor
        return cursor

    def pass_over(self) -> None:
        """There is more to be asked for."""
        if self.is_kept:
            self.is_behind = self._has_passed_over = True

    def next_page(self, session_id: SessionId) -> InboxPage:
        """Return the question for the next page."""
        self._has_passed_over = False
        return InboxPage(session_id, self._written, PAGE_ROW_COUNT)

    def take_page(self, events: list[Event]) -> list[tuple[Event, Cursor]]:
        """Return the deliveries of the page that was asked for last, which are to be written."""
        if not events and not self._has_passed_over:
            self.is_behind = False
        page: list[tuple[Event, Cursor]] = []
        for event in events:
            assert isinstance(event, MessageArrived | CarbonCopied | RoomMessageArrived), event
            self._written = cursor_of(event)
            page.append((event, self._written))
        return page
