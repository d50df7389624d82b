"""The index of durable entries against a plain list."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from raftline.base.ids import LogIndex, Term
from raftline.wal.index import Batch, EntryIndex, Truncation
from wal.log_model import entry

changes = st.one_of(
    st.tuples(st.just("batch"), st.integers(1, 5), st.integers(0, 2)),
    st.tuples(st.just("cut"), st.integers(1, 6), st.just(0)),
    st.tuples(st.just("segment"), st.just(0), st.just(0)),
    st.tuples(st.just("trim"), st.integers(0, 3), st.just(0)),
)


@settings(max_examples=300, deadline=None)
@given(changes=st.lists(changes, max_size=30), recent_bytes_max=st.integers(0, 200), is_live=st.booleans())
def test_index_equals_a_list(changes, recent_bytes_max, is_live):
    """Terms, places and recent entries agree with a list of (entry, place), after batches, cuts and trims."""
    index = EntryIndex(LogIndex(0), Term(0), recent_bytes_max=recent_bytes_max)
    entries: list = []  # (entry, (segment, offset)) from 1
    base = 0
    sequence, offset, term = 1, 4096, 1
    for kind, count, step in changes:
        if kind == "batch":
            term += step
            batch = [entry(len(entries) + 1 + place, term, b"x" * (place * 9)) for place in range(count)]
            entries.extend((one, (sequence, offset)) for one in batch)
            if is_live:
                index.publish([Batch(batch, sequence, offset)])
            else:
                index.add(batch[0].index, [one.term for one in batch], sequence, offset)
            offset += 8
        elif kind == "cut":
            last = max(base, len(entries) - count)
            if last < len(entries):
                del entries[last:]
                last_term = term_in(entries, last, index)
                if is_live:
                    index.publish([Truncation(LogIndex(last), Term(last_term))])
                else:
                    index.truncate(LogIndex(last), Term(last_term))
        elif kind == "segment":
            sequence, offset = sequence + 1, 4096
        else:
            upto = max(1, sequence - count)
            kept = [one.index for one, place in entries if place[0] >= upto and one.index > base]
            index.trim(upto)
            base = kept[0] - 1 if kept else len(entries)
        compare(index, entries, base)


def term_in(entries: list, last: int, index: EntryIndex) -> int:
    if last == index.base_index:
        return index.term_at(LogIndex(last)) or 0
    return entries[last - 1][0].term


def compare(index: EntryIndex, entries: list, base: int) -> None:
    assert (index.base_index, index.first_index, index.last_index) == (base, base + 1, len(entries))
    for one, (sequence, offset) in entries[base:]:
        assert index.term_at(one.index) == one.term
        place = index.place_of(one.index)
        assert place is not None
        assert (place.sequence, place.offset) == (sequence, offset)
        assert place.first_index <= one.index <= place.last_index
        recent = index.recent(one.index, index.last_index, 1 << 20)
        assert recent is None or recent == [kept for kept, _ in entries[one.index - 1 :]]
    assert index.term_at(LogIndex(base)) == (entries[base - 1][0].term if base else 0)
    for unknown in (base - 1, len(entries) + 1):
        assert unknown == base or index.term_at(LogIndex(unknown)) is None
        assert index.place_of(LogIndex(unknown)) is None
    assert index.recent(LogIndex(len(entries) + 1), LogIndex(len(entries) + 1), 10) is None


def test_one_entry_of_a_run_may_be_left():
    """A trim that leaves the last entry of a run of terms keeps its term, and that of the base."""
    index = EntryIndex(LogIndex(0), Term(0), recent_bytes_max=0)
    for sequence, (first_index, term) in enumerate([(1, 4), (2, 4), (3, 4), (4, 9)], start=1):
        index.add(LogIndex(first_index), [Term(term)], sequence, 4096)
    index.trim(3)
    assert (index.base_index, index.last_index) == (2, 4)
    assert [index.term_at(LogIndex(number)) for number in range(1, 6)] == [None, 4, 4, 9, None]
    index.trim(4)
    assert [index.term_at(LogIndex(number)) for number in range(1, 6)] == [None, None, 4, 9, None]


def test_recent_entries_stay_within_their_bytes():
    """Memory holds the newest entries up to the bound, and exactly those."""
    index = EntryIndex(LogIndex(0), Term(0), recent_bytes_max=100)
    for number in range(1, 21):
        index.publish([Batch([entry(number, 1, b"x" * 30)], 1, 4096 + 8 * number)])
    assert index.recent(LogIndex(17), LogIndex(20), 1000) is None
    assert [one.index for one in index.recent(LogIndex(18), LogIndex(20), 1000) or []] == [18, 19, 20]
    for payload_bytes, is_kept in ((100, True), (101, False)):
        index = EntryIndex(LogIndex(0), Term(0), recent_bytes_max=100)
        index.publish([Batch([entry(1, 1, bytes(payload_bytes))], 1, 4096)])
        assert (index.recent(LogIndex(1), LogIndex(1), 1000) is not None) is is_kept


def test_recent_entries_are_cut_after_bytes_but_never_before_the_first():
    """The bound counts payload bytes and lets one entry through in any case."""
    index = EntryIndex(LogIndex(0), Term(0), recent_bytes_max=1000)
    index.publish([Batch([entry(number, 1, b"x" * 10) for number in (1, 2, 3)], 1, 4096)])
    for bytes_max, count in ((0, 1), (19, 1), (20, 2), (30, 3)):
        assert len(index.recent(LogIndex(1), LogIndex(3), bytes_max) or []) == count


def test_log_with_removed_segments_may_be_cut_below_its_start():
    """While such a log is read, a truncation below its base moves the base: what follows replaces the rest."""
    index = EntryIndex(LogIndex(100), Term(5), recent_bytes_max=0)
    index.truncate(LogIndex(89), Term(4))
    index.add(LogIndex(90), [Term(6)], 2, 4096)
    assert (index.first_index, index.last_index) == (90, 90)
    assert (index.term_at(LogIndex(89)), index.term_at(LogIndex(90))) == (4, 6)
