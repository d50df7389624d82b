"""Commands on their way to a leader, with the leader's answers played by the test."""

from __future__ import annotations

from typing import Any, cast

import pytest

from raftline.base.errors import Busy, ConfigError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.cluster.config import Clocks, ClusterConfig, ClusterLimits, Peer
from raftline.cluster.forwarding import Forwarding
from raftline.cluster.frames import Frame, Proposals, Refusal
from raftline.cluster.proposals import Proposal
from raftline.machine.entry import decode_entry
from raftline.raft.node import Role

ONE, TWO, THREE = NodeId(1), NodeId(2), NodeId(3)


class FakeRaft:
    """What forwarding looks at."""

    def __init__(self) -> None:
        self.leader_id: NodeId | None = None
        self.term = Term(1)
        self.last_index = LogIndex(0)
        self.commit_index = LogIndex(0)
        self.payloads: list[bytes] = []
        self.is_busy = False

    @property
    def role(self) -> Role:
        return Role.LEADER if self.leader_id == ONE else Role.FOLLOWER

    def propose(self, payloads: list[bytes], _now_ns: int) -> None:
        if self.is_busy:
            raise Busy("handing over")
        self.payloads += payloads
        self.last_index = LogIndex(self.last_index + len(payloads))

    @property
    def entries(self) -> list[list[bytes]]:
        return [decode_entry(payload).commands for payload in self.payloads]


class FakeLinks:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[NodeId, Frame]] = []
        self.is_full = False

    def send(self, node_id: NodeId, frame: Frame, *, yields: bool = False) -> bool:
        if self.is_full:
            return False
        self.sent.append((node_id, frame))
        return True

    def take(self) -> list[tuple[NodeId, Frame]]:
        sent, self.sent = self.sent, []
        return sent


class Bench:
    """Forwarding of node one, and what is around it."""

    def __init__(self, **limits: int) -> None:
        self.raft = FakeRaft()
        self.links = FakeLinks()
        config = ClusterConfig(
            cluster_id="c",
            node_id=ONE,
            peers={node_id: Peer("host", 1, "") for node_id in (ONE, TWO, THREE)},
            listen_host="host",
            listen_port=1,
            limits=ClusterLimits(**limits),
        )
        clocks = Clocks(lambda: 0, lambda: 1000)
        self.forwarding = Forwarding(config, cast("Any", self.raft), cast("Any", self.links), clocks)
        self.now_ns = 0

    def add(self, *commands: bytes) -> None:
        pending = self.forwarding.pending
        for command in commands:
            pending.add(Proposal(pending.next_ticket(), command, self.now_ns, None))

    def turn(self, *, has_space: bool = True) -> None:
        self.forwarding.forward(self.now_ns)
        self.forwarding.make_entries(self.now_ns, has_space=has_space)

    def pass_time(self, milliseconds: int) -> None:
        self.now_ns += milliseconds * 1_000_000
        self.forwarding.keep_house(self.now_ns)
        self.turn()

    def sent_commands(self) -> list[bytes]:
        return [c for _, frame in self.links.take() if isinstance(frame, Proposals) for c in frame.commands]


class TestFollower:
    """Towards another node."""

    def test_kept_until_there_is_a_leader(self) -> None:
        """Without a leader nothing is sent; a new leader or term gets all that is unresolved, in order."""
        bench = Bench()
        bench.add(b"1", b"2")
        bench.turn()
        assert bench.links.take() == []
        bench.raft.leader_id = TWO
        bench.turn()
        ((receiver, frame),) = bench.links.take()
        assert receiver == TWO
        assert isinstance(frame, Proposals)
        assert (frame.term, frame.first_ticket, frame.commands) == (1, 1, [b"1", b"2"])
        bench.forwarding.pending.resolve(1)
        bench.add(b"3")
        bench.turn()
        assert bench.sent_commands() == [b"3"]
        bench.raft.term = Term(3)
        bench.turn()
        ((_, again),) = bench.links.take()
        assert isinstance(again, Proposals)
        assert (again.term, again.round > frame.round, again.commands) == (3, True, [b"2", b"3"])

    def test_a_full_link_keeps_the_order(self) -> None:
        """What a link does not take waits, is surely in no log, and goes first later."""
        bench = Bench()
        bench.raft.leader_id = TWO
        bench.links.is_full = True
        bench.add(b"1")
        bench.turn()
        bench.add(b"2")
        bench.links.is_full = False
        bench.turn()
        assert bench.sent_commands() == [b"1", b"2"]

    def test_a_busy_leader_gets_again_what_it_refused(self) -> None:
        """After a pause the round begins with the refused command; what it took is not sent twice."""
        bench = Bench()
        bench.raft.leader_id = TWO
        bench.add(b"1")
        bench.turn()
        bench.add(b"2")
        bench.turn()
        frames = [frame for _, frame in bench.links.take()]
        assert isinstance(frames[1], Proposals)
        refused_round = frames[1].round
        bench.forwarding.receive_refusal(Refusal(Term(1), refused_round, 2, busy=True), bench.now_ns)
        bench.add(b"3")
        bench.turn()
        assert bench.sent_commands() == [], "within the pause nothing overtakes"
        bench.pass_time(25)
        assert bench.sent_commands() == [b"2", b"3"]
        bench.forwarding.receive_refusal(Refusal(Term(1), refused_round, 2, busy=True), bench.now_ns)
        bench.pass_time(25)
        assert bench.sent_commands() == [], "a late refusal of an old round changes nothing"
        assert not bench.forwarding.pending.forget(1)

    def test_who_no_longer_leads_gets_everything_again(self) -> None:
        """A refusal that is not about load starts over from the oldest."""
        bench = Bench()
        bench.raft.leader_id = TWO
        bench.add(b"1")
        bench.turn()
        bench.add(b"2")
        bench.turn()
        bench.links.take()
        round_number = bench.forwarding.pending.round
        bench.forwarding.receive_refusal(Refusal(Term(2), round_number, 2, busy=False), bench.now_ns)
        bench.pass_time(25)
        assert bench.sent_commands() == [b"1", b"2"]

    def test_silence_is_not_trusted(self) -> None:
        """Without any outcome for long, everything is sent again; an outcome in between puts that off."""
        bench = Bench()
        bench.raft.leader_id = TWO
        bench.add(b"1", b"2", b"3")
        bench.turn()
        bench.links.take()
        bench.pass_time(0)
        bench.pass_time(4_900)
        bench.forwarding.pending.resolve(1)
        bench.pass_time(200)
        assert bench.sent_commands() == []
        bench.pass_time(5_000)
        assert bench.sent_commands() == [b"2", b"3"]


class TestLeader:
    """At the leader."""

    def test_what_gathers_becomes_one_entry(self) -> None:
        """At most two entries are under way; what arrives meanwhile is the next, own and others' in order."""
        bench = Bench()
        bench.raft.leader_id = ONE
        bench.add(b"1")
        bench.turn()
        bench.add(b"2")
        bench.turn()
        bench.add(b"3")
        bench.turn()
        bench.forwarding.receive_proposals(TWO, Proposals(Term(1), 1, 1, [b"a", b"b"]), has_space=True)
        bench.add(b"4")
        bench.turn()
        assert bench.raft.entries == [[b"1"], [b"2"]]
        bench.raft.commit_index = LogIndex(1)
        bench.turn()
        assert bench.raft.entries == [[b"1"], [b"2"], [b"3", b"a", b"b", b"4"]]

    def test_without_space_nothing_is_logged(self) -> None:
        """Own commands wait and are surely in no log; others' are refused as busy, once for a round."""
        bench = Bench()
        bench.raft.leader_id = ONE
        bench.add(b"1")
        bench.turn(has_space=False)
        bench.forwarding.receive_proposals(TWO, Proposals(Term(1), 1, 1, [b"a"]), has_space=False)
        bench.forwarding.receive_proposals(TWO, Proposals(Term(1), 1, 2, [b"b"]), has_space=True)
        assert bench.links.take() == [(TWO, Refusal(Term(1), 1, 1, busy=True))]
        assert bench.raft.entries == []
        bench.forwarding.receive_proposals(TWO, Proposals(Term(1), 2, 1, [b"a", b"b"]), has_space=True)
        bench.turn()
        assert bench.raft.entries == [[b"1", b"a", b"b"]]

    def test_a_full_queue_refuses(self) -> None:
        """Beyond the bound a follower is told to wait."""
        bench = Bench(queue_count_max=2)
        bench.raft.leader_id = ONE
        bench.raft.is_busy = True
        bench.forwarding.receive_proposals(TWO, Proposals(Term(1), 1, 1, [b"a", b"b"]), has_space=True)
        bench.forwarding.receive_proposals(THREE, Proposals(Term(1), 1, 1, [b"c"]), has_space=True)
        bench.turn()
        assert bench.links.take() == [(THREE, Refusal(Term(1), 1, 1, busy=True))]
        bench.raft.is_busy = False
        bench.turn()
        assert bench.raft.entries == [[b"a", b"b"]]

    def test_another_term(self) -> None:
        """Commands for another term of leadership are refused, and so is whoever asks a follower."""
        bench = Bench()
        bench.raft.leader_id = ONE
        bench.raft.term = Term(5)
        bench.forwarding.receive_proposals(TWO, Proposals(Term(4), 1, 1, [b"a"]), has_space=True)
        bench.raft.leader_id = TWO
        bench.forwarding.receive_proposals(THREE, Proposals(Term(5), 1, 1, [b"a"]), has_space=True)
        assert bench.links.take() == [
            (TWO, Refusal(Term(5), 1, 1, busy=False)),
            (THREE, Refusal(Term(5), 1, 1, busy=False)),
        ]

    def test_a_lost_leadership_tells_what_was_not_logged(self) -> None:
        """The queue is dropped with the term; its owners hear of it, and own commands go to the next leader."""
        bench = Bench()
        bench.raft.leader_id = ONE
        bench.raft.is_busy = True
        bench.turn()
        bench.add(b"own")
        bench.forwarding.receive_proposals(THREE, Proposals(Term(1), 6, 9, [b"a"]), has_space=True)
        bench.turn()
        bench.raft.leader_id, bench.raft.term = TWO, Term(2)
        bench.turn()
        sent = bench.links.take()
        assert sent[0] == (THREE, Refusal(Term(2), 6, 9, busy=False))
        assert [frame.commands for _, frame in sent[1:] if isinstance(frame, Proposals)] == [[b"own"]]
        assert len(bench.forwarding.queue) == 0


@pytest.mark.parametrize("commands", [0, 4_097])
def test_entry_bounds_are_checked(commands: int) -> None:
    """An entry of no command, or of more than the format holds, is refused with the path of the setting."""
    with pytest.raises(ConfigError) as refusal:
        Bench(entry_commands_max=commands)
    assert refusal.value.path == "cluster.entry_commands_max"
