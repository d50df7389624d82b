"""XEP-0377 Blocking Command Reports, by section, over the real state machine."""

from __future__ import annotations

import pytest

from raftline.base.ids import parse_stanza_id
from raftline.base.limits import (
    REPORT_MESSAGE_COUNT_MAX,
    REPORT_NOTICE_INTERVAL_MS,
    REPORT_NOTICE_LINE_COUNT_MAX,
    REPORT_REASON_SIZE_MAX,
    REPORT_TEXT_SIZE_MAX,
)
from raftline.machine.history.answers import ReportRecord
from raftline.machine.history.commands import ReportConsent
from raftline.machine.history.queries import ListReports
from xmpp_im.conversations import archive, error_of, say, take
from xmpp_im.service import Client, Service

ALICE, BOB = "alice@example.org", "bob@example.org"
SPAM = "urn:xmpp:reporting:spam"
FEATURE = "urn:xmpp:reporting:1"


@pytest.fixture
def service() -> Service:
    """A service of two people."""
    return Service("alice", "bob")


def report(reason: str = SPAM, inner: str = "") -> str:
    """Write a report."""
    return f"<report xmlns='{FEATURE}' reason='{reason}'>{inner}</report>"


def block(client: Client, *items: tuple[str, str]) -> None:
    """Block addresses, with what stands in their items."""
    written = "".join(f"<item jid='{jid}'>{inner}</item>" for jid, inner in items)
    client.take()
    client.write(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>{written}</block></iq>")


def reports(service: Service) -> list[ReportRecord]:
    """What the operators may read."""
    found = service.machine.answer(ListReports())
    assert isinstance(found, list)
    return found  # type: ignore[return-value]


def test_section_3_discovering_support(service: Service) -> None:
    """The server announces that blocks may carry reports."""
    alice = service.bind("alice")
    alice.write("<iq to='example.org' type='get' id='d'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
    [reply] = take(alice)
    assert FEATURE in {feature.get("var") for feature in reply[0]}


class TestSection4:
    """4. Payload."""

    @pytest.mark.one_process(reason="looks into the database")
    def test_reason_and_text(self, service: Service) -> None:
        """Who reported whom, why, when; a text is optional, and of several the first counts."""
        alice = service.bind("alice")
        text = "<text xml:lang='en'> Never came trouble </text><text xml:lang='de'>Nie</text>"
        block(alice, (BOB, report(SPAM, text)))
        block(alice, ("eve@example.org", report("urn:xmpp:reporting:abuse")))
        second, first = reports(service)
        assert (first.jid, first.reason, first.text, first.messages, first.consents) == (
            BOB,
            SPAM,
            "Never came trouble",
            (),
            0,
        )
        assert (second.jid, second.reason, second.text) == ("eve@example.org", "urn:xmpp:reporting:abuse", "")
        assert first.time_ms < second.time_ms == service.time_ms
        assert first.account_id == second.account_id

    @pytest.mark.parametrize("bad", [f"<report xmlns='{FEATURE}'/>", report("")])
    def test_without_a_reason(self, service: Service, bad: str) -> None:
        """A report must say why: nothing is blocked either."""
        alice = service.bind("alice")
        block(alice, (BOB, bad))
        assert error_of(alice) == "bad-request"
        assert not alice.machine_blocks(BOB)

    @pytest.mark.one_process(reason="looks into the database")
    def test_sizes(self, service: Service) -> None:
        """Text and reason as long as allowed are kept; longer ones are refused."""
        alice = service.bind("alice")
        text = "<text>{}</text>"
        block(alice, (BOB, report("r" * REPORT_REASON_SIZE_MAX, text.format("x" * REPORT_TEXT_SIZE_MAX))))
        assert len(reports(service)) == 1
        block(alice, (BOB, report(SPAM, text.format("x" * (REPORT_TEXT_SIZE_MAX + 1)))))
        assert error_of(alice) == "not-acceptable"
        block(alice, (BOB, report("r" * (REPORT_REASON_SIZE_MAX + 1))))
        assert error_of(alice) == "bad-request"


@pytest.mark.one_process(reason="looks into the database")
def test_section_5_opt_in(service: Service) -> None:
    """What the reporter agrees to is kept with the report."""
    alice = service.bind("alice")
    block(alice, (BOB, report(SPAM, "<report-origin/>")))
    block(alice, (BOB, report(SPAM, "<third-party/><report-origin/>")))
    both = ReportConsent.ORIGIN | ReportConsent.THIRD_PARTY
    assert [found.consents for found in reports(service)] == [both, ReportConsent.ORIGIN]


class TestSection6:
    """6. Submitting reports as part of blocking."""

    @pytest.mark.one_process(reason="looks into the database")
    def test_it_blocks(self, service: Service) -> None:
        """The address is blocked as it would be without a report; a second report of it is kept too."""
        alice = service.bind("alice")
        block(alice, (BOB, report()))
        assert alice.machine_blocks(BOB)
        block(alice, (BOB, report()), ("eve@example.org", ""))
        assert [(found.jid, found.number) for found in reports(service)] == [(BOB, 0), (BOB, 0)]

    @pytest.mark.one_process(reason="looks into the database")
    def test_reports_of_several(self, service: Service) -> None:
        """Each item has its own report."""
        alice = service.bind("alice")
        block(alice, (BOB, report()), ("eve@example.org", report("urn:xmpp:reporting:abuse")))
        assert [(found.jid, found.number) for found in reports(service)] == [("eve@example.org", 1), (BOB, 0)]

    @pytest.mark.one_process(reason="looks into the database")
    def test_messages(self, service: Service) -> None:
        """Stanza ids of this service are kept, each once; ids that it never gave are not."""
        alice, bob = service.bind("alice"), service.bind("bob")
        say(bob, ALICE, "buy this")
        [stanza_id] = archive(alice).ids
        named = "<stanza-id xmlns='urn:xmpp:sid:0' by='alice@example.org' id='{}'/>"
        ids = (stanza_id, "nonsense", "8-10", stanza_id, "7-99999999999999999999")
        block(alice, (BOB, report(SPAM, "".join(map(named.format, ids)))))
        parsed = parse_stanza_id(stanza_id)
        assert parsed is not None
        assert reports(service)[0].messages == (parsed[1],)

    @pytest.mark.one_process(reason="looks into the database")
    def test_number_of_messages(self, service: Service) -> None:
        """As many as allowed; one more is refused."""
        alice = service.bind("alice")
        named = [
            f"<stanza-id xmlns='urn:xmpp:sid:0' by='alice@example.org' id='7-{number}'/>"
            for number in range(1, REPORT_MESSAGE_COUNT_MAX + 2)
        ]
        block(alice, (BOB, report(SPAM, "".join(named[:-1]))))
        assert len(reports(service)[0].messages) == REPORT_MESSAGE_COUNT_MAX
        block(alice, (BOB, report(SPAM, "".join(named))))
        assert error_of(alice) == "policy-violation"


@pytest.mark.one_process(reason="other tests report within the minute")
class TestNotices:
    """Administrators who are connected are told."""

    @pytest.fixture
    def service(self) -> Service:
        """Two people, and Anna, who administers."""
        return Service("alice", "bob", "anna", administrators=("anna@example.org", "ghost@elsewhere.example"))

    @pytest.fixture
    def anna(self, service: Service) -> Client:
        client = service.bind("anna")
        client.write("<presence/>")
        client.take()
        return client

    def bodies(self, client: Client) -> list[str]:
        """What the service says to a client."""
        found = [stanza for stanza in take(client) if stanza.tag.endswith("}message")]
        assert all(stanza.get("from") == "example.org" for stanza in found)
        return [stanza.findtext("{jabber:client}body") or "" for stanza in found]

    def test_a_text_of_the_service(self, service: Service, anna: Client) -> None:
        """Who reports whom, and where to read more; on each device that is available, and on no others."""
        silent, alice = service.bind("anna", "silent"), service.bind("alice")
        block(alice, (BOB, report(SPAM, "<text>buy!</text>")))
        [body] = self.bodies(anna)
        assert body.startswith(f"{ALICE} reports {BOB}: spam")
        assert "raftline reports list" in body
        assert self.bodies(silent) == []
        assert self.bodies(alice) == []

    def test_a_block_without_one(self, service: Service, anna: Client) -> None:
        """To block somebody is nobody's business."""
        block(service.bind("alice"), (BOB, ""))
        assert self.bodies(anna) == []

    def test_once_in_a_minute(self, service: Service, anna: Client) -> None:
        """However much is reported; then they are told again."""
        alice = service.bind("alice")
        block(alice, (BOB, report()))
        block(alice, ("eve@example.org", report()))
        assert len(self.bodies(anna)) == 1
        service.pass_time(REPORT_NOTICE_INTERVAL_MS // 1000)
        block(alice, ("eve@example.org", report()))
        assert len(self.bodies(anna)) == 1

    def test_many_at_once(self, service: Service, anna: Client) -> None:
        """A notice names so many, and counts the rest."""
        names = [f"eve{number}@example.org" for number in range(REPORT_NOTICE_LINE_COUNT_MAX + 1)]
        block(service.bind("alice"), *((name, report()) for name in names))
        [body] = self.bodies(anna)
        assert names[-2] in body
        assert names[-1] not in body
        assert "1 more" in body
