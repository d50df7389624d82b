"""
XEP-0198 Stream Management: acknowledgements, and sessions that outlive their connection.

What an acknowledgement means here is promise P1: `h` is the *replicated* length of the prefix of stanzas that were
handled without a gap. Two things move it: the outcome of a command, which covers the stanza that caused it and all
before it, and a session mark, which covers stanzas that caused none. `<r/>` is answered at once with the count so
far; when that does not cover everything received until then, unsolicited `<a/>` follow until it does.

In the other direction the client's `h` is mapped back to the log: each delivery is remembered as (number of the
stanza on this stream, its cursor), so that "37 handled" becomes "every delivery up to this one arrived". Answers to
IQ requests and roster pushes are remembered likewise, where the session can be resumed. We ask for `h` once at a time:
after something to remember, and again when the answer left some out.

Numbers of inbound stanzas count from the bind (raftline.machine.commands.SessionOrigin), those of the protocol from
`<enable/>`; both are kept as they are and only reduced modulo 2^32 on the wire (section 4).

A stream that continues a session on whichever node counts on from where the session was: inbound from the replicated
count, outbound from the `h` that the client states, since only the client knows what reached it. Which deliveries
those were cannot be told any more, so what the cursor does not cover is sent again under the same stanza ids.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from raftline.base.errors import RemoteProtocolError
from raftline.base.ids import CURSOR_START, Cursor, SessionId
from raftline.base.limits import RESUMPTION_TOKEN_SIZE
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

_RESUMPTION_ID: Final = re.compile(rf"([1-9][0-9]{{0,18}})\.([0-9a-f]{{{2 * RESUMPTION_TOKEN_SIZE}}})", re.ASCII)
_COUNT: Final = re.compile(r"[0-9]{1,10}", re.ASCII)


class AnswerSent(NamedTuple):
    """The answer to the IQ request of this number was sent."""

    number: int


class RosterSent(NamedTuple):
    """A push of this version of the roster was sent."""

    version: int


Tracked = Cursor | AnswerSent | RosterSent
"""What is remembered of a stanza until the client acknowledges it; a cursor for a delivery."""


def register(modules: Modules) -> None:
    """Declare the extension; its elements are no stanzas, so the stream itself handles them."""
    modules.declare(
        Declaration(
            number=198,
            title="Stream Management",
            version="1.6.3",
            note="A session is resumed on any node; what was received unacknowledged may come again, under its id.",
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
        is_enabled: Since `<enabled/>` or `<resumed/>` was sent.
        is_resumable: The session can be resumed.
        replicated_count: Inbound stanzas since the bind that are settled on a majority without a gap.
        acknowledged: The client has this delivery and all before it.
        answered: Numbers of IQ requests whose answers the client has; whoever takes them clears the list.
        roster_version: The client has the roster's changes up to here.
    """

    __slots__ = (
        "_acknowledged_count",
        "_inbound_base",
        "_is_asked",
        "_outbound_count",
        "_sent_count",
        "_tracked",
        "_wanted_count",
        "acknowledged",
        "answered",
        "is_enabled",
        "is_resumable",
        "replicated_count",
        "roster_version",
    )

    def __init__(self) -> None:
        self.is_enabled = False
        self.is_resumable = False
        self.replicated_count = 0
        self.acknowledged = CURSOR_START
        self.answered: list[int] = []
        self.roster_version = 0
        self._inbound_base = 0
        self._sent_count = 0
        self._wanted_count = 0
        self._outbound_count = 0
        self._acknowledged_count = 0
        self._tracked: deque[tuple[int, Tracked]] = deque()
        self._is_asked = False

    def enable(self, inbound_count: int, resumption_id: str = "", timeout_s: int = 0, location: str = "") -> Element:
        """
        Begin to count; return `<enabled/>` (section 3).

        Args:
            inbound_count: Stanzas since the bind.
            resumption_id: Empty when the session cannot be resumed.
            timeout_s: For how long it waits to be.
            location: Where else the client may try, `host:port`; empty for nowhere.
        """
        self.is_enabled = True
        self._inbound_base = self._sent_count = self._wanted_count = inbound_count
        attributes = {}
        if resumption_id:
            self.is_resumable = True
            attributes = {"id": resumption_id, "resume": "true", "max": str(timeout_s)}
            if location:
                attributes["location"] = location
        return Element("enabled", NAMESPACE, attributes)

    def resume(self, resumption_id: str, outbound_count: int, inbound_base: int, inbound_count: int) -> Element:
        """
        Count on from where the session was; return `<resumed/>` (section 5).

        Args:
            outbound_count: `h` of the client.
            inbound_base, inbound_count: As in machine.outcomes.Resumed.
        """
        self.is_enabled = self.is_resumable = True
        self._inbound_base = inbound_base
        self.replicated_count = self._sent_count = self._wanted_count = inbound_count
        self._outbound_count = self._acknowledged_count = outbound_count
        handled_count = str((inbound_count - inbound_base) % COUNT_MODULUS)
        return Element("resumed", NAMESPACE, {"h": handled_count, "previd": resumption_id})

    def count_sent(self, tracked: Tracked | None = None) -> None:
        """Count a stanza that was written; `tracked` is what its acknowledgement tells."""
        if self.is_enabled:
            self._outbound_count += 1
            if tracked is not None and (self.is_resumable or type(tracked) is Cursor):
                self._tracked.append((self._outbound_count, tracked))

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

    def failure(self, condition: str, handled_count: int | None = None) -> Element:
        """Write `<failed/>`; after a resumption that was not possible with the count, if it is known (section 5)."""
        attributes = {} if handled_count is None else {"h": str(handled_count % COUNT_MODULUS)}
        return Element("failed", NAMESPACE, attributes, [Element(condition, STANZA_ERROR_NAMESPACE)])

    def request_due(self) -> bytes:
        """Return `<r/>` when something is unacknowledged and none is under way; else nothing."""
        if self._is_asked or not self._tracked:
            return b""
        self._is_asked = True
        return REQUEST

    @property
    def is_overdue(self) -> bool:
        """Whether the client left more unacknowledged than is kept for it."""
        return len(self._tracked) > UNACKNOWLEDGED_COUNT_MAX

    def receive_answer(self, element: Element) -> None:
        """
        Take `<a h='…'/>`.

        Raises:
            CountTooHigh: More than was sent.
            ValueError: `h` is no number.
        """
        claimed = parse_count(element)
        progress = (claimed - self._acknowledged_count) % COUNT_MODULUS
        if progress > self._outbound_count - self._acknowledged_count:
            raise CountTooHigh(claimed, self._outbound_count % COUNT_MODULUS)
        self._acknowledged_count += progress
        self._is_asked = False
        tracked = self._tracked
        while tracked and tracked[0][0] <= self._acknowledged_count:
            found = tracked.popleft()[1]
            if type(found) is Cursor:
                self.acknowledged = max(self.acknowledged, found)
            elif isinstance(found, AnswerSent):
                self.answered.append(found.number)
            elif isinstance(found, RosterSent):
                self.roster_version = max(self.roster_version, found.version)

    def _answer(self) -> bytes:
        self._sent_count = max(self.replicated_count, self._inbound_base)
        return b"<a xmlns='urn:xmpp:sm:3' h='%d'/>" % ((self._sent_count - self._inbound_base) % COUNT_MODULUS)


def parse_count(element: Element) -> int:
    """
    Read `h`.

    Raises:
        ValueError: It is no number of 32 bits.
    """
    text = element.attributes.get("h", "")
    if not _COUNT.fullmatch(text) or int(text) >= COUNT_MODULUS:
        raise ValueError("h is a number of 32 bits")
    return int(text)


def format_resumption_id(session_id: SessionId, token: bytes) -> str:
    """Write the id under which a client resumes its session (section 3)."""
    return f"{session_id}.{token.hex()}"


def parse_resumption_id(text: str) -> tuple[SessionId, bytes] | None:
    """Read such an id; None if no server of this kind wrote it."""
    match = _RESUMPTION_ID.fullmatch(text)
    if match is None or int(match[1]) >= 1 << 63:
        return None
    return SessionId(int(match[1])), bytes.fromhex(match[2])
