"""A script against one stream: bytes in, effects answered by hand or by rule, bytes out."""

from __future__ import annotations

import itertools
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any

import scramp

from raftline.base.ids import Epochs, SessionId
from raftline.machine.commands import Credential
from raftline.machine.outcomes import Bound
from raftline.xmpp.catalog import all_modules
from raftline.xmpp.effects import Barrier, Effect, OpenSession
from raftline.xmpp.framing import TCPFraming, WebSocketFraming
from raftline.xmpp.negotiation import StreamSettings
from raftline.xmpp.sasl import derive_credentials
from raftline.xmpp.stream import ClientStream

DOMAIN = "localhost"
MODULES = all_modules()
HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
    b" to='localhost' version='1.0'>"
)
OPEN = b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"
PASSWORD = "pencil"
CREDENTIALS = derive_credentials(PASSWORD, lambda count: b"s" * count, 4096)


class Playbook:
    """
    One stream under test.

    `sent` collects what the client got since it was last read by `take`.
    """

    def __init__(
        self,
        *,
        websocket: bool = False,
        is_secure: bool = False,
        stanza_bytes_max: int = 262_144,
        bindings: Mapping[str, bytes] | None = None,
        **kw: Any,
    ):
        settings = {
            "domain": DOMAIN,
            "allow_plaintext": True,
            "open_registration": True,
            "has_tls": True,
            "decoy_key": b"decoy",
        } | kw
        numbers = itertools.count(1)
        self.framing = WebSocketFraming(stanza_bytes_max) if websocket else TCPFraming(stanza_bytes_max)
        self.stream = ClientStream(
            StreamSettings(**settings),
            MODULES,
            framing=self.framing,
            is_secure=is_secure,
            epochs=Epochs(1),
            entropy=lambda count: next(numbers).to_bytes(count, "big"),
            bindings=bindings or {},
        )

    def take(self) -> bytes:
        """Return what was sent since the last look."""
        return b"".join(self.stream.data_to_send())

    def feed(self, data: bytes) -> None:
        self.stream.receive_data(data)

    def effect(self) -> Effect | None:
        return self.stream.next_effect()

    def expect(self, kind: type) -> Any:
        """Take the next effect, which is of this kind."""
        effect = self.stream.next_effect()
        assert type(effect) is kind, effect
        return effect

    def answer(self, kind: type, value: object = None) -> Any:
        """Take the next effect, which is of this kind, and answer it."""
        effect = self.expect(kind)
        self.stream.resume(value)
        return effect

    def run(self, rules: dict[type, Callable[[Any], object]] | None = None) -> list[Effect]:
        """Answer effects by rule until there are none; return them."""
        effects = []
        while (effect := self.stream.next_effect()) is not None:
            effects.append(effect)
            self.stream.resume((rules or {}).get(type(effect), lambda _: None)(effect))
        return effects

    def exchange(self, data: bytes, rules: dict[type, Callable[[Any], object]] | None = None) -> bytes:
        """Feed, answer by rule, and return what was sent."""
        self.feed(data)
        self.run(rules)
        return self.take()

    def open(self) -> bytes:
        return self.exchange(OPEN if isinstance(self.framing, WebSocketFraming) else HEADER)

    def authenticate(self, mechanism: str = "SCRAM-SHA-256", password: str = PASSWORD) -> bytes:
        """Go through SCRAM with a client that is not ours; return the last reply."""
        client = scramp.ScramClient([mechanism], "alice", password)
        challenge = self.exchange(auth(mechanism, client.get_client_first().encode()), credential_rules(CREDENTIALS))
        client.set_server_first(payload(challenge).decode())
        reply = self.exchange(response(client.get_client_final().encode()))
        if reply.startswith(b"<success"):
            client.set_server_final(payload(reply).decode())
        return reply

    def bind(self, resource: str = "home") -> bytes:
        reply = self.exchange(bind_request(resource), {OpenSession: lambda _: Bound(SessionId(7), 1)})
        self.stream.progress_to_report()
        return reply

    def log_in(self) -> Playbook:
        """Open, authenticate and bind as alice@localhost/home."""
        self.open()
        assert b"<success" in self.authenticate()
        self.open()
        assert b"alice@localhost/home" in self.bind()
        return self


def credential_rules(credentials: tuple[Credential, ...]) -> dict[type, Callable[[Any], object]]:
    from raftline.xmpp.effects import Ask

    return {Barrier: lambda _: None, Ask: lambda _: credentials}


def bind_request(resource: str) -> bytes:
    return (
        "<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
        f"<resource>{resource}</resource></bind></iq>"
    ).encode()


def auth(mechanism: str, initial: bytes) -> bytes:
    text = b64encode(initial).decode() if initial else ""
    return f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{text}</auth>".encode()


def response(data: bytes) -> bytes:
    return b"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + b64encode(data) + b"</response>"


def payload(element: bytes) -> bytes:
    """Decode what a SASL element carries."""
    return b64decode(element[element.index(b">") + 1 : element.rindex(b"</")])


def error(condition: str) -> bytes:
    """Write the beginning of a stream error."""
    return f"<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>".encode()


def header(**changes: str) -> bytes:
    """Write a header with other attributes; an empty one is left out."""
    attributes = {
        "xmlns": "jabber:client",
        "xmlns:stream": "http://etherx.jabber.org/streams",
        "to": "localhost",
        "version": "1.0",
    } | changes
    written = "".join(f" {name}='{value}'" for name, value in attributes.items() if value)
    return f"<stream:stream{written}>".encode()
