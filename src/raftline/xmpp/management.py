"""
What a client asks of stream management (XEP-0198); the counters are those of xeps/xep_0198_stream_management.py.

`<r/>` and `<a/>` are answered on the spot, `<enable/>` and `<resume/>` need the system. Of a session that can be
resumed, what the client may still be owed when the stream is lost is told along with the count: which IQ requests are
covered (open_requests.py), and which answers have arrived.

What a resumed stream writes, and in which order:

1. `<resumed/>`; from here on stanzas count;
2. answers to requests that may have been lost with the former stream: the outcome where it is known, else an error of
   type wait, so that no request stays without one;
3. roster changes, presence, and nodes of contacts (XEP-0163) as they are now;
4. what else came for the session meanwhile, then deliveries from the cursor on (delivery.py), as the client reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from raftline.base.errors import Refused, Unavailable
from raftline.base.ids import SessionId
from raftline.base.limits import RESUMPTION_TOKEN_SIZE
from raftline.machine.outcomes import Done, Gone, Rejected, Repeated, Resumed
from raftline.machine.queries import KeptAnswer, Picture, PictureOf
from raftline.xmpp.arrivals import Arrivals
from raftline.xmpp.effects import Close, EnableManagement, ResumeSession, Steps, ask, end
from raftline.xmpp.element import Element
from raftline.xmpp.handler_runner import HandlerRunner
from raftline.xmpp.login import Login
from raftline.xmpp.negotiation import StreamSettings, StreamState
from raftline.xmpp.open_requests import OpenRequests
from raftline.xmpp.outbound import Outbound
from raftline.xmpp.payloads import TRUE
from raftline.xmpp.stanza import CLIENT_NAMESPACE
from raftline.xmpp.xeps.xep_0198_stream_management import (
    CountTooHigh,
    format_resumption_id,
    parse_count,
    parse_resumption_id,
)

RESUMABLE_ENDS: Final = frozenset({"reset", "resource-constraint", "system-shutdown"})
"""Stream errors of the server's own making, after which a session waits to be resumed."""


class ResumeWanted(NamedTuple):
    """What `<resume/>` says; `outbound_count` is its `h`."""

    session_id: SessionId
    token: bytes
    outbound_count: int


class Management:
    """Stream management of one stream, at work; arguments are the stream's own parts."""

    __slots__ = ("_arrivals", "_entropy", "_login", "_outbound", "_requests", "_runner", "_settings")

    def __init__(
        self,
        settings: StreamSettings,
        login: Login,
        outbound: Outbound,
        arrivals: Arrivals,
        runner: HandlerRunner,
        requests: OpenRequests,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._settings = settings
        self._login = login
        self._outbound = outbound
        self._arrivals = arrivals
        self._runner = runner
        self._requests = requests
        self._entropy = entropy

    def begin(self, element: Element) -> Steps | None:
        """
        Return the handler at work on an element of stream management, or None where it is done with.

        Source: XEP-0198 sections 3 to 6.
        """
        outbound, state = self._outbound, self._login.state
        management = outbound.management
        if element.name == "enable" and state is StreamState.BOUND:
            return self._enable(element, self._runner.number)
        if element.name == "resume" and state is StreamState.AUTHENTICATED:
            return self._resume(element)
        if not management.is_enabled or element.name not in {"r", "a"}:
            self._write(management.failure("unexpected-request"))
        elif element.name == "r":
            outbound.write(management.receive_request(self._runner.number))
        else:
            return self._take_answer(element)
        return None

    def _take_answer(self, element: Element) -> Steps | None:
        try:
            self._outbound.management.receive_answer(element)
        except CountTooHigh as fault:
            return end("undefined-condition", str(fault), fault.detail)
        except ValueError as fault:
            return end("bad-format", str(fault))
        return None

    def _enable(self, element: Element, inbound_count: int) -> Steps:
        """
        Turn stream management on; the client may ask for resumption, and for less time than it could have.

        Args:
            inbound_count: Stanzas since the bind.
        """
        outbound = self._outbound
        if outbound.management.is_enabled:
            yield Close("policy-violation", "Stream management is on already.")
        token, timeout_s = self.terms(element)
        try:
            yield EnableManagement(inbound_count, token, timeout_s)
        except Unavailable:
            self._write(outbound.management.failure("resource-constraint"))
            return
        self._write(self.enabled(inbound_count, token, timeout_s))

    def terms(self, element: Element) -> tuple[bytes, int]:
        """Draw a token for a session that `<enable/>` wants to be resumable; empty, and 0 seconds, if it does not."""
        timeout_s = self._timeout_s(element)
        return (self._entropy(RESUMPTION_TOKEN_SIZE) if timeout_s else b""), timeout_s

    def enabled(self, inbound_count: int, token: bytes, timeout_s: int) -> Element:
        """Begin to count, now that the session is managed; return `<enabled/>`, to be written at once."""
        session_id = self._login.session_id
        assert session_id is not None, "only bound streams are managed"
        resumption_id = format_resumption_id(session_id, token) if token else ""
        location = "" if self._login.is_websocket else self._settings.resumption_location()
        self._arrivals.delivery.is_kept = True
        return self._outbound.management.enable(inbound_count, resumption_id, timeout_s, location)

    def _write(self, element: Element) -> None:
        self._outbound.write(element.to_bytes())

    def _timeout_s(self, element: Element) -> int:
        if element.attributes.get("resume") not in TRUE:
            return 0
        longest = self._settings.resumption_timeout_s
        wanted = element.attributes.get("max", "")
        if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 10):
            return longest
        return min(int(wanted), longest)

    def _resume(self, element: Element) -> Steps:
        """Continue a session of the account on this stream, or say that it is not to be; the client may bind then."""
        management = self._outbound.management
        wanted = self.read_resume(element)
        if isinstance(wanted, Element):
            self._write(wanted)
            return
        try:
            resumed: Resumed | Gone = yield ResumeSession(self._login.localpart, wanted.session_id, wanted.token)
        except Refused as refused:
            self._write(management.failure(refused.condition))
            return
        except Unavailable:
            # Were it answered by <failed/>, the client would give the session up.
            yield Close("resource-constraint", "The servers cannot agree right now.")
            return
        if isinstance(resumed, Gone):
            self._write(management.failure("item-not-found", resumed.handled_count))
            return
        self._write(self.resumed(wanted, resumed))
        yield from self.tell_missed(resumed)

    def read_resume(self, element: Element) -> ResumeWanted | Element:
        """Read `<resume/>`; return `<failed/>` for what no session can be found by."""
        management = self._outbound.management
        resumption_id = element.attributes.get("previd", "")
        try:
            outbound_count = parse_count(element)
        except ValueError:
            return management.failure("bad-request")
        parsed = parse_resumption_id(resumption_id)
        return management.failure("item-not-found") if parsed is None else ResumeWanted(*parsed, outbound_count)

    def resumed(self, wanted: ResumeWanted, resumed: Resumed) -> Element:
        """Count on from where the session was; return `<resumed/>`, to be written at once."""
        self._login.hold(resumed.session_id, resumed.resource)
        self._arrivals.delivery.is_kept = True
        self._arrivals.delivery.pass_over()
        resumption_id = format_resumption_id(wanted.session_id, wanted.token)
        return self._outbound.management.resume(
            resumption_id, wanted.outbound_count, resumed.inbound_base, resumed.inbound_count
        )

    def tell_missed(self, resumed: Resumed) -> Steps:
        """Write what the client of a resumed session may have missed, behind `<resumed/>`."""
        picture = yield from ask(PictureOf(resumed.session_id), Picture)
        for kept in picture.answers:
            self._answer_again(kept)
        for event in picture.events:
            self._arrivals.write(event)
        self._runner.number = resumed.inbound_count

    def _answer_again(self, kept: KeptAnswer) -> None:
        attributes = {"id": kept.request_id, "type": "set"}
        if kept.to:
            attributes["to"] = kept.to
        request = Element("iq", CLIENT_NAMESPACE, attributes)
        self._requests.restored(kept.number)
        outcome = kept.outcome
        if isinstance(outcome, Done | Repeated):
            self._outbound.reply(request, None, number=kept.number)
        elif isinstance(outcome, Rejected):
            self._outbound.refuse(
                request, outcome.condition, outcome.kind, outcome.text, detail=outcome.detail, number=kept.number
            )
        else:
            text = "The answer was lost with a server; ask again."
            self._outbound.refuse(request, "resource-constraint", "wait", text, number=kept.number)
