"""Term and vote out of a damaged log: found as long as one of their two copies is whole, and never an older one."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftline.base.errors import StorageCorrupt, StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import HardState
from raftline.wal.directory import LogIdentity
from raftline.wal.mark import MARK_NAME, SLOT_SPACING_BYTES, MarkFile
from raftline.wal.salvage import salvage_hard_state
from raftline.wal.segment import HEADER_BYTES
from wal.faulty_files import FaultyFiles
from wal.log_model import CLUSTER_ID, DIRECTORY, NODE_ID, batch, open_log

IDENTITY = LogIdentity(CLUSTER_ID, NODE_ID)
STEPS = ("vote", "term", "entries")


def voted(term: int, vote: int | None) -> HardState:
    return HardState(Term(term), None if vote is None else NodeId(vote))


def written(seed: int = 1, states: int = 3) -> tuple[FaultyFiles, HardState]:
    """A log with some entries and states; returns its disk and the state it had acknowledged last."""
    files = FaultyFiles(Random(seed))
    log = open_log(files)
    state = voted(0, None)
    for term in range(1, states + 1):
        state = voted(term, term % 3 or None)
        log.append(state, batch(3 * term - 2, 3, term))
        log.sync()
    files.process_death()
    return files, state


def segment_of(files: FaultyFiles):
    (name,) = [name for name in files.names(DIRECTORY) if name.startswith("wal-")]
    return DIRECTORY / name


def salvage(files: FaultyFiles) -> HardState:
    return salvage_hard_state(files, DIRECTORY, IDENTITY)


def test_both_are_whole():
    """They say the same."""
    files, state = written()
    assert salvage(files) == state


def test_every_damage_to_the_log_leaves_the_mark():
    """Wherever a bit of the log is flipped, and wherever it is cut, the last state is known."""
    files, state = written()
    path = segment_of(files)
    content = files.content(path)
    end = len(content.rstrip(b"\0"))
    for place in range(0, end, 7):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        files.replace_content(path, bytes(damaged))
        assert salvage(files) == state, place
    for cut in range(HEADER_BYTES, end, 61):
        files.replace_content(path, content[:cut].ljust(len(content), b"\0"))
        assert salvage(files) == state, cut
    files.lose(path)
    assert salvage(files) == state


def test_every_damage_to_the_mark_leaves_the_log():
    """One slot, both slots, or the file itself."""
    files, state = written()
    path = DIRECTORY / MARK_NAME
    content = files.content(path)
    for slots in ((0,), (1,), (0, 1)):
        damaged = bytearray(content)
        for slot in slots:
            damaged[slot * SLOT_SPACING_BYTES + 20] ^= 1
        files.replace_content(path, bytes(damaged))
        assert salvage(files) == state, slots
    files.lose(path)
    assert salvage(files) == state


@pytest.mark.parametrize("slot", [0, 1])
def test_one_slot_alone_is_no_witness(slot):
    """The slot that cannot be read may have been the newer one, with a vote that the other does not know."""
    files, state = written()
    files.flip(DIRECTORY / MARK_NAME, slot * SLOT_SPACING_BYTES + 20, 1)
    assert salvage(files) == state
    files.lose(segment_of(files))
    with pytest.raises(StorageCorrupt, match="term and vote"):
        salvage(files)


def test_nobody_knows():
    """Both damaged, or both gone: no guess is made."""
    files, _state = written()
    path = segment_of(files)
    files.flip(path, HEADER_BYTES + 50, 1)
    files.lose(DIRECTORY / MARK_NAME)
    # The first record is damaged and another segment would have to follow: it cannot be told from a torn tail.
    content = bytearray(files.content(path))
    content[100] ^= 1
    files.replace_content(path, bytes(content))
    with pytest.raises(StorageCorrupt, match="term and vote"):
        salvage(files)
    files.lose(path)
    with pytest.raises(StorageCorrupt, match="term and vote"):
        salvage(files)


def test_the_log_of_another_node_is_none():
    """A state of somebody else's is no state of this node."""
    files, _state = written()
    with pytest.raises(StorageError, match="belongs to node"):
        salvage_hard_state(files, DIRECTORY, LogIdentity(CLUSTER_ID, NodeId(NODE_ID + 1)))


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=12))
def test_what_was_acknowledged_survives_power_failure_and_the_loss_of_either(seed: int, steps: list[str]):
    """After a power failure in the middle of a write, each copy by itself knows what a sync has returned for."""
    chance = Random(seed)
    files = FaultyFiles(Random(seed))
    log = open_log(files)
    acknowledged = state = voted(0, None)
    index = 0
    for place, step in enumerate(steps):
        if step == "entries":
            log.append(None, batch(index + 1, 2, max(state.term, 1)))
            index += 2
        elif step == "term" or state.vote is not None:
            state = voted(state.term + 1, chance.choice([None, 1, 2]))
            log.append(state, ())
        else:
            state = voted(state.term, chance.choice([1, 2]))
            log.append(state, ())
        if place < len(steps) - 1 or chance.random() < 0.5:
            log.sync()
            acknowledged = state
    files.power_failure()
    lost = chance.choice(["log", "mark", "none"])
    if lost == "log":
        files.lose(segment_of(files))
    elif lost == "mark":
        files.lose(DIRECTORY / MARK_NAME)
    try:
        found = salvage(files)
    except StorageCorrupt:
        # The failure tore a slot of the mark, which alone is no witness then.
        assert lost == "log"
        assert not MarkFile.open(files, DIRECTORY).was_whole
        return
    assert found in (acknowledged, state)
    assert LogIndex(found.term) >= acknowledged.term
