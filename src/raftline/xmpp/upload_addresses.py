"""Addresses of uploaded files (XEP-0363): `/upload/TOKEN/NAME` on every node."""

from __future__ import annotations

from typing import Final

from raftline.base.limits import UPLOAD_TOKEN_SIZE

UPLOAD_PATH: Final = "/upload/"
METADATA_QUERY: Final = "metadata"
THUMBNAIL_QUERY: Final = "thumbnail"
"""What is asked for beside a file, as the query of its address."""

_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def upload_path(token: bytes, name: str) -> str:
    """Return the path of a file's address; what is no plain character is percent-encoded (RFC 3986 section 2.1)."""
    return f"{UPLOAD_PATH}{token.hex()}/{percent_encoded(name)}"


def percent_encoded(text: str) -> str:
    """Encode what is not unreserved in a URI (RFC 3986 section 2.3), as UTF-8."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())


def token_of(text: str) -> bytes | None:
    """Return the token of an address from its digits; None for what is none."""
    try:
        token = bytes.fromhex(text)
    except ValueError:
        return None
    return token if len(token) == UPLOAD_TOKEN_SIZE and token.hex() == text else None
