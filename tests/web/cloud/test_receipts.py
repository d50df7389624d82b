"""Receipts of numbers (XEP-0184), as bytes."""

from __future__ import annotations

import pytest

from raftline.machine.business.tables import EventKind
from raftline.machine.business.values import EventView
from raftline.machine.message_commands import MessageKind, Storage
from raftline.web.cloud.webhooks.receipts import receipt_for
from raftline.xmpp.stanza import parse_stanza
from web.cloud.webhook_samples import DOMAIN, NUMBER, TIME_MS, event_of, stanza

ASKED = "<body>Hi</body><request xmlns='urn:xmpp:receipts'/>"


def view_of(content: str = ASKED, *, message_id: str = "m1", kind: EventKind = EventKind.MESSAGE) -> EventView:
    """Return an event that shows a message."""
    return EventView(event_of(kind=kind), stanza(content, message_id=message_id), TIME_MS)


@pytest.mark.parametrize("kind", [EventKind.MESSAGE, EventKind.ANSWER])
def test_names_the_message(kind: EventKind) -> None:
    """From the number to all devices of the person, kept for those that are away, in no archive."""
    receipt = receipt_for(view_of(message_id="it&apos;s &lt;1&gt;", kind=kind), NUMBER, DOMAIN)
    assert receipt is not None
    assert (receipt.localpart, receipt.message_id, receipt.prompt) == ("15550001111", "", None)
    message = receipt.message
    assert (message.to_localpart, message.to_resource, message.kind) == ("15551234567", None, MessageKind.CHAT)
    assert message.storage & Storage.OFFLINE
    assert not message.storage & (Storage.ARCHIVE | Storage.ALERT)
    element = parse_stanza(message.stanza).element
    assert [element.get(name) for name in ("from", "to", "type")] == [
        "15550001111@example.org",
        "15551234567@example.org",
        "chat",
    ]
    received = element.child("received", "urn:xmpp:receipts")
    assert received is not None
    assert received.get("id") == "it's <1>"


def test_is_the_same_at_every_try() -> None:
    """Another leader's repetition is no second receipt; that of another message has another id."""
    first, again = receipt_for(view_of(), NUMBER, DOMAIN), receipt_for(view_of(), NUMBER, DOMAIN)
    other = receipt_for(EventView(event_of(2_000), stanza(ASKED), TIME_MS), NUMBER, DOMAIN)
    assert first == again
    assert first is not None
    assert other is not None
    ids = [parse_stanza(receipt.message.stanza).element.get("id") for receipt in (first, other)]
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    "view",
    [
        view_of("<body>Hi</body>"),
        view_of("<body>urn:xmpp:receipts</body>"),
        view_of("<body>Hi</body><forwarded xmlns='urn:x'><request xmlns='urn:xmpp:receipts'/></forwarded>"),
        view_of("<received xmlns='urn:xmpp:receipts' id='m0'/>"),
        view_of(message_id=""),
        EventView(event_of(), None, 0),
        EventView(event_of(kind=EventKind.STATUS), None, 0),
        EventView(event_of(room="team"), stanza(ASKED), TIME_MS),
        EventView(event_of(peer="ann@elsewhere.example"), stanza(ASKED), TIME_MS),
    ],
)
def test_none_is_due(view: EventView) -> None:
    """Not asked for, nothing to name it by, a receipt itself, gone, in a group, or somebody of no account here."""
    assert receipt_for(view, NUMBER, DOMAIN) is None
