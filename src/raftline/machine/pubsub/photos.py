"""
The hash of an account's avatar, as presence carries it (XEP-0398 section 4, XEP-0153 section 3).

A presence that says nothing of a picture is kept, and shown, with the hash behind its other children, always in the
same bytes, so that it can be found there and replaced. One that carries a hash of its own, or says that there is no
picture, is left alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raftline.machine.versions import FEATURES_SINCE

if TYPE_CHECKING:
    from raftline.base.ids import AccountId
    from raftline.machine.context import Context

PHOTO_NAMESPACE: Final = "vcard-temp:x:update"

_MARK: Final = PHOTO_NAMESPACE.encode()
_ADDED: Final = re.compile(rb"<x xmlns='vcard-temp:x:update'><photo>[0-9a-f]{40}</photo></x></presence>$")


def digest_of(context: Context, account_id: AccountId) -> str:
    """Return the hash of the picture that an account announces; empty for none."""
    row = context.pubsub.avatars.get(account_id) if context.machine_version >= FEATURES_SINCE else None
    return "" if row is None else row.digest


def replace_photo(stanza: bytes, digest: str) -> bytes:
    """Return an available presence with this hash, in place of one that was added before. Arguments as below."""
    found = _ADDED.search(stanza)
    return add_photo(stanza if found is None else b"%b</presence>" % stanza[: found.start()], digest)


def add_photo(stanza: bytes, digest: str) -> bytes:
    """
    Return an available presence with this hash, unless it speaks of a picture itself.

    Args:
        stanza: As in commands.SetPresence.
        digest: Hexadecimal; empty to have none.
    """
    if not digest or _MARK in stanza:
        return stanza
    head = b"%b>" % stanza[:-2] if stanza.endswith(b"/>") else stanza[: -len(b"</presence>")]
    return b"%b</presence>" % add_update(head, digest)


def add_update(content: bytes, digest: str) -> bytes:
    """Return what is inside an available presence with this hash behind it, unless it speaks of a picture itself."""
    if not digest or _MARK in content:
        return content
    return b"%b<x xmlns='vcard-temp:x:update'><photo>%b</photo></x>" % (content, digest.encode())
