"""Commands on their way: order, bounds, rounds and what is surely in no log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.base.errors import Busy
from raftline.base.ids import NodeId, Term
from raftline.cluster.frames import Proposals
from raftline.cluster.leader_queue import LeaderQueue
from raftline.cluster.proposals import NOT_SENT, PendingProposals, Proposal


def add(pending: PendingProposals, command: bytes = b"command", now_ns: int = 0) -> Proposal:
    proposal = Proposal(pending.next_ticket(), command, now_ns, None)
    pending.add(proposal)
    return proposal


def tickets(proposals: list[Proposal]) -> list[int]:
    return [proposal.ticket for proposal in proposals]


def pending_of(count: int) -> PendingProposals:
    pending = PendingProposals(count_max=1000, bytes_max=1 << 20)
    for _ in range(count):
        add(pending)
    return pending


class TestPending:
    """Bookkeeping of one node."""

    def test_bounds(self) -> None:
        """At the bound on count, and at that on bytes, there is no room; one outcome makes some."""
        pending = PendingProposals(count_max=2, bytes_max=100)
        add(pending)
        pending.require_room()
        first = add(pending)
        with pytest.raises(Busy):
            pending.require_room()
        pending.resolve(first.ticket)
        pending.require_room()
        add(pending, b"x" * 93)
        pending = PendingProposals(count_max=9, bytes_max=100)
        add(pending, b"x" * 99)
        pending.require_room()
        add(pending, b"x")
        with pytest.raises(Busy):
            pending.require_room()

    def test_each_is_sent_once_in_a_round(self) -> None:
        """What was taken is not taken again, and bounds on count and bytes cut a batch."""
        pending = pending_of(5)
        assert tickets(pending.take_unsent(2, 1 << 20)) == [1, 2]
        assert tickets(pending.take_unsent(9, 2 * len(b"command"))) == [3, 4]
        assert tickets(pending.take_unsent(9, 1)) == [5]
        assert pending.take_unsent(9, 1 << 20) == []
        assert not pending.has_unsent

    def test_restart_sends_the_unresolved_in_order(self) -> None:
        """A new round holds all without an outcome, oldest first, and those not yet sent."""
        pending = pending_of(4)
        pending.mark_sent(pending.take_unsent(3, 1 << 20))
        pending.resolve(2)
        pending.restart()
        assert tickets(pending.take_unsent(9, 1 << 20)) == [1, 3, 4]

    def test_untake(self) -> None:
        """What could not be sent stays in front."""
        pending = pending_of(3)
        pending.untake(pending.take_unsent(2, 1 << 20))
        assert tickets(pending.take_unsent(9, 1 << 20)) == [1, 2, 3]

    def test_resolved_are_left_out(self) -> None:
        """An outcome that arrives before a repeat is sent makes it needless; a second outcome is nobody's."""
        pending = pending_of(3)
        assert pending.resolve(1) is not None
        assert pending.resolve(1) is None
        assert tickets(pending.take_unsent(9, 1 << 20)) == [2, 3]
        assert (len(pending), pending.byte_count, pending.resolved_count) == (2, 2 * len(b"command"), 1)

    def test_surely_in_no_log(self) -> None:
        """Never sent, or sent in one round that was refused: certain. Anything else may take effect."""
        pending = pending_of(6)
        pending.mark_sent(pending.take_unsent(2, 1 << 20))
        pending.restart()
        pending.mark_sent(pending.take_unsent(4, 1 << 20))
        pending.refused(pending.round, 2)
        assert not pending.forget(1)
        assert not pending.forget(2)  # the refusal speaks of the second round; the first may have logged it
        assert pending.forget(3)
        assert pending.forget(5)
        assert not pending.forget(99)

    def test_refusal_of_another_round(self) -> None:
        """A late refusal of an old round does not make what was sent since then certain."""
        pending = pending_of(1)
        pending.restart()
        pending.mark_sent(pending.take_unsent(9, 1 << 20))
        pending.refused(pending.round - 1, 1)
        assert not pending.forget(1)

    def test_oldest(self) -> None:
        """Age is that of the oldest without an outcome."""
        pending = PendingProposals(count_max=9, bytes_max=100)
        assert pending.oldest_ns() is None
        add(pending, now_ns=5)
        add(pending, now_ns=8)
        pending.resolve(1)
        assert pending.oldest_ns() == 8


class TestLeaderQueue:
    """The queue of a leader."""

    def test_first_in_first_out_within_bounds(self) -> None:
        """Entries take commands in order of arrival, own and others'; a large one travels alone."""
        queue = LeaderQueue(count_max=100, bytes_max=1 << 20)
        pending = PendingProposals(count_max=9, bytes_max=1000)
        own = [add(pending, b"own1"), add(pending, b"own2")]
        queue.add_own(own[:1])
        queue.add_remote(NodeId(2), Proposals(Term(1), 1, 1, [b"theirs", b"x" * 50]))
        queue.add_own(own[1:])
        assert [command for command, _ in queue.take(2, 1000)] == [b"own1", b"theirs"]
        assert [command for command, _ in queue.take(9, 20)] == [b"x" * 50]
        assert queue.byte_count == 4
        assert [command for command, _ in queue.take(9, 20)] == [b"own2"]
        assert (len(queue), queue.byte_count) == (0, 0)

    def test_forgotten_commands_are_left_out(self) -> None:
        """A command nobody waits for any more enters no entry."""
        queue = LeaderQueue(count_max=100, bytes_max=1 << 20)
        pending = pending_of(2)
        queue.add_own(pending.take_unsent(9, 1000))
        assert pending.forget(1)
        items = queue.take(9, 1000)
        assert len(items) == 1
        queue.mark_logged(items, pending.round)
        assert not pending.forget(2)

    def test_put_back(self) -> None:
        """What found no way into the log is the next again, and is surely in none."""
        queue = LeaderQueue(count_max=100, bytes_max=1 << 20)
        pending = pending_of(3)
        queue.add_own(pending.take_unsent(9, 1000))
        size = queue.byte_count
        queue.put_back(queue.take(2, 1000))
        assert queue.byte_count == size
        assert [source.first_round for _, source in queue.take(9, 1000)] == [NOT_SENT] * 3  # type: ignore[union-attr]

    def test_room(self) -> None:
        """The bounds on count and bytes close the queue."""
        queue = LeaderQueue(count_max=2, bytes_max=10)
        queue.add_remote(NodeId(2), Proposals(Term(1), 1, 1, [b"1"]))
        assert queue.has_room
        queue.add_remote(NodeId(2), Proposals(Term(1), 1, 2, [b"2"]))
        assert not queue.has_room
        queue.clear()
        queue.add_remote(NodeId(2), Proposals(Term(1), 1, 1, [b"x" * 10]))
        assert not queue.has_room

    def test_clear_tells_what_was_not_logged(self) -> None:
        """For each follower the first batch without any logged command is named; partly logged ones are unknown."""
        queue = LeaderQueue(count_max=100, bytes_max=1 << 20)
        queue.add_remote(NodeId(2), Proposals(Term(1), 5, 1, [b"1", b"2"]))
        queue.add_remote(NodeId(3), Proposals(Term(1), 7, 40, [b"40"]))
        queue.add_remote(NodeId(2), Proposals(Term(1), 5, 3, [b"3"]))
        queue.add_remote(NodeId(2), Proposals(Term(1), 5, 4, [b"4"]))
        queue.mark_logged(queue.take(1, 1000), 1)
        told = sorted((batch.node_id, batch.round, batch.first_ticket) for batch in queue.clear())
        assert told == [(2, 5, 3), (3, 7, 40)]
        assert (len(queue), queue.byte_count) == (0, 0)


STEPS = st.lists(st.sampled_from(["add", "send", "lose", "new leader", "apply", "refuse"]), max_size=60)


@given(STEPS)
def test_no_command_overtakes(steps: list[str]) -> None:
    """Whatever is lost or refused, each log lets a command follow its predecessors, so apply takes each once."""
    pending = PendingProposals(count_max=1000, bytes_max=1 << 20)
    log: list[int] = []  # what the present leader has, in order; a lost tail is cut
    applied_count = 0
    effects: list[int] = []
    refused_round = 0

    def send(*, arrives: bool) -> None:
        taken = pending.take_unsent(2, 1 << 20)
        pending.mark_sent(taken)
        if arrives and taken and refused_round != pending.round:
            log.extend(tickets(taken))

    for step in steps:
        if step == "add":
            add(pending)
        elif step == "send":
            send(arrives=True)
        elif step == "refuse":
            refused_round = pending.round
            send(arrives=False)
        elif step == "lose":
            send(arrives=False)
            pending.restart()  # the link came back
        elif step == "new leader":
            del log[max(applied_count, len(log) - 2) :]
            pending.restart()
        elif applied_count < len(log):
            ticket = log[applied_count]
            applied_count += 1
            if ticket > len(effects):
                assert ticket == len(effects) + 1, "a gap: apply would refuse it as stale"
                effects.append(ticket)
            pending.resolve(ticket)
    pending.restart()
    while pending.has_unsent:
        send(arrives=True)
    for ticket in log[applied_count:]:
        if ticket > len(effects):
            assert ticket == len(effects) + 1
            effects.append(ticket)
    assert effects == list(range(1, len(effects) + 1))
