"""The checks find what they are for: promises broken by hand, one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from raftline.base.ids import LogIndex, NodeId, Position, Term
from raftline.machine.rooms.events import RoomMessageArrived
from raftline.raft.membership import Membership, membership_of_voters
from raftline.raft.messages import Entry, EntryKind
from raftline.raft.node import Role
from raftline.wal.rounds import WriteJob
from sim.checkers import Checkers
from sim.histories import Histories
from sim.promises import Archived, Promises
from sim.scheduler import Scheduler
from sim.talk import Hearing, Talk

NODES = [NodeId(1), NodeId(2), NodeId(3)]


def entry(index: int, term: int = 1, payload: bytes = b"x") -> Entry:
    return Entry(LogIndex(index), Term(term), EntryKind.DATA, payload)


@dataclass
class Core:
    """What the checkers read of a core."""

    term: int = 1
    commit_index: int = 0
    role: Role = Role.FOLLOWER
    base_index: int = 0
    membership: Membership = field(default_factory=lambda: membership_of_voters(NODES))
    terms: tuple[int, ...] = ()

    def membership_at(self, index: int) -> Membership:
        return self.membership

    def term_at(self, index: int) -> int | None:
        return self.terms[index - 1] if 0 < index <= len(self.terms) else None


class EmptyLog:
    """The log of a node that begins."""

    first_index, last_index = LogIndex(1), LogIndex(0)

    def term_at(self, index: LogIndex) -> Term | None:
        return None


class Cluster:
    """Checkers that have seen three nodes begin."""

    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.checkers = Checkers(self.scheduler)
        for node_id in NODES:
            self.checkers.life_began(node_id, EmptyLog(), LogIndex(0))  # type: ignore[arg-type]

    def wrote(self, *entries: Entry, nodes: tuple[int, ...] = (1, 2, 3)) -> None:
        for number in nodes:
            self.checkers.wrote(NodeId(number), [WriteJob(1, None, list(entries), 0, None)])

    def begins_anew(self, node: int) -> None:
        empty = EmptyLog()
        self.checkers.life_began(NodeId(node), empty, LogIndex(0), is_recovering=True)  # type: ignore[arg-type]

    def delivered(self, node: int, *entries: Entry, core: Core | None = None) -> None:
        self.checkers.delivered(NodeId(node), core or Core(), list(entries))  # type: ignore[arg-type]

    def elected(self, node: int, term: int, terms: tuple[int, ...] = ()) -> None:
        self.checkers.stepped(NodeId(node), Core(term=term, role=Role.LEADER, terms=terms))  # type: ignore[arg-type]

    @property
    def found(self) -> str:
        return str(self.scheduler.violation or "")


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


class TestNodes:
    """Between nodes."""

    def test_nothing_is_found_where_nothing_is_wrong(self, cluster: Cluster) -> None:
        """Entries that all have, delivered in order, and a leader for each term."""
        cluster.elected(1, 1)
        cluster.wrote(entry(1), entry(2))
        for node in (1, 2, 3):
            cluster.delivered(node, entry(1), entry(2))
            cluster.checkers.applied(NodeId(node), LogIndex(2), b"state", b"chain")
        cluster.elected(2, 2, terms=(1, 1))
        cluster.checkers.barrier_passed(NodeId(3), LogIndex(2), cluster.checkers.delivered_max)
        assert cluster.found == ""
        assert cluster.checkers.election_count == 2

    def test_two_leaders_in_a_term(self, cluster: Cluster) -> None:
        """Election safety."""
        cluster.elected(1, 1)
        cluster.elected(2, 1)
        assert "two leaders" in cluster.found

    def test_an_entry_that_a_minority_has(self, cluster: Cluster) -> None:
        """Commit needs a durable majority."""
        cluster.wrote(entry(1), nodes=(1,))
        cluster.delivered(1, entry(1))
        assert "durable majority" in cluster.found

    def test_a_majority_of_either_membership(self, cluster: Cluster) -> None:
        """While the membership changes a leader may have counted by the one at the entry, or by a later one."""
        cluster.wrote(entry(1), nodes=(1,))
        cluster.delivered(1, entry(1), core=Core(membership=membership_of_voters([NodeId(1)])))
        assert cluster.found == ""

    def test_an_entry_that_this_node_has_not(self, cluster: Cluster) -> None:
        """A node applies only what its own disk has."""
        cluster.wrote(entry(1), nodes=(1, 2))
        cluster.delivered(3, entry(1))
        assert "before it was durable here" in cluster.found

    def test_an_entry_that_was_overwritten_counts_no_more(self, cluster: Cluster) -> None:
        """What a log has is what was written last."""
        cluster.wrote(entry(1, 1))
        cluster.wrote(entry(1, 2), nodes=(2, 3))
        cluster.delivered(1, entry(1, 1))
        assert "durable majority" in cluster.found

    def test_what_a_damaged_node_had_counts_until_it_is_repaired(self, cluster: Cluster) -> None:
        """Its acknowledgement may be under way; but then the entry must be back before it is a node like others."""
        cluster.wrote(entry(1), nodes=(1, 2))
        cluster.begins_anew(2)
        cluster.delivered(1, entry(1))
        assert cluster.found == ""
        cluster.checkers.repaired(NodeId(2))
        assert "repaired without an entry" in cluster.found

    def test_a_repaired_node_has_it_back(self, cluster: Cluster) -> None:
        """After that it counts with what its log has, as everybody does."""
        cluster.wrote(entry(1), nodes=(1, 2))
        cluster.begins_anew(2)
        cluster.delivered(1, entry(1))
        cluster.wrote(entry(1), nodes=(2,))
        cluster.checkers.repaired(NodeId(2))
        assert cluster.found == ""
        cluster.wrote(entry(2), nodes=(1,))
        cluster.delivered(1, entry(2))
        assert "durable majority" in cluster.found

    @pytest.mark.parametrize("other", [entry(1, 2), entry(1, 1, b"y")], ids=["term", "payload"])
    def test_two_entries_at_an_index(self, cluster: Cluster, other: Entry) -> None:
        """What is committed never changes."""
        cluster.wrote(entry(1))
        cluster.delivered(1, entry(1))
        cluster.wrote(other)
        cluster.delivered(2, other)
        assert "not the same everywhere" in cluster.found

    def test_delivered_twice(self, cluster: Cluster) -> None:
        """Each entry once, in order."""
        cluster.wrote(entry(1))
        cluster.delivered(1, entry(1))
        cluster.delivered(1, entry(1))
        assert "out of order" in cluster.found

    def test_a_leader_that_lacks_a_committed_entry(self, cluster: Cluster) -> None:
        """Leader completeness."""
        cluster.wrote(entry(1))
        cluster.delivered(1, entry(1))
        cluster.elected(2, 2)
        assert "lacks a committed entry" in cluster.found

    def test_cursors_that_fall(self, cluster: Cluster) -> None:
        """Term and commit index only grow in one life."""
        cluster.checkers.stepped(NodeId(1), Core(term=3, commit_index=5))  # type: ignore[arg-type]
        cluster.checkers.stepped(NodeId(1), Core(term=3, commit_index=4))  # type: ignore[arg-type]
        assert "commit index fell" in cluster.found

    def test_replicas_that_differ(self, cluster: Cluster) -> None:
        """In state hash or entry chain, after the same entry."""
        cluster.checkers.applied(NodeId(1), LogIndex(1), b"state", b"chain")
        cluster.checkers.applied(NodeId(2), LogIndex(1), b"state", b"other")
        assert "replicas differ" in cluster.found

    def test_a_stale_barrier(self, cluster: Cluster) -> None:
        """A barrier covers what anybody had delivered before."""
        cluster.checkers.barrier_passed(NodeId(1), LogIndex(4), LogIndex(5))
        assert "stale read" in cluster.found


class Messages:
    """Promises about some messages from alice to bob."""

    def __init__(self, count: int = 2, *, is_strict: bool = True) -> None:
        self.scheduler = Scheduler()
        self.promises = Promises(self.scheduler)
        self.messages = [self.promises.meant("alice/phone", "alice", "bob", is_strict=is_strict) for _ in range(count)]

    def check(
        self,
        alice: list[int],
        bob: list[int],
        *,
        retracted: tuple[int, ...] = (),
        gone: tuple[int, ...] = (),
        age_ms: int = 0,
    ) -> str:
        """Compare with archives that hold these serial numbers, at these places; some of them without their text."""
        archives = {
            name: [
                Archived(Position(place), serial, serial in retracted, serial in gone, age_ms)
                for place, serial in enumerate(serials, start=100)
                if serial
            ]
            for name, serials in (("alice", alice), ("bob", bob))
        }
        self.promises.check_archives(1, archives)
        return str(self.scheduler.violation or "")


class TestMessages:
    """Between what clients were told and what archives hold."""

    def test_kept_promises(self) -> None:
        """Both are there, in order; a third that nobody knows of may be missing."""
        said = Messages(3)
        for message in said.messages[:2]:
            said.promises.acknowledged(message)
        assert said.check([1, 2], [1, 2]) == ""
        assert said.promises.undelivered({"bob"}) == said.messages[:2]
        said.promises.seen(1, Position(100), "bob")
        said.promises.seen(2, Position(101), "bob")
        said.promises.seen(2, Position(101), "bob")
        assert said.promises.undelivered({"bob"}) == []
        assert said.promises.delivered_count == 2

    def test_retracted(self) -> None:
        """What was taken back is there without its text, and nothing else is."""
        said = Messages(3)
        said.promises.seen(1, Position(100), "bob")
        assert said.promises.regretted("alice", "bob") is said.messages[0]
        assert said.promises.regretted("bob", "alice") is None
        said.messages[2].retracts = 1
        assert said.check([1, 2, 3], [1, 2, 3]) == "", "nobody knows whether the retraction arrived"
        said.promises.acknowledged(said.messages[2])
        assert said.check([1, 2, 3], [1, 2, 3], retracted=(1,)) == ""
        assert "has its text" in said.check([1, 2, 3], [1, 2, 3])

    def test_a_tombstone_of_nobody(self) -> None:
        """A message that nobody took back has its text."""
        assert "nobody asked for" in Messages().check([1, 2], [1, 2], retracted=(2,))

    @pytest.mark.parametrize(
        ("timer_s", "age_ms", "gone", "text"),
        [
            (1, 999, (), ""),
            (1, 1000, (1,), ""),
            (1, 999, (1,), "disappeared before its time"),
            (1, 1000, (), "there after its time"),
            (0, 9999, (), ""),
            (0, 9999, (1,), "disappeared before its time"),
        ],
    )
    def test_disappeared(self, timer_s: int, age_ms: int, gone: tuple[int, ...], text: str) -> None:
        """What was given a time is there until then, and without its text from then on."""
        said = Messages()
        said.messages[0].timer_s = timer_s
        found = said.check([1, 2], [1, 2], gone=gone, age_ms=age_ms)
        assert text in found
        assert bool(found) == bool(text)

    def test_taken_back_before_its_time(self) -> None:
        """A tombstone stays one."""
        said = Messages(3)
        said.messages[0].timer_s, said.messages[2].retracts = 1, 1
        said.promises.acknowledged(said.messages[2])
        assert said.check([1, 2, 3], [1, 2, 3], retracted=(1,), age_ms=1000) == ""

    def test_lost(self) -> None:
        """An acknowledged message is in both archives."""
        said = Messages()
        said.promises.acknowledged(said.messages[0])
        assert "lost" in said.check([0, 2], [0, 2])

    @pytest.mark.parametrize("archives", [([1, 2], [1, 0]), ([0, 2], [1, 2]), ([1, 2], [2, 1])])
    def test_in_one_archive_only(self, archives: tuple[list[int], list[int]]) -> None:
        """Or in both, under two stanza ids."""
        assert "both archives" in Messages().check(*archives)

    def test_doubled(self) -> None:
        """Nothing is there twice."""
        assert "doubled" in Messages().check([1, 2, 1], [1, 2, 1])

    def test_out_of_order(self) -> None:
        """What one device said in one conversation stands as it was meant."""
        assert "out of order" in Messages().check([2, 1], [2, 1])

    def test_meant_again_comes_later(self) -> None:
        """A message that was refused and is tried again takes its place behind."""
        said = Messages()
        said.promises.refused(said.messages[0])
        said.promises.meant_again(said.messages[0])
        assert said.check([2, 1], [2, 1]) == ""

    @pytest.mark.parametrize(("is_uncertain", "is_strict"), [(True, True), (False, False), (True, False)])
    def test_said_again_after_a_lost_session(self, is_uncertain: bool, is_strict: bool) -> None:
        """Only what a block list may have kept out before stands behind what was said later."""
        said = Messages()
        said.messages[0].is_uncertain, said.messages[0].is_strict = is_uncertain, is_strict
        assert bool(said.check([2, 1], [2, 1])) != (is_uncertain and not is_strict)

    def test_refused_and_kept(self) -> None:
        """Who was told that there was no effect finds none."""
        said = Messages()
        said.promises.refused(said.messages[0])
        assert "refused message was kept" in said.check([1, 2], [1, 2])

    def test_of_nobody(self) -> None:
        """An archive has nothing that nobody said."""
        assert "nobody sent" in Messages().check([1, 2, 9], [1, 2, 9])

    def test_two_stanza_ids(self) -> None:
        """A message has one, wherever it arrives."""
        said = Messages()
        said.promises.seen(1, Position(100), "bob")
        said.promises.seen(1, Position(101), "alice")
        assert "two stanza ids" in str(said.scheduler.violation)

    def test_another_stanza_id_than_was_seen(self) -> None:
        """The archive agrees with what arrived."""
        said = Messages()
        said.promises.seen(1, Position(7), "bob")
        assert "another stanza id" in said.check([1, 2], [1, 2])


def test_registers_are_checked_each_for_itself() -> None:
    """A stale read of one is found among the others; an attempt that had no effect is left out."""
    scheduler = Scheduler()
    histories = Histories(scheduler)
    for key in ("a:vcard", "b:vcard"):
        histories.end_set(histories.begin_set(key, b"1"))
        histories.void(histories.begin_set(key, b"2"))
        get = histories.begin_get(key)
        histories.end_get(get, b"1")
    histories.check()
    assert scheduler.violation is None
    histories.end_get(histories.begin_get("b:vcard"), None)
    histories.check()
    assert "b:vcard" in str(scheduler.violation)


class TestTalk:
    """What is said in a room: `Talk` finds each way to break it."""

    def told(self, position: int, serial: int | None, delivered: int = 0) -> RoomMessageArrived:
        """What the room tells a session; the subject without a serial number."""
        inner = b"<subject/>" if serial is None else b"<body>r%d</body>" % serial
        stanza = b"<message>%b</message>" % inner
        return RoomMessageArrived(NodeId(1), (), Position(position), stanza, "", None, Position(delivered))

    def world(self) -> tuple[Scheduler, Talk, Hearing]:
        """Three things that are said, and somebody who entered at 10."""
        scheduler = Scheduler()
        talk = Talk(scheduler)
        for _ in range(3):
            talk.says("alice/phone")
        hearing = talk.listens("bob/phone")
        hearing.enters()
        talk.hears(hearing, self.told(10, None, 10))
        return scheduler, talk, hearing

    def test_what_is_as_it_should_be(self) -> None:
        """History, live messages, a repeat after a resumption."""
        scheduler, talk, hearing = self.world()
        for told in (self.told(5, 1, 10), self.told(11, 2), self.told(12, 3), self.told(11, 2, 11)):
            talk.hears(hearing, told)
        talk.acknowledged(talk.said[2])
        talk.check(1, [(Position(5), 1), (Position(11), 2), (Position(12), 3)], [hearing])
        assert talk.unheard([hearing]) == []
        assert scheduler.violation is None

    def test_who_has_sent_that_it_goes_is_told_that_it_came(self) -> None:
        """It hears nothing more, which is no gap: its going is behind its coming."""
        scheduler, talk, hearing = self.world()
        hearing.enters()
        hearing.leaves()
        talk.hears(hearing, self.told(11, None, 11))
        talk.check(1, [(Position(12), 1)], [hearing])
        assert talk.unheard([hearing]) == []
        assert scheduler.violation is None

    @pytest.mark.parametrize(
        ("heard", "kept", "text"),
        [
            ([(12, 3), (11, 2)], [(11, 2), (12, 3)], "heard too late"),
            ([(11, 2), (12, 2)], [(11, 2)], "said under two stanza ids"),
            ([(12, 3)], [(11, 2), (12, 3)], "a gap in what was heard"),
            ([(11, 1)], [(11, 1), (12, 2)], "a gap in what was heard"),
            ([(11, 1)], [(13, 1)], "heard under another stanza id"),
            ([], [(11, 1), (12, 1)], "said twice"),
            ([(11, 2), (12, 1)], [(11, 2), (12, 1)], "said out of order"),
        ],
    )
    def test_what_is_not(self, heard: list[tuple[int, int]], kept: list[tuple[int, int]], text: str) -> None:
        """Gaps, repeats, another order."""
        scheduler, talk, hearing = self.world()
        for position, serial in heard:
            talk.hears(hearing, self.told(position, serial))
        talk.check(1, [(Position(position), serial) for position, serial in kept], [hearing])
        assert text in str(scheduler.violation)

    def test_what_was_acknowledged_and_refused(self) -> None:
        """The one is there, the other is not."""
        scheduler, talk, _hearing = self.world()
        talk.acknowledged(talk.said[1])
        talk.check(1, [], [])
        assert "what was said is lost" in str(scheduler.violation)
        scheduler, talk, _hearing = self.world()
        talk.refused(talk.said[1])
        talk.check(1, [(Position(9), 1)], [])
        assert "what was refused was said" in str(scheduler.violation)

    def test_who_is_inside_has_yet_to_hear(self) -> None:
        """What somebody else has heard since they entered."""
        _scheduler, talk, hearing = self.world()
        other = talk.listens("carol/phone")
        talk.hears(other, self.told(10, None, 10))
        talk.hears(other, self.told(11, 1))
        assert talk.unheard([hearing, other]) == [11]
