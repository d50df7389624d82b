"""
Slow mode (XEP-0500): a time that everybody but admins and owners lets pass between two messages to a room.

It is counted by the time in the log, for an account, whatever its nicknames and devices. What has text counts, and what
may have some inside (an encrypted message, a file): chat states, markers and reactions without a body do not. So does a
correction, by which one could say something new.

A message that is refused is as if it had never been sent: its origin id stays unknown, so that it can be sent again.
One that comes a second time, because its sender does not know that it arrived, is known by then, and not refused.
"""

from __future__ import annotations

from raftline.machine.context import Context
from raftline.machine.conversations.payloads import Kind, content_of
from raftline.machine.outcomes import Rejected
from raftline.machine.rooms.door_tables import RoomTurn
from raftline.machine.rooms.doors import DOORS_NAMESPACE
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.tables import Occupant


def is_paced(occupant: Occupant, stanza: bytes) -> bool:
    """Whether a message has to wait for its turn."""
    if occupant.affiliation >= Affiliation.ADMIN:
        return False
    content = content_of(stanza)
    return bool(content.body) or content.kind is not Kind.OTHER


def check_turn(context: Context, occupant: Occupant, pace_s: int) -> Rejected | None:
    """Return for how long an occupant has to wait, if so; nothing is written, as that is asked by who is in a hurry."""
    former = context.doors.turns.get((occupant.room_id, occupant.account_id))
    wait_ms = 0 if former is None else former.time_ms + 1000 * pace_s - context.time_ms
    if wait_ms <= 0:
        return None
    wait_s = -(-wait_ms // 1000)
    return Rejected(
        "policy-violation",
        "wait",
        f"In this room {pace_s} seconds pass between two messages of yours. Try again in {wait_s} seconds.",
        f"{{{DOORS_NAMESPACE}}}slow-mode remaining={wait_s}",
    )


def note_turn(context: Context, occupant: Occupant) -> None:
    """Note that an occupant speaks."""
    row = RoomTurn(occupant.room_id, occupant.account_id, context.position, context.time_ms)
    context.doors.turns.put((occupant.room_id, occupant.account_id), row)
