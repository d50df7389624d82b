"""XEP-0313 Message Archive Management, by section, against an archive held in a list."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.base.errors import Refused
from raftline.base.ids import Position
from raftline.base.limits import ARCHIVE_PAGE_ROW_COUNT_MAX
from raftline.machine.queries import ArchiveEnds, ArchivePage, ArchiveRow, Page, Query
from raftline.xmpp.effects import Ask, Effect
from raftline.xmpp.stanza import Stanza
from raftline.xmpp.xeps.xep_0313_mam import (
    IDS_COUNT_MAX,
    PAGE_BYTES_MAX,
    PAGE_LIMIT_DEFAULT,
    handle_form,
    handle_metadata,
    handle_query,
)
from xmpp_im.playbook import EPOCH, Playbook, stanza, tree

MAM = "{urn:xmpp:mam:2}"
RSM = "{http://jabber.org/protocol/rsm}"
OWNER = "alice@example.org"
BODY = b"<message from='bob@example.org/desk' to='alice@example.org' type='chat'><body>%d</body></message>"


class Archive:
    """Answers an archive's questions from a list, as queries.py says, and remembers them."""

    def __init__(self, count: int) -> None:
        """Message n has position 10 n and time 1000 n."""
        self.rows = [ArchiveRow(Position(10 * n), 1000 * n, BODY % n) for n in range(1, count + 1)]
        self.asked: list[Query] = []

    def __call__(self, effect: Effect) -> Any:
        assert isinstance(effect, Ask)
        self.asked.append(effect.query)
        if isinstance(effect.query, ArchiveEnds):
            return (self.rows[0], self.rows[-1]) if self.rows else None
        assert isinstance(effect.query, ArchivePage)
        return self.page(effect.query)

    def page(self, query: ArchivePage) -> Page:
        assert query.owner == OWNER
        assert 1 <= query.limit <= ARCHIVE_PAGE_ROW_COUNT_MAX
        matching = [
            row
            for row in self.rows
            if (not query.positions or row.position in query.positions)
            and (query.start_ms is None or row.time_ms >= query.start_ms)
            and (query.end_ms is None or row.time_ms <= query.end_ms)
        ]
        within = [
            row
            for row in matching
            if (query.after is None or row.position > query.after)
            and (query.before is None or row.position < query.before)
        ]
        rows = within[-query.limit :] if query.backward else within[: query.limit]
        offset = matching.index(rows[0]) if rows else 0
        return Page(rows, len(rows) == len(within), len(matching), offset)


def uid(n: int) -> str:
    """Archive id of message n."""
    return f"{EPOCH}-{10 * n}"


def form(**fields: str | list[str]) -> str:
    """Write a form of the query; `after_id` is the field after-id."""
    written = "".join(
        f"<field var='{name.replace('_', '-')}'>"
        + "".join(f"<value>{value}</value>" for value in ([values] if isinstance(values, str) else values))
        + "</field>"
        for name, values in fields.items()
    )
    kind = "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>"
    return f"<x xmlns='jabber:x:data' type='submit'>{kind}{written}</x>"


def rsm(inner: str) -> str:
    """Write a request for a page."""
    return f"<set xmlns='http://jabber.org/protocol/rsm'>{inner}</set>"


def query(inner: str = "", attributes: str = "", to: str = "") -> Stanza:
    """Make a query."""
    return stanza(f"<iq {to} type='set' id='q'><query xmlns='urn:xmpp:mam:2' {attributes}>{inner}</query></iq>")


class Asked:
    """A query that was answered: ids of the messages that were sent, and the summary."""

    def __init__(self, archive: Archive, sent: Stanza) -> None:
        self.book = Playbook()
        fin = self.book.drive(handle_query(self.book.context, sent), archive)
        self.fin = tree(fin.serialize())
        self.results = [tree(message).find(f"{MAM}result") for message in self.book.sent]
        self.ids = [None if result is None else result.get("id") for result in self.results]
        self.complete = self.fin.get("complete")
        summary = self.fin.find(f"{RSM}set")
        assert summary is not None
        self.first, self.last, self.count = (summary.findtext(f"{RSM}{name}") for name in ("first", "last", "count"))
        first = summary.find(f"{RSM}first")
        self.index = None if first is None else first.get("index")


def refusal(archive: Archive, sent: Stanza) -> tuple[str, str]:
    """Condition and type of the error that a query gets; it must not have sent a message."""
    book = Playbook()
    with pytest.raises(Refused) as caught:
        book.drive(handle_query(book.context, sent), archive)
    assert book.sent == []
    return caught.value.condition, caught.value.kind


class TestSection4:
    """4. Querying an archive."""

    def test_a_result_message(self) -> None:
        """4.2: id, query id, time, and the stanza as it was, in its own namespace."""
        asked = Asked(Archive(1), query(attributes="queryid='f27&amp;'"))
        assert asked.book.sent == [
            (
                b"<message from='alice@example.org' to='alice@example.org/phone' id='s1'>"
                b"<result xmlns='urn:xmpp:mam:2' queryid='f27&amp;' id='7-10'>"
                b"<forwarded xmlns='urn:xmpp:forward:0'>"
                b"<delay xmlns='urn:xmpp:delay' stamp='1970-01-01T00:00:01.000Z'/>"
                b"<message xmlns='jabber:client' from='bob@example.org/desk' to='alice@example.org' type='chat'>"
                b"<body>1</body></message></forwarded></result></message>"
            )
        ]
        assert tree(asked.book.sent[0]).find(".//{jabber:client}body") is not None

    def test_the_summary(self) -> None:
        """4: fin has a result set even without one in the query; 4.3.2: complete and stable."""
        asked = Asked(Archive(3), query())
        assert asked.ids == [uid(1), uid(2), uid(3)]
        assert asked.fin.tag == f"{MAM}fin"
        assert asked.fin.attrib == {"complete": "true", "stable": "true"}
        assert (asked.first, asked.last, asked.count, asked.index) == (uid(1), uid(3), "3", "0")
        assert asked.results[0] is not None
        assert asked.results[0].get("queryid") is None

    def test_an_empty_archive(self) -> None:
        """4.1: no message that matches is a success."""
        asked = Asked(Archive(0), query())
        assert (asked.ids, asked.complete, asked.first, asked.last, asked.count) == ([], "true", None, None, "0")

    @pytest.mark.parametrize("to", ["", "to='alice@example.org'"])
    def test_the_own_archive(self, to: str) -> None:
        """3.3.1: it answers on the bare address, which is also meant without one."""
        assert Asked(Archive(1), query(to=to)).ids == [uid(1)]

    def test_another_archive(self) -> None:
        """8.1: forbidden, for all three requests."""
        to = "to='bob@example.org'"
        assert refusal(Archive(1), query(to=to)) == ("forbidden", "auth")
        book = Playbook()
        get = stanza(f"<iq {to} type='get' id='g'><query xmlns='urn:xmpp:mam:2'/></iq>")
        assert book.refusal(handle_form(book.context, get)) == ("forbidden", "auth")
        assert book.refusal(handle_metadata(book.context, get)) == ("forbidden", "auth")

    def test_nodes(self) -> None:
        """6.1.3: nodes are for publish-subscribe archives."""
        assert refusal(Archive(1), query(attributes="node='x'")) == ("item-not-found", "cancel")


class TestSection41:
    """4.1. Filtering results."""

    def test_filters_reach_the_question(self) -> None:
        """Address and times are prepared: the address compared, the times in milliseconds, start rounded up."""
        archive = Archive(0)
        fields = form(
            **{"with": "Bob@Example.org/Desk"}, start="1970-01-01T00:00:01.0001Z", end="1970-01-01T01:00:02.0019+01:00"
        )
        Asked(archive, query(fields))
        assert archive.asked == [
            ArchivePage(OWNER, contact="bob@example.org/Desk", start_ms=1001, end_ms=2001, limit=PAGE_LIMIT_DEFAULT)
        ]

    def test_fields_left_empty(self) -> None:
        """A field without a value, or an empty one, filters nothing."""
        archive = Archive(0)
        Asked(archive, query(form(**{"with": []}, start="", ids=[])))
        assert archive.asked == [ArchivePage(OWNER, limit=PAGE_LIMIT_DEFAULT)]

    def test_between_two_ids(self) -> None:
        """4.1.3: both bounds are outside; the counts of another set are left out."""
        asked = Asked(Archive(9), query(form(after_id=uid(3), before_id=uid(6))))
        assert (asked.ids, asked.complete) == ([uid(4), uid(5)], "true")
        assert (asked.first, asked.last, asked.count, asked.index) == (uid(4), uid(5), None, None)

    def test_single_items(self) -> None:
        """4.1.3: messages by id, in the order of the archive, each once."""
        asked = Asked(Archive(9), query(form(ids=[uid(7), uid(2), uid(7)])))
        assert (asked.ids, asked.complete) == ([uid(2), uid(7)], "true")

    @pytest.mark.parametrize("field", ["after_id", "before_id", "ids"])
    @pytest.mark.parametrize(
        "bad", [uid(10), "6-10", "7-010", "07-10", "x", "7-", "-10", "7-9999999999999999999", "7-15"]
    )
    def test_ids_that_are_not_there(self, field: str, bad: str) -> None:
        """4.1.3: item-not-found for each, whatever it looks like."""
        assert refusal(Archive(9), query(form(**{field: bad}))) == ("item-not-found", "cancel")
        if field == "ids":
            assert refusal(Archive(9), query(form(ids=[uid(1), bad]))) == ("item-not-found", "cancel")

    def test_an_id_outside_of_the_other_filters(self) -> None:
        """4.1.3 asks whether it is in the archive, not whether it matches."""
        asked = Asked(Archive(9), query(form(ids=uid(1), start="1970-01-01T00:00:05Z")))
        assert (asked.ids, asked.complete) == ([], "true")

    def test_number_of_ids(self) -> None:
        """As many as fit on a page may be asked for, one more may not."""
        archive = Archive(IDS_COUNT_MAX + 1)
        ids = [uid(n) for n in range(1, IDS_COUNT_MAX + 2)]
        asked = Asked(archive, query(form(ids=ids[:-1], after_id=ids[-1]) + rsm("<max>100</max>")))
        assert asked.ids == []
        assert len(Asked(archive, query(form(ids=ids[:-1]) + rsm("<max>100</max>"))).ids) == IDS_COUNT_MAX
        assert refusal(archive, query(form(ids=ids))) == ("policy-violation", "modify")

    @pytest.mark.parametrize("name", ["{http://example.com/}free-text-search", "withtext"])
    def test_unknown_fields(self, name: str) -> None:
        """4.1.5: feature-not-implemented."""
        assert refusal(Archive(1), query(form(**{name: "true"}))) == ("feature-not-implemented", "cancel")

    @pytest.mark.parametrize("wanted", ["true", "false", "1", "0", ""])
    def test_groupchat(self, wanted: str) -> None:
        """4.1.4: users' archives hold no messages of rooms, so asking for them or not makes no difference."""
        assert Asked(Archive(2), query(form(include_groupchat=wanted))).ids == [uid(1), uid(2)]

    @pytest.mark.parametrize(
        "inner",
        [
            form(**{"with": "a@b@c"}),
            form(start="yesterday"),
            form(end="1970-01-01"),
            form(include_groupchat="perhaps"),
            form(start=["1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z"]),
            form().replace("urn:xmpp:mam:2", "urn:xmpp:mam:1"),
            form().replace("submit", "form"),
            rsm("<max>many</max>"),
        ],
    )
    def test_bad_requests(self, inner: str) -> None:
        """Values that are none, a form of another kind, a maximum that is no number."""
        assert refusal(Archive(1), query(inner)) == ("bad-request", "modify")

    def test_the_form(self) -> None:
        """4.1.5: it has all fields, none required, and the list of ids is open without listing any."""
        book = Playbook()
        get = stanza("<iq type='get' id='g'><query xmlns='urn:xmpp:mam:2'/></iq>")
        [written] = tree(book.play(handle_form(book.context, get)).serialize())
        fields = {field.get("var"): field.get("type") for field in written}
        assert (written.tag, written.get("type")) == ("{jabber:x:data}x", "form")
        assert fields == {
            "FORM_TYPE": "hidden",
            "with": "jid-single",
            "start": "text-single",
            "end": "text-single",
            "before-id": "text-single",
            "after-id": "text-single",
            "ids": "list-multi",
            "include-groupchat": "boolean",
            "{urn:xmpp:fulltext:0}fulltext": "text-single",
        }
        assert written.find(".//{jabber:x:data}required") is None
        validation = "{http://jabber.org/protocol/xdata-validate}"
        assert written.find(f"*/{validation}validate/{validation}open") is not None


def test_an_imported_message_is_shown_when_it_was_sent() -> None:
    """Section 4.2: the stamp is that of its sending, though it lies where it was imported (XEP-0227)."""
    archive = Archive(1)
    mark = b"<delay xmlns='urn:xmpp:delay' from='example.org' stamp='2010-07-10T23:08:25Z'/>"
    imported = (BODY % 2).replace(b"<body>", mark + b"<body>")
    archive.rows.append(ArchiveRow(Position(20), 2000, imported))
    stamps = []
    for result in Asked(archive, query()).results:
        assert result is not None
        delay = result.find("{urn:xmpp:forward:0}forwarded/{urn:xmpp:delay}delay")
        assert delay is not None
        stamps.append(delay.get("stamp"))
    assert stamps == ["1970-01-01T00:00:01.000Z", "2010-07-10T23:08:25.000Z"]


class TestSection43:
    """4.3. Paging through results."""

    @pytest.mark.parametrize(
        ("wanted", "given"),
        [("", PAGE_LIMIT_DEFAULT), ("<max>7</max>", 7), ("<max>100</max>", 100), ("<max>101</max>", 100)],
    )
    def test_limits(self, wanted: str, given: int) -> None:
        """4.3.1: what was asked for, at most the server's limit; more follows, so it is not complete."""
        asked = Asked(Archive(150), query(rsm(wanted)))
        assert (len(asked.ids), asked.complete, asked.count) == (given, None, "150")

    def test_after(self) -> None:
        """4.3.2: the page behind an id."""
        asked = Asked(Archive(9), query(rsm(f"<max>2</max><after>{uid(3)}</after>")))
        assert (asked.ids, asked.index, asked.count, asked.complete) == ([uid(4), uid(5)], "3", "9", None)

    def test_before(self) -> None:
        """XEP-0059 section 2.3: the page that ends before an id."""
        asked = Asked(Archive(9), query(rsm(f"<max>2</max><before>{uid(6)}</before>")))
        assert (asked.ids, asked.index, asked.count) == ([uid(4), uid(5)], "3", "9")

    def test_the_last_page(self) -> None:
        """4.3.3: an empty before; the results stay in order."""
        asked = Asked(Archive(9), query(rsm("<max>2</max><before/>")))
        assert (asked.ids, asked.complete) == ([uid(8), uid(9)], None)

    def test_pages_inside_of_bounds(self) -> None:
        """4.3.2: before-id and after-id bound the set, paging moves inside; the narrower bound holds."""
        bounded = form(after_id=uid(2), before_id=uid(8))
        assert Asked(Archive(9), query(bounded + rsm(f"<max>2</max><after>{uid(3)}</after>"))).ids == [uid(4), uid(5)]
        assert Asked(Archive(9), query(bounded + rsm(f"<max>2</max><after>{uid(1)}</after>"))).ids == [uid(3), uid(4)]
        assert Asked(Archive(9), query(bounded + rsm("<max>2</max><before/>"))).ids == [uid(6), uid(7)]

    def test_the_count_alone(self) -> None:
        """XEP-0059 section 2.7: no items, no first and last; complete only when there is nothing."""
        asked = Asked(Archive(9), query(rsm("<max>0</max>")))
        assert (asked.ids, asked.first, asked.count, asked.complete) == ([], None, "9", None)
        assert Asked(Archive(0), query(rsm("<max>0</max>"))).complete == "true"

    @pytest.mark.parametrize("bound", ["after", "before"])
    def test_bounds_that_are_not_there(self, bound: str) -> None:
        """4.3.2: item-not-found."""
        for bad in (uid(10), "nonsense"):
            sent = query(rsm(f"<max>2</max><{bound}>{bad}</{bound}>"))
            assert refusal(Archive(9), sent) == ("item-not-found", "cancel")

    def test_pages_by_index(self) -> None:
        """XEP-0059 section 2.6: feature-not-implemented."""
        assert refusal(Archive(9), query(rsm("<max>2</max><index>3</index>"))) == ("feature-not-implemented", "cancel")

    def test_pages_of_long_messages(self) -> None:
        """4.3.1: a page has at most so many bytes, but at least a message; it is cut where it does not begin."""
        archive = Archive(9)
        half = b"<message>" + b"x" * (PAGE_BYTES_MAX // 2 - 19) + b"</message>"
        assert len(half) == PAGE_BYTES_MAX // 2
        archive.rows = [row._replace(stanza=half) for row in archive.rows]
        forward = Asked(archive, query(rsm(f"<after>{uid(3)}</after>")))
        assert (forward.ids, forward.index, forward.complete) == ([uid(4), uid(5)], "3", None)
        backward = Asked(archive, query(rsm("<before/>")))
        assert (backward.ids, backward.index, backward.complete) == ([uid(8), uid(9)], "7", None)
        last = Asked(archive, query(rsm(f"<after>{uid(7)}</after>")))
        assert (last.ids, last.complete) == ([uid(8), uid(9)], "true")
        archive.rows = [row._replace(stanza=half * 3) for row in archive.rows[:2]]
        assert (Asked(archive, query()).ids, Asked(archive, query(rsm("<before/>"))).ids) == ([uid(1)], [uid(2)])

    def test_flipped_pages(self) -> None:
        """4.3.4: the same page, sent the other way round; first and last stay those of the page."""
        asked = Asked(Archive(9), query(rsm("<max>3</max>") + "<flip-page/>"))
        assert (asked.ids, asked.first, asked.last) == ([uid(3), uid(2), uid(1)], uid(1), uid(3))

    @given(count=st.integers(0, 40), limit=st.integers(1, 9), backward=st.booleans(), flip=st.booleans())
    def test_paging_sees_every_message_once(self, count: int, limit: int, backward: bool, flip: bool) -> None:
        """From either end, page by page until complete, each message comes once and in order."""
        archive = Archive(count)
        seen: list[str | None] = []
        bound = "<before/>" if backward else ""
        for _ in range(count + 1):
            asked = Asked(archive, query(rsm(f"<max>{limit}</max>{bound}") + ("<flip-page/>" if flip else "")))
            page = asked.ids[::-1] if flip else asked.ids
            seen = page + seen if backward else seen + page
            if asked.complete == "true":
                break
            bound = f"<before>{asked.first}</before>" if backward else f"<after>{asked.last}</after>"
        assert seen == [uid(n) for n in range(1, count + 1)]


class TestSection5:
    """5. Archive metadata."""

    GET = "<iq type='get' id='g'><metadata xmlns='urn:xmpp:mam:2'/></iq>"

    def test_ends(self) -> None:
        """Id and time of the first and the last message."""
        book = Playbook()
        metadata = book.drive(handle_metadata(book.context, stanza(self.GET)), Archive(3))
        assert metadata.serialize() == (
            "<metadata xmlns='urn:xmpp:mam:2'>"
            "<start id='7-10' timestamp='1970-01-01T00:00:01.000Z'/>"
            "<end id='7-30' timestamp='1970-01-01T00:00:03.000Z'/></metadata>"
        )

    def test_an_empty_archive(self) -> None:
        """It has no ends."""
        book = Playbook()
        metadata = book.drive(handle_metadata(book.context, stanza(self.GET)), Archive(0))
        assert metadata.serialize() == "<metadata xmlns='urn:xmpp:mam:2'/>"
