"""
Payload of a log entry: a batch of commands under the leader's time.

    ┌──────────┬────────────┬───────────┬─────────────────────────┬──────────────────┐
    │ version  │ time_ms    │ count     │ count × length          │ the commands     │
    │ u8       │ u64        │ u32       │ u32 each                │ one after other  │
    └──────────┴────────────┴───────────┴─────────────────────────┴──────────────────┘

All numbers are little-endian. The leader joins commands that arrived encoded; it decodes none of them. The same bytes
go to its disk, to its peers and to theirs.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from raftline.base.errors import RemoteProtocolError
from raftline.base.ids import POSITION_PLACE_COUNT_MAX

ENTRY_VERSION: Final = 1
ENTRY_COMMAND_COUNT_MAX: Final = 4096
assert ENTRY_COMMAND_COUNT_MAX <= POSITION_PLACE_COUNT_MAX

_HEADER: Final = struct.Struct("<BQI")


class EntryBatch(NamedTuple):
    """A decoded payload. `time_ms` is the leader's wall clock when it made the entry."""

    time_ms: int
    commands: list[bytes]


def encode_entry(time_ms: int, commands: Sequence[bytes]) -> bytes:
    """Join encoded commands into one payload."""
    assert 0 < len(commands) <= ENTRY_COMMAND_COUNT_MAX, len(commands)
    lengths = struct.pack(f"<{len(commands)}I", *map(len, commands))
    return b"".join((_HEADER.pack(ENTRY_VERSION, time_ms, len(commands)), lengths, *commands))


def entry_time_ms(payload: bytes) -> int:
    """
    Return the leader's time of an entry with commands.

    Raises:
        RemoteProtocolError: No correct leader wrote it.
    """
    try:
        return int(_HEADER.unpack_from(payload)[1])
    except struct.error as error:
        raise RemoteProtocolError("entry payload is cut short") from error


def decode_entry(payload: bytes) -> EntryBatch:
    """
    Split a payload into its commands.

    Raises:
        RemoteProtocolError: No correct leader wrote it.
    """
    try:
        version, time_ms, count = _HEADER.unpack_from(payload)
        if version != ENTRY_VERSION:
            raise RemoteProtocolError(f"entry payload of unknown version {version}")
        lengths = struct.unpack_from(f"<{count}I", payload, _HEADER.size)
    except struct.error as error:
        raise RemoteProtocolError("entry payload is cut short") from error
    offset = _HEADER.size + 4 * count
    if offset + sum(lengths) != len(payload):
        raise RemoteProtocolError("entry payload does not add up")
    commands = []
    for length in lengths:
        commands.append(payload[offset : offset + length])
        offset += length
    return EntryBatch(time_ms, commands)
