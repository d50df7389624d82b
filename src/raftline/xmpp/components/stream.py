"""
The stream of a component (XEP-0114 section 3), from its first byte to its last, without I/O.

    nothing ── header, a label that is configured ──> challenged ── handshake, ConnectComponent ──> connected

Whoever owns the transport does what stream.py says of clients' streams; this class offers the same calls, so that one
edge serves both (gateway/session.py). It is smaller: no TLS, no SASL, no resumption, no stream features.

**What is acknowledged.** The connection is a session with an inbox (machine/components): what a user's node was told to
be accepted for the component stays there until it is acknowledged. XEP-0114 has no acknowledgement. So a ping of the
server (XEP-0199) follows what was written; as a component handles its stream in order, the answer, be it an error, says
that it has come so far. One ping is under way at a time. What was written before the last answer and not after is what
a new connection gets again, each message under the stanza id it had, with the delay since then (XEP-0203), so that a
component can tell. One that never answered a ping is taken at the word of TCP when a minute is over: it has got what
was written. One that has, and stops, is gone: the stream ends with `connection-timeout`.

Decided against: counting as acknowledged what the socket took, since a program that crashes has not read its buffer;
and resending nothing, since then the death of a node would lose what users were told to be accepted.

**What is asked.** IQ requests that went to the component and have no answer when the stream ends are answered with
`remote-server-timeout`, as those are whose link was lost.

Stanzas of a component cause commands under their number like a client's, so retries inside the cluster neither double
nor overtake. What it hears of them are errors alone.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import Final, NamedTuple

from raftline.base.errors import OutcomeUnknown, Refused, Unavailable
from raftline.base.ids import CURSOR_START, Cursor, Epochs, SessionId
from raftline.base.limits import COMPONENT_REQUEST_COUNT_MAX
from raftline.machine.commands import OpenRequest
from raftline.machine.outcomes import Bound, Event, InboxWaiting, MessageArrived, Outcome, SessionEnded
from raftline.machine.queries import Reachable, SessionRow
from raftline.xmpp.components.context import ComponentContext
from raftline.xmpp.components.framing import COMPONENT_NAMESPACE, ComponentFraming
from raftline.xmpp.components.stanzas import handle_from_component
from raftline.xmpp.delivery import Delivery
from raftline.xmpp.effects import Close, ConnectComponent, Effect, Route, Steps, Submit, ask, end
from raftline.xmpp.element import Element
from raftline.xmpp.handler_runner import WAITING, HandlerRunner, is_request
from raftline.xmpp.jid import JID, parse_jid, prepare_domain
from raftline.xmpp.module import Modules
from raftline.xmpp.negotiation import StreamState
from raftline.xmpp.outbound import Outbound
from raftline.xmpp.payloads import append_child, delay_element, stanza_id_element
from raftline.xmpp.progress import Progress
from raftline.xmpp.stanza import CLIENT_NAMESPACE, LANG, STANZA_KINDS, Stanza, error_reply, parse_stanza
from raftline.xmpp.xeps.xep_0198_stream_management import StreamManagement
from raftline.xmpp.xeps.xep_0199_ping import PING_NAMESPACE
from raftline.xmpp.xmlstream import (
    STREAM_NAMESPACE,
    ElementReceived,
    StreamClosed,
    StreamFailed,
    StreamOpened,
    XMLEvent,
)

PING_TIMEOUT_NS: Final = 60_000_000_000
"""For how long the answer to a ping is waited for."""


class _Ping(NamedTuple):
    """A ping under way, and what its answer acknowledges."""

    iq_id: str
    cursor: Cursor


class ComponentStream:
    """
    A stream of a component; see the head of this module.

    Args:
        domain: Of the service; a component lives at `label.domain`.
        secrets: By the labels that may connect.
        framing: New.
        entropy: Gives that many bytes of chance.

    Attributes:
        delivery, close_condition, is_closing, is_ended, is_detached: As of stream.ClientStream.
    """

    def __init__(
        self,
        domain: str,
        secrets: Mapping[str, str],
        modules: Modules,
        *,
        framing: ComponentFraming,
        epochs: Epochs,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._secrets = secrets
        self._framing = framing
        self._outbound = outbound = Outbound(framing, StreamManagement())
        outbound.recipient = None
        self._context = ComponentContext(domain, modules, outbound, epochs=epochs, entropy=entropy)
        self._runner = HandlerRunner(outbound)
        self._queue: deque[XMLEvent] = deque()
        self._stream_id = ""
        self._lang = ""
        self._held: list[Event | bytes] | None = None
        self._asked: dict[tuple[str, str, str], bytes] = {}
        self._written = self._acknowledged = self._reported = CURSOR_START
        self._ping: _Ping | None = None
        self._ping_since_ns: int | None = None
        self._has_answered = False
        self.delivery = Delivery()
        self.delivery.is_kept = True
        self.close_condition = ""
        self.is_closing = False
        self.is_ended = False
        self.is_detached = False

    # How far it has come.

    @property
    def state(self) -> StreamState:
        """`BOUND` once it is connected, `OPEN` before."""
        return StreamState.OPEN if self.session_id is None else StreamState.BOUND

    @property
    def session_id(self) -> SessionId | None:
        """The session, once connected."""
        return self._context.session_id

    @property
    def jid(self) -> JID:
        """The component's address, once it has said it."""
        return JID("", self._context.host, "")

    @property
    def is_backlogged(self) -> bool:
        """Whether reading should stop."""
        return bool(self._queue) or self._runner.is_full

    @property
    def number(self) -> int:
        """Stanzas since the handshake, the one at work included. Commands go under it."""
        return self._runner.number

    def progress_to_report(self) -> Progress | None:
        """Return how far the session has come if its mark should move, else None; what is returned counts as told."""
        if self._acknowledged == self._reported:
            return None
        self._reported = self._acknowledged
        return Progress(self._runner.handled_count, self._acknowledged)

    def requests_to_tell(self) -> tuple[OpenRequest, ...]:
        """Return nothing: a component's stream is not resumed."""
        return ()

    def requests_told(self, requests: tuple[OpenRequest, ...]) -> None:
        """Take note of nothing."""

    # What arrives.

    def receive_data(self, data: bytes) -> None:
        """Take bytes of the component."""
        if not self.is_closing:
            self._queue.extend(self._framing.receive(data))

    def receive_event(self, event: Event) -> None:
        """Take an event of the session."""
        if self._held is not None:
            self._held.append(event)
        elif type(event) is SessionEnded:
            self.close(event.reason)
        elif type(event) is InboxWaiting:
            self.delivery.pass_over()
        elif type(event) is MessageArrived:
            if self.delivery.admit(event) is not None:
                self._write_message(event)
        else:
            renderer = self._context.modules.renderers.get(type(event))
            data = None if renderer is None else renderer(self._context, event)
            if data is not None:
                self._outbound.write_stanza(data)

    def receive_stanza(self, stanza: bytes) -> None:
        """Take a stanza that travelled off the log."""
        if self._held is not None:
            self._held.append(stanza)
            return
        if stanza.startswith(b"<iq"):
            self._note_request(stanza)
        self._outbound.write_stanza(stanza)

    def receive_progress(self, inbound_count: int) -> None:
        """Take note of nothing: a component is not told what is settled."""

    def receive_outcome(self, number: int, outcome: Outcome) -> None:
        """Take the outcome of the submission of stanza `number`; they come in order."""
        if not self._runner.settle(number, outcome):
            self.close("reset", "This connection is over.")

    def is_overdue(self, now_ns: int) -> bool:
        """
        Look after the ping under way; to be called now and then.

        Returns: Whether the component, which has answered before, has not answered it for too long.
        """
        if self._ping is None:
            self._ping_since_ns = None
        elif self._ping_since_ns is None:
            self._ping_since_ns = now_ns
        elif now_ns - self._ping_since_ns > PING_TIMEOUT_NS:
            if self._has_answered:
                return True
            self._pong()
        return False

    # What is to be sent, and done.

    def data_to_send(self) -> list[bytes]:
        """Return what is to be written now and forget it; a ping follows what is to be acknowledged."""
        if self.session_id is not None and self._ping is None and self._written > self._acknowledged:
            context = self._context
            self._ping = _Ping(context.new_id(), self._written)
            attributes = {"from": context.domain, "to": context.host, "type": "get", "id": self._ping.iq_id}
            ping = Element("iq", CLIENT_NAMESPACE, attributes, [Element("ping", PING_NAMESPACE)])
            self._outbound.write_stanza(ping.to_bytes())
        return self._outbound.take()

    def release(self) -> bool:
        """Give back memory that an idle stream does not need."""
        return self._framing.release()

    def next_effect(self) -> Effect | None:
        """Return the effect to carry out now, or None while there is none; each is answered before the next."""
        runner = self._runner
        while not runner.is_running:
            effect = runner.effect
            if effect is None:
                if not self._begin_next():
                    return None
            elif type(effect) is Close:
                runner.effect = None
                self.close(effect.condition, effect.text, effect.detail)
            elif type(effect) is Submit or self.is_closing or not runner.has_pending:
                if type(effect) is ConnectComponent:
                    self._held = []  # the answer to the handshake goes first
                runner.take(effect)
                return effect
            else:
                return None
        return None

    def resume(self, answer: object = None) -> None:
        """Answer the effect that was taken last."""
        if self._runner.give_back() is not None:
            self._advance(answer)

    def throw(self, error: Exception) -> None:
        """Answer the effect that was taken last by an error."""
        if self._runner.give_back(has_failed=True) is not None:
            self._advance(None, error)

    def _begin_next(self) -> bool:
        if self.is_closing:
            return False
        if self.delivery.is_due and self.session_id is not None:
            self._run(self._catch_up(self.session_id))
            return True
        if not self._queue or (self._runner.is_full if self._is_element() else self._runner.has_pending):
            return False
        steps = self._begin(self._queue.popleft())
        if steps is not None:
            self._run(steps)
        return True

    def _is_element(self) -> bool:
        return type(self._queue[0]) is ElementReceived

    def _run(self, steps: Steps) -> None:
        self._runner.begin(steps)
        self._advance(None)

    def _advance(self, answer: object, error: Exception | None = None) -> None:
        try:
            result = self._runner.advance(answer, error)
        except OutcomeUnknown:
            self.is_ended = self.is_closing
            self.close("resource-constraint", "The servers cannot agree right now.")
            return
        if result is WAITING:
            return
        if self.is_closing:
            self.is_ended = True
        elif self._held is not None:
            held, self._held = self._held, None
            for event in held:
                if isinstance(event, bytes):
                    self.receive_stanza(event)
                else:
                    self.receive_event(event)

    # What an element begins.

    def _begin(self, event: XMLEvent) -> Steps | None:
        if isinstance(event, StreamOpened):
            return self._open(event)
        if isinstance(event, StreamClosed):
            return end()
        if isinstance(event, StreamFailed):
            return end(event.condition, event.text)
        element = event.element
        if not self._outbound.has_header:
            return end("bad-format", "A stream begins with its header.")
        if element.name == "handshake" and element.namespace == COMPONENT_NAMESPACE:
            if self.session_id is not None:
                return end("policy-violation", "The handshake is over.")
            return self._shake_hands(element.text.strip())
        if self.session_id is None:
            return end("not-authorized", "The handshake comes first.")
        if element.name not in STANZA_KINDS or element.namespace != CLIENT_NAMESPACE:
            return end("unsupported-stanza-type")
        return self._begin_stanza(event)

    def _open(self, event: StreamOpened) -> Steps | None:
        """Answer the header (XEP-0114 section 3); its errors come in a stream of our own (RFC 6120 section 4.9.1.2)."""
        if self._outbound.has_header:
            return end("bad-format", "This stream is open already.")
        context, root = self._context, event.root
        self._lang = root.attributes.get(LANG, "")
        self._stream_id = context.new_id()
        label = self._label_of(root.get("to"))
        failed = None
        if root.namespace != STREAM_NAMESPACE or event.namespaces.get("") != COMPONENT_NAMESPACE:
            failed = end("invalid-namespace")
        elif root.name != "stream":
            failed = end("bad-format", "the root of a stream is the stream element")
        elif not root.get("to"):
            failed = end("improper-addressing", "a component says in `to` which it is")
        elif label is None:
            failed = end("host-unknown")
        else:
            context.label = label
        sender = context.domain if failed is not None else context.host
        self._outbound.write_header({"from": sender, "id": self._stream_id})
        return failed

    def _label_of(self, to: str | None) -> str | None:
        """Return the label of a component that may connect, by its address."""
        try:
            label, _, rest = prepare_domain(to or "").partition(".")
        except ValueError:
            return None
        return label if rest == self._context.domain and label in self._secrets else None

    def _shake_hands(self, proof: str) -> Steps:
        context = self._context
        secret = self._secrets[context.label]
        expected = hashlib.sha1(f"{self._stream_id}{secret}".encode(), usedforsecurity=False).hexdigest()
        if not compare_digest(proof.encode(), expected.encode()):
            yield Close("not-authorized", "The handshake is wrong.")
        try:
            bound: Bound = yield ConnectComponent(context.label)
        except Refused as refused:
            yield Close(refused.condition, refused.text)
            return
        except Unavailable:
            yield Close("resource-constraint", "The servers cannot agree right now.")
            return
        context.session_id = bound.session_id
        self._outbound.write(Element("handshake", CLIENT_NAMESPACE).to_bytes())

    def _begin_stanza(self, event: ElementReceived) -> Steps | None:
        """Check the addresses of a stanza, both of which it has (XEP-0114 section 3), and hand it on."""
        element, context, runner = event.element, self._context, self._runner
        runner.count_stanza()
        try:
            sender = parse_jid(element.attributes.get("from", ""))
        except ValueError:
            return end("improper-addressing", "A stanza says whom it is from.")
        if sender.domain != context.host:
            return end("invalid-from", f"A component speaks for {context.host} alone.")
        if not element.attributes.get("to"):
            return end("improper-addressing", "A stanza says whom it is to.")
        context.jid = sender
        try:
            stanza = Stanza(element, event.raw, prefixes=self._framing.prefixes, lang=self._lang)
        except ValueError:
            self._outbound.refuse(element, "jid-malformed", "modify", from_jid=context.domain)
            return None
        to = stanza.to
        assert to is not None, "it was looked for above"
        if stanza.kind == "iq" and stanza.type in {"result", "error"} and self._take_answer(stanza, to):
            return None
        try:
            steps = handle_from_component(context, stanza, to)
        except Refused as refused:
            self._outbound.refuse(element, refused.condition, refused.kind, refused.text, detail=refused.detail)
            return None
        if steps is not None:
            runner.stanza = element
        return steps

    # Deliveries, and what acknowledges them.

    def _write_message(self, event: MessageArrived) -> None:
        context = self._context
        added = stanza_id_element(context.host, context.epochs, event.position)
        if event.delayed_ms is not None:
            added += delay_element(event.delayed_ms, context.domain).encode()
        self._outbound.write_stanza(append_child(event.stanza, added))
        self._written = Cursor(event.delivered or event.position, event.position)

    def _catch_up(self, session_id: SessionId) -> Steps:
        """Write the next page of what was passed over."""
        events: list[Event] = yield from ask(self.delivery.next_page(session_id), list)
        for event, _cursor in self.delivery.take_page(events):
            assert isinstance(event, MessageArrived), "components have no copies, and are in no rooms"
            self._write_message(event)

    def _take_answer(self, stanza: Stanza, to: JID) -> bool:
        """Take note that a request has its answer; return whether it was our own, so that it goes nowhere else."""
        self._asked.pop((str(to), str(self._context.jid), stanza.id), None)
        if self._ping is None or stanza.id != self._ping.iq_id or to.local:
            return False
        self._has_answered = True
        self._pong()
        return True

    def _pong(self) -> None:
        assert self._ping is not None, "there is an answer to one alone"
        self._acknowledged = self._ping.cursor
        self._ping = self._ping_since_ns = None

    # Requests that wait for the component.

    def _note_request(self, data: bytes) -> None:
        request = parse_stanza(data)
        to, sender = request.to, request.element.get("from")
        if to is None or sender is None or not is_request(request.element):
            return
        if len(self._asked) >= COMPONENT_REQUEST_COUNT_MAX:
            del self._asked[next(iter(self._asked))]
        self._asked[str(parse_jid(sender)), str(to), request.id] = error_reply(
            request.element, "remote-server-timeout", "wait"
        )

    def _answer_for_component(self) -> Steps:
        """Answer what the component will answer no more."""
        asked, self._asked = self._asked, {}
        for (asker, component, _id), answer in asked.items():
            to = parse_jid(asker)
            if to.resource:
                question = Reachable(to.local, to.resource, component)
                sessions: list[SessionRow] | None = yield from ask(question, list)
                for session in sessions or ():
                    if session.resource == to.resource:
                        yield Route(session.session_id, answer)

    # Ends.

    def close(self, condition: str = "", text: str = "", detail: Element | None = None) -> None:
        """End the stream from our side, with a stream error or in peace; only the first time counts."""
        if self.is_closing:
            return
        if condition and not self._outbound.has_header:
            self._outbound.write_header({"from": self._context.domain, "id": self._context.new_id()})
        self._outbound.close(condition, text, detail)
        self.close_condition = condition
        self._wind_up()

    def connection_lost(self) -> None:
        """Take note that the transport is gone."""
        self._outbound.discard()
        if not self.is_closing:
            self._wind_up()

    def _wind_up(self) -> None:
        self.is_closing = True
        self._framing.close()
        self._queue.clear()
        self._held = None
        self._runner.drop()
        if self._asked:
            self._run(self._answer_for_component())
        else:
            self.is_ended = True
