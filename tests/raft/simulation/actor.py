"""A core with its disk, as stories have them: started, crashed, started again."""

from __future__ import annotations

import random

from raft.simulation.disk import SimulatedDisk
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.membership import Membership
from raftline.raft.messages import Entry, EntryKind, HardState, SnapshotMeta
from raftline.raft.node import Raft, RaftConfig


class Actor:
    """A core with its disk; the core is None after a crash."""

    def __init__(self, node_id: NodeId, membership: Membership, options: dict[str, str]) -> None:
        self.node_id = node_id
        self.membership = membership
        self.disk = SimulatedDisk()
        terms = [int(term) for term in options.get("log", "").split(",") if term]
        self.disk.log = [
            Entry(LogIndex(index), Term(term), EntryKind.DATA, b"old") for index, term in enumerate(terms, start=1)
        ]
        term = int(options.get("term", terms[-1] if terms else 0))
        self.disk.hard_state = HardState(Term(term), NodeId(int(options["vote"])) if "vote" in options else None)
        self.applied_index = LogIndex(int(options.get("applied", 0)))
        self.wanted: SnapshotMeta | None = None
        self.life = 0
        self.is_recovering = False
        self.raft: Raft | None = None

    def start(self, now_ns: int) -> Raft:
        self.life += 1
        fetched = self.disk.fetched
        if fetched is not None:
            self.applied_index = max(self.applied_index, fetched.index)
            if not self.disk.holds_log(fetched):
                self.disk.install(fetched)
            self.disk.fetched = None
        self.raft = Raft(
            node_id=self.node_id,
            membership=self.membership,
            log=self.disk,
            hard_state=self.disk.hard_state,
            applied_index=self.applied_index,
            config=RaftConfig(),
            random=random.Random(1000 * self.life + self.node_id),
            now_ns=now_ns,
            is_recovering=self.is_recovering,
        )
        return self.raft
