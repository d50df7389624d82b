"""Events as stanzas."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.base.ids import NodeId, Position, SessionId
from raftline.machine.outcomes import (
    ContactUnavailable,
    Event,
    InboxWaiting,
    MessageArrived,
    MessageBounced,
    PresenceArrived,
    RosterItem,
    RosterPushed,
    SessionEnded,
    SessionReleased,
    SubscriptionChanged,
)
from raftline.xmpp import render
from raftline.xmpp.catalog import all_modules
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.module import Modules
from raftline.xmpp.payloads import append_child
from xmpp_im.playbook import FakeContext, stanza, tree

HERE: tuple[NodeId, SessionId] = (NodeId(1), SessionId(2))
STANZA = b"<message from='bob@example.org/desk' to='alice@example.org' type='chat'><body>hi</body></message>"
SID = "{urn:xmpp:sid:0}stanza-id"
DELAY = "{urn:xmpp:delay}delay"


@pytest.fixture
def context() -> FakeContext:
    """Alice's phone, with the renderers."""
    modules = Modules()
    render.register(modules)
    return FakeContext(modules=modules)


def rendered(context: FakeContext, event: Event) -> bytes:
    """Render by the registry, as a stream does."""
    result = context.modules.renderers[type(event)](context, event)
    assert result is not None
    return result


class TestMessageArrived:
    """XEP-0313 section 3.5, XEP-0160 section 2."""

    def test_an_archived_message(self, context: FakeContext) -> None:
        """It bears its id in the archive of its recipient, behind everything else."""
        event = MessageArrived(*HERE, Position(65536), STANZA, "alice@example.org", None)
        assert rendered(context, event) == STANZA.replace(
            b"</message>", b"<stanza-id xmlns='urn:xmpp:sid:0' by='alice@example.org' id='7-65536'/></message>"
        )

    def test_a_late_one(self, context: FakeContext) -> None:
        """It says since when it waited, in milliseconds, and at whom."""
        event = MessageArrived(*HERE, Position(1), STANZA, "alice@example.org", 1_700_000_000_007)
        delay = tree(rendered(context, event)).find(DELAY)
        assert delay is not None
        assert delay.attrib == {"from": "example.org", "stamp": "2023-11-14T22:13:20.007Z"}

    def test_a_late_one_that_was_imported(self, context: FakeContext) -> None:
        """It says by itself since when, and nothing of when it was imported (XEP-0227)."""
        mark = b"<delay xmlns='urn:xmpp:delay' from='example.org' stamp='2010-07-10T23:08:25Z'/>"
        stanza = b"<message from='bob@example.org/x'>%b<body>a</body></message>" % mark
        late = tree(rendered(context, MessageArrived(*HERE, Position(1), stanza, "", 1_700_000_000_007)))
        assert [delay.get("stamp") for delay in late.iter(DELAY)] == ["2010-07-10T23:08:25Z"]

    def test_one_that_is_not_archived(self, context: FakeContext) -> None:
        """It is passed on as it is, byte for byte, without a copy; late, it has a delay alone."""
        assert rendered(context, MessageArrived(*HERE, Position(1), STANZA, "", None)) is STANZA
        late = tree(rendered(context, MessageArrived(*HERE, Position(1), STANZA, "", 0)))
        assert late.find(SID) is None
        assert late.find(DELAY) is not None

    @given(
        resource=st.text("ab/>'\"&< é", min_size=1, max_size=8).filter(lambda text: text.strip() == text),
        inner=st.sampled_from(["", "<body>a</body>", "<x xmlns='urn:e'>&lt;/message></x>", "text"]),
        typed=st.booleans(),
    )
    def test_any_stamped_stanza(self, resource: str, inner: str, typed: bool) -> None:
        """Whatever its addresses hold and however its root is closed, the child comes last and nothing else changes."""
        type_ = " type='chat'" if typed else ""
        sent = stanza(f"<message{type_}>{inner}</message>")
        jid = parse_jid(f"bob@example.org/{resource}")
        stamped = sent.stamped(jid, jid)
        patched = tree(append_child(stamped, b"<delay xmlns='urn:xmpp:delay'/>"))
        assert patched[-1].tag == DELAY
        patched.remove(patched[-1])
        before = tree(stamped)
        assert patched.attrib == before.attrib
        assert [child.tag for child in patched] == [child.tag for child in before]
        assert (patched.text or "") == (before.text or "")

    def test_a_root_without_attributes(self) -> None:
        """The shortest stanza there is."""
        assert append_child(b"<message/>", b"<a/>") == b"<message><a/></message>"


class TestPresence:
    """RFC 6121 section 4.2.2."""

    @pytest.mark.parametrize(
        ("stanza", "expected"),
        [
            (b"<presence from='bob@example.org/a'/>", b"<presence to='alice@example.org' from='bob@example.org/a'/>"),
            (b"<presence><show>xa</show></presence>", b"<presence to='alice@example.org'><show>xa</show></presence>"),
            (
                b"<presence from='bob@example.org/a' type='unavailable'><a xmlns='b' to='c'/></presence>",
                (
                    b"<presence to='alice@example.org' from='bob@example.org/a' type='unavailable'>"
                    b"<a xmlns='b' to='c'/></presence>"
                ),
            ),
        ],
    )
    def test_presence_is_addressed_to_the_account(self, context: FakeContext, stanza: bytes, expected: bytes) -> None:
        """`to` comes in; one inside a child does not count."""
        assert rendered(context, PresenceArrived(*HERE, stanza)) == expected

    def test_a_subscription_request_is_addressed_already(self, context: FakeContext) -> None:
        """No attribute twice."""
        request = b"<presence from='bob@example.org' to='alice@example.org' type='subscribe'/>"
        assert rendered(context, PresenceArrived(*HERE, request)) == request

    def test_a_contact_that_vanished(self, context: FakeContext) -> None:
        """Its farewell is written for it, its address escaped."""
        event = ContactUnavailable(*HERE, "bob@example.org/a'b&c")
        assert tree(rendered(context, event)).attrib == {
            "from": "bob@example.org/a'b&c",
            "to": "alice@example.org",
            "type": "unavailable",
        }

    def test_subscriptions_by_the_server(self, context: FakeContext) -> None:
        """The server's own subscription stanzas."""
        event = SubscriptionChanged(*HERE, "unsubscribed", "bob@example.org", "alice@example.org")
        assert rendered(context, event) == (
            b"<presence from='bob@example.org' to='alice@example.org' type='unsubscribed'/>"
        )


def test_roster_push(context: FakeContext) -> None:
    """RFC 6121 section 2.1.6: a set to the resource with an id of its own and one item."""
    removed = RosterItem("bob@example.org", "", "remove", False, ())
    kept = RosterItem("bob@example.org", "Bob", "to", False, ("A&B",))
    assert rendered(context, RosterPushed(*HERE, removed, 4)) == (
        b"<iq to='alice@example.org/phone' type='set' id='s1'><query xmlns='jabber:iq:roster' ver='4'>"
        b"<item jid='bob@example.org' subscription='remove'/></query></iq>"
    )
    assert rendered(context, RosterPushed(*HERE, kept, 5)) == (
        b"<iq to='alice@example.org/phone' type='set' id='s2'><query xmlns='jabber:iq:roster' ver='5'>"
        b"<item jid='bob@example.org' name='Bob' subscription='to'><group>A&amp;B</group></item></query></iq>"
    )


def test_bounce(context: FakeContext) -> None:
    """RFC 6120 section 8.3: back to the sender, under its id, from the address it was sent to."""
    sent = (
        b"<message from='alice@example.org/phone' to='bob@example.org' type='chat' id='m&lt;1'><body>x</body></message>"
    )
    error = tree(rendered(context, MessageBounced(*HERE, sent, "service-unavailable", "cancel")))
    assert error.attrib == {
        "from": "bob@example.org",
        "to": "alice@example.org/phone",
        "type": "error",
        "id": "m<1",
    }
    [cause] = error
    assert (cause.tag, cause.get("type")) == ("{jabber:client}error", "cancel")
    assert [child.tag for child in cause] == ["{urn:ietf:params:xml:ns:xmpp-stanzas}service-unavailable"]


def test_every_event_but_those_of_the_stream_is_rendered() -> None:
    """The end of a session and what its stream has to fetch are the stream's own affair; nothing else is forgotten."""
    events = set(cast("Any", Event).__args__)
    assert events - set(all_modules().renderers) == {SessionEnded, SessionReleased, InboxWaiting}
