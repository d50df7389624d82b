"""
The client's side of SCRAM (RFC 5802, RFC 7677), without channel binding.

Deriving a key takes a millisecond or more, thousands of times the rest of a login; a client that logs in again need not
do it (RFC 5802 section 3), so keys are kept by salt and iterations and the generator measures the server, not itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import NamedTuple

_HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}
_GS2_HEADER = "n,,"


class ScramError(Exception):
    """The server broke the protocol, or does not know the password either."""


class _Keys(NamedTuple):
    client: bytes
    stored: bytes
    server: bytes


class KeyCache:
    """Derived keys by mechanism, password, salt and iterations."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str, bytes, int], _Keys] = {}

    def keys(self, mechanism: str, password: str, salt: bytes, iterations: int) -> _Keys:
        """Derive, or remember."""
        place = (mechanism, password, salt, iterations)
        found = self._keys.get(place)
        if found is None:
            name = _HASHES[mechanism]
            salted = hashlib.pbkdf2_hmac(name, password.encode(), salt, iterations)
            client = hmac.digest(salted, b"Client Key", name)
            stored = hashlib.new(name, client).digest()
            found = self._keys[place] = _Keys(client, stored, hmac.digest(salted, b"Server Key", name))
        return found


class ScramExchange:
    """One login: `first()`, then `final(server_first)`, then `verify(server_final)`."""

    def __init__(self, mechanism: str, username: str, password: str, cache: KeyCache) -> None:
        self._mechanism = mechanism
        self._password = password
        self._cache = cache
        self._nonce = secrets.token_urlsafe(18)
        self._first_bare = f"n={username.replace('=', '=3D').replace(',', '=2C')},r={self._nonce}"
        self._server_signature = b""

    def first(self) -> bytes:
        """Return the client's first message."""
        return (_GS2_HEADER + self._first_bare).encode()

    def final(self, server_first: bytes) -> bytes:
        """
        Answer the server's first message.

        Raises:
            ScramError: It is not for this exchange.
        """
        text = server_first.decode()
        fields = _fields(text)
        if not fields.get("r", "").startswith(self._nonce):
            raise ScramError("the server answered with another nonce")
        keys = self._cache.keys(self._mechanism, self._password, base64.b64decode(fields["s"]), int(fields["i"]))
        without_proof = f"c={base64.b64encode(_GS2_HEADER.encode()).decode()},r={fields['r']}"
        signed = f"{self._first_bare},{text},{without_proof}".encode()
        name = _HASHES[self._mechanism]
        signature = hmac.digest(keys.stored, signed, name)
        proof = bytes(a ^ b for a, b in zip(keys.client, signature, strict=True))
        self._server_signature = hmac.digest(keys.server, signed, name)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, server_final: bytes) -> None:
        """
        Check the server's proof.

        Raises:
            ScramError: It does not know the password.
        """
        if base64.b64decode(_fields(server_final.decode()).get("v", "")) != self._server_signature:
            raise ScramError("the server's signature is wrong")


def _fields(message: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in message.split(","))
