"""What a replicated table is, and what its columns can hold."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

NATURAL: Final = msgspec.Meta(ge=0, le=(1 << 63) - 1)
"""What SQLite can store: checked when a command is decoded, so that no row fails to be written later."""


class TableDefinition(NamedTuple):
    """
    One replicated table.

    Attributes:
        number: Names the table in the state hash; never used twice.
        columns: Names, the key's first.
        key_width: How many columns make the key.
        cached: Rows stay in memory once read.
    """

    number: int
    name: str
    columns: tuple[str, ...]
    key_width: int = 1
    cached: bool = False
