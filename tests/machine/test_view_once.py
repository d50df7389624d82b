"""Messages that are viewed once in the state machine (machine/view_once): given to each account once, to one device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from machine.polls import pass_time
from machine.rooms import (
    ROOM,
    change_affiliation,
    configure,
    enter,
    events_for,
    heard,
    open_room,
    raise_version,
    refusal,
)
from machine.rooms import say as speak
from machine.world import DOMAIN, Client, World, arrivals
from raftline.base.ids import CURSOR_START, Position
from raftline.base.limits import (
    INBOX_MESSAGE_COUNT_MAX,
    SEALED_COUNT_MAX,
    SEALED_FILE_GRACE_MS,
    SEALED_LIFETIME_MS,
)
from raftline.machine.commands import ChangeBlocklist, DeleteAccount
from raftline.machine.history.commands import Retraction
from raftline.machine.media.commands import RequestUploadSlot, StoreUpload
from raftline.machine.message_commands import SendSealed, Storage
from raftline.machine.outcomes import CommandResult, Done, Rejected
from raftline.machine.queries import ArchivePage, InboxPage
from raftline.machine.rooms.commands import DestroyRoom
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.view_once import opening, sealing
from raftline.machine.view_once.commands import OpenSealed, SealedContent, SealInRoom
from raftline.machine.view_once.events import SealedOpened

NAMESPACE = "urn:raftline:view-once:0"
MARK = f"<view-once xmlns='{NAMESPACE}'/>"
SECRET = b"<body xmlns='jabber:client'>nevermoreseen</body>"
KEPT = int(Storage.ARCHIVE | Storage.OFFLINE)
TOKEN, OTHER_TOKEN = b"t" * 16, b"u" * 16
LIFETIME_S = SEALED_LIFETIME_MS / 1000


@pytest.fixture
def world(world: World) -> World:
    """Three accounts, under the version that knows it."""
    raise_version(world)
    return world


@pytest.fixture
def alice(world: World) -> Client:
    """Alice, who owns the room and is in it."""
    client = world.online("alice")
    open_room(client)
    return client


@pytest.fixture
def bob(world: World, alice: Client) -> Client:
    """Bob, who is in the room, with stream management."""
    client = world.online("bob", managed=True)
    enter(client, "b")
    return client


def sent(client: Client, to: str, tokens: tuple[bytes, ...] = (), **changes: Any) -> CommandResult:
    """Send something that is viewed once."""
    stanza = f"<message from='{client.full_jid}' to='{to}@{DOMAIN}' id='m1'><body>once</body>{MARK}</message>".encode()
    message = client.message(to, stanza=stanza, **{"storage": KEPT, **changes})
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    return client.do(SendSealed(**fields, sealed=SealedContent(SECRET, tokens)))


def said(client: Client, **changes: Any) -> CommandResult:
    """Say something in the room that each account views once."""
    stanza = f"<message type='groupchat' id='m1'><body>once</body>{MARK}</message>".encode()
    fields: dict[str, Any] = {"is_subject": False, "kept": True, "origin_id": "", "fingerprint": b"", **changes}
    return client.do(SealInRoom(ROOM, stanza, **fields, sealed=SealedContent(SECRET)))


def open_it(client: Client, position: Position, room: str = "") -> CommandResult:
    """Ask for the content."""
    return client.do(OpenSealed(room, position, f"1-{position}"))


def given(result: CommandResult, client: Client) -> list[bytes]:
    """What a session is given by a command."""
    return [event.stanza for event in arrivals(result, client)]


def holds(world: World) -> bool:
    """Whether the content is in any table."""
    world.machine._context.rows.flush()
    places = ("SELECT stanza AS data FROM message", "SELECT content FROM sealed")
    sql = f"SELECT EXISTS (SELECT 1 FROM ({' UNION ALL '.join(places)}) WHERE instr(data, ?))"
    return bool(world.machine._database.execute(sql, (b"nevermoreseen",)).fetchone()[0])


def in_archive(world: World, owner: str) -> bytes:
    """The last message of an archive."""
    stanza: bytes = world.machine.answer(ArchivePage(owner)).rows[-1].stanza
    return stanza


class TestChats:
    """The contact's account is given the content once."""

    def test_nobody_has_it_before(self, world: World, alice: Client, bob: Client) -> None:
        """What is delivered, archived and copied is the message without it."""
        result = sent(alice, "bob")
        assert result.outcome == Done()
        assert all(b"nevermoreseen" not in stanza for stanza in given(result, bob))
        assert len(given(result, bob)) == 1
        assert MARK.encode() in in_archive(world, "bob")
        assert in_archive(world, "alice") == in_archive(world, "bob")

    def test_one_device_once(self, world: World, alice: Client, bob: Client) -> None:
        """Whoever asks first; the others of the account are too late, and both sides are told."""
        desk = world.online("bob", "desk")
        position = sent(alice, "bob").position
        result = open_it(bob, position)
        [stanza] = given(result, bob)
        assert SECRET in stanza
        assert f"id='1-{position}'".encode() in stanza
        assert given(result, desk) == given(result, alice) == []
        for client, other in ((alice, bob), (bob, alice), (desk, alice)):
            assert [(event.address, event.position) for event in events_for(result, client, SealedOpened)] == [
                (other.jid, position)
            ]
        for client in (bob, desk):
            assert refusal(open_it(client, position)) == ("gone", "cancel")
        opened = MARK.replace("/>", " state='opened'/>").encode()
        assert opened in in_archive(world, "alice")
        assert opened in in_archive(world, "bob")

    def test_gone_when_it_is_acknowledged(self, world: World, alice: Client, bob: Client) -> None:
        """The session owes it until then, whatever becomes of its connection; then no table holds it."""
        position = sent(alice, "bob").position
        result = open_it(bob, position)
        owed = world.machine.answer(InboxPage(bob.session_id, CURSOR_START))
        assert any(SECRET in getattr(event, "stanza", b"") for event in owed)
        bob.acknowledge(result.position)
        assert not holds(world)
        assert world.machine.take_faults() == []

    def test_a_session_that_ends_before(self, world: World, alice: Client, bob: Client) -> None:
        """The account's next one is given it, and nobody after that."""
        position = sent(alice, "bob").position
        open_it(bob, position)
        bob.end()
        desk, late = world.bind("bob", "desk"), world.bind("bob", "late")
        stanzas = given(desk.present(), desk)
        assert sum(SECRET in stanza for stanza in stanzas) == 1
        assert not any(SECRET in stanza for stanza in given(late.present(), late))
        assert not holds(world)

    def test_without_stream_management(self, world: World, alice: Client) -> None:
        """It is given, and nothing is kept."""
        carol = world.online("carol")
        position = sent(alice, "carol").position
        assert len(given(open_it(carol, position), carol)) == 1
        assert not holds(world)

    def test_who_may_not(self, world: World, alice: Client, bob: Client) -> None:
        """Its author, a third, whoever is kept apart by a block list."""
        position = sent(alice, "bob").position
        assert refusal(open_it(alice, position)) == ("not-allowed", "cancel")
        carol = world.bind("carol")
        assert refusal(open_it(carol, position)) == ("item-not-found", "cancel")
        assert refusal(open_it(bob, Position(1))) == ("item-not-found", "cancel")
        assert refusal(open_it(bob, position, ROOM)) == ("item-not-found", "cancel")
        alice.do(ChangeBlocklist(True, (bob.jid,)))
        assert refusal(open_it(bob, position)) == ("service-unavailable", "cancel")
        alice.do(ChangeBlocklist(False, ()))
        assert open_it(bob, position).outcome == Done()

    def test_a_message_without(self, alice: Client, bob: Client) -> None:
        """There is nothing to be opened in it."""
        assert refusal(open_it(bob, alice.send("bob").position)) == ("item-not-found", "cancel")

    def test_what_is_refused(self, world: World, alice: Client) -> None:
        """What no archive keeps, and what is sent to oneself."""
        assert refusal(sent(alice, "bob", storage=int(Storage.OFFLINE))) == ("not-acceptable", "modify")
        assert refusal(sent(alice, "alice")) == ("not-acceptable", "modify")
        assert world.count("sealed") == 0

    def test_what_comes_back(self, world: World, alice: Client, bob: Client) -> None:
        """Nothing is kept for nobody, or for who has blocked the author; a repeat is none."""
        sent(alice, "nobody")
        bob.do(ChangeBlocklist(True, (alice.jid,)))
        sent(alice, "bob")
        assert not holds(world)
        for _ in range(2):
            assert sent(alice, "carol", origin_id="o", fingerprint=b"f").outcome == Done()
        assert world.count("sealed") == 1

    def test_a_session_that_owes_too_much(self, monkeypatch: pytest.MonkeyPatch, alice: Client, bob: Client) -> None:
        """It is not given it, and may ask again."""
        position = sent(alice, "bob").position
        monkeypatch.setattr(opening, "INBOX_MESSAGE_COUNT_MAX", 1)
        assert refusal(open_it(bob, position)) == ("resource-constraint", "wait")
        monkeypatch.setattr(opening, "INBOX_MESSAGE_COUNT_MAX", INBOX_MESSAGE_COUNT_MAX)
        assert open_it(bob, position).outcome == Done()

    def test_too_many(self, monkeypatch: pytest.MonkeyPatch, world: World, alice: Client, bob: Client) -> None:
        """Of one author, wherever; one that is opened makes room."""
        assert SEALED_COUNT_MAX > 1
        monkeypatch.setattr(sealing, "SEALED_COUNT_MAX", 2)
        first = sent(alice, "bob").position
        assert said(alice).outcome == Done()
        for refused in (sent(alice, "carol"), said(alice)):
            assert refusal(refused) == ("resource-constraint", "wait")
        open_it(bob, first)
        assert sent(alice, "carol").outcome == Done()


class TestRooms:
    """Each account that takes part is given it once."""

    def test_each_account_once(self, world: World, alice: Client, bob: Client) -> None:
        """Members who are away too; nobody else."""
        carol = world.online("carol")
        result = said(alice)
        position = result.position
        assert heard(result, bob) == ["once"]
        assert refusal(open_it(carol, position, ROOM)) == ("forbidden", "auth")
        change_affiliation(alice, "carol", Affiliation.MEMBER)
        for client in (bob, carol):
            assert [SECRET in stanza for stanza in given(open_it(client, position, ROOM), client)] == [True]
            assert refusal(open_it(client, position, ROOM)) == ("gone", "cancel")
        assert refusal(open_it(alice, position, ROOM)) == ("not-allowed", "cancel")

    def test_where_nothing_is_kept(self, world: World, alice: Client) -> None:
        """It could not be named later."""
        assert refusal(said(alice, kept=False)) == ("not-acceptable", "modify")
        configure(alice, archived=False)
        assert refusal(said(alice)) == ("not-acceptable", "modify")
        carol = world.bind("carol")
        assert refusal(said(carol)) == ("not-acceptable", "modify")
        assert not holds(world)


class TestEnding:
    """It goes when its time is over, and with its message, its conversation, its author."""

    def test_its_time(self, world: World, alice: Client, bob: Client) -> None:
        """By cluster time, to the millisecond, carried out yet or not; the message says so."""
        first, second = sent(alice, "bob").position, sent(alice, "bob").position
        world.time_ms += SEALED_LIFETIME_MS - 1
        assert open_it(bob, first).outcome == Done()
        bob.acknowledge(world.machine.applied_index << 16 | 0xFFFF)
        world.time_ms += 1
        assert refusal(open_it(bob, second)) == ("gone", "cancel")
        pass_time(world, 0)
        assert world.count("sealed") == 0
        assert MARK.replace("/>", " state='expired'/>").encode() in in_archive(world, "bob")
        assert refusal(open_it(bob, second)) == ("gone", "cancel")

    @pytest.mark.parametrize(
        "end",
        [
            lambda alice, position: alice.send("bob", "x", retraction=Retraction((position,), b"<r stamp='", b"'/>")),
            lambda alice, _position: alice.world.do(DeleteAccount("alice")),
            lambda alice, _position: alice.world.do(DeleteAccount("bob")),
        ],
    )
    def test_in_a_chat(
        self, world: World, alice: Client, bob: Client, end: Callable[[Client, Position], CommandResult]
    ) -> None:
        """Retraction, and the end of either account."""
        assert end(alice, sent(alice, "bob").position).outcome == Done()
        for _ in range(10):
            pass_time(world, 0)
        assert not holds(world)
        assert world.count("doomed") == 0
        assert world.machine.take_faults() == []

    @pytest.mark.parametrize(
        "end",
        [
            lambda bob, position: speak(bob, "x", retracts=position, message_id="r"),
            lambda bob, _position: bob.world.do(DeleteAccount("bob")),
        ],
    )
    def test_in_a_room(
        self, world: World, alice: Client, bob: Client, end: Callable[[Client, Position], CommandResult]
    ) -> None:
        """Retraction, and the end of its author; then who has opened it is forgotten as well."""
        position = said(bob).position
        open_it(alice, position, ROOM)
        assert end(bob, position).outcome == Done()
        for _ in range(10):
            pass_time(world, 0)
        assert not holds(world)
        assert world.count("sealed_opening") == 0
        assert world.machine.take_faults() == []

    def test_of_a_reader(self, world: World, alice: Client, bob: Client) -> None:
        """That a deleted account has opened something is forgotten; what it had not opened stays for others."""
        position = said(alice).position
        open_it(bob, position, ROOM)
        world.do(DeleteAccount("bob"))
        for _ in range(10):
            pass_time(world, 0)
        assert (world.count("sealed_opening"), world.count("sealed")) == (0, 1)
        alice.do(DestroyRoom(ROOM))
        for _ in range(10):
            pass_time(world, 0)
        assert not holds(world)


class TestFiles:
    """Uploaded files that belong to it go with it."""

    def upload(self, client: Client, token: bytes) -> None:
        """Put a file there."""
        slot = RequestUploadSlot(token, "a.jpg", 3, "image/jpeg", 0, keep_ms=0, bytes_max=100, file_count_max=9)
        assert client.do(slot).outcome == Done()
        assert client.world.do(StoreUpload(token, b"d" * 32, 3, "image/jpeg")).outcome == Done()

    def test_opened(self, world: World, alice: Client, bob: Client) -> None:
        """After the time that it takes to fetch them; files of others stay, whatever the content names."""
        self.upload(alice, TOKEN)
        self.upload(bob, OTHER_TOKEN)
        position = sent(alice, "bob", (TOKEN, OTHER_TOKEN)).position
        pass_time(world, 60)
        assert world.count("upload") == 2
        open_it(bob, position)
        pass_time(world, SEALED_FILE_GRACE_MS / 1000 - 0.001)
        assert world.count("upload") == 2
        pass_time(world, 0.001)
        assert world.count("upload") == 1

    def test_never_opened(self, world: World, alice: Client, bob: Client) -> None:
        """At the end of its time, or with its message."""
        self.upload(alice, TOKEN)
        sent(alice, "bob", (TOKEN,))
        pass_time(world, LIFETIME_S)
        pass_time(world, 0)
        assert world.count("upload") == 0
        assert isinstance(open_it(bob, Position(1)).outcome, Rejected)
