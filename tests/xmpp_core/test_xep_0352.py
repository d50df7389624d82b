"""XEP-0352 Client State Indication, and what else a stream offers once its client is authenticated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raftline.base.ids import NodeId, Position, SessionId
from raftline.machine.commands import SetPresence
from raftline.machine.outcomes import ContactUnavailable, MessageArrived, PresenceArrived, RosterItem, RosterPushed
from raftline.xmpp.effects import Submit
from raftline.xmpp.negotiation import StreamSettings, StreamState, stream_features
from raftline.xmpp.xeps import xep_0352_client_state
from raftline.xmpp.xeps.xep_0352_client_state import ClientState
from xmpp_core.playbook import Playbook

HERE = (NodeId(1), SessionId(7))
INACTIVE = b"<inactive xmlns='urn:xmpp:csi:0'/>"
ACTIVE = b"<active xmlns='urn:xmpp:csi:0'/>"
PING = b"<iq to='localhost' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
STATE = (
    "<message from='{}' to='alice@localhost' type='chat'><{} xmlns='http://jabber.org/protocol/chatstates'/></message>"
)
TEXT = b"<message from='bob@localhost/a' to='alice@localhost' type='chat'><body>hi</body></message>"


def presence(sender: str, inner: str = "") -> PresenceArrived:
    return PresenceArrived(*HERE, f"<presence from='{sender}'>{inner}</presence>".encode())


def state(sender: str, name: str = "composing") -> bytes:
    return STATE.format(sender, name).encode()


@pytest.fixture
def stream() -> Playbook:
    """Bound; nobody looks at the client."""
    playbook = Playbook().log_in()
    assert playbook.exchange(INACTIVE) == b""
    return playbook


class TestOffers:
    """Stream features after authentication (RFC 6120 section 4.3.2)."""

    def test_after_authentication(self) -> None:
        """XEP-0352 4.1, RFC 6121 2.6.1 and 3.4.1, XEP-0115 6.3, XEP-0390 5.2: together with binding, not before."""
        playbook = Playbook()
        before = playbook.open()
        playbook.authenticate()
        after = playbook.open()
        for feature in (
            b"<csi xmlns='urn:xmpp:csi:0'/>",
            b"<ver xmlns='urn:xmpp:features:rosterver'/>",
            b"<sub xmlns='urn:xmpp:features:pre-approval'/>",
            b"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1'",
            b"<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>",
        ):
            assert feature not in before
            assert feature in after

    @pytest.mark.parametrize("state", StreamState)
    def test_limits(self, state: StreamState) -> None:
        """XEP-0478 3: the greatest stanza is told in every state, if there is one to tell."""
        settings = StreamSettings(
            domain="localhost", allow_plaintext=True, open_registration=True, has_tls=True, decoy_key=b"x"
        )
        told = [replace(settings, stanza_bytes_max=10_000), settings]
        features = [stream_features(state, choice, is_websocket=False) for choice in told]
        limits = [entry for entry in features[0] if entry.namespace == "urn:xmpp:stream-limits:0"]
        assert [entry.serialize() for entry in limits] == [
            "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits>"
        ]
        assert [entry for entry in features[0] if entry not in limits] == features[1]


class TestInactive:
    """3 and 5."""

    def test_presence_and_states_wait_the_latest_of_each(self, stream: Playbook) -> None:
        """Until the client is active; the order is that of the latest news."""
        stream.stream.receive_event(presence("bob@localhost/a", "<show>away</show>"))
        stream.stream.receive_event(presence("carol@localhost/x"))
        stream.stream.receive_stanza(state("bob@localhost/a"))
        stream.stream.receive_stanza(state("bob@localhost/a", "paused"))
        stream.stream.receive_event(ContactUnavailable(*HERE, "bob@localhost/a"))
        assert stream.take() == b""
        assert stream.exchange(ACTIVE) == (
            b"<presence to='alice@localhost' from='carol@localhost/x'></presence>"
            + state("bob@localhost/a", "paused")
            + b"<presence from='bob@localhost/a' to='alice@localhost' type='unavailable'/>"
        )
        stream.stream.receive_stanza(state("bob@localhost/a"))
        assert stream.take() == state("bob@localhost/a")

    @pytest.mark.parametrize(
        "important",
        [
            TEXT,
            b"<iq from='bob@localhost/a' to='alice@localhost/home' type='get' id='1'><q xmlns='urn:x'/></iq>",
            b"<message from='bob@localhost'><received xmlns='urn:xmpp:receipts' id='1'/></message>",
            b"<message from='bob@localhost' type='error'><gone xmlns='http://jabber.org/protocol/chatstates'/></message>",
            b"<message from='bob@localhost'/>",
            b"<presence from='bob@localhost' type='subscribe'/>",
            b"<presence from='bob@localhost/a' type='error'/>",
            b"<presence from='r@localhost/me'><x xmlns='http://jabber.org/protocol/muc#user'/></presence>",
        ],
    )
    def test_what_cannot_wait_lets_out_what_did(self, stream: Playbook, important: bytes) -> None:
        """Order is kept: what was held comes first, and the client stays inactive."""
        stream.stream.receive_event(presence("carol@localhost/x"))
        stream.stream.receive_stanza(important)
        held = b"<presence to='alice@localhost' from='carol@localhost/x'></presence>"
        assert stream.take() == held + important
        stream.stream.receive_event(presence("carol@localhost/x"))
        assert stream.take() == b""

    def test_events_that_cannot_wait(self, stream: Playbook) -> None:
        """Messages and roster pushes go at once."""
        stream.stream.receive_event(MessageArrived(*HERE, Position(9), TEXT, "", None))
        assert stream.take() == TEXT
        stream.stream.receive_event(RosterPushed(*HERE, RosterItem("b@localhost", "", "none", False, ()), 3))
        assert b"jabber:iq:roster" in stream.take()

    def test_in_order_processing(self, stream: Playbook) -> None:
        """5.1: what was held is on the wire before the answer to a request that follows the change."""
        stream.stream.receive_event(presence("carol@localhost/x"))
        sent = stream.exchange(ACTIVE + PING)
        assert sent.index(b"<presence") < sent.index(b"<iq")

    def test_saying_it_again(self, stream: Playbook) -> None:
        """Neither state twice makes a difference."""
        stream.stream.receive_event(presence("carol@localhost/x"))
        assert stream.exchange(INACTIVE) == b""
        assert stream.exchange(ACTIVE + ACTIVE).count(b"<presence") == 1
        assert stream.exchange(ACTIVE) == b""

    def test_streams_begin_active(self) -> None:
        """5: until the client says otherwise."""
        playbook = Playbook().log_in()
        playbook.stream.receive_event(presence("carol@localhost/x"))
        assert playbook.take() != b""

    def test_what_is_held_does_not_count(self, stream: Playbook) -> None:
        """XEP-0198: only what was sent is counted, and counted when it is."""
        stream.exchange(b"<enable xmlns='urn:xmpp:sm:3'/>")
        stream.stream.receive_event(presence("carol@localhost/x"))
        assert b"<stream:error" not in stream.exchange(b"<a xmlns='urn:xmpp:sm:3' h='0'/>")
        assert stream.exchange(ACTIVE).count(b"<presence") == 1
        assert b"<stream:error" not in stream.exchange(b"<a xmlns='urn:xmpp:sm:3' h='1'/>")

    def test_the_stream_ends(self, stream: Playbook) -> None:
        """What was held is not written after the end."""
        stream.stream.receive_event(presence("carol@localhost/x"))
        assert stream.exchange(b"</stream:stream>") == b"</stream:stream>"

    def test_before_the_bind(self) -> None:
        """4.2: there is no state of a client that is not bound."""
        playbook = Playbook()
        playbook.open()
        assert b"unsupported-stanza-type" in playbook.exchange(INACTIVE)


def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit a known sender's news still replaces the old; a new sender's cannot wait."""
    monkeypatch.setattr(xep_0352_client_state, "HELD_STANZA_COUNT_MAX", 2)
    client_state = ClientState()
    assert client_state.hold(b"<presence from='a@x/1'/>")
    assert client_state.hold(b"<presence from='b@x/1'/>")
    assert client_state.hold(b"<presence from='a@x/1' type='unavailable'/>")
    assert not client_state.hold(b"<presence from='c@x/1'/>")
    assert client_state.release() == [b"<presence from='b@x/1'/>", b"<presence from='a@x/1' type='unavailable'/>"]
    assert client_state.release() == []


def test_what_cannot_be_read_does_not_wait() -> None:
    """It goes as it is, and lets others judge."""
    assert not ClientState().hold(b"<presence")


def test_the_state_concerns_nobody_else(stream: Playbook) -> None:
    """5, 6: neither presence nor anything else follows from it, and the client stays available."""
    for said in (ACTIVE, INACTIVE):
        stream.feed(said)
        assert stream.effect() is None
    stream.feed(b"<presence/>")
    assert stream.expect(Submit).action == SetPresence(b"<presence from='alice@localhost/home'/>", 0)
