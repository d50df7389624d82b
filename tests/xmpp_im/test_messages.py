"""Messages of a client: which way they take (RFC 6121 sections 5 and 8, XEP-0160, 0313, 0334, 0359)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.base.ids import Position
from raftline.machine.conversations.queries import MessageNamed
from raftline.machine.message_commands import MessageKind, SendMessage, Storage
from raftline.machine.queries import Reachable
from raftline.xmpp.effects import Ask, Effect, Route, Submit
from raftline.xmpp.messages import fingerprint_of, handle_message, storage_of
from raftline.xmpp.stanza import Stanza
from xmpp_im.playbook import Playbook, session, stanza, tree

OFFLINE = int(Storage.OFFLINE)
BOTH = int(Storage.ARCHIVE | Storage.OFFLINE)
COPY = int(Storage.COPY)
PHONE = "alice@example.org/phone"
BODY = "<body>hi</body>"
COMPOSING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
HINT = "<{} xmlns='urn:xmpp:hints'/>"
MARKER = "<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>"
RECEIPT = "<received xmlns='urn:xmpp:receipts' id='m1'/>"


def message(inner: str, kind: str = "chat", to: str | None = "bob@example.org") -> Stanza:
    """Make a message as a client sends it."""
    address = "" if to is None else f" to='{to}'"
    type_ = f" type='{kind}'" if kind else ""
    return stanza(f"<message{address}{type_} id='m1'>{inner}</message>")


def submitted(book: Playbook, sent: Stanza) -> SendMessage:
    """Handle a message that must become exactly one command; what it refers to is not found."""
    effects: list[Effect] = []
    book.drive(handle_message(book.context, sent), effects.append)
    *questions, effect = effects
    assert all(isinstance(question, Ask) for question in questions)
    assert isinstance(effect, Submit)
    assert isinstance(effect.action, SendMessage)
    return effect.action


def kept(book: Playbook, sent: Stanza) -> int:
    """Handle a message that must become one command, and return what is kept of it."""
    return submitted(book, sent).storage & ~Storage.ALERT


@pytest.fixture
def book() -> Playbook:
    """Alice's phone."""
    return Playbook()


class TestMarkers:
    """What a marker names is asked for before it is submitted (XEP-0333 section 4.2)."""

    @pytest.mark.parametrize(("found", "marked"), [(Position(77), 77), (None, 0)])
    def test_a_marker_to_a_contact(self, book: Playbook, found: Position | None, marked: int) -> None:
        """By the bare address, whichever device it is sent to, and by the attribute as start tags have it."""
        sent = message('<displayed xmlns="urn:xmpp:chat-markers:0" id="a&apos;&lt;b"/>', to="bob@example.org/desk")
        question = Ask(MessageNamed("alice", "bob@example.org", b" id='a&apos;&lt;b'"))
        actions: list[SendMessage] = []

        def answer(effect: Effect) -> Position | None:
            if isinstance(effect, Submit):
                assert isinstance(effect.action, SendMessage)
                actions.append(effect.action)
                return None
            assert effect == question
            return found

        book.drive(handle_message(book.context, sent), answer)
        assert [action.marked for action in actions] == [marked]

    @pytest.mark.parametrize(
        ("inner", "kind"),
        [
            ("<displayed xmlns='urn:xmpp:chat-markers:0'/>", "chat"),
            ("<received xmlns='urn:xmpp:chat-markers:0' id='m'/>", "chat"),
            ("<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>", "headline"),
        ],
    )
    def test_nothing_to_ask(self, book: Playbook, inner: str, kind: str) -> None:
        """A marker that names nothing, one that says no more than a receipt, one that is not of a conversation."""
        effects: list[Effect] = []
        book.drive(handle_message(book.context, message(inner, kind)), effects.append)
        [effect] = effects
        assert isinstance(effect, Submit)
        assert isinstance(effect.action, SendMessage)
        assert effect.action.marked == 0


class TestRfc6120Section1031:
    """10.3.1. No 'to' address."""

    def test_a_message_without_an_address_is_for_the_own_account(self, book: Playbook) -> None:
        """It goes to the sender's bare address, and says so."""
        action = submitted(book, message(BODY, to=None))
        assert (action.to_localpart, action.to_resource) == ("alice", None)
        assert action.stanza == (
            b"<message from='alice@example.org/phone' to='alice@example.org' type='chat' id='m1'>"
            b"<body>hi</body></message>"
        )


class TestRfc6121Section5:
    """5. Exchanging messages."""

    def test_a_message_becomes_a_command_whole(self, book: Playbook) -> None:
        """Every field of the command follows from the stanza, whose sender is stamped."""
        assert submitted(book, message(BODY, to="bob@example.org/desk")) == SendMessage(
            to_localpart="bob",
            to_resource="desk",
            kind=MessageKind.CHAT,
            storage=BOTH | COPY | Storage.ALERT,
            stanza=b"<message from='alice@example.org/phone' to='bob@example.org/desk' type='chat' id='m1'>"
            b"<body>hi</body></message>",
            origin_id="",
            fingerprint=b"",
        )

    def test_a_forged_sender_is_replaced(self, book: Playbook) -> None:
        """What reaches the log bears the bound address, whatever the client wrote."""
        action = submitted(book, stanza(f"<message from='eve@example.org' to='bob@example.org'>{BODY}</message>"))
        assert tree(action.stanza).get("from") == "alice@example.org/phone"

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("", MessageKind.NORMAL),
            ("normal", MessageKind.NORMAL),
            ("chat", MessageKind.CHAT),
            ("headline", MessageKind.HEADLINE),
            ("gossip", MessageKind.NORMAL),
        ],
    )
    def test_types(self, book: Playbook, text: str, kind: MessageKind) -> None:
        """5.2.2: a type that is missing or unknown is normal."""
        assert submitted(book, message(BODY, kind=text)).kind is kind


class TestRfc6121Section8:
    """8. Server rules for processing stanzas, as far as the sender's side decides."""

    def test_another_domain(self, book: Playbook) -> None:
        """There is no federation: remote-server-not-found."""
        steps = handle_message(book.context, message(BODY, to="bob@elsewhere.example"))
        assert book.refusal(steps) == ("remote-server-not-found", "cancel")

    def test_the_server_takes_no_messages(self, book: Playbook) -> None:
        """8.4: a message to the domain itself: service-unavailable."""
        assert book.refusal(handle_message(book.context, message(BODY, to="example.org"))) == (
            "service-unavailable",
            "cancel",
        )

    def test_groupchat_to_an_account(self, book: Playbook) -> None:
        """8.5.2.1.1: groupchat to a bare address: service-unavailable."""
        assert book.refusal(handle_message(book.context, message(BODY, kind="groupchat"))) == (
            "service-unavailable",
            "cancel",
        )

    def test_groupchat_to_a_resource(self, book: Playbook) -> None:
        """8.5.3.1: it is delivered to the resource, off the log; without one it is refused."""
        sent = message(BODY, kind="groupchat", to="bob@example.org/desk")
        stamped = sent.stamped(book.context.jid, sent.to)
        rows = [session(4, "phone"), session(5, "desk", None)]
        book.play(
            handle_message(book.context, sent), (Ask(Reachable("bob", "desk", PHONE)), rows), (Route(5, stamped), True)
        )
        assert book.refusal(handle_message(book.context, sent), (Ask(Reachable("bob", "desk", PHONE)), rows[:1])) == (
            "service-unavailable",
            "cancel",
        )

    @pytest.mark.parametrize("to", [None, "bob@example.org", "example.org", "bob@elsewhere.example/x"])
    def test_an_error_is_never_answered(self, book: Playbook, to: str | None) -> None:
        """8.5.2.1.1: type error to anything but a resource here vanishes without an error in return."""
        book.play(handle_message(book.context, message(BODY, kind="error", to=to)))

    def test_an_error_to_a_resource(self, book: Playbook) -> None:
        """8.5.3.1: it is delivered; nothing is kept, and the hints in it are the failed message's (XEP-0334 5)."""
        action = submitted(book, message(BODY + HINT.format("store"), kind="error", to="bob@example.org/desk"))
        assert (action.kind, action.storage, action.to_resource) == (MessageKind.ERROR, 0, "desk")
        quiet = message(BODY + HINT.format("no-store"), kind="error", to="bob@example.org/desk")
        assert submitted(book, quiet).storage == 0


class TestWhatIsKept:
    """Section 6.1 of XEP-0313, section 3 of XEP-0160, XEP-0334."""

    @pytest.mark.parametrize(
        "inner",
        [
            BODY,
            "<body/>",
            "<subject>tea</subject>",
            "<encrypted xmlns='eu.siacs.conversations.axolotl'/>",
            "<encrypted xmlns='urn:xmpp:omemo:2'/>",
            "<openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp>",
            "<x xmlns='jabber:x:oob'><url>https://upload.example.org/a</url></x>",
            "<file-sharing xmlns='urn:xmpp:sfs:0'/>",
            "<geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>1</lat></geoloc>",
            "<reactions xmlns='urn:xmpp:reactions:0' id='a'><reaction>x</reaction></reactions>",
            "<replace xmlns='urn:xmpp:message-correct:0' id='a'/>",
            "<x xmlns='jabber:x:conference' jid='room@conference.example.org'/>",
            COMPOSING + HINT.format("store"),
            BODY + COMPOSING,
        ],
    )
    def test_conversation_is_archived(self, book: Playbook, inner: str) -> None:
        """What a second device needs to show the conversation goes to archive and offline store."""
        assert kept(book, message(inner)) == BOTH | COPY

    @pytest.mark.parametrize("kind", ["", "normal", "chat"])
    def test_text_of_either_type_is_kept(self, book: Playbook, kind: str) -> None:
        """XEP-0160 section 3, XEP-0313 section 6.1.1: type normal, said or not, as type chat."""
        assert kept(book, message(BODY, kind)) == BOTH | COPY

    @pytest.mark.parametrize("inner", [RECEIPT, MARKER, "<event xmlns='urn:example:unknown'/>"])
    def test_signals_wait_but_are_not_archived(self, book: Playbook, inner: str) -> None:
        """Receipts, markers and what nobody knows reach a device that comes back."""
        assert kept(book, message(inner)) == OFFLINE | COPY

    @pytest.mark.parametrize("inner", [RECEIPT, MARKER])
    def test_signals_with_a_hint_are_archived(self, book: Playbook, inner: str) -> None:
        """XEP-0334 section 4.4: the sender asks for it."""
        assert kept(book, message(inner + HINT.format("store"))) == BOTH | COPY

    def test_no_permanent_store(self, book: Playbook) -> None:
        """XEP-0334 section 4.1: no archive, but it may wait."""
        assert kept(book, message(BODY + HINT.format("no-permanent-store"))) == OFFLINE | COPY
        both = BODY + HINT.format("store") + HINT.format("no-permanent-store")
        assert kept(book, message(both)) == OFFLINE | COPY

    def test_headlines(self, book: Playbook) -> None:
        """XEP-0160 section 3: a headline is of the moment, unless its sender wants it kept."""
        assert kept(book, message(BODY, kind="headline")) == 0
        assert kept(book, message(BODY + HINT.format("store"), kind="headline")) == BOTH

    @given(kind=st.sampled_from(MessageKind), traits=st.integers(0, 1023))
    def test_storage_never_contradicts_a_hint(self, kind: MessageKind, traits: int) -> None:
        """For every sum of traits: no-store keeps nothing, no-permanent-store no archive, errors are never kept."""
        storage = storage_of(kind, traits)
        if kind is MessageKind.ERROR:
            assert storage == 0
        elif traits & 16:
            assert storage is None
        elif traits & 32:
            assert not (storage or 0) & Storage.ARCHIVE
        if storage is not None and storage & Storage.ARCHIVE:
            assert storage & Storage.OFFLINE
        if traits & 256 or kind not in {MessageKind.NORMAL, MessageKind.CHAT}:
            assert not (storage or 0) & Storage.COPY


class TestOffTheLog:
    """Chat states alone, and what may not be stored (design of the ways; XEP-0085, XEP-0334 section 4.2)."""

    @pytest.mark.parametrize(
        "inner",
        [
            COMPOSING,
            "",
            "<thread>t</thread>" + COMPOSING,
            "<rtt xmlns='urn:xmpp:rtt:0'/>",
            COMPOSING + HINT.format("no-store"),
            "<request xmlns='urn:xmpp:receipts'/>",
        ],
    )
    def test_states_go_to_who_is_there_now(self, book: Playbook, inner: str) -> None:
        """8.5.2.1: all available resources with a priority that is not negative get it; others do not."""
        sent = message(inner)
        stamped = sent.stamped(book.context.jid, sent.to)
        rows = [session(1, "a", 0), session(2, "b", -1), session(3, "c", None), session(4, "d", 127)]
        book.play(
            handle_message(book.context, sent),
            (Ask(Reachable("bob", None, PHONE)), rows),
            (Route(1, stamped), True),
            (Route(4, stamped), False),
        )

    def test_states_for_nobody_are_dropped(self, book: Playbook) -> None:
        """No error for a chat state; a client would show it as a message that failed."""
        book.play(handle_message(book.context, message(COMPOSING)), (Ask(Reachable("bob", None, PHONE)), []))

    @pytest.mark.parametrize("inner", [BODY, RECEIPT, "<event xmlns='urn:example:unknown'/>"])
    def test_what_may_not_be_stored_is_refused_when_nobody_is_there(self, book: Playbook, inner: str) -> None:
        """8.5.2.2.1: it cannot wait, so the sender hears of it."""
        sent = message(inner + HINT.format("no-store"))
        steps = handle_message(book.context, sent)
        assert book.refusal(steps, (Ask(Reachable("bob", None, PHONE)), [session(1, "a", -1)])) == (
            "service-unavailable",
            "cancel",
        )

    def test_a_lost_session_counts_as_nobody(self, book: Playbook) -> None:
        """A session that is gone by now leads to the same refusal."""
        sent = message(BODY + HINT.format("no-store"))
        stamped = sent.stamped(book.context.jid, sent.to)
        steps = handle_message(book.context, sent)
        assert book.refusal(
            steps, (Ask(Reachable("bob", None, PHONE)), [session(1, "a")]), (Route(1, stamped), False)
        ) == (
            "service-unavailable",
            "cancel",
        )

    def test_headlines_are_dropped_when_nobody_is_there(self, book: Playbook) -> None:
        """8.5.2.2.1: a headline for nobody is ignored."""
        sent = message(BODY + HINT.format("no-store"), kind="headline")
        book.play(handle_message(book.context, sent), (Ask(Reachable("bob", None, PHONE)), []))

    def test_a_resource_is_matched_even_when_unavailable(self, book: Playbook) -> None:
        """8.5.3.1: a connected resource that matches gets it, whatever its presence, and nobody else."""
        sent = message(COMPOSING, to="bob@example.org/desk")
        stamped = sent.stamped(book.context.jid, sent.to)
        rows = [session(1, "phone"), session(2, "desk", None)]
        book.play(
            handle_message(book.context, sent), (Ask(Reachable("bob", "desk", PHONE)), rows), (Route(2, stamped), True)
        )

    def test_chat_falls_back_to_the_account(self, book: Playbook) -> None:
        """8.5.3.2.1: type chat to a resource that is gone is handled as if for the account; type normal is not."""
        rows = [session(1, "phone"), session(2, "tv", -5)]
        chat = message(BODY + HINT.format("no-store"), to="bob@example.org/desk")
        stamped = chat.stamped(book.context.jid, chat.to)
        book.play(
            handle_message(book.context, chat), (Ask(Reachable("bob", "desk", PHONE)), rows), (Route(1, stamped), True)
        )
        normal = message(BODY + HINT.format("no-store"), kind="normal", to="bob@example.org/desk")
        assert book.refusal(handle_message(book.context, normal), (Ask(Reachable("bob", "desk", PHONE)), rows)) == (
            "service-unavailable",
            "cancel",
        )


class TestXep0359:
    """Unique and stable stanza ids: the sender's side."""

    ORIGIN = "<origin-id xmlns='urn:xmpp:sid:0' id='o1'/>"

    def test_origin_id_and_fingerprint(self, book: Playbook) -> None:
        """2.2: the id is read, and the payload is told apart by eight bytes; without an id there are none."""
        action = submitted(book, message(BODY + self.ORIGIN))
        assert action.origin_id == "o1"
        assert len(action.fingerprint) == 8
        assert submitted(book, message(BODY)).fingerprint == b""

    def test_the_fingerprint_is_of_the_payload_alone(self, book: Playbook) -> None:
        """The same payload from another resource is the same; another payload is another."""
        first = submitted(book, message(BODY + self.ORIGIN))
        other = Playbook()
        other.context.jid = other.context.jid.bare
        assert submitted(other, message(BODY + self.ORIGIN)).fingerprint == first.fingerprint
        assert submitted(book, message("<body>ho</body>" + self.ORIGIN)).fingerprint != first.fingerprint

    def test_a_bracket_in_an_address_is_no_end_of_the_tag(self) -> None:
        """A resource may have a bracket; it is escaped in the stamped form, so the hash begins at the payload."""
        sent = message(BODY, to="bob@example.org/a>b")
        assert b"a&gt;b" in sent.stamped(sent.to, sent.to)  # type: ignore[arg-type]
        plain = message(BODY)
        prints = [fingerprint_of(one.stamped(one.to, one.to), "o1") for one in (sent, plain)]  # type: ignore[arg-type]
        assert prints[0] == prints[1]

    @pytest.mark.parametrize("by", ["bob@example.org", "BOB@Example.org", "alice@example.org", "example.org"])
    def test_forged_ids_of_ours_are_removed(self, book: Playbook, by: str) -> None:
        """3, rule 2: what claims to be an id by an account here goes, however it is written."""
        action = submitted(book, message(f"{BODY}<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='7-9'/>"))
        assert [child.tag for child in tree(action.stanza)] == ["{jabber:client}body"]

    @pytest.mark.parametrize("by", ["room@conference.example.org", "a@elsewhere.example", "@@"])
    def test_ids_of_others_stay(self, book: Playbook, by: str) -> None:
        """3, rule 3: nothing else is stripped."""
        action = submitted(book, message(f"{BODY}<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='7-9'/>"))
        assert len(tree(action.stanza)) == 2


class TestXep0203:
    """Delayed delivery: the sender's side."""

    @pytest.mark.parametrize("by", ["example.org", "Example.org"])
    def test_a_delay_by_the_server_is_removed(self, book: Playbook, by: str) -> None:
        """5: only the server says what it kept; the time of a message cannot be forged in its name."""
        delay = f"<delay xmlns='urn:xmpp:delay' from='{by}' stamp='2002-09-10T23:08:25Z'/>"
        assert [child.tag for child in tree(submitted(book, message(BODY + delay)).stanza)] == ["{jabber:client}body"]

    @pytest.mark.parametrize("by", ["from='room@conference.example.org'", "from='alice@example.org'", "from='@@'", ""])
    def test_delays_by_others_stay(self, book: Playbook, by: str) -> None:
        """4: what a client or another service says of itself is passed on."""
        delay = f"<delay xmlns='urn:xmpp:delay' {by} stamp='2002-09-10T23:08:25Z'/>"
        assert len(tree(submitted(book, message(BODY + delay)).stanza)) == 2
