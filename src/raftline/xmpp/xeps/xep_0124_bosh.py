"""
XEP-0124 BOSH: a stream of elements carried by HTTP requests and responses, without I/O and without a clock.

    HTTP requests ──receive──> early ──take (in order of rid)──> the stream
                                 open  (at most `hold`, for at most `wait`)
    HTTP responses <──answers── answered, kept for repeats   <──write── the stream

A request is *early* until those before it have come and its payloads were taken, *open* until it is answered, then
*answered*: its response is kept for a client that did not get it. Requests are taken and answered in the order of
their ids, so two numbers tell which is what: `_answered_rid <= _taken_rid`.

The owner (gateway/bosh.py) gives each HTTP request as a ticket, hands what `take` returns to the stream, calls
`release` once the stream has had its say, and `check` at `deadline_ns`; after each call it sends `take_answers()`.
A ticket whose client went away is given back (`leave`): its request stays open, and payloads wait for the client to
repeat it rather than go into the void.

The end has three forms. The stream ended: the oldest request is told, with the last payloads and the reason; without
one, the next to come (`end`). The client broke a rule: that request is told, the others learn that it was another
one (`fail`). The client fell silent: nobody is told (`check`).

Decided against: keys (section 15), which TLS makes needless, and several streams in one session (section 16), which
no client uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from raftline.xmpp.bosh_body import BindingFailed, Body, write_body
from raftline.xmpp.bosh_terms import PAUSE_S_MAX, POLLING_S, Reply, Terms, failure
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

REPEAT_COUNT_MAX: Final = 10
"""How often one request may be repeated, so that repeats do not evade the limits on new ones (section 14.3)."""

RESPONSE_BYTES_MAX: Final = 262_144
"""Payloads of one response, if it is more than one: what is kept for repeats stays bounded."""

_SECOND_NS: Final = 1_000_000_000

Ticket = TypeVar("Ticket")


def register(modules: Modules) -> None:
    """Declare it; a client learns of it where it learns of the address (XEP-0156)."""
    modules.declare(
        Declaration(
            number=124,
            title="Bidirectional-streams Over Synchronous HTTP (BOSH)",
            version="1.11.2",
            note="The optional key sequences and multiple streams are not offered.",
        )
    )


class _Request(Generic[Ticket]):
    """A request of the client, from its arrival until its response is not kept any more."""

    __slots__ = ("arrived_ns", "body", "has_payloads", "is_empty", "is_extra", "repeat_count", "reply", "ticket")

    def __init__(self, body: Body, ticket: Ticket, arrived_ns: int) -> None:
        self.body: Body | None = body  # until it is taken
        self.ticket: Ticket | None = ticket  # while somebody waits for the response
        self.arrived_ns = arrived_ns
        self.is_empty = body.is_empty
        self.is_extra = body.is_pause or body.is_terminate
        self.repeat_count = 0
        self.reply: Reply | None = None
        self.has_payloads = False  # the response


class BoshSession(Generic[Ticket]):
    """
    One session; see the head of this module.

    Args:
        terms: As agreed.
        rid: Of the request that creates the session, which is to be received first.
        greeting: Attributes of the first response, beside those of the terms.
        now_ns: Monotonic.

    Attributes:
        is_reading: Whether payloads are wanted; the owner may change it. Requests that wait for it are no silence.
        is_over: Nothing more will be answered.
        queued_bytes: Payloads that wait for a request.
    """

    __slots__ = (
        "_answered_rid",
        "_answers",
        "_creation_rid",
        "_greeting",
        "_is_ending",
        "_is_pausing",
        "_pause_s",
        "_queue",
        "_quiet_since_ns",
        "_reason",
        "_requests",
        "_taken_rid",
        "is_over",
        "is_reading",
        "queued_bytes",
        "terms",
    )

    def __init__(self, terms: Terms, rid: int, greeting: dict[str, str], now_ns: int) -> None:
        self.terms = terms
        self._creation_rid = rid
        self._greeting = greeting
        self._requests: dict[int, _Request[Ticket]] = {}
        self._taken_rid = self._answered_rid = rid - 1
        self._queue: list[bytes] = []
        self._answers: list[tuple[Ticket, Reply]] = []
        self._quiet_since_ns = now_ns
        self._pause_s: int | None = None
        self._is_pausing = False
        self._is_ending = False
        self._reason = ""
        self.is_reading = True
        self.is_over = False
        self.queued_bytes = 0

    # Requests.

    def receive(self, body: Body, ticket: Ticket, now_ns: int) -> None:
        """Take an HTTP request; its response comes, now or later, by `take_answers`."""
        assert not self.is_over, "the owner has forgotten it"
        self._quiet_since_ns = now_ns
        try:
            rid = body.number("rid")
            request = self._requests.get(rid)
            if request is not None:
                self._repeat(request, ticket)
            else:
                self._admit(rid, _Request(body, ticket, now_ns))
        except BindingFailed as failed:
            self.fail(failed.condition, ticket)
            return
        if self._is_ending:
            self._tell_end()

    def _admit(self, rid: int, request: _Request[Ticket]) -> None:
        """Take a new request, if it keeps the rules (sections 11, 12, 14.2)."""
        assert request.body is not None, "it is new"
        allowed_count = self.terms.request_count + request.is_extra
        if not self._taken_rid < rid <= self._taken_rid + allowed_count:
            raise BindingFailed("item-not-found")
        if "stream" in request.body.attributes:
            raise BindingFailed("item-not-found")
        if request.body.number("pause", 0) > PAUSE_S_MAX:
            raise BindingFailed("policy-violation")
        self._requests[rid] = request
        unanswered = [number for number in self._requests if number > self._answered_rid]
        if len(unanswered) > self.terms.request_count + self._requests[max(unanswered)].is_extra:
            raise BindingFailed("policy-violation")
        before = self._requests.get(rid - 1)
        if before is not None and self._is_hasty(request, before, len(unanswered)):
            raise BindingFailed("policy-violation")
        self._pause_s = None

    def _is_hasty(self, request: _Request[Ticket], before: _Request[Ticket], unanswered_count: int) -> bool:
        """Whether a request that asks for nothing but news comes too soon after the one before (sections 11, 12)."""
        if not request.is_empty or request.arrived_ns - before.arrived_ns >= POLLING_S * _SECOND_NS:
            return False
        if self.terms.is_polling:
            return before.is_empty and before.reply is not None and not before.has_payloads
        return unanswered_count == self.terms.request_count

    def _repeat(self, request: _Request[Ticket], ticket: Ticket) -> None:
        """Take a request that came before (section 14.3)."""
        request.repeat_count += 1
        if request.repeat_count > REPEAT_COUNT_MAX:
            raise BindingFailed("policy-violation")
        if request.reply is not None:
            self._answers.append((ticket, request.reply))
            return
        if request.ticket is not None:
            self._answers.append((request.ticket, self._reply({"type": "error"}, [])))
        request.ticket = ticket

    def take(self) -> Body | None:
        """Return the next request in order, whose payloads are the stream's now; None while there is none."""
        request = self._requests.get(self._taken_rid + 1)
        if request is None or not self.is_reading or self._is_ending or self.is_over:
            return None
        body, request.body = request.body, None
        assert body is not None, "it is taken once"
        self._taken_rid += 1
        if body.is_pause:
            self._is_pausing = True
            self._pause_s = body.number("pause")
        return body

    def leave(self, ticket: Ticket, now_ns: int) -> None:
        """Take note that nobody waits for the response to this request any more."""
        for request in self._requests.values():
            if request.ticket is ticket:
                request.ticket = None
                self._quiet_since_ns = now_ns

    # Responses.

    def write(self, payloads: list[bytes]) -> None:
        """Queue whole elements; `release` sends them where a request is there for them."""
        self._queue += payloads
        self.queued_bytes += sum(map(len, payloads))

    def release(self, now_ns: int) -> None:
        """Answer every request that is not to be held, in order."""
        if self._is_ending or self.is_over:
            return
        while self._answered_rid < self._taken_rid:
            request = self._requests[self._answered_rid + 1]
            is_surplus = (
                self._is_pausing
                or self.terms.is_polling
                or self._answered_rid + 1 == self._creation_rid
                or self._taken_rid - self._answered_rid > self.terms.hold
            )
            is_wanted = bool(self._queue) and not self._is_pausing and self._first_waiting() is not None
            if not is_surplus and not is_wanted:
                break
            # One that nobody waits for is passed over: payloads go with the next that somebody does.
            payloads = self._next_payloads() if is_wanted and request.ticket is not None else []
            self._answer(request, payloads, now_ns)
        self._is_pausing = False

    def take_answers(self) -> list[tuple[Ticket, Reply]]:
        """Return the responses to send now and forget them."""
        answers, self._answers = self._answers, []
        return answers

    def _answer(self, request: _Request[Ticket], payloads: list[bytes], now_ns: int) -> None:
        self._answered_rid = rid = self._answered_rid + 1
        is_creation = rid == self._creation_rid
        attributes = {**self._greeting, **self.terms.attributes()} if is_creation else {}
        if is_creation or self._taken_rid != rid:
            attributes["ack"] = str(self._taken_rid)
        request.reply = reply = self._reply(attributes, payloads)
        request.has_payloads = bool(payloads)
        if request.ticket is not None:
            self._answers.append((request.ticket, reply))
            request.ticket = None
        self._quiet_since_ns = now_ns
        # One more than section 14.3 asks for, since pauses are kept as well.
        self._requests.pop(rid - self.terms.request_count - 1, None)

    def _next_payloads(self) -> list[bytes]:
        size = count = 0
        for payload in self._queue:
            size += len(payload)
            if count and size > RESPONSE_BYTES_MAX:
                size -= len(payload)
                break
            count += 1
        payloads, self._queue = self._queue[:count], self._queue[count:]
        self.queued_bytes -= size
        return payloads

    def _reply(self, attributes: dict[str, str], payloads: list[bytes]) -> Reply:
        return Reply(write_body(attributes, payloads), content_type=self.terms.content_type)

    # Time.

    @property
    def deadline_ns(self) -> int | None:
        """When `check` is due; None for never, as long as nothing else happens."""
        if self.is_over:
            return None
        waiting = self._first_waiting()
        if waiting is not None:
            return self._requests[waiting].arrived_ns + self.terms.wait_s * _SECOND_NS
        if not self.is_reading and not self._is_ending:
            return None
        inactivity_s = self.terms.inactivity_s if self._pause_s is None else self._pause_s
        return self._quiet_since_ns + inactivity_s * _SECOND_NS

    def check(self, now_ns: int) -> None:
        """Answer a request that was held long enough, and end a session whose client is silent (sections 8, 10)."""
        deadline_ns = self.deadline_ns
        while deadline_ns is not None and now_ns >= deadline_ns:
            waiting = self._first_waiting()
            if waiting is None:
                self._close("item-not-found", None)
                return
            while self._answered_rid < waiting:
                self._answer(self._requests[self._answered_rid + 1], [], now_ns)
            deadline_ns = self.deadline_ns

    def _first_waiting(self) -> int | None:
        """Return the oldest open request whose response somebody waits for."""
        return next(
            (
                rid
                for rid in range(self._answered_rid + 1, self._taken_rid + 1)
                if self._requests[rid].ticket is not None
            ),
            None,
        )

    # Ends.

    def end(self, reason: str = "") -> None:
        """
        Take note that the stream ended; what is queued still goes out.

        Args:
            reason: Condition of the terminal binding error; empty for an end in peace.
        """
        if not self._is_ending and not self.is_over:
            self._is_ending = True
            self._reason = reason
            self._tell_end()

    def _tell_end(self) -> None:
        """Tell the oldest request that somebody waits for; the others get empty responses (section 13)."""
        waiting = [request for _, request in sorted(self._requests.items()) if request.ticket is not None]
        for number, request in enumerate(waiting):
            assert request.ticket is not None, "selected so"
            attributes = {"type": "terminate"} if number == 0 else {}
            if self._reason and number == 0:
                attributes["condition"] = self._reason
            self._answers.append((request.ticket, self._reply(attributes, [] if number else self._queue)))
            self.is_over = True

    def fail(self, condition: str, ticket: Ticket) -> None:
        """End the session for a request that broke a rule; that one is told (section 17.2)."""
        self._close("other-request", ticket)
        self._answers.append((ticket, self._failure(condition)))

    def abort(self) -> None:
        """End the session at once, whatever waits."""
        self._close("remote-connection-failed", None)

    def _close(self, condition: str, ticket: Ticket | None) -> None:
        self.is_over = True
        for _, request in sorted(self._requests.items()):
            if request.ticket is not None and request.ticket is not ticket:
                self._answers.append((request.ticket, self._failure(condition)))
            request.ticket = None

    def _failure(self, condition: str) -> Reply:
        return failure(condition, content_type=self.terms.content_type, is_legacy=not self.terms.version)
