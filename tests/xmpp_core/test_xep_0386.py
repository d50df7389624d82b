"""XEP-0386 Bind 2."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from raftline.base.ids import NodeId, Position
from raftline.machine.login.commands import BindAsked
from raftline.machine.outcomes import MessageArrived, PresenceArrived
from raftline.machine.queries import ArchiveRow
from raftline.xmpp.effects import Submit
from raftline.xmpp.negotiation import StreamState
from xmpp_core.playbook import bind_request, error
from xmpp_core.sasl2 import BOUND, CLIENT_ID, NS_BIND2, NS_SM, Sasl2, condition, identity, success

BOUND_TAG = f"{{{NS_BIND2}}}bound"
MAM = "urn:xmpp:mam:2"
ENABLE = f"<enable xmlns='{NS_SM}' resume='true'/>"
HERE = (NodeId(1), BOUND.session_id)


def bind(inline: str = "", tag: str = "") -> str:
    return f"<bind xmlns='{NS_BIND2}'>{f'<tag>{tag}</tag>' if tag else ''}{inline}</bind>"


def asked(stream: Sasl2) -> BindAsked:
    """Return what was asked for with the last login."""
    wanted = stream.logins[-1].bind
    assert wanted is not None
    return wanted


def bound(sent: bytes) -> ET.Element:
    found = success(sent).find(BOUND_TAG)
    assert found is not None, sent
    return found


@pytest.fixture
def stream() -> Sasl2:
    """Open, over TLS."""
    made = Sasl2()
    made.open()
    return made


class TestSection31Discovering:
    """3.1: what can be turned on."""

    def test_features(self) -> None:
        """Copies, client state and stream management."""
        features = Sasl2().open()
        names = ("urn:xmpp:carbons:2", "urn:xmpp:csi:0", "urn:xmpp:sm:3")
        inner = "".join(f"<feature var='{name}'/>" for name in names)
        assert f"<bind xmlns='{NS_BIND2}'><inline>{inner}</inline></bind>".encode() in features


class TestSection32Bind:
    """3.2: performing the bind."""

    def test_bound(self, stream: Sasl2) -> None:
        """The full JID, <bound/>, and features without another bind; the stream is as bound as any."""
        sent = stream.plain(bind())
        jid = identity(sent)
        assert jid.startswith("alice@localhost/")
        assert str(stream.stream.jid) == jid
        assert stream.stream.session_id == BOUND.session_id
        assert bound(sent).find(f"{{{MAM}}}metadata") is not None
        features = sent[sent.index(b"<stream:features>") :]
        assert b"xmpp-bind" not in features
        for feature in (b"<sm xmlns='urn:xmpp:sm:3'/>", b"<csi ", b"urn:xmpp:features:rosterver"):
            assert feature in features
        stream.feed(b"<message to='bob@localhost' type='chat' id='m'><body>hi</body></message>")
        stream.expect(Submit)
        assert stream.stream.number == 1

    def test_nothing_else_is_on(self, stream: Sasl2) -> None:
        """What was not asked for stays off."""
        stream.plain(bind())
        wanted = asked(stream)
        assert (wanted.carbons, wanted.managed, wanted.token, wanted.timeout_s) == (False, False, b"", 0)
        stream.stream.receive_event(PresenceArrived(*HERE, b"<presence from='bob@localhost/x'/>"))
        assert b"<presence" in stream.take()

    def test_one_command(self, stream: Sasl2) -> None:
        """All of it is one command of the log."""
        stream.plain(bind("<enable xmlns='urn:xmpp:carbons:2'/>" + ENABLE))
        assert len(stream.logins) == 1

    def test_a_second_bind(self, stream: Sasl2) -> None:
        """A stream has one resource."""
        stream.plain(bind())
        assert b"<service-unavailable" in stream.talk(bind_request("other"))

    def test_without_bind(self, stream: Sasl2) -> None:
        """Who does not ask for one binds as before."""
        sent = stream.plain()
        assert success(sent).find(BOUND_TAG) is None
        assert stream.stream.state is StreamState.AUTHENTICATED


class TestSection321Resource:
    """3.2.1: the resource is tag/name."""

    def test_stable(self) -> None:
        """The same client gets the same name on every node, under whatever tag; its id does not show."""
        resources = []
        for tag in ("App", "App", "Other"):
            stream = Sasl2()
            stream.open()
            stream.plain(bind(tag=tag))
            resources.append(asked(stream).resource)
            assert asked(stream).client == asked(stream).resource.partition("/")[2] != ""
        assert resources[0] == resources[1]
        assert resources[2] == resources[0].replace("App", "Other")
        assert CLIENT_ID not in resources[0]

    def test_other_clients_and_keys(self, stream: Sasl2) -> None:
        """Another client, and another cluster, make another name of it."""
        others = [("d4565fa7-4d72-4749-b3d3-740edbf87771", b"decoy"), (CLIENT_ID, b"other key")]
        stream.plain(bind())
        names = {asked(stream).client}
        for client_id, key in others:
            other = Sasl2(decoy_key=key)
            other.open()
            other.plain(bind(), client_id=client_id)
            names.add(asked(other).client)
        assert len(names) == 3

    def test_unknown_clients(self, stream: Sasl2) -> None:
        """Who tells no id gets a fresh name, and ends nobody's session."""
        stream.plain(bind(tag="App"), client_id="")
        other = Sasl2()
        other.open()
        other.scram("SCRAM-SHA-256", channel=b"", password="wrong")  # takes some chance away
        other.plain(bind(tag="App"), client_id="")
        assert asked(stream).client == asked(other).client == ""
        assert asked(stream).resource != asked(other).resource
        assert asked(stream).resource.startswith("App/")

    def test_no_tag(self, stream: Sasl2) -> None:
        """Without a tag the name is all there is."""
        stream.plain(bind())
        assert asked(stream).resource == asked(stream).client

    def test_tag_is_prepared(self, stream: Sasl2) -> None:
        """The JID is told as it counts from there on (RFC 7622 section 3.4)."""
        sent = stream.plain(bind(tag="Caf\u0065\u0301"))
        assert "/Caf\u00e9/" in identity(sent)

    @pytest.mark.parametrize(("length", "is_right"), [(1023 - 17, True), (1023 - 16, False)])
    def test_length(self, stream: Sasl2, length: int, is_right: bool) -> None:
        """Both sides of the greatest resource; what cannot be one fails before anything is done."""
        sent = stream.plain(bind(tag="x" * length))
        if is_right:
            assert len(asked(stream).resource) == 1023
        else:
            assert condition(sent) == "malformed-request"
            assert stream.logins == []
            assert stream.stream.state is StreamState.SECURE

    def test_no_resource(self, stream: Sasl2) -> None:
        """A tag of control characters is none."""
        assert condition(stream.plain(bind(tag="a&#9;b"))) == "malformed-request"


class TestArchive:
    """3.2: the state of the archive."""

    def test_metadata(self, stream: Sasl2) -> None:
        """First and last message, as XEP-0313 section 5 has them."""
        row = ArchiveRow(Position(1 << 16), 1_000, b"")
        stream.ends = (row, row._replace(position=Position(2 << 16), time_ms=2_000))
        metadata = bound(stream.plain(bind())).find(f"{{{MAM}}}metadata")
        assert metadata is not None
        assert [child.get("timestamp") for child in metadata] == [
            "1970-01-01T00:00:01.000Z",
            "1970-01-01T00:00:02.000Z",
        ]
        assert [child.tag.partition("}")[2] for child in metadata] == ["start", "end"]

    def test_empty(self, stream: Sasl2) -> None:
        """An archive without messages has neither."""
        metadata = bound(stream.plain(bind())).find(f"{{{MAM}}}metadata")
        assert metadata is not None
        assert len(metadata) == 0


class TestInteractions:
    """3.2: what is turned on with the bind."""

    def test_carbons(self, stream: Sasl2) -> None:
        """They are on with the bind; no answer is needed."""
        sent = stream.plain(bind("<enable xmlns='urn:xmpp:carbons:2'/>"))
        assert asked(stream).carbons
        assert len(bound(sent)) == 1

    @pytest.mark.parametrize(("state", "is_held"), [("inactive", True), ("active", False)])
    def test_client_state(self, stream: Sasl2, state: str, is_held: bool) -> None:
        """The session begins in that state."""
        stream.plain(bind(f"<{state} xmlns='urn:xmpp:csi:0'/>"))
        stream.stream.receive_event(PresenceArrived(*HERE, b"<presence from='bob@localhost/x'/>"))
        assert (stream.take() == b"") is is_held

    def test_stream_management(self, stream: Sasl2) -> None:
        """<enabled/> is in <bound/>; features offer it no more; stanzas count from there (XEP-0198 section 9.1)."""
        sent = stream.plain(bind(ENABLE))
        wanted = asked(stream)
        assert (wanted.managed, len(wanted.token), wanted.timeout_s) == (True, 16, 300)
        enabled = bound(sent).find(f"{{{NS_SM}}}enabled")
        assert enabled is not None
        assert enabled.attrib == {"id": f"7.{wanted.token.hex()}", "resume": "true", "max": "300"}
        assert b"<sm " not in sent[sent.index(b"<stream:features>") :]
        assert stream.talk(b"<r xmlns='urn:xmpp:sm:3'/>") == b"<a xmlns='urn:xmpp:sm:3' h='0'/>"
        arrived = MessageArrived(*HERE, Position(1 << 16), b"<message/>", "alice@localhost", None)
        stream.stream.receive_event(arrived)
        assert stream.take().endswith(b"<r xmlns='urn:xmpp:sm:3'/>")
        stream.talk(b"<a xmlns='urn:xmpp:sm:3' h='1'/>")
        progress = stream.stream.progress_to_report()
        assert progress is not None
        assert progress.acknowledged == (1 << 16, 1 << 16)
        assert error("undefined-condition") in stream.talk(b"<a xmlns='urn:xmpp:sm:3' h='2'/>")

    def test_management_without_resumption(self, stream: Sasl2) -> None:
        """Asked for without resumption there is none."""
        sent = stream.plain(bind(f"<enable xmlns='{NS_SM}'/>"))
        assert (asked(stream).token, asked(stream).timeout_s) == (b"", 0)
        enabled = bound(sent).find(f"{{{NS_SM}}}enabled")
        assert enabled is not None
        assert enabled.attrib == {}

    def test_enabled_twice(self, stream: Sasl2) -> None:
        """Once is enough, as ever (XEP-0198 section 3)."""
        stream.plain(bind(ENABLE))
        assert error("policy-violation") in stream.talk(ENABLE.encode())

    def test_unknown_features(self, stream: Sasl2) -> None:
        """What we do not know is not turned on, and harms nothing."""
        assert len(bound(stream.plain(bind("<enable xmlns='urn:x'/>")))) == 1
