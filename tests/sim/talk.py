"""
What is said in the one room of a world, and whether everyone heard it.

A message to a room is stored once, whoever is there; what each session is owed is computed from where it entered. So
what is looked for here are gaps, repeats and another order in what a single session hears:

- what it hears for the first time lies behind all that it heard before;
- between where it entered and the last thing it heard, it heard everything that the room's archive has;
- at the end, who is inside has heard everything since it entered.

At the end, on every node: what was acknowledged is in the archive exactly once, what was not at most once, under the
stanza id that was heard, and the messages of one device stand in the order in which they were meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from raftline.base.ids import Position
from raftline.machine.rooms.commands import ConfigureRoom, EnterRoom, LeaveRoom, SpeakInRoom
from raftline.machine.rooms.events import RoomMessageArrived
from raftline.machine.rooms.settings import RoomSettings
from sim.scheduler import Scheduler

ROOM: Final = "den"
_SERIAL: Final = re.compile(rb"<body>r(\d+)</body>")


@dataclass(eq=False)
class Said:
    """One thing that a device said to the room; fields as in promises.Message."""

    serial: int
    device: str
    is_acknowledged: bool = False
    is_refused: bool = False
    is_uncertain: bool = False
    positions: set[Position] = field(default_factory=set)


@dataclass(eq=False)
class Hearing:
    """
    What one session of a device hears.

    Attributes:
        entered: Where it came into the room, each time, in order.
        is_inside: It has not left since.
        is_entering: The last that it sent of its comings and goings is a coming, which may be under way still. What it
            is told of an earlier coming, it may be told after it has sent that it goes.
    """

    device: str
    entered: list[Position] = field(default_factory=list)
    heard: dict[Position, int] = field(default_factory=dict)
    is_inside: bool = False
    is_entering: bool = False

    def enters(self) -> None:
        """The device sends that it comes."""
        self.is_entering = True

    def leaves(self) -> None:
        """The device sends that it goes, or its coming was refused."""
        self.is_inside = self.is_entering = False


class Talk:
    """
    The room of one world.

    Attributes:
        is_open: It is known to be open, and so persistent. One that is not goes with its maker, and all that was said
            in it, so nothing is said before.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.is_open = False
        self.said: dict[int, Said] = {}
        self.hearings: list[Hearing] = []

    def says(self, device: str) -> Said:
        """A device is about to say something."""
        said = Said(len(self.said) + 1, device)
        self.said[said.serial] = said
        return said

    def listens(self, device: str) -> Hearing:
        """A session of a device begins."""
        hearing = Hearing(device)
        self.hearings.append(hearing)
        return hearing

    def acknowledged(self, said: Said) -> None:
        """It is safe."""
        said.is_acknowledged = not said.is_refused

    def refused(self, said: Said) -> None:
        """It had no effect."""
        said.is_refused = not said.is_uncertain
        if said.is_acknowledged:
            self._scheduler.fail("refused what was acknowledged", said)

    def hears(self, hearing: Hearing, event: RoomMessageArrived) -> None:
        """A session is told something by the room."""
        position = event.position
        found = _SERIAL.search(event.stanza)
        if found is None:  # the subject, which tells where it came in
            if position not in hearing.entered:
                if hearing.entered and position < hearing.entered[-1]:
                    self._scheduler.fail("entered out of order", hearing.device, position)
                hearing.entered.append(position)
                hearing.is_inside = hearing.is_entering
            return
        serial = int(found[1])
        said = self.said[serial]
        said.positions.add(position)
        if len(said.positions) > 1:
            self._scheduler.fail("said under two stanza ids", said)
        if event.delivered not in {0, position}:
            return  # history
        if position not in hearing.heard and hearing.heard and position < max(hearing.heard):
            self._scheduler.fail("heard too late", hearing.device, position, serial)
        hearing.heard[position] = serial

    def unheard(self, hearings: list[Hearing]) -> list[Position]:
        """Return what those who are inside have yet to hear, as far as anybody has heard it."""
        known = [position for said in self.said.values() for position in said.positions]
        return [
            position
            for hearing in hearings
            if hearing.is_inside
            for position in known
            if position > hearing.entered[-1] and position not in hearing.heard
        ]

    # At the end

    def check(self, node_id: int, rows: list[tuple[Position, int]], present: list[Hearing]) -> None:
        """Compare with the room's archive that one node has, in log order; `present` are those who go on hearing."""
        fail = self._scheduler.fail
        kept = dict(rows)
        places: dict[int, list[Position]] = {}
        for position, serial in rows:
            places.setdefault(serial, []).append(position)
        for said in self.said.values():
            found = places.get(said.serial, [])
            if len(found) > 1:
                fail("said twice", node_id, said, found)
            if said.is_acknowledged and not found:
                fail("what was said is lost", node_id, said)
            if said.is_refused and found:
                fail("what was refused was said", node_id, said)
            if not said.positions <= set(found):
                fail("heard under another stanza id than the archive has", node_id, said, found)
        by_device: dict[str, list[Position]] = {}
        for said in self.said.values():
            by_device.setdefault(said.device, []).extend(places.get(said.serial, []))
        for device, positions in by_device.items():
            if any(before >= after for before, after in pairwise(positions)):
                fail("said out of order", node_id, device)
        for hearing in self.hearings:
            self._check_gaps(node_id, hearing, kept, goes_on=hearing in present)

    def _check_gaps(self, node_id: int, hearing: Hearing, kept: dict[Position, int], *, goes_on: bool) -> None:
        for number, entered in enumerate(hearing.entered):
            is_last = number + 1 == len(hearing.entered)
            end = Position(1 << 62) if is_last else hearing.entered[number + 1]
            heard = {position for position in hearing.heard if entered < position < end}
            last = end if goes_on and is_last and hearing.is_inside else max(heard, default=entered)
            missed = [position for position in kept if entered < position <= last and position not in heard]
            if missed:
                self._scheduler.fail("a gap in what was heard", node_id, hearing.device, entered, missed[:5])


def enter_action(device: str) -> EnterRoom:
    """Enter under a nickname of the device's own."""
    return EnterRoom(ROOM, device, b"", joins=True, secret=b"simulated", history_count=5)


def open_action() -> ConfigureRoom:
    """Open the room, as whoever made it may."""
    return ConfigureRoom(ROOM, RoomSettings(persistent=True))


def leave_action() -> LeaveRoom:
    """Leave."""
    return LeaveRoom(ROOM, b"")


def speak_action(said: Said) -> SpeakInRoom:
    """Say something; its origin id is its serial number."""
    stanza = f"<message type='groupchat'><body>r{said.serial}</body></message>".encode()
    return SpeakInRoom(ROOM, stanza, False, True, f"room-{said.serial}", b"%08d" % said.serial)


def serial_in(stanza: bytes) -> int:
    """Return the serial number of something that was said."""
    found = _SERIAL.search(stanza)
    assert found is not None, stanza
    return int(found[1])
