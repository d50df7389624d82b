"""A component against the service in one process: bytes in, effects on the real state machine, bytes out."""

from __future__ import annotations

import hashlib
import itertools
import re
from typing import Any

from raftline.base.errors import Refused
from raftline.base.ids import Epochs, NodeId, SessionId
from raftline.machine.commands import EndSession, KeyOrigin, MarkSessions, SessionMark, SessionOrigin
from raftline.machine.components.commands import ConnectComponent
from raftline.machine.outcomes import Bound, Done, Rejected
from raftline.xmpp.components.framing import ComponentFraming
from raftline.xmpp.components.stream import ComponentStream
from raftline.xmpp.effects import Ask, Effect, Route, Submit
from raftline.xmpp.effects import ConnectComponent as Connect
from xmpp_im.playbook import DOMAIN
from xmpp_im.service import NODES, Service

LABEL, SECRET = "irc", "shared"
HOST = f"{LABEL}.{DOMAIN}"
PUPPET = f"bob@{HOST}"


def header(to: str = HOST, namespace: str = "jabber:component:accept") -> bytes:
    """Open a stream."""
    streams = "http://etherx.jabber.org/streams"
    return f"<?xml version='1.0'?><stream:stream xmlns='{namespace}' xmlns:stream='{streams}' to='{to}'>".encode()


def proof(opened: bytes, secret: str = SECRET) -> str:
    """Compute what a component shows, of the stream's header (XEP-0114 section 3)."""
    match = re.search(rb" id='([^']+)'", opened)
    assert match is not None, opened
    return hashlib.sha1(match[1] + secret.encode(), usedforsecurity=False).hexdigest()


class Component:
    """One stream under test, of a service that has its label configured."""

    def __init__(self, service: Service, *, node_id: NodeId = NODES[0]) -> None:
        self.service = service
        self.node_id = node_id
        self._previous = 0
        numbers = itertools.count(1)
        self.stream = ComponentStream(
            DOMAIN,
            {LABEL: SECRET},
            service.modules,
            framing=ComponentFraming(262_144),
            epochs=Epochs(1),
            entropy=lambda count: next(numbers).to_bytes(count, "big"),
        )

    def feed(self, data: bytes | str) -> bytes:
        """Send bytes, carry out what they cause, and return what came back at once."""
        self.stream.receive_data(data.encode() if isinstance(data, str) else data)
        return self.take()

    def take(self) -> bytes:
        """Carry out what there is to do, and return what was sent since the last look; marks become commands."""
        self._run()
        sent = b"".join(self.stream.data_to_send())
        progress = self.stream.progress_to_report()
        if progress is not None and self.stream.session_id is not None:
            mark = SessionMark(self.stream.session_id, 1, progress.inbound_count, progress.acknowledged)
            self.service.apply(MarkSessions((mark,)), None)
        return sent

    def connect(self) -> bytes:
        """Go through the handshake; return the last answer."""
        return self.feed(f"<handshake>{proof(self.feed(header()))}</handshake>")

    def pong(self, sent: bytes) -> bytes:
        """Answer the ping among what was sent, and return what comes then."""
        match = re.search(rb"<iq [^>]*id='([^']+)'><ping ", sent)
        assert match is not None, sent
        return self.feed(f"<iq from='{HOST}' to='{DOMAIN}' type='error' id='{match[1].decode()}'/>")

    def end(self) -> None:
        """Lose the connection, as its node would see it."""
        session_id = self.stream.session_id
        self.stream.connection_lost()
        self._run()
        assert self.stream.is_ended
        if session_id is not None:
            self.service.streams.pop(session_id, None)
            self.service.apply(EndSession(session_id, 1), None)

    def _run(self) -> None:
        stream = self.stream
        while (effect := stream.next_effect()) is not None:
            if isinstance(effect, Submit):
                number = stream.number
                stream.resume()
                session_id = stream.session_id
                assert session_id is not None
                outcome = self.service.apply(effect.action, SessionOrigin(session_id, 1, number, self._previous))
                self._previous = number
                stream.receive_outcome(number, outcome)
                continue
            try:
                answer = self._answer(effect)
            except Refused as refused:
                stream.throw(refused)
            else:
                stream.resume(answer)

    def _answer(self, effect: Effect) -> Any:
        service = self.service
        match effect:
            case Ask():
                return service.machine.answer(effect.query)
            case Route():
                return service.route(effect.session_id, effect.stanza)
            case Connect():
                return self._connect(effect.label)
        raise AssertionError(effect)

    def _connect(self, label: str) -> Bound:
        """Hold the component; as in a node, the stream is known before events of the command reach it."""
        session_id = SessionId(1 + self._last_session())
        self.service.streams[session_id] = self.stream
        outcome = self.service.apply(ConnectComponent(label, self.node_id, 1), KeyOrigin(self.service.key()))
        if isinstance(outcome, Rejected):
            del self.service.streams[session_id]
            raise Refused(*outcome)
        assert isinstance(outcome, Done)
        assert isinstance(outcome.result, Bound)
        assert outcome.result.session_id == session_id
        return outcome.result

    def _last_session(self) -> int:
        row = self.service.machine._context.counters.get("session")  # the tests' own shortcut
        return 0 if row is None else row.value


def service_with_component(*accounts: str) -> tuple[Service, Component]:
    """Make a service with accounts, and a component that is connected."""
    service = Service(*accounts, components=(LABEL,))
    component = Component(service)
    assert component.connect() == b"<handshake/>"
    return service, component
