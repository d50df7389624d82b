"""The tables of what stands at the doors of rooms (doors.py, join_requests.py, pace.py)."""

from __future__ import annotations

from typing import Final

from raftline.machine.rooms.door_tables import JOIN_REQUEST, ROOM_TURN, JoinRequestRow, RoomTurn
from raftline.machine.rows import RowStore


class DoorState:
    """One for each machine."""

    def __init__(self, rows: RowStore) -> None:
        self.requests: Final = rows.table(JOIN_REQUEST, JoinRequestRow._make)
        self.turns: Final = rows.table(ROOM_TURN, RoomTurn._make)
