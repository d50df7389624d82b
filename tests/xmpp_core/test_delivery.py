"""Live deliveries and pages together: each once, in order, whatever comes when."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from raftline.base.ids import CURSOR_START, Cursor, NodeId, Position, SessionId
from raftline.machine.outcomes import Event, MessageArrived, cursor_of
from raftline.machine.rooms.events import RoomMessageArrived
from raftline.xmpp.delivery import Delivery


class Catching(RuleBasedStateMachine):
    """
    A session's inbox grows, live events follow at their own pace, pages are asked for and come later.

    A page shows the inbox as it was when it was asked for: events that were out by then, and perhaps some that are held
    back on their way.
    """

    def __init__(self) -> None:
        super().__init__()
        self.delivery = Delivery()
        self.delivery.is_kept = True
        self.inbox: list[MessageArrived | RoomMessageArrived] = []
        self.live: list[MessageArrived | RoomMessageArrived] = []
        self.written: list[Cursor] = []
        self.page: list[Event] | None = None
        self.position = 0

    @rule(late=st.booleans(), count=st.integers(1, 3), of_room=st.booleans())
    def deliver(self, late: bool, count: int, of_room: bool) -> None:
        """Messages reach the inbox: live ones, or several by one command that waited before."""
        first = self.position
        self.position += 10
        for number in range(count):
            position = first + number + 1 if late else self.position + number
            delivered = self.position if late else 0
            event: MessageArrived | RoomMessageArrived
            if of_room:
                event = RoomMessageArrived(
                    NodeId(1), (SessionId(1),), Position(position), b"", "", None, Position(delivered)
                )
            else:
                event = MessageArrived(NodeId(1), SessionId(1), Position(position), b"", "", None, Position(delivered))
            self.inbox.append(event)
            self.live.append(event)
        self.position += 10

    @precondition(lambda self: self.live)
    @rule(count=st.integers(1, 4))
    def hear(self, count: int) -> None:
        """Events come by."""
        for _ in range(min(count, len(self.live))):
            cursor = self.delivery.admit(self.live.pop(0))
            if cursor is not None:
                self.written.append(cursor)

    @rule(value=st.booleans())
    def read_by_the_client(self, value: bool) -> None:
        self.delivery.is_congested = value

    @rule()
    def resume(self) -> None:
        """Something says that there is more."""
        self.delivery.pass_over()

    @precondition(lambda self: self.page is None and self.delivery.is_due)
    @rule(limit=st.integers(1, 3), ahead=st.integers(0, 2))
    def ask(self, limit: int, ahead: int) -> None:
        after = self.delivery.next_page(SessionId(1)).after
        shown = self.inbox[: len(self.inbox) - max(len(self.live) - ahead, 0)]
        self.page = [event for event in shown if cursor_of(event) > after][:limit]

    @precondition(lambda self: self.page is not None)
    @rule()
    def answer(self) -> None:
        assert self.page is not None
        page, self.page = self.page, None
        self.written += [cursor for _, cursor in self.delivery.take_page(page)]

    @invariant()
    def each_once_in_order(self) -> None:
        assert self.written == [cursor_of(event) for event in self.inbox][: len(self.written)]

    def teardown(self) -> None:
        """When the client reads on, everything is written."""
        self.delivery.is_congested = False
        if self.page is not None:
            self.answer()
        if self.live:
            self.hear(len(self.live))
        while self.delivery.is_due:
            self.ask(3, 0)
            self.answer()
        assert self.written == [cursor_of(event) for event in self.inbox]
        assert max(self.written, default=CURSOR_START) == (self.written[-1] if self.written else CURSOR_START)


Catching.TestCase.settings = settings(max_examples=250, stateful_step_count=30, deadline=None)
TestCatching = Catching.TestCase
TestCatching.__doc__ = "Nothing is passed over for good, nothing is written twice."
