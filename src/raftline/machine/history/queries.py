"""Questions about archives beside pages of them; see machine/queries.py."""

from __future__ import annotations

from raftline.base.ids import Position
from raftline.machine.queries import ArchivePage, Query


class ArchivePreferencesOf(Query, frozen=True, array_like=True, tag=85):
    """Answer: `ArchivePreferences` (XEP-0441); those of an account that never set any keep everything."""

    localpart: str


class FindSent(Query, frozen=True, array_like=True, tag=86):
    """
    Which messages of `author` in a conversation contain one of some bytes? Answer: `SentMessages`.

    One answer covers a part of the conversation, the last part first.

    Attributes:
        owner, contact: Whose archive, and the bare JID of the other side.
        author: A bare JID.
        needles: Bytes of the stanza, of which it has some.
        before: Look at what lies before; None begins at the end.
        waiting: Look at what the owner has not got yet instead, archived or not.
    """

    owner: str
    contact: str
    author: str
    needles: tuple[bytes, ...]
    before: Position | None = None
    waiting: bool = False


class SearchArchive(Query, frozen=True, array_like=True, tag=87):
    """
    Which messages of a page contain all words of a text (XEP-0431)? Answer: `Found`.

    One answer covers a part of the archive (history/search.py). To go on, ask for the page after `Found.next` or,
    backward, before it.
    """

    page: ArchivePage
    text: str


class ListReports(Query, frozen=True, array_like=True, tag=88):
    """
    Answer: `list[ReportRecord]`, the last first, at most `limit` (XEP-0377).

    Attributes:
        before: Position and number of a report: those that came before it.
        is_closed: Those alone that operators are done with, or are not; None for both.
    """

    before: tuple[Position, int] | None = None
    limit: int = 100
    is_closed: bool | None = None
