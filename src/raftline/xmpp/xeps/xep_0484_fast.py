"""
XEP-0484 Fast Authentication Streamlining Tokens: what is read and written.

A client that has logged in by other means asks for a token, which stands for its password from then on. Tokens are
replicated state (machine/login/tokens.py), so that they are good on every node, and are proved by the mechanisms of
sasl_ht.py. Data of TLS before its handshake is done (0-RTT) is not taken, so there is nothing to replay; a counter that
a client sends counts all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raftline.base.timestamps import format_timestamp
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import TRUE
from raftline.xmpp.sasl import SASLFailed

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

FAST_NAMESPACE: Final = "urn:xmpp:fast:0"
COUNT_MAX: Final = (1 << 31) - 1
CLIENT_DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class FastLogin:
    """
    How a client uses its token.

    Attributes:
        count: Its replay counter; None if it keeps none.
        invalidate: The token is to be good for nothing afterwards.
    """

    count: int | None
    invalidate: bool


def register(modules: Modules) -> None:
    """Declare the extension; inline_login.py offers it and puts it to work."""
    modules.declare(
        Declaration(
            number=484, title="Fast Authentication Streamlining Tokens", version="0.2.0", note="TLS 0-RTT is not taken."
        )
    )


def fast_feature(mechanisms: Iterable[str]) -> Element:
    """Make the inline feature (section 3.1)."""
    children: list[Element | str] = [Element("mechanism", FAST_NAMESPACE, {}, [name]) for name in mechanisms]
    return Element("fast", FAST_NAMESPACE, {}, children)


def parse_fast(element: Element) -> FastLogin:
    """
    Read `<fast/>` (sections 3.4, 3.6).

    Raises:
        SASLFailed: `malformed-request` for a counter that is none.
    """
    count = element.attributes.get("count")
    if count is not None and not (count.isascii() and count.isdigit() and len(count) <= 10 and int(count) <= COUNT_MAX):
        raise SASLFailed("malformed-request", "The counter of a token is a number.")
    return FastLogin(None if count is None else int(count), element.attributes.get("invalidate") in TRUE)


def client_digest(client_id: str) -> bytes:
    """Return what names a client installation in the replicated state."""
    return hashlib.blake2b(client_id.encode(), digest_size=CLIENT_DIGEST_BYTES).digest()


def token_element(token: str, expires_ms: int) -> Element:
    """Write a token that was issued (section 3.3)."""
    return Element("token", FAST_NAMESPACE, {"expiry": format_timestamp(expires_ms), "token": token})
