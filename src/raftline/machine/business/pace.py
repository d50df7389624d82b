"""
Limits of throughput, by cluster time: how much a number may send in a second, and to one person in a minute.

A generic cell rate algorithm: one time says all. A number that was silent may send its whole share at once; from then
on as much comes back as time passes. Without a limit nothing is written.

A row of a pair stays when nothing is sent any more, as the number's other rows of that person do; they go with it.
"""

from __future__ import annotations

from typing import Final

from raftline.machine.business.tables import Number, Pace
from raftline.machine.context import Context
from raftline.machine.outcomes import Rejected

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US

_TOO_MANY: Final = "policy-violation"
_OVER_NUMBER: Final = Rejected(_TOO_MANY, "wait", "The number has sent as much as it may in a second.", "number")
_OVER_PAIR: Final = Rejected(_TOO_MANY, "wait", "The person was sent as much as may be in a minute.", "pair")


def take_turn(context: Context, number: Number, peer_id: int) -> Rejected | None:
    """Let a number send one message to an address, or say why it has to wait; then nothing is written."""
    of_number = _next(context, number, 0, number.per_second, SECOND_US)
    if of_number is None and number.per_second:
        return _OVER_NUMBER
    of_pair = _next(context, number, peer_id, number.pair_per_minute, MINUTE_US)
    if of_pair is None and number.pair_per_minute:
        return _OVER_PAIR
    for row in (of_number, of_pair):
        if row is not None:
            context.business.paces.put(row[:2], row)
    return None


def _next(context: Context, number: Number, peer_id: int, count: int, period_us: int) -> Pace | None:
    """Return what one more message makes of a pace; None over the limit, or where there is none."""
    if not count:
        return None
    now_us = context.time_ms * 1000
    row = context.business.paces.get((number.account_id, peer_id))
    next_us = max(now_us, 0 if row is None else row.next_us) + period_us // count
    return None if next_us > now_us + period_us else Pace(number.account_id, peer_id, next_us)
