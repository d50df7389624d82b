"""A client of SASL2 against one stream, and a system that remembers logins."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from typing import Any
from xml.etree import ElementTree as ET

import scramp

from raftline.base.ids import SessionId
from raftline.machine.login.commands import LogIn
from raftline.machine.outcomes import Bound, LoggedIn
from raftline.machine.queries import (
    ArchiveEnds,
    CredentialsOf,
    InboxPage,
    KnownToken,
    LoginTokensOf,
    Picture,
    PictureOf,
)
from raftline.xmpp import effects
from raftline.xmpp.effects import Ask, Barrier, CheckPassword, Effect
from xmpp_core.playbook import CREDENTIALS, PASSWORD, Playbook, header

NS = "urn:xmpp:sasl:2"
NS_BIND2 = "urn:xmpp:bind:0"
NS_FAST = "urn:xmpp:fast:0"
NS_SM = "urn:xmpp:sm:3"
NS_CONDITION = "urn:ietf:params:xml:ns:xmpp-sasl"
CLIENT_ID = "d4565fa7-4d72-4749-b3d3-740edbf87770"
END_POINT = "tls-server-end-point"
BINDINGS = {END_POINT: b"hash of the certificate"}
BOUND = Bound(SessionId(7), 1)


class Sasl2(Playbook):
    """
    A stream over TLS, and what stands behind it.

    Attributes:
        tokens: What is kept of login tokens, whoever asks.
        logins: Commands that were run.
        outcome: What the next ones come to, made of the command; an exception is thrown.
        asked: Queries, in order.
    """

    def __init__(self, *, bindings: dict[str, bytes] | None = None, **kw: Any) -> None:
        super().__init__(is_secure=True, bindings=BINDINGS if bindings is None else bindings, **kw)
        self.tokens: list[KnownToken] = []
        self.logins: list[LogIn] = []
        self.outcome: LoggedIn | Exception | None = None
        self.asked: list[Any] = []
        self.ends: Any = None
        self.picture = Picture([], [])
        self.barrier_error: Exception | None = None

    def open(self, claimed: str = "") -> bytes:
        if claimed:
            return self.exchange(header(**{"from": claimed}))
        return super().open()

    def talk(self, data: bytes) -> bytes:
        """Feed, let the system answer, and return what was sent."""
        self.feed(data)
        while (effect := self.stream.next_effect()) is not None:
            answer = self.reply(effect)
            if isinstance(answer, Exception):
                self.stream.throw(answer)
            else:
                self.stream.resume(answer)
        return self.take()

    def reply(self, effect: Effect) -> object:
        """Return what the system answers; an exception is to be thrown."""
        match effect:
            case Barrier():
                return self.barrier_error
            case CheckPassword():
                return effect.password == PASSWORD
            case effects.LogIn():
                self.logins.append(effect.action)
                return self.outcome or _done(effect.action)
            case Ask():
                self.asked.append(effect.query)
                match effect.query:
                    case CredentialsOf():
                        return CREDENTIALS if effect.query.localpart == "alice" else ()
                    case LoginTokensOf():
                        return self.tokens
                    case ArchiveEnds():
                        return self.ends
                    case PictureOf():
                        return self.picture
                    case InboxPage():
                        return []
        raise AssertionError(effect)

    def plain(self, inline: str = "", password: str = PASSWORD, client_id: str = CLIENT_ID) -> bytes:
        """Authenticate by PLAIN, with this inside."""
        return self.talk(authenticate("PLAIN", b"\0alice\0" + password.encode(), inline, client_id))

    def scram(
        self,
        mechanism: str = "SCRAM-SHA-256-PLUS",
        inline: str = "",
        channel: bytes | None = None,
        password: str = PASSWORD,
    ) -> bytes:
        """Authenticate by SCRAM, with a client that is not ours; return the last reply."""
        binding = (END_POINT, BINDINGS[END_POINT] if channel is None else channel)
        plus = binding if mechanism.endswith("-PLUS") else None
        client = scramp.ScramClient([mechanism], "alice", password, channel_binding=plus)
        challenge = self.talk(authenticate(mechanism, client.get_client_first().encode(), inline))
        client.set_server_first(b64decode(tree(challenge).text or "").decode())
        reply = self.talk(respond(client.get_client_final().encode()))
        if b"<additional-data>" in reply:
            client.set_server_final(additional_data(reply).decode())
        return reply


def _done(action: LogIn) -> LoggedIn:
    return LoggedIn(None if action.bind is None else BOUND, None, None, 0 if action.issue is None else 1_000)


def authenticate(mechanism: str, initial: bytes | None, inline: str = "", client_id: str = CLIENT_ID) -> bytes:
    response = "" if initial is None else f"<initial-response>{b64encode(initial).decode()}</initial-response>"
    agent = f"<user-agent id='{client_id}'><software>Test</software></user-agent>" if client_id else ""
    return f"<authenticate xmlns='{NS}' mechanism='{mechanism}'>{response}{agent}{inline}</authenticate>".encode()


def respond(data: bytes) -> bytes:
    return f"<response xmlns='{NS}'>{b64encode(data).decode()}</response>".encode()


def hashed(token: str, channel: bytes = b"", name: str = "alice") -> bytes:
    """Write the first message of HT-SHA-256, as the draft has it."""
    return name.encode() + b"\0" + hmac.new(token.encode(), b"Initiator" + channel, hashlib.sha256).digest()


def responder(token: str, channel: bytes = b"") -> bytes:
    """Return what the server proves itself by."""
    return hmac.new(token.encode(), b"Responder" + channel, hashlib.sha256).digest()


def tree(data: bytes) -> ET.Element:
    """Parse the first element that was sent, as a client would."""
    names = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
    return ET.fromstring(f"<stream {names}>{data.decode()}</stream>")[0]


def condition(data: bytes) -> str:
    """Return the condition of a failure."""
    failure = tree(data)
    assert failure.tag == f"{{{NS}}}failure", data
    return failure[0].tag.removeprefix(f"{{{NS_CONDITION}}}")


def success(data: bytes) -> ET.Element:
    element = tree(data)
    assert element.tag == f"{{{NS}}}success", data
    return element


def identity(data: bytes) -> str:
    return success(data).findtext(f"{{{NS}}}authorization-identifier") or ""


def additional_data(data: bytes) -> bytes:
    return b64decode(success(data).findtext(f"{{{NS}}}additional-data") or "")


def mechanisms(features: bytes, namespace: str) -> list[str]:
    """Return the mechanisms that an element of this namespace offers in the features."""
    match = re.search(rb"<(\w+) xmlns='" + namespace.encode() + rb"'>(.*?)</\1>", features)
    return [] if match is None else [name.decode() for name in re.findall(rb"<mechanism>([^<]*)<", match[2])]
