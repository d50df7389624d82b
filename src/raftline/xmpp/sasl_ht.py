"""
Hashed tokens, the SASL mechanisms HT-SHA-256-* (draft-ietf-kitten-sasl-ht), which a client of XEP-0484 logs in by.

    client                                            server
    user NUL HMAC(token, "Initiator" + channel) ──>   read_initial, find_proven
    HMAC(token, "Responder" + channel)          <──   Proof.answer

`channel` is the data of the channel binding that the mechanism names; with -NONE there is none. Then both messages are
known when the token is issued, so a digest of the first and the second itself are all that is kept, and who reads them
cannot log in. With a binding they depend on the certificate of the node that is asked, so the token must be kept.

The draft revokes a token with its first use; XEP-0484 section 3.5 says when instead.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from raftline.machine.queries import KnownToken
from raftline.xmpp.sasl import MESSAGE_BYTES_MAX, SASLFailed, prepared_name

HT_BINDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {"HT-SHA-256-ENDP": "tls-server-end-point", "HT-SHA-256-NONE": ""}
)
"""
Mechanisms and the channel binding each has, the preferred one first. There is no -EXPR and no -UNIQ: Python's TLS tells
no exporter, and what it tells as tls-unique is another thing in TLS 1.3 (RFC 9266).
"""

TOKEN_BYTES: Final = 32
"""Of chance in a token; the draft asks for 16 at least."""

_HASH: Final = "sha256"


class KeptToken(NamedTuple):
    """What is kept of a token; see the head of this module."""

    verifier: bytes
    answer: bytes


class Proof(NamedTuple):
    """The token that a client proved to have, and what proves to the client that we know it too."""

    token: KnownToken
    answer: bytes


def make_token(chance: bytes) -> str:
    """Write a token made of `TOKEN_BYTES` of chance."""
    return urlsafe_b64encode(chance).decode().rstrip("=")


def keep_token(mechanism: str, token: str) -> KeptToken:
    """Return what is to be kept of a token."""
    key = token.encode()
    if HT_BINDINGS[mechanism]:
        return KeptToken(key, b"")
    first = hmac.digest(key, b"Initiator", _HASH)
    return KeptToken(hashlib.sha256(first).digest(), hmac.digest(key, b"Responder", _HASH))


def read_initial(data: bytes) -> tuple[str, bytes]:
    """
    Read the client's message: the prepared name, and the hashed token.

    Raises:
        SASLFailed: `malformed-request`.
    """
    name, separator, hashed = data.partition(b"\0")
    if not (name and separator and hashed) or len(data) > MESSAGE_BYTES_MAX:
        raise SASLFailed("malformed-request")
    try:
        return prepared_name(name.decode()), hashed
    except UnicodeDecodeError as error:
        raise SASLFailed("malformed-request") from error


def find_proven(mechanism: str, hashed: bytes, known: Iterable[KnownToken], channel: bytes) -> Proof:
    """
    Find the token that was proved; one of another mechanism is none.

    Raises:
        SASLFailed: `not-authorized`, or `credentials-expired` for one that was good once.
    """
    is_bound = bool(HT_BINDINGS[mechanism])
    for token in known:
        if token.mechanism != mechanism:
            continue
        if is_bound:
            expected, given = hmac.digest(token.verifier, b"Initiator" + channel, _HASH), hashed
            answer = hmac.digest(token.verifier, b"Responder" + channel, _HASH)
        else:
            expected, given, answer = token.verifier, hashlib.sha256(hashed).digest(), token.answer
        if hmac.compare_digest(expected, given):
            if token.is_expired:
                raise SASLFailed("credentials-expired", "The token is too old.")
            return Proof(token, answer)
    raise SASLFailed("not-authorized")
