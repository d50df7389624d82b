"""What arrives for a session, written to its client: live, or page by page where delivery fell behind (delivery.py)."""

from __future__ import annotations

from typing import Final

from raftline.machine.outcomes import CarbonCopied, Event, InboxWaiting, MessageArrived, RosterPushed
from raftline.machine.rooms.events import RoomMessageArrived
from raftline.xmpp.delivery import Delivery
from raftline.xmpp.effects import Close, Steps, ask
from raftline.xmpp.module import StreamContext
from raftline.xmpp.outbound import Outbound
from raftline.xmpp.xeps.xep_0198_stream_management import RosterSent, Tracked

UNSENT_BYTES_MAX: Final = 262_144
"""Written in one turn of the loop; what arrives beyond waits in the inbox, where there is one."""

_DELIVERIES: Final = (MessageArrived, CarbonCopied, RoomMessageArrived)  # a tuple is looked through faster than a union


class Arrivals:
    """
    The events of one stream on their way to the client; arguments are the stream's own parts.

    Attributes:
        delivery: How far it has come.
    """

    __slots__ = ("_context", "_outbound", "delivery")

    def __init__(self, context: StreamContext, outbound: Outbound) -> None:
        self._context = context
        self._outbound = outbound
        self.delivery = Delivery()

    def take(self, event: Event) -> bool:
        """Write an event, or pass it over; return whether the client leaves too much unacknowledged."""
        if isinstance(event, _DELIVERIES):
            if self._outbound.unsent_bytes > UNSENT_BYTES_MAX:
                self.delivery.is_congested = True  # until it is sent; a burst is not for memory to keep
            cursor = self.delivery.admit(event)
            if cursor is not None:
                self._write(event, cursor)
        elif type(event) is InboxWaiting:
            self.delivery.pass_over()
        else:
            self.write(event)
        return self._outbound.management.is_overdue

    def write(self, event: Event) -> None:
        """Write an event that is no delivery."""
        self._write(event, RosterSent(event.version) if isinstance(event, RosterPushed) else None)

    def catch_up(self) -> Steps:
        """Write the next page of what was passed over."""
        session_id = self._context.session_id
        assert session_id is not None, "only bound streams have deliveries"
        events: list[Event] = yield from ask(self.delivery.next_page(session_id), list)
        for event, cursor in self.delivery.take_page(events):
            self._write(event, cursor)
        if self._outbound.management.is_overdue:
            yield Close("resource-constraint", "Too many messages are unacknowledged.")

    def _write(self, event: Event, tracked: Tracked | None) -> None:
        context = self._context
        renderer = context.modules.renderers.get(type(event))
        data = None if renderer is None else renderer(context, event)
        if data is not None:
            self._outbound.write_stanza(data, tracked)
