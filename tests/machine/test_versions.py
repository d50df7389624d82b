"""Versions of apply: what counts from when, and that replicas of different releases agree until then."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from machine.world import World
from raftline.base.errors import StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.machine import versions
from raftline.machine.commands import Command, encode_command
from raftline.machine.entry import encode_entry
from raftline.machine.node_commands import InviteNode, RaiseVersion, StartNode
from raftline.machine.outcomes import Done, Invited
from raftline.machine.queries import NodeProfiles


@pytest.fixture
def world() -> World:
    """A machine that has applied nothing."""
    return World()


INVITE = InviteNode(b"d" * 32, 3, NodeId(0), 1000)


def test_a_machine_begins_with_the_first_version(world: World):
    """Whatever release begins a cluster: its first entries may be applied by any."""
    assert world.machine.machine_version == versions.FIRST_VERSION == 1


def test_a_version_counts_from_the_next_command_on(tmp_path: Path):
    """Also within an entry; and it is there after a restart, for commands as well."""
    world = World(tmp_path / "state")
    result = world.apply(world.command(INVITE), world.command(RaiseVersion(2)), world.command(INVITE))
    assert [type(each.outcome) for each in result[1:]] == [Done, Done]
    assert result[2].outcome == Done(Invited(NodeId(4)))
    assert world.machine.machine_version == 2
    assert world.reopen(commit=True) == 0
    assert world.machine.machine_version == 2
    assert world.do(INVITE).outcome == Done(Invited(NodeId(5)))
    assert world.machine.machine_version == 2


def test_it_never_falls(world: World):
    """A command that was on its way while a later version was raised changes nothing."""
    world.do(RaiseVersion(2))
    assert world.do(RaiseVersion(1)).outcome == Done()
    assert world.machine.machine_version == 2


def test_a_version_this_release_does_not_understand_stops_it(world: World):
    """It must not go on: what the others do from here on, it cannot."""
    with pytest.raises(StorageError, match="later release"):
        world.do(RaiseVersion(versions.VERSION_MAX + 1))
    with pytest.raises(StorageError):
        world.machine.commit()


class OldStartNode(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=20):
    """The command as version 1 knew it."""

    node_id: NodeId
    incarnation: int


class OldCommand(msgspec.Struct, frozen=True, array_like=True):
    """A command as a release of version 1 read it."""

    node_id: NodeId
    incarnation: int
    ticket: int
    salt: bytes
    origin: None
    action: OldStartNode


class TestRollingUpgrade:
    """As long as some node runs the older release, all do what it does."""

    def test_a_later_kind_of_command_is_unreadable(self, world: World):
        """As it is to the older release, with the same outcome and the same hash."""
        unknown = encode_command(Command(NodeId(1), 1, 1, b"s" * 16, None, INVITE))
        unreadable = bytes([*unknown[:-1], 0xC1])  # no release can read it
        twin = World()
        for each, data in ((world, unknown), (twin, unreadable)):
            results = each.machine.apply(LogIndex(1), Term(1), encode_entry(each.time_ms, [data]))
            assert results[0].node_id == 0
            assert not isinstance(results[0].outcome, Done)
        assert world.machine.state_hash == twin.machine.state_hash
        assert world.count("invitation") == 0

    def test_what_a_start_tells_beside_does_not_count_yet(self, world: World):
        """An older release reads the same command without it, and changes the same rows."""
        full = world.command(StartNode(NodeId(1), 5, b"data", "https://one", "one:5222"))
        short = msgspec.msgpack.Decoder(OldCommand).decode(full)
        assert short.action == OldStartNode(NodeId(1), 5)
        twin = World()
        world.apply(full)
        twin.apply(world.command(StartNode(NodeId(1), 5)))
        assert world.machine.state_hash == twin.machine.state_hash
        assert world.machine.answer(NodeProfiles()) == []
