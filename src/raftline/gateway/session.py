"""
One client: its bytes, its stream, its session in the system, and what flows between them.

    socket ──receive_data──> ClientStream ──effects──> Node, Session
       ^                          │  ^                      │
       └──────write (one a turn)──┘  └─events, outcomes─────┘

The stream decides; this file carries out. What does not block is carried out on the spot: a message goes from the
socket's bytes to `Session.submit` without a task. What blocks is one task at a time, held here, since the stream
waits for it anyway.

Writing happens once in a turn of the loop: whoever makes bytes calls `touch`, and the gateway flushes all that were
touched together. Reading stops while the stream is backlogged or the client does not read what it is sent; of a
session with stream management, deliveries then wait in the replicated state, not here (xmpp/delivery.py).

The end: `ClientStream.is_ended`, then the last bytes, then `Session.end`, or `Session.detach` where the session waits
to be resumed, in the background (which may have to wait for a quorum), and the transport is closed in a way that lets
the client read our last words: our direction first, then, after the client's or a bounded time, all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from raftline.base.errors import OutcomeUnknown, Refused, Unavailable
from raftline.base.ids import NodeId
from raftline.machine.commands import BindSession
from raftline.machine.message_commands import SendEphemeral, SendMessage, SendPoll, SendSealed
from raftline.machine.outcomes import Bound, Event, Gone, LoggedIn, Outcome, Resumed, SessionEnded
from raftline.machine.polls.commands import AskInRoom
from raftline.machine.rooms.commands import SpeakInRoom
from raftline.machine.view_once.commands import SealInRoom
from raftline.xmpp import effects
from raftline.xmpp.components.stream import ComponentStream
from raftline.xmpp.effects import Effect
from raftline.xmpp.framing import Framing
from raftline.xmpp.negotiation import StreamState
from raftline.xmpp.sasl import check_password, derive_credentials
from raftline.xmpp.stream import ClientStream

if TYPE_CHECKING:
    from raftline.gateway.server import Gateway
    from raftline.node.door import Session

WRITE_BUFFER_BYTES_HIGH: Final = 262_144
"""Reading stops while so much waits for the client to read it."""

KEY_BYTES: Final = 16

MESSAGE_ACTIONS: Final = frozenset(
    {SendMessage, SendEphemeral, SendPoll, SendSealed, SpeakInRoom, AskInRoom, SealInRoom}
)
"""What counts as a message in the figures."""

_log = structlog.get_logger(__name__)


class Transport(Protocol):
    """What a session asks of its connection."""

    @property
    def buffered_bytes(self) -> int:
        """Bytes that the client has not taken yet."""

    def write(self, messages: list[bytes]) -> None:
        """Send; each item is one message where the transport knows messages."""

    def pause_reading(self) -> None:
        """Stop handing over data. Idempotent."""

    def resume_reading(self) -> None:
        """Hand over data again. Idempotent."""

    def start_tls(self) -> None:
        """Take what comes next as a TLS handshake; `ClientSession.tls_established` follows."""

    def close(self) -> None:
        """Send what is buffered, then end our direction, then the connection. Idempotent."""

    def abort(self) -> None:
        """End the connection at once."""


class ClientSession:
    """
    A client's connection, or a component's, from its first byte to its last. Implements node.door.SessionReceiver.

    Args:
        framing: New; without `stream`, what is there is a client's.
        stream: Of a component, new.

    All calls come from the loop of the gateway, and none raises.
    """

    __slots__ = (
        "_effect",
        "_gateway",
        "_has_session_ended",
        "_is_finished",
        "_is_lost",
        "_session",
        "_task",
        "_transport",
        "active_ns",
        "closing_since_ns",
        "effect_since_ns",
        "is_touched",
        "opened_ns",
        "stream",
    )

    def __init__(
        self,
        gateway: Gateway,
        transport: Transport,
        framing: Framing,
        *,
        is_secure: bool,
        bindings: Mapping[str, bytes] = MappingProxyType({}),
        stream: ComponentStream | None = None,
    ) -> None:
        self._gateway = gateway
        self._transport = transport
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None
        self._effect: Effect | None = None
        self._has_session_ended = False
        self._is_finished = False
        self._is_lost = False
        self.is_touched = False
        self.opened_ns = self.active_ns = gateway.clock()
        self.closing_since_ns: int | None = None
        self.effect_since_ns: int | None = None
        self.stream: ClientStream | ComponentStream = stream or ClientStream(
            gateway.stream_settings,
            gateway.modules,
            framing=framing,
            is_secure=is_secure,
            epochs=gateway.node.epochs,
            entropy=gateway.entropy,
            bindings=bindings,
        )

    # What the transport tells.

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client (over WebSocket: one message)."""
        self.active_ns = self._gateway.clock()
        self._gateway.received_bytes_total += len(data)
        try:
            self.stream.receive_data(data)
            self._pump()
        except Exception:  # noqa: BLE001  # whatever one client triggers, the others are not to feel it
            self._crash()
        self.touch()

    def tls_established(self, bindings: Mapping[str, bytes]) -> None:
        """Go on after the handshake; `bindings` are the data of each type of channel binding that this TLS has."""
        if isinstance(self._effect, effects.StartTls):
            self._answer(self._effect, bindings)

    def writing_resumed(self) -> None:
        """Look again whether to read, now that the client read."""
        self.touch()

    def connection_lost(self) -> None:
        """Take note that the connection is gone."""
        if not self._is_lost:
            self._is_lost = True
            self.stream.connection_lost()
            self.touch()

    # What the system tells (node.door.SessionReceiver).

    def receive_event(self, event: Event) -> None:
        """Take an event of the session."""
        if type(event) is SessionEnded:
            self._has_session_ended = True
        try:
            self.stream.receive_event(event)
        except Exception:  # noqa: BLE001  # as above
            self._crash()
        self.touch()

    def receive_stanza(self, stanza: bytes) -> None:
        """Take a stanza that travelled off the log."""
        self.stream.receive_stanza(stanza)
        self.touch()

    def receive_progress(self, inbound_count: int) -> None:
        """Take note of what is settled."""
        self.stream.receive_progress(inbound_count)
        self.touch()

    def _receive_outcome(self, number: int, outcome: Outcome) -> None:
        if not self.stream.is_closing:
            self.stream.receive_outcome(number, outcome)
            self.touch()

    # Turns.

    def touch(self) -> None:
        """Ask for a turn at the end of this one of the loop."""
        if not self.is_touched:
            self.is_touched = True
            self._gateway.touch(self)

    def turn(self) -> None:
        """Go on with what can go on, write what there is, and decide whether to read. Called by the gateway."""
        self.is_touched = False
        try:
            self._pump()
            self._flush()
        except Exception:  # noqa: BLE001  # as above
            self._crash()
            self._flush()

    def _flush(self) -> None:
        stream = self.stream
        messages = stream.data_to_send()
        if messages and not self._is_lost:
            self._transport.write(messages)
        if self._session is not None:
            progress = stream.progress_to_report()
            if progress is not None:
                self._session.progress(*progress)
        if stream.is_closing:
            self._wind_up()
            return
        waiting = self._transport.buffered_bytes
        stream.delivery.is_congested = waiting > WRITE_BUFFER_BYTES_HIGH
        if waiting > self._gateway.settings.write_buffer_bytes_max:
            self.close("resource-constraint", "You do not read what you are sent.")
            return
        if stream.delivery.is_due:
            self.touch()
        if stream.is_backlogged or stream.delivery.is_congested:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # Effects.

    def _pump(self) -> None:
        """Carry out effects until the stream has none, or one blocks."""
        stream = self.stream
        while (effect := stream.next_effect()) is not None:
            kind = type(effect)
            if kind is effects.Submit:
                self._submit(effect)
            elif kind is effects.Route:
                stream.resume(self._gateway.node.route(effect.session_id, effect.stanza))  # type: ignore[union-attr]  # kind says it
            else:
                self._drop_task()
                self._begin(effect)

    def _submit(self, effect: Any) -> None:
        stream, session = self.stream, self._session
        assert session is not None, "only bound streams submit"
        number = stream.number
        self._gateway.submitted_total += 1
        if type(effect.action) in MESSAGE_ACTIONS:
            self._gateway.messages_total += 1
        try:
            requests = stream.requests_to_tell()
            session.submit(number, effect.action, partial(self._receive_outcome, number), requests)
        except Unavailable as error:
            stream.throw(error)
        else:
            stream.requests_told(requests)
            stream.resume()

    def _begin(self, effect: Effect) -> None:
        """Begin an effect that blocks."""
        self._effect = effect
        self.effect_since_ns = self._gateway.clock()
        if isinstance(effect, effects.StartTls):
            messages = self.stream.data_to_send()  # <proceed/> goes before the handshake
            self._transport.write(messages)
            self._transport.start_tls()
        elif isinstance(effect, effects.Propose):
            self._propose(effect)
        else:
            self._task = self._gateway.loop.create_task(self._carry_out(effect))

    def _propose(self, effect: effects.Propose) -> None:
        assert self._session is not None, "only bound streams propose"
        try:
            requests = self.stream.requests_to_tell()
            self._session.submit(self.stream.number, effect.action, partial(self._answer, effect), requests)
        except Unavailable as error:
            self._effect = self.effect_since_ns = None
            self.stream.throw(error)
        else:
            self.stream.requests_told(requests)

    async def _carry_out(self, effect: Effect) -> None:
        try:
            answer = await self._perform(effect)
        except (Refused, Unavailable, OutcomeUnknown) as error:
            self._answer(effect, error)
        except Exception:  # noqa: BLE001  # as above
            if self._effect is effect:
                self._crash()
                self.touch()
        else:
            self._answer(effect, answer)

    def _answer(self, effect: Effect, answer: object) -> None:
        """Hand the answer of an effect to the stream, unless it was dropped meanwhile."""
        if self._effect is not effect:
            return
        self._effect = self._task = self.effect_since_ns = None
        try:
            if isinstance(answer, Exception):
                self.stream.throw(answer)
            else:
                self.stream.resume(answer)
        except Exception:  # noqa: BLE001  # as above
            self._crash()
        self.touch()

    async def _perform(self, effect: Effect) -> object:
        node = self._gateway.node
        match effect:
            case effects.Ask():
                return await node.ask(effect.query)
            case effects.Barrier():
                await node.barrier()
                return None
            case effects.AwaitReplicas():
                await node.await_replicas(effect.localpart)
                return None
            case effects.Execute():
                return await self._execute(effect)
            case effects.OpenSession():
                return await self._open_session(effect)
            case effects.EnableManagement():
                assert self._session is not None, "only bound streams enable it"
                await self._session.enable_management(effect.inbound_base, effect.token, effect.timeout_s)
                return None
            case effects.ResumeSession():
                return await self._resume_session(effect)
            case effects.LogIn():
                return await self._log_in(effect)
            case effects.ConnectComponent():
                return await self._connect_component(effect)
            case effects.DeriveCredentials():
                return await self._derive_credentials(effect)
            case effects.CheckPassword():
                return await self._gateway.run_aside(check_password, effect.password, effect.credential)
            case _:
                raise AssertionError(f"no way to carry out {effect}")

    async def _execute(self, effect: effects.Execute) -> Outcome:
        """Retry under one key until the outcome is known; the client waits, or goes."""
        key = self._gateway.entropy(KEY_BYTES)
        while True:
            try:
                return await self._gateway.node.execute(effect.action, key=key)
            except OutcomeUnknown:
                _log.info("outcome unknown, asking again", action=type(effect.action).__name__)

    async def _open_session(self, effect: effects.OpenSession) -> Bound:
        # The node knows its own number and life better than an edge does.
        bind = BindSession(effect.localpart, effect.resource, NodeId(0), 0)
        session = await self._gateway.node.open_session(bind, self)
        self._session = session
        self._gateway.bound_total += 1
        return Bound(session.session_id, session.epoch)

    async def _resume_session(self, effect: effects.ResumeSession) -> Resumed | Gone:
        node = self._gateway.node
        answer = await node.resume_session(effect.localpart, effect.session_id, effect.token, self)
        if isinstance(answer, Gone):
            return answer
        self._session, resumed = answer
        self._gateway.resumed_total += 1
        return resumed

    async def _log_in(self, effect: effects.LogIn) -> LoggedIn:
        gateway = self._gateway
        session, logged_in = await gateway.node.log_in(effect.action, self)
        self._session = session
        gateway.bound_total += logged_in.bound is not None
        gateway.resumed_total += logged_in.resumed is not None
        return logged_in

    async def _connect_component(self, effect: effects.ConnectComponent) -> Bound:
        session = await self._gateway.node.connect_component(effect.label, self)
        self._session = session
        self._gateway.bound_total += 1
        return Bound(session.session_id, session.epoch)

    async def _derive_credentials(self, effect: effects.DeriveCredentials) -> object:
        gateway = self._gateway
        try:
            return await gateway.run_aside(derive_credentials, effect.password, gateway.entropy)
        except ValueError as error:
            raise Refused("not-acceptable", "modify", "This cannot be a password.") from error

    # Ends.

    def close(self, condition: str = "", text: str = "") -> None:
        """End the stream from our side."""
        self.stream.close(condition, text)
        self.touch()

    def check_deadlines(self, now_ns: int) -> None:
        """End what takes too long (promise P6); free what an idle connection does not need. Called now and then."""
        settings = self._gateway.settings
        stream = self.stream
        pending_since_ns = None if self._session is None else self._session.pending_since_ns
        if self.closing_since_ns is not None:
            if _is_older(self.closing_since_ns, now_ns, settings.close_timeout_ms):
                self._finish()
                self.abort()
        elif stream.state is not StreamState.BOUND and _is_older(
            self.opened_ns, now_ns, settings.authentication_timeout_ms
        ):
            self.close("connection-timeout", "Authenticate and bind a resource sooner.")
        elif _is_older(pending_since_ns, now_ns, settings.settle_timeout_ms) or _is_older(
            self.effect_since_ns, now_ns, 2 * settings.settle_timeout_ms
        ):
            # Waiting for the system has bounds of its own, so an effect gets twice the time to be refused by it.
            self.close("resource-constraint", "The servers cannot agree right now.")
        elif isinstance(stream, ComponentStream) and stream.is_overdue(now_ns):
            self.close("connection-timeout", "You answer no more.")
        elif _is_older(self.active_ns, now_ns, settings.release_after_ms):
            stream.release()

    def abort(self) -> None:
        """Cut the connection off."""
        self._transport.abort()

    def _crash(self) -> None:
        """End the stream after a fault of ours."""
        _log.exception("a stream failed", jid=None if self.stream.session_id is None else str(self.stream.jid))
        self.stream.close("internal-server-error")

    def _drop_task(self) -> None:
        """Give up the effect that the stream gave up."""
        if self._task is not None:
            self._task.cancel()
        self._effect = self._task = self.effect_since_ns = None

    def _wind_up(self) -> None:
        """End the session and the transport once the stream has said everything."""
        if self.closing_since_ns is None:
            self.closing_since_ns = self._gateway.clock()
            self._gateway.count_stream_end(self.stream.close_condition)
        self._transport.close()
        if self.stream.is_ended:
            self._finish()
        if self._is_finished and self._is_lost:
            self._gateway.forget(self)

    def _finish(self) -> None:
        """End the session; nothing is expected of the stream any more."""
        if not self._is_finished:
            self._is_finished = True
            self._drop_task()
            session, self._session = self._session, None  # it holds us: no cycle is left to the collector
            if session is not None and not self._has_session_ended:
                self._gateway.run_held(session.detach() if self.stream.is_detached else session.end())


def _is_older(since_ns: int | None, now_ns: int, limit_ms: int) -> bool:
    return since_ns is not None and now_ns - since_ns > limit_ms * 1_000_000
