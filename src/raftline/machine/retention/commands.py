"""The command of retention; see machine/commands.py."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from raftline.machine.tables import NATURAL


class RetentionLimit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    How long one kind of thing is kept.

    Attributes:
        kind: One of `rules.KINDS`.
        age_ms: Between RETENTION_AGE_MIN_MS and RETENTION_AGE_MAX_MS; 0 for no limit.
    """

    kind: str
    age_ms: Annotated[int, NATURAL]


class SetRetention(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=191):
    """
    Set limits; kinds that are not named stay as they are. Idempotent. Machine version 3.

    Refused with `bad-request` for a kind that is none or a time that is too short or too long; then nothing is set.
    """

    limits: tuple[RetentionLimit, ...]


ACTIONS: Final = (SetRetention,)
