"""XEP-0198 section 9: stream management with SASL2 and Bind 2. Enabling it inline is in test_xep_0386.py."""

from __future__ import annotations

import pytest

from raftline.base.errors import OutcomeUnknown, Unavailable
from raftline.base.ids import NodeId, Position, SessionId
from raftline.machine.login.commands import ResumptionAsked
from raftline.machine.outcomes import Bound, Done, Gone, LoggedIn, MessageArrived, PresenceArrived, Resumed
from raftline.machine.queries import InboxPage, KeptAnswer, Picture, PictureOf
from raftline.xmpp import effects
from raftline.xmpp.negotiation import StreamState
from xmpp_core.playbook import error
from xmpp_core.sasl2 import NS_BIND2, NS_SM, Sasl2, authenticate, condition, identity, success

TOKEN = b"t" * 16
ID = f"7.{TOKEN.hex()}"
RESUME = f"<resume xmlns='{NS_SM}' h='5' previd='{ID}'/>"
BIND = f"<bind xmlns='{NS_BIND2}'><enable xmlns='{NS_SM}'/></bind>"
RESUMED = Resumed(SessionId(7), 2, "home", 6, 6, 2)
HERE = (NodeId(1), SessionId(7))


@pytest.fixture
def stream() -> Sasl2:
    """Open, over TLS; the session can be resumed."""
    made = Sasl2()
    made.open()
    made.outcome = LoggedIn(None, RESUMED)
    return made


def failed(sent: bytes) -> tuple[str, str | None]:
    """Return condition and count of a resumption that failed."""
    element = success(sent).find(f"{{{NS_SM}}}failed")
    assert element is not None, sent
    return element[0].tag.partition("}")[2], element.get("h")


class TestSection92Resumption:
    """9.2: <resume/> within <authenticate/>."""

    def test_offered(self) -> None:
        """<sm/> among what can be asked for inline."""
        assert f"<inline><sm xmlns='{NS_SM}'/>".encode() in Sasl2().open()

    def test_resumed(self, stream: Sasl2) -> None:
        """<resumed/> is in the success, the identity is the session's, and no features follow."""
        sent = stream.plain(RESUME)
        assert stream.logins[0].resume == ResumptionAsked(SessionId(7), TOKEN)
        element = success(sent).find(f"{{{NS_SM}}}resumed")
        assert element is not None
        assert element.attrib == {"h": "4", "previd": ID}
        assert identity(sent) == "alice@localhost/home"
        assert b"<stream:features>" not in sent
        assert stream.stream.state is StreamState.BOUND
        assert stream.stream.number == 6

    def test_bind_is_ignored(self, stream: Sasl2) -> None:
        """A session that was resumed has its resource."""
        sent = stream.plain(RESUME + BIND)
        assert success(sent).find(f"{{{NS_BIND2}}}bound") is None
        assert str(stream.stream.jid) == "alice@localhost/home"

    def test_what_was_missed_follows(self, stream: Sasl2) -> None:
        """Lost answers, then how things are now, then deliveries from the cursor on."""
        stream.picture = Picture([KeptAnswer(3, "q", "", Done())], [PresenceArrived(*HERE, b"<presence id='now'/>")])
        sent = stream.plain(RESUME)
        assert sent.index(b"<success") < sent.index(b"id='q'") < sent.index(b"id='now'")
        assert [type(query) for query in stream.asked[-2:]] == [PictureOf, InboxPage]

    def test_counts_go_on(self, stream: Sasl2) -> None:
        """Inbound from the replicated count, outbound from the client's."""
        stream.plain(RESUME)
        assert stream.talk(b"<r xmlns='urn:xmpp:sm:3'/>") == b"<a xmlns='urn:xmpp:sm:3' h='4'/>"
        stream.stream.receive_event(MessageArrived(*HERE, Position(1 << 16), b"<message/>", "", None))
        assert error("undefined-condition") in stream.talk(b"<a xmlns='urn:xmpp:sm:3' h='7'/>")

    def test_events_wait_for_it(self, stream: Sasl2) -> None:
        """What arrives meanwhile is written behind <resumed/>, from where it counts."""
        stream.feed(authenticate("PLAIN", b"\0alice\0pencil", RESUME))
        while not isinstance(effect := stream.effect(), effects.LogIn):
            assert effect is not None
            stream.stream.resume(stream.reply(effect))
        stream.stream.receive_event(PresenceArrived(*HERE, b"<presence id='early'/>"))
        stream.stream.resume(stream.outcome)
        stream.stream.resume(stream.reply(stream.effect()))  # type: ignore[arg-type]  # the picture
        stream.run({effects.Ask: lambda _: []})
        sent = stream.take()
        assert sent.index(b"</success>") < sent.index(b"id='early'")


class TestSection921FailedResumption:
    """9.2.1: the session is bound anew, if the client asked for that."""

    def test_bound_instead(self, stream: Sasl2) -> None:
        """<failed/> and <bound/>, then the features of a bound stream."""
        stream.outcome = LoggedIn(Bound(SessionId(8), 1), None, None)
        sent = stream.plain(RESUME + BIND)
        assert failed(sent) == ("item-not-found", None)
        names = [child.tag.partition("}")[2] for child in success(sent)]
        assert names == [
            "authorization-identifier",
            "failed",
            "bound",
        ]
        assert stream.stream.session_id == 8
        assert sent.endswith(b"</stream:features>")

    def test_gone(self, stream: Sasl2) -> None:
        """Of a session that is over it is told how far it had come."""
        stream.outcome = LoggedIn(Bound(SessionId(8), 1), None, Gone(12))
        assert failed(stream.plain(RESUME + BIND)) == ("item-not-found", "12")

    def test_without_bind(self, stream: Sasl2) -> None:
        """The client is authenticated, and may bind as it likes."""
        stream.outcome = LoggedIn()
        sent = stream.plain(RESUME)
        assert failed(sent) == ("item-not-found", None)
        assert identity(sent) == "alice@localhost"
        assert b"xmpp-bind" in sent

    @pytest.mark.parametrize(
        ("resume", "name"),
        [
            (f"<resume xmlns='{NS_SM}' h='x' previd='{ID}'/>", "bad-request"),
            (f"<resume xmlns='{NS_SM}' previd='{ID}'/>", "bad-request"),
            (f"<resume xmlns='{NS_SM}' h='1' previd='nonsense'/>", "item-not-found"),
            (f"<resume xmlns='{NS_SM}' h='1'/>", "item-not-found"),
        ],
    )
    def test_unreadable(self, stream: Sasl2, resume: str, name: str) -> None:
        """What names no session of ours fails without a look, and the bind goes on."""
        stream.outcome = None
        sent = stream.plain(resume + BIND)
        assert failed(sent) == (name, None)
        assert stream.logins[0].resume is None
        assert success(sent).find(f"{{{NS_BIND2}}}bound") is not None

    def test_no_quorum(self, stream: Sasl2) -> None:
        """The client is not told that its session is gone when nobody knows (promise P6)."""
        stream.outcome = Unavailable("no quorum")
        assert condition(stream.plain(RESUME)) == "temporary-auth-failure"
        stream.outcome = OutcomeUnknown("who knows")
        sent = stream.plain(RESUME)
        assert b"<failed" not in sent
        assert error("resource-constraint") in sent
