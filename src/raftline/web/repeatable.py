"""
Chance that a repeated request draws again, at whichever node: for what is told once, in the answer to its request.

A token or a secret goes into the log as a digest at most, so nobody could tell it to a client that missed the answer
and repeats its request under the same `Idempotency-Key`. Therefore it is made from the request's key and the
administrator's token, which all nodes have and nobody else. Without an `Idempotency-Key` the key itself is chance.
"""

from __future__ import annotations

from hashlib import blake2b


def repeatable(key: bytes, secret: str, purpose: bytes, size: int) -> bytes:
    """
    Return bytes that nobody can foresee who does not know the secret.

    Args:
        key: What makes the request one.
        secret: The administrator's token.
        purpose: At most 16 bytes; the same key for another purpose gives other bytes.
        size: In bytes, at most 64.
    """
    return blake2b(key, digest_size=size, key=blake2b(secret.encode()).digest(), person=purpose).digest()
