"""Questions that an export asks beside those of clients; see machine/queries.py."""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import Position
from raftline.machine.queries import ArchiveRow, Query


class PrivateElementsOf(Query, frozen=True, array_like=True, tag=143):
    """Answer: `tuple[PrivateElement, ...]`, all of an account's private storage, by name."""

    localpart: str


class RequestsOf(Query, frozen=True, array_like=True, tag=144):
    """Answer: `tuple[bytes, ...]`, subscription requests that an account has not answered, by contact."""

    localpart: str


class OfflinePage(Query, frozen=True, array_like=True, tag=145):
    """
    Answer: `tuple[OfflineRow, ...]`, messages that wait for an account, in the order they came.

    Attributes:
        after: Those behind this position.
        limit: At most so many, and one at least while there are any; fewer when they are large.
    """

    localpart: str
    after: Position = Position(0)
    limit: int = 100


class OfflineRow(NamedTuple):
    """A message that waits; `is_archived` says that the account's archive has it too."""

    row: ArchiveRow
    is_archived: bool
