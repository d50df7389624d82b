"""
Authentication of a stream: the attempts, whichever profile of SASL they come by.

    RFC 6120 section 6              XEP-0388                              here
    <auth/>                         <authenticate/>                       Authentication.begin
    <response/>                     <response/>                           Authentication.respond
    <abort/>                        <abort/>                              Authentication.abort
    <challenge/>                    <challenge/>                          Challenge
    <success/>                      <success/>                            Proven
    <failure/>                      <failure/>                            Failed

The elements of RFC 6120 are at the end of this file, those of XEP-0388 in xeps/xep_0388_sasl2.py.

Credentials and tokens are read behind a barrier: an account made on another node a moment ago can log in here, and a
token that another node has made worthless cannot.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Generator
from typing import Any, Final, NamedTuple

from raftline.base.errors import Unavailable
from raftline.machine.commands import Credential
from raftline.machine.queries import CredentialsOf, KnownToken, LoginTokensOf
from raftline.xmpp.effects import Barrier, CheckPassword, Effect, ask
from raftline.xmpp.element import Element
from raftline.xmpp.jid import JID
from raftline.xmpp.negotiation import SASL_NAMESPACE, StreamSettings
from raftline.xmpp.sasl import SCRAM_HASHES, SASLFailed, decode_base64, decoy_credential, find_credential
from raftline.xmpp.sasl_ht import HT_BINDINGS, find_proven, read_initial
from raftline.xmpp.sasl_plain import parse_plain
from raftline.xmpp.sasl_scram import NONCE_BYTES, PLUS, Offer, ScramExchange
from raftline.xmpp.stanza import LANG
from raftline.xmpp.xeps.xep_0474_downgrade_protection import downgrade_hash

AUTHENTICATION_FAILURE_COUNT_MAX: Final = 3
"""Failed attempts of one stream; RFC 6120 section 6.4.4 allows for two to five retries."""


class Attempt(NamedTuple):
    """
    What a client begins.

    Attributes:
        mechanism: As the client named it.
        offer: What it was offered.
        claimed: As in `check_authorization`.
        client: Names the client installation, whose tokens alone are looked at; empty for none.
    """

    mechanism: str
    offer: Offer
    claimed: JID | None = None
    client: bytes = b""


class Challenge(NamedTuple):
    """The client is to respond; `data` may be empty."""

    data: bytes


class Proven(NamedTuple):
    """
    The client is who it says.

    Attributes:
        data: Last message of the mechanism; empty for none.
        token: The one it was proved by, if any.
    """

    localpart: str
    data: bytes = b""
    token: KnownToken | None = None


class Failed(NamedTuple):
    """As SASLFailed."""

    condition: str
    text: str = ""


Answer = Challenge | Proven | Failed
AuthenticationSteps = Generator[Effect, Any, Answer]


class Authentication:
    """
    The attempts of one stream to authenticate.

    Attributes:
        failure_count: Attempts that failed.
    """

    __slots__ = ("_entropy", "_exchange", "_settings", "_waiting", "failure_count")

    def __init__(self, settings: StreamSettings, entropy: Callable[[int], bytes]) -> None:
        self._settings = settings
        self._entropy = entropy
        self._exchange: ScramExchange | None = None
        self._waiting: Attempt | None = None
        self.failure_count = 0

    def begin(self, attempt: Attempt, initial: bytes | None) -> AuthenticationSteps:
        """Begin with the client's first message; None asks for it by an empty challenge (RFC 4422 section 5)."""
        self._exchange = self._waiting = None
        return (yield from self._guarded(self._begin(attempt, initial)))

    def respond(self, data: bytes) -> AuthenticationSteps:
        """Go on with the client's next message."""
        return (yield from self._guarded(self._respond(data)))

    def abort(self) -> Failed:
        """Give the attempt up, as the client wishes."""
        return self.fail(SASLFailed("aborted"))

    def fail(self, failed: SASLFailed) -> Failed:
        """Give the attempt up, for what was wrong with it."""
        self._exchange = self._waiting = None
        self.failure_count += 1
        return Failed(failed.condition, failed.text)

    def _guarded(self, steps: AuthenticationSteps) -> AuthenticationSteps:
        try:
            return (yield from steps)
        except SASLFailed as failed:
            return self.fail(failed)
        except Unavailable:
            return self.fail(SASLFailed("temporary-auth-failure"))

    def _begin(self, attempt: Attempt, initial: bytes | None) -> AuthenticationSteps:
        if not attempt.offer.mechanisms:
            raise SASLFailed("encryption-required")
        if attempt.mechanism not in attempt.offer.mechanisms:
            raise SASLFailed("invalid-mechanism")
        if initial is None:
            self._waiting = attempt
            return Challenge(b"")
        if attempt.mechanism == "PLAIN":
            return (yield from self._check_plain(attempt, initial))
        if attempt.mechanism in HT_BINDINGS:
            return (yield from self._check_token(attempt, initial))
        return (yield from self._begin_scram(attempt, initial))

    def _respond(self, data: bytes) -> AuthenticationSteps:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            return (yield from self._begin(waiting, data))
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            raise SASLFailed("malformed-request")
        return Proven(exchange.localpart, exchange.receive_final(data))

    def _begin_scram(self, attempt: Attempt, initial: bytes) -> AuthenticationSteps:
        offer = attempt.offer
        hash_name = SCRAM_HASHES[attempt.mechanism.removesuffix(PLUS)]
        exchange = ScramExchange(
            attempt.mechanism,
            domain=self._settings.domain,
            nonce=self._entropy(NONCE_BYTES),
            decoy_key=self._settings.decoy_key,
            offer=offer,
            downgrade_hash=downgrade_hash(offer.mechanisms, offer.bindings, hash_name),
            claimed=attempt.claimed,
        )
        exchange.receive_first(initial)
        challenge = exchange.challenge((yield from _read_credentials(exchange.localpart)))
        self._exchange = exchange
        return Challenge(challenge)

    def _check_plain(self, attempt: Attempt, initial: bytes) -> AuthenticationSteps:
        localpart, password = parse_plain(initial, self._settings.domain, attempt.claimed)
        credentials = yield from _read_credentials(localpart)
        known = next(filter(None, (find_credential(credentials, mechanism) for mechanism in SCRAM_HASHES)), None)
        decoy = decoy_credential("SCRAM-SHA-256", localpart, self._settings.decoy_key)
        is_right: bool = yield CheckPassword(password, known or decoy)
        if not is_right or known is None:
            raise SASLFailed("not-authorized")
        return Proven(localpart)

    def _check_token(self, attempt: Attempt, initial: bytes) -> AuthenticationSteps:
        localpart, hashed = read_initial(initial)
        yield Barrier()
        known: list[KnownToken] = yield from ask(LoginTokensOf(localpart, attempt.client), list)
        channel = attempt.offer.bindings.get(HT_BINDINGS[attempt.mechanism], b"")
        proof = find_proven(attempt.mechanism, hashed, known, channel)
        return Proven(localpart, proof.answer, proof.token)


def _read_credentials(localpart: str) -> Generator[Effect, Any, tuple[Credential, ...]]:
    yield Barrier()
    credentials: tuple[Credential, ...] = yield from ask(CredentialsOf(localpart), tuple)
    return credentials


# The elements of RFC 6120.


def receive_sasl(authentication: Authentication, element: Element, offer: Offer) -> AuthenticationSteps:
    """Take `<auth/>`, `<response/>` or `<abort/>` (RFC 6120 section 6.4)."""
    if element.name == "abort":
        return authentication.abort()
    try:
        # `=` stands for nothing at all, and nothing for an initial response that is still to come (section 6.4.2).
        data = b"" if element.text == "=" else decode_base64(element.text)
    except SASLFailed as failed:
        return authentication.fail(failed)
    if element.name == "auth":
        attempt = Attempt(element.attributes.get("mechanism", ""), offer)
        return (yield from authentication.begin(attempt, data if element.text else None))
    return (yield from authentication.respond(data))


def sasl_element(answer: Answer) -> Element:
    """Write the answer (RFC 6120 section 6.4)."""
    if isinstance(answer, Failed):
        children: list[Element | str] = [Element(answer.condition, SASL_NAMESPACE)]
        if answer.text:
            children.append(Element("text", SASL_NAMESPACE, {LANG: "en"}, [answer.text]))
        return Element("failure", SASL_NAMESPACE, {}, children)
    name = "challenge" if isinstance(answer, Challenge) else "success"
    return Element(name, SASL_NAMESPACE, {}, [b64encode(answer.data).decode()] if answer.data else [])
