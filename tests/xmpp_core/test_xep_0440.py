"""XEP-0440 SASL Channel-Binding Type Capability, and SCRAM with channel binding (RFC 5802 section 6)."""

from __future__ import annotations

from base64 import b64encode

import pytest

from raftline.xmpp.sasl import SASLFailed
from raftline.xmpp.sasl_scram import Offer, ScramExchange
from xmpp_core.playbook import Playbook, auth
from xmpp_core.sasl2 import BINDINGS, END_POINT, NS, Sasl2, authenticate, condition, mechanisms, success, tree

SASL1 = "urn:ietf:params:xml:ns:xmpp-sasl"
ANNOUNCED = (
    f"<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='{END_POINT}'/></sasl-channel-binding>"
)
PLUS = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"]


class TestSection2Announcing:
    """2: types are announced beside mechanisms that use them."""

    def test_over_our_own_tls(self) -> None:
        """The type, and the mechanisms first in both lists."""
        features = Sasl2().open()
        assert ANNOUNCED.encode() in features
        for namespace in (NS, SASL1):
            assert mechanisms(features, namespace)[:2] == PLUS

    @pytest.mark.parametrize("websocket", [True, False])
    def test_where_tls_ends_elsewhere(self, websocket: bool) -> None:
        """Neither types nor mechanisms: over WebSocket, or with a certificate that has no hash function."""
        features = Sasl2(bindings={}, websocket=websocket).open()
        assert b"PLUS" not in features
        assert b"sasl-cb" not in features
        assert mechanisms(features, SASL1) == ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]

    def test_without_tls(self) -> None:
        """In the clear there is nothing to bind to."""
        features = Playbook().open()
        assert b"PLUS" not in features
        assert b"sasl-cb" not in features


class TestRfc5802Section6:
    """Channel binding, and the first letter of the client's message."""

    @pytest.fixture
    def stream(self) -> Sasl2:
        made = Sasl2()
        made.open()
        return made

    @pytest.mark.parametrize("mechanism", PLUS)
    def test_bound(self, stream: Sasl2, mechanism: str) -> None:
        """A client that sees the same certificate is let in."""
        success(stream.scram(mechanism))

    @pytest.mark.parametrize("mechanism", PLUS)
    def test_another_channel(self, stream: Sasl2, mechanism: str) -> None:
        """Somebody in between shows another certificate."""
        assert condition(stream.scram(mechanism, channel=b"another certificate")) == "not-authorized"

    @pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
    def test_a_client_that_cannot(self, stream: Sasl2, mechanism: str) -> None:
        """n: it does not bind, and need not."""
        success(stream.scram(mechanism))

    @pytest.mark.parametrize(
        ("mechanism", "flag", "expected"),
        [
            ("SCRAM-SHA-256", "y", "not-authorized"),
            ("SCRAM-SHA-1", "y", "not-authorized"),
            ("SCRAM-SHA-256-PLUS", "y", "malformed-request"),
            ("SCRAM-SHA-256-PLUS", "n", "malformed-request"),
            ("SCRAM-SHA-256", f"p={END_POINT}", "malformed-request"),
            ("SCRAM-SHA-256-PLUS", "p=tls-unique", "malformed-request"),
            ("SCRAM-SHA-256-PLUS", "p=tls-exporter", "malformed-request"),
            ("SCRAM-SHA-256-PLUS", "p=", "malformed-request"),
        ],
    )
    def test_flags(self, stream: Sasl2, mechanism: str, flag: str, expected: str) -> None:
        """Y where the offer had it was made by somebody in between; the others are faults."""
        first = f"{flag},,n=alice,r=abc".encode()
        assert condition(stream.talk(authenticate(mechanism, first))) == expected
        assert f"<{expected}/>".encode() in stream.talk(auth(mechanism, first))

    def test_nothing_was_offered(self) -> None:
        """Y is right where there was none."""
        stream = Sasl2(bindings={})
        stream.open()
        assert tree(stream.talk(authenticate("SCRAM-SHA-256", b"y,,n=alice,r=abc"))).tag == f"{{{NS}}}challenge"

    def test_plus_was_not_offered(self) -> None:
        """A mechanism that was not offered is none."""
        stream = Sasl2(bindings={})
        stream.open()
        first = f"p={END_POINT},,n=alice,r=abc".encode()
        assert condition(stream.talk(authenticate("SCRAM-SHA-256-PLUS", first))) == "invalid-mechanism"

    def test_the_header_is_bound_as_well(self, stream: Sasl2) -> None:
        """c= holds the header and the data; the header alone, or the data alone, is not enough."""
        offer = Offer(("SCRAM-SHA-256-PLUS",), BINDINGS)
        first = f"p={END_POINT},,n=alice,r=abc"
        exchange = ScramExchange("SCRAM-SHA-256-PLUS", domain="localhost", nonce=b"n", decoy_key=b"", offer=offer)
        exchange.receive_first(first.encode())
        assert exchange._binding == b64encode(f"p={END_POINT},,".encode() + BINDINGS[END_POINT]).decode()
        exchange.challenge(())
        for wrong in (f"p={END_POINT},,".encode(), BINDINGS[END_POINT]):
            final = f"c={b64encode(wrong).decode()},r={exchange._nonce},p={b64encode(b'x' * 32).decode()}"
            with pytest.raises(SASLFailed, match="not-authorized"):
                exchange.receive_final(final.encode())
