"""
Who is signed in at the console: signed values that every node can check and none has to keep. Pure.

The page keeps a *pass* in its memory and shows it as a bearer token, to any node: browsers add it to nothing by
themselves, so no other site's page can act for somebody who is signed in here. It is good for minutes and renewed
while the page is open, for at most half a day after the sign-in. So that a reload does not ask for a password, the
node that was signed in at sets a cookie as well, out of reach of scripts (HttpOnly) and of other sites (SameSite),
which is good for nothing but a new pass.

What is signed names the account and a digest of what the server keeps of its password, which is compared when a pass is
renewed: a new password, a lost right or a new token of the cluster ends all sessions within minutes, on all nodes, and
without a table of them anywhere. What cannot be done so is to end a pass at once; signing out forgets it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

import msgspec

from raftline.machine.commands import Credential

PASS_LIFETIME_MS: Final = 15 * 60 * 1000
LOGIN_LIFETIME_MS: Final = 12 * 60 * 60 * 1000

CLOCK_SKEW_MS_MAX: Final = 60_000
"""How far the clock of the node that signed may be ahead."""

TEXT_LENGTH_MAX: Final = 4_096
"""Of a signed value; a name has at most 1023 bytes (RFC 7622)."""

_NONCE_BYTES: Final = 16
_MAC_BYTES: Final = 32


class Login(msgspec.Struct, frozen=True, array_like=True):
    """
    Who signed in.

    Attributes:
        account: Localpart of an administrator; empty for whoever showed the cluster's token.
        since_ms, until_ms: Wall clock at the sign-in, and when this value ends.
        proof: Digest of what was kept of the account's password.
        is_cookie: Good for a pass, and for nothing else.
    """

    account: str
    since_ms: int
    until_ms: int
    proof: bytes
    is_cookie: bool
    nonce: bytes = b""


class Sessions:
    """
    Signs and checks.

    Args:
        key: Equal on all nodes, known to nobody outside; another one ends all sessions.
        wall_ms: The wall clock.
        entropy: Gives that many bytes of chance.
        is_administrator: Whether an account is, by the settings of this node.
    """

    def __init__(
        self,
        key: bytes,
        *,
        wall_ms: Callable[[], int],
        entropy: Callable[[int], bytes],
        is_administrator: Callable[[str], bool],
    ) -> None:
        self._key = blake2b(b"console sessions", key=key, digest_size=_MAC_BYTES).digest()
        self._wall_ms = wall_ms
        self._entropy = entropy
        self.is_administrator = is_administrator

    def proof_of(self, credential: Credential) -> bytes:
        """Return the digest by which a password is known again."""
        return blake2b(b"proof" + credential.stored_key, key=self._key, digest_size=16).digest()

    def begin(self, account: str, proof: bytes) -> Login:
        """Return what a sign-in gives: the content of the cookie."""
        now_ms = self._wall_ms()
        return Login(account, now_ms, now_ms + LOGIN_LIFETIME_MS, proof, is_cookie=True)

    def pass_of(self, login: Login) -> Login:
        """Return a new pass, which ends with the login at the latest."""
        until_ms = min(self._wall_ms() + PASS_LIFETIME_MS, login.since_ms + LOGIN_LIFETIME_MS)
        return msgspec.structs.replace(login, until_ms=until_ms, is_cookie=False)

    def rest_ms(self, login: Login) -> int:
        """Return how long it is good from now on."""
        return max(0, login.until_ms - self._wall_ms())

    def sign(self, login: Login) -> str:
        """Write it, so that any node can read it."""
        content = msgspec.msgpack.encode(msgspec.structs.replace(login, nonce=self._entropy(_NONCE_BYTES)))
        return base64.urlsafe_b64encode(self._mac(content) + content).decode().rstrip("=")

    def read(self, text: str) -> Login | None:
        """Return what was signed; None if it was not, is over, or is of somebody who is no administrator here."""
        if not text or len(text) > TEXT_LENGTH_MAX or not text.isascii():
            return None
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            return None
        content = data[_MAC_BYTES:]
        if not hmac.compare_digest(data[:_MAC_BYTES], self._mac(content)):
            return None
        login = msgspec.msgpack.decode(content, type=Login)
        now_ms = self._wall_ms()
        is_good = login.since_ms - CLOCK_SKEW_MS_MAX <= now_ms < login.until_ms
        return login if is_good and (not login.account or self.is_administrator(login.account)) else None

    def admits(self, text: str) -> bool:
        """Whether this is a pass that is good now."""
        return self.actor_of(text) != ""

    def actor_of(self, text: str) -> str:
        """Return who shows a pass: `console NAME`, `console` by the cluster's token; empty when it is not good now."""
        login = self.read(text)
        if login is None or login.is_cookie:
            return ""
        return f"console {login.account}" if login.account else "console"

    def _mac(self, content: bytes) -> bytes:
        return blake2b(content, key=self._key, digest_size=_MAC_BYTES).digest()
