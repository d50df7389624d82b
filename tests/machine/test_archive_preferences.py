"""Archive preferences (XEP-0441) as apply decides them; what they mean for archives is tested by test_xep_0441.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from machine.world import DOMAIN, World
from raftline.base.limits import ARCHIVE_RULE_COUNT_MAX
from raftline.machine.commands import DeleteAccount
from raftline.machine.history.answers import ArchivePreferences
from raftline.machine.history.commands import ArchivePolicy, SetArchivePreferences
from raftline.machine.history.queries import ArchivePreferencesOf
from raftline.machine.message_commands import Storage
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import Done, Rejected
from raftline.machine.queries import ArchivePage
from raftline.machine.versions import FEATURES_SINCE

NEVER = SetArchivePreferences(ArchivePolicy.NEVER, (), ())
BOB = f"bob@{DOMAIN}"


@pytest.fixture
def world(world: World) -> World:
    """Three accounts, under the version that knows preferences."""
    world.do(RaiseVersion(FEATURES_SINCE))
    return world


def of(world: World, localpart: str) -> ArchivePreferences:
    """What an account archives."""
    found = world.machine.answer(ArchivePreferencesOf(localpart))
    assert isinstance(found, ArchivePreferences)
    return found


def test_they_replace_each_other(world: World) -> None:
    """Rows of addresses that are listed no longer are gone."""
    alice = world.bind("alice")
    alice.do(SetArchivePreferences(ArchivePolicy.ROSTER, (BOB, f"carol@{DOMAIN}"), (f"{BOB}/desk",)))
    assert of(world, "alice") == (ArchivePolicy.ROSTER, (BOB, f"carol@{DOMAIN}"), (f"{BOB}/desk",))
    alice.do(SetArchivePreferences(ArchivePolicy.NEVER, (), (BOB,)))
    assert of(world, "alice") == (ArchivePolicy.NEVER, (), (BOB,))
    assert world.count("archive_rule") == 1
    assert of(world, "bob") == of(world, "nobody") == (ArchivePolicy.ALWAYS, (), ())


def test_limits(world: World) -> None:
    """Too many addresses, or one that is too long or empty, are refused, and what held before holds."""
    alice = world.bind("alice")
    many = tuple(f"u{number}@{DOMAIN}" for number in range(ARCHIVE_RULE_COUNT_MAX))
    assert alice.do(SetArchivePreferences(ArchivePolicy.ALWAYS, many, many)).outcome == Done()
    for always, never in ((many, (BOB,)), (("",), ()), (("x" * 3072,), ())):
        refused = alice.do(SetArchivePreferences(ArchivePolicy.NEVER, always, never)).outcome
        assert isinstance(refused, Rejected)
    assert of(world, "alice").policy is ArchivePolicy.ALWAYS


def test_they_go_with_the_account(world: World) -> None:
    """A later account of the name begins with none."""
    alice = world.bind("alice")
    alice.do(SetArchivePreferences(ArchivePolicy.NEVER, (BOB,), ()))
    world.do(DeleteAccount("alice"))
    assert (world.count("archive_rule"), world.count("archive_default")) == (0, 0)
    world.account("alice")
    assert of(world, "alice").policy is ArchivePolicy.ALWAYS


def test_they_count_within_an_entry(world: World) -> None:
    """From the command behind the one that set them."""
    alice = world.bind("alice")
    world.apply(
        world.command(alice.message("bob", "1"), alice.origin()),
        world.command(NEVER, alice.origin()),
        world.command(alice.message("bob", "2"), alice.origin()),
    )
    assert [b">1<" in row.stanza for row in world.machine.answer(ArchivePage("alice")).rows] == [True]
    assert world.machine.answer(ArchivePage("bob")).count == 2


def test_they_survive_a_restart(new_world: Callable[..., World], tmp_path: Path) -> None:
    """They are read from the rows again, and a replay of the log sets them alike."""
    world = new_world(tmp_path / "state")
    for localpart in ("alice", "bob"):
        world.account(localpart)
    world.do(RaiseVersion(FEATURES_SINCE))
    alice = world.bind("alice")
    alice.do(NEVER)
    world.reopen(commit=True)
    alice.send("bob")
    world.reopen(commit=False)
    assert world.machine.answer(ArchivePage("alice")).count == 0
    assert world.machine.answer(ArchivePage("bob")).count == 1


def test_the_command_of_a_later_version(new_world: Callable[..., World]) -> None:
    """Before all members know it, nobody can read it."""
    world = new_world()
    world.account("alice")
    assert not isinstance(world.bind("alice").do(NEVER).outcome, Done)
    assert world.count("archive_default") == 0


def test_a_rule_for_a_device(world: World) -> None:
    """It goes before the one for the bare address, and either before the default."""
    alice, bob = world.bind("alice"), world.bind("bob", "desk")
    alice.do(SetArchivePreferences(ArchivePolicy.NEVER, (f"{BOB}/desk",), (BOB,)))
    bob.send("alice", "from the desk")
    world.bind("bob", "phone").send("alice", "from the phone")
    alice.send("bob/desk", "to the desk")
    alice.send("bob", "to bob")
    alice.send("carol", "to carol")
    kept = [row.stanza.partition(b"<body>")[2] for row in world.machine.answer(ArchivePage("alice")).rows]
    assert kept == [b"from the desk</body></message>", b"to the desk</body></message>"]


def test_a_note_to_oneself_has_one_side(world: World) -> None:
    """What is not archived is owed as such, whatever a rule says of the device it came from."""
    phone, desk = world.bind("alice", "phone"), world.online("alice", "desk", managed=True)
    phone.do(SetArchivePreferences(ArchivePolicy.ALWAYS, (), (f"alice@{DOMAIN}/desk",)))
    position = phone.send("alice/desk", "a note").position
    assert world.machine.answer(ArchivePage("alice")).count == 0
    assert world.machine._context.inboxes.of(desk.session_id)[position].storage == int(Storage.OFFLINE)
    desk.acknowledge(position)
    assert world.count("message") == 0
