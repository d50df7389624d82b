"""
The two chains of hashes: over the log's entries, and over the state they made.

The *entry chain* covers the log: for each entry its term, index and time, and of each command a digest keyed with the
command's own random salt. Whoever holds the commands can verify it; once content and salt of a command are deleted,
its digest alone keeps the chain whole and tells nothing of what was said, since the salt was random.

The *state hash* covers what the entries did: every row change, and every outcome other than success. Two nodes with
the same index and the same state hash have written the same rows.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from typing import Final

from raftline.base.ids import LogIndex, Term

DIGEST_SIZE: Final = 32
CHAIN_START: Final = bytes(DIGEST_SIZE)
"""Head of either chain before the first entry."""

_ENTRY: Final = struct.Struct("<QQQI")
_KEY_SIZE_MAX: Final = hashlib.blake2b.MAX_KEY_SIZE


def command_digest(data: bytes, salt: bytes) -> bytes:
    """Return the digest under which the entry chain covers an encoded command."""
    return hashlib.blake2b(data, digest_size=DIGEST_SIZE, key=salt[:_KEY_SIZE_MAX], person=b"raftline-command").digest()


def extend_entry_chain(head: bytes, index: LogIndex, term: Term, time_ms: int, digests: list[bytes]) -> bytes:
    """Return the head of the entry chain after one more entry; an empty entry has time 0 and no digests."""
    block = b"".join((head, _ENTRY.pack(index, term, time_ms, len(digests)), *digests))
    return hashlib.blake2b(block, digest_size=DIGEST_SIZE, person=b"raftline-entries").digest()


def extend_state_hash(head: bytes, index: LogIndex, term: Term, journals: Iterable[bytes]) -> bytes:
    """Return the state hash after one more entry; `journals` are the encoded changes of its commands, in order."""
    block = b"".join((head, _ENTRY.pack(index, term, 0, 0), *journals))
    return hashlib.blake2b(block, digest_size=DIGEST_SIZE, person=b"raftline-state").digest()
