"""
What clients were promised, and whether it was kept.

A message has a serial number, under which it is known to its sender, in archives and wherever it arrives. Its story:

    meant ──> acknowledged    `h` covers it, or a session that ended is known to have come so far: it is safe
         ├──> refused         an error came back: it is in no archive, unless it is sent again
         └──> nothing         nobody knows; it may be there, once

At the end, on every node: what was acknowledged is in both archives exactly once, what was not at most once; what
arrived anywhere has the stanza id that the archive has; and the messages of one sender in one conversation stand in the
order in which they were meant. What is taken back (XEP-0424) by a message that is safe has no text any more, and only
that; it is still there, under its stanza id, so it is not lost. The same holds for what was given a time (XEP-0466)
once that is over by cluster time, and not before. Devices acknowledge what they are given; so each
message that is safe must have reached a device of its recipient by the end, if all devices of that account use stream
management.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from raftline.base.ids import Position
from sim.scheduler import Scheduler


@dataclass
class Message:
    """
    One message.

    Attributes:
        order: Its place among what its sender meant to say; a new one when it was refused and is tried again.
        is_uncertain: It was sent in a session that was lost, so an error now does not say that it is nowhere.
        is_unordered: It was refused while that was so, and tried again: its place may be of before or of after.
        is_strict: Nothing but the order and faults of the system can keep it from both archives.
        retracts: Serial number of the message that it takes back; 0 for none.
        timer_s: Seconds after which its content is to be gone; 0 for never.
    """

    serial: int
    device: str
    sender: str
    recipient: str
    order: int
    is_strict: bool
    is_acknowledged: bool = False
    is_refused: bool = False
    is_uncertain: bool = False
    is_unordered: bool = False
    positions: set[Position] = field(default_factory=set)
    is_delivered: bool = False
    retracts: int = 0
    timer_s: int = 0

    @property
    def keeps_its_place(self) -> bool:
        """
        Whether it stands where it was meant.

        Not so when it may have been refused by a block list, of which the error was lost with its session: said again
        in the next one, it is taken, and stands behind what was said after the block.
        """
        return not self.is_unordered and (self.is_strict or not self.is_uncertain)


@dataclass
class Archived:
    """One row of an archive, as far as it matters here; `age_ms` by cluster time."""

    position: Position
    serial: int
    is_retracted: bool = False
    has_disappeared: bool = False
    age_ms: int = 0


class Promises:
    """
    The messages of one world.

    Attributes:
        messages: By serial number.
        acknowledged_count: Those that are safe; `retraction_count` are those of them that take another one back.
        disappeared_count: Archived messages that were found to have disappeared, on each node and side.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.messages: dict[int, Message] = {}
        self.acknowledged_count = 0
        self.retraction_count = 0
        self.disappeared_count = 0
        self.delivered_count = 0
        self._order = 0

    def meant(self, device: str, sender: str, recipient: str, *, is_strict: bool) -> Message:
        """A device is about to send a message."""
        self._order += 1
        serial = len(self.messages) + 1
        message = Message(serial, device, sender, recipient, self._order, is_strict)
        self.messages[serial] = message
        return message

    def meant_again(self, message: Message) -> None:
        """A device sends a message that was refused once more, after what it has said meanwhile."""
        self._order += 1
        message.order = self._order
        message.is_refused = False

    def acknowledged(self, message: Message) -> None:
        """The sender was told that a message is safe."""
        if not message.is_acknowledged and not message.is_refused:
            message.is_acknowledged = True
            self.acknowledged_count += 1
            self.retraction_count += message.retracts > 0

    def refused(self, message: Message) -> None:
        """The sender was told that a message had no effect."""
        message.is_refused = not message.is_uncertain
        message.is_unordered |= message.is_uncertain
        if message.is_acknowledged:
            self._scheduler.fail("refused what was acknowledged", message)

    def seen(self, serial: int, position: Position, account: str) -> None:
        """A device of an account was given a message under a position."""
        message = self.messages.get(serial)
        if message is None:
            self._scheduler.fail("a message that nobody sent", serial, position)
            return
        message.positions.add(position)
        if len(message.positions) > 1 and message.is_strict:
            self._scheduler.fail("a message under two stanza ids", message)
        if account == message.recipient and not message.is_delivered:
            message.is_delivered = True
            self.delivered_count += 1

    def regretted(self, sender: str, recipient: str) -> Message | None:
        """Return the last message in a conversation whose place in the log is known, so that it can be taken back."""
        for serial in range(len(self.messages), 0, -1):
            message = self.messages[serial]
            is_theirs = (message.sender, message.recipient) == (sender, recipient)
            if is_theirs and message.is_strict and message.positions and not message.retracts:
                return message
        return None

    # At the end

    def check_archives(self, node_id: int, archives: dict[str, list[Archived]]) -> None:
        """Compare with the archives that one node has, each in log order."""
        places: dict[str, dict[int, list[Position]]] = {}
        regretted = {message.retracts for message in self.messages.values()}
        for account, rows in archives.items():
            by_serial = places[account] = {}
            for row in rows:
                by_serial.setdefault(row.serial, []).append(row.position)
                if row.is_retracted and row.serial not in regretted:
                    self._scheduler.fail("a tombstone that nobody asked for", node_id, account, row)
                self._check_time(node_id, account, row)
            for serial, positions in by_serial.items():
                if serial not in self.messages:
                    self._scheduler.fail("an archive has what nobody sent", node_id, account, serial)
                elif len(positions) > 1 and not self._has_come_back(self.messages[serial], account):
                    self._scheduler.fail("doubled in an archive", node_id, account, self.messages[serial], positions)
        for message in self.messages.values():
            sent = places[message.sender].get(message.serial)
            received = places[message.recipient].get(message.serial)
            self._check_message(node_id, message, sent, received)
            if message.retracts and message.is_acknowledged and message.is_strict:
                self._check_retraction(node_id, message, archives)
        self._check_order(node_id, places)

    @staticmethod
    def _has_come_back(message: Message, account: str) -> bool:
        """
        Whether the archive is the sender's, and its recipient may have had it sent back.

        A message that came back may be tried again under the same origin id; the sender's archive has each attempt.
        """
        return not message.is_strict and account == message.sender

    def _check_message(
        self, node_id: int, message: Message, sent: list[Position] | None, received: list[Position] | None
    ) -> None:
        fail = self._scheduler.fail
        if not message.is_strict:
            return
        if sent != received:
            fail("not in both archives", node_id, message, sent, received)
        if message.is_acknowledged and not sent:
            fail("an acknowledged message is lost", node_id, message)
        if message.is_refused and sent:
            fail("a refused message was kept", node_id, message, sent)
        for positions in (sent, received):
            if positions and not message.positions <= set(positions):
                fail("the archive has another stanza id than a device", node_id, message, positions)

    def _check_time(self, node_id: int, account: str, row: Archived) -> None:
        """Compare what is left of a message with what its timer says; retractions may have come first."""
        message = self.messages.get(row.serial)
        timer_ms = 0 if message is None else 1000 * message.timer_s
        is_due = 0 < timer_ms <= row.age_ms
        self.disappeared_count += row.has_disappeared
        if row.has_disappeared and not is_due:
            self._scheduler.fail("a message disappeared before its time", node_id, account, message, row)
        if is_due and not row.has_disappeared and not row.is_retracted:
            self._scheduler.fail("a message is there after its time", node_id, account, message, row)

    def _check_retraction(self, node_id: int, message: Message, archives: dict[str, list[Archived]]) -> None:
        for account in (message.sender, message.recipient):
            for row in archives[account]:
                if row.serial == message.retracts and not row.is_retracted:
                    self._scheduler.fail("a retracted message has its text", node_id, account, message, row)

    def _check_order(self, node_id: int, places: dict[str, dict[int, list[Position]]]) -> None:
        conversations: dict[tuple[str, str], list[tuple[int, Position, int]]] = {}
        for message in self.messages.values():
            positions = places[message.sender].get(message.serial)
            if positions and message.keeps_its_place:
                talk = conversations.setdefault((message.device, message.recipient), [])
                talk.append((message.order, positions[0], message.serial))
        for conversation, talk in conversations.items():
            talk.sort()
            for (_, before, one), (_, after, two) in pairwise(talk):
                if before >= after:
                    self._scheduler.fail("out of order", node_id, conversation, one, two)

    def undelivered(self, accounts: set[str]) -> list[Message]:
        """Return what is safe and has reached no device of its recipient, for recipients among these."""
        return [
            message
            for message in self.messages.values()
            if message.is_acknowledged
            and message.is_strict
            and not message.is_delivered
            and message.recipient in accounts
        ]
