"""Rounds of group commit without threads: what is begun, left behind, and told."""

from __future__ import annotations

from random import Random

import pytest

from raftline.base.errors import LocalProtocolError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import HardState
from raftline.wal.index import SnapshotMark
from raftline.wal.log import WriteAheadLog
from raftline.wal.rounds import WriteRounds
from wal.faulty_files import FaultyFiles
from wal.log_model import batch, open_log


def rounds_of(log: WriteAheadLog) -> WriteRounds:
    return WriteRounds(log, iter(range(100, 10_000)).__next__)


def test_a_round_is_what_was_queued_when_it_began() -> None:
    """What comes later waits for the next round; each job counts until it is durable."""
    log = open_log(FaultyFiles(Random(1)))
    rounds = rounds_of(log)
    assert not rounds.begin()
    rounds.submit(1, HardState(Term(1), None), [], None)
    rounds.submit(5, None, batch(1, 2), None)
    assert rounds.begin()
    rounds.submit(6, None, batch(3, 1), None)
    assert rounds.append() == 2
    assert rounds.count == 3
    log.sync()
    assert rounds.finish(2) == 5
    assert not rounds.is_short
    assert (rounds.count, log.last_index, log.hard_state.term) == (1, 2, 1)


def test_the_oldest_job_says_since_when_something_waits() -> None:
    """In the round or in the queue; nothing once all is durable or dropped."""
    rounds = rounds_of(open_log(FaultyFiles(Random(1))))
    assert rounds.pending_since_ns is None
    rounds.submit(1, None, batch(1, 1), None)
    assert rounds.pending_since_ns == 100
    rounds.begin()
    rounds.submit(2, None, batch(2, 1), None)
    assert rounds.pending_since_ns == 100
    rounds.finish(rounds.append())
    assert rounds.pending_since_ns == 101
    rounds.drop()
    assert (rounds.pending_since_ns, rounds.count) == (None, 0)


def test_jobs_without_space_are_not_told() -> None:
    """A round that finds space for some of its jobs tells those, and tries the others first when it is repeated."""
    files = FaultyFiles(Random(1))
    log = open_log(files)
    files.capacity_bytes = 0
    rounds = rounds_of(log)
    for sequence in range(1, 7):
        rounds.submit(sequence, None, batch(sequence, 1, 1, 3000), None)
    rounds.begin()
    assert rounds.append() == 4
    log.sync()
    assert rounds.finish(4) == 4
    assert rounds.is_short
    assert rounds.count == 2
    assert rounds.append() == 0
    files.capacity_bytes = 1 << 20
    rounds.submit(7, None, batch(7, 1), None)
    rounds.begin()
    assert rounds.append() == 3
    assert rounds.finish(3) == 7


def test_a_snapshot_is_installed_once() -> None:
    """A job whose entries find no space behind its snapshot is tried again without installing that a second time."""
    files = FaultyFiles(Random(1))
    log = open_log(files)
    files.capacity_bytes = 0
    rounds = rounds_of(log)
    mark = SnapshotMark(LogIndex(40), Term(7), b"members of 40")
    rounds.submit(1, HardState(Term(7), NodeId(2)), batch(41, 6, 7, 3000), mark)
    rounds.begin()
    assert rounds.append() == 0
    assert (log.first_index, log.last_index) == (41, 40)
    files.capacity_bytes = 1 << 20
    assert rounds.append() == 1
    log.sync()
    assert (log.first_index, log.last_index, log.hard_state) == (41, 46, HardState(Term(7), NodeId(2)))


def test_sequences_grow() -> None:
    """A job is known by its sequence alone."""
    rounds = rounds_of(open_log(FaultyFiles(Random(1))))
    rounds.submit(2, None, batch(1, 1), None)
    for sequence in (2, 1):
        with pytest.raises(LocalProtocolError):
            rounds.submit(sequence, None, batch(2, 1), None)
