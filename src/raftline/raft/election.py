"""
Terms, votes and roles. This module alone changes the role of a node.

        leader silent, or its connection lost
             +--------------------------+
             |                          v
         FOLLOWER <--------------- PRE_CANDIDATE <---------------+
          ^  ^  |   leader heard        |                        |
          |  |  |                       | majority would vote    | timeout, or election lost
          |  |  | TimeoutNow            v                        |
          |  |  +-----------------> CANDIDATE --------------------+
          |  |  leader or higher term   |
          |  +--------------------------+
          |                             | majority voted, own vote durable
          |   higher term, no quorum    v
          +-------------------------- LEADER

What holds:

- The term never falls; the vote changes only from None, or with the term. Both are durable before anyone can rely on
  them: vote requests, granted votes and the candidate's own vote count only then. A candidate therefore stands with a
  log that is durable too, and never stands twice in one term, whatever a crash takes.
- A pre-vote changes nothing durable and does not raise the term of whoever is asked. A node that heard its leader
  within the shortest timeout refuses pre-votes and ignores vote requests (thesis sections 4.2.3 and 9.6), so a node
  that comes back from a partition disturbs nobody. Only a leadership transfer passes this shield.
- A leader that lost its quorum steps down (CheckQuorum, see `raftline.raft.leader`), which frees clients *and* its
  followers where connectivity is partial. Pre-vote alone or CheckQuorum alone do not suffice there.
- A node whose timer comes late by half an election timeout was itself away. As a follower it waits once more, and reads
  what its leader sent meanwhile; a leader that was away for a whole election timeout leads no more.
- A node that lost entries it had acknowledged votes for nobody and does not stand until it has them back
  (`raftline.raft.recovery`).
- Who votes for whom does not depend on memberships: a node may vote, and be asked, before it has learnt that it is a
  voter (thesis section 4.1). A membership decides who counts, and who stands: learners and removed nodes do not.
- Messages of an older term that expect an answer get one with our term: a node with a higher term than its working
  leader could otherwise neither follow nor be elected.

Timers: a follower waits a random time between the shortest and the longest timeout. A lost connection to the leader
shortens that to a few milliseconds; it is only a hint, since whoever still hears the leader refuses the pre-vote. A
pre-vote or an election that did not succeed is repeated after about a heartbeat, with a random spread that doubles up
to the longest timeout: two nodes that stood at the same moment are apart again within tens of milliseconds. Decided
against: numbering the rounds of a pre-vote, since on a slow network each round would void the grants of the last; and
doubling the spread further for processes that are starved of CPU: where turns come half a second apart, what ends terms
is that their leaders were away (node.py), not that candidates tie, and with four times the spread it took as long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from raftline.base.ids import NodeId, Term
from raftline.raft.config import RaftConfig
from raftline.raft.invariants import ensure
from raftline.raft.log import RaftLog
from raftline.raft.messages import (
    HardState,
    PreVoteReply,
    PreVoteRequest,
    TimeoutNow,
    VoteReply,
    VoteRequest,
)
from raftline.raft.outbox import Outbox
from raftline.raft.ready import Role
from raftline.raft.recovery import Recovery

_BACKOFF_DOUBLINGS_MAX = 3


class RandomSource(Protocol):
    """The part of `random.Random` that the core uses."""

    def randrange(self, start: int, stop: int, /) -> int:
        """Return a random integer from `start` up to but without `stop`."""


class Election:
    """Role, term, vote, leader and the timer of a node that does not lead."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        log: RaftLog,
        outbox: Outbox,
        recovery: Recovery,
        config: RaftConfig,
        random: RandomSource,
        hard_state: HardState,
        now_ns: int,
        on_transition: Callable[[int], None],
    ) -> None:
        self._node_id = node_id
        self._log = log
        self._memberships = log.memberships
        self._outbox = outbox
        self._recovery = recovery
        self._config = config
        self._random = random
        self._on_transition = on_transition
        self.term = hard_state.term
        self.vote = hard_state.vote
        self.role = Role.FOLLOWER
        self.leader_id: NodeId | None = None
        self._granted: set[NodeId] = set()
        self._attempts = 0
        self._contact_ns = now_ns
        self._timeout_ns = 0
        self._wait(now_ns, config.election_timeout_min_ns, config.election_timeout_max_ns)

    @property
    def hard_state(self) -> HardState:
        """Term and vote as they are to be written."""
        return HardState(self.term, self.vote)

    @property
    def deadline_ns(self) -> int:
        """When `timeout` is due, unless this node leads."""
        return self._contact_ns + self._timeout_ns

    @property
    def may_stand(self) -> bool:
        """
        Whether this node may be a candidate: it votes, or voted until a membership that is not known to be committed.

        The latter may be the only one left with that membership in its log, and is then needed to bring it to the
        others (thesis section 4.2.2); it does not count its own vote. A node that is recovering never stands.
        """
        if self._recovery.is_on:
            return False
        memberships = self._memberships
        if self._node_id in memberships.deciders:
            return True
        before = memberships.previous
        return before is not None and memberships.index > self._log.commit_index and self._node_id in before.deciders

    def _others(self) -> list[NodeId]:
        return sorted(self._memberships.deciders - {self._node_id})

    def hears_leader(self, now_ns: int) -> bool:
        """Whether a follower heard its leader too recently to help another candidate."""
        return self.leader_id is not None and now_ns - self._contact_ns < self._config.election_timeout_min_ns

    def leader_heard(self, leader_id: NodeId, now_ns: int) -> None:
        """Note a message of the current term's leader."""
        if self.role is Role.FOLLOWER and self.leader_id == leader_id:
            self._contact_ns = now_ns
            return
        ensure(self.role is not Role.LEADER, "two leaders in a term", self.term, self._node_id, leader_id)
        ensure(self.leader_id in (None, leader_id), "two leaders in a term", self.term, self.leader_id, leader_id)
        self._attempts = 0
        self._wait(now_ns, self._config.election_timeout_min_ns, self._config.election_timeout_max_ns)
        self._enter(Role.FOLLOWER, leader_id, now_ns)

    def term_seen(self, term: Term, now_ns: int) -> None:
        """Adopt a higher term as a follower; whoever leads it has yet to say so."""
        ensure(term > self.term, "the term fell", self.term, term)
        self.term = term
        self.vote = None
        self._outbox.term_rose()
        self.step_down(now_ns)

    def step_down(self, now_ns: int) -> None:
        """Be a follower without a leader. The timer goes on, so that a refused candidate delays nobody."""
        if self.role is Role.LEADER:
            self._wait(now_ns, self._config.election_timeout_min_ns, self._config.election_timeout_max_ns)
        self._enter(Role.FOLLOWER, None, now_ns)

    def leader_disconnected(self, now_ns: int) -> None:
        """Forget the leader whose connection dropped, and ask for a pre-vote soon."""
        self._attempts = 0
        self._wait(now_ns, 0, self._config.connection_loss_jitter_ns_max + 1)
        self._enter(Role.FOLLOWER, None, now_ns)

    def timeout(self, now_ns: int) -> None:
        """Act on a passed deadline: ask, or ask again, who would vote for us."""
        late_ns = now_ns - self.deadline_ns
        if self.leader_id is not None and late_ns >= self._config.election_timeout_min_ns // 2:
            # It is this process that was not there, not its leader: what the leader sent meanwhile is yet to be read.
            self._wait(now_ns, self._config.election_timeout_min_ns, self._config.election_timeout_max_ns)
            return
        if not self.may_stand:
            self._wait(now_ns, self._config.election_timeout_min_ns, self._config.election_timeout_max_ns)
            if self.role is not Role.FOLLOWER or self.leader_id is not None:
                self._enter(Role.FOLLOWER, None, now_ns)
            return
        self._attempts += 1
        self._wait_for_retry(now_ns)
        if self.role is not Role.PRE_CANDIDATE:
            # Grants of an earlier attempt go on counting while we stay a pre-candidate: see the head.
            self._granted = {self._node_id}
            self._enter(Role.PRE_CANDIDATE, None, now_ns)
        last_index, last_term = self._log.last_index, self._log.last_term
        for receiver in self._others():
            self._outbox.send(PreVoteRequest(self._node_id, receiver, self.term, last_index, last_term))
        if self._memberships.quorum.won(self._granted):
            self._stand(now_ns, transfer=False)

    def pre_vote_requested(self, request: PreVoteRequest, *, shielded: bool) -> None:
        """Say whether we would vote for the sender; `shielded` tells that a leader works."""
        granted = (
            not shielded
            and not self._recovery.is_on
            and request.term >= self.term
            and self._log.is_up_to_date(request.last_index, request.last_term)
        )
        term = max(self.term, request.term)
        self._outbox.send(PreVoteReply(self._node_id, request.sender, term, granted))

    def pre_vote_answered(self, reply: PreVoteReply, now_ns: int) -> None:
        """Count an answer of the current term; stand when a majority would vote for us."""
        if self.role is not Role.PRE_CANDIDATE or not reply.granted:
            return
        self._granted.add(reply.sender)
        if self._memberships.quorum.won(self._granted):
            self._stand(now_ns, transfer=False)

    def vote_requested(self, request: VoteRequest, now_ns: int) -> None:
        """Vote, at most once in a term, for a sender whose log is at least as complete as ours."""
        if request.term < self.term:
            self._outbox.send_after_term(VoteReply(self._node_id, request.sender, self.term, granted=False))
            return
        free = self.vote == request.sender or (self.vote is None and self.leader_id is None)
        free = free and not self._recovery.is_on
        if not (free and self._log.is_up_to_date(request.last_index, request.last_term)):
            self._outbox.send_after_term(VoteReply(self._node_id, request.sender, self.term, granted=False))
            return
        if self.vote is None:
            self.vote = request.sender
            self._outbox.hard_state_changed()
        # Give the candidate we chose the time of a whole timeout before we stand ourselves.
        self._wait(now_ns, self._config.election_timeout_min_ns, self._config.election_timeout_max_ns)
        self._outbox.send_after_log(VoteReply(self._node_id, request.sender, self.term, granted=True))

    def vote_answered(self, reply: VoteReply, now_ns: int) -> None:
        """Count an answer of the current term; lead when a majority voted for us."""
        if self.role is Role.CANDIDATE and reply.granted:
            self._count_vote(reply.sender, now_ns)

    def hard_state_durable(self, now_ns: int) -> None:
        """Count the candidate's own vote, which is durable now."""
        if self.role is Role.CANDIDATE and self._node_id not in self._granted:
            self._count_vote(self._node_id, now_ns)

    def takeover_asked(self, request: TimeoutNow, now_ns: int) -> None:
        """Stand at once, without a pre-vote, because the leader of this term asks us to (thesis section 3.10)."""
        if self.may_stand and self.role is Role.FOLLOWER and self.leader_id in (None, request.sender):
            self._stand(now_ns, transfer=True)

    def _stand(self, now_ns: int, *, transfer: bool) -> None:
        """Become a candidate of the next term."""
        self.term = Term(self.term + 1)
        self.vote = self._node_id
        self._granted = set()
        self._outbox.term_rose()
        self._wait_for_retry(now_ns)
        last_index, last_term = self._log.last_index, self._log.last_term
        for receiver in self._others():
            self._outbox.send_after_log(
                VoteRequest(self._node_id, receiver, self.term, last_index, last_term, transfer)
            )
        self._enter(Role.CANDIDATE, None, now_ns)

    def _count_vote(self, voter: NodeId, now_ns: int) -> None:
        self._granted.add(voter)
        if self._node_id in self._granted and self._memberships.quorum.won(self._granted):
            self._attempts = 0
            self._enter(Role.LEADER, self._node_id, now_ns)

    def _enter(self, role: Role, leader_id: NodeId | None, now_ns: int) -> None:
        self.role = role
        self.leader_id = leader_id
        self._on_transition(now_ns)

    def _wait(self, now_ns: int, shortest_ns: int, longest_ns: int) -> None:
        self._contact_ns = now_ns
        self._timeout_ns = self._random.randrange(shortest_ns, longest_ns)

    def _wait_for_retry(self, now_ns: int) -> None:
        around_ns = self._config.heartbeat_ns << min(max(self._attempts - 1, 0), _BACKOFF_DOUBLINGS_MAX)
        around_ns = min(around_ns, self._config.election_timeout_max_ns * 2 // 3)
        self._wait(now_ns, around_ns // 2, around_ns * 3 // 2)
