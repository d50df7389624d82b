"""XEP-0388 Extensible SASL Profile."""

from __future__ import annotations

import pytest

from raftline.base.errors import OutcomeUnknown, Refused, Unavailable
from raftline.machine.outcomes import LoggedIn
from raftline.xmpp import effects
from raftline.xmpp.effects import Ask, Barrier, CheckPassword
from raftline.xmpp.negotiation import StreamState
from xmpp_core.playbook import CREDENTIALS, PASSWORD, Playbook, auth, bind_request, error, response
from xmpp_core.sasl2 import (
    BOUND,
    NS,
    Sasl2,
    additional_data,
    authenticate,
    condition,
    identity,
    mechanisms,
    respond,
    success,
)

SASL1 = "urn:ietf:params:xml:ns:xmpp-sasl"
ABORT = f"<abort xmlns='{NS}'><text>no</text></abort>".encode()
BIND = "<bind xmlns='urn:xmpp:bind:0'/>"
PLAIN = b"\0alice\0" + PASSWORD.encode()


@pytest.fixture
def stream() -> Sasl2:
    """Open, over TLS."""
    made = Sasl2()
    made.open()
    return made


class TestSection21Feature:
    """2.1: where and how it is offered."""

    def test_offered_over_tls(self) -> None:
        """The same mechanisms as by the profile of RFC 6120, and what can be asked for inline."""
        features = Sasl2().open()
        assert mechanisms(features, NS)[:5] == mechanisms(features, SASL1)
        assert mechanisms(features, SASL1)[-1] == "PLAIN"
        inline = features[features.index(b"<inline>") : features.rindex(b"</inline>")]
        for feature in (b"<sm xmlns='urn:xmpp:sm:3'/>", b"<bind xmlns='urn:xmpp:bind:0'>", b"<fast xmlns="):
            assert feature in inline

    def test_not_offered_without_tls(self) -> None:
        """It is for TLS alone (section 3), even where passwords may go without; asked for, it fails."""
        stream = Playbook()
        assert b"urn:xmpp:sasl:2" not in stream.open()
        assert condition(stream.exchange(authenticate("SCRAM-SHA-256", b"n,,n=alice,r=abc"))) == "encryption-required"

    def test_a_stream_without_anything(self) -> None:
        """Where nothing at all is offered it is not either."""
        stream = Playbook(allow_plaintext=False)
        assert b"urn:xmpp:sasl:2" not in stream.open()
        assert condition(stream.exchange(authenticate("PLAIN", PLAIN))) == "encryption-required"
        assert stream.stream.state is StreamState.OPEN

    def test_not_offered_during_an_upgrade(self) -> None:
        """Not before all members of the cluster know how; the former profile is there meanwhile."""
        stream = Sasl2(has_inline_login=lambda: False)
        features = stream.open()
        assert b"urn:xmpp:sasl:2" not in features
        assert mechanisms(features, SASL1)
        assert condition(stream.plain()) == "temporary-auth-failure"

    def test_no_more_after_it(self, stream: Sasl2) -> None:
        """Who is authenticated is offered no authentication."""
        assert NS.encode() not in stream.plain().partition(b"<stream:features>")[2]

    @pytest.mark.parametrize(("claimed", "is_refused"), [("alice@localhost", False), ("alice@example.com", True)])
    def test_from_another_domain(self, claimed: str, is_refused: bool) -> None:
        """A stream from somebody of another domain ends with invalid-from."""
        assert (error("invalid-from") in Sasl2().open(claimed)) is is_refused


class TestSection23Initiation:
    """2.3: <authenticate/>."""

    def test_plain(self, stream: Sasl2) -> None:
        """One round trip: success with the bare JID, then features, on the same stream."""
        sent = stream.plain()
        assert identity(sent) == "alice@localhost"
        assert b"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>" in sent
        assert sent.endswith(b"</stream:features>")
        assert b"<?xml" not in sent
        assert stream.logins == []

    @pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1"])
    def test_scram(self, stream: Sasl2, mechanism: str) -> None:
        """Challenge and response; the server proves itself with the success."""
        assert additional_data(stream.scram(mechanism)).startswith(b"v=")

    def test_without_initial_response(self, stream: Sasl2) -> None:
        """An empty challenge asks for it."""
        assert stream.talk(authenticate("PLAIN", None)) == b"<challenge xmlns='urn:xmpp:sasl:2'/>"
        assert identity(stream.talk(respond(PLAIN))) == "alice@localhost"

    @pytest.mark.parametrize(
        ("request_", "expected"),
        [
            (authenticate("DIGEST-MD5", b"x"), "invalid-mechanism"),
            (authenticate("HT-SHA-256-NONE", b"alice\0x"), "invalid-mechanism"),
            (f"<authenticate xmlns='{NS}'/>".encode(), "invalid-mechanism"),
            (authenticate("SCRAM-SHA-256", b"nonsense"), "malformed-request"),
            (authenticate("SCRAM-SHA-256", b""), "malformed-request"),
            (authenticate("PLAIN", PLAIN).replace(b"<initial-response>", b"<initial-response>*"), "incorrect-encoding"),
            (authenticate("PLAIN", PLAIN, client_id="my phone"), "malformed-request"),
            (authenticate("PLAIN", PLAIN, client_id="d4565fa7-4d72-4749-b3d3-740edbf8777"), "malformed-request"),
            (authenticate("PLAIN", b"bob@localhost\0alice\0pencil"), "invalid-authzid"),
            (authenticate("PLAIN", b"\0alice\0wrong"), "not-authorized"),
            (authenticate("PLAIN", b"\0nobody\0pencil"), "not-authorized"),
        ],
    )
    def test_failures(self, stream: Sasl2, request_: bytes, expected: str) -> None:
        """Section 2.6.2: a condition of RFC 6120; then the client may try again."""
        assert condition(stream.talk(request_)) == expected
        assert stream.stream.state is StreamState.SECURE
        assert identity(stream.plain()) == "alice@localhost"

    def test_failure_says_why(self, stream: Sasl2) -> None:
        """Where the condition does not say it there is a text, in the profile's namespace."""
        sent = stream.plain(client_id="my phone")
        assert b"<text>The id of a user agent is a UUID.</text></failure>" in sent

    def test_upper_case_ids(self, stream: Sasl2) -> None:
        """An id is the same however it is written."""
        other = Sasl2()
        other.open()
        stream.plain(BIND, client_id="D4565FA7-4D72-4749-B3D3-740EDBF87770")
        other.plain(BIND, client_id="d4565fa7-4d72-4749-b3d3-740edbf87770")
        assert stream.logins[0].bind == other.logins[0].bind


class TestSection24During:
    """2.4: nothing else travels meanwhile."""

    @pytest.mark.parametrize(
        "extra",
        [
            b"<presence/>",
            bind_request("x"),
            authenticate("PLAIN", PLAIN),
            auth("PLAIN", PLAIN),
            b"<r xmlns='urn:xmpp:sm:3'/>",
            b"<unknown xmlns='urn:x'/>",
        ],
    )
    def test_other_elements_end_the_stream(self, stream: Sasl2, extra: bytes) -> None:
        """Whatever comes between challenge and response."""
        assert stream.talk(authenticate("SCRAM-SHA-256", b"n,,n=alice,r=abc")).startswith(b"<challenge")
        assert b"<stream:error>" in stream.talk(extra)
        assert stream.stream.is_ended

    @pytest.mark.parametrize("extra", [b"<presence/>", b"<", bind_request("x")])
    def test_too_early(self, stream: Sasl2, extra: bytes) -> None:
        """What is sent before the success is known ends the stream."""
        sent = stream.talk(authenticate("PLAIN", PLAIN) + extra)
        assert error("policy-violation") in sent
        assert b"<success" not in sent

    def test_too_early_while_the_password_is_checked(self, stream: Sasl2) -> None:
        """It is no other if it comes while the server is at work."""
        stream.feed(authenticate("PLAIN", PLAIN))
        stream.answer(Barrier)
        stream.answer(Ask, CREDENTIALS)
        stream.expect(CheckPassword)
        stream.feed(b"<presence/>")
        stream.stream.resume(True)
        stream.effect()
        assert error("policy-violation") in stream.take()

    def test_whitespace_is_nothing(self, stream: Sasl2) -> None:
        """Our parser sees no whitespace between elements, so it is let pass."""
        assert identity(stream.talk(authenticate("PLAIN", PLAIN) + b"\n")) == "alice@localhost"


class TestSection26Completing:
    """2.6: success and failure."""

    def test_failure_does_nothing_inline(self, stream: Sasl2) -> None:
        """2.6.2: what was asked for with a failed authentication is not looked at."""
        assert condition(stream.plain(BIND, password="wrong")) == "not-authorized"
        assert stream.logins == []

    def test_three_failures_end_the_stream(self, stream: Sasl2) -> None:
        """RFC 6120 section 6.4.4, over both profiles together."""
        stream.plain(password="wrong")
        assert b"<failure" in stream.talk(auth("PLAIN", b"\0alice\0wrong"))
        sent = stream.plain(password="wrong")
        assert b"<not-authorized" in sent
        assert error("policy-violation") in sent

    def test_no_quorum(self, stream: Sasl2) -> None:
        """Without a majority nobody is let in, but may ask again (promise P6)."""
        stream.barrier_error = Unavailable("no quorum")
        assert condition(stream.plain()) == "temporary-auth-failure"
        stream.barrier_error, stream.outcome = None, Unavailable("no quorum")
        assert condition(stream.plain(BIND)) == "temporary-auth-failure"
        assert stream.stream.state is StreamState.SECURE

    def test_unknown_outcome(self, stream: Sasl2) -> None:
        """What may yet take effect is not called failed: the stream ends, to be tried again (promise P6)."""
        stream.outcome = OutcomeUnknown("who knows")
        sent = stream.plain(BIND)
        assert b"<failure" not in sent
        assert error("resource-constraint") in sent

    @pytest.mark.parametrize("name", ["not-authorized", "credentials-expired", "temporary-auth-failure"])
    def test_refused(self, stream: Sasl2, name: str) -> None:
        """What the replicated state refuses fails with its condition, and its reason."""
        stream.outcome = Refused(name, "auth", "Because.")
        sent = stream.plain(BIND)
        assert condition(sent) == name
        assert b"<text>Because.</text>" in sent
        assert stream.stream.session_id is None

    def test_events_wait_for_the_success(self, stream: Sasl2) -> None:
        """What arrives for the session while it is being bound is written behind the success."""
        stream.feed(authenticate("PLAIN", PLAIN, BIND))
        stream.answer(Barrier)
        stream.answer(Ask, CREDENTIALS)
        stream.answer(CheckPassword, True)
        stream.expect(effects.LogIn)
        stream.stream.receive_stanza(b"<message id='early'/>")
        assert stream.take() == b""
        stream.stream.resume(LoggedIn(BOUND))
        stream.answer(Ask, None)
        assert stream.effect() is None
        sent = stream.take()
        assert sent.index(b"<success") < sent.index(b"<stream:features>") < sent.index(b"id='early'")


class TestSection44AuthorizationStrings:
    """4.4: the identity is that of the stream."""

    @pytest.mark.parametrize(
        ("claimed", "authzid", "is_right"),
        [
            ("", "alice@localhost", True),
            ("alice@localhost", "alice@localhost", True),
            ("alice@localhost/x", "Alice@LOCALHOST", True),
            ("bob@localhost", "alice@localhost", False),
            ("localhost", "alice@localhost", False),
            ("bob@localhost", "", True),
        ],
    )
    def test_claimed(self, claimed: str, authzid: str, is_right: bool) -> None:
        """One that is not empty has to be whom the stream is from; the hint alone decides nothing (section 3)."""
        stream = Sasl2()
        stream.open(claimed)
        sent = stream.talk(authenticate("PLAIN", authzid.encode() + PLAIN))
        assert (identity(sent) == "alice@localhost") if is_right else (condition(sent) == "invalid-authzid")

    def test_scram(self) -> None:
        """The same holds for SCRAM, and not for the profile of RFC 6120."""
        first = b"n,a=alice@localhost,n=alice,r=abc"
        stream = Sasl2()
        stream.open("bob@localhost")
        assert condition(stream.talk(authenticate("SCRAM-SHA-1", first))) == "invalid-authzid"
        assert stream.talk(auth("SCRAM-SHA-1", first)).startswith(b"<challenge")


class TestSection45Aborting:
    """4.5: either side gives up."""

    def test_abort(self, stream: Sasl2) -> None:
        """It fails with aborted; the client may begin anew, but not go on."""
        stream.talk(authenticate("SCRAM-SHA-256", b"n,,n=alice,r=abc"))
        assert condition(stream.talk(ABORT)) == "aborted"
        assert condition(stream.talk(respond(b"c=biws,r=abc,p=AAAA"))) == "malformed-request"
        assert identity(stream.plain()) == "alice@localhost"

    def test_begins_anew_at_once(self, stream: Sasl2) -> None:
        """After an abort any attempt may follow, of either profile."""
        for _ in range(2):
            stream.talk(authenticate("SCRAM-SHA-256", b"n,,n=alice,r=abc"))
            stream.talk(ABORT)
        assert stream.talk(auth("PLAIN", PLAIN)).startswith(b"<success")

    def test_abort_of_nothing(self, stream: Sasl2) -> None:
        """One that comes too late crosses the failure on its way."""
        stream.plain(password="wrong")
        assert condition(stream.talk(ABORT)) == "aborted"


class TestSection49MultipleAuthentication:
    """4.9: one is enough."""

    @pytest.mark.parametrize("inline", ["", BIND])
    @pytest.mark.parametrize("again", [authenticate("PLAIN", PLAIN), auth("PLAIN", PLAIN), ABORT, respond(b"x")])
    def test_again(self, stream: Sasl2, inline: str, again: bytes) -> None:
        """After the success any other is a stream error."""
        success(stream.plain(inline))
        assert error("unsupported-stanza-type") in stream.talk(again)

    def test_profiles_do_not_mix(self, stream: Sasl2) -> None:
        """An exchange of one profile does not go on by the other."""
        assert stream.talk(auth("SCRAM-SHA-256", b"n,,n=alice,r=abc")).startswith(b"<challenge xmlns='urn:ietf")
        assert condition(stream.talk(respond(b"c=biws,r=abc,p=AAAA"))) == "malformed-request"
        assert b"<malformed-request/></failure>" in stream.talk(response(b"c=biws,r=abc,p=AAAA"))

    def test_profiles_do_not_mix_after_a_failure(self, stream: Sasl2) -> None:
        """What a failed attempt asked for is not done for one of the other profile."""
        stream.plain(BIND, password="wrong")
        stream.talk(auth("PLAIN", b"").replace(b"></auth>", b"/>"))
        assert condition(stream.talk(respond(PLAIN))) == "malformed-request"
        assert stream.logins == []

    def test_former_profile_goes_on_as_before(self, stream: Sasl2) -> None:
        """RFC 6120 beside it: success, then a new stream."""
        sent = stream.talk(auth("PLAIN", PLAIN))
        assert sent == f"<success xmlns='{SASL1}'/>".encode()
        assert b"<bind " in stream.open()

    def test_over_websocket(self) -> None:
        """Each element is a message of its own, with its namespace."""
        stream = Sasl2(websocket=True, bindings={})
        stream.open()
        stream.feed(authenticate("PLAIN", PLAIN))
        while (effect := stream.effect()) is not None:
            stream.stream.resume(stream.reply(effect))
        messages = stream.stream.data_to_send()
        assert [message.partition(b" ")[0] for message in messages] == [b"<success", b"<stream:features"]
        assert b"type='result'" in stream.exchange(bind_request("web"), {effects.OpenSession: lambda _: BOUND})
