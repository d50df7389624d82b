"""Outcomes kept under a key."""

from __future__ import annotations

import pytest

from machine.world import World, credential
from raftline.base.ids import NodeId, SessionId
from raftline.base.limits import IDEMPOTENCY_AGE_MAX_MS
from raftline.machine.commands import BindSession, CreateAccount, KeyOrigin
from raftline.machine.idempotency import decode_outcome, encode_outcome
from raftline.machine.outcomes import Bound, Done, Outcome, Rejected, Repeated, Stale
from raftline.machine.queries import OutcomeUnder, SessionsOf

KEY = KeyOrigin(b"k" * 16)


def test_a_retry_is_told_the_first_outcome(world: World):
    """The same session, and no second one; another key is another bind."""
    first = world.do(BindSession("alice", "r", NodeId(1), 1), KEY)
    again = world.do(BindSession("alice", "r", NodeId(1), 1), KEY)
    assert again.outcome == first.outcome
    assert again.events == []
    assert len(world.machine.answer(SessionsOf("alice"))) == 1
    other = world.do(BindSession("alice", "r", NodeId(1), 1), KeyOrigin(b"l" * 16))
    assert other.outcome != first.outcome


def test_an_outcome_can_be_asked_for(world: World):
    """While it is kept, and no longer; a key that nobody used has none."""
    action = CreateAccount("dora", (credential(),))
    assert world.machine.answer(OutcomeUnder(KEY.key)) is None
    world.do(action, KEY)
    assert world.machine.answer(OutcomeUnder(KEY.key)) == Done()
    assert world.machine.answer(OutcomeUnder(b"l" * 16)) is None
    world.time_ms += IDEMPOTENCY_AGE_MAX_MS + 1
    world.account("eve")
    assert world.machine.answer(OutcomeUnder(KEY.key)) is None


def test_a_refusal_is_kept_as_well(world: World):
    """Even if the command would succeed by now."""
    first = world.do(BindSession("dora", "r", NodeId(1), 1), KEY)
    assert isinstance(first.outcome, Rejected)
    world.account("dora")
    assert world.do(BindSession("dora", "r", NodeId(1), 1), KEY).outcome == first.outcome


def test_a_key_is_good_for_a_day(world: World):
    """By cluster time, to the millisecond."""
    action = CreateAccount("dora", (credential(),))
    assert world.do(action, KEY).outcome == Done()
    world.time_ms += IDEMPOTENCY_AGE_MAX_MS
    assert world.do(action, KEY).outcome == Done()
    world.time_ms += 1
    assert isinstance(world.do(action, KEY).outcome, Rejected)


@pytest.mark.parametrize(
    "outcome",
    [
        Done(),
        Done(Bound(SessionId(7), 3)),
        Rejected("conflict", "cancel", "text"),
        Rejected("x", "y"),
        Repeated(),
        Stale(),
    ],
)
def test_outcomes_survive_storing(outcome: Outcome):
    """And keep their type, though some are equal as tuples."""
    found = decode_outcome(encode_outcome(outcome))
    assert found == outcome
    assert type(found) is type(outcome)
