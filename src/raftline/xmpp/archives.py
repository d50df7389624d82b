"""What an archive is to those who ask it (xeps/xep_0313_mam.py): of an account, or of an entity at another host."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from raftline.base.ids import Position
from raftline.machine.queries import Query


class Filters(NamedTuple):
    """The form of a query, read."""

    contact: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    after: Position | None = None
    before: Position | None = None
    positions: tuple[Position, ...] = ()
    text: str | None = None


class Archive(Protocol):
    """An archive that can be asked."""

    @property
    def jid(self) -> str:
        """Its address."""

    def page(self, filters: Filters, *, backward: bool, limit: int) -> Query:
        """Make the question for a page; its answer is a `Page`."""

    def ends(self) -> Query:
        """Make the question for the first and the last row."""
