"""What a leader knows of one follower."""

from __future__ import annotations

import pytest

from raftline.base.ids import LogIndex, NodeId
from raftline.raft.progress import Progress, ProgressState


def progress(next_index: int = 10, *, match_index: int = 0) -> Progress:
    found = Progress(NodeId(2), LogIndex(next_index), inflight_max=2, now_ns=0)
    if match_index:
        found.acknowledged(LogIndex(match_index))
    return found


class TestProbe:
    """PROBE: one append under way, `next_index` stays."""

    def test_one_append_at_a_time(self) -> None:
        """The window closes with one append and does not move `next_index`."""
        found = progress()
        assert found.window_is_open
        found.sent(LogIndex(12), 1)
        assert not found.window_is_open
        assert found.next_index == 10

    def test_acknowledgement_starts_to_replicate(self) -> None:
        """The first acknowledgement ends the search."""
        found = progress()
        found.sent(LogIndex(12), 1)
        assert found.acknowledged(LogIndex(12))
        assert (found.state, found.next_index, found.inflight_count) == (ProgressState.REPLICATE, 13, 0)

    def test_acknowledgement_below_the_search_tells_where_to_go_on(self) -> None:
        """What follows the match is sent next, wherever the search stood."""
        found = progress()
        found.sent(LogIndex(12), 1)
        assert found.acknowledged(LogIndex(5))
        assert (found.state, found.next_index) == (ProgressState.REPLICATE, 6)

    def test_rejection_of_another_append_is_stale(self) -> None:
        """Only the rejection of the append under way moves the search."""
        found = progress()
        assert found.is_stale_rejection(LogIndex(8))
        assert not found.is_stale_rejection(LogIndex(9))

    def test_lost_probe_is_repeated(self) -> None:
        """The answer to a later round without the entries opens the window; to the same round it does not."""
        found = progress()
        found.sent(LogIndex(12), 5)
        found.heartbeat_answered(5, LogIndex(0))
        assert not found.window_is_open
        found.heartbeat_answered(6, LogIndex(0))
        assert found.window_is_open
        assert found.next_index == 10


class TestReplicate:
    """REPLICATE: `next_index` moves with each append."""

    def test_window_is_bounded(self) -> None:
        """Two appends may be under way; each acknowledgement frees those it covers."""
        found = progress(match_index=9)
        found.sent(LogIndex(12), 1)
        found.sent(LogIndex(15), 1)
        assert (found.next_index, found.window_is_open) == (16, False)
        found.acknowledged(LogIndex(12))
        assert found.window_is_open
        found.acknowledged(LogIndex(15))
        assert found.inflight_count == 0

    def test_late_acknowledgement_changes_nothing(self) -> None:
        """The match index never falls."""
        found = progress(match_index=9)
        assert not found.acknowledged(LogIndex(4))
        assert found.match_index == 9

    def test_accepted_append_is_not_lost(self) -> None:
        """A follower that accepted the append and waits for its disk keeps the window."""
        found = progress(match_index=9)
        found.sent(LogIndex(12), 1)
        found.heartbeat_answered(2, LogIndex(12))
        assert (found.state, found.inflight_count) == (ProgressState.REPLICATE, 1)

    def test_lost_append_is_searched_from_what_arrived(self) -> None:
        """The search starts behind what the follower accepted."""
        found = progress(match_index=9)
        found.sent(LogIndex(12), 1)
        found.sent(LogIndex(15), 1)
        found.heartbeat_answered(2, LogIndex(11))
        assert (found.state, found.next_index) == (ProgressState.PROBE, 12)

    def test_search_never_goes_below_the_match(self) -> None:
        """What is known to be stored is not sent again."""
        found = progress(match_index=9)
        found.probe_from(LogIndex(3))
        assert found.next_index == 10
        assert found.is_stale_rejection(LogIndex(9))


@pytest.mark.parametrize("match_index", [0, 9])
def test_disconnect_closes_the_window_until_the_follower_is_heard(match_index: int) -> None:
    """After a disconnect nothing is sent before the next answer."""
    found = progress(match_index=match_index)
    found.sent(LogIndex(12), 1)
    found.disconnected()
    assert not found.window_is_open
    found.heartbeat_answered(2, LogIndex(match_index))
    assert (found.window_is_open, found.next_index, found.inflight_count) == (True, 10, 0)


def test_snapshot_is_left_by_an_acknowledgement_alone() -> None:
    """A follower that needs a snapshot is sent no entries until it stores more by other means."""
    found = progress()
    found.needs_snapshot()
    found.heartbeat_answered(1, LogIndex(0))
    found.disconnected()
    found.heartbeat_answered(2, LogIndex(0))
    assert (found.state, found.window_is_open) == (ProgressState.SNAPSHOT, False)
    found.acknowledged(LogIndex(40))
    assert (found.state, found.next_index) == (ProgressState.REPLICATE, 41)


class TestCatchUp:
    """Thesis 4.2.1: a learner catches up in rounds."""

    def test_one_short_round_is_enough(self) -> None:
        """A round that took less than the timeout counts, as long as the next one has not taken longer."""
        found = progress(10)
        found.follow_round(LogIndex(9), 50, 100)
        assert not found.has_caught_up(50, 100)
        found.acknowledged(LogIndex(9))
        found.follow_round(LogIndex(30), 60, 100)
        assert found.has_caught_up(159, 100)
        assert not found.has_caught_up(160, 100)

    def test_first_round_is_the_whole_log_at_its_beginning(self) -> None:
        """One entry less does not end it, however short it was."""
        found = progress(10)
        found.acknowledged(LogIndex(8))
        found.follow_round(LogIndex(9), 50, 100)
        assert not found.has_caught_up(50, 100)

    def test_long_round_does_not_count(self) -> None:
        """What took long is followed by another round, which may be short."""
        found = progress(10)
        found.acknowledged(LogIndex(9))
        found.follow_round(LogIndex(30), 100, 100)
        assert not found.has_caught_up(100, 100)
        found.acknowledged(LogIndex(29))
        found.follow_round(LogIndex(40), 150, 100)
        assert not found.has_caught_up(150, 100)
        found.acknowledged(LogIndex(30))
        found.follow_round(LogIndex(40), 160, 100)
        assert found.has_caught_up(160, 100)
