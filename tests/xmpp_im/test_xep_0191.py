"""XEP-0191 Blocking Command: requests, pushes, and every way between two accounts."""

from __future__ import annotations

import pytest

from raftline.base.limits import BLOCKED_ADDRESS_COUNT_MAX
from raftline.machine.commands import ChangeBlocklist, DeclareBlocklistInterest
from raftline.machine.outcomes import BlocklistChanged, Done, Rejected
from raftline.machine.queries import BlocklistOf, Reachable
from raftline.xmpp.effects import Ask, AwaitReplicas, Propose, Route
from raftline.xmpp.stanza import Stanza
from raftline.xmpp.xeps.xep_0191_blocking import handle_block, handle_get, handle_unblock, render_change
from xmpp_im.playbook import Playbook, session, stanza, tree
from xmpp_im.service import Client, Service

NS = "urn:xmpp:blocking"
UNAVAILABLE = "{urn:ietf:params:xml:ns:xmpp-stanzas}service-unavailable"
NOT_ACCEPTABLE = "{urn:ietf:params:xml:ns:xmpp-stanzas}not-acceptable"
BLOCKED = "{urn:xmpp:blocking:errors}blocked"
BODY = "<body>hi</body>"
STATE = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
PHONE = "alice@example.org/phone"


def change(name: str, *addresses: str, to: str = "") -> Stanza:
    items = "".join(f"<item jid='{address}'/>" for address in addresses)
    return stanza(f"<iq type='set' id='b' {to}><{name} xmlns='{NS}'>{items}</{name}></iq>")


@pytest.fixture
def book() -> Playbook:
    return Playbook()


class TestRequests:
    """3.2 to 3.5."""

    @pytest.mark.parametrize("addresses", [(), ("bob@example.org", "spam.example")])
    def test_the_list(self, book: Playbook, addresses: tuple[str, ...]) -> None:
        """3.2: interest is declared before the list is read; an empty one is an empty element."""
        result = book.play(
            handle_get(book.context, stanza(f"<iq type='get' id='g'><blocklist xmlns='{NS}'/></iq>")),
            (Propose(DeclareBlocklistInterest()), Done()),
            (Ask(BlocklistOf("alice")), addresses),
        )
        assert [item.get("jid") for item in result.elements()] == list(addresses)

    def test_blocking(self, book: Playbook) -> None:
        """3.3: addresses are prepared and taken once; the answer waits for the account's other nodes."""
        request = change("block", "BOB@example.org", "bob@example.org", "example.com", "carol@example.org/Phone")
        addresses = ("bob@example.org", "example.com", "carol@example.org/Phone")
        book.play(
            handle_block(book.context, request),
            (Propose(ChangeBlocklist(True, addresses)), Done()),
            (AwaitReplicas("alice"), None),
        )

    @pytest.mark.parametrize("addresses", [(), ("bob@example.org",)])
    def test_unblocking(self, book: Playbook, addresses: tuple[str, ...]) -> None:
        """3.4, 3.5: some, or all when none is named."""
        book.play(
            handle_unblock(book.context, change("unblock", *addresses)),
            (Propose(ChangeBlocklist(False, addresses)), Done()),
            (AwaitReplicas("alice"), None),
        )

    def test_directed_presence_is_ended(self, book: Playbook) -> None:
        """3.3: who was sent directed presence and is concerned is shown a farewell first; others are not."""
        book.context.directed_presence.update({"bob@example.org/a", "carol@example.org"})
        farewell = f"<presence from='{PHONE}' to='bob@example.org/a' type='unavailable'/>".encode()
        book.play(
            handle_block(book.context, change("block", "bob@example.org")),
            (Ask(Reachable("bob", "a", PHONE)), [session(5, "a")]),
            (Route(5, farewell), True),
            (Propose(ChangeBlocklist(True, ("bob@example.org",))), Done()),
            (AwaitReplicas("alice"), None),
        )
        assert book.context.directed_presence == {"carol@example.org"}

    @pytest.mark.parametrize(
        ("addresses", "condition"),
        [
            ((), "bad-request"),
            (("",), "jid-malformed"),
            (("@@",), "jid-malformed"),
            (("alice@example.org",), "not-allowed"),
            (("bob@example.org", "alice@example.org/desk"), "not-allowed"),
            (tuple(f"u{n}@example.org" for n in range(BLOCKED_ADDRESS_COUNT_MAX + 1)), "policy-violation"),
        ],
    )
    def test_what_cannot_be_blocked(self, book: Playbook, addresses: tuple[str, ...], condition: str) -> None:
        """3.3: each refusal has its condition and causes no command."""
        assert book.refusal(handle_block(book.context, change("block", *addresses)))[0] == condition

    def test_a_full_list(self, book: Playbook) -> None:
        """What apply refuses is the answer; nothing is waited for."""
        steps = handle_block(book.context, change("block", "bob@example.org"))
        refused = Rejected("resource-constraint", "cancel")
        proposed = Propose(ChangeBlocklist(True, ("bob@example.org",)))
        assert book.refusal(steps, (proposed, refused)) == ("resource-constraint", "cancel")

    def test_another_account(self, book: Playbook) -> None:
        """Its list is its own."""
        to = "to='bob@example.org'"
        for handler, name in ((handle_block, "block"), (handle_unblock, "unblock")):
            assert book.refusal(handler(book.context, change(name, "carol@example.org", to=to))) == (
                "forbidden",
                "auth",
            )
        request = stanza(f"<iq type='get' id='g' {to}><blocklist xmlns='{NS}'/></iq>")
        assert book.refusal(handle_get(book.context, request)) == ("forbidden", "auth")

    def test_pushes(self, book: Playbook) -> None:
        """3.3, 3.5: a set with an id of its own; none named means all."""
        assert render_change(book.context, BlocklistChanged(1, 1, "block", ("a&b.example",))) == (  # type: ignore[arg-type]
            b"<iq to='alice@example.org/phone' type='set' id='s1'><block xmlns='urn:xmpp:blocking'>"
            b"<item jid='a&amp;b.example'/></block></iq>"
        )
        assert render_change(book.context, BlocklistChanged(1, 1, "unblock", ())) == (  # type: ignore[arg-type]
            b"<iq to='alice@example.org/phone' type='set' id='s2'><unblock xmlns='urn:xmpp:blocking'/></iq>"
        )


INBOUND = [
    (f"<message to='alice@example.org' type='chat' id='x'>{BODY}</message>", UNAVAILABLE),
    (f"<message to='alice@example.org/phone' type='chat' id='x'>{BODY}</message>", UNAVAILABLE),
    (f"<message to='alice@example.org' type='headline' id='x'>{BODY}</message>", None),
    (f"<message to='alice@example.org' type='chat' id='x'>{STATE}</message>", None),
    (f"<message to='alice@example.org/phone' type='error' id='x'>{BODY}</message>", None),
    (f"<message to='alice@example.org' id='x'>{BODY}<no-store xmlns='urn:xmpp:hints'/></message>", UNAVAILABLE),
    (f"<message to='alice@example.org/phone' type='groupchat' id='x'>{BODY}</message>", UNAVAILABLE),
    ("<presence to='alice@example.org' id='x'/>", None),
    ("<presence to='alice@example.org/phone' type='unavailable' id='x'/>", None),
    ("<presence to='alice@example.org' type='probe' id='x'/>", None),
    ("<presence to='alice@example.org' type='unsubscribe' id='x'/>", None),
    ("<iq to='alice@example.org/phone' type='get' id='x'><q xmlns='urn:x'/></iq>", UNAVAILABLE),
    ("<iq to='alice@example.org/phone' type='result' id='x'/>", None),
    ("<iq to='alice@example.org/phone' type='error' id='x'/>", None),
    ("<iq to='alice@example.org' type='get' id='x'><vCard xmlns='vcard-temp'/></iq>", UNAVAILABLE),
    ("<iq to='alice@example.org' type='get' id='x'><query xmlns='jabber:iq:last'/></iq>", UNAVAILABLE),
    (
        "<iq to='alice@example.org' type='get' id='x'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
        UNAVAILABLE,
    ),
]
"""What Bob sends Alice, and the condition of the error he gets; None for silence."""


class TestEveryWay:
    """3.3: Alice has blocked Bob."""

    @pytest.fixture(params=["bob@example.org", "bob@example.org/phone", "example.org"])
    def pair(self, request: pytest.FixtureRequest) -> tuple[Client, Client]:
        """They were friends, and both are there; blocked is the account, its resource, or all of the domain."""
        service = Service("alice", "bob")
        alice, bob = service.bind("alice"), service.bind("bob")
        for client in (alice, bob):
            client.write("<presence/>")
        for asks, answers in ((alice, bob), (bob, alice)):
            asks.write(f"<presence to='{answers.jid.bare}' type='subscribe'/>")
            answers.write(f"<presence to='{asks.jid.bare}' type='subscribed'/>")
        alice.write("<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>Alice</FN></vCard></iq>")
        bob.take()
        alice.write(f"<iq type='set' id='b'><block xmlns='{NS}'><item jid='{request.param}'/></block></iq>")
        assert [tree(data).attrib for data in bob.take()] == [
            {"from": "alice@example.org/phone", "to": "bob@example.org", "type": "unavailable"}
        ]
        assert tree(alice.take()[-1]).attrib == {"to": "alice@example.org/phone", "type": "result", "id": "b"}
        return alice, bob

    @pytest.mark.parametrize(("sent", "condition"), INBOUND)
    def test_inbound(self, pair: tuple[Client, Client], sent: str, condition: str | None) -> None:
        """Nothing reaches Alice; Bob gets an error for messages and requests, and silence for all else."""
        alice, bob = pair
        bob.write(sent)
        assert [data for data in alice.take() if b"jabber:iq:roster" not in data] == []
        replies = [tree(data) for data in bob.take() if b"jabber:iq:roster" not in data]
        if condition is None:
            assert replies == []
        else:
            [reply] = replies
            assert (reply.get("type"), reply.get("id")) == ("error", "x")
            assert reply.find(f".//{condition}") is not None

    @pytest.mark.parametrize(("sent", "condition"), INBOUND)
    def test_outbound(self, pair: tuple[Client, Client], sent: str, condition: str | None) -> None:
        """Nothing reaches Bob; Alice is told that she blocked him, unless what she sent is never answered."""
        alice, bob = pair
        outbound = sent.replace("alice@example.org", "bob@example.org")
        to = tree(outbound).get("to", "")
        alice.write(outbound)
        reached = [data for data in bob.take() if b"jabber:iq:roster" not in data]
        replies = [tree(data) for data in alice.take() if b"jabber:iq:roster" not in data]
        # One resource of a contact may be blocked while the account is not.
        if alice.machine_blocks(to):
            assert reached == []
            answered = tree(outbound).get("type") not in {"error", "result"}
            assert [reply.get("type") for reply in replies] == ["error"] * answered
            for reply in replies:
                assert reply.find(f".//{NOT_ACCEPTABLE}") is not None
                assert reply.find(f".//{BLOCKED}") is not None
        else:
            assert all(reply.find(f".//{BLOCKED}") is None for reply in replies)

    def test_after_the_unblock_all_is_as_before(self, pair: tuple[Client, Client]) -> None:
        """3.4: presence comes back, and messages pass."""
        alice, bob = pair
        alice.write(f"<iq type='set' id='u'><unblock xmlns='{NS}'/></iq>")
        assert [tree(data).get("from") for data in bob.take()] == ["alice@example.org/phone"]
        alice.take()
        bob.write(f"<message to='alice@example.org' type='chat' id='x'>{BODY}</message>")
        assert [tree(data).get("id") for data in alice.take()] == ["x"]
        assert bob.take() == []
