"""
One stream of a client, from its first byte to its last, without I/O.

Whoever owns the transport (gateway/session.py; a playbook in tests) does four things:

1. hands over what arrives: `receive_data`, `receive_event`, `receive_stanza`, `receive_progress`, `receive_outcome`;
2. takes `next_effect()` until it gives None, carries each effect out and answers it by `resume` or `throw`;
3. writes `data_to_send()`, once a turn;
4. ends the session and the transport when `is_ended`.

None of these raises for what a client does; a client's fault becomes a stanza error or a stream error.

This file is what the owner sees, what is held back, and the end. The rest of a stream is in its parts, each of which
knows those below it and none the stream:

    inbound.py          what came, and what each element begins
    management.py       acknowledgements and resumption, asked for by the client
    handler_runner.py   the handler at work, and the commands under way
    arrivals.py         events, live or page by page
    stream_context.py   what handlers see
    inline_login.py     the login in one round trip
    login.py            how far the stream has come
    outbound.py         what is written

Invariants:

- `next_effect` gives None while an effect is carried out, or must not overtake what was submitted.
- Nothing is written between `OpenSession`, `EnableManagement`, `ResumeSession` or `LogIn` being asked for and the end
  of their handler: events that arrive meanwhile are held, for the client must see the answer first and count from
  there.
- The first stream error wins. After it, or after the client's own end tag, nothing is read or written; what was owed
  to others (farewells, RFC 6121 section 4.6.3) is still sent, then `is_ended`.

Decided against: a state machine over parsed bytes in the gateway, which would tie order and counting to sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from raftline.base.errors import OutcomeUnknown
from raftline.base.ids import Epochs, SessionId
from raftline.machine.commands import OpenRequest
from raftline.machine.outcomes import Event, Outcome, SessionEnded, Stale
from raftline.xmpp.arrivals import Arrivals
from raftline.xmpp.effects import (
    Close,
    Effect,
    EnableManagement,
    Execute,
    LogIn,
    OpenSession,
    Propose,
    ResumeSession,
    Steps,
    Submit,
)
from raftline.xmpp.element import Element
from raftline.xmpp.framing import Framing
from raftline.xmpp.handler_runner import WAITING, HandlerRunner
from raftline.xmpp.inbound import Inbound
from raftline.xmpp.inline_login import InlineLogin
from raftline.xmpp.jid import JID
from raftline.xmpp.login import RESTART, Login
from raftline.xmpp.management import RESUMABLE_ENDS, Management
from raftline.xmpp.module import Modules
from raftline.xmpp.negotiation import StreamSettings, StreamState
from raftline.xmpp.open_requests import OpenRequests
from raftline.xmpp.outbound import Outbound
from raftline.xmpp.presence import farewells
from raftline.xmpp.progress import Progress, ProgressReports
from raftline.xmpp.stream_context import ClientContext
from raftline.xmpp.xeps.xep_0198_stream_management import AnswerSent, StreamManagement

_ANSWERED_FIRST: Final = frozenset({OpenSession, EnableManagement, ResumeSession, LogIn})
"""Effects whose answer the client must see before any event."""


class ClientStream:
    """
    A stream of a client; see the head of this module.

    Args:
        framing: New; how the stream lies on its transport.
        is_secure: TLS came before the first byte.
        bindings: Data of each type of channel binding that this TLS has.
        entropy: Gives that many bytes of chance.

    Attributes:
        delivery: How far it has come; its owner says there whether the client reads.
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
        epochs: Epochs,
        entropy: Callable[[int], bytes],
        bindings: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        self._management = StreamManagement()
        self._outbound = outbound = Outbound(framing, self._management)
        self._login = login = Login(
            settings, outbound, entropy, is_secure=is_secure, is_websocket=framing.is_websocket, bindings=bindings
        )
        self._context = context = ClientContext(
            settings.domain, modules, login, outbound, epochs=epochs, entropy=entropy
        )
        self._runner = runner = HandlerRunner(outbound)
        self._requests = requests = OpenRequests()
        self._arrivals = arrivals = Arrivals(context, outbound)
        management = Management(settings, login, outbound, arrivals, runner, requests, entropy)
        inline_login = InlineLogin(settings, login, outbound, management, context, entropy)
        self._inbound = Inbound(framing, context, login, outbound, runner, management, requests, inline_login)
        self._reports = ProgressReports(self._management, requests)
        self._held_events: list[Event | bytes] | None = None
        self._postponed_end: SessionEnded | None = None
        self.delivery = arrivals.delivery
        self.close_condition = ""
        self.is_closing = False
        self.is_ended = False
        self.is_detached = False

    # How far it has come.

    @property
    def state(self) -> StreamState:
        """How far the stream has come."""
        return self._login.state

    @property
    def session_id(self) -> SessionId | None:
        """The session, once bound."""
        return self._login.session_id

    @property
    def jid(self) -> JID:
        """The full JID, of a stream that is bound."""
        return self._context.jid

    @property
    def is_backlogged(self) -> bool:
        """Whether reading should stop: stanzas wait for those before them, or too much is under way."""
        return self._inbound.is_waiting or self._runner.is_full

    @property
    def number(self) -> int:
        """Stanzas since the bind, the one at work included. Commands go under it."""
        return self._runner.number

    @property
    def handled_count(self) -> int:
        """Stanzas since the bind that are done with, without a gap: their commands, if any, had their outcome."""
        return self._runner.handled_count

    def progress_to_report(self) -> Progress | None:
        """Return how far the session has come if its mark should move, else None; what is returned counts as told."""
        return self._reports.take(self._runner.handled_count)

    def requests_to_tell(self) -> tuple[OpenRequest, ...]:
        """Return the IQ requests that the command now submitted covers first; `requests_told` if it was taken."""
        runner = self._runner
        return self._requests.to_tell(runner.number, command=runner.command_number)

    def requests_told(self, requests: tuple[OpenRequest, ...]) -> None:
        """Take note that a command which covers these is under way."""
        self._requests.told(requests)

    # What arrives.

    def receive_data(self, data: bytes) -> None:
        """Take bytes of the client (over WebSocket: one message)."""
        if not self.is_closing:
            self._inbound.receive(data)

    def receive_event(self, event: Event) -> None:
        """Take an event of the session."""
        if self._held_events is not None:
            self._held_events.append(event)
        elif type(event) is SessionEnded:
            if isinstance(self._runner.effect, Execute):
                self._postponed_end = event  # the stream asked for what ended it, and is owed the answer
            else:
                self.close(event.reason)
        elif not self.is_closing and self._arrivals.take(event):
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
        if not self._runner.settle(number, outcome):
            self.close("reset", "This session is over.")

    # What is to be sent, and done.

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
        return self._inbound.release()

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
            elif type(effect) is Submit or self._may_begin(effect):
                runner.take(effect)
                return effect
            else:
                return None
        return None

    def _may_begin(self, effect: Effect) -> bool:
        if self._runner.has_pending and not self.is_closing:
            return False
        if type(effect) in _ANSWERED_FIRST:
            self._held_events = []
        return True

    def resume(self, answer: object = None) -> None:
        """Answer the effect that was taken last."""
        effect = self._runner.give_back()
        if effect is None:
            return
        if type(effect) is Propose:
            if isinstance(answer, Stale):
                self.close("reset", "This session is over.")
                return
            self._management.count_replicated(self._runner.number)
        self._advance(answer)

    def throw(self, error: Exception) -> None:
        """Answer the effect that was taken last by an error."""
        if self._runner.give_back(has_failed=True) is not None:
            self._advance(None, error)

    def _begin_next(self) -> bool:
        """Begin work on the next element; False when there is none, or it has to wait."""
        if self.is_closing:
            return False
        if self.delivery.is_due:
            self._run(self._arrivals.catch_up())
            return True
        event = self._inbound.take()
        if event is None:
            return False
        steps = self._inbound.begin(event)
        if steps is not None:
            self._runner.begin(steps)
            self._advance(None)
        return True

    def _run(self, steps: Steps) -> None:
        self._runner.begin(steps)
        self._advance(None)

    def _advance(self, answer: object, error: Exception | None = None) -> None:
        """Run the handler up to its next effect; after its end, do what it changed of the stream."""
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
            return
        if result is RESTART and not self._inbound.restart():
            # What came before its time was not sent in good faith.
            self.close("policy-violation", "Wait for the stream to restart.")
        if self._held_events is not None or self._postponed_end is not None:
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

    # Ends.

    def close(self, condition: str = "", text: str = "", detail: Element | None = None) -> None:
        """End the stream from our side, with a stream error or in peace; only the first time counts."""
        if self.is_closing:
            return
        if condition and not self._outbound.has_header:
            self._inbound.answer_header(None)
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

    def _wind_up(self) -> None:
        """Drop what was under way and say farewell."""
        self.is_closing = True
        self._inbound.close()
        self._held_events = None
        self._runner.drop()
        context = self._context
        if context.session_id is not None and context.directed_presence and not self.is_detached:
            self._run(farewells(context))
        else:
            self.is_ended = True
