"""Block lists (XEP-0191 section 3.3) and messages: every kind of them, and every place a message can come to rest."""

from __future__ import annotations

import pytest

from xmpp_im.blocks import (
    ALICE,
    BOB,
    REFUSED_BY_CONTACT,
    REFUSED_BY_OWN_LIST,
    WAYS_TO_BLOCK_BOB,
    ask,
    block,
    change,
    device,
    unblock,
)
from xmpp_im.conversations import BODY as BODY_TAG
from xmpp_im.conversations import MESSAGE, archive, field, say, take
from xmpp_im.inbox import entry_of, inbox
from xmpp_im.nodes import befriend, online, subscribe
from xmpp_im.playbook import tree
from xmpp_im.rooms import condition
from xmpp_im.service import Client, Service
from xmpp_im.test_ticks import last_id, mark, ticks

JINGLE = "urn:xmpp:jingle-message:0"
BODY = "<body>x</body>"

ANSWERED = {
    "text": BODY,
    "encrypted": "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>" + BODY,
    "file": "<body>https://x.example/f</body><x xmlns='jabber:x:oob'><url>https://x.example/f</url></x>",
    "location": "<body>geo:1,2</body><geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>1</lat></geoloc>",
    "reply": "<reply xmlns='urn:xmpp:reply:0' to='alice@example.org' id='old'/>" + BODY,
    "reaction": "<reactions xmlns='urn:xmpp:reactions:0' id='old'><reaction>x</reaction></reactions>",
    "edit": "<body>y</body><replace xmlns='urn:xmpp:message-correct:0' id='old'/>",
    "retraction": "<retract xmlns='urn:xmpp:message-retract:1' id='old'/>",
    "disappearing": BODY + "<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='60'/>",
    "direct invitation": "<x xmlns='jabber:x:conference' jid='coven@conference.example.org'/>",
    "call": f"<propose xmlns='{JINGLE}' id='c'><description xmlns='urn:xmpp:jingle:apps:rtp:1'/></propose>",
    "end of a call": f"<finish xmlns='{JINGLE}' id='c'/>",
    "receipt": "<received xmlns='urn:xmpp:receipts' id='old'/>",
    "marker": "<displayed xmlns='urn:xmpp:chat-markers:0' id='old'/>",
    "to be stored": "<store xmlns='urn:xmpp:hints'/>",
    "not to be stored": BODY + "<no-store xmlns='urn:xmpp:hints'/>",
}
"""Content of messages of type chat whose sender learns that they did not arrive."""

UNANSWERED = {
    "chat state": ("chat", "<composing xmlns='http://jabber.org/protocol/chatstates'/>"),
    "real-time text": ("chat", "<rtt xmlns='urn:xmpp:rtt:0' seq='1'/>"),
    "headline": ("headline", BODY),
    "error": ("error", BODY + "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"),
}
"""Type and content of messages that nobody is told of when they do not arrive."""

EVERY_KIND = [pytest.param("chat", content, id=name) for name, content in ANSWERED.items()] + [
    pytest.param(kind, content, id=name) for name, (kind, content) in UNANSWERED.items()
]


def write(client: Client, to: str, kind: str, content: str) -> None:
    client.write(f"<message to='{to}' type='{kind}' id='m'>{content}</message>")


@pytest.fixture
def alice(service: Service) -> Client:
    """Alice's phone, which wants copies."""
    return device(service, "alice")


@pytest.fixture
def bob(service: Service) -> Client:
    """Bob's phone, which wants copies."""
    return device(service, "bob")


@pytest.fixture
def desk(service: Service, alice: Client) -> Client:
    """Alice's other device, which wants copies."""
    return device(service, "alice", "desk")


class TestInbound:
    """What somebody sends whom Alice has blocked."""

    @pytest.fixture(params=WAYS_TO_BLOCK_BOB)
    def blocked(self, request: pytest.FixtureRequest, alice: Client, desk: Client, bob: Client) -> str:
        """Alice has an earlier message of Bob's, with the id that later ones refer to, and has blocked him since."""
        say(bob, ALICE, "before", "old")
        block(alice, str(request.param))
        for client in (alice, desk, bob):
            client.take()
        return str(request.param)

    @pytest.mark.parametrize(("kind", "content"), EVERY_KIND)
    def test_no_device_gets_it(
        self, alice: Client, desk: Client, bob: Client, blocked: str, kind: str, content: str
    ) -> None:
        """To the account or to a device, neither that nor, by a copy, any other; the sender meets an offline user."""
        for to in (ALICE, f"{ALICE}/desk"):
            write(bob, to, kind, content)
            assert alice.take() + desk.take() == []
            answered = (kind, content) not in UNANSWERED.values()
            replies = [(reply.get("id"), condition(reply)) for reply in take(bob)]
            assert replies == [("m", REFUSED_BY_CONTACT)] * answered

    @pytest.mark.parametrize("content", ANSWERED.values(), ids=list(ANSWERED))
    def test_nothing_of_it_is_kept(self, alice: Client, bob: Client, blocked: str, content: str) -> None:
        """Not in the archive, its search, the list of conversations with its unread count; what was there stays."""
        write(bob, ALICE, "chat", content)
        assert archive(alice).texts == ["before"]
        assert archive(alice, field("with", BOB)).texts == ["before"]
        assert archive(alice, field("{urn:xmpp:fulltext:0}fulltext", "x")).texts == []
        entry = entry_of(alice, BOB)
        assert (entry.unread, entry.text) == (1, "before")

    def test_it_does_not_wait_for_another_device(
        self, service: Service, alice: Client, desk: Client, bob: Client, blocked: str
    ) -> None:
        """What comes while all devices are away is not there when one comes, nor after the unblock."""
        alice.end()
        desk.end()
        for content in ANSWERED.values():
            write(bob, ALICE, "chat", content)
        tablet = device(service, "alice", "tablet")
        assert tablet.take() == []
        unblock(tablet)
        assert archive(tablet).texts == ["before"]
        late = device(service, "alice", "late")
        assert [stanza for stanza in take(late) if stanza.tag == MESSAGE] == []

    def test_the_senders_own_side(self, service: Service, bob: Client, blocked: str) -> None:
        """The sender's devices agree on what was said, though nobody heard it (XEP-0280 section 6.1)."""
        laptop = device(service, "bob", "laptop")
        say(bob, ALICE, "unheard")
        [copied] = [data for data in laptop.take() if b"unheard" in data]
        assert tree(copied)[0].tag == "{urn:xmpp:carbons:2}sent"
        assert archive(bob).texts == ["before", "unheard"]

    def test_ticks(self, service: Service, alice: Client, bob: Client, blocked: str) -> None:
        """Of what was never delivered nothing is received or read, and of what was nothing more is told."""
        before = last_id(bob)
        say(bob, ALICE, "unheard", "u")
        [told] = ticks(bob, ALICE, last_id(bob))
        assert told == ("0", "0", "1")
        mark(alice, f"{BOB}/phone", "old")
        assert condition(take(alice)[-1]) == REFUSED_BY_OWN_LIST
        assert ticks(bob, ALICE, before)[0][1] == "0"

    def test_unblocked_all_comes_again(self, alice: Client, desk: Client, bob: Client, blocked: str) -> None:
        """Section 3.4: what is sent from then on, to every device, by text and by call."""
        unblock(alice, blocked)
        desk.take()
        for content in (ANSWERED["text"], ANSWERED["call"], ANSWERED["direct invitation"]):
            write(bob, ALICE, "chat", content)
            assert [len(take(client)) for client in (alice, desk, bob)] == [1, 1, 0]


class TestForms:
    """An address of the list stands for that which it names, and for nothing beside it (section 6)."""

    def test_another_resource(self, service: Service, alice: Client, bob: Client) -> None:
        """With one resource on the list the account's others are heard; with the account none is."""
        laptop = device(service, "bob", "laptop")
        block(alice, f"{BOB}/phone")
        say(bob, ALICE, "phone")
        say(laptop, ALICE, "laptop")
        assert [message.findtext(BODY_TAG) for message in take(alice)] == ["laptop"]
        block(alice, BOB)
        say(laptop, ALICE, "more")
        assert take(alice) == []

    def test_a_new_resource(self, service: Service, alice: Client, bob: Client) -> None:
        """Somebody who is blocked as an account comes back under another name of a device: it changes nothing."""
        block(alice, BOB)
        bob.end()
        other = device(service, "bob", "never seen")
        other.take()
        say(other, f"{ALICE}/phone", "x")
        assert condition(take(other)[-1]) == REFUSED_BY_CONTACT
        assert take(alice) == []

    def test_others_are_not_concerned(self, alice: Client, bob: Client, carol: Client) -> None:
        """One contact is blocked, another is not, and one with a similar name is not."""
        block(alice, BOB, "carol@example.org.evil", "arol@example.org", "carol@example.org/phone2")
        say(carol, ALICE, "x")
        assert len(take(alice)) == 1


class TestOutbound:
    """What Alice sends to somebody whom she has blocked."""

    @pytest.mark.parametrize(("kind", "content"), EVERY_KIND)
    def test_it_is_refused_and_not_kept(
        self, alice: Client, desk: Client, bob: Client, kind: str, content: str
    ) -> None:
        """Neither Bob nor Alice's other devices see it, nor does her archive; chat states are refused as well."""
        block(alice, BOB)
        desk.take()
        for to in (BOB, f"{BOB}/phone"):
            write(alice, to, kind, content)
            assert bob.take() + desk.take() == []
            replies = take(alice)
            assert [condition(reply) for reply in replies] == [REFUSED_BY_OWN_LIST] * (kind != "error")
            assert all(reply.find(".//{urn:xmpp:blocking:errors}blocked") is not None for reply in replies)
        assert archive(alice).texts == []
        assert inbox(alice).entries == []


class TestOrder:
    """A block holds from its place in the log on."""

    def test_what_came_before_stays_owed(self, service: Service, alice: Client, bob: Client) -> None:
        """A message that waited when its sender was blocked was received before: it is given, once, and kept."""
        alice.end()
        say(bob, ALICE, "before")
        silent = service.bind("alice", "silent")
        block(silent, BOB)
        say(bob, ALICE, "after")
        tablet = online(service, "alice", "tablet")
        given = [stanza.findtext(BODY_TAG) for stanza in take(tablet) if stanza.tag == MESSAGE]
        assert given == ["before"]
        assert archive(tablet).texts == ["before"]
        assert entry_of(tablet, BOB).unread == 1

    def test_what_came_before_is_not_taken_back_after(self, alice: Client, bob: Client) -> None:
        """Who is blocked cannot delete or edit what they said: it may be evidence (XEP-0424 section 6)."""
        say(bob, ALICE, "threat", "old")
        block(alice, BOB)
        write(bob, ALICE, "chat", ANSWERED["retraction"])
        assert condition(take(bob)[-1]) == REFUSED_BY_CONTACT
        assert archive(alice).texts == ["threat"]
        unblock(alice)
        write(bob, ALICE, "chat", ANSWERED["retraction"])
        assert archive(alice).texts[0] is None

    def test_block_and_unblock_in_turn(self, alice: Client, bob: Client) -> None:
        """Each message meets the list as it is at its own place."""
        for _ in range(3):
            say(bob, ALICE, "open")
            change(alice, "block", BOB)
            say(bob, ALICE, "closed")
            change(alice, "unblock", BOB)
        assert archive(alice).texts == ["open"] * 3

    def test_by_another_device(self, service: Service, alice: Client, bob: Client) -> None:
        """Every device that asked for the list is told of the change, those that did not are not; all are bound."""
        desk, quiet = device(service, "alice", "desk"), device(service, "alice", "quiet")
        for client in (alice, desk):
            assert ask(client, ALICE, "<blocklist xmlns='urn:xmpp:blocking'/>") is None
        for kind in ("block", "unblock"):
            change(desk, kind, BOB)
            for client in (alice, desk):
                [pushed] = [stanza for stanza in take(client) if stanza.get("type") == "set"]
                assert pushed[0].tag == f"{{urn:xmpp:blocking}}{kind}"
                assert [item.get("jid") for item in pushed[0]] == [BOB]
            assert take(quiet) == []
            say(bob, f"{ALICE}/quiet", "x")
            assert len(take(quiet)) == (kind == "unblock")
            bob.take()
            alice.take()
            desk.take()

    def test_a_device_that_comes_later_has_the_list(self, service: Service, alice: Client) -> None:
        """The list is the account's, not a session's."""
        block(alice, BOB, f"{BOB}/phone")
        alice.end()
        later = device(service, "alice", "later")
        later.write("<iq type='get' id='l'><blocklist xmlns='urn:xmpp:blocking'/></iq>")
        [reply] = take(later)
        assert [item.get("jid") for item in reply[0]] == [BOB, f"{BOB}/phone"]


def test_subscriptions_stay_as_they_are(alice: Client, bob: Client) -> None:
    """Section 4: blocking is polite, so after it all is as before, without anyone asking again."""
    befriend(alice, bob)
    block(alice, BOB)
    subscribe(bob, alice)
    alice.take()
    bob.take()
    unblock(alice)
    bob.take()
    bob.write("<presence><show>away</show></presence>")
    assert [stanza.get("from") for stanza in take(alice)] == [f"{BOB}/phone"]
