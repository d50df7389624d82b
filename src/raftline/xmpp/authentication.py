"""
Authentication of a stream: the elements of SASL around the exchanges of sasl.py (RFC 6120 section 6).

    <auth mechanism='…'>initial</auth>   ──>
                                         <──  <challenge>…</challenge>
    <response>…</response>               ──>
                                         <──  <success>…</success> | <failure><condition/></failure>

Credentials are read behind a barrier: an account made on another node a moment ago can log in here.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Generator
from typing import Any, Final, NamedTuple

from raftline.base.errors import Unavailable
from raftline.machine.commands import Credential
from raftline.machine.queries import CredentialsOf
from raftline.xmpp.effects import Barrier, CheckPassword, Effect, ask
from raftline.xmpp.element import Element
from raftline.xmpp.negotiation import SASL_NAMESPACE, StreamSettings
from raftline.xmpp.sasl import (
    NONCE_BYTES,
    SCRAM_HASHES,
    SASLFailed,
    ScramExchange,
    decode_base64,
    decoy_credential,
    find_credential,
    parse_plain,
)

AUTHENTICATION_FAILURE_COUNT_MAX: Final = 3
"""Failed attempts of one stream; RFC 6120 section 6.4.4 allows for two to five retries."""


class AuthenticationReply(NamedTuple):
    """What to send, and who the stream belongs to from now on; empty unless it succeeded."""

    element: Element
    localpart: str = ""


AuthenticationSteps = Generator[Effect, Any, AuthenticationReply]


class Authentication:
    """
    The attempts of one stream to authenticate.

    Attributes:
        failure_count: Attempts that failed.
    """

    __slots__ = ("_entropy", "_exchange", "_settings", "_wants_initial", "failure_count")

    def __init__(self, settings: StreamSettings, entropy: Callable[[int], bytes]) -> None:
        self._settings = settings
        self._entropy = entropy
        self._exchange: ScramExchange | None = None
        self._wants_initial = ""
        self.failure_count = 0

    def handle(self, element: Element, mechanisms: tuple[str, ...]) -> AuthenticationSteps:
        """Take `<auth/>`, `<response/>` or `<abort/>`; `mechanisms` are those on offer."""
        try:
            return (yield from self._step(element, mechanisms))
        except SASLFailed as failed:
            condition = failed.condition
        except Unavailable:
            condition = "temporary-auth-failure"
        self._exchange = None
        self._wants_initial = ""
        self.failure_count += 1
        return AuthenticationReply(Element("failure", SASL_NAMESPACE, {}, [Element(condition, SASL_NAMESPACE)]))

    def _step(self, element: Element, mechanisms: tuple[str, ...]) -> AuthenticationSteps:
        if element.name == "abort":
            raise SASLFailed("aborted")
        if element.name == "auth":
            mechanism = element.get("mechanism")
            if not mechanisms:
                raise SASLFailed("encryption-required")
            if mechanism not in mechanisms:
                raise SASLFailed("invalid-mechanism")
            self._exchange = None
            if not element.text:
                # No initial response: the client waits for an empty challenge (RFC 6120 section 6.4.2).
                self._wants_initial = mechanism
                return AuthenticationReply(Element("challenge", SASL_NAMESPACE))
            return (yield from self._begin(mechanism, _payload(element)))
        if self._wants_initial:
            mechanism, self._wants_initial = self._wants_initial, ""
            return (yield from self._begin(mechanism, _payload(element)))
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            raise SASLFailed("malformed-request")
        return _success(exchange.localpart, exchange.receive_final(_payload(element)))

    def _begin(self, mechanism: str, initial: bytes) -> AuthenticationSteps:
        if mechanism == "PLAIN":
            return (yield from self._check_plain(initial))
        exchange = ScramExchange(
            mechanism,
            domain=self._settings.domain,
            nonce=self._entropy(NONCE_BYTES),
            decoy_key=self._settings.decoy_key,
        )
        exchange.receive_first(initial)
        challenge = exchange.challenge((yield from _read_credentials(exchange.localpart)))
        self._exchange = exchange
        return AuthenticationReply(_with_payload("challenge", challenge))

    def _check_plain(self, initial: bytes) -> AuthenticationSteps:
        localpart, password = parse_plain(initial, self._settings.domain)
        credentials = yield from _read_credentials(localpart)
        known = next(filter(None, (find_credential(credentials, mechanism) for mechanism in SCRAM_HASHES)), None)
        decoy = decoy_credential("SCRAM-SHA-256", localpart, self._settings.decoy_key)
        is_right: bool = yield CheckPassword(password, known or decoy)
        if not is_right or known is None:
            raise SASLFailed("not-authorized")
        return _success(localpart, b"")


def _read_credentials(localpart: str) -> Generator[Effect, Any, tuple[Credential, ...]]:
    yield Barrier()
    credentials: tuple[Credential, ...] = yield from ask(CredentialsOf(localpart), tuple)
    return credentials


def _payload(element: Element) -> bytes:
    """Decode what the element carries; `=` stands for nothing at all (RFC 6120 section 6.4.2)."""
    text = element.text
    return b"" if text == "=" else decode_base64(text)


def _with_payload(name: str, payload: bytes) -> Element:
    return Element(name, SASL_NAMESPACE, {}, [b64encode(payload).decode()])


def _success(localpart: str, payload: bytes) -> AuthenticationReply:
    element = _with_payload("success", payload) if payload else Element("success", SASL_NAMESPACE)
    return AuthenticationReply(element, localpart)
