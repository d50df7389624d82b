"""The index that archives are searched by (XEP-0431): always what the rows say, and nobody's state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from machine.world import DOMAIN, Client, World
from raftline.base.ids import LogIndex, Term
from raftline.base.limits import SEARCHED_TEXT_SIZE_MAX
from raftline.machine.commands import DeleteAccount
from raftline.machine.database import open_database
from raftline.machine.history import search_index
from raftline.machine.history.commands import Retraction
from raftline.machine.history.queries import SearchArchive
from raftline.machine.machine import Machine
from raftline.machine.message_commands import Storage
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.queries import ArchivePage
from raftline.machine.snapshot import SnapshotCopy
from raftline.machine.versions import FEATURES_SINCE


@pytest.fixture
def world(new_world: Callable[..., World], tmp_path: Path) -> World:
    """Two accounts, on a disk."""
    world = new_world(tmp_path / "state")
    for localpart in ("alice", "bob"):
        world.account(localpart)
    world.do(RaiseVersion(FEATURES_SINCE))
    return world


def say(client: Client, text: str, storage: int | None = None) -> int:
    """Alice says something to Bob."""
    stanza = f"<message from='{client.full_jid}' to='bob@{DOMAIN}'><body>{text}</body></message>"
    changes = {} if storage is None else {"storage": storage}
    return client.send("bob", stanza=stanza.encode(), **changes).position


def index_all(world: World) -> int:
    """Index what there is; return how many messages that were."""
    count = 0
    while some := world.machine.index_some(2):
        count += some
    return count


def found(machine: Machine, text: str, owner: str = "bob") -> list[int]:
    """Positions that a search finds in all parts of an archive."""
    positions: list[int] = []
    after = None
    while True:
        part = machine.answer(SearchArchive(ArchivePage(owner, after=after), text))
        positions += [row.position for row in part.rows]
        if part.next is None:
            return positions
        after = part.next


def words(world: World) -> int:
    """How many documents of the index itself have the word tea."""
    sql = "SELECT count(*) FROM search WHERE search MATCH 'body : tea'"
    return int(world.machine._database.execute(sql).fetchone()[0])


def test_it_is_built_in_slices(world: World) -> None:
    """Each message once, at most so many at a time, and again only what came since."""
    alice = world.bind("alice")
    for _ in range(5):
        say(alice, "tea")
    assert [world.machine.index_some(2) for _ in range(4)] == [2, 2, 1, 0]
    assert words(world) == 5
    say(alice, "tea")
    assert (index_all(world), words(world)) == (1, 6)


def test_a_slice_of_long_messages(world: World) -> None:
    """It ends behind so many bytes, but takes at least one."""
    alice = world.bind("alice")
    for _ in range(3):
        say(alice, "tea " * (search_index.SLICE_BYTES // 4))
    assert [world.machine.index_some(100) for _ in range(4)] == [1, 1, 1, 0]


def test_of_a_very_long_text_the_beginning(world: World) -> None:
    """The last word that fits is found, and none that does not."""
    alice = world.bind("alice")
    filler = "x" * (SEARCHED_TEXT_SIZE_MAX - len(" tea"))
    position = say(alice, f"{filler} tea coffee")
    for _ in range(2):
        assert found(world.machine, "tea") == [position]
        assert found(world.machine, "coffee") == []
        index_all(world)


def test_it_is_no_state(world: World, new_world: Callable[..., World]) -> None:
    """A replica that has indexed everything and one that has nothing are equal, and find the same."""
    alice = world.bind("alice")
    positions = [say(alice, f"tea {number}") for number in range(4)]
    twin = new_world()
    twin.log = list(world.log)
    twin.reopen(commit=False)
    index_all(world)
    assert world.machine.state_hash == twin.machine.state_hash
    assert world.scrub() == twin.scrub()
    assert found(world.machine, "tea") == found(twin.machine, "tea") == positions


@pytest.mark.parametrize("commits", [False, True])
def test_it_survives_a_restart_as_far_as_it_was_committed(world: World, commits: bool) -> None:
    """What was indexed in a transaction that is lost is indexed again."""
    alice = world.bind("alice")
    for _ in range(3):
        say(alice, "tea")
    world.machine.commit()
    index_all(world)
    world.reopen(commit=commits)
    assert index_all(world) == (0 if commits else 3)
    assert words(world) == 3


@pytest.mark.parametrize("damage", ["DROP TABLE search", "DROP TABLE search_state", "UPDATE search_state SET form = 0"])
def test_it_is_built_anew_when_it_is_missing(world: World, damage: str) -> None:
    """Or of another form: nobody has to be asked for it."""
    position = say(world.bind("alice"), "tea")
    index_all(world)
    world.machine.commit()
    world.machine._database.execute(damage)
    world.reopen(commit=True)
    assert found(world.machine, "tea") == [position]
    assert index_all(world) == 1
    assert found(world.machine, "tea") == [position]
    assert words(world) == 1


def test_it_is_part_of_a_snapshot(world: World, tmp_path: Path) -> None:
    """Whoever gets the snapshot need not build it, and goes on from there."""
    alice = world.bind("alice")
    position = say(alice, "tea")
    index_all(world)
    world.machine.commit()
    copy = SnapshotCopy(Path(world.path), tmp_path / "copy")
    while not copy.step():
        pass
    copy.close()
    other = Machine(open_database(tmp_path / "copy"), domain=DOMAIN)
    assert found(other, "tea") == [position]
    assert other.index_some(10) == 0
    other.close()


def test_it_follows_a_machine_that_is_replaced(world: World, new_world: Callable[..., World]) -> None:
    """By a database whose index has come less far."""
    alice = world.bind("alice")
    for _ in range(3):
        say(alice, "tea")
    index_all(world)
    path = Path(str(world.path)).with_name("other")
    other = Machine(open_database(path), domain=DOMAIN)
    other.apply_empty(LogIndex(1), Term(1))
    other.commit()
    other.close()
    world.machine.replace(lambda: open_database(path))
    assert found(world.machine, "tea") == []
    assert world.machine.index_some(10) == 0


def test_what_is_retracted_leaves_it(world: World) -> None:
    """Before and behind the position that is indexed."""
    alice = world.bind("alice")
    positions = [say(alice, "tea") for _ in range(4)]
    world.machine.index_some(2)
    alice.send("bob", "", retraction=Retraction((positions[0], positions[2]), b"<retracted stamp='", b"'/>"))
    assert found(world.machine, "tea") == [positions[1], positions[3]]
    index_all(world)
    assert found(world.machine, "tea") == [positions[1], positions[3]]
    assert words(world) == 2


def test_a_command_that_fails_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retraction that meets a fault in the code is undone, in the index as in the rows."""
    alice = world.bind("alice")
    position = say(alice, "tea")
    index_all(world)

    def fault(*_arguments: object) -> None:
        world.machine._context.rows.flush()  # whatever was pending has reached SQLite by then
        raise RuntimeError("a fault")

    monkeypatch.setattr("raftline.machine.messages.store_message", fault)
    alice.send("bob", "", retraction=Retraction((position,), b"<retracted stamp='", b"'/>"))
    assert len(world.machine.take_faults()) == 1
    assert found(world.machine, "tea") == [position]
    assert words(world) == 1


def test_what_is_delivered_and_not_archived_leaves_it(world: World) -> None:
    """A message that only waited is gone with its last reader."""
    alice = world.bind("alice")
    say(alice, "tea", storage=int(Storage.OFFLINE))
    index_all(world)
    assert words(world) == 1
    assert found(world.machine, "tea") == [], "it is in no archive"
    world.online("bob")
    world.machine.commit()
    assert words(world) == 0


def test_holders_are_no_words(world: World) -> None:
    """A row that changes without its text is not indexed anew: the other side still finds it."""
    alice = world.bind("alice")
    position = say(alice, "tea")
    index_all(world)
    world.do(DeleteAccount("alice"))
    world.account("carol")
    assert world.count("archive") == 1
    assert found(world.machine, "tea") == [position]
    world.do(DeleteAccount("bob"))
    world.account("dora")
    world.machine.commit()
    assert (world.count("message"), words(world)) == (0, 0)


def test_searching_writes_nothing(world: World) -> None:
    """Also where messages are read because they are not indexed."""
    say(world.bind("alice"), "tea")
    world.machine.commit()
    assert len(found(world.machine, "tea")) == 1
    assert not world.machine.has_open_transaction


def test_archives_of_nobody(world: World) -> None:
    """No such account, no words, no rows asked for: nothing is found."""
    say(world.bind("alice"), "tea")
    machine = world.machine
    assert found(machine, "tea", "nobody") == found(machine, "...") == []
    assert machine.answer(SearchArchive(ArchivePage("bob", limit=0), "tea")).rows == []
    assert len(found(machine, "tea", f"bob@{DOMAIN}")) == 1
