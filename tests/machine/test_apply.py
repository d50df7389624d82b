"""One command: refused when it cannot be read, undone when it meets a fault."""

from __future__ import annotations

import struct
from types import MappingProxyType

import apsw
import msgspec
import pytest

from machine.world import START_MS, World, credential, outcomes
from raftline.base.errors import StorageError, StorageFull
from raftline.base.ids import LogIndex, NodeId, Term, position_of
from raftline.machine import apply, messages
from raftline.machine.apply import INTERNAL_ERROR
from raftline.machine.commands import Action, Command, CreateAccount, KeyOrigin, MarkSessions, encode_command
from raftline.machine.context import Context
from raftline.machine.node_commands import StartNode
from raftline.machine.outbox import MessageHandedOver
from raftline.machine.outcomes import Done, Rejected, Repeated, Stale
from raftline.machine.queries import AccountExists


def break_handler(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make the making of accounts write everything it writes, then fail."""
    whole = apply._HANDLERS[CreateAccount]

    def broken(context: Context, action: CreateAccount):
        outcome = whole(context, action)
        assert outcome == Done()
        context.rows.select((context.accounts,), "SELECT 1")  # rows are in SQLite before the fault as well
        raise error

    monkeypatch.setattr(apply, "_HANDLERS", MappingProxyType({**apply._HANDLERS, CreateAccount: broken}))


def create(world: World, origin: KeyOrigin | None = None):
    return world.do(CreateAccount("dora", (credential(),)), origin)


@pytest.mark.parametrize("error", [ValueError("poison"), AssertionError(), apsw.ConstraintError("x"), RecursionError()])
def test_a_faulty_command_is_refused_and_leaves_no_rows(world: World, monkeypatch: pytest.MonkeyPatch, error):
    """Every table is as before; the fault is handed to the node once."""
    before = world.scrub()
    with monkeypatch.context() as patch:
        break_handler(patch, error)
        result = create(world)
    assert (result.outcome, result.events) == (INTERNAL_ERROR, [])
    assert world.scrub() == before
    assert [(fault.position, fault.error) for fault in world.machine.take_faults()] == [(result.position, error)]
    assert world.machine.take_faults() == []
    assert create(world).outcome == Done()


def test_a_refusal_is_part_of_the_hash(new_world, monkeypatch: pytest.MonkeyPatch):
    """Two nodes of which one met the fault are told apart, though both wrote no rows."""
    one, other, sound = new_world(), new_world(), new_world()
    for world in (one, other):
        with monkeypatch.context() as patch:
            break_handler(patch, ValueError("poison"))
            create(world)
    sound.do(StartNode(9, 0))
    assert one.machine.state_hash == other.machine.state_hash
    assert one.scrub() == other.scrub()
    create(sound)
    assert sound.machine.state_hash != one.machine.state_hash


def test_an_outcome_without_rows_is_part_of_the_hash(new_world, monkeypatch: pytest.MonkeyPatch):
    """Two nodes that answered differently are told apart."""
    hashes = set()
    for outcome in (Done(), Rejected("conflict", "cancel"), Rejected("conflict", "modify"), Stale(), Repeated()):
        handlers = {**apply._HANDLERS, MarkSessions: lambda _context, _action, outcome=outcome: outcome}
        with monkeypatch.context() as patch:
            patch.setattr(apply, "_HANDLERS", MappingProxyType(handlers))
            world = new_world()
            world.do(MarkSessions(()))
            hashes.add(world.machine.state_hash)
    assert len(hashes) == 5


def test_the_rest_of_the_entry_takes_effect(world: World, monkeypatch: pytest.MonkeyPatch):
    """A fault between two commands of an entry undoes neither of them."""
    break_handler(monkeypatch, ValueError("poison"))
    alice = world.online("alice")
    results = world.apply(
        world.command(alice.message("bob"), alice.origin()),
        world.command(CreateAccount("dora", ())),
        world.command(alice.message("bob"), alice.origin()),
    )
    assert [result.outcome for result in results] == [Done(), INTERNAL_ERROR, Done()]
    assert world.count("archive") == 4


def test_a_fault_on_the_recipients_side_undoes_the_senders(world: World, monkeypatch: pytest.MonkeyPatch):
    """Archive row, outbox and events of the sender's side are gone; the session goes on."""

    def broken(context: Context, handed: MessageHandedOver) -> None:
        messages.receive_message(context, handed)
        raise KeyError(handed)

    alice, bob = world.online("alice"), world.online("bob", managed=True)
    with monkeypatch.context() as patch:
        patch.setattr(apply, "_RECEIVERS", MappingProxyType({**apply._RECEIVERS, MessageHandedOver: broken}))
        command = world.command(alice.message("bob", origin_id="id"), alice.origin())
        (result,) = world.apply(command)
    assert (result.outcome, result.events) == (INTERNAL_ERROR, [])
    assert [world.count(table) for table in ("message", "archive", "inbox", "origin")] == [0, 0, 0, 0]
    assert outcomes(*world.apply(command)) == ["Repeated"]
    again = alice.send("bob", origin_id="id")
    assert [event.session_id for event in again.events] == [bob.session_id]
    assert [world.count(table) for table in ("message", "archive", "inbox", "origin")] == [1, 2, 1, 1]
    assert world.machine._context.messages.get(again.position).holders == 2
    world.machine.take_faults()
    bob.end()  # what is derived from rows has forgotten the message that was undone
    assert world.count("offline") == 1
    assert world.machine.take_faults() == []


def test_a_keyed_refusal_is_kept(world: World, monkeypatch: pytest.MonkeyPatch):
    """A retry is told the same, also by nodes that have been mended since."""
    with monkeypatch.context() as patch:
        break_handler(patch, ValueError("poison"))
        create(world, KeyOrigin(b"k" * 16))
    assert create(world, KeyOrigin(b"k" * 16)).outcome == INTERNAL_ERROR
    assert world.machine.answer(AccountExists("dora")) is False


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (apsw.FullError("x"), StorageFull),
        (apsw.IOError("x"), StorageError),
        (apsw.NoMemError("x"), StorageError),
        (apsw.CorruptError("x"), StorageError),
        (MemoryError(), MemoryError),
    ],
)
def test_errors_of_this_node_stop_it(world: World, monkeypatch: pytest.MonkeyPatch, error, expected):
    """They are not the log's doing, so they are no refusal."""
    break_handler(monkeypatch, error)
    with pytest.raises(expected):
        create(world)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x96",
        msgspec.msgpack.encode([1, 1, 1, b"s", None, [99]]),
        msgspec.msgpack.encode([1, 1, 1, b"s", None, [20, 1, 1 << 63]]),
        msgspec.msgpack.encode([1, -1, 1, b"s", None, [20, 1, 1]]),
        b"\x91" * 5000,
    ],
)
def test_bytes_that_are_no_command_are_refused(world: World, data: bytes):
    """They name no node, and what stands beside them in the entry takes effect."""
    refused, created = world.apply(data, world.command(CreateAccount("dora", ())))
    assert (refused.node_id, refused.ticket, refused.events) == (0, 0, [])
    assert isinstance(refused.outcome, Rejected)
    assert refused.outcome.condition == "bad-request"
    assert created.outcome == Done()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"junk",
        b"\x02" + bytes(20),
        pytest.param(struct.pack("<BQII", 1, 1 << 62, 1, 0), id="a time that no clock shows"),
        pytest.param(struct.pack("<BQI", 1, START_MS, 4097) + bytes(4 * 4097), id="too many commands"),
    ],
)
def test_an_entry_that_cannot_be_read_is_one_refusal(world: World, payload: bytes):
    """It moves the machine on, on every node alike."""
    index = LogIndex(len(world.log) + 1)
    (result,) = world.machine.apply(index, Term(1), payload)
    assert (result.node_id, result.position) == (0, position_of(index, 0))
    assert isinstance(result.outcome, Rejected)
    assert "entry" in result.outcome.text
    assert world.machine.applied_index == index
    assert world.machine.cluster_time_ms == START_MS


def test_every_action_has_one_handler():
    """A new command cannot be forgotten."""
    assert set(apply._HANDLERS) | set(apply._SESSION_HANDLERS) == set(Action.__args__)
    assert not set(apply._HANDLERS) & set(apply._SESSION_HANDLERS)


def test_results_name_their_proposals(world: World):
    """Node, incarnation and ticket come back as they went in."""
    command = Command(NodeId(3), 7, 99, b"", None, CreateAccount("dora", ()))
    (result,) = world.apply(encode_command(command))
    assert (result.node_id, result.incarnation, result.ticket) == (3, 7, 99)
