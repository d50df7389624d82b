"""Payloads that modules share: XEP-0082, 0059, 0004."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.base.errors import Refused
from raftline.base.timestamps import format_timestamp
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import (
    PageRequest,
    delay_element,
    page_element,
    parse_form,
    parse_page_request,
    parse_timestamp,
)
from xmpp_im.playbook import stanza

YEAR_10000_MS = 253_402_300_800_000


def query(inner: str) -> Element:
    """Make a query that holds this."""
    [child] = stanza(f"<iq type='set' id='q'><query xmlns='urn:q'>{inner}</query></iq>").element.elements()
    return child


class TestXep0082:
    """3.2. DateTime."""

    @given(st.integers(0, YEAR_10000_MS - 1))
    def test_round_trip(self, time_ms: int) -> None:
        """Every millisecond is read back as it was written."""
        assert parse_timestamp(format_timestamp(time_ms)) == time_ms

    @pytest.mark.parametrize(
        ("text", "time_ms"),
        [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-07-21T02:56:15Z", -14_159_025_000),
            ("1969-07-20T21:56:15-05:00", -14_159_025_000),
            ("1970-01-01T01:30:00.5+01:30", 500),
            (" 1970-01-01T00:00:00.001999Z ", 1),
            ("0001-01-01T00:00:00+14:00", -62_135_647_200_000),
        ],
    )
    def test_moments(self, text: str, time_ms: int) -> None:
        """Zones, fractions and times before 1970."""
        assert parse_timestamp(text) == time_ms

    def test_rounding_up(self) -> None:
        """What is finer than a millisecond counts up when asked to; zeros are not finer."""
        assert parse_timestamp("1970-01-01T00:00:00.0011Z", round_up=True) == 2
        assert parse_timestamp("1970-01-01T00:00:00.001000Z", round_up=True) == 1

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-13-01T00:00:00Z",
            "1970-01-01T25:00:00Z",
            "1970-01-01T00:00:00+99:00",
            "0000-01-01T00:00:00Z",
            "1970-01-01 00:00:00Z",
            "19700101T00:00:00Z",
            "١٩٧٠-01-01T00:00:00Z",
        ],
    )
    def test_others_are_refused(self, text: str) -> None:
        """What the profile does not allow is a ValueError."""
        with pytest.raises(ValueError):
            parse_timestamp(text)

    def test_delay(self) -> None:
        """XEP-0203: with and without who kept it."""
        assert delay_element(0, "a&b") == (
            "<delay xmlns='urn:xmpp:delay' from='a&amp;b' stamp='1970-01-01T00:00:00.000Z'/>"
        )
        assert delay_element(0) == "<delay xmlns='urn:xmpp:delay' stamp='1970-01-01T00:00:00.000Z'/>"


class TestXep0059:
    """2. Result sets."""

    @pytest.mark.parametrize(
        ("inner", "expected"),
        [
            (None, PageRequest()),
            ("", PageRequest()),
            ("<max>10</max>", PageRequest(limit=10)),
            ("<max> 0 </max>", PageRequest(limit=0)),
            ("<max>1</max><after>x</after>", PageRequest(limit=1, after="x")),
            ("<before>x</before>", PageRequest(before="x", backward=True)),
            ("<before/>", PageRequest(backward=True)),
            ("<after/>", PageRequest()),
        ],
    )
    def test_requests(self, inner: str | None, expected: PageRequest) -> None:
        """2.1 to 2.7: limits, forwards, backwards, the last page."""
        rsm = "" if inner is None else f"<set xmlns='http://jabber.org/protocol/rsm'>{inner}</set>"
        assert parse_page_request(query(rsm)) == expected

    @pytest.mark.parametrize(
        ("inner", "condition"),
        [
            ("<max/>", "bad-request"),
            ("<max>-1</max>", "bad-request"),
            ("<max>ten</max>", "bad-request"),
            (f"<max>{'9' * 11}</max>", "bad-request"),
            ("<index>3</index>", "feature-not-implemented"),
        ],
    )
    def test_bad_requests(self, inner: str, condition: str) -> None:
        """A maximum that is no number, and a page by index (2.6)."""
        with pytest.raises(Refused) as caught:
            parse_page_request(query(f"<set xmlns='http://jabber.org/protocol/rsm'>{inner}</set>"))
        assert caught.value.condition == condition

    def test_answers(self) -> None:
        """2.2: an empty page has neither first nor last; what is not known is left out."""
        head = "<set xmlns='http://jabber.org/protocol/rsm'"
        assert page_element(None, None, None, 7).serialize() == f"{head}><count>7</count></set>"
        assert page_element("a", "b", 0, 7).serialize() == (
            f"{head}><first index='0'>a</first><last>b</last><count>7</count></set>"
        )
        assert page_element("a", "a", None, None).serialize() == f"{head}><first>a</first><last>a</last></set>"


class TestXep0004:
    """Submitted forms."""

    FORM_TYPE = "<field var='FORM_TYPE' type='hidden'><value>urn:q</value></field>"

    def test_fields(self) -> None:
        """Values by name; fields without values, and what is no field, are no error."""
        form = query(
            f"<x xmlns='jabber:x:data' type='submit'>{self.FORM_TYPE}<title>t</title>"
            "<field var='a'><value>1</value><value>2</value></field><field var='b'/></x>"
        )
        assert parse_form(form, "urn:q") == {"a": ["1", "2"], "b": []}
        assert parse_form(query(""), "urn:q") is None

    @pytest.mark.parametrize(
        "form",
        [
            f"<x xmlns='jabber:x:data'>{FORM_TYPE}</x>",
            f"<x xmlns='jabber:x:data' type='cancel'>{FORM_TYPE}</x>",
            "<x xmlns='jabber:x:data' type='submit'/>",
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:r</value></field></x>",
            f"<x xmlns='jabber:x:data' type='submit'>{FORM_TYPE}<field><value>1</value></field></x>",
            f"<x xmlns='jabber:x:data' type='submit'>{FORM_TYPE}<field var='a'/><field var='a'/></x>",
        ],
    )
    def test_bad_forms(self, form: str) -> None:
        """Not submitted, of another type, a field without a name or twice."""
        with pytest.raises(Refused) as caught:
            parse_form(query(form), "urn:q")
        assert caught.value.condition == "bad-request"
