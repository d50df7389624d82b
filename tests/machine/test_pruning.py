"""Deleting what is over, a few rows with each entry."""

from __future__ import annotations

import pytest

from machine.world import START_MS, World, outcomes
from raftline.base.limits import IDEMPOTENCY_AGE_MAX_MS, ORIGIN_ID_AGE_MAX_MS
from raftline.machine.commands import DeleteAccount, KeyOrigin
from raftline.machine.node_commands import StartNode
from raftline.machine.pruning import ROWS_PER_COMMAND, ROWS_PER_ENTRY, Pruner

STEP = ROWS_PER_ENTRY + ROWS_PER_COMMAND


def touch(world: World) -> None:
    """An entry that does nothing of note."""
    world.do(StartNode(9, 1))


@pytest.mark.parametrize("forgetful", [False, True])
def test_keys_and_origin_ids_go_when_they_are_due(world: World, forgetful: bool):
    """Not a millisecond earlier, each by its own age, whether or not the pruner remembers when that is."""
    alice = world.online("alice")
    alice.send("bob", origin_id="id")
    world.do(StartNode(9, 1), KeyOrigin(b"k" * 16))
    for now_ms, kept in (
        (START_MS + IDEMPOTENCY_AGE_MAX_MS, (1, 1)),
        (START_MS + IDEMPOTENCY_AGE_MAX_MS + 1, (0, 1)),
        (START_MS + ORIGIN_ID_AGE_MAX_MS, (0, 1)),
        (START_MS + ORIGIN_ID_AGE_MAX_MS + 1, (0, 0)),
    ):
        world.time_ms = now_ms
        if forgetful:
            world.machine._pruner.forget()
        touch(world)
        assert (world.count("idempotency"), world.count("origin")) == kept


def test_each_row_goes_when_it_is_due(world: World):
    """Also when several wait, whose times differ: the pruner looks again when the first of them is due."""
    for number in range(3):
        world.do(StartNode(9, 1), KeyOrigin(bytes([number]) * 16))
        world.time_ms += 1000
    touch(world)
    for number in range(3):
        world.time_ms = START_MS + 1000 * number + IDEMPOTENCY_AGE_MAX_MS
        touch(world)
        assert world.count("idempotency") == 3 - number
        world.time_ms += 1
        touch(world)
        assert world.count("idempotency") == 2 - number


def test_an_entry_deletes_a_few_rows_and_the_next_the_rest(world: World):
    """The oldest first, within the budget of the entry."""
    count = STEP + 10
    commands = [world.command(StartNode(9, 1), KeyOrigin(n.to_bytes(16, "big"))) for n in range(count)]
    world.apply(*commands)
    world.time_ms += IDEMPOTENCY_AGE_MAX_MS + 1
    touch(world)
    assert world.count("idempotency") == 10
    touch(world)
    assert world.count("idempotency") == 0


def test_a_key_used_again_is_kept_from_then_on(world: World):
    """Rows are pruned by the time of their last use."""
    origin = KeyOrigin(b"k" * 16)
    world.do(StartNode(9, 1), origin)
    world.time_ms += IDEMPOTENCY_AGE_MAX_MS + 1
    world.do(StartNode(9, 1), origin)
    world.time_ms += IDEMPOTENCY_AGE_MAX_MS
    touch(world)
    assert world.count("idempotency") == 1
    world.time_ms += 1
    touch(world)
    assert world.count("idempotency") == 0


def test_messages_of_a_deleted_account_go_in_steps(world: World):
    """Archive and offline rows alike; an entry never takes more than its budget."""
    alice = world.online("alice")
    for _ in range(STEP):
        alice.send("bob")
    assert (world.count("archive"), world.count("offline")) == (2 * STEP, STEP)
    world.do(DeleteAccount("bob"))
    assert (world.count("archive"), world.count("offline"), world.count("doomed")) == (2 * STEP, 0, 1)
    touch(world)
    assert (world.count("archive"), world.count("doomed")) == (STEP, 1)
    touch(world)
    assert (world.count("archive"), world.count("doomed"), world.count("message")) == (STEP, 0, STEP)


def test_a_step_that_fails_is_undone_and_taken_again(world: World, monkeypatch: pytest.MonkeyPatch):
    """Commands of the entry take effect; the rows are deleted by the next entry, though younger ones stay."""
    world.do(StartNode(9, 1), KeyOrigin(b"k" * 16))
    world.time_ms += 1000
    world.do(StartNode(9, 1), KeyOrigin(b"young" * 4))
    world.time_ms += IDEMPOTENCY_AGE_MAX_MS - 999

    def broken(_pruner: Pruner, _budget: int) -> None:
        raise ValueError("poison")

    with monkeypatch.context() as patch:
        patch.setattr(Pruner, "_bury_doomed", broken)
        assert outcomes(world.do(StartNode(9, 2))) == ["Done"]
    assert world.count("idempotency") == 2
    assert len(world.machine.take_faults()) == 1
    touch(world)
    assert world.count("idempotency") == 1
