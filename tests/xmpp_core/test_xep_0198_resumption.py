"""Stream management: resumption (XEP-0198 section 5), and deliveries that wait for a slow client."""

from __future__ import annotations

import re
from typing import Any

import pytest

from raftline.base.errors import Refused, Unavailable
from raftline.base.ids import CURSOR_START, Cursor, NodeId, Position, SessionId
from raftline.machine.commands import OpenRequest
from raftline.machine.outcomes import (
    Done,
    Gone,
    InboxWaiting,
    MessageArrived,
    PresenceArrived,
    Rejected,
    Resumed,
    RosterItem,
    RosterPushed,
    SessionEnded,
    cursor_of,
)
from raftline.machine.queries import (
    InboxPage,
    KeptAnswer,
    Picture,
    PictureOf,
    Reachable,
    RosterOf,
    SessionAt,
    SessionRow,
)
from raftline.xmpp.effects import Ask, EnableManagement, Propose, ResumeSession, Route, Submit
from raftline.xmpp.negotiation import StreamState
from xmpp_core.playbook import Playbook

ENABLE = b"<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
REQUEST = b"<r xmlns='urn:xmpp:sm:3'/>"
PING = b"<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>"
BODY = b"<message to='bob@localhost' type='chat'><body>x</body></message>"
ROSTER_SET = b"<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='x@localhost'/></query></iq>"
TOKEN = bytes.fromhex("00112233445566778899aabbccddeeff")
ID = f"7.{TOKEN.hex()}"
RESUMED = Resumed(SessionId(7), 2, "home", number=4, inbound_count=6, inbound_base=2)
HERE = (NodeId(1), SessionId(7))


def answer(count: int) -> bytes:
    return b"<a xmlns='urn:xmpp:sm:3' h='%d'/>" % count


def arrived(position: int, delivered: int = 0) -> MessageArrived:
    stanza = b"<message id='%d'/>" % position
    return MessageArrived(*HERE, Position(position), stanza, "", None, Position(delivered))


def resume_request(h: str = "5", previd: str = ID) -> bytes:
    return f"<resume xmlns='urn:xmpp:sm:3' h='{h}' previd='{previd}'/>".encode()


def authenticated(**settings: Any) -> Playbook:
    stream = Playbook(**settings)
    stream.open()
    assert b"<success" in stream.authenticate()
    stream.open()
    return stream


def managed(**settings: Any) -> Playbook:
    """A bound stream that can be resumed, after nothing that counts."""
    stream = Playbook(**settings).log_in()
    assert b"<enabled " in stream.exchange(ENABLE)
    return stream


def resumed(pages: dict[Cursor, list[Any]] | None = None, picture: Picture | None = None) -> tuple[Playbook, bytes]:
    """A stream that continues session 7, and what it wrote."""
    stream = authenticated()
    sent = stream.exchange(resume_request(), rules(pages, picture))
    assert stream.stream.state is StreamState.BOUND
    return stream, sent


def rules(pages: dict[Cursor, list[Any]] | None = None, picture: Picture | None = None) -> dict[type, Any]:
    def ask(effect: Ask) -> object:
        if isinstance(effect.query, PictureOf):
            return picture or Picture([], [])
        assert isinstance(effect.query, InboxPage)
        return (pages or {}).get(effect.query.after, [])

    return {ResumeSession: lambda _: RESUMED, Ask: ask}


class TestSection3Enabling:
    """<enable resume='true'/>."""

    @pytest.mark.parametrize(
        ("element", "timeout_s"),
        [
            (ENABLE, 300),
            (b"<enable xmlns='urn:xmpp:sm:3' resume='1'/>", 300),
            (b"<enable xmlns='urn:xmpp:sm:3' resume='true' max='299'/>", 299),
            (b"<enable xmlns='urn:xmpp:sm:3' resume='true' max='301'/>", 300),
            (b"<enable xmlns='urn:xmpp:sm:3' resume='true' max='-5'/>", 300),
            (b"<enable xmlns='urn:xmpp:sm:3' resume='true' max='9999999999'/>", 300),
        ],
    )
    def test_offered(self, element: bytes, timeout_s: int) -> None:
        """The id holds the session and what the system was told; the client may want less time, not more."""
        stream = Playbook().log_in()
        stream.exchange(PING)
        stream.feed(element)
        effect = stream.answer(EnableManagement)
        assert (effect.inbound_base, len(effect.token), effect.timeout_s) == (1, 16, timeout_s)
        sent = stream.take().decode()
        assert f"id='7.{effect.token.hex()}'" in sent
        assert "resume='true'" in sent
        assert f"max='{timeout_s}'" in sent
        assert "location" not in sent

    @pytest.mark.parametrize(
        ("element", "timeout_s"),
        [
            (b"<enable xmlns='urn:xmpp:sm:3'/>", 300),
            (b"<enable xmlns='urn:xmpp:sm:3' resume='false'/>", 300),
            (b"<enable xmlns='urn:xmpp:sm:3' resume='true' max='0'/>", 300),
            (ENABLE, 0),
        ],
    )
    def test_not_offered(self, element: bytes, timeout_s: int) -> None:
        """Not asked for, for no time, or not by this service."""
        stream = Playbook(resumption_timeout_s=timeout_s).log_in()
        stream.feed(element)
        assert stream.answer(EnableManagement) == EnableManagement(0, b"", 0)
        assert stream.take() == b"<enabled xmlns='urn:xmpp:sm:3'/>"

    def test_location(self) -> None:
        """Another node's address, for clients over TCP alone."""
        where = "other.localhost:5222"
        stream = Playbook(resumption_location=lambda: where).log_in()
        assert f"location='{where}'".encode() in stream.exchange(ENABLE)
        stream = Playbook(resumption_location=lambda: where, websocket=True).log_in()
        assert b"location" not in stream.exchange(ENABLE)


class TestSection5Resumed:
    """<resume/> that succeeds."""

    def test_counts_go_on(self) -> None:
        """`h` is the replicated count since <enable/>, stanzas are numbered from there, ours from the client's h."""
        stream, sent = resumed()
        assert sent == f"<resumed xmlns='urn:xmpp:sm:3' h='4' previd='{ID}'/>".encode()
        stream.feed(BODY)
        stream.answer(Submit)
        assert stream.stream.number == 7
        stream.stream.receive_outcome(7, Done())
        assert stream.exchange(REQUEST) == answer(5)
        stream.stream.receive_event(arrived(100))
        stream.take()
        stream.exchange(answer(6))
        progress = stream.stream.progress_to_report()
        assert progress is not None
        assert progress.acknowledged == Cursor(Position(100), Position(100))
        assert b"<handled-count-too-high" in stream.exchange(answer(7))

    def test_bound_as_before(self) -> None:
        """The session's own resource; a second bind is none."""
        stream, _ = resumed()
        assert str(stream.stream.jid) == "alice@localhost/home"
        assert stream.stream.session_id == 7
        assert b"to='alice@localhost/home'" in stream.exchange(PING)

    def test_the_account_is_the_authenticated_one(self) -> None:
        """What the client cannot claim is whose session it is."""
        stream = authenticated()
        stream.feed(resume_request())
        assert stream.expect(ResumeSession) == ResumeSession("alice", SessionId(7), TOKEN)

    def test_order_of_what_follows(self) -> None:
        """Lost answers, then presence as it is, then what came meanwhile, then deliveries page by page."""
        picture = Picture([KeptAnswer(3, "q", "", Done())], [PresenceArrived(*HERE, b"<presence id='now'/>")])
        stream = authenticated()
        stream.feed(resume_request())
        stream.expect(ResumeSession)
        stream.stream.receive_event(arrived(300))
        stream.stream.receive_stanza(b"<message id='off'/>")
        stream.stream.resume(RESUMED)
        first = [arrived(100), arrived(50, delivered=200)]
        stream.run(rules({CURSOR_START: first, cursor_of(first[1]): [arrived(300)]}, picture))
        assert re.findall(rb" id='(\w+)'", stream.take()) == [b"q", b"now", b"off", b"100", b"50", b"300"]

    def test_the_gap_between_page_and_live_is_closed(self) -> None:
        """What arrives while a page is on its way is asked for again, and written once."""
        stream = authenticated()
        stream.feed(resume_request())
        stream.answer(ResumeSession, RESUMED)
        stream.answer(Ask, Picture([], []))
        asked = stream.expect(Ask)
        assert asked.query == InboxPage(SessionId(7), CURSOR_START, 100)
        stream.stream.receive_event(arrived(100))
        stream.stream.resume([])
        assert stream.expect(Ask).query == InboxPage(SessionId(7), CURSOR_START, 100)
        stream.stream.resume([arrived(100)])
        assert stream.expect(Ask).query.after == cursor_of(arrived(100))
        stream.stream.resume([])
        assert stream.effect() is None
        stream.stream.receive_event(arrived(100))
        stream.stream.receive_event(arrived(200))
        assert stream.take().count(b"<message") == 2

    def test_lost_answers(self) -> None:
        """The outcome where it is known, else an error of type wait; acknowledged like others."""
        answers = [
            KeptAnswer(3, "done", "alice@localhost", Done()),
            KeptAnswer(4, "refused", "", Rejected("item-not-found", "cancel", "No.")),
            KeptAnswer(5, "unknown", "localhost", None),
        ]
        stream, sent = resumed(picture=Picture(answers, []))
        done, refused, unknown = re.findall(rb"<iq .*?(?:/>|</iq>)", sent)[:1] + sent.split(b"<iq ")[2:4]
        assert b"type='result'" in done
        assert b"from='alice@localhost'" in done
        assert b"id='done'" in done
        assert b"<item-not-found" in refused
        assert b"from=" not in refused
        assert b"type='wait'><resource-constraint" in unknown
        assert b"from='localhost'" in unknown
        assert sent.endswith(REQUEST)
        stream.exchange(answer(7))
        progress = stream.stream.progress_to_report()
        assert progress is not None
        assert progress.answered == (3, 4)


class TestSection5Failed:
    """<resume/> that fails."""

    @pytest.mark.parametrize(
        "previd", ["", "x", "7", f"0.{TOKEN.hex()}", f"7.{TOKEN.hex()}0", f"9999999999999999999.{TOKEN.hex()}"]
    )
    def test_no_id_of_ours(self, previd: str) -> None:
        """Nobody is asked about what is no id; binding is the way to go on."""
        stream = authenticated()
        sent = stream.exchange(resume_request(previd=previd))
        assert sent == (
            b"<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
        )
        assert b"<jid>" in stream.bind()

    @pytest.mark.parametrize("h", ["", "x", "-1", "4294967296"])
    def test_no_count(self, h: str) -> None:
        """Without the client's count nobody could count on."""
        assert b"<failed xmlns='urn:xmpp:sm:3'><bad-request" in authenticated().exchange(resume_request(h))

    def test_refused(self) -> None:
        """Wrong account, wrong token and unknown sessions look the same."""
        stream = authenticated()
        stream.feed(resume_request())
        stream.expect(ResumeSession)
        stream.stream.throw(Refused("item-not-found", "cancel"))
        assert stream.take().startswith(b"<failed xmlns='urn:xmpp:sm:3'><item-not-found")
        assert b"<jid>" in stream.bind()

    def test_gone(self) -> None:
        """A session that is over: how far it had come."""
        stream = authenticated()
        sent = stream.exchange(resume_request(), {ResumeSession: lambda _: Gone(11)})
        assert sent.startswith(b"<failed xmlns='urn:xmpp:sm:3' h='11'><item-not-found")
        assert b"<jid>" in stream.bind()

    def test_no_quorum(self) -> None:
        """The client is not told that its session is lost, but to come again."""
        stream = authenticated()
        stream.feed(resume_request())
        stream.expect(ResumeSession)
        stream.stream.throw(Unavailable("no quorum"))
        assert stream.effect() is None
        sent = stream.take()
        assert b"<resource-constraint" in sent
        assert b"<failed" not in sent

    def test_out_of_place(self) -> None:
        """Not before authentication, and not once bound."""
        stream = Playbook()
        stream.open()
        assert b"<failed xmlns='urn:xmpp:sm:3'><unexpected-request" in stream.exchange(resume_request())
        assert b"<success" in stream.authenticate(), "the stream goes on"
        assert b"<unexpected-request" in managed().exchange(resume_request())


class TestEnds:
    """Which ends a session survives."""

    def test_a_lost_connection(self) -> None:
        """It waits, and nobody is told farewell."""
        stream = managed()
        row = SessionRow(SessionId(8), NodeId(1), "desk", 0, None)
        presence = b"<presence to='bob@localhost/desk'/>"
        stream.exchange(
            presence, {Ask: lambda ask: [row] if isinstance(ask.query, Reachable) else "", Route: lambda _: True}
        )
        stream.stream.connection_lost()
        assert (stream.stream.is_detached, stream.stream.is_ended, stream.effect()) == (True, True, None)

    @pytest.mark.parametrize(
        ("condition", "is_detached"),
        [
            ("resource-constraint", True),
            ("system-shutdown", True),
            ("reset", True),
            ("", False),
            ("policy-violation", False),
            ("internal-server-error", False),
        ],
    )
    def test_by_us(self, condition: str, *, is_detached: bool) -> None:
        """Those that are the servers' affair."""
        stream = managed()
        stream.stream.close(condition)
        assert stream.stream.is_detached == is_detached

    @pytest.mark.parametrize("data", [b"</stream:stream>", b"<bad<", b"<a xmlns='urn:xmpp:sm:3' h='9'/>"])
    def test_by_the_client(self, data: bytes) -> None:
        """A client that says goodbye, or breaks the protocol, is gone."""
        stream = managed()
        stream.exchange(data)
        stream.stream.connection_lost()
        assert not stream.stream.is_detached

    def test_in_the_middle_of_a_stanza(self) -> None:
        """A connection that is cut off breaks no protocol."""
        stream = managed()
        stream.exchange(BODY[:20])
        stream.stream.connection_lost()
        assert stream.stream.is_detached

    def test_taken_over(self) -> None:
        """The former stream of a session ends with conflict."""
        stream = managed()
        stream.stream.receive_event(SessionEnded(*HERE, "conflict"))
        assert b"<conflict" in stream.take()
        assert not stream.stream.is_detached

    def test_without_resumption(self) -> None:
        """A session that cannot be resumed ends with its connection."""
        stream = Playbook().log_in()
        stream.exchange(b"<enable xmlns='urn:xmpp:sm:3'/>")
        stream.stream.connection_lost()
        assert not stream.stream.is_detached


class TestSlowReaders:
    """Deliveries wait in the log while the client does not read."""

    def test_passed_over_and_caught_up(self) -> None:
        """While the client is slow nothing is written; then what lies after the last one, in order."""
        stream = managed()
        stream.stream.receive_event(arrived(100))
        stream.stream.delivery.is_congested = True
        stream.stream.receive_event(arrived(200))
        stream.stream.receive_event(arrived(300))
        assert stream.take().count(b"<message") == 1
        assert stream.effect() is None
        stream.stream.delivery.is_congested = False
        stream.stream.receive_event(arrived(400))
        asked = stream.expect(Ask)
        assert asked.query.after == cursor_of(arrived(100))
        stream.stream.resume([arrived(200), arrived(300)])
        stream.answer(Ask, [arrived(400)])
        stream.answer(Ask, [])
        assert stream.effect() is None
        stream.stream.receive_event(arrived(500))
        assert re.findall(rb"id='(\d+)'", stream.take()) == [b"200", b"300", b"400", b"500"]

    def test_stops_between_pages(self) -> None:
        """A page is not asked for while the last one is unread."""
        stream = managed()
        stream.stream.receive_event(InboxWaiting(*HERE))
        stream.answer(Ask, [arrived(100)])
        stream.stream.delivery.is_congested = True
        assert stream.effect() is None
        stream.stream.delivery.is_congested = False
        stream.expect(Ask)

    def test_without_an_inbox_everything_is_written(self) -> None:
        """What is passed over would be lost."""
        stream = Playbook().log_in()
        stream.stream.delivery.is_congested = True
        stream.stream.receive_event(arrived(100))
        stream.stream.receive_event(InboxWaiting(*HERE))
        assert b"<message" in stream.take()
        assert stream.effect() is None

    def test_what_came_before_the_inbox_is_written(self) -> None:
        """Deliveries between the bind and <enabled/> have no row to be read from."""
        stream = Playbook().log_in()
        stream.feed(ENABLE)
        stream.expect(EnableManagement)
        stream.stream.delivery.is_congested = True
        stream.stream.receive_event(arrived(100))
        stream.stream.resume()
        assert b"<message" in stream.take()


class TestOpenRequests:
    """Which requests and answers the system is told of."""

    def told(self, stream: Playbook) -> tuple[list[int], tuple[int, ...]]:
        progress = stream.stream.progress_to_report()
        assert progress is not None
        return [request.number for request in progress.requests], progress.answered

    def test_with_the_mark(self) -> None:
        """A request is told with the mark that covers it, once; its answer when the client has it."""
        stream = managed()
        assert stream.exchange(PING).endswith(REQUEST)
        progress = stream.stream.progress_to_report()
        assert progress is not None
        assert progress.requests == (OpenRequest(1, "p", "localhost"),)
        assert stream.stream.progress_to_report() is None
        stream.exchange(answer(1))
        assert self.told(stream) == ([], (1,))

    def test_an_answer_that_arrived_before(self) -> None:
        """Nobody needs to keep it."""
        stream = managed()
        stream.exchange(PING)
        stream.exchange(answer(1))
        assert self.told(stream) == ([], ())

    def test_with_the_command(self) -> None:
        """A command covers requests before it, and its own, which its outcome answers; a refused one covers none."""
        stream = managed()
        stream.exchange(PING)
        stream.feed(ROSTER_SET)
        stream.expect(Propose)
        requests = stream.stream.requests_to_tell()
        assert requests == (OpenRequest(1, "p", "localhost"), OpenRequest(2, "s", "", is_command=True))
        assert stream.stream.requests_to_tell() == requests
        stream.stream.requests_told(requests)
        assert stream.stream.requests_to_tell() == ()
        stream.stream.resume(Done())
        stream.take()
        stream.exchange(answer(2))
        assert self.told(stream) == ([], (1, 2))

    def test_a_get_with_a_command_is_not_answered_by_its_outcome(self) -> None:
        """A roster is more than that it was asked for."""
        stream = managed()
        stream.feed(b"<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>")
        stream.expect(Propose)
        assert stream.stream.requests_to_tell() == (OpenRequest(1, "g", ""),)
        stream.stream.resume(Done())
        assert stream.expect(Ask).query == RosterOf("alice")

    def test_behind_a_message_under_way(self) -> None:
        """A mark tells of no request that it does not cover."""
        stream = managed()
        stream.feed(BODY + PING)
        stream.run()
        assert stream.stream.progress_to_report() is None
        stream.stream.receive_outcome(1, Done())
        assert self.told(stream) == ([2], ())

    def test_answered_by_another_client(self) -> None:
        """A request that was passed on is open until its answer comes by."""
        stream = managed()
        request = b"<iq type='get' id='v' to='bob@localhost/desk'><query xmlns='jabber:iq:version'/></iq>"

        def ask(effect: Ask) -> object:
            row = SessionRow(SessionId(8), NodeId(1), "desk", 0, None)
            return row if isinstance(effect.query, SessionAt) else [row]

        stream.exchange(request, {Ask: ask, Route: lambda _: True})
        assert self.told(stream) == ([1], ())
        stream.stream.receive_stanza(b"<iq type='result' id='v' from='eve@localhost/desk' to='alice@localhost/home'/>")
        stream.stream.receive_stanza(b"<iq type='result' id='v' from='bob@localhost/desk' to='alice@localhost/home'/>")
        stream.take()
        stream.exchange(answer(1))
        assert stream.stream.progress_to_report() is None
        stream.exchange(answer(2))
        assert self.told(stream) == ([], (1,))

    def test_bounded(self) -> None:
        """Beyond the bound the oldest is forgotten, and the system is told so."""
        stream = managed()
        stream.exchange(PING * 128)
        assert len(self.told(stream)[0]) == 128
        stream.exchange(PING)
        assert self.told(stream) == ([129], (1,))

    def test_only_where_it_can_be_resumed(self) -> None:
        """Else nobody asks, neither the client nor the system."""
        stream = Playbook().log_in()
        stream.exchange(b"<enable xmlns='urn:xmpp:sm:3'/>")
        assert REQUEST not in stream.exchange(PING)
        assert self.told(stream) == ([], ())

    def test_roster_pushes(self) -> None:
        """The mark tells up to which version the client has them."""
        stream = managed()
        item = RosterItem("x@localhost", "", "none", ask=False, groups=())
        stream.stream.receive_event(RosterPushed(*HERE, item, 12))
        stream.take()
        stream.exchange(answer(1))
        progress = stream.stream.progress_to_report()
        assert progress is not None
        assert progress.roster_version == 12
