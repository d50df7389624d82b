"""Presence and subscriptions (RFC 6121 sections 3 and 4), the client's side."""

from __future__ import annotations

import pytest

from raftline.machine.commands import ChangeSubscription, SetPresence, SubscriptionKind
from raftline.machine.pubsub.queries import AvatarDigestOf
from raftline.machine.queries import (
    Block,
    BlockBetween,
    BlocklistOf,
    LastActivityOf,
    Reachable,
    SessionsOf,
    SubscriptionOf,
)
from raftline.xmpp.effects import Ask, Route, Submit
from raftline.xmpp.presence import DIRECTED_PRESENCE_COUNT_MAX, farewells, handle_presence, priority_of
from xmpp_im.playbook import Playbook, session, stanza, tree
from xmpp_im.service import Service

FROM = b"from='alice@example.org/phone'"

PHONE = "alice@example.org/phone"
NO_AVATAR = (Ask(AvatarDigestOf("alice")), "")


@pytest.fixture
def book() -> Playbook:
    """Alice's phone."""
    return Playbook()


class TestSection3:
    """3. Managing presence subscriptions."""

    @pytest.mark.parametrize("kind", SubscriptionKind)
    def test_a_subscription_is_between_accounts(self, book: Playbook, kind: SubscriptionKind) -> None:
        """3.1.2: the stanza goes from bare address to bare address, with its id and what it says."""
        name = kind.name.lower()
        sent = stanza(f"<presence to='bob@example.org/desk' type='{name}' id='p1'><status>hi</status></presence>")
        stamped = (
            f"<presence from='alice@example.org' to='bob@example.org' type='{name}' id='p1'>"
            "<status>hi</status></presence>"
        )
        book.play(
            handle_presence(book.context, sent),
            (Submit(ChangeSubscription(kind, "bob@example.org", stamped.encode())), None),
        )

    @pytest.mark.parametrize(
        ("to", "expected"),
        [
            ("", ("bad-request", "modify")),
            ("to='alice@example.org'", ("not-allowed", "cancel")),
            ("to='alice@example.org/desk'", ("not-allowed", "cancel")),
            ("to='example.org'", ("service-unavailable", "cancel")),
            ("to='bob@elsewhere.example'", ("remote-server-not-found", "cancel")),
        ],
    )
    def test_with_whom_there_is_no_subscription(self, book: Playbook, to: str, expected: tuple[str, str]) -> None:
        """Nobody, oneself, the server and other domains are refused before anything enters the log."""
        sent = stanza(f"<presence {to} type='subscribe'/>")
        assert book.refusal(handle_presence(book.context, sent)) == expected


class TestSection42:
    """4.2, 4.4 and 4.5: broadcast presence."""

    def test_available(self, book: Playbook) -> None:
        """The command has the stamped stanza and the priority; nobody is owed a farewell for it."""
        sent = stanza("<presence><show>away</show><priority>5</priority></presence>")
        expected = b"<presence " + FROM + b"><show>away</show><priority>5</priority></presence>"
        book.play(handle_presence(book.context, sent), (Submit(SetPresence(expected, 5)), None))
        assert book.context.directed_presence == set()

    def test_unavailable(self, book: Playbook) -> None:
        """4.5.1: the priority is gone, and a priority element in it means nothing."""
        sent = stanza("<presence type='unavailable'><priority>500</priority></presence>")
        expected = sent.stamped(book.context.jid, None)
        book.play(handle_presence(book.context, sent), (Submit(SetPresence(expected, None)), None))

    def test_unknown_types(self, book: Playbook) -> None:
        """4.7.1 knows no other types."""
        for to in ("", "to='bob@example.org'"):
            steps = handle_presence(book.context, stanza(f"<presence {to} type='invisible'/>"))
            assert book.refusal(steps) == ("bad-request", "modify")

    def test_errors_are_not_answered(self, book: Playbook) -> None:
        """Type error causes nothing at all."""
        book.play(handle_presence(book.context, stanza("<presence type='error' to='bob@example.org/x'/>")))


class TestSection4723:
    """4.7.2.3. Priority."""

    @pytest.mark.parametrize(
        ("text", "priority"),
        [("-128", -128), ("127", 127), ("+1", 1), (" 7 ", 7), ("-0", 0), ("0005", 5)],
    )
    def test_numbers(self, text: str, priority: int) -> None:
        """Both ends of the range, and how numbers of XML Schema may be written."""
        assert priority_of(stanza(f"<presence><priority>{text}</priority></presence>").element) == priority

    def test_none_is_zero(self) -> None:
        """Without the element, and with one of another namespace, it is 0."""
        assert priority_of(stanza("<presence/>").element) == 0
        assert priority_of(stanza("<presence><priority xmlns='urn:example'>9</priority></presence>").element) == 0

    @pytest.mark.parametrize("text", ["-129", "128", "", "high", "1.5", "9" * 5000, "١"])
    def test_bad_ones_are_refused(self, book: Playbook, text: str) -> None:
        """Out of range, or no number."""
        steps = handle_presence(book.context, stanza(f"<presence><priority>{text}</priority></presence>"))
        assert book.refusal(steps) == ("bad-request", "modify")

    def test_two_are_refused(self, book: Playbook) -> None:
        """There is one priority."""
        sent = stanza("<presence><priority>1</priority><priority>1</priority></presence>")
        assert book.refusal(handle_presence(book.context, sent)) == ("bad-request", "modify")


class TestSection43:
    """4.3. Presence probes, sent by a client itself."""

    def test_a_contact_who_shares_presence(self, book: Playbook) -> None:
        """4.3.2: the last presence of each available resource."""
        rows = [
            session(1, "a", 0, b"<presence from='bob@example.org/a'/>"),
            session(2, "b", None, b"<presence from='bob@example.org/b'/>"),
            session(3, "c", -1, b"<presence from='bob@example.org/c'><show>dnd</show></presence>"),
        ]
        book.play(
            handle_presence(book.context, stanza("<presence type='probe' to='bob@example.org'/>")),
            (Ask(BlockBetween(PHONE, "bob@example.org")), Block.NOBODY),
            (Ask(SubscriptionOf("bob", "alice@example.org")), True),
            (Ask(SessionsOf("bob")), rows),
            (Ask(BlocklistOf("alice")), ()),
        )
        assert book.sent == [
            b"<presence to='alice@example.org' from='bob@example.org/a'/>",
            b"<presence to='alice@example.org' from='bob@example.org/c'><show>dnd</show></presence>",
        ]

    def test_one_resource(self, book: Playbook) -> None:
        """A probe to a full address asks for that resource; when it is away, that is said."""
        rows = [session(1, "a", 0, b"<presence from='bob@example.org/a'/>"), session(2, "b", 0, b"<presence/>")]
        for resource, answer in (
            ("a", b"<presence to='alice@example.org' from='bob@example.org/a'/>"),
            ("z", b"<presence from='bob@example.org/z' to='alice@example.org' type='unavailable'/>"),
        ):
            book.sent.clear()
            book.play(
                handle_presence(book.context, stanza(f"<presence type='probe' to='bob@example.org/{resource}'/>")),
                (Ask(BlockBetween(PHONE, f"bob@example.org/{resource}")), Block.NOBODY),
                (Ask(SubscriptionOf("bob", "alice@example.org")), True),
                (Ask(SessionsOf("bob")), rows),
                (Ask(BlocklistOf("alice")), ()),
            )
            assert book.sent == [answer]

    def test_a_contact_who_does_not(self, book: Playbook) -> None:
        """4.3.2: unsubscribed, which is also what a probe of nobody gets."""
        book.play(
            handle_presence(book.context, stanza("<presence type='probe' to='bob@example.org/a'/>")),
            (Ask(BlockBetween(PHONE, "bob@example.org/a")), Block.NOBODY),
            (Ask(SubscriptionOf("bob", "alice@example.org")), False),
        )
        assert book.sent == [b"<presence from='bob@example.org' to='alice@example.org' type='unsubscribed'/>"]

    def test_oneself(self, book: Playbook) -> None:
        """One's own resources need no subscription."""
        book.play(
            handle_presence(book.context, stanza("<presence type='probe' to='alice@example.org'/>")),
            (Ask(BlockBetween(PHONE, "alice@example.org")), Block.NOBODY),
            (Ask(SessionsOf("alice")), []),
            (Ask(LastActivityOf("alice")), None),
        )
        assert book.sent == [b"<presence from='alice@example.org' to='alice@example.org' type='unavailable'/>"]

    def test_nobody_and_elsewhere(self, book: Playbook) -> None:
        """A probe needs a contact of this domain."""
        steps = handle_presence(book.context, stanza("<presence type='probe'/>"))
        assert book.refusal(steps) == ("bad-request", "modify")
        steps = handle_presence(book.context, stanza("<presence type='probe' to='bob@elsewhere.example'/>"))
        assert book.refusal(steps) == ("remote-server-not-found", "cancel")


class TestSection46:
    """4.6. Directed presence."""

    def test_to_an_account(self, book: Playbook) -> None:
        """8.5.2.1.2: all available resources get it, whatever their priority; it stays off the log."""
        sent = stanza("<presence to='bob@example.org'><show>chat</show></presence>")
        stamped = sent.stamped(book.context.jid, sent.to)
        rows = [session(1, "a", -5), session(2, "b", None), session(3, "c", 9)]
        book.play(
            handle_presence(book.context, sent),
            NO_AVATAR,
            (Ask(Reachable("bob", None, PHONE)), rows),
            (Route(1, stamped), True),
            (Route(3, stamped), True),
        )
        assert book.context.directed_presence == {"bob@example.org"}

    def test_to_a_resource(self, book: Playbook) -> None:
        """8.5.3: the one that matches, or none (8.5.3.2.2: ignored)."""
        sent = stanza("<presence to='bob@example.org/b'/>")
        stamped = sent.stamped(book.context.jid, sent.to)
        rows = [session(1, "a"), session(2, "b", None)]
        book.play(
            handle_presence(book.context, sent),
            NO_AVATAR,
            (Ask(Reachable("bob", "b", PHONE)), rows),
            (Route(2, stamped), True),
        )
        book.play(handle_presence(book.context, sent), NO_AVATAR, (Ask(Reachable("bob", "b", PHONE)), rows[:1]))

    def test_to_the_server_and_elsewhere(self, book: Playbook) -> None:
        """The server takes no presence; another domain cannot be reached and is owed nothing."""
        book.play(handle_presence(book.context, stanza("<presence to='example.org'/>")))
        steps = handle_presence(book.context, stanza("<presence to='bob@elsewhere.example/x'/>"))
        assert book.refusal(steps) == ("remote-server-not-found", "cancel")
        assert "bob@elsewhere.example/x" not in book.context.directed_presence

    def test_directed_farewell(self, book: Playbook) -> None:
        """4.6.3: directed unavailable presence settles the debt."""
        book.context.directed_presence.update({"bob@example.org/a", "carol@example.org"})
        sent = stanza("<presence to='bob@example.org/a' type='unavailable'/>")
        stamped = sent.stamped(book.context.jid, sent.to)
        book.play(
            handle_presence(book.context, sent),
            (Ask(Reachable("bob", "a", PHONE)), [session(1, "a")]),
            (Route(1, stamped), True),
        )
        assert book.context.directed_presence == {"carol@example.org"}

    def test_broadcast_unavailable_pays_all_debts(self, book: Playbook) -> None:
        """4.6.3: after the broadcast everyone who was owed a farewell gets it, with the user's words, once."""
        book.context.directed_presence.update({"carol@example.org/x", "bob@example.org"})
        sent = stanza("<presence type='unavailable'><status>bye</status></presence>")
        broadcast = sent.stamped(book.context.jid, None)
        to_bob = b"<presence " + FROM + b" to='bob@example.org' type='unavailable'><status>bye</status></presence>"
        to_carol = to_bob.replace(b"bob@example.org", b"carol@example.org/x")
        book.play(
            handle_presence(book.context, sent),
            (Submit(SetPresence(broadcast, None)), None),
            (Ask(Reachable("bob", None, PHONE)), [session(1, "a")]),
            (Route(1, to_bob), True),
            (Ask(Reachable("carol", "x", PHONE)), [session(2, "x")]),
            (Route(2, to_carol), True),
        )
        book.play(farewells(book.context))

    def test_the_end_of_a_stream_pays_them_too(self, book: Playbook) -> None:
        """Without the client's words it is plain unavailable presence."""
        book.context.directed_presence.add("bob@example.org/a&b")
        book.play(
            farewells(book.context),
            (Ask(Reachable("bob", "a&b", PHONE)), [session(1, "a&b")]),
            (Route(1, b"<presence " + FROM + b" to='bob@example.org/a&amp;b' type='unavailable'/>"), True),
        )
        assert tree(b"<presence " + FROM + b"/>").get("from") == "alice@example.org/phone"
        assert book.context.directed_presence == set()

    def test_debts_are_bounded(self, book: Playbook) -> None:
        """One more than the limit is refused; a known one may be told again."""
        owed = book.context.directed_presence
        owed.update(f"u{number}@example.org" for number in range(DIRECTED_PRESENCE_COUNT_MAX - 1))
        book.play(
            handle_presence(book.context, stanza("<presence to='last@example.org'/>")),
            NO_AVATAR,
            (Ask(Reachable("last", None, PHONE)), []),
        )
        assert book.refusal(handle_presence(book.context, stanza("<presence to='more@example.org'/>"))) == (
            "resource-constraint",
            "wait",
        )
        assert len(owed) == DIRECTED_PRESENCE_COUNT_MAX
        book.play(
            handle_presence(book.context, stanza("<presence to='u1@example.org'/>")),
            NO_AVATAR,
            (Ask(Reachable("u1", None, PHONE)), []),
        )


@pytest.mark.parametrize(("to", "kind"), [("", ""), ("", "type='unavailable'"), ("to='bob@example.org'", "")])
def test_a_delay_by_the_server_is_removed(to: str, kind: str) -> None:
    """XEP-0203 section 5: broadcast or directed, presence bears no delay in the server's name."""
    service = Service("alice", "bob")
    alice, bob = service.bind("alice"), service.bind("bob")
    for client in (alice, bob):
        client.write("<presence/>")
    bob.write("<presence to='alice@example.org' type='subscribe'/>")
    alice.write("<presence to='bob@example.org' type='subscribed'/>")
    bob.take()
    delays = "".join(f"<delay xmlns='urn:xmpp:delay' from='{by}'/>" for by in ("example.org", alice.jid))
    alice.write(f"<presence {to} {kind}>{delays}</presence>")
    [presence] = [tree(data) for data in bob.take()]
    assert [child.get("from") for child in presence] == [str(alice.jid)]
