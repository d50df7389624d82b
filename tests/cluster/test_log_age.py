"""What was deleted from the database leaves the disk: the log has an age, and SQLite's write-ahead file is cut."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from cluster.clusters import Cluster, ClusterNode, until
from cluster.people import Person, archive_of
from raftline.base.ids import Position
from raftline.cluster import checkpoints, compaction
from raftline.machine.history.commands import Retraction
from raftline.machine.message_commands import MessageKind, SendMessage, Storage
from raftline.machine.outcomes import MessageArrived

SECRET = "nevermoreseen"
HOUR_MS = 60 * 60 * 1000


@pytest.fixture(autouse=True)
def quick_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoint often."""
    monkeypatch.setitem(checkpoints.Checkpoints.__init__.__kwdefaults__, "period_seconds", 0.05)


def holds(directory: Path, text: str = SECRET) -> list[str]:
    """Files of a node in which a text stands; one that the node removes meanwhile holds nothing."""
    found: list[str] = []
    for path in directory.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and text.encode() in path.read_bytes():
                found.append(path.relative_to(directory).as_posix())
    return sorted(found)


def grow_old(node: ClusterNode, hours: int) -> None:
    """Let a node believe that so much time has passed, and look at what is old."""
    compacting = node.running.upkeep.compaction
    now = compacting._wall_ms()
    compacting._wall_ms = lambda: now + hours * HOUR_MS  # type: ignore[method-assign]
    compacting.forget_old()


async def say_and_retract(alice: Person) -> None:
    """Say something to oneself, and take it back."""
    alice.send("alice", SECRET)
    await until(lambda: alice.bodies == [SECRET.encode()])
    [position] = [event.position for event in alice.events if isinstance(event, MessageArrived)]
    retraction = Retraction((Position(position),), b"<retracted stamp='", b"'/>")
    stanza = b"<message from='alice@example.test/home' to='alice@example.test'><retract/></message>"
    kept = int(Storage.ARCHIVE | Storage.OFFLINE)
    number = alice.submit(SendMessage("alice", None, MessageKind.CHAT, kept, stanza, "", b"", retraction))
    await until(lambda: number in dict(alice.outcomes))


async def everything_is_moved(node: ClusterNode) -> None:
    """Wait until the database file has all that is applied."""
    await until(lambda: node.running.upkeep.checkpoints.durable_index == node.machine.applied_index)


async def test_a_retracted_text_is_nowhere_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the database nor in the log, on any node, however quiet; and the cluster starts from what is left."""
    cluster = Cluster(tmp_path, 3)
    await cluster.start()
    alice = Person("alice")
    try:
        await alice.appear(cluster[1].node)
        await until(lambda: all(each.machine.machine_version >= 3 for each in cluster.nodes.values()))
        await say_and_retract(alice)
        alice.send("alice", "later")
        await until(lambda: len(alice.outcomes) == alice.number)
        applied = max(each.machine.applied_index for each in cluster.nodes.values())
        await until(lambda: all(each.machine.applied_index >= applied for each in cluster.nodes.values()))
        for each in cluster.nodes.values():
            await everything_is_moved(each)
            assert any(name.startswith("log/") for name in holds(each.directory))
            grow_old(each, 0)
            assert any(name.startswith("log/") for name in holds(each.directory)), "it is not old yet"
            grow_old(each, 11)  # leaves the segment behind
            await until(lambda each=each: len(each.running.upkeep.compaction._log.extents()) == 2)
            assert any(name.startswith("log/") for name in holds(each.directory)), "whoever was away may need it"
        monkeypatch.setattr(checkpoints, "TRUNCATE_SECONDS", 0.0)
        for each in cluster.nodes.values():
            grow_old(each, 10)
            await until(lambda each=each: not holds(each.directory))
        await cluster.stop()
        await cluster.start()
        assert await archive_of(cluster[2].node, "alice") == [b"", b"", b"later"]
        alice = Person("alice", "again")
        await alice.bind(cluster[3].node)
        alice.send("alice", "last")
        await until(lambda: len(alice.outcomes) == alice.number)
    finally:
        await cluster.stop()


async def test_what_is_held_stays(tmp_path: Path) -> None:
    """While a snapshot is being made nothing is forgotten, however old; afterwards it is."""
    cluster = Cluster(tmp_path, 1)
    await cluster.start()
    try:
        node = cluster[1]
        alice = Person("alice")
        await alice.appear(node.node)
        await until(lambda: len(alice.outcomes) == alice.number)
        await everything_is_moved(node)
        compacting = node.running.upkeep.compaction
        compacting.hold()
        grow_old(node, 11)
        await until(lambda: len(compacting._log.extents()) == 2)
        grow_old(node, 20)
        assert compacting._raft.base_index == 0
        compacting.release()
        compacting.forget_old()
        assert compacting._raft.base_index > 0
    finally:
        await cluster.stop()


async def test_ages_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, as part of keeping house."""
    monkeypatch.setattr(compaction, "LOOK_SECONDS", 0)
    monkeypatch.setattr(compaction, "ROLL_AGE_MS", 0)
    cluster = Cluster(tmp_path, 1)
    await cluster.start()
    try:
        alice = Person("alice")
        await alice.appear(cluster[1].node)
        await until(lambda: len(cluster[1].running.upkeep.compaction._log.extents()) > 1)
    finally:
        await cluster.stop()


async def test_messages_are_indexed(tmp_path: Path) -> None:
    """By every node, in its own time, until nothing is left."""
    cluster = Cluster(tmp_path, 3)
    await cluster.start()
    try:
        alice = Person("alice")
        await alice.appear(cluster[1].node)
        for number in range(40):
            alice.send("alice", f"tea {number}")
        await until(lambda: len(alice.outcomes) == alice.number)
        await until(lambda: all(each.running._apply.indexed_count == 40 for each in cluster.nodes.values()))
        await until(lambda: not any(each.machine.has_open_transaction for each in cluster.nodes.values()))
        moved = [each.running.upkeep.checkpoints for each in cluster.nodes.values()]
        await until(lambda: all(each._seen_indexed_count == 40 for each in moved))
    finally:
        await cluster.stop()
