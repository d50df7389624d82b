"""
Live location: how often an account tells where it is (XEP-0080 over XEP-0163).

A device that shares its location publishes to one node, and ends by publishing an empty location (XEP-0080 section
4.1) or by retracting; if it falls silent instead, the item expires where the node is so configured (expiry.py). Each
update is a command on every node and goes to all contacts, so it is refused when it comes too soon after the one
before, by cluster time. An end is never refused: who wants to be seen no longer must not be told to wait.
"""

from __future__ import annotations

from typing import Final

from raftline.base.limits import LOCATION_INTERVAL_MIN_MS
from raftline.machine.context import Context
from raftline.machine.outcomes import Rejected
from raftline.machine.pubsub.tables import LocationUpdate
from raftline.machine.records import Account

LOCATION_NODE: Final = "http://jabber.org/protocol/geoloc"

_TOO_SOON: Final = Rejected(
    "resource-constraint", "wait", f"A location is updated every {LOCATION_INTERVAL_MIN_MS} ms at most."
)


def refusal_of_update(context: Context, account: Account, payload: bytes) -> Rejected | None:
    """Return why a location may not be published now, or None; an end, which is an empty element, always may."""
    if payload.count(b"<") <= 1:
        return None
    row = context.pubsub.location_updates.get(account.account_id)
    if row is not None and context.time_ms - row.time_ms < LOCATION_INTERVAL_MIN_MS:
        return _TOO_SOON
    return None


def note_update(context: Context, account: Account) -> None:
    """Remember when an account published its location last."""
    context.pubsub.location_updates.put(account.account_id, LocationUpdate(account.account_id, context.time_ms))
