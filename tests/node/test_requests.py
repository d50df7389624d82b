"""IQ requests under way: how they are told apart, and who is answered for."""

from __future__ import annotations

import pytest

from raftline.base.ids import NodeId, SessionId
from raftline.node.requests import (
    IqAddress,
    OutstandingRequests,
    asked_on_behalf,
    jid_of,
    on_behalf,
    read_iq_head,
    remote_server_timeout,
)


@pytest.mark.parametrize(
    ("stanza", "is_request"),
    [
        (b"<iq from='a@d/r' to='b@d/s' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", True),
        (b"<iq from='a@d/r' to='b@d/s' type='set' id='1' xml:lang='en'/>", True),
        (b'<iq from="b@d/s" to="a@d/r" type="result" id="1"/>', False),
        (b"<iq id='1' type='error' to='a@d/r' from='b@d/s'><error type='cancel'/></iq>", False),
    ],
)
def test_requests_and_their_answers_have_one_address(stanza: bytes, *, is_request: bool) -> None:
    """An answer names the request by the same address, turned round, whatever the quotes and the order."""
    head = read_iq_head(stanza)
    assert head == (is_request, IqAddress(b"a@d/r", b"b@d/s", b"1"))


@pytest.mark.parametrize(
    "stanza",
    [
        b"<message from='a@d/r' to='b@d/s' type='chat' id='1'/>",
        b"<presence from='a@d/r' to='b@d/s'/>",
        b"<iqx from='a@d/r' to='b@d/s' type='get' id='1'/>",
        b"<iq from='a@d/r' to='b@d/s' type='get'/>",
        b"<iq from='a@d/r' type='get' id='1'/>",
        b"<iq from='a@d/r' to='b@d/s' type='other' id='1'/>",
        b"<iq from='a@d/r' to='b@d/s",
        b"",
    ],
)
def test_everything_else_is_none(stanza: bytes) -> None:
    """Other stanzas, and IQs that lack what an IQ must have, are nobody's request."""
    assert read_iq_head(stanza) is None


def test_an_attribute_may_hold_what_looks_like_markup() -> None:
    """Only the start tag counts, and quotes protect what is in them."""
    head = read_iq_head(b"<iq from='a@d/x>y' to='b@d/type=&apos;set&apos;' type='get' id='\"'><a type='set'/></iq>")
    assert head == (True, IqAddress(b"a@d/x>y", b"b@d/type=&apos;set&apos;", b'"'))


def test_answer_of_the_server() -> None:
    """The error turns the addresses round and stays well-formed, whatever is in them (RFC 6120 section 8.3.3.16)."""
    error = remote_server_timeout(IqAddress(b"a@d/it's", b"b@d/s&lt;", b"1"))
    assert error.startswith(b"<iq from='b@d/s&lt;' to='a@d/it&apos;s' type='error' id='1'><error type='wait'>")
    head = read_iq_head(error)
    assert head is not None
    assert not head.is_request


def test_jid_of_escaped_attribute() -> None:
    """All the ways an attribute can be escaped give the same JID."""
    assert jid_of(b"a@d/&apos;&quot;&amp;&lt;&gt;&#39;") == "a@d/'\"&<>'"


def request(number: int) -> IqAddress:
    return IqAddress(b"a@d/r", b"b@d/s", b"%d" % number)


def test_lost_requests_are_told_once() -> None:
    """A lost node's unanswered requests are told, in order, and only those."""
    requests = OutstandingRequests(count_max=9)
    for number in (1, 2, 3):
        assert requests.sent(NodeId(2), request(number)) is None
    assert requests.sent(NodeId(3), request(4)) is None
    requests.answered(request(2))
    assert requests.lost(NodeId(2)) == [request(1), request(3)]
    assert requests.lost(NodeId(2)) == []
    assert requests.lost(NodeId(3)) == [request(4)]


def test_bounded() -> None:
    """Beyond the bound the oldest is given up."""
    requests = OutstandingRequests(count_max=2)
    assert requests.sent(NodeId(2), request(1)) is None
    assert requests.sent(NodeId(2), request(2)) is None
    assert requests.sent(NodeId(2), request(3)) == request(1)
    assert requests.lost(NodeId(2)) == [request(2), request(3)]


def test_a_request_on_behalf_of_a_session() -> None:
    """A service puts the session in front of the id, and it is found there again; other ids say nothing."""
    asked = IqAddress(b"room@d/me", b"room@d/you", b"a.b")
    handed_on = on_behalf(asked, SessionId(17))
    assert handed_on.iq_id == b"17.a.b"
    assert asked_on_behalf(handed_on) == (17, asked)
    assert asked_on_behalf(asked) is None
