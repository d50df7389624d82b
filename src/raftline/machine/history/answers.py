"""Answers to the questions of queries.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from raftline.machine.history.commands import ArchivePolicy

if TYPE_CHECKING:
    from raftline.base.ids import AccountId, Position
    from raftline.machine.queries import ArchiveRow


class ArchivePreferences(NamedTuple):
    """What an account archives (XEP-0441); full and bare JIDs, sorted, none in both lists."""

    policy: ArchivePolicy
    always: tuple[str, ...]
    never: tuple[str, ...]


class SentMessages(NamedTuple):
    """
    Messages that may be the ones looked for, the last first.

    Attributes:
        next: Ask again for what lies before this position; None when there is nothing.
    """

    rows: list[ArchiveRow]
    next: Position | None


class Found(NamedTuple):
    """
    What one part of an archive holds of a search, in log order.

    Attributes:
        next: Ask again from here on: for what lies behind this position or, backward, before it. None when there is
            nothing.
    """

    rows: list[ArchiveRow]
    next: Position | None


class ReportRecord(NamedTuple):
    """
    A report for the operators (XEP-0377); see `tables.ReportRow`.

    Attributes:
        reporter: Name of the account that reported.
        excerpts: Of each message what its text begins with; empty where there is none, where it cannot be read, or
            where the reporter's archive does not have it.
    """

    position: Position
    number: int
    account_id: AccountId
    time_ms: int
    jid: str
    reason: str
    text: str
    messages: tuple[int, ...]
    consents: int
    closed_ms: int
    reporter: str
    excerpts: tuple[str, ...]
