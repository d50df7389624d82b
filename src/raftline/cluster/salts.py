"""Salts for commands: random bytes nobody can guess, drawn in bulk, since each draw is a system call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

SALT_SIZE: Final = 16
_POOL_SIZE: Final = 256 * SALT_SIZE


class SaltPool:
    """
    Hands out salts.

    Args:
        entropy: Returns so many random bytes.
    """

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._salts = b""
        self._offset = 0

    def draw(self) -> bytes:
        """Return `SALT_SIZE` bytes never handed out before."""
        offset = self._offset
        if offset == len(self._salts):
            self._salts = self._entropy(_POOL_SIZE)
            offset = 0
        self._offset = offset + SALT_SIZE
        return self._salts[offset : offset + SALT_SIZE]
