"""XEP-0085 chat states, XEP-0184 receipts, XEP-0333 markers and XEP-0334 hints, from sender to recipient."""

from __future__ import annotations

import pytest

from xmpp_im.playbook import tree
from xmpp_im.service import Client, Service

RECEIPT = "<received xmlns='urn:xmpp:receipts' id='m'/>"
REQUEST = "<request xmlns='urn:xmpp:receipts'/>"
MARKER = "<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>"
MARKABLE = "<markable xmlns='urn:xmpp:chat-markers:0'/>"
STATE = "<{} xmlns='http://jabber.org/protocol/chatstates'/>"
HINT = "<{} xmlns='urn:xmpp:hints'/>"
BODY = "<body>hi</body>"


@pytest.fixture
def service() -> Service:
    return Service("alice", "bob")


def send(client: Client, inner: str) -> None:
    client.write(f"<message to='bob@example.org' type='chat' id='1'>{inner}</message>")


def payloads(client: Client) -> list[list[str]]:
    """Names of the children of each message that a client was sent."""
    messages = [tree(data) for data in client.take() if data.startswith(b"<message")]
    return [[child.tag.rpartition("}")[2] for child in message] for message in messages]


def archived(client: Client) -> int:
    client.take()
    client.write("<iq type='set' id='h'><query xmlns='urn:xmpp:mam:2'/></iq>")
    return len(client.take()) - 1


@pytest.mark.parametrize("state", ["active", "composing", "paused", "inactive", "gone"])
def test_chat_states_are_of_the_moment(service: Service, state: str) -> None:
    """XEP-0085 5.6: shown to who is there, kept for nobody, no error when nobody is."""
    alice, bob = service.bind("alice"), service.bind("bob")
    send(alice, STATE.format(state))
    assert alice.take() == []
    bob.write("<presence/>")
    assert payloads(bob) == []
    send(alice, STATE.format(state))
    assert payloads(bob) == [[state]]
    assert archived(bob) == archived(alice) == 0


def test_a_state_beside_text_is_kept_with_it(service: Service) -> None:
    """XEP-0085 5.1: part of a content message, which waits and is archived whole."""
    alice, bob = service.bind("alice"), service.bind("bob")
    send(alice, BODY + STATE.format("active"))
    bob.write("<presence/>")
    assert payloads(bob) == [["body", "active", "stanza-id", "delay"]]
    assert archived(alice) == 1


@pytest.mark.parametrize(("signal", "name"), [(RECEIPT, "received"), (MARKER, "displayed")])
def test_signals_wait_for_the_recipient(service: Service, signal: str, name: str) -> None:
    """XEP-0184 5.4, XEP-0333 4: delivered at once or late, under no archive id."""
    alice, bob = service.bind("alice"), service.bind("bob")
    send(alice, signal)
    bob.write("<presence/>")
    assert payloads(bob) == [[name, "delay"]]
    send(alice, signal)
    assert payloads(bob) == [[name]]
    assert archived(bob) == 0


@pytest.mark.parametrize("inner", [BODY + REQUEST, BODY + MARKABLE, RECEIPT + HINT.format("store")])
def test_what_asks_for_signals_is_passed_on(service: Service, inner: str) -> None:
    """XEP-0184 5.3, XEP-0333 4.2, XEP-0334 4.4: requests stay on the message; a stored signal is in the archive."""
    alice, bob = service.bind("alice"), service.bind("bob")
    bob.write("<presence/>")
    bob.take()
    send(alice, inner)
    [names] = payloads(bob)
    assert len(names) == 3
    assert names[-1] == "stanza-id"
    assert archived(bob) == 1


@pytest.mark.parametrize("hint", ["no-store", "no-permanent-store", "no-copy", "store"])
def test_hints_are_passed_on_and_obeyed(service: Service, hint: str) -> None:
    """XEP-0334 4: the hint reaches the recipient; only what may be kept is."""
    alice, bob = service.bind("alice"), service.bind("bob")
    bob.write("<presence/>")
    bob.take()
    send(alice, BODY + HINT.format(hint))
    [names] = payloads(bob)
    assert names[:2] == ["body", hint]
    assert archived(bob) == archived(alice) == (hint in {"no-copy", "store"})


def test_a_receipt_is_never_answered_by_the_server(service: Service) -> None:
    """XEP-0184 5: receipts are between clients."""
    alice, bob = service.bind("alice"), service.bind("bob")
    bob.write("<presence/>")
    send(alice, BODY + REQUEST)
    assert alice.take() == []
