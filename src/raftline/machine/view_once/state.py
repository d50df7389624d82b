"""The tables of what is viewed once, as a context has them."""

from __future__ import annotations

from typing import Final

from raftline.machine.rows import RowStore
from raftline.machine.view_once.tables import SEALED, SEALED_OPENING, Sealed, SealedOpening


class SealedState:
    """What is sealed, by position, and openings."""

    __slots__ = ("contents", "openings")

    def __init__(self, rows: RowStore) -> None:
        self.contents: Final = rows.table(SEALED, Sealed._make)
        self.openings: Final = rows.table(SEALED_OPENING, SealedOpening._make)
