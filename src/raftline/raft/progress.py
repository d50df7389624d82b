"""
How far one follower is, as its leader knows.

             +---- rejected, append lost, link dropped ----+
             v                                             |
          PROBE ------------- acknowledged ----------> REPLICATE
             |                                             |
             +----> SNAPSHOT  (the log no longer keeps <---+
                               what the follower needs)

PROBE looks for the last matching entry: one append under way, `next_index` stays. REPLICATE trusts that appends
arrive: `next_index` moves when an append is sent, up to `inflight_appends_max` are under way. SNAPSHOT is where a
follower waits that only a snapshot can help; it leaves it when it acknowledges something, by that or other means.

A lost append is noticed without a timer: each append remembers the heartbeat round at which it left, and the reply to a
later round says how far the follower has accepted. A follower that accepted the append and is only waiting for its disk
is thus never sent the same bytes again. Where a network reorders, the worst is an append sent twice.

`match_index` counts only what the follower has made durable. It never falls within a term, unless the follower says
that it has lost its log; it counts for no commit then, until the follower has recovered (`raftline.raft.recovery`).

A learner catches up in rounds (Raft thesis section 4.2.1): each replicates what the log held at its beginning. It has
caught up when a round took less than an election timeout, and the one under way has not taken longer so far: made a
voter then, it will not hold up commits for longer than an election would.
"""

from __future__ import annotations

import enum
from collections import deque

from raftline.base.ids import LogIndex, NodeId


class ProgressState(enum.Enum):
    """How the leader sends to a follower."""

    PROBE = "probe"
    REPLICATE = "replicate"
    SNAPSHOT = "snapshot"


class Progress:
    """One follower. `contact_ns` is when it last answered, `round_acked` the last heartbeat round it answered."""

    __slots__ = (
        "_inflight",
        "_inflight_max",
        "_round_begin_ns",
        "_round_is_short",
        "_round_target",
        "commit_sent",
        "contact_ns",
        "is_learner",
        "link_is_down",
        "match_index",
        "next_index",
        "node_id",
        "recovery_id",
        "round_acked",
        "state",
    )

    def __init__(self, node_id: NodeId, next_index: LogIndex, inflight_max: int, now_ns: int) -> None:
        self.node_id = node_id
        self.state = ProgressState.PROBE
        self.match_index = LogIndex(0)
        self.next_index = next_index
        self.commit_sent = LogIndex(0)
        self.contact_ns = now_ns
        self.round_acked = 0
        self.link_is_down = False
        self._inflight: deque[tuple[LogIndex, int]] = deque()
        """(last index, heartbeat round when sent) of the appends under way, oldest first."""
        self._inflight_max = inflight_max
        self.is_learner = False
        self.recovery_id = 0
        self._round_target = LogIndex(next_index - 1)
        self._round_begin_ns = now_ns
        self._round_is_short = False

    @property
    def window_is_open(self) -> bool:
        """Whether another append may be sent."""
        if self.link_is_down or self.state is ProgressState.SNAPSHOT:
            return False
        return len(self._inflight) < (self._inflight_max if self.state is ProgressState.REPLICATE else 1)

    @property
    def inflight_count(self) -> int:
        """Appends under way."""
        return len(self._inflight)

    def sent(self, last_index: LogIndex, round_number: int) -> None:
        """Note that an append up to `last_index` left."""
        self._inflight.append((last_index, round_number))
        if self.state is ProgressState.REPLICATE:
            self.next_index = LogIndex(last_index + 1)

    def acknowledged(self, match_index: LogIndex) -> bool:
        """Note that the follower stores everything up to `match_index`; say whether that is news."""
        while self._inflight and self._inflight[0][0] <= match_index:
            self._inflight.popleft()
        if match_index <= self.match_index:
            return False
        self.match_index = match_index
        if self.next_index <= match_index:
            self.next_index = LogIndex(match_index + 1)
        if self.state is not ProgressState.REPLICATE:
            # The search is over: what follows the match is known, wherever the search stood.
            self.state = ProgressState.REPLICATE
            self.next_index = LogIndex(match_index + 1)
        return True

    def is_stale_rejection(self, prev_index: LogIndex) -> bool:
        """Say whether a rejection of an append behind `prev_index` answers an older search."""
        if prev_index <= self.match_index:
            return True
        return self.state is not ProgressState.REPLICATE and prev_index != self.next_index - 1

    def probe_from(self, next_index: LogIndex) -> None:
        """Search from `next_index`, but never below what the follower is known to store."""
        self.state = ProgressState.PROBE
        self.next_index = LogIndex(max(next_index, self.match_index + 1))
        self._inflight.clear()

    def heartbeat_answered(self, round_number: int, accepted_index: LogIndex) -> None:
        """Note the answer to a round; if an append sent before that round did not arrive, search again."""
        self.link_is_down = False
        self.round_acked = max(self.round_acked, round_number)
        if not self._inflight:
            return
        last_index, sent_round = self._inflight[0]
        if sent_round < round_number and accepted_index < last_index:
            searching = self.state is ProgressState.PROBE
            self.probe_from(LogIndex(max(accepted_index + 1, self.next_index if searching else 0)))

    def disconnected(self) -> None:
        """Note that the link dropped: what was under way may be lost; send no more before the next answer."""
        self.link_is_down = True
        if self.state is ProgressState.SNAPSHOT:
            return
        self.probe_from(self.next_index if self.state is ProgressState.PROBE else LogIndex(self.match_index + 1))

    @property
    def is_recovering(self) -> bool:
        """Whether nothing that the follower stores may be counted."""
        return self.recovery_id != 0

    def recovers(self, recovery_id: int) -> bool:
        """Note which recovery the follower is in, 0 for none; True if that is news. One that begins matches nothing."""
        if recovery_id == self.recovery_id:
            return False
        self.recovery_id = recovery_id
        if recovery_id:
            self.match_index = LogIndex(0)
            # Behind the last entry there would be nothing to probe with.
            self.probe_from(LogIndex(self.next_index - 1))
        return True

    def needs_snapshot(self) -> None:
        """Note that the log no longer keeps what this follower needs."""
        self.state = ProgressState.SNAPSHOT
        self._inflight.clear()

    def follow_round(self, last_index: LogIndex, now_ns: int, timeout_ns: int) -> None:
        """End the learner's round if it stores what the round began with; the next one ends at `last_index`."""
        if self.match_index >= self._round_target:
            self._round_is_short = now_ns - self._round_begin_ns < timeout_ns
            self._round_target = last_index
            self._round_begin_ns = now_ns

    def has_caught_up(self, now_ns: int, timeout_ns: int) -> bool:
        """Say whether a learner could be a voter; see the head of this module."""
        return self._round_is_short and now_ns - self._round_begin_ns < timeout_ns
