"""Retraction (XEP-0424) as apply decides it, and that nothing of the text is left in the database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from machine.world import DOMAIN, START_MS, Client, World
from raftline.base.ids import CURSOR_START, Position
from raftline.base.limits import RETRACTED_MESSAGE_COUNT_MAX
from raftline.machine.commands import CreateAccount, DeleteAccount
from raftline.machine.database import checkpoint
from raftline.machine.history.commands import Retraction
from raftline.machine.history.queries import FindSent
from raftline.machine.message_commands import Storage
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import CommandResult, Done
from raftline.machine.queries import ArchivePage, InboxPage
from raftline.machine.versions import FEATURES_SINCE

SECRET = "nevermoreseen"
HEAD, TAIL = b"<retracted id='r' stamp='", b"'/>"


@pytest.fixture
def world(world: World) -> World:
    """Three accounts, under the version that knows retraction."""
    world.do(RaiseVersion(FEATURES_SINCE))
    return world


def say(client: Client, to: str, text: str, message_id: str = "m1", storage: int | None = None) -> Position:
    """Send a text under an id; return its position."""
    stanza = f"<message from='{client.full_jid}' to='{to}@{DOMAIN}' id='{message_id}'><body>{text}</body></message>"
    changes = {} if storage is None else {"storage": storage}
    return client.send(to, stanza=stanza.encode(), **changes).position


def retract(client: Client, to: str, *positions: int) -> CommandResult:
    """Take messages back."""
    return client.send(to, "taken back", retraction=Retraction(positions, HEAD, TAIL))


def stanza_at(world: World, position: Position) -> bytes:
    """The stored message."""
    message = world.machine._context.messages.get(position)
    assert message is not None
    return message.stanza


def test_a_tombstone_keeps_the_start_tag(world: World) -> None:
    """Addresses, type and id stay; the content is replaced, with cluster time in its place."""
    alice = world.bind("alice")
    position = say(alice, "bob", SECRET)
    world.time_ms += 1500
    retract(alice, "bob", position)
    assert (
        stanza_at(world, position)
        == (
            f"<message from='alice@{DOMAIN}/r' to='bob@{DOMAIN}' id='m1'>"
            "<retracted id='r' stamp='2023-11-14T22:13:21.500Z'/></message>"
        ).encode()
    )
    assert START_MS == 1_700_000_000_000


def test_what_is_owed_is_a_tombstone(world: World) -> None:
    """A device that has not acknowledged the message, and comes back, gets no text."""
    alice, bob = world.bind("alice"), world.online("bob", managed=True)
    position = say(alice, "bob", SECRET)
    retract(alice, "bob", position)
    events = world.machine.answer(InboxPage(bob.session_id, CURSOR_START))
    assert [SECRET.encode() in event.stanza for event in events] == [False, False]


def test_only_the_author(world: World) -> None:
    """Neither the recipient nor a third one."""
    alice, bob, carol = world.bind("alice"), world.bind("bob"), world.bind("carol")
    position = say(alice, "bob", SECRET)
    retract(bob, "alice", position)
    retract(carol, "bob", position)
    assert SECRET.encode() in stanza_at(world, position)


def test_only_in_its_conversation(world: World) -> None:
    """A retraction to carol takes back nothing that was said to bob, be it archived or waiting."""
    alice = world.bind("alice")
    archived = say(alice, "bob", SECRET)
    waiting = say(alice, "bob", SECRET, storage=int(Storage.OFFLINE))
    retract(alice, "carol", archived, waiting)
    assert SECRET.encode() in stanza_at(world, archived)
    assert SECRET.encode() in stanza_at(world, waiting)
    retract(alice, "bob", archived, waiting)
    assert SECRET.encode() not in stanza_at(world, archived)
    assert SECRET.encode() not in stanza_at(world, waiting)


def test_a_later_account_of_the_name(world: World) -> None:
    """It takes back nothing of the one before, whose words others still have."""
    alice = world.bind("alice")
    position = say(alice, "bob", SECRET)
    world.time_ms += 1
    world.do(DeleteAccount("alice"))
    world.do(CreateAccount("alice", ()))
    retract(world.bind("alice"), "bob", position)
    assert SECRET.encode() in stanza_at(world, position)


def test_what_is_not_there(world: World) -> None:
    """Positions of nothing, of the retraction itself and doubled ones do no harm."""
    alice = world.bind("alice")
    position = say(alice, "bob", SECRET)
    result = retract(alice, "bob", 1, position, position, position + (1 << 20))
    assert result.outcome == Done()
    assert SECRET.encode() not in stanza_at(world, position)


def test_to_nobody(world: World) -> None:
    """A retraction that comes back takes nothing back."""
    alice = world.bind("alice")
    position = say(alice, "nobody", SECRET)
    retract(alice, "nobody", position)
    assert SECRET.encode() in stanza_at(world, position)


def test_number_of_messages(world: World) -> None:
    """As many as allowed go with one command; a command with one more is unreadable."""
    alice = world.bind("alice")
    positions = [say(alice, "bob", SECRET) for _ in range(RETRACTED_MESSAGE_COUNT_MAX + 1)]
    assert not isinstance(retract(alice, "bob", *positions).outcome, Done)
    assert SECRET.encode() in stanza_at(world, positions[0])
    alice.number -= 1
    retract(alice, "bob", *positions[:-1])
    kept = [SECRET.encode() in stanza_at(world, position) for position in positions]
    assert kept == [False] * RETRACTED_MESSAGE_COUNT_MAX + [True]


def test_it_counts_from_its_version_on(new_world: Callable[..., World]) -> None:
    """Before all members know it, the message is sent and takes nothing back; a log is replayed alike."""
    world = new_world()
    for localpart in ("alice", "bob"):
        world.account(localpart)
    alice = world.bind("alice")
    position = say(alice, "bob", SECRET)
    retract(alice, "bob", position)
    assert SECRET.encode() in stanza_at(world, position)
    world.do(RaiseVersion(FEATURES_SINCE))
    retract(alice, "bob", position)
    assert SECRET.encode() not in stanza_at(world, position)


def test_replicas_agree(new_world: Callable[..., World], tmp_path: Path) -> None:
    """A replica that starts anew in the midst, and has indexed nothing, comes to the same rows and hash."""
    world = new_world(tmp_path / "one")
    for localpart in ("alice", "bob"):
        world.account(localpart)
    world.do(RaiseVersion(FEATURES_SINCE))
    alice = world.bind("alice")
    position = say(alice, "bob", SECRET)
    world.machine.index_some(100)
    retract(alice, "bob", position)
    twin = new_world(tmp_path / "two")
    twin.log = list(world.log)
    twin.reopen(commit=False)
    assert twin.machine.state_hash == world.machine.state_hash
    assert twin.scrub() == world.scrub()


def test_finding_what_was_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The conversation is looked through from its end, a part at a time, for messages of one author alone."""
    monkeypatch.setattr("raftline.machine.history.retraction.RETRACTION_SEARCH_ROW_COUNT_MAX", 3)
    alice, bob = world.bind("alice"), world.bind("bob")
    first = say(alice, "bob", "1")
    say(bob, "alice", "2")
    say(alice, "carol", "3")
    say(alice, "bob", "4", "m2")
    fifth = say(alice, "bob", "5")
    query = FindSent("alice", f"bob@{DOMAIN}", f"alice@{DOMAIN}", (b" id='m1'",))
    found = world.machine.answer(query)
    assert [row.position for row in found.rows] == [fifth]
    assert found.next is not None
    rest = world.machine.answer(
        FindSent("alice", f"bob@{DOMAIN}", f"alice@{DOMAIN}", (b"nothing", b" id='m1'"), before=found.next)
    )
    assert ([row.position for row in rest.rows], rest.next) == ([first], None)


def test_many_candidates(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer has a bound, and the next one goes on behind it."""
    monkeypatch.setattr("raftline.machine.history.retraction._FOUND_ROW_COUNT_MAX", 2)
    alice = world.bind("alice")
    positions = [say(alice, "bob", str(number)) for number in range(3)]
    query = FindSent("alice", f"bob@{DOMAIN}", f"alice@{DOMAIN}", (b" id='m1'",))
    found = world.machine.answer(query)
    assert ([row.position for row in found.rows], found.next) == (positions[:0:-1], positions[1])


class TestWhatIsLeft:
    """Nothing of the text is on the disk once the write-ahead file is moved and gone."""

    def texts_on_disk(self, path: Path) -> bool:
        """Whether any file of the database has the text, as it was written or as a word of the index."""
        files = [path, path.with_name(f"{path.name}-wal")]
        return any(SECRET.encode() in file.read_bytes() for file in files if file.exists())

    @pytest.mark.parametrize("padding", [0, 20_000])
    @pytest.mark.parametrize("is_indexed", [False, True])
    def test_after_a_retraction(
        self, new_world: Callable[..., World], tmp_path: Path, padding: int, is_indexed: bool
    ) -> None:
        """Also of a message that fills pages of its own, and of one that is indexed."""
        world = new_world(tmp_path / "state")
        for localpart in ("alice", "bob"):
            world.account(localpart)
        world.do(RaiseVersion(FEATURES_SINCE))
        alice = world.bind("alice")
        for number in range(50):
            say(alice, "bob", f"filler {number}")
        position = say(alice, "bob", f"{'x ' * (padding // 2)} {SECRET} {'y ' * (padding // 2)}")
        if is_indexed:
            while world.machine.index_some(100):
                pass
        world.machine.commit()
        checkpoint(world.path)
        assert self.texts_on_disk(Path(world.path))
        retract(alice, "bob", position)
        world.machine.commit()
        checkpoint(world.path, truncate=True)
        assert not self.texts_on_disk(Path(world.path))
        assert world.machine.answer(ArchivePage("bob")).count == 52

    def test_after_the_deletion_of_an_account(self, new_world: Callable[..., World], tmp_path: Path) -> None:
        """The archive goes in steps; with its last row a message goes from the index too."""
        world = new_world(tmp_path / "state")
        world.account("alice")
        world.do(RaiseVersion(FEATURES_SINCE))
        alice = world.bind("alice")
        for _ in range(5):
            say(alice, "alice", SECRET)
        world.machine.index_some(3)
        world.machine.commit()
        world.do(DeleteAccount("alice"))
        world.do(CreateAccount("bob", ()))
        assert world.count("message") == 0
        world.machine.commit()
        checkpoint(world.path, truncate=True)
        assert not self.texts_on_disk(Path(world.path))
