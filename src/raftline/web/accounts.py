"""
Accounts over HTTP: names and passwords are prepared and checked here, credentials derived off the loop.

A password becomes SCRAM keys before it enters the log (RFC 5802 section 3). Deriving them takes milliseconds by design,
so the composition root hands in how it is done off the loop, with a bound on how many wait.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import blake2b

from raftline.base.errors import Refused
from raftline.machine.commands import Credential
from raftline.xmpp.jid import parse_jid

Derive = Callable[[str], Awaitable[tuple[Credential, ...]]]
"""Derives credentials off the loop; raises ValueError when the password cannot be prepared, Busy when too many wait."""

KEY_BYTES = 16


def prepare_username(username: str, domain: str) -> str:
    """
    Return the localpart as the log has it (RFC 7622 section 3.3).

    Raises:
        Refused: It is no localpart.
    """
    try:
        jid = parse_jid(f"{username}@{domain}")
    except ValueError as error:
        raise Refused("jid-malformed", "modify", f"{username!r} cannot be a user name: {error}") from error
    if not jid.local or jid.resource or jid.domain != domain:
        raise Refused("jid-malformed", "modify", f"{username!r} cannot be a user name.")
    return jid.local


async def derive(password: str, derive_credentials: Derive) -> tuple[Credential, ...]:
    """
    Derive credentials.

    Raises:
        Busy: Too many passwords wait already.
        Refused: The password is empty or has forbidden characters (RFC 8265 section 4.2).
    """
    if not password:
        raise Refused("not-acceptable", "modify", "The password is empty.")
    try:
        return await derive_credentials(password)
    except ValueError as error:
        raise Refused("not-acceptable", "modify", f"This password cannot be used: {error}") from error


def command_key(header: str | None, purpose: str, entropy: Callable[[int], bytes]) -> bytes:
    """
    Make the key under which a command happens at most once.

    Args:
        header: The client's `Idempotency-Key`; the same header for another purpose is another key.
        purpose: Method and path of the request.
        entropy: Draws a key when the client gave none.
    """
    if not header:
        return entropy(KEY_BYTES)
    return blake2b(f"{purpose}\n{header}".encode(), digest_size=KEY_BYTES).digest()
