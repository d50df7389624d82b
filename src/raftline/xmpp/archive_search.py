"""A search for words as a page of an archive (XEP-0431): asked for in parts, until the page is full."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from raftline.machine.history.answers import Found
from raftline.machine.history.queries import SearchArchive
from raftline.machine.queries import ArchivePage, Page
from raftline.xmpp.effects import Effect, ask

if TYPE_CHECKING:
    from raftline.machine.queries import ArchiveRow

SEARCH_NAMESPACE: Final = "urn:xmpp:fulltext:0"
SEARCH_FIELD: Final = f"{{{SEARCH_NAMESPACE}}}fulltext"


def search_page(page: ArchivePage, text: str) -> Generator[Effect, Any, Page]:
    """
    Return the page of those messages that contain all words of a text.

    Its `count` and `offset` are not those of the whole result, which would have to be found for that.
    """
    rows: list[ArchiveRow] = []
    step: ArchivePage | None = page
    while step is not None and len(rows) < page.limit:
        found = yield from ask(SearchArchive(step, text), Found)
        rows = found.rows + rows if page.backward else rows + found.rows
        step = _behind(page, found, page.limit - len(rows))
    return Page(rows, complete=step is None, count=len(rows), offset=0)


def _behind(page: ArchivePage, found: Found, limit: int) -> ArchivePage | None:
    if found.next is None:
        return None
    if page.backward:
        return msgspec.structs.replace(page, before=found.next, limit=limit)
    return msgspec.structs.replace(page, after=found.next, limit=limit)
