"""
The login in one round trip: SASL2 with all that it may ask for at once (XEP-0388, 0386, 0198 section 9, 0484).

    <authenticate/> ──> authentication.py ──> Proven ──> LogIn, one command:  use of the token, a new token,
                                                           │                  a session resumed, or else bound
                        <success> … </success>  <──────────┘
                        features, unless resumed

What is asked for inline is read before anybody is authenticated, and refused with the rest if it cannot be read. It is
done when the client is authenticated, and all at once: whoever is told of a failure has nothing left behind. The order
of the answers is that of the specifications: `<resumed/>` or `<failed/>`, `<bound/>`, `<token/>`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from raftline.base.errors import Refused, Unavailable
from raftline.machine.login.commands import BindAsked, LogIn, ResumptionAsked, TokenIssue, TokenUse
from raftline.machine.outcomes import Bound, LoggedIn
from raftline.machine.queries import ArchiveEnds
from raftline.xmpp import effects
from raftline.xmpp.authentication import Attempt, Challenge, Failed, Proven
from raftline.xmpp.effects import Ask, Close, Steps
from raftline.xmpp.element import Element
from raftline.xmpp.login import Login
from raftline.xmpp.management import Management, ResumeWanted
from raftline.xmpp.negotiation import MANAGEMENT_NAMESPACE, StreamSettings, StreamState
from raftline.xmpp.outbound import Outbound
from raftline.xmpp.sasl import SASLFailed, decode_base64
from raftline.xmpp.sasl_ht import TOKEN_BYTES, keep_token, make_token
from raftline.xmpp.stream_context import ClientContext
from raftline.xmpp.xeps.xep_0313_mam import metadata_element
from raftline.xmpp.xeps.xep_0386_bind2 import (
    BIND2_NAMESPACE,
    NAME_BYTES,
    BindRequest,
    bound_element,
    fresh_name,
    parse_bind,
    stable_name,
)
from raftline.xmpp.xeps.xep_0388_sasl2 import (
    Authenticate,
    challenge_element,
    failure_element,
    parse_authenticate,
    success_element,
)
from raftline.xmpp.xeps.xep_0484_fast import FAST_NAMESPACE, FastLogin, client_digest, parse_fast, token_element

_EARLY: Final = "Nothing is sent until the authentication is over."


class Wishes(NamedTuple):
    """
    What a client wants beside being authenticated.

    Attributes:
        request: What it authenticates by.
        client: Names its installation in the replicated state; empty if it tells none.
        fast: It uses a token.
        token_mechanism: It wants a token for this mechanism; empty if it wants none.
        resume: The session to go on with; an element if that is refused already.
        bind: The `<bind/>`; read once it is known who binds.
    """

    request: Authenticate
    client: bytes
    fast: FastLogin | None
    token_mechanism: str
    resume: ResumeWanted | Element | None
    bind: Element | None


class Plan(NamedTuple):
    """What is done for an authenticated client: the command, and what its parts are answered by."""

    action: LogIn
    token: str
    bind: BindRequest | None


class InlineLogin:
    """SASL2 of one stream; arguments are the stream's own parts."""

    __slots__ = ("_context", "_entropy", "_login", "_management", "_outbound", "_settings", "_wishes")

    def __init__(
        self,
        settings: StreamSettings,
        login: Login,
        outbound: Outbound,
        management: Management,
        context: ClientContext,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._settings = settings
        self._login = login
        self._outbound = outbound
        self._management = management
        self._context = context
        self._entropy = entropy
        self._wishes: Wishes | None = None

    def handle(self, element: Element, has_more: Callable[[], bool]) -> Steps:
        """
        Take `<authenticate/>`, `<response/>` or `<abort/>`.

        Args:
            has_more: Whether something came behind the element, which is the end of the stream (XEP-0388 section 2.4).
        """
        answer = yield from self._authenticate(element)
        if has_more():
            yield Close("policy-violation", _EARLY)
        if isinstance(answer, Proven):
            yield from self._succeed(answer)
        elif isinstance(answer, Challenge):
            self._login.state = StreamState.EXCHANGING
            self._write(challenge_element(answer.data))
        else:
            yield from self._fail(answer)

    def _authenticate(self, element: Element) -> Steps:
        """Return the answer to one element."""
        authentication = self._login.authentication
        if element.name == "abort":
            return authentication.abort()
        if self._login.state is StreamState.EXCHANGING:
            self._login.state = StreamState.SECURE
        try:
            self._login.require_inline()
            if element.name == "authenticate":
                self._wishes = self._read_wishes(element)
            data = decode_base64(element.text) if element.name == "response" else b""
        except SASLFailed as failed:
            return authentication.fail(failed)
        wishes = self._wishes
        if wishes is None:  # a response of no exchange, or of one of the other profile
            return authentication.fail(SASLFailed("malformed-request"))
        if element.name == "response":
            return (yield from authentication.respond(data))
        offer = self._login.offer() if wishes.fast is None else self._login.token_offer()
        attempt = Attempt(wishes.request.mechanism, offer, self._login.claimed, wishes.client)
        return (yield from authentication.begin(attempt, wishes.request.initial))

    def _read_wishes(self, element: Element) -> Wishes:
        request = parse_authenticate(element)
        fast = element.child("fast", FAST_NAMESPACE)
        wanted = element.child("request-token", FAST_NAMESPACE)
        resume = element.child("resume", MANAGEMENT_NAMESPACE)
        token_mechanism = "" if wanted is None else wanted.attributes.get("mechanism", "")
        if wanted is not None and token_mechanism not in self._login.token_offer().mechanisms:
            raise SASLFailed("invalid-mechanism", "There are no tokens for this mechanism.")
        if (wanted is not None or fast is not None) and not request.client_id:
            raise SASLFailed("malformed-request", "Tokens are for clients that tell the id of their user agent.")
        return Wishes(
            request,
            client_digest(request.client_id) if request.client_id else b"",
            None if fast is None else parse_fast(fast),
            token_mechanism,
            None if resume is None else self._management.read_resume(resume),
            element.child("bind", BIND2_NAMESPACE),
        )

    def _fail(self, failed: Failed) -> Steps:
        self._wishes = None
        self._login.state = StreamState.OPEN if self._login.state is StreamState.OPEN else StreamState.SECURE
        self._write(failure_element(failed.condition, failed.text))
        yield from self._login.end_after_failures()

    # Once authenticated.

    def _succeed(self, proven: Proven) -> Steps:
        wishes, self._wishes = self._wishes, None
        assert wishes is not None, "an attempt begins with them"
        try:
            plan = self._plan(proven, wishes)
            done = yield from _carry_out(plan.action)
        except SASLFailed as failed:
            yield from self._fail(self._login.authentication.fail(failed))
            return
        self._login.authenticated(proven.localpart)
        results: list[Element] = []
        if done.resumed is not None:
            assert isinstance(wishes.resume, ResumeWanted)
            results.append(self._management.resumed(wishes.resume, done.resumed))
        else:
            results += self._not_resumed(wishes, done)
            if done.bound is not None and plan.bind is not None:
                results.append((yield from self._bound(done.bound, plan)))
        if plan.token:
            results.append(token_element(plan.token, done.token_expires_ms))
        identity = self._login.jid or f"{proven.localpart}@{self._settings.domain}"
        self._write(success_element(proven.data, str(identity), results))
        if done.resumed is not None:
            # The stream is the former one from here on, and has its features (XEP-0198 section 9.2).
            yield from self._management.tell_missed(done.resumed)
            return
        self._outbound.write_features(self._login.features(self._context.modules))
        if plan.bind is not None and plan.bind.is_inactive:
            self._outbound.set_client_state(active=False)

    def _plan(self, proven: Proven, wishes: Wishes) -> Plan:
        use = issue = bind = None
        if proven.token is not None and wishes.fast is not None:
            use = TokenUse(wishes.client, proven.token.verifier, wishes.fast.count, wishes.fast.invalidate)
        token = ""
        mechanism = wishes.token_mechanism or _due_mechanism(proven, wishes)
        if mechanism:
            token = make_token(self._entropy(TOKEN_BYTES))
            issue = TokenIssue(wishes.client, mechanism, *keep_token(mechanism, token))
        resume = None
        if isinstance(wishes.resume, ResumeWanted):
            resume = ResumptionAsked(wishes.resume.session_id, wishes.resume.token)
        if wishes.bind is not None:
            bind = self._read_bind(proven.localpart, wishes.request.client_id, wishes.bind)
        asked = None if bind is None else self._ask_bind(bind)
        return Plan(LogIn(proven.localpart, use=use, issue=issue, resume=resume, bind=asked), token, bind)

    def _read_bind(self, localpart: str, client_id: str, element: Element) -> BindRequest:
        if client_id:
            name = stable_name(self._settings.decoy_key, localpart, client_id)
        else:
            name = fresh_name(self._entropy(NAME_BYTES))
        return parse_bind(element, name, is_stable=bool(client_id))

    def _ask_bind(self, bind: BindRequest) -> BindAsked:
        token, timeout_s = (b"", 0) if bind.enable is None else self._management.terms(bind.enable)
        return BindAsked(bind.resource, bind.client, bind.carbons, bind.enable is not None, token, timeout_s)

    def _not_resumed(self, wishes: Wishes, done: LoggedIn) -> list[Element]:
        """Return `<failed/>` where a session was to be resumed."""
        if wishes.resume is None:
            return []
        if isinstance(wishes.resume, Element):
            return [wishes.resume]
        handled_count = None if done.gone is None else done.gone.handled_count
        return [self._outbound.management.failure("item-not-found", handled_count)]

    def _bound(self, bound: Bound, plan: Plan) -> Steps:
        """Take the session that was bound; return `<bound/>`."""
        asked, bind = plan.action.bind, plan.bind
        assert asked is not None
        assert bind is not None
        jid = self._login.hold(bound.session_id, bind.resource)
        ends = yield Ask(ArchiveEnds(str(jid.bare)))
        results = [metadata_element(ends, self._context.epochs)]
        if asked.managed:
            results.append(self._management.enabled(0, asked.token, asked.timeout_s))
        return bound_element(results)

    def _write(self, element: Element) -> None:
        self._outbound.write(element.to_bytes())


def _due_mechanism(proven: Proven, wishes: Wishes) -> str:
    """Return the mechanism of a token that is due for another one (XEP-0484 section 3.5); empty if it is not."""
    is_due = proven.token is not None and proven.token.is_due
    return wishes.request.mechanism if is_due and wishes.fast is not None and not wishes.fast.invalidate else ""


def _carry_out(action: LogIn) -> Steps:
    """
    Run the command, if there is anything to do.

    Raises:
        SASLFailed: It was refused, or cannot be had now.
    """
    if not (action.use or action.issue or action.resume or action.bind):
        return LoggedIn()
    try:
        return (yield effects.LogIn(action))
    except Refused as refused:
        raise SASLFailed(refused.condition, refused.text) from refused
    except Unavailable as error:
        raise SASLFailed("temporary-auth-failure") from error
