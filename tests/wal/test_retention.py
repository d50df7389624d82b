"""How much of the log stays behind a checkpoint."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raftline.base.ids import LogIndex
from raftline.wal.retention import TRAILING_BYTES_MIN, LogExtent, trim_index

MEBIBYTE = 1 << 20


def extents(*sizes: int) -> list[LogExtent]:
    """Ten entries to a segment."""
    return [LogExtent(LogIndex(10 * place), size) for place, size in enumerate(sizes, start=1)]


def test_short_log_stays_whole() -> None:
    """With less than the least to keep, nothing goes."""
    assert trim_index([], LogIndex(5)) == 0
    assert trim_index(extents(63 * MEBIBYTE), LogIndex(10)) == 0
    assert trim_index(extents(50 * MEBIBYTE, 13 * MEBIBYTE), LogIndex(20)) == 0


def test_64_mebibytes_stay() -> None:
    """The segments behind the last 64 MiB go, those before the checkpoint only."""
    full = extents(*[TRAILING_BYTES_MIN] * 4)
    assert trim_index(full, LogIndex(40)) == 30
    assert trim_index(full, LogIndex(17)) == 17
    assert trim_index(extents(*[TRAILING_BYTES_MIN] * 3, 5), LogIndex(40)) == 20


def test_a_tenth_of_a_long_log_stays() -> None:
    """Of 20 segments of 64 MiB two stay."""
    assert trim_index(extents(*[TRAILING_BYTES_MIN] * 20), LogIndex(200)) == 180


@given(
    sizes=st.lists(st.integers(0, 200), max_size=8),
    checkpoint=st.integers(0, 90),
    least=st.integers(1, 300),
    share=st.floats(0, 1),
)
def test_enough_stays_and_no_segment_too_many(sizes: list[int], checkpoint: int, least: int, share: float) -> None:
    """What is kept reaches the bound, is not past the checkpoint, and one segment less would not do."""
    held = extents(*sizes)
    upto = trim_index(held, LogIndex(checkpoint), trailing_bytes_min=least, trailing_share=share)
    assert upto <= checkpoint
    bound = max(least, int(share * sum(sizes)))
    droppable = [place for place in range(len(held) - 1) if sum(sizes[place + 1 :]) >= bound]
    assert upto == min(max((10 * (place + 1) for place in droppable), default=0), checkpoint)
