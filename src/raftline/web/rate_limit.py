"""A bounded rate limit per client address: token buckets, the longest unused forgotten first. Pure; time is given."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

ADDRESS_COUNT_MAX: Final = 4_096
"""Addresses remembered at once; beyond it the one longest unused starts afresh."""

_MINUTE_NS: Final = 60_000_000_000


class RateLimit:
    """
    At most `per_minute` events a minute for each address, which may come all at once.

    Attributes:
        per_minute: Size of each bucket and tokens it gains in a minute.
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._step_ns = _MINUTE_NS // per_minute
        self._full_at_ns: OrderedDict[str, int] = OrderedDict()  # when the address's bucket will be full again

    def wait_ns(self, address: str, now_ns: int) -> int:
        """Take a token. Returns: 0 when one was taken, else how long until there is one; then none was taken."""
        full_at_ns = max(self._full_at_ns.get(address, now_ns), now_ns)
        wait_ns = full_at_ns + self._step_ns - now_ns - self._step_ns * self.per_minute
        if wait_ns > 0:
            return wait_ns
        self._full_at_ns[address] = full_at_ns + self._step_ns
        self._full_at_ns.move_to_end(address)
        if len(self._full_at_ns) > ADDRESS_COUNT_MAX:
            self._full_at_ns.popitem(last=False)
        return 0
