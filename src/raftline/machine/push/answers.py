"""Answers to the questions of queries.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from raftline.base.ids import Position


class WaitingNotification(NamedTuple):
    """
    A notification and where it goes; fields as in tables.Notification and tables.Registration.

    Attributes:
        message: The message it is about, as in SendMessage; None if it was not asked for, or is gone.
    """

    position: Position
    registration_id: int
    node: str
    options: bytes
    message_count: int
    request_count: int
    sender: str
    message: bytes | None
