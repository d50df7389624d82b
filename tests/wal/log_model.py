"""What the log must be, kept the simple way: the list of all states it has been through."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st

from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import Entry, EntryKind, HardState
from raftline.wal.files import FileSystem
from raftline.wal.log import WriteAheadLog

DIRECTORY = Path("/log")
CLUSTER_ID = "testing"
NODE_ID = NodeId(1)

State = tuple[HardState, tuple[Entry, ...]]


def open_log(
    files: FileSystem,
    *,
    applied_index: int = 0,
    segment_bytes: int = 16384,
    recent_bytes_max: int = 1 << 20,
    cluster_id: str = CLUSTER_ID,
    node_id: int = NODE_ID,
    directory: Path = DIRECTORY,
) -> WriteAheadLog:
    """Open a log with small segments."""
    return WriteAheadLog.open(
        directory,
        cluster_id=cluster_id,
        node_id=NodeId(node_id),
        applied_index=LogIndex(applied_index),
        files=files,
        segment_bytes=segment_bytes,
        recent_bytes_max=recent_bytes_max,
    )


def entry(index: int, term: int = 1, payload: bytes = b"payload") -> Entry:
    """Build one entry."""
    return Entry(LogIndex(index), Term(term), EntryKind.DATA, payload)


def batch(first: int, count: int, term: int = 1, payload_bytes: int = 7) -> list[Entry]:
    """Build entries that follow one another, each with a payload of its own."""
    return [
        entry(first + place, term, f"{first + place}".encode().ljust(payload_bytes, b"x")) for place in range(count)
    ]


def state_of(log: WriteAheadLog) -> State:
    """Read everything that is durable."""
    entries = log.entries(log.first_index, log.last_index, 1 << 30) if log.last_index >= log.first_index else []
    return log.hard_state, tuple(entries)


class LogModel:
    """
    Follows the appends and syncs of a log.

    Attributes:
        states: Every state the log has been through, one for each record, in order.
        durable: Place in `states` of the last one that was synced.
    """

    def __init__(self) -> None:
        self.states: list[State] = [(HardState(Term(0), None), ())]
        self.durable = 0

    @property
    def state(self) -> State:
        return self.states[-1]

    @property
    def last_index(self) -> int:
        return len(self.state[1])

    def append(self, hard_state: HardState | None, entries: Sequence[Entry]) -> None:
        """Do what `WriteAheadLog.append` does, record by record."""
        if hard_state is not None and hard_state != self.state[0]:
            self.states.append((hard_state, self.state[1]))
        if entries:
            kept = self.state[1][: entries[0].index - 1]
            if len(kept) < self.last_index:
                self.states.append((self.state[0], kept))
            self.states.append((self.state[0], (*kept, *entries)))

    def sync(self) -> None:
        self.durable = len(self.states) - 1

    def possible(self) -> list[State]:
        """Return the states that a crash now may leave."""
        return self.states[self.durable :]

    def settle(self, state: State) -> None:
        """Go on from what a crash has left, or fail if it may not have."""
        assert state in self.possible()
        self.states = [state]
        self.durable = 0


Append = tuple[int, int, int, int, bool]

appends = st.tuples(
    st.integers(0, 3),  # how far back the first entry is from the end: 0 appends, more cuts the log
    st.integers(0, 4),  # how many entries
    st.sampled_from([0, 1, 40, 700, 3000]),  # bytes of each payload
    st.integers(0, 2),  # by how much the term grows
    st.booleans(),  # whether a hard state is given
)
"""What to append, relative to a log whatever it holds."""


def make_append(model: LogModel, append: Append) -> tuple[HardState | None, list[Entry]]:
    """Turn a drawn append into arguments for the log as the model knows it."""
    back, count, payload_bytes, term_step, has_hard_state = append
    old = model.state[0]
    term = max(1, old.term + term_step)
    hard_state = HardState(Term(term), NodeId(1 + count % 3) if back else None) if has_hard_state else None
    first = max(1, model.last_index + 1 - back)
    entries = batch(first, count, hard_state.term if hard_state else max(1, old.term), payload_bytes)
    return hard_state, entries
