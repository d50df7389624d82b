"""What arrives for a session, written to its client: live, or page by page where delivery fell behind (delivery.py)."""

from __future__ import annotations

from typing import Final

from raftline.machine.outcomes import CarbonCopied, Event, InboxWaiting, MessageArrived, RosterPushed
from raftline.xmpp.delivery import Delivery
from raftline.xmpp.effects import Close, Steps, ask
from raftline.xmpp.module import StreamContext
from raftline.xmpp.outbound import Outbound
from raftline.xmpp.xeps.xep_0198_stream_management import RosterSent, Tracked

UNSENT_BYTES_MAX: Final = 262_144
"""Written in one turn of the loop; what arrives beyond waits in the inbox, where there is one."""

_DELIVERIES: Final = (MessageArrived, CarbonCopied)  # a tuple is looked through faster than a union


class Arrivals:
    """
    The events of one stream on their way to the client; arguments are the stream's own parts.

    The stream itself is handed over with each call: it holds this object, and a cycle would outlive both.
    """

    __slots__ = ("_delivery", "_outbound")

    def __init__(self, outbound: Outbound, delivery: Delivery) -> None:
        self._outbound = outbound
        self._delivery = delivery

    def take(self, context: StreamContext, event: Event) -> bool:
        """Write an event, or pass it over; return whether the client leaves too much unacknowledged."""
        if isinstance(event, _DELIVERIES):
            if self._outbound.unsent_bytes > UNSENT_BYTES_MAX:
                self._delivery.is_congested = True  # until it is sent; a burst is not for memory to keep
            cursor = self._delivery.admit(event)
            if cursor is not None:
                self._write(context, event, cursor)
        elif type(event) is InboxWaiting:
            self._delivery.pass_over()
        else:
            self.write(context, event)
        return self._outbound.management.is_overdue

    def write(self, context: StreamContext, event: Event) -> None:
        """Write an event that is no delivery."""
        self._write(context, event, RosterSent(event.version) if isinstance(event, RosterPushed) else None)

    def catch_up(self, context: StreamContext) -> Steps:
        """Write the next page of what was passed over."""
        session_id = context.session_id
        assert session_id is not None, "only bound streams have deliveries"
        events: list[Event] = yield from ask(self._delivery.next_page(session_id), list)
        for event, cursor in self._delivery.take_page(events):
            self._write(context, event, cursor)
        if self._outbound.management.is_overdue:
            yield Close("resource-constraint", "Too many messages are unacknowledged.")

    def _write(self, context: StreamContext, event: Event, tracked: Tracked | None) -> None:
        renderer = context.modules.renderers.get(type(event))
        data = None if renderer is None else renderer(context, event)
        if data is not None:
            self._outbound.write_stanza(data, tracked)
