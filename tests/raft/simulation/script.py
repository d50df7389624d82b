"""
Cores driven by hand, for tests that tell a story message by message.

Nothing moves by itself: the disk keeps writes until `sync`, messages wait in `sent` until `deliver`, and time passes by
`elapse`. A message that waits for its log write is in `sent` only after the write.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from raft.simulation.disk import SimulatedDisk
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import (
    Append,
    AppendReply,
    Entry,
    EntryKind,
    HardState,
    Message,
    PreVoteReply,
    VoteReply,
)
from raftline.raft.node import Raft, RaftConfig, Role

MILLISECOND_NS = 1_000_000

M = TypeVar("M")


def entry(index: int, term: int, payload: bytes = b"") -> Entry:
    """Make an entry; without a payload, a no-op."""
    return Entry(LogIndex(index), Term(term), EntryKind.DATA if payload else EntryKind.NOOP, payload)


def append(term: int, prev_index: int, prev_term: int, terms: tuple[int, ...] = (), commit: int = 0) -> Append:
    """Make an append from node 2 to node 1."""
    entries = [entry(prev_index + place, number, b"new") for place, number in enumerate(terms, start=1)]
    return Append(NodeId(2), NodeId(1), Term(term), LogIndex(prev_index), Term(prev_term), LogIndex(commit), entries)


def stored(sender: int, term: int, match_index: int) -> AppendReply:
    """Make an acknowledgement from a follower to node 1."""
    return AppendReply(
        sender=NodeId(sender),
        receiver=NodeId(1),
        term=Term(term),
        prev_index=LogIndex(0),
        success=True,
        match_index=LogIndex(match_index),
        conflict_index=LogIndex(0),
        conflict_term=Term(0),
    )


def pre_vote_granted(sender: NodeId, term: Term) -> PreVoteReply:
    """Make a granted pre-vote for node 1."""
    return PreVoteReply(sender, NodeId(1), term, granted=True)


class Scripted:
    """One core with its disk. `terms` is the log it starts with, one term per entry."""

    def __init__(
        self,
        node_id: int = 1,
        size: int = 3,
        *,
        terms: tuple[int, ...] = (),
        term: int | None = None,
        vote: int | None = None,
        applied_index: int = 0,
        now_ns: int = 0,
        seed: int = 0,
        config: RaftConfig | None = None,
    ) -> None:
        self.node_id = NodeId(node_id)
        self.size = size
        self.disk = SimulatedDisk()
        self.disk.log = [entry(index, number, b"old %d" % index) for index, number in enumerate(terms, start=1)]
        last_term = terms[-1] if terms else 0
        self.disk.hard_state = HardState(
            Term(last_term if term is None else term), None if vote is None else NodeId(vote)
        )
        self.config = config or RaftConfig()
        self.now_ns = now_ns
        self.committed: list[Entry] = []
        self.reads: list[tuple[int, LogIndex]] = []
        self.reads_failed: list[int] = []
        self.sent: list[Message] = []
        self.role_changes = 0
        self._seed = seed
        self.applied_index = LogIndex(applied_index)
        self.raft = self._core()

    def _core(self) -> Raft:
        return Raft(
            node_id=self.node_id,
            voters=frozenset(NodeId(number) for number in range(1, self.size + 1)),
            log=self.disk,
            hard_state=self.disk.hard_state,
            applied_index=self.applied_index,
            config=self.config,
            random=random.Random(self._seed * 1000 + self.node_id),
            now_ns=self.now_ns,
        )

    def drain(self) -> None:
        """Take the core's output; nothing becomes durable."""
        ready = self.raft.ready()
        self.sent += ready.messages
        self.disk.pending += ready.io
        self.committed += ready.committed
        if ready.committed:
            self.applied_index = ready.committed[-1].index
        self.reads += ready.reads
        self.reads_failed += ready.reads_failed
        self.role_changes += ready.role_changed

    def sync(self, count: int = 1_000_000) -> None:
        """Make the oldest writes durable and let their messages out."""
        self.drain()
        while count and self.disk.pending:
            (write,) = self.disk.sync(1)
            count -= 1
            self.raft.io_completed(write.sequence, self.now_ns)
            self.sent += write.messages
            self.drain()

    def step(self, message: Message) -> None:
        self.raft.step(message, self.now_ns)
        self.drain()

    def propose(self, *payloads: bytes) -> tuple[LogIndex, Term]:
        proposed = self.raft.propose(payloads, self.now_ns)
        self.drain()
        return proposed

    def tick(self, now_ns: int | None = None) -> None:
        """Pass the time up to `now_ns`, by default to the deadline, and tick there."""
        self.now_ns = max(self.now_ns, self.raft.deadline_ns() if now_ns is None else now_ns)
        self.raft.tick(self.now_ns)
        self.drain()

    def restart(self) -> None:
        """Crash, losing all that is not durable, and start again."""
        self.disk.pending.clear()
        self.sent.clear()
        self._seed += 1
        self.raft = self._core()
        self.drain()

    def take(self, kind: type[M]) -> list[M]:
        """Remove and return the sent messages of a kind."""
        taken = [message for message in self.sent if isinstance(message, kind)]
        self.sent = [message for message in self.sent if not isinstance(message, kind)]
        return taken

    @property
    def terms(self) -> list[int]:
        """The terms of the whole log, durable or not."""
        log = self.raft._log
        return [log.term_at(LogIndex(index)) or 0 for index in range(1, log.last_index + 1)]


def leading(
    size: int, *, terms: tuple[int, ...] = (), term: int | None = None, config: RaftConfig | None = None
) -> Scripted:
    """Make node 1 the leader of the term after `term` by votes of all others; its no-op is durable."""
    node = Scripted(1, size, terms=terms, term=term, config=config)
    node.tick()
    for request in [message for message in node.sent if message.receiver != node.node_id]:
        node.step(pre_vote_granted(request.receiver, node.raft.term))
    node.sync()
    for other in range(2, size + 1):
        node.step(VoteReply(NodeId(other), NodeId(1), node.raft.term, granted=True))
    assert node.raft.role is Role.LEADER
    node.sync()
    node.sent.clear()
    return node


class ScriptedCluster:
    """Several cores; `logs` gives each the log it starts with."""

    def __init__(self, size: int = 3, *, logs: dict[int, tuple[int, ...]] | None = None, seed: int = 0) -> None:
        logs = logs or {}
        term = max((terms[-1] for terms in logs.values() if terms), default=0)
        self.nodes = {
            number: Scripted(number, size, terms=logs.get(number, ()), term=term, seed=seed)
            for number in range(1, size + 1)
        }
        self.connected = set(self.nodes)
        """Messages to and from other nodes are lost."""

    def __getitem__(self, number: int) -> Scripted:
        return self.nodes[number]

    @property
    def now_ns(self) -> int:
        return max(node.now_ns for node in self.nodes.values())

    def deliver(self, accept: Callable[[Message], bool] = lambda _: True) -> int:
        """Deliver what waits now, one hop; what is not accepted, or not connected, is lost."""
        waiting: list[Message] = []
        for node in self.nodes.values():
            node.drain()
            waiting += node.sent
            node.sent = []
        count = 0
        for message in waiting:
            if {message.sender, message.receiver} <= self.connected and accept(message):
                self.nodes[message.receiver].step(message)
                count += 1
        return count

    def settle(self, accept: Callable[[Message], bool] = lambda _: True) -> None:
        """Sync and deliver among the connected nodes until nothing moves."""
        for _ in range(200):
            for number in sorted(self.connected):
                self.nodes[number].sync()
            if not self.deliver(accept):
                return
        raise AssertionError("the cluster does not come to rest")

    def elapse(self, duration_ns: int) -> None:
        """Let time pass for all, ticking and settling at each deadline on the way."""
        end_ns = self.now_ns + duration_ns
        while True:
            due_ns = min(self.nodes[number].raft.deadline_ns() for number in self.connected)
            if due_ns > end_ns:
                break
            self._set_time(due_ns)
            for number in sorted(self.connected):
                node = self.nodes[number]
                if node.raft.deadline_ns() <= due_ns:
                    node.tick(due_ns)
            self.settle()
        self._set_time(end_ns)

    def elect(self, number: int) -> None:
        """Let a node time out and win among the connected ones, whoever else was heard before."""
        self._set_time(max(self.now_ns, self.nodes[number].raft.deadline_ns()) + 400 * MILLISECOND_NS)
        self.nodes[number].tick(self.now_ns)
        self.settle()
        assert self.nodes[number].raft.role is Role.LEADER, self.nodes[number].raft.role

    def only(self, *numbers: int) -> None:
        """Connect these nodes alone."""
        self.connected = set(numbers)

    @property
    def leader(self) -> Scripted:
        """The leader among the connected nodes."""
        (leader,) = [self.nodes[n] for n in sorted(self.connected) if self.nodes[n].raft.role is Role.LEADER]
        return leader

    def _set_time(self, now_ns: int) -> None:
        for node in self.nodes.values():
            node.now_ns = max(node.now_ns, now_ns)
