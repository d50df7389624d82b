"""
One stream of a client, from its first byte to its last, without I/O.

Whoever owns the transport (gateway/session.py; a playbook in tests) does four things:

1. hands over what arrives: `receive_data`, `receive_event`, `receive_stanza`, `receive_progress`, `receive_outcome`;
2. takes `next_effect()` until it gives None, carries each effect out and answers it by `resume` or `throw`;
3. writes `data_to_send()`, once a turn;
4. ends the session and the transport when `is_ended`.

None of these raises for what a client does; a client's fault becomes a stanza error or a stream error.

Invariants:

- Top-level elements are handled one after the other, in the order they came (RFC 6120 section 10.1). A handler that
  waits holds up those behind it.
- `Submit` goes through at once; every other effect of a bound stream waits until all earlier submissions have their
  outcome, so that nothing overtakes a message. `next_effect` gives None meanwhile.
- A stanza causes at most one command, under its number. So `handled_count`, the length of the prefix of stanzas that
  are done with, is one below the oldest stanza under way.
- Nothing is written between `Bound` or `EnableManagement` being asked for and their answer: events that arrive
  meanwhile are held, for the client must see the answer first and count from there.
- Of a session that can be resumed, what the client may still be owed when the stream is lost is told along with the
  count: which IQ requests are covered, and which answers have arrived.
- The first stream error wins. After it, or after the client's own end tag, nothing is read or written; what was owed
  to others (farewells, RFC 6121 section 4.6.3) is still sent, then `is_ended`.

Decided against: a state machine over parsed bytes in the gateway, which would tie order and counting to sockets; and
a task for each stanza, which costs more than handling it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from raftline.base.errors import LocalProtocolError, OutcomeUnknown, Refused, Unavailable
from raftline.base.ids import SessionId
from raftline.machine.commands import OpenRequest
from raftline.machine.outcomes import (
    Event,
    Outcome,
    Rejected,
    Resumed,
    SessionEnded,
    Stale,
)
from raftline.xmpp.arrivals import Arrivals
from raftline.xmpp.delivery import Delivery
from raftline.xmpp.dispatch import ROUTED, handle_stanza, is_sender
from raftline.xmpp.effects import (
    Close,
    Effect,
    EnableManagement,
    Execute,
    OpenSession,
    Propose,
    ResumeSession,
    Steps,
    Submit,
)
from raftline.xmpp.element import Element
from raftline.xmpp.framing import Framing
from raftline.xmpp.jid import JID
from raftline.xmpp.login import RESTART, Login
from raftline.xmpp.module import Modules
from raftline.xmpp.negotiation import (
    Step,
    StreamSettings,
    StreamState,
    check_header,
    find_step,
    header_attributes,
    valid_jid,
)
from raftline.xmpp.open_requests import OpenRequests
from raftline.xmpp.outbound import Outbound
from raftline.xmpp.presence import farewells
from raftline.xmpp.progress import Progress, ProgressReports
from raftline.xmpp.resumption import RESUMABLE_ENDS, Resumption
from raftline.xmpp.stanza import CLIENT_NAMESPACE, LANG, STANZA_KINDS, Stanza
from raftline.xmpp.xeps.xep_0198_stream_management import (
    AnswerSent,
    CountTooHigh,
    StreamManagement,
)
from raftline.xmpp.xmlstream import ElementReceived, StreamClosed, StreamFailed, StreamOpened, XMLEvent

PENDING_COUNT_MAX: Final = 128
"""Commands of one stream that may be under way; beyond, the next stanza waits, and reading stops."""


class ClientStream:
    """
    A stream of a client; see the head of this module. It is the StreamContext of its handlers.

    Args:
        framing: New; how the stream lies on its transport.
        is_secure: TLS came before the first byte.
        entropy: Gives that many bytes of chance.

    Attributes:
        delivery: How far it has come; its owner says there whether the client reads.
        number: Stanzas since the bind, the one at work included. Commands go under it.
        close_condition: Stream error it ended with; empty for none.
        is_closing: Nothing more is read or written but what `data_to_send` still has.
        is_ended: Everything is done; the session and the transport may go.
        is_detached: The stream ended, while its session waits to be resumed.
    """

    def __init__(
        self,
        settings: StreamSettings,
        modules: Modules,
        *,
        framing: Framing,
        is_secure: bool,
        cluster_epoch: int,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._settings = settings
        self._modules = modules
        self._framing = framing
        self._entropy = entropy
        self._cluster_epoch = cluster_epoch
        self._directed_presence: set[str] = set()
        self._lang = ""
        self._queue: deque[XMLEvent] = deque()
        self._steps: Steps | None = None
        self._stanza: Element | None = None
        self._effect: Effect | None = None
        self._is_running = False
        self._has_proposed = False
        self._pending: deque[tuple[int, Element]] = deque()
        self._held_events: list[Event | bytes] | None = None
        self._postponed_end: SessionEnded | None = None
        self._management = StreamManagement()
        self._outbound = Outbound(framing, self._management)
        self._login = Login(settings, self._outbound, entropy, is_secure=is_secure, is_websocket=framing.is_websocket)
        self.delivery = Delivery()
        self._arrivals = Arrivals(self._outbound, self.delivery)
        self._requests = OpenRequests()
        self._resumption = Resumption(settings, self._login, self._outbound, self.delivery, self._requests, entropy)
        self._reports = ProgressReports(self._management, self._requests)
        self.number = 0
        self.close_condition = ""
        self.is_closing = False
        self.is_ended = False
        self.is_detached = False

    # What handlers see (module.StreamContext).

    @property
    def jid(self) -> JID:
        """The full JID that is bound."""
        jid = self._login.jid
        assert jid is not None, "only handlers of bound streams ask"
        return jid

    @property
    def domain(self) -> str:
        """The domain of this service."""
        return self._settings.domain

    @property
    def cluster_epoch(self) -> int:
        """First part of stanza ids."""
        return self._cluster_epoch

    @property
    def modules(self) -> Modules:
        """All modules of this service."""
        return self._modules

    @property
    def directed_presence(self) -> set[str]:
        """JIDs that were sent directed presence and are due a farewell."""
        return self._directed_presence

    def send(self, stanza: bytes) -> None:
        """Write a stanza to the client, at once and in order; it counts for stream management."""
        self._outbound.write_stanza(stanza)

    def new_id(self) -> str:
        """Draw an id for a stanza of the server's own."""
        return self._entropy(12).hex()

    # What the owner of the transport sees.

    @property
    def state(self) -> StreamState:
        """How far the stream has come."""
        return self._login.state

    @property
    def session_id(self) -> SessionId | None:
        """The session, once bound."""
        return self._login.session_id

    @property
    def is_backlogged(self) -> bool:
        """Whether reading should stop: stanzas wait for those before them, or too much is under way."""
        return bool(self._queue) or len(self._pending) >= PENDING_COUNT_MAX

    @property
    def handled_count(self) -> int:
        """Stanzas since the bind that are done with, without a gap: their commands, if any, had their outcome."""
        if self._pending:
            return self._pending[0][0] - 1
        return self.number - 1 if self._stanza is not None else self.number

    def progress_to_report(self) -> Progress | None:
        """Return how far the session has come if its mark should move, else None; what is returned counts as told."""
        return self._reports.take(self.handled_count)

    def requests_to_tell(self) -> tuple[OpenRequest, ...]:
        """Return the IQ requests that the command now submitted covers first; `requests_told` if it was taken."""
        is_command = type(self._effect) is Propose and self._stanza is not None and self._stanza.get("type") == "set"
        return self._requests.to_tell(self.number, command=self.number if is_command else 0)

    def requests_told(self, requests: tuple[OpenRequest, ...]) -> None:
        """Take note that a command which covers these is under way."""
        self._requests.told(requests)

    def receive_data(self, data: bytes) -> None:
        """Take bytes of the client (over WebSocket: one message)."""
        if not self.is_closing:
            self._queue.extend(self._framing.receive(data))

    def receive_event(self, event: Event) -> None:
        """Take an event of the session."""
        if self._held_events is not None:
            self._held_events.append(event)
        elif type(event) is SessionEnded:
            if isinstance(self._effect, Execute):
                self._postponed_end = event  # the stream asked for what ended it, and is owed the answer
            else:
                self.close(event.reason)
        elif not self.is_closing and self._arrivals.take(self, event):
            self.close("resource-constraint", "Too many messages are unacknowledged.")

    def receive_stanza(self, stanza: bytes) -> None:
        """Take a stanza that travelled off the log."""
        if self._held_events is not None:
            self._held_events.append(stanza)
            return
        number = self._requests.number_of(stanza)
        self._outbound.write_stanza(stanza, None if number is None else AnswerSent(number))

    def receive_progress(self, inbound_count: int) -> None:
        """Take note that all stanzas up to this number are settled on a majority."""
        self._management.count_replicated(inbound_count)

    def receive_outcome(self, number: int, outcome: Outcome) -> None:
        """Take the outcome of the submission of stanza `number`; they come in order."""
        expected, stanza = self._pending.popleft()
        assert number == expected, (number, expected)
        if isinstance(outcome, Stale):
            self.close("reset", "This session is over.")
            return
        if isinstance(outcome, Rejected):
            self._outbound.refuse(stanza, outcome.condition, outcome.kind, outcome.text, detail=outcome.detail)
        self._management.count_replicated(number)

    def data_to_send(self) -> list[bytes]:
        """
        Return what is to be written now and forget it; over WebSocket each item is one message.

        Call it once a turn: acknowledgements that nobody asked for again are added here, at most one a call.
        """
        outbound = self._outbound
        if self._management.is_enabled:
            outbound.write(self._management.answer_due())
            outbound.write(self._management.request_due())
        return outbound.take()

    def release(self) -> bool:
        """Give back memory that an idle stream does not need."""
        return self._framing.release()

    def next_effect(self) -> Effect | None:
        """Return the effect to carry out now, or None while there is none; each is answered before the next."""
        while not self._is_running:
            effect = self._effect
            if effect is None:
                if not self._begin_next():
                    return None
            elif type(effect) is Close:
                self._effect = None
                self.close(effect.condition, effect.text)
            elif type(effect) is not Submit and self._pending and not self.is_closing:
                return None
            else:
                self._prepare(effect)
                self._is_running = True
                return effect
        return None

    def resume(self, answer: object = None) -> None:
        """Answer the effect that was taken last."""
        effect = self._finish_effect()
        if effect is None:
            return
        kind = type(effect)
        if kind is Propose:
            if isinstance(answer, Stale):
                self.close("reset", "This session is over.")
                return
            self._management.count_replicated(self.number)
        self._advance(answer)

    def throw(self, error: Exception) -> None:
        """Answer the effect that was taken last by an error."""
        effect = self._finish_effect()
        if effect is None:
            return
        if isinstance(effect, Submit):
            self._pending.pop()
        self._advance(None, error)

    def close(self, condition: str = "", text: str = "", detail: Element | None = None) -> None:
        """End the stream from our side, with a stream error or in peace; only the first time counts."""
        if self.is_closing:
            return
        if condition and not self._outbound.has_header:
            self._write_header(None)
        self._outbound.close(condition, text, detail)
        self.close_condition = condition
        self.is_detached = self._management.is_resumable and condition in RESUMABLE_ENDS
        self._wind_up()

    def connection_lost(self) -> None:
        """Take note that the transport is gone."""
        self._outbound.discard()
        if not self.is_closing:
            self.is_detached = self._management.is_resumable
            self._wind_up()

    # Ends.

    def _wind_up(self) -> None:
        """Drop what was under way and say farewell."""
        self.is_closing = True
        self._framing.close()
        self._queue.clear()
        self._held_events = None
        self._effect = None
        self._is_running = False
        if self._stanza is not None:
            self.number -= 1  # the stanza at work is not handled
        self._stanza = None
        self._steps = None
        if self.session_id is not None and self._directed_presence and not self.is_detached:
            self._run(farewells(self))
        else:
            self.is_ended = True

    # One element after the other.

    def _begin_next(self) -> bool:
        """Begin work on the next element; False when there is none, or it has to wait."""
        if self.is_closing:
            return False
        if self.delivery.is_due:
            self._run(self._arrivals.catch_up(self))
            return True
        if not self._queue:
            return False
        event = self._queue[0]
        if type(event) is ElementReceived:
            if len(self._pending) >= PENDING_COUNT_MAX:
                return False
            self._queue.popleft()
            self._begin_element(event)
        elif self._pending:
            return False  # the end waits, so that what was sent before it is acknowledged
        else:
            self._queue.popleft()
            self._begin_end(event)
        return True

    def _begin_end(self, event: XMLEvent) -> None:
        if isinstance(event, StreamOpened):
            self._open(event)
        elif isinstance(event, StreamClosed):
            self._outbound.write(self._management.final_answer())
            self.close()
        elif isinstance(event, StreamFailed):
            self.close(event.condition, event.text)

    def _open(self, event: StreamOpened) -> None:
        if self._outbound.has_header:
            self.close("bad-format", "This stream is open already.")
            return
        failed = check_header(event, self.domain)
        self._lang = event.root.attributes.get(LANG, "")
        self._write_header(valid_jid(event.root.get("from")))
        if failed is not None:
            self.close(failed.condition, failed.text)
            return
        features = self._login.features()
        if self.state is StreamState.AUTHENTICATED:
            features.extend(feature(self._modules) for feature in self._modules.stream_features)
        self._outbound.write_features(features)

    def _write_header(self, to: str | None) -> None:
        self._outbound.write_header(header_attributes(self.domain, self.new_id(), to))

    def _restart(self) -> None:
        """Expect a new header (RFC 6120 section 4.3.3); what came before its time was not sent in good faith."""
        if self._queue or self._framing.has_rest:
            self.close("policy-violation", "Wait for the stream to restart.")
            return
        self._framing.restart()
        self._outbound.has_header = False

    def _begin_element(self, event: ElementReceived) -> None:
        element = event.element
        if not self._outbound.has_header:
            self.close("bad-format", "A stream begins with its header.")
            return
        state = self._login.state
        if state is StreamState.BOUND and element.namespace == CLIENT_NAMESPACE and element.name in STANZA_KINDS:
            self._begin_stanza(event)
            return
        step = find_step(state, element)
        if isinstance(step, StreamFailed):
            self.close(step.condition, step.text)
        elif step is Step.START_TLS:
            self._run(self._login.start_tls(has_more=bool(self._queue) or self._framing.has_rest))
        elif step is Step.AUTHENTICATE or step is Step.CONTINUE_SASL:
            self._run(self._login.authenticate(element))
        elif step is Step.MANAGE:
            self._manage(element)
        elif step is Step.CLIENT_STATE:
            self._outbound.set_client_state(active=element.name == "active")
        elif step is Step.BIND:
            self._stanza = element
            self._run(self._login.bind(element))
        elif step is Step.REGISTER:
            self._stanza = element
            self._run(self._login.register(element))

    def _begin_stanza(self, event: ElementReceived) -> None:
        element = event.element
        self.number += 1
        self._has_proposed = False
        is_tracked = self._management.is_resumable and element.name == "iq" and _is_request(element)
        if is_tracked:
            self._requests.asked(self.number, element)
        sender = element.attributes.get("from")
        if sender is not None and not is_sender(sender, self.jid):
            self.close("invalid-from")
            return
        try:
            stanza = Stanza(element, event.raw, prefixes=self._framing.prefixes, lang=self._lang)
        except ValueError:
            self._outbound.refuse(element, "jid-malformed", "modify", from_jid=self.domain, number=self.number)
            return
        try:
            steps = handle_stanza(self, stanza)
        except Refused as refused:
            self._outbound.refuse(
                element, refused.condition, refused.kind, refused.text, detail=refused.detail, number=self.number
            )
            return
        if is_tracked and stanza.to is not None and stanza.to.resource:
            self._requests.routed(self.number, stanza)
        if steps is not None:
            self._stanza = element
            self._run(steps)

    # Handlers at work.

    def _run(self, steps: Steps) -> None:
        self._steps = steps
        self._advance(None)

    def _advance(self, answer: object, error: Exception | None = None) -> None:
        """Run the handler up to its next effect, or to its end."""
        steps = self._steps
        assert steps is not None
        try:
            effect = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration as stop:
            self._finish(steps, stop.value)
        except Refused as refused:
            self._fail(steps, refused.condition, refused.kind, refused.text, refused.detail)
        except Unavailable:
            self._fail(steps, "resource-constraint", "wait", "The servers cannot agree right now.")
        except OutcomeUnknown:
            # It may yet take effect: to call it failed would be a lie.
            if self._steps is steps:
                self._steps = None
                self.is_ended = self.is_closing
                self.close("resource-constraint", "The servers cannot agree right now.")
        else:
            if self._steps is steps:
                self._effect = effect

    def _prepare(self, effect: Effect) -> None:
        """Do what has to be done before an effect is carried out."""
        kind = type(effect)
        if kind is Submit or kind is Propose:
            if self._has_proposed:
                raise LocalProtocolError("a stanza causes at most one command")
            self._has_proposed = True
            if kind is Submit:
                stanza = self._stanza
                assert stanza is not None
                # Enough for an error reply; the payload is not kept.
                self._pending.append((self.number, Element(stanza.name, stanza.namespace, stanza.attributes)))
        elif kind is OpenSession or kind is EnableManagement or kind is ResumeSession:
            self._held_events = []

    def _finish_effect(self) -> Effect | None:
        """Forget the effect at work; None when its handler was dropped meanwhile."""
        if not self._is_running:
            return None
        effect, self._effect = self._effect, None
        self._is_running = False
        return effect

    def _finish(self, steps: Steps, result: Any) -> None:
        """Reply, where the request was an IQ, and go on."""
        if self._steps is not steps:
            return
        self._steps = None
        stanza, self._stanza = self._stanza, None
        if self.is_closing:
            self.is_ended = True
            return
        if result is RESTART:
            self._restart()
        elif stanza is not None and stanza.name == "iq" and result is not ROUTED and _is_request(stanza):
            self._outbound.reply(stanza, result, number=self.number)
        if self._held_events is not None or self._postponed_end is not None:
            self._release_events()

    def _fail(self, steps: Steps, condition: str, kind: str, text: str, detail: str = "") -> None:
        if self._steps is not steps:
            return
        self._steps = None
        stanza, self._stanza = self._stanza, None
        if self.is_closing:
            self.is_ended = True
            return
        if stanza is not None:
            self._outbound.refuse(stanza, condition, kind, text, detail=detail, number=self.number)
        self._release_events()

    def _release_events(self) -> None:
        """Let out what was held back, and the end that had to wait for an answer."""
        held, self._held_events = self._held_events, None
        self.delivery.is_congested = False  # what came before the session had an inbox must not be passed over
        for event in held or ():
            if isinstance(event, bytes):
                self.receive_stanza(event)
            else:
                self.receive_event(event)
        if self._postponed_end is not None:
            self.close(self._postponed_end.reason)

    # Stream management.

    def _manage(self, element: Element) -> None:
        """Source: XEP-0198 sections 3 to 6."""
        management = self._management
        if element.name == "enable" and self.state is StreamState.BOUND:
            if management.is_enabled:
                self.close("policy-violation", "Stream management is on already.")
            else:
                self._run(self._resumption.enable(element, self.number))
        elif element.name == "resume" and self.state is StreamState.AUTHENTICATED:
            self._run(self._resume(element))
        elif not management.is_enabled or element.name not in {"r", "a"}:
            self._outbound.write(management.failure("unexpected-request"))
        elif element.name == "r":
            self._outbound.write(management.receive_request(self.number))
        else:
            self._take_answer(element)

    def _take_answer(self, element: Element) -> None:
        try:
            self._management.receive_answer(element)
        except CountTooHigh as fault:
            self.close("undefined-condition", str(fault), fault.detail)
        except ValueError as fault:
            self.close("bad-format", str(fault))

    def _resume(self, element: Element) -> Steps:
        resumed: Resumed | None = yield from self._resumption.resume(element, partial(self._arrivals.write, self))
        if resumed is not None:
            self.number = resumed.inbound_count


def _is_request(iq: Element) -> bool:
    return iq.get("type") in {"get", "set"}
