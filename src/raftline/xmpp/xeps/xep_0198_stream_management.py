"""
XEP-0198 Stream Management: acknowledgements.

What an acknowledgement means here is promise P1: `h` is the *replicated* length of the prefix of stanzas that were
handled without a gap. Two things move it: the outcome of a command, which covers the stanza that caused it and all
before it, and a session mark, which covers stanzas that caused none. `<r/>` is answered at once with the count so
far; when that does not cover everything received until then, unsolicited `<a/>` follow until it does.

In the other direction the client's `h` is mapped back to the log: each delivery is remembered as (number of the
stanza on this stream, its position), so that "37 handled" becomes "every delivery up to position 8,224 arrived".
We ask for it once at a time: after deliveries, and again when the answer left some out.

Numbers of inbound stanzas count from the bind (raftline.machine.commands.SessionOrigin), those of the protocol from
`<enable/>`; both are kept as they are and only reduced modulo 2^32 on the wire (section 4).

Resumption is not offered yet: `<resume/>` is answered `<failed/>`, `<enable resume='true'/>` without a resume id.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from raftline.base.errors import RemoteProtocolError
from raftline.base.ids import Position
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration
from raftline.xmpp.stanza import STANZA_ERROR_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

NAMESPACE: Final = "urn:xmpp:sm:3"
COUNT_MODULUS: Final = 1 << 32

UNACKNOWLEDGED_COUNT_MAX: Final = 16_384
"""
Deliveries a client may leave unacknowledged. An account's 10,000 offline messages arrive in one go, so it lies above;
each costs some 100 bytes of memory here and a row in the replicated state.
"""

REQUEST: Final = b"<r xmlns='urn:xmpp:sm:3'/>"


def register(modules: Modules) -> None:
    """Declare the extension; its elements are no stanzas, so the stream itself handles them."""
    modules.declare(
        Declaration(
            number=198,
            title="Stream Management",
            version="1.6.3",
            status="partial",
            note="Acknowledgements; resumption follows.",
        )
    )


class CountTooHigh(RemoteProtocolError):
    """
    The client acknowledged stanzas that it was never sent.

    Attributes:
        detail: The application's condition to send along (section 6).
    """

    def __init__(self, claimed: int, sent: int) -> None:
        super().__init__(f"{claimed} stanzas acknowledged, {sent} sent")
        self.detail = Element("handled-count-too-high", NAMESPACE, {"h": str(claimed), "send-count": str(sent)})


class StreamManagement:
    """
    The counters of one stream.

    Attributes:
        is_enabled: Since `<enabled/>` was sent.
        replicated_count: Inbound stanzas since the bind that are settled on a majority without a gap.
    """

    __slots__ = (
        "_acknowledged_count",
        "_deliveries",
        "_inbound_base",
        "_is_asked",
        "_is_unordered",
        "_newest",
        "_outbound_count",
        "_sent_count",
        "_wanted_count",
        "is_enabled",
        "replicated_count",
    )

    def __init__(self) -> None:
        self.is_enabled = False
        self.replicated_count = 0
        self._inbound_base = 0
        self._sent_count = 0
        self._wanted_count = 0
        self._outbound_count = 0
        self._acknowledged_count = 0
        self._deliveries: deque[tuple[int, Position]] = deque()
        self._is_unordered = False
        self._newest = Position(0)
        self._is_asked = False

    def enable(self, inbound_count: int) -> bytes:
        """Begin to count; return `<enabled/>`. `inbound_count` is that of stanzas since the bind."""
        self.is_enabled = True
        self._inbound_base = self._sent_count = self._wanted_count = inbound_count
        return Element("enabled", NAMESPACE).to_bytes()

    def count_sent(self, position: Position) -> None:
        """Count a stanza that was written; `position` is 0 for what is no delivery."""
        if self.is_enabled:
            self._outbound_count += 1
            if position:
                deliveries = self._deliveries
                if deliveries and position < deliveries[-1][1]:
                    self._is_unordered = True
                deliveries.append((self._outbound_count, position))

    def count_replicated(self, inbound_count: int) -> None:
        """Take note that this many inbound stanzas are settled on a majority."""
        self.replicated_count = max(self.replicated_count, inbound_count)

    def receive_request(self, inbound_count: int) -> bytes:
        """Answer `<r/>`, which came after this many inbound stanzas."""
        self._wanted_count = inbound_count
        return self._answer()

    def answer_due(self) -> bytes:
        """Return an unsolicited `<a/>` when one is owed and says something new; else nothing."""
        if self._sent_count < self._wanted_count and self.replicated_count > self._sent_count:
            return self._answer()
        return b""

    def final_answer(self) -> bytes:
        """Return the `<a/>` that precedes the end of a stream (section 7), unless it was said already."""
        return self._answer() if self.is_enabled and self.replicated_count > self._sent_count else b""

    def failure(self, condition: str) -> bytes:
        """Write `<failed/>`; after a resumption that was not possible with the count (section 5)."""
        return Element("failed", NAMESPACE, {}, [Element(condition, STANZA_ERROR_NAMESPACE)]).to_bytes()

    def request_due(self) -> bytes:
        """Return `<r/>` when deliveries are unacknowledged and none is under way; else nothing."""
        if self._is_asked or not self._deliveries:
            return b""
        self._is_asked = True
        return REQUEST

    @property
    def acknowledged(self) -> Position:
        """
        The client has every delivery up to this position; 0 for none.

        Deliveries come in log order, but for what waited offline: it may follow a newer message that was sent to the
        full JID. So this may go back, and whoever deletes by it looks at its latest value alone.
        """
        deliveries = self._deliveries
        if not deliveries:
            return self._newest
        oldest = min(position for _, position in deliveries) if self._is_unordered else deliveries[0][1]
        return min(self._newest, Position(oldest - 1))

    @property
    def is_overdue(self) -> bool:
        """Whether the client left more deliveries unacknowledged than are kept for it."""
        return len(self._deliveries) > UNACKNOWLEDGED_COUNT_MAX

    def receive_answer(self, element: Element) -> None:
        """
        Take `<a h='…'/>`.

        Raises:
            CountTooHigh: More than was sent.
            ValueError: `h` is no number.
        """
        text = element.attributes.get("h", "")
        if not (text.isascii() and text.isdigit() and len(text) <= 10):
            raise ValueError("h is a number of 32 bits")
        claimed = int(text)
        progress = (claimed - self._acknowledged_count) % COUNT_MODULUS
        if progress > self._outbound_count - self._acknowledged_count:
            raise CountTooHigh(claimed, self._outbound_count % COUNT_MODULUS)
        self._acknowledged_count += progress
        self._is_asked = False
        deliveries = self._deliveries
        while deliveries and deliveries[0][0] <= self._acknowledged_count:
            self._newest = max(self._newest, deliveries.popleft()[1])
        if not deliveries:
            self._is_unordered = False

    def _answer(self) -> bytes:
        self._sent_count = max(self.replicated_count, self._inbound_base)
        return b"<a xmlns='urn:xmpp:sm:3' h='%d'/>" % ((self._sent_count - self._inbound_base) % COUNT_MODULUS)
