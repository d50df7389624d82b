"""The rate limit per address."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raftline.web.rate_limit import ADDRESS_COUNT_MAX, RateLimit

MINUTE_NS = 60_000_000_000


@given(per_minute=st.integers(1, 20), pauses_ns=st.lists(st.integers(0, MINUTE_NS // 2), min_size=1, max_size=100))
def test_never_more_than_a_bucket_and_its_refill(per_minute: int, pauses_ns: list[int]) -> None:
    """In any minute at most twice the bucket passes, and a promised wait is enough."""
    limit = RateLimit(per_minute)
    now_ns, passed = 0, []
    for pause_ns in pauses_ns:
        now_ns += pause_ns
        wait_ns = limit.wait_ns("a", now_ns)
        if wait_ns:
            assert limit.wait_ns("a", now_ns + wait_ns - 1) > 0
        else:
            passed.append(now_ns)
        assert len([moment for moment in passed if moment > now_ns - MINUTE_NS]) <= 2 * per_minute
    final_ns = now_ns + limit.wait_ns("a", now_ns)
    assert final_ns == now_ns or limit.wait_ns("a", final_ns) == 0


def test_addresses_do_not_share_and_are_bounded() -> None:
    """One address at its limit leaves others alone; the longest unused is forgotten, not the memory filled."""
    limit = RateLimit(1)
    assert limit.wait_ns("a", 0) == 0
    assert limit.wait_ns("a", 0) == MINUTE_NS
    assert limit.wait_ns("b", 0) == 0
    for number in range(ADDRESS_COUNT_MAX):
        assert limit.wait_ns(f"other {number}", 0) == 0
    assert limit.wait_ns("a", 0) == 0
