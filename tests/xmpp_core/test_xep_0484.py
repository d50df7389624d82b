"""XEP-0484 Fast Authentication Streamlining Tokens, and the mechanisms HT-SHA-256-*."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.base.errors import Unavailable
from raftline.machine.queries import KnownToken, LoginTokensOf
from raftline.xmpp.effects import Ask, Barrier
from raftline.xmpp.sasl import MESSAGE_BYTES_MAX, SASLFailed
from raftline.xmpp.sasl_ht import HT_BINDINGS, TOKEN_BYTES, find_proven, keep_token, make_token, read_initial
from raftline.xmpp.xeps.xep_0484_fast import COUNT_MAX, client_digest
from xmpp_core.playbook import auth
from xmpp_core.sasl2 import (
    BINDINGS,
    CLIENT_ID,
    END_POINT,
    NS_BIND2,
    NS_FAST,
    NS_SM,
    Sasl2,
    additional_data,
    authenticate,
    condition,
    hashed,
    identity,
    mechanisms,
    responder,
    success,
)

TOKEN = "WXZzciBwYmFmdmZnZiBqdmd1IGp2eXFhcmZm"
NONE, ENDP = "HT-SHA-256-NONE", "HT-SHA-256-ENDP"
CHANNELS = {NONE: b"", ENDP: BINDINGS[END_POINT]}
CLIENT = client_digest(CLIENT_ID)


def kept(mechanism: str = NONE, token: str = TOKEN, *, is_expired: bool = False, is_due: bool = False) -> KnownToken:
    return KnownToken(mechanism, *keep_token(mechanism, token), is_expired, is_due)


def fast(attributes: str = "") -> str:
    return f"<fast xmlns='{NS_FAST}' {attributes}/>"


def request(mechanism: str = NONE) -> str:
    return f"<request-token xmlns='{NS_FAST}' mechanism='{mechanism}'/>"


def token_of(sent: bytes) -> tuple[str, str] | None:
    """Return a token that was issued, and its expiry."""
    element = success(sent).find(f"{{{NS_FAST}}}token")
    return None if element is None else (element.get("token", ""), element.get("expiry", ""))


@pytest.fixture
def stream() -> Sasl2:
    """Open, over TLS; a token without channel binding is kept."""
    made = Sasl2()
    made.open()
    made.tokens = [kept()]
    return made


def use(
    stream: Sasl2, inline: str = "", mechanism: str = NONE, channel: bytes | None = None, token: str = TOKEN
) -> bytes:
    """Log in by a token."""
    data = hashed(token, CHANNELS[mechanism] if channel is None else channel)
    return stream.talk(authenticate(mechanism, data, inline or fast()))


class TestSection31Advertises:
    """3.1: mechanisms for tokens, among what can be asked for inline."""

    def test_with_channel_binding(self) -> None:
        """One that binds and one that does not; 0-RTT is not taken."""
        features = Sasl2().open()
        assert mechanisms(features, NS_FAST) == [ENDP, NONE]
        assert b"tls-0rtt" not in features

    def test_without_channel_binding(self) -> None:
        """Where TLS ends elsewhere nothing can be bound to."""
        assert mechanisms(Sasl2(bindings={}, websocket=True).open(), NS_FAST) == [NONE]

    def test_no_password_mechanisms(self) -> None:
        """Tokens are for nothing else, and nothing else is for tokens."""
        features = Sasl2().open()
        assert not set(mechanisms(features, "urn:xmpp:sasl:2")[:5]) & set(HT_BINDINGS)
        assert not set(mechanisms(features, "urn:ietf:params:xml:ns:xmpp-sasl")) & set(HT_BINDINGS)
        stream = Sasl2()
        stream.open()
        assert b"<invalid-mechanism/>" in stream.talk(auth(NONE, hashed(TOKEN)))


class TestSection32Request:
    """3.2, 3.3: a token is asked for and issued."""

    @pytest.mark.parametrize("mechanism", [NONE, ENDP])
    def test_issued(self, stream: Sasl2, mechanism: str) -> None:
        """It is in the success with its expiry, and good for that mechanism."""
        issued = token_of(stream.plain(request(mechanism)))
        assert issued is not None
        token, expiry = issued
        assert expiry == "1970-01-01T00:00:01.000Z"
        action = stream.logins[0]
        assert action.issue is not None
        assert (action.issue.client, action.issue.mechanism) == (CLIENT, mechanism)
        assert (action.use, action.resume, action.bind) == (None, None, None)
        assert (action.issue.verifier, action.issue.answer) == keep_token(mechanism, token)
        stream = Sasl2()
        stream.open()
        stream.tokens = [kept(mechanism, token)]
        assert identity(use(stream, mechanism=mechanism, token=token)) == "alice@localhost"

    def test_with_everything_else(self, stream: Sasl2) -> None:
        """Token, bind and stream management are one command; the token comes last."""
        inline = f"<bind xmlns='{NS_BIND2}'><enable xmlns='{NS_SM}'/></bind>" + request()
        sent = stream.scram("SCRAM-SHA-256-PLUS", inline)
        names = [child.tag.partition("}")[2] for child in success(sent)]
        assert names == ["additional-data", "authorization-identifier", "bound", "token"]
        assert len(stream.logins) == 1

    def test_not_for_who_fails(self, stream: Sasl2) -> None:
        """3.3: nobody gets one who is not authenticated."""
        assert condition(stream.plain(request(), password="wrong")) == "not-authorized"
        assert stream.logins == []

    @pytest.mark.parametrize("mechanism", ["HT-SHA-256-UNIQ", "HT-SHA-256-EXPR", "SCRAM-SHA-256", "PLAIN", ""])
    def test_other_mechanisms(self, stream: Sasl2, mechanism: str) -> None:
        """3.2: it is one that was offered."""
        assert condition(stream.plain(request(mechanism))) == "invalid-mechanism"

    def test_without_a_binding(self) -> None:
        """A token that is bound cannot be asked for where there is nothing to bind to."""
        stream = Sasl2(bindings={})
        stream.open()
        assert condition(stream.plain(request(ENDP))) == "invalid-mechanism"
        assert token_of(stream.plain(request(NONE)))

    @pytest.mark.parametrize("inline", [request(), fast()])
    def test_without_client_id(self, stream: Sasl2, inline: str) -> None:
        """4.1: tokens are for clients that say which they are."""
        assert condition(stream.plain(inline, client_id="")) == "malformed-request"

    def test_tokens_differ(self) -> None:
        """Each is made of chance of its own."""
        tokens = {make_token(bytes([number]) * TOKEN_BYTES) for number in range(3)}
        assert len(tokens) == 3
        assert all(len(token) >= 43 for token in tokens)


class TestSection34Authenticates:
    """3.4: a login by token."""

    @pytest.mark.parametrize("mechanism", [NONE, ENDP])
    def test_success(self, stream: Sasl2, mechanism: str) -> None:
        """One round trip, behind a read barrier (promise P4); the server proves that it knows the token too."""
        stream.tokens = [kept(mechanism)]
        stream.feed(authenticate(mechanism, hashed(TOKEN, CHANNELS[mechanism]), fast()))
        stream.answer(Barrier)
        assert stream.answer(Ask, stream.tokens).query == LoginTokensOf("alice", CLIENT)
        sent = stream.talk(b"")
        assert additional_data(sent) == responder(TOKEN, CHANNELS[mechanism])
        action = stream.logins[0]
        assert action.use is not None
        assert (action.use.client, action.use.verifier) == (CLIENT, stream.tokens[0].verifier)
        assert (action.use.count, action.use.invalidate, action.issue) == (None, False, None)

    def test_bound_at_once(self, stream: Sasl2) -> None:
        """The token's use and the bind are one command."""
        sent = use(stream, fast() + f"<bind xmlns='{NS_BIND2}'><tag>App</tag></bind>")
        assert identity(sent).startswith("alice@localhost/App/")
        assert len(stream.logins) == 1
        assert stream.logins[0].use
        assert stream.logins[0].bind

    @pytest.mark.parametrize(("count", "number"), [("0", 0), ("123", 123), (str(COUNT_MAX), COUNT_MAX)])
    def test_counter(self, stream: Sasl2, count: str, number: int) -> None:
        """It goes where it is compared: into the command."""
        use(stream, fast(f"count='{count}'"))
        assert stream.logins[0].use
        assert stream.logins[0].use.count == number

    @pytest.mark.parametrize("count", ["", "x", "-1", "1.5", str(COUNT_MAX + 1), "9" * 30, "\u0661"])
    def test_no_counter(self, stream: Sasl2, count: str) -> None:
        """What is no number is refused."""
        assert condition(use(stream, fast(f"count='{count}'"))) == "malformed-request"

    def test_other_token(self, stream: Sasl2) -> None:
        """Whoever does not know the token is not let in; nor who knows it under another name."""
        assert condition(use(stream, token="other")) == "not-authorized"
        stream.tokens = []
        assert condition(use(stream)) == "not-authorized"

    def test_bound_to_its_mechanism(self, stream: Sasl2) -> None:
        """A token for one mechanism is good for no other, in either direction."""
        assert condition(use(stream, mechanism=ENDP)) == "not-authorized"
        stream.tokens = [kept(ENDP)]
        assert condition(use(stream, mechanism=NONE)) == "not-authorized"

    def test_bound_to_the_channel(self, stream: Sasl2) -> None:
        """A proof over another certificate is that of somebody in between."""
        stream.tokens = [kept(ENDP)]
        assert condition(use(stream, mechanism=ENDP, channel=b"another certificate")) == "not-authorized"
        assert condition(use(stream, mechanism=ENDP, channel=b"")) == "not-authorized"

    def test_no_channel(self) -> None:
        """Without channel binding of our own there is no mechanism with it."""
        stream = Sasl2(bindings={})
        stream.open()
        stream.tokens = [kept(ENDP)]
        assert condition(use(stream, mechanism=ENDP, channel=b"")) == "invalid-mechanism"

    def test_element_is_needed(self, stream: Sasl2) -> None:
        """The mechanism goes with <fast/>, and <fast/> with the mechanism."""
        assert condition(use(stream, request())) == "invalid-mechanism"
        assert condition(stream.plain(fast())) == "invalid-mechanism"

    @pytest.mark.parametrize(
        "initial", [b"", b"alice", b"alice\0", b"\0x", b"\xff\0x", b"a@b\0x", b"a\0" + b"x" * 4095]
    )
    def test_malformed(self, stream: Sasl2, initial: bytes) -> None:
        """A name, a null octet, a hash."""
        assert condition(stream.talk(authenticate(NONE, initial, fast()))) == "malformed-request"

    @pytest.mark.parametrize("excess", [0, 1])
    def test_size(self, stream: Sasl2, excess: int) -> None:
        """Both sides of the greatest message: one that is read names no token of ours."""
        data = b"alice\0" + b"x" * (MESSAGE_BYTES_MAX - 6 + excess)
        expected = "malformed-request" if excess else "not-authorized"
        assert condition(stream.talk(authenticate(NONE, data, fast()))) == expected

    @given(st.binary(max_size=60))
    def test_garbage(self, data: bytes) -> None:
        """Any bytes are refused with a condition of SASL."""
        with pytest.raises(SASLFailed) as failed:  # noqa: PT012  # the first step may be right, the last cannot
            _, proof = read_initial(data)
            find_proven(NONE, proof, [kept()], b"")
        assert failed.value.condition in {"malformed-request", "not-authorized"}

    def test_without_quorum(self, stream: Sasl2) -> None:
        """Nobody is let in by what may be over already."""
        stream.barrier_error = Unavailable("no quorum")
        assert condition(use(stream)) == "temporary-auth-failure"


class TestSection35Rotation:
    """3.5: a token that is due is replaced."""

    @pytest.mark.parametrize("mechanism", [NONE, ENDP])
    def test_replaced(self, stream: Sasl2, mechanism: str) -> None:
        """The new one is for the same mechanism, and comes without being asked for."""
        stream.tokens = [kept(mechanism, is_due=True)]
        issued = token_of(use(stream, mechanism=mechanism))
        assert issued is not None
        assert issued[0] != TOKEN
        action = stream.logins[0]
        assert action.use
        assert action.issue
        assert action.issue.mechanism == mechanism

    def test_not_due(self, stream: Sasl2) -> None:
        """No sooner."""
        assert token_of(use(stream)) is None

    def test_asked_for(self, stream: Sasl2) -> None:
        """Who asks gets one, for the mechanism it names."""
        assert token_of(use(stream, fast() + request(ENDP)))
        assert stream.logins[0].issue
        assert stream.logins[0].issue.mechanism == ENDP

    def test_either_of_two(self, stream: Sasl2) -> None:
        """Both the new and the current token are looked at (section 5.1)."""
        stream.tokens = [kept(token="new"), kept(token="current")]
        for token in ("new", "current"):
            other = Sasl2()
            other.open()
            other.tokens = stream.tokens
            assert additional_data(use(other, token=token)) == responder(token)

    def test_change_of_mechanism(self, stream: Sasl2) -> None:
        """A new token for another mechanism does not hide the current one."""
        stream.tokens = [kept(ENDP, "new"), kept(NONE)]
        assert identity(use(stream)) == "alice@localhost"


class TestSection36Invalidation:
    """3.6: a client logs out."""

    @pytest.mark.parametrize(("value", "expected"), [("true", True), ("1", True), ("false", False), ("0", False)])
    def test_invalidated(self, stream: Sasl2, value: str, expected: bool) -> None:
        """The command says so; no new token comes, even if one was due."""
        stream.tokens = [kept(is_due=True)]
        sent = use(stream, fast(f"invalidate='{value}'"))
        assert stream.logins[0].use
        assert stream.logins[0].use.invalidate is expected
        assert (token_of(sent) is None) is expected

    def test_another_is_asked_for(self, stream: Sasl2) -> None:
        """Unless the client asks for one."""
        assert token_of(use(stream, fast("invalidate='true'") + request()))


class TestSection42Server:
    """4.2: what the server does not trust any more."""

    @pytest.mark.parametrize("mechanism", [NONE, ENDP])
    def test_expired(self, stream: Sasl2, mechanism: str) -> None:
        """Its holder is told; then a password will do, on the same stream."""
        stream.tokens = [kept(mechanism, is_expired=True)]
        assert condition(use(stream, mechanism=mechanism)) == "credentials-expired"
        assert identity(stream.plain()) == "alice@localhost"

    def test_expired_of_others(self, stream: Sasl2) -> None:
        """Nobody else is told."""
        stream.tokens = [kept(is_expired=True)]
        assert condition(use(stream, token="other")) == "not-authorized"


class TestKept:
    """Section 6, and what a server need not know."""

    def test_unbound_tokens_cannot_be_used_by_who_reads_them(self) -> None:
        """What is kept of a token without channel binding is not what a client sends."""
        verifier, answer = keep_token(NONE, TOKEN)
        first = hashed(TOKEN).partition(b"\0")[2]
        assert verifier == hashlib.sha256(first).digest()
        assert first not in {verifier, answer}
        assert TOKEN.encode() not in verifier + answer

    def test_bound_tokens_need_their_key(self) -> None:
        """The proof depends on the certificate of the node that is asked."""
        assert keep_token(ENDP, TOKEN) == (TOKEN.encode(), b"")
