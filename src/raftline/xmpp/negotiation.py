"""
The table of what a stream may do and is offered, state by state (RFC 6120 sections 4.3, 5, 6, 7).

                 starttls                sasl                    bind
    OPEN ────────────────────> SECURE ─────────> AUTHENTICATED ─────────> BOUND
      └──────────────────────────sasl──────────────────^                    ^
                     (with allow_plaintext)            |                    |
                               SECURE <──> EXCHANGING ─┴──sasl2 and bind────┘

A stream begins OPEN, or SECURE where TLS came first (direct TLS, WebSocket over HTTPS). Without `allow_plaintext`
nothing but STARTTLS is offered in OPEN. PLAIN and SASL2 (XEP-0388) are for SECURE alone, whatever is allowed. After TLS
and after SASL the stream starts anew with a header of its own; after SASL2 it goes on as it is.

While an exchange of SASL2 is under way, EXCHANGING, nothing else may come (XEP-0388 section 2.4). It may bind or resume
a session at once (inline_login.py), or leave the stream AUTHENTICATED.

What a state has no row for is refused: a stanza before authentication with `not-authorized`, anything else with
`unsupported-stanza-type`, and either ends the stream. Stream management before its time fails instead (XEP-0198
section 3).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from raftline.xmpp.element import Element
from raftline.xmpp.jid import JID, parse_jid, prepare_domain
from raftline.xmpp.sasl import SCRAM_HASHES
from raftline.xmpp.sasl_ht import HT_BINDINGS
from raftline.xmpp.sasl_scram import PLUS, Offer
from raftline.xmpp.stanza import CLIENT_NAMESPACE, LANG, STANZA_KINDS
from raftline.xmpp.xeps.xep_0352_client_state import CLIENT_STATE_NAMESPACE
from raftline.xmpp.xeps.xep_0386_bind2 import bind_feature
from raftline.xmpp.xeps.xep_0388_sasl2 import SASL2_NAMESPACE, authentication_element
from raftline.xmpp.xeps.xep_0440_channel_binding import bindings_element
from raftline.xmpp.xeps.xep_0445_preauth import preauth_feature
from raftline.xmpp.xeps.xep_0478_stream_limits import limits_element
from raftline.xmpp.xeps.xep_0484_fast import fast_feature
from raftline.xmpp.xmlstream import STREAM_NAMESPACE, StreamFailed, StreamOpened

TLS_NAMESPACE: Final = "urn:ietf:params:xml:ns:xmpp-tls"
SASL_NAMESPACE: Final = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND_NAMESPACE: Final = "urn:ietf:params:xml:ns:xmpp-bind"
SESSION_NAMESPACE: Final = "urn:ietf:params:xml:ns:xmpp-session"
MANAGEMENT_NAMESPACE: Final = "urn:xmpp:sm:3"
REGISTRATION_FEATURE: Final = "http://jabber.org/features/iq-register"


class StreamState(enum.Enum):
    """How far a stream has come."""

    OPEN = "open"
    SECURE = "secure"
    EXCHANGING = "exchanging"
    AUTHENTICATED = "authenticated"
    BOUND = "bound"


class Step(enum.Enum):
    """What a top-level element asks for."""

    START_TLS = "start TLS"
    AUTHENTICATE = "authenticate"
    CONTINUE_SASL = "continue SASL"
    LOG_IN = "log in by SASL2"
    REGISTER = "register"
    BIND = "bind"
    MANAGE = "manage the stream"
    CLIENT_STATE = "tell the client state"


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """
    What the streams of a service have in common.

    Attributes:
        domain: Prepared.
        allow_plaintext: Authentication without TLS, for development on loopback.
        open_registration: Everyone may make an account (XEP-0077).
        has_tls: A certificate is there, so STARTTLS can be offered.
        decoy_key: The cluster's key for salts of accounts that do not exist, and for resources that stand for a client
            (XEP-0386); the same on every node.
        stanza_bytes_max: Greatest stanza that is taken, as it is told to clients; 0 tells nothing.
        resumption_timeout_s: For how long a session waits to be resumed (XEP-0198); 0 for not at all.
        resumption_location: Returns where a client may resume when it does not find this node, `host:port`; empty for
            nowhere.
        has_inline_login: Returns whether the cluster understands what SASL2 may ask for; a cluster that is being
            upgraded does not until all its members do.
        has_invitations: Returns whether the cluster understands invitations (XEP-0445), likewise.
    """

    domain: str
    allow_plaintext: bool
    open_registration: bool
    has_tls: bool
    decoy_key: bytes
    stanza_bytes_max: int = 0
    resumption_timeout_s: int = 300
    resumption_location: Callable[[], str] = lambda: ""
    has_inline_login: Callable[[], bool] = lambda: True
    has_invitations: Callable[[], bool] = lambda: True


_UNAUTHENTICATED: Final = frozenset({StreamState.OPEN, StreamState.SECURE})

_STEPS: Final[dict[tuple[StreamState, str, str], Step]] = {
    (StreamState.OPEN, TLS_NAMESPACE, "starttls"): Step.START_TLS,
    **{
        (state, SASL_NAMESPACE, name): step
        for state in _UNAUTHENTICATED
        for name, step in (
            ("auth", Step.AUTHENTICATE),
            ("response", Step.CONTINUE_SASL),
            ("abort", Step.CONTINUE_SASL),
        )
    },
    **{(state, SASL2_NAMESPACE, "authenticate"): Step.LOG_IN for state in _UNAUTHENTICATED},
    **{
        # An abort may cross our failure on its way, so it is not the end of the stream.
        (state, SASL2_NAMESPACE, name): Step.LOG_IN
        for state in (StreamState.SECURE, StreamState.EXCHANGING)
        for name in ("response", "abort")
    },
    **{(state, CLIENT_NAMESPACE, "iq"): Step.REGISTER for state in _UNAUTHENTICATED},
    (StreamState.AUTHENTICATED, CLIENT_NAMESPACE, "iq"): Step.BIND,
    **{
        (state, MANAGEMENT_NAMESPACE, name): Step.MANAGE
        for state in StreamState
        if state is not StreamState.EXCHANGING
        for name in ("enable", "resume", "r", "a")
    },
    **{(StreamState.BOUND, CLIENT_STATE_NAMESPACE, name): Step.CLIENT_STATE for name in ("active", "inactive")},
}


def find_step(state: StreamState, element: Element) -> Step | StreamFailed:
    """
    Return what a top-level element asks for, or the stream error it earns.

    Stanzas of a bound stream are not asked about: they are what it is for.
    """
    step = _STEPS.get((state, element.namespace, element.name))
    if step is not None:
        return step
    if element.name in STANZA_KINDS and element.namespace == CLIENT_NAMESPACE:
        return StreamFailed("not-authorized", "authenticate and bind a resource first")
    return StreamFailed("unsupported-stanza-type")


def sasl_offer(state: StreamState, settings: StreamSettings, bindings: Mapping[str, bytes]) -> Offer:
    """
    Return the SASL mechanisms of a state, the preferred one first (RFC 6120 section 6.3.3), for either profile.

    `bindings` are the data of each type of channel binding that the stream has; none without TLS of our own.
    """
    if state is StreamState.SECURE:
        plus = [f"{mechanism}{PLUS}" for mechanism in SCRAM_HASHES] if bindings else []
        return Offer((*plus, *SCRAM_HASHES, "PLAIN"), bindings)
    if state is StreamState.OPEN and settings.allow_plaintext:
        return Offer(tuple(SCRAM_HASHES))
    return Offer()


def token_offer(state: StreamState, settings: StreamSettings, bindings: Mapping[str, bytes]) -> Offer:
    """Return the mechanisms for tokens of a state, the preferred one first (XEP-0484 section 3.1)."""
    if not may_log_in(state, settings):
        return Offer()
    return Offer(tuple(name for name, kind in HT_BINDINGS.items() if not kind or kind in bindings), bindings)


def may_log_in(state: StreamState, settings: StreamSettings) -> bool:
    """Whether SASL2 is offered; it is for streams with TLS alone (XEP-0388 section 3)."""
    return state is StreamState.SECURE and settings.has_inline_login()


def may_register(state: StreamState, settings: StreamSettings) -> bool:
    """
    Whether accounts can be made in this state, by everyone or by who is invited (XEP-0077, XEP-0445).

    Passwords travel as they are, so TLS comes first.
    """
    return (settings.open_registration or settings.has_invitations()) and _is_private(state, settings)


def may_show_token(state: StreamState, settings: StreamSettings) -> bool:
    """Whether the token of an invitation is taken in this state (XEP-0445 section 3)."""
    return settings.has_invitations() and _is_private(state, settings)


def _is_private(state: StreamState, settings: StreamSettings) -> bool:
    return state is StreamState.SECURE or (state is StreamState.OPEN and settings.allow_plaintext)


def may_start_tls(state: StreamState, settings: StreamSettings, *, is_websocket: bool) -> bool:
    """Whether STARTTLS is offered; over WebSocket TLS is a matter of HTTP (RFC 7395 section 3.9)."""
    return state is StreamState.OPEN and settings.has_tls and not is_websocket


def stream_features(
    state: StreamState,
    settings: StreamSettings,
    *,
    is_websocket: bool,
    bindings: Mapping[str, bytes] = MappingProxyType({}),
    is_managed: bool = False,
) -> list[Element]:
    """
    Return the features that are offered in a state (RFC 6120 section 4.3.2).

    `bindings` are as in `sasl_offer`; `is_managed` says that stream management is on already.
    """
    features: list[Element] = []
    if may_start_tls(state, settings, is_websocket=is_websocket):
        required: list[Element | str] = [] if settings.allow_plaintext else [Element("required", TLS_NAMESPACE)]
        features.append(Element("starttls", TLS_NAMESPACE, {}, required))
    offer = sasl_offer(state, settings, bindings)
    if offer.mechanisms:
        children: list[Element | str] = [Element("mechanism", SASL_NAMESPACE, {}, [name]) for name in offer.mechanisms]
        features.append(Element("mechanisms", SASL_NAMESPACE, {}, children))
        if may_log_in(state, settings):
            features.append(authentication_element(offer.mechanisms, _inline_features(state, settings, bindings)))
        if offer.bindings:
            features.append(bindings_element(offer.bindings))
    if may_show_token(state, settings):
        features.append(preauth_feature())
    if may_register(state, settings):
        features.append(Element("register", REGISTRATION_FEATURE))
    if state is StreamState.AUTHENTICATED:
        features.append(Element("bind", BIND_NAMESPACE, {}, [Element("required", BIND_NAMESPACE)]))
        # RFC 3921 had a session to establish; clients that still look for it may skip it.
        features.append(Element("session", SESSION_NAMESPACE, {}, [Element("optional", SESSION_NAMESPACE)]))
    if state in {StreamState.AUTHENTICATED, StreamState.BOUND} and not is_managed:
        features.append(Element("sm", MANAGEMENT_NAMESPACE))
    if settings.stanza_bytes_max:
        features.append(limits_element(settings.stanza_bytes_max))
    return features


def _inline_features(state: StreamState, settings: StreamSettings, bindings: Mapping[str, bytes]) -> list[Element]:
    """Return what SASL2 can ask for at once (XEP-0388 section 2.1)."""
    return [
        Element("sm", MANAGEMENT_NAMESPACE),
        bind_feature(),
        fast_feature(token_offer(state, settings, bindings).mechanisms),
    ]


def check_header(opened: StreamOpened, domain: str) -> StreamFailed | None:
    """Return the stream error that a client's header earns, if any (RFC 6120 sections 4.7, 4.8, 4.9.3)."""
    root = opened.root
    if root.namespace != STREAM_NAMESPACE or opened.namespaces.get("") != CLIENT_NAMESPACE:
        return StreamFailed("invalid-namespace")
    if root.name != "stream":
        return StreamFailed("bad-format", "the root of a stream is the stream element")
    to = root.get("to")
    if not to:
        return StreamFailed("improper-addressing", "a stream is opened to a domain")
    try:
        is_ours = prepare_domain(to) == domain
    except ValueError:
        is_ours = False
    if not is_ours:
        return StreamFailed("host-unknown")
    major, dot, minor = root.attributes.get("version", "0.9").partition(".")
    if not (
        dot and major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit() and int(major[:9]) >= 1
    ):
        return StreamFailed("unsupported-version")
    return None


def header_attributes(domain: str, stream_id: str, to: str | None) -> dict[str, str]:
    """Return the attributes of our own header (RFC 6120 section 4.7)."""
    attributes = {"from": domain, "id": stream_id, "version": "1.0", LANG: "en"}
    if to:
        attributes["to"] = to
    return attributes


def valid_jid(text: str | None) -> JID | None:
    """Return what a client says it is, for our header's `to`; None for nothing and for nonsense."""
    try:
        return None if text is None else parse_jid(text)
    except ValueError:
        return None
