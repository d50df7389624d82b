"""
From a fresh stream to a bound one: TLS, registration, authentication, binding, as the table of negotiation.py allows.

Each step is a handler, run by the stream like any other. One that returns `RESTART` has changed what the stream is,
so that both sides open it anew (RFC 6120 section 4.3.3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from raftline.base.errors import Refused
from raftline.base.ids import SessionId
from raftline.machine.invites.views import InviteView
from raftline.machine.outcomes import Bound
from raftline.xmpp.authentication import (
    AUTHENTICATION_FAILURE_COUNT_MAX,
    Authentication,
    Proven,
    receive_sasl,
    sasl_element,
)
from raftline.xmpp.effects import Close, OpenSession, StartTls, Steps
from raftline.xmpp.element import Element
from raftline.xmpp.jid import JID, prepare_resource
from raftline.xmpp.module import Modules
from raftline.xmpp.negotiation import (
    BIND_NAMESPACE,
    TLS_NAMESPACE,
    StreamSettings,
    StreamState,
    may_log_in,
    may_register,
    may_show_token,
    may_start_tls,
    sasl_offer,
    stream_features,
    token_offer,
)
from raftline.xmpp.outbound import Outbound
from raftline.xmpp.sasl import SASLFailed
from raftline.xmpp.sasl_scram import Offer
from raftline.xmpp.xeps.xep_0077_registration import NAMESPACE as REGISTRATION_NAMESPACE
from raftline.xmpp.xeps.xep_0077_registration import handle_registration
from raftline.xmpp.xeps.xep_0445_preauth import handle_preauth, is_preauth
from raftline.xmpp.xmlstream import StreamFailed

REGISTRATION_ATTEMPT_COUNT_MAX: Final = 5
"""Of one stream; each costs milliseconds of a core."""

RESTART: Final = Element("restart", "")
"""What a step returns when the stream begins anew."""


class Login:
    """
    How far a stream has come, and the steps that take it further.

    Attributes:
        state: Of the table in negotiation.py.
        authentication: The attempts so far.
        claimed: Who the client said it is when it opened the stream.
        jid: The full JID, once bound.
        session_id: The session, once bound.
    """

    __slots__ = (
        "_bindings",
        "_entropy",
        "_invite",
        "_is_websocket",
        "_localpart",
        "_outbound",
        "_registration_count",
        "_settings",
        "authentication",
        "claimed",
        "jid",
        "session_id",
        "state",
    )

    def __init__(
        self,
        settings: StreamSettings,
        outbound: Outbound,
        entropy: Callable[[int], bytes],
        *,
        is_secure: bool,
        is_websocket: bool,
        bindings: Mapping[str, bytes],
    ) -> None:
        self._settings = settings
        self._outbound = outbound
        self._entropy = entropy
        self._is_websocket = is_websocket
        self._bindings = bindings
        self.authentication = Authentication(settings, entropy)
        self.claimed: JID | None = None
        self._registration_count = 0
        self._invite: InviteView | None = None
        self._localpart = ""
        self.state = StreamState.SECURE if is_secure else StreamState.OPEN
        self.jid: JID | None = None
        self.session_id: SessionId | None = None

    def features(self, modules: Modules) -> list[Element]:
        """Return what is on offer now (RFC 6120 section 4.3.2)."""
        features = stream_features(
            self.state,
            self._settings,
            is_websocket=self._is_websocket,
            bindings=self._bindings,
            is_managed=self._outbound.management.is_enabled,
        )
        if self.state in {StreamState.AUTHENTICATED, StreamState.BOUND}:
            features.extend(feature(modules) for feature in modules.stream_features)
        return features

    def claim(self, jid: JID | None) -> StreamFailed | None:
        """
        Take note of who a client says it is when it opens the stream; return the stream error that this earns.

        Source: XEP-0388 section 2.1: it is of this domain.
        """
        self.claimed = None if jid is None else jid.bare
        if jid is not None and jid.domain != self._settings.domain and may_log_in(self.state, self._settings):
            return StreamFailed("invalid-from", "you are of another domain")
        return None

    def require_inline(self) -> None:
        """
        Check that SASL2 is there for the stream.

        Raises:
            SASLFailed: `encryption-required`, or `temporary-auth-failure` while the cluster is being upgraded.
        """
        if self.state is StreamState.OPEN:
            raise SASLFailed("encryption-required")
        if not may_log_in(self.state, self._settings):
            raise SASLFailed("temporary-auth-failure", "This way to log in is not there yet.")

    def offer(self) -> Offer:
        """Return how a client may authenticate now."""
        return sasl_offer(self.state, self._settings, self._bindings)

    def token_offer(self) -> Offer:
        """Return how a client may authenticate by a token now."""
        return token_offer(self.state, self._settings, self._bindings)

    def start_tls(self, *, has_more: bool) -> Steps:
        """
        Begin TLS. `has_more` says that bytes came after the request already.

        Source: RFC 6120 section 5.4.
        """
        if not may_start_tls(self.state, self._settings, is_websocket=self._is_websocket):
            self._outbound.write(Element("failure", TLS_NAMESPACE).to_bytes())
            yield Close()
        if has_more:
            # What came in the clear must not be taken for what TLS protects.
            yield Close("policy-violation", "Nothing follows starttls but the handshake.")
        self._outbound.write(Element("proceed", TLS_NAMESPACE).to_bytes())
        self._bindings = yield StartTls()
        self.state = StreamState.SECURE
        return RESTART

    def authenticate(self, element: Element) -> Steps:
        """
        Take an element of SASL.

        Source: RFC 6120 section 6.4.
        """
        answer = yield from receive_sasl(self.authentication, element, self.offer())
        self._outbound.write(sasl_element(answer).to_bytes())
        if isinstance(answer, Proven):
            self.authenticated(answer.localpart)
            return RESTART
        yield from self.end_after_failures()
        return None

    def authenticated(self, localpart: str) -> None:
        """Take note of who the stream belongs to from now on."""
        self._localpart = localpart
        self.state = StreamState.AUTHENTICATED

    def end_after_failures(self) -> Steps:
        """End the stream if too many attempts failed."""
        if self.authentication.failure_count >= AUTHENTICATION_FAILURE_COUNT_MAX:
            yield Close("policy-violation", "Too many attempts to authenticate failed.")

    def register(self, iq: Element) -> Steps:
        """
        Make an account, or take the token of who is invited, if this is what the IQ asks for.

        Raises:
            Refused: `forbidden` where registration is by invitation and none was shown; as the handlers say.

        Source: XEP-0077 section 3.1, XEP-0445 section 4.
        """
        shows_token = is_preauth(iq) and may_show_token(self.state, self._settings)
        is_request = iq.child("query", REGISTRATION_NAMESPACE) is not None and iq.get("type") in {"get", "set"}
        is_request = is_request and may_register(self.state, self._settings)
        if not (shows_token or is_request) or iq.get("to") not in {None, self._settings.domain}:
            yield Close("not-authorized", "Authenticate first.")
        self._registration_count += iq.get("type") == "set"
        if self._registration_count > REGISTRATION_ATTEMPT_COUNT_MAX:
            yield Close("policy-violation", "Too many attempts to register.")
        if shows_token:
            self._invite = None
            self._invite = yield from handle_preauth(iq)
            return None
        if self._invite is None and not self._settings.open_registration:
            raise Refused("forbidden", "auth", "Accounts are opened by invitation here.")
        try:
            result = yield from handle_registration(iq, self._invite)
        except Refused as refused:
            if refused.condition == "item-not-found":
                self._invite = None  # somebody else has used it
            raise
        if iq.get("type") == "set":
            self._invite = None
        return result

    @property
    def is_websocket(self) -> bool:
        """Whether the stream lies on a WebSocket."""
        return self._is_websocket

    @property
    def localpart(self) -> str:
        """The account, once authenticated."""
        return self._localpart

    def hold(self, session_id: SessionId, resource: str) -> JID:
        """Take note that the stream has a session, bound or resumed; return its full JID."""
        self.jid = jid = JID(self._localpart, self._settings.domain, resource)
        self.session_id = session_id
        self.state = StreamState.BOUND
        self._outbound.recipient = str(jid)
        return jid

    def bind(self, iq: Element) -> Steps:
        """
        Bind the resource the client asks for, or one we make.

        Source: RFC 6120 section 7.
        """
        request = iq.child("bind", BIND_NAMESPACE)
        if request is None or iq.get("type") != "set":
            yield Close("not-authorized", "Bind a resource first.")
            return None
        wanted = request.child("resource", BIND_NAMESPACE)
        try:
            resource = prepare_resource(wanted.text) if wanted is not None and wanted.text else self._entropy(12).hex()
        except ValueError as error:
            raise Refused("bad-request", "modify", "This cannot be a resource.") from error
        bound: Bound = yield OpenSession(self._localpart, resource)
        jid = self.hold(bound.session_id, resource)
        return Element("bind", BIND_NAMESPACE, {}, [Element("jid", BIND_NAMESPACE, {}, [str(jid)])])
