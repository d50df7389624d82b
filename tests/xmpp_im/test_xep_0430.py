"""XEP-0430 Inbox, on the real state machine."""

from __future__ import annotations

import pytest

from raftline.base.limits import CONVERSATION_PAGE_BYTES_MAX, CONVERSATION_PAGE_COUNT_MAX
from raftline.xmpp.xeps.xep_0430_inbox import PAGE_LIMIT_DEFAULT
from xmpp_im.conversations import archive, error_of, say
from xmpp_im.inbox import MAM, OWN, ask, displayed, entry_of, inbox
from xmpp_im.nodes import INFO, online
from xmpp_im.playbook import DOMAIN, EPOCH
from xmpp_im.rooms import make_room
from xmpp_im.service import Client, Service

BOB, CAROL = f"bob@{DOMAIN}", f"carol@{DOMAIN}"
ALICE = f"alice@{DOMAIN}"
STORE = "<store xmlns='urn:xmpp:hints'/>"


@pytest.fixture
def bob(service: Service) -> Client:
    return online(service, "bob")


class TestSection21DiscoveringSupport:
    """2.1: on the account, since that is asked."""

    def test_the_feature(self, phone: Client) -> None:
        """It is announced, and so are our own additions."""
        phone.write(f"<iq type='get' id='d'><query xmlns='{INFO}'/></iq>")
        answer = b"".join(phone.take())
        assert b"urn:xmpp:inbox:1" in answer
        assert OWN.encode() in answer


class TestSection22TheInbox:
    """2.2: conversations in order of last activity."""

    def test_nothing(self, phone: Client) -> None:
        """An account that never talked has no conversations."""
        found = inbox(phone)
        assert found.entries == []
        assert found.totals == ("0", "0", "0")
        assert (found.page("count"), found.page("first")) == ("0", None)

    def test_the_latest_first(self, phone: Client, bob: Client, carol: Client) -> None:
        """Whoever spoke last, in either direction, stands at the top."""
        say(bob, ALICE, "one")
        say(carol, ALICE, "two")
        assert [entry.jid for entry in inbox(phone).entries] == [CAROL, BOB]
        say(phone, BOB, "three")
        assert [(entry.jid, entry.text) for entry in inbox(phone).entries] == [(BOB, "three"), (CAROL, "two")]

    def test_bare_addresses(self, phone: Client, bob: Client, service: Service) -> None:
        """All devices of a contact make one conversation."""
        say(bob, f"{ALICE}/phone", "one")
        say(service.bind("bob", "desk"), ALICE, "two")
        assert [(entry.jid, entry.unread) for entry in inbox(phone).entries] == [(BOB, 2)]

    def test_notes_to_oneself(self, phone: Client) -> None:
        """They are a conversation, in which nothing is unread."""
        say(phone, ALICE, "milk")
        assert [(entry.jid, entry.unread, entry.text) for entry in inbox(phone).entries] == [(ALICE, 0, "milk")]

    def test_one_account_sees_its_own(self, phone: Client, bob: Client, carol: Client) -> None:
        """What others talk about is not in it."""
        say(bob, CAROL, "secret")
        assert inbox(phone).entries == []


class TestSection31Querying:
    """3.1: attributes, entries, the summary."""

    def test_an_entry(self, phone: Client, bob: Client) -> None:
        """It has the address, the count and the id; beside it stands the message, under the id of the query."""
        say(bob, ALICE, "hello", "m1")
        [entry, reply] = ask(phone)
        assert (entry.get("from"), entry.get("to")) == (ALICE, f"{ALICE}/phone")
        result = entry.find(f"{MAM}result")
        assert result is not None
        assert result.get("queryid") == "i"
        assert result.find("{urn:xmpp:forward:0}forwarded/{urn:xmpp:delay}delay") is not None
        original = result.find(".//{jabber:client}message")
        assert original is not None
        assert (original.get("from"), original.get("id")) == (f"{BOB}/phone", "m1")
        assert entry[0].attrib == {"jid": BOB, "unread": "1", "id": archive(phone).ids[-1]}
        assert reply[0].tag == "{urn:xmpp:inbox:1}fin"

    def test_the_id_is_that_of_whatever_came_last(self, phone: Client, bob: Client) -> None:
        """A client goes on from it in the archive; the message beside it is the last one that says something."""
        say(bob, ALICE, "hello", "m1")
        bob.write(
            f"<message to='{ALICE}' type='chat'><reactions xmlns='urn:xmpp:reactions:0' id='m1'>"
            "<reaction>x</reaction></reactions></message>"
        )
        entry = entry_of(phone, BOB)
        first, second = archive(phone).ids
        assert (entry.id, entry.result_id, entry.text, entry.unread) == (second, first, "hello", 1)

    def test_without_an_instant_message(self, phone: Client, bob: Client) -> None:
        """There is an entry with an id, and no message beside it."""
        bob.write(f"<message to='{ALICE}' type='chat'><propose xmlns='urn:xmpp:jingle-message:0' id='c'/></message>")
        entry = entry_of(phone, BOB)
        assert (entry.id, entry.result_id, entry.unread) == (archive(phone).ids[-1], None, 0)

    def test_unread_only(self, phone: Client, bob: Client, carol: Client) -> None:
        """Just those; the totals are still those of all."""
        say(bob, ALICE, "one")
        say(phone, CAROL, "two")
        found = inbox(phone, "unread-only='true'")
        assert [entry.jid for entry in found.entries] == [BOB]
        assert found.totals == ("2", "1", "1")
        assert found.page("count") == "1"
        assert len(inbox(phone, "unread-only='0'").entries) == 2

    def test_without_messages(self, phone: Client, bob: Client) -> None:
        """The message is left out, its id is not."""
        say(bob, ALICE, "one")
        [entry] = inbox(phone, "messages='false'").entries
        assert (entry.unread, entry.result_id) == (1, None)
        assert entry.id == archive(phone).ids[-1]

    @pytest.mark.parametrize("attributes", ["messages='maybe'", "unread-only=''", "unread-only='TRUE'"])
    def test_flags_that_are_none(self, phone: Client, attributes: str) -> None:
        """They are refused."""
        phone.write(f"<iq type='get' id='i'><inbox xmlns='urn:xmpp:inbox:1' {attributes}/></iq>")
        assert error_of(phone) == "bad-request"

    def test_totals(self, phone: Client, bob: Client, carol: Client) -> None:
        """Conversations, those with something unread, unread messages."""
        for text in ("one", "two"):
            say(bob, ALICE, text)
        say(phone, CAROL, "three")
        assert inbox(phone).totals == ("2", "1", "2")

    def test_somebody_elses(self, phone: Client, bob: Client) -> None:
        """It is forbidden, whoever that is."""
        for jid in (ALICE, f"nobody@{DOMAIN}"):
            ask_of = ask(bob, to=f"to='{jid}'")
            assert [child.tag.rpartition("}")[2] for child in ask_of[-1].iter()][-1] in {"forbidden", "text"}
            assert ask_of[-1].get("type") == "error"

    def test_the_own_address(self, phone: Client) -> None:
        """The bare address of the user is as good as none."""
        assert ask(phone, to=f"to='{ALICE}'")[-1].get("type") == "result"

    def test_set_is_no_query(self, phone: Client) -> None:
        """There is nothing to set."""
        phone.write("<iq type='set' id='i'><inbox xmlns='urn:xmpp:inbox:1'/></iq>")
        assert error_of(phone) == "service-unavailable"


@pytest.mark.one_process(reason="a limit is made small")
def test_a_list_with_very_much_unread(
    phone: Client, bob: Client, carol: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From some number on, conversations are not counted as far back."""
    monkeypatch.setattr("raftline.machine.conversations.listing.CONVERSATION_SLICE_COUNT_MAX", 1)
    monkeypatch.setattr("raftline.xmpp.xeps.xep_0430_inbox.UNREAD_REACH_MIN", 2)
    for client in (bob, carol):
        for _ in range(3):
            say(client, ALICE, "hi")
    for total, expected in ((4, {"bob": 3, "carol": 3}), (3, {"bob": 3, "carol": 2})):
        monkeypatch.setattr("raftline.xmpp.xeps.xep_0430_inbox.UNREAD_TOTAL_MAX", total)
        assert inbox(phone).unread == expected


class TestSection31Pages:
    """3.1, XEP-0059: pages, by the id of the last message."""

    @pytest.fixture
    def service(self) -> Service:
        """Enough people for some pages."""
        return Service("alice", "bob", "carol", *(f"u{number}" for number in range(PAGE_LIMIT_DEFAULT + 2)))

    @pytest.fixture
    def names(self, service: Service, phone: Client) -> list[str]:
        """Alice has written to everyone; their addresses, the last first."""
        jids = [f"u{number}@{DOMAIN}" for number in range(PAGE_LIMIT_DEFAULT + 2)]
        for jid in jids:
            say(phone, jid, f"to {jid}")
        return jids[::-1]

    def test_without_a_maximum(self, phone: Client, names: list[str]) -> None:
        """The server bounds the number."""
        found = inbox(phone)
        assert [entry.jid for entry in found.entries] == names[:PAGE_LIMIT_DEFAULT]
        assert found.page("count") == str(len(names))

    def test_turning_pages(self, phone: Client, names: list[str]) -> None:
        """Forwards and backwards, each entry once."""
        seen: list[str] = []
        paging = "<max>20</max>"
        while page := inbox(phone, paging=paging).entries:
            seen += [entry.jid for entry in page]
            paging = f"<max>20</max><after>{page[-1].id}</after>"
        assert seen == names
        back: list[str] = []
        paging = "<max>20</max><before/>"
        while page := inbox(phone, paging=paging).entries:
            back = [entry.jid for entry in page] + back
            paging = f"<max>20</max><before>{page[0].id}</before>"
        assert back == names

    def test_the_summary_of_a_page(self, phone: Client, names: list[str]) -> None:
        """First, last, index and count."""
        first = inbox(phone, paging="<max>3</max>")
        second = inbox(phone, paging=f"<max>3</max><after>{first.page('last')}</after>")
        assert (second.page("first"), second.page("last")) == (second.entries[0].id, second.entries[-1].id)
        found = second.fin.find("{http://jabber.org/protocol/rsm}set/{http://jabber.org/protocol/rsm}first")
        assert found is not None
        assert (found.get("index"), second.page("count")) == ("3", str(len(names)))
        assert [entry.jid for entry in second.entries] == names[3:6]

    def test_a_conversation_that_moves_meanwhile(self, phone: Client, names: list[str]) -> None:
        """It comes to the front, where the client sees it anyway; no other is told twice or left out."""
        first = inbox(phone, paging="<max>10</max>").entries
        say(phone, names[10], "again")
        second = inbox(phone, paging=f"<max>10</max><after>{first[-1].id}</after>").entries
        assert [entry.jid for entry in second] == names[11:21]

    def test_just_the_counts(self, phone: Client, names: list[str]) -> None:
        """A maximum of 0 asks for them alone."""
        found = inbox(phone, paging="<max>0</max>")
        assert found.entries == []
        assert (found.page("count"), found.totals[0]) == (str(len(names)), str(len(names)))

    def test_the_greatest_page(self, service: Service) -> None:
        """It has a bound, whatever is asked for."""
        names = [f"p{number}" for number in range(CONVERSATION_PAGE_COUNT_MAX + 1)]
        crowd = Service("alice", *names)
        alice = online(crowd, "alice")
        for name in names:
            say(alice, f"{name}@{DOMAIN}", "hi")
        assert len(inbox(alice, paging="<max>1000</max>").entries) == CONVERSATION_PAGE_COUNT_MAX

    @pytest.mark.parametrize(("before", "expected"), [("", [0, 1, 2, 3]), ("<before/>", [-4, -3, -2, -1])])
    def test_long_messages(self, phone: Client, names: list[str], before: str, expected: list[int]) -> None:
        """A page that would be too long is cut at its far end."""
        size = CONVERSATION_PAGE_BYTES_MAX // 4 - 1000
        for jid in reversed(names):
            say(phone, jid, "x" * size)
        found = inbox(phone, paging=f"<max>10</max>{before}")
        assert [entry.jid for entry in found.entries] == [names[index] for index in expected]
        assert found.page("first") == found.entries[0].id

    @pytest.mark.parametrize("bound", ["<after>rubbish@@</after>", "<before>a@b@c</before>"])
    def test_ids_that_are_none(self, phone: Client, bound: str) -> None:
        """There is nothing to go on from."""
        assert _condition(ask(phone, paging=bound)[-1]) == "item-not-found"

    def test_pages_by_index_and_bad_maxima(self, phone: Client) -> None:
        """Both are refused, as in archives."""
        assert _condition(ask(phone, paging="<index>3</index>")[-1]) == "feature-not-implemented"
        assert _condition(ask(phone, paging="<max>many</max>")[-1]) == "bad-request"

    def test_rooms_without_a_message_come_last(self, phone: Client, names: list[str]) -> None:
        """They are called by their address."""
        rooms = [f"{name}@conference.{DOMAIN}" for name in ("a", "b", "c")]
        for room in rooms:
            make_room(phone, room=room)
        assert inbox(phone, paging="<max>0</max>").page("count") == str(len(names) + 3)
        last = inbox(phone, paging="<max>2</max><before/>")
        assert [(entry.jid, entry.id, entry.unread) for entry in last.entries] == [
            (room, None, 0) for room in rooms[1:]
        ]
        assert last.page("first") == rooms[1]
        more = inbox(phone, paging=f"<max>2</max><before>{rooms[1]}</before>")
        assert [entry.jid for entry in more.entries] == [names[-1], rooms[0]]
        assert [entry.jid for entry in inbox(phone, paging=f"<after>{rooms[0]}</after>").entries] == rooms[1:]


def _condition(reply: object) -> str:
    """The condition of an error."""
    prefix = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
    tags = [child.tag for child in reply.iter()]  # type: ignore[attr-defined]
    return next(tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix))


class TestSection4UnreadMessages:
    """4: what is unread, and what makes it read."""

    def test_a_message_starts_unread(self, phone: Client, desk: Client, bob: Client) -> None:
        """On every device, also on one that was away."""
        for text in ("one", "two", "three"):
            say(bob, ALICE, text)
        assert inbox(phone).unread == inbox(desk).unread == {"bob": 3}
        assert inbox(bob).unread == {"alice": 0}

    def test_a_displayed_state(self, phone: Client, desk: Client, bob: Client) -> None:
        """What one device has shown is read on the other (XEP-0490), with all before it."""
        for text in ("one", "two", "three"):
            say(bob, ALICE, text)
        displayed(phone, BOB, archive(phone).ids[1])
        assert inbox(desk).unread == {"bob": 1}
        displayed(phone, BOB, archive(phone).ids[2])
        assert inbox(desk).unread == {"bob": 0}
        say(bob, ALICE, "four")
        assert inbox(desk).unread == {"bob": 1}

    def test_a_state_that_names_the_own_message(self, phone: Client, bob: Client) -> None:
        """It is a place like any other (XEP-0490 section 4.2)."""
        say(bob, ALICE, "one")
        say(phone, BOB, "two")
        displayed(phone, BOB, archive(phone).ids[1])
        say(bob, ALICE, "three")
        assert inbox(phone).unread == {"bob": 1}

    @pytest.mark.parametrize("stanza_id", ["nonsense", f"{EPOCH + 1}-99999999", f"{EPOCH}-99999999999"])
    def test_a_state_that_names_nothing(self, phone: Client, bob: Client, stanza_id: str) -> None:
        """It is ignored (XEP-0490 section 5.1): another cluster's, garbage, or of the future."""
        say(bob, ALICE, "one")
        displayed(phone, BOB, stanza_id)
        assert inbox(phone).unread == {"bob": 1}

    def test_a_state_by_somebody_elses_ids(self, phone: Client, bob: Client) -> None:
        """Between contacts the user's own server gives the ids."""
        say(bob, ALICE, "one")
        displayed(phone, BOB, archive(phone).ids[0], by=BOB)
        assert inbox(phone).unread == {"bob": 1}

    @pytest.mark.parametrize("name", ["displayed", "acknowledged"])
    @pytest.mark.parametrize("extra", ["", STORE])
    def test_a_marker(self, phone: Client, desk: Client, bob: Client, name: str, extra: str) -> None:
        """What one device tells the contact is read on the other, archived or not; receipts say nothing."""
        for number in range(3):
            say(bob, ALICE, "text", f"m{number}")
        phone.write(f"<message to='{BOB}'><received xmlns='urn:xmpp:receipts' id='m2'/>{extra}</message>")
        assert inbox(desk).unread == {"bob": 3}
        phone.write(f"<message to='{BOB}/phone'><{name} xmlns='urn:xmpp:chat-markers:0' id='m1'/>{extra}</message>")
        assert inbox(desk).unread == {"bob": 1}

    @pytest.mark.parametrize("message_id", ["m9", "", "m1'&amp;"])
    def test_a_marker_that_names_nothing(self, phone: Client, bob: Client, message_id: str) -> None:
        """It is ignored (XEP-0333 section 5)."""
        say(bob, ALICE, "text", "m1")
        phone.write(f'<message to="{BOB}"><displayed xmlns="urn:xmpp:chat-markers:0" id="{message_id}"/></message>')
        assert inbox(phone).unread == {"bob": 1}

    def test_a_marker_only_moves_forward(self, phone: Client, bob: Client) -> None:
        """One for an earlier message is redundant."""
        for number in range(2):
            say(bob, ALICE, "text", f"m{number}")
        for number in (1, 0):
            phone.write(f"<message to='{BOB}'><displayed xmlns='urn:xmpp:chat-markers:0' id='m{number}'/></message>")
        assert inbox(phone).unread == {"bob": 0}

    def test_an_error_that_shows_a_marker(self, phone: Client, bob: Client) -> None:
        """What comes back to its sender has marked nothing."""
        say(bob, ALICE, "text", "m0")
        marker = "<displayed xmlns='urn:xmpp:chat-markers:0' id='m0'/>"
        error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        phone.write(f"<message to='{BOB}/phone' type='error'>{marker}{error}</message>")
        assert inbox(phone).unread == {"bob": 1}

    def test_a_contacts_marker_is_not_the_users(self, phone: Client, bob: Client) -> None:
        """That Bob has read says nothing of Alice."""
        say(phone, BOB, "question", "q")
        say(bob, ALICE, "answer", "a")
        bob.write(f"<message to='{ALICE}'><displayed xmlns='urn:xmpp:chat-markers:0' id='q'/>{STORE}</message>")
        assert inbox(phone).unread == {"bob": 1}

    def test_an_answer(self, phone: Client, desk: Client, bob: Client) -> None:
        """Who answers has read, on all devices; who reacts has not said so."""
        say(bob, ALICE, "one", "m1")
        reaction = "<reactions xmlns='urn:xmpp:reactions:0' id='m1'><reaction>x</reaction></reactions>"
        phone.write(f"<message to='{BOB}' type='chat'>{reaction}</message>")
        assert inbox(desk).unread == {"bob": 1}
        say(phone, BOB, "two")
        assert inbox(desk).unread == {"bob": 0}

    def test_what_does_not_count(self, phone: Client, bob: Client) -> None:
        """Receipts, markers, reactions, corrections, calls and subjects are no instant messages, archived or not."""
        say(bob, ALICE, "one", "m1")
        inner = (
            f"<received xmlns='urn:xmpp:receipts' id='x'/>{STORE}",
            f"<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>{STORE}",
            "<body>x</body><reactions xmlns='urn:xmpp:reactions:0' id='m1'><reaction>x</reaction></reactions>",
            "<body>won</body><replace xmlns='urn:xmpp:message-correct:0' id='m1'/>",
            "<propose xmlns='urn:xmpp:jingle-message:0' id='c'/>",
            "<subject>s</subject>",
        )
        for content in inner:
            bob.write(f"<message to='{ALICE}' type='chat'>{content}</message>")
        assert len(archive(phone).ids) == 1 + len(inner)
        assert inbox(phone).unread == {"bob": 1}

    def test_a_correction_is_shown(self, phone: Client, bob: Client) -> None:
        """The latest wording of the last message; that of an earlier one is not shown."""
        say(bob, ALICE, "teh", "m1")
        say(bob, ALICE, "wrold", "m2")
        say(bob, ALICE, "the", "c1", "<replace xmlns='urn:xmpp:message-correct:0' id='m1'/>")
        assert entry_of(phone, BOB).text == "wrold"
        say(bob, ALICE, "world", "c2", "<replace xmlns='urn:xmpp:message-correct:0' id='m2'/>")
        assert (entry_of(phone, BOB).text, entry_of(phone, BOB).unread) == ("world", 2)

    def test_a_correction_by_somebody_else(self, phone: Client, bob: Client) -> None:
        """Nobody rewords what another has said (XEP-0308 section 4)."""
        say(bob, ALICE, "mine", "m1")
        say(phone, BOB, "yours", "c1", "<replace xmlns='urn:xmpp:message-correct:0' id='m1'/>")
        assert (entry_of(phone, BOB).text, entry_of(phone, BOB).unread) == ("mine", 1)

    def test_a_retraction(self, phone: Client, bob: Client) -> None:
        """What is taken back is neither counted nor shown; nor is the retraction."""
        say(bob, ALICE, "stays", "m1")
        say(bob, ALICE, "goes", "m2")
        retraction = "<retract xmlns='urn:xmpp:message-retract:1' id='m2'/><body>/me took it back</body>"
        bob.write(f"<message to='{ALICE}' type='chat' id='r'>{retraction}</message>")
        entry = entry_of(phone, BOB)
        assert (entry.text, entry.unread, entry.id) == ("stays", 1, archive(phone).ids[-1])
