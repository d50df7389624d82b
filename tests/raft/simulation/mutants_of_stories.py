"""
Cores that make one more mistake each, of which only a story tells; see `raft.simulation.mutants`.

What they do wrong is slow rather than unsafe, or needs a disk or a network that chance does not draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from raftline.base.ids import LogIndex, NodeId
from raftline.raft import confchange
from raftline.raft.config import RaftConfig
from raftline.raft.election import Election
from raftline.raft.leader import Leader
from raftline.raft.membership import Membership
from raftline.raft.messages import HardState, HeartbeatReply
from raftline.raft.outbox import Outbox
from raftline.raft.progress import Progress
from raftline.raft.quorum import MajorityQuorum
from raftline.raft.ready import LogWrite


def entries_go_before_their_term(patch: pytest.MonkeyPatch) -> None:
    """D4: the disk is handed entries first and the term they came in with the write after that."""
    original = Outbox.take_write

    def take(self: Outbox, hard_state: HardState, *contents: Any) -> LogWrite | None:
        was_dirty = self._hard_state_dirty
        write = original(self, hard_state, *contents)
        if write is not None and write.entries and was_dirty:
            self._hard_state_dirty = True
            return replace(write, hard_state=None)
        return write

    patch.setattr(Outbox, "take_write", take)


def ids_are_used_again(patch: pytest.MonkeyPatch) -> None:
    """D14: nobody remembers the ids of nodes that went."""
    original = confchange.begin

    def begin(current: Membership, change: confchange.MembershipChange) -> Membership:
        return original(replace(current, node_id_max=max(member.node_id for member in current.members)), change)

    patch.setattr(confchange, "begin", begin)


def matches_are_nearly_sorted(patch: pytest.MonkeyPatch) -> None:
    """E5: the voters are kept in the order of what they store, and one that comes further moves by one place."""
    orders: dict[frozenset[NodeId], list[NodeId]] = {}

    def reached(self: MajorityQuorum, values: Mapping[NodeId, int]) -> int:
        order = orders.setdefault(self.voters, sorted(self.voters))
        for place in range(len(order) - 1):
            ahead, behind = order[place], order[place + 1]
            if values.get(ahead, 0) < values.get(behind, 0):
                order[place], order[place + 1] = behind, ahead
                break
        return values.get(order[self.majority - 1], 0)

    patch.setattr(MajorityQuorum, "reached", reached)


def stands_without_a_pre_vote(patch: pytest.MonkeyPatch) -> None:
    """E9: whoever has lost its leader raises its term each time it asks."""
    original = Election.timeout

    def timeout(self: Election, now_ns: int) -> None:
        if self.term == 0:
            original(self, now_ns)
            return
        self._attempts += 1
        self._stand(now_ns, transfer=False)

    patch.setattr(Election, "timeout", timeout)


def waits_long_after_a_start(patch: pytest.MonkeyPatch) -> None:
    """E11: a node that restarts gives a leader, which may have restarted too, ten times the time."""
    original = Election.__init__

    def start(self: Election, **values: Any) -> None:
        config: RaftConfig = values["config"]
        original(self, **values)
        self._timeout_ns = 10 * config.election_timeout_max_ns

    patch.setattr(Election, "__init__", start)


def leader_waits_for_its_own_disk(patch: pytest.MonkeyPatch) -> None:
    """L2: nothing is committed that the leader's own disk does not have, whatever the others have."""
    original = Leader._count_commit

    def count(self: Leader) -> None:
        matches, durable_index = dict(self._matches), self._log.durable_index
        self._matches = {node_id: min(match, durable_index) for node_id, match in matches.items()}
        original(self)
        self._matches.update(matches)

    patch.setattr(Leader, "_count_commit", count)


def waits_for_everybody(patch: pytest.MonkeyPatch) -> None:
    """L2: an entry is committed when the slowest voter has it."""
    patch.setattr(MajorityQuorum, "reached", lambda self, values: min(values.get(voter, 0) for voter in self.voters))


def believes_acknowledgements_alone(patch: pytest.MonkeyPatch) -> None:
    """L3: what the answer to a heartbeat says of the follower's disk opens no window."""
    original = Leader.heartbeat_answered

    def answered(self: Leader, reply: HeartbeatReply, now_ns: int) -> None:
        original(self, replace(reply, match_index=LogIndex(0)), now_ns)

    patch.setattr(Leader, "heartbeat_answered", answered)


def links_stay_down(patch: pytest.MonkeyPatch) -> None:
    """L3: nobody notices that a follower whose link dropped is heard again."""
    original = Progress.heartbeat_answered

    def answered(self: Progress, round_number: int, accepted_index: LogIndex) -> None:
        was_down = self.link_is_down
        original(self, round_number, accepted_index)
        self.link_is_down = was_down

    patch.setattr(Progress, "heartbeat_answered", answered)


def sends_again_what_is_not_durable(patch: pytest.MonkeyPatch) -> None:
    """L4: an append whose entries are not durable by the next answer to a heartbeat is sent once more."""
    original = Progress.heartbeat_answered

    def answered(self: Progress, round_number: int, accepted_index: LogIndex) -> None:
        original(self, round_number, LogIndex(min(accepted_index, self.match_index)))

    patch.setattr(Progress, "heartbeat_answered", answered)
