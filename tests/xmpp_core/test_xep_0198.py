"""Stream management: acknowledgements (XEP-0198)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.base.errors import Unavailable
from raftline.base.ids import CURSOR_START, Cursor, NodeId, Position, SessionId
from raftline.machine.outcomes import Done, MessageArrived
from raftline.xmpp.effects import EnableManagement, Submit
from raftline.xmpp.element import Element
from raftline.xmpp.xeps.xep_0198_stream_management import (
    COUNT_MODULUS,
    UNACKNOWLEDGED_COUNT_MAX,
    CountTooHigh,
    StreamManagement,
)
from xmpp_core.playbook import Playbook

ENABLE = b"<enable xmlns='urn:xmpp:sm:3'/>"
REQUEST = b"<r xmlns='urn:xmpp:sm:3'/>"
PING = b"<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
BODY = b"<message to='bob@localhost' type='chat'><body>x</body></message>"


def answer(count: int) -> bytes:
    return b"<a xmlns='urn:xmpp:sm:3' h='%d'/>" % count


def arrived(position: int, delivered: int = 0) -> MessageArrived:
    event = MessageArrived(NodeId(1), SessionId(7), Position(position), b"<message/>", "", None)
    return event._replace(delivered=Position(delivered))


def cursor(position: int, delivered: int = 0) -> Cursor:
    return Cursor(Position(delivered or position), Position(position))


def reported(stream: Playbook) -> tuple[int, Cursor] | None:
    """Count and cursor of the next mark."""
    progress = stream.stream.progress_to_report()
    return None if progress is None else progress[:2]


@pytest.fixture
def managed() -> Playbook:
    """A bound stream with stream management, after two stanzas that do not count."""
    stream = Playbook().log_in()
    stream.exchange(PING * 2)
    assert stream.exchange(ENABLE) == b"<enabled xmlns='urn:xmpp:sm:3'/>"
    return stream


class TestSection3Enabling:
    """Section 3."""

    def test_enabled_once_applied(self) -> None:
        """<enabled/> is said when the system knows; what arrives meanwhile follows it and is not counted before."""
        stream = Playbook().log_in()
        stream.feed(ENABLE)
        stream.expect(EnableManagement)
        stream.stream.receive_event(arrived(1))
        assert stream.take() == b""
        stream.stream.resume()
        assert stream.take() == b"<enabled xmlns='urn:xmpp:sm:3'/><message/>" + REQUEST

    def test_twice(self, managed: Playbook) -> None:
        """A second <enable/> ends the stream."""
        assert b"<policy-violation" in managed.exchange(ENABLE)

    def test_no_quorum(self) -> None:
        """When the servers cannot agree it fails, and can be tried again."""
        stream = Playbook().log_in()
        stream.feed(ENABLE)
        stream.expect(EnableManagement)
        stream.stream.throw(Unavailable("no quorum"))
        assert b"<failed xmlns='urn:xmpp:sm:3'><resource-constraint" in stream.take()
        assert b"<enabled" in stream.exchange(ENABLE)

    @pytest.mark.parametrize("element", [ENABLE, REQUEST, answer(0)])
    def test_before_the_bind(self, element: bytes) -> None:
        """Nothing of it before a resource is bound."""
        stream = Playbook()
        stream.open()
        stream.authenticate()
        stream.open()
        assert b"<failed xmlns='urn:xmpp:sm:3'><unexpected-request" in stream.exchange(element)

    @pytest.mark.parametrize("settings", [{}, {"is_secure": True}, {"allow_plaintext": False}])
    @pytest.mark.parametrize("element", [ENABLE, REQUEST, answer(0)])
    def test_before_authentication(self, element: bytes, settings: dict[str, bool]) -> None:
        """It fails, in the clear and under TLS, whatever else is offered; the stream goes on."""
        stream = Playbook(**settings)
        stream.open()
        assert stream.exchange(element).startswith(b"<failed xmlns='urn:xmpp:sm:3'><unexpected-request")
        assert not stream.stream.is_closing

    @pytest.mark.parametrize("element", [REQUEST, answer(0)])
    def test_before_enable(self, element: bytes) -> None:
        """Nor before it is on."""
        assert b"<unexpected-request" in Playbook().log_in().exchange(element)

    def test_resume(self) -> None:
        """There is nothing to resume; binding is the way to go on (section 5)."""
        stream = Playbook()
        stream.open()
        stream.authenticate()
        stream.open()
        sent = stream.exchange(b"<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>")
        assert sent == (
            b"<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
        )
        assert b"<jid>" in stream.bind()


class TestSection4Inbound:
    """Section 4: what we acknowledge (promise P1)."""

    def test_nothing_before_it_is_replicated(self, managed: Playbook) -> None:
        """A stanza that was handled, but not settled on a majority, does not count."""
        assert managed.exchange(PING + REQUEST).endswith(answer(0))

    def test_commands_count_when_they_had_their_outcome(self, managed: Playbook) -> None:
        """The outcome covers the stanza and all before it; an unsolicited <a/> says so."""
        managed.feed(PING + BODY + REQUEST)
        managed.run()
        assert managed.take().endswith(answer(0))
        managed.stream.receive_outcome(4, Done())
        assert managed.take() == answer(2)
        assert managed.take() == b""

    def test_others_count_when_a_mark_covers_them(self, managed: Playbook) -> None:
        """A stanza without a command is reported, and counts when the mark is applied."""
        managed.exchange(PING + REQUEST)
        assert reported(managed) == (3, CURSOR_START)
        assert managed.stream.progress_to_report() is None
        managed.stream.receive_progress(3)
        assert managed.take() == answer(1)

    def test_gaps_hold_the_count_back(self, managed: Playbook) -> None:
        """Behind a command without outcome nothing is reported, whatever was handled since."""
        managed.feed(BODY + PING)
        managed.run()
        assert managed.stream.handled_count == 2
        assert reported(managed) == (2, CURSOR_START)
        managed.stream.receive_outcome(3, Done())
        assert reported(managed) == (4, CURSOR_START)

    def test_no_mark_for_what_commands_cover(self, managed: Playbook) -> None:
        """Commands carry the count along, so that busy sessions need no marks."""
        managed.feed(BODY)
        managed.run()
        managed.stream.progress_to_report()
        managed.stream.receive_outcome(3, Done())
        assert managed.stream.progress_to_report() is None

    def test_unsolicited_answers_end_with_what_was_asked(self, managed: Playbook) -> None:
        """Who did not ask is not told; one answer a turn, until the request is covered."""
        managed.feed(BODY * 3)
        managed.run()
        managed.stream.receive_outcome(3, Done())
        assert managed.take() == b""
        assert managed.exchange(REQUEST) == answer(1)
        managed.stream.receive_outcome(4, Done())
        managed.stream.receive_outcome(5, Done())
        assert managed.take() == answer(3)
        managed.feed(BODY)
        managed.run()
        managed.stream.receive_outcome(6, Done())
        assert managed.take() == b""

    def test_answer_before_the_end(self, managed: Playbook) -> None:
        """The last count precedes our end tag (section 7)."""
        managed.feed(BODY + b"</stream:stream>")
        managed.answer(Submit)
        managed.stream.receive_outcome(3, Done())
        managed.run()
        assert managed.take() == answer(1) + b"</stream:stream>"

    def test_elements_of_its_own_do_not_count(self, managed: Playbook) -> None:
        """<r/> and <a/> are no stanzas."""
        managed.exchange(REQUEST + answer(0) + REQUEST)
        assert managed.stream.handled_count == 2


class TestSection4Outbound:
    """Section 4: what the client acknowledges."""

    def test_answer_maps_to_a_position(self, managed: Playbook) -> None:
        """The count is of stanzas of the stream; the session's mark speaks of positions."""
        for position in (100, 200, 300):
            managed.stream.receive_event(arrived(position))
        managed.stream.receive_stanza(b"<presence/>")
        assert managed.take() == b"<message/>" * 3 + b"<presence/>" + REQUEST
        managed.exchange(answer(2))
        assert reported(managed) == (2, cursor(200))
        managed.exchange(answer(4))
        assert reported(managed) == (2, cursor(300))

    def test_one_request_at_a_time(self, managed: Playbook) -> None:
        """Deliveries are asked about once; an answer that leaves some out is followed by a request."""
        managed.stream.receive_event(arrived(100))
        assert managed.take().endswith(REQUEST)
        managed.stream.receive_event(arrived(200))
        assert managed.take() == b"<message/>"
        assert managed.exchange(answer(1)) == REQUEST
        assert managed.exchange(answer(2)) == b""

    def test_what_is_no_delivery_is_not_asked_about(self, managed: Playbook) -> None:
        """An IQ result that is lost is asked for again by the client itself."""
        assert REQUEST not in managed.exchange(PING)

    @pytest.mark.parametrize(("count", "is_fine"), [(0, True), (1, True), (2, False), (COUNT_MODULUS - 1, False)])
    def test_too_high(self, managed: Playbook, count: int, is_fine: bool) -> None:
        """Nobody acknowledges what was not sent (section 6)."""
        managed.stream.receive_event(arrived(100))
        managed.take()
        sent = managed.exchange(answer(count))
        assert managed.stream.is_closing == (not is_fine)
        if not is_fine:
            detail = f"<handled-count-too-high xmlns='urn:xmpp:sm:3' h='{count}' send-count='1'/>".encode()
            assert sent.startswith(b"<stream:error><undefined-condition ")
            assert detail in sent

    @pytest.mark.parametrize("h", ["", "h='x'", "h='-1'", "h='99999999999'"])
    def test_no_number(self, managed: Playbook, h: str) -> None:
        """The count is a number."""
        assert b"<bad-format" in managed.exchange(f"<a xmlns='urn:xmpp:sm:3' {h}/>".encode())

    def test_too_many_unacknowledged(self, managed: Playbook) -> None:
        """A client that never acknowledges has its stream ended; memory stays bounded (promise P6)."""
        for position in range(1, UNACKNOWLEDGED_COUNT_MAX + 1):
            managed.stream.receive_event(arrived(position))
        assert not managed.stream.is_closing
        managed.stream.receive_event(arrived(UNACKNOWLEDGED_COUNT_MAX + 1))
        assert managed.stream.close_condition == "resource-constraint"

    def test_late_offline_message(self, managed: Playbook) -> None:
        """A message that waited offline may follow a newer one; in the order of delivery it lies after."""
        managed.stream.receive_event(arrived(500))
        managed.exchange(answer(1))
        assert reported(managed) == (2, cursor(500))
        managed.stream.receive_event(arrived(100, delivered=600))
        assert reported(managed) is None
        managed.exchange(answer(2))
        assert reported(managed) == (2, cursor(100, delivered=600))

    @given(st.lists(st.tuples(st.integers(1, 50), st.booleans(), st.integers(0, 60))))
    def test_nothing_unacknowledged_is_covered(self, steps: list[tuple[int, bool, int]]) -> None:
        """The cursor told to the system is that of the last delivery whose number the client has acknowledged."""
        management = StreamManagement()
        management.enable(0)
        sent = [CURSOR_START]
        acknowledged = 0
        for step, is_answer, count in steps:
            if not is_answer:
                sent.append(cursor(step, delivered=sent[-1].delivered + step))
                management.count_sent(sent[-1])
            elif acknowledged <= count < len(sent):
                management.receive_answer(Element("a", "urn:xmpp:sm:3", {"h": str(count)}))
                acknowledged = count
            assert management.acknowledged == sent[acknowledged]


class TestCounts:
    """Section 4: 32 bits, from zero to zero."""

    def test_wrap(self) -> None:
        """Past 2^32 both counts begin again."""
        management = StreamManagement()
        management.enable(10)
        management.count_replicated(10 + COUNT_MODULUS + 3)
        assert management.receive_request(0) == answer(3)
        management._outbound_count = management._acknowledged_count = COUNT_MODULUS - 1
        management.count_sent(cursor(7))
        management.count_sent(cursor(8))
        management.receive_answer(Element("a", "urn:xmpp:sm:3", {"h": "1"}))
        assert management.acknowledged == cursor(8)
        with pytest.raises(CountTooHigh):
            management.receive_answer(Element("a", "urn:xmpp:sm:3", {"h": "2"}))
