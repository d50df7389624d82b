"""Messages: where they go (RFC 6121 section 8.5), what is archived, what comes back."""

from __future__ import annotations

import pytest

from machine.world import DOMAIN, START_MS, World, arrivals
from raftline.base.limits import INBOX_MESSAGE_COUNT_MAX, OFFLINE_MESSAGE_COUNT_MAX, ORIGIN_ID_AGE_MAX_MS
from raftline.machine import messages
from raftline.machine.message_commands import MessageKind, Storage
from raftline.machine.outcomes import Done, MessageBounced
from raftline.machine.queries import ArchivePage, RosterOf

ARCHIVE, OFFLINE = int(Storage.ARCHIVE), int(Storage.OFFLINE)
KINDS = [MessageKind.NORMAL, MessageKind.CHAT, MessageKind.GROUPCHAT, MessageKind.HEADLINE, MessageKind.ERROR]

# RFC 6121 section 8.5.4, columns as in KINDS. S: silently ignored, E: an error comes back, O: kept, D: delivered.
# Where the table allows S or E for what carries content, this server answers with E; where it allows S for a normal
# message to a resource that is gone, this server treats it as a chat message.
TABLE = [
    ("no account", "bare", "EEESS"),
    ("no account", "full", "EEESS"),
    ("no session", "bare", "OOESS"),
    ("no session", "full", "OOESS"),
    ("negative", "bare", "OOESS"),
    ("negative", "full match", "DDDDD"),
    ("negative", "full", "OOESS"),
    ("available", "bare", "DDEDS"),
    ("available", "full match", "DDDDD"),
    ("available", "full", "DDESS"),
    ("bound only", "bare", "OOESS"),
    ("bound only", "full match", "DDDDD"),
]


@pytest.mark.parametrize(("condition", "address", "expected"), TABLE)
def test_delivery_is_that_of_section_8_5_4(world: World, condition: str, address: str, expected: str):
    """Every condition, address and type of the table."""
    alice = world.online("alice")
    priorities = {"negative": -1, "available": 0, "bound only": None}
    if condition in priorities:
        world.online("bob", "there", priority=priorities[condition])
    localpart = "nobody" if condition == "no account" else "bob"
    to = {"bare": localpart, "full": f"{localpart}/gone", "full match": f"{localpart}/there"}[address]
    found = ""
    for kind in KINDS:
        before = world.count("offline")
        result = alice.send(to, kind=kind, storage=OFFLINE)
        assert result.outcome == Done()
        bounced = [event for event in result.events if isinstance(event, MessageBounced)]
        if bounced:
            assert [(event.session_id, event.condition, event.kind) for event in bounced] == [
                (alice.session_id, "service-unavailable", "cancel")
            ]
            found += "E"
        elif arrivals(result):
            found += "D"
        else:
            found += "O" if world.count("offline") > before else "S"
    assert found == expected


def test_all_sessions_that_take_messages_get_one(world: World):
    """8.5.2.1.1: every available resource with a priority that is not negative; the same bytes for all."""
    alice = world.online("alice")
    bobs = [world.online("bob", f"r{number}", priority=number - 1) for number in range(4)]
    world.bind("bob", "silent")
    result = alice.send("bob")
    assert [event.session_id for event in arrivals(result)] == [bob.session_id for bob in bobs[1:]]
    assert len({id(event.stanza) for event in arrivals(result)}) == 1
    (event, *_) = arrivals(result)
    assert (event.owner, event.position, event.delayed_ms) == (f"bob@{DOMAIN}", result.position, None)


class TestArchive:
    """Both sides, once each, referring to the entry."""

    def test_both_sides_have_it(self, world: World):
        """One stored message, a row for each side, named by the position of the command."""
        alice = world.online("alice")
        result = alice.send("bob")
        for owner in ("alice", "bob"):
            (row,) = world.machine.answer(ArchivePage(owner)).rows
            assert (row.position, row.time_ms) == (result.position, START_MS)
        assert (world.count("message"), world.count("archive")) == (1, 2)

    def test_a_message_to_oneself_is_archived_once(self, world: World):
        """One row, and all own sessions get it."""
        alice, desk = world.online("alice", "phone"), world.online("alice", "desk")
        result = alice.send("alice")
        assert [event.session_id for event in arrivals(result)] == [alice.session_id, desk.session_id]
        assert world.machine.answer(ArchivePage("alice")).count == 1
        assert world.count("archive") == 1
        assert world.machine._context.messages.get(result.position).holders == 1

    def test_what_comes_back_is_in_the_senders_archive_alone(self, world: World):
        """An unknown recipient: the sender's copy stays, the address gets a number but no row."""
        alice = world.online("alice")
        alice.send("nobody")
        assert world.machine.answer(ArchivePage("alice", contact=f"nobody@{DOMAIN}")).count == 1
        assert world.count("archive") == 1

    def test_what_is_archived_need_not_come_back(self, world: World):
        """Without a session and without the offline flag it waits in the recipient's archive."""
        alice = world.online("alice")
        result = alice.send("bob", storage=ARCHIVE)
        assert result.events == []
        assert world.machine.answer(ArchivePage("bob")).count == 1
        assert world.count("offline") == 0

    def test_a_message_without_storage_leaves_nothing(self, world: World):
        """Delivered to a session without stream management it is nowhere stored."""
        alice, bob = world.online("alice"), world.online("bob")
        result = alice.send("bob", storage=0)
        assert arrivals(result, bob)[0].owner == ""
        assert [world.count(table) for table in ("message", "archive", "inbox", "offline")] == [0, 0, 0, 0]
        assert isinstance(alice.send("carol", storage=0).events[0], MessageBounced)


class TestOriginId:
    """XEP-0359 section 3.2: the same message twice within seven days."""

    def send(self, world: World, client, to: str = "bob", origin_id: str = "id-1", fingerprint: bytes = b"fp"):
        return client.send(to, origin_id=origin_id, fingerprint=fingerprint)

    def test_a_repeat_has_no_second_effect(self, world: World):
        """Even from another session of the account, after the first is lost."""
        alice, bob = world.online("alice"), world.online("bob")
        assert arrivals(self.send(world, alice), bob)
        alice.end()
        again = self.send(world, world.online("alice", "new"))
        assert (again.outcome, again.events) == (Done(), [])
        assert world.machine.answer(ArchivePage("bob")).count == 1

    @pytest.mark.parametrize(
        "changed", [{"to": "carol"}, {"origin_id": "id-2"}, {"fingerprint": b"other"}, {"fingerprint": b"pf"}]
    )
    def test_another_message_is_not_a_repeat(self, world: World, changed):
        """Recipient, id and fingerprint all have to agree."""
        alice = world.online("alice")
        self.send(world, alice)
        self.send(world, alice, **changed)
        assert world.machine.answer(ArchivePage("alice")).count == 2

    def test_another_sender_is_not_a_repeat(self, world: World):
        """Ids are the sender's own."""
        for sender in ("alice", "carol"):
            self.send(world, world.online(sender))
        assert world.machine.answer(ArchivePage("bob")).count == 2

    def test_it_is_remembered_for_seven_days(self, world: World):
        """By cluster time, to the millisecond, whenever rows are deleted."""
        alice = world.online("alice")
        self.send(world, alice)
        world.time_ms += ORIGIN_ID_AGE_MAX_MS
        self.send(world, alice)
        assert world.machine.answer(ArchivePage("bob")).count == 1
        world.time_ms += 1
        self.send(world, alice)
        assert world.machine.answer(ArchivePage("bob")).count == 2

    def test_what_came_back_may_be_tried_again(self, world: World):
        """A bounced message is not taken for delivered when its sender tries again."""
        alice = world.online("alice")
        assert isinstance(self.send(world, alice, "dora").events[0], MessageBounced)
        world.account("dora")
        dora = world.online("dora")
        assert arrivals(self.send(world, alice, "dora"), dora)

    def test_half_a_digest_is_not_enough(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """Two messages whose digests agree in the key alone are two messages."""

        class Halves:
            def __init__(self) -> None:
                self.verifier = 0

            def unpack(self, _digest: bytes) -> tuple[int, int]:
                self.verifier += 1
                return 5, self.verifier

        monkeypatch.setattr(messages, "_HALVES", Halves())
        alice = world.online("alice")
        self.send(world, alice)
        self.send(world, alice, origin_id="id-2")
        assert world.machine.answer(ArchivePage("bob")).count == 2


class TestLimits:
    """XEP-0160 section 3 and the bound of an inbox, with the bounds lowered."""

    def test_too_many_offline_messages_come_back(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """The error is the sender's, and the recipient's archive does not have what came back."""
        assert OFFLINE_MESSAGE_COUNT_MAX >= 1000
        monkeypatch.setattr(messages, "OFFLINE_MESSAGE_COUNT_MAX", 2)
        alice = world.online("alice")
        assert [alice.send("bob").events for _ in range(2)] == [[], []]
        assert isinstance(alice.send("bob").events[0], MessageBounced)
        assert world.machine.answer(ArchivePage("bob")).count == 2
        world.online("bob").end()
        assert alice.send("bob").events == []

    def test_a_session_that_owes_too_much_takes_no_more(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """It counts as away: the message waits offline."""
        assert INBOX_MESSAGE_COUNT_MAX >= 1000
        monkeypatch.setattr(messages, "INBOX_MESSAGE_COUNT_MAX", 2)
        alice, _bob = world.online("alice"), world.online("bob", managed=True)
        assert [len(arrivals(alice.send("bob"))) for _ in range(3)] == [1, 1, 0]
        assert (world.count("inbox"), world.count("offline")) == (2, 1)

    def test_a_full_session_keeps_nothing_from_the_others(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """Those that come after it in the account take the message as always."""
        monkeypatch.setattr(messages, "INBOX_MESSAGE_COUNT_MAX", 1)
        alice = world.online("alice")
        full, free = world.online("bob", "full", managed=True), world.online("bob", "free", managed=True)
        free.acknowledge(alice.send("bob").position)
        result = alice.send("bob")
        assert [event.session_id for event in arrivals(result)] == [free.session_id]
        assert arrivals(result, full) == []
        assert (world.count("inbox"), world.count("offline")) == (2, 0)


def test_a_message_changes_no_roster(world: World):
    """Strangers may write."""
    world.online("alice").send("bob")
    assert world.machine.answer(RosterOf("bob")).items == []
