"""
Avatars of accounts: one picture, whether a client published it (XEP-0084) or put it into a card (XEP-0398 section 3).

The picture lives at the two nodes of XEP-0084; the card is given it when it is asked for. What is kept here is which
picture is announced, since presence carries its hash.
"""

from __future__ import annotations

import re
from typing import Final

from raftline.machine import presence
from raftline.machine.context import Context
from raftline.machine.outcomes import Rejected
from raftline.machine.pubsub import items
from raftline.machine.pubsub.commands import NodeOptions, Photo
from raftline.machine.pubsub.photos import replace_photo
from raftline.machine.pubsub.tables import Avatar
from raftline.machine.records import Account, Presence

DATA_NODE: Final = "urn:xmpp:avatar:data"
METADATA_NODE: Final = "urn:xmpp:avatar:metadata"

_DIGEST: Final = re.compile(r"[0-9a-f]{40}", re.ASCII)
_OPEN: Final = NodeOptions(access_model="open")
"""Nodes that a card makes are open, as the card is (xmpp/xeps/xep_0054_vcard.py)."""


def change(context: Context, account: Account, digest: str) -> None:
    """
    Announce another picture, or none, and show available sessions with its hash.

    Args:
        digest: Hexadecimal; anything else is none, since presence could not carry it.
    """
    if not _DIGEST.fullmatch(digest):
        digest = ""
    avatars = context.pubsub.avatars
    row = avatars.get(account.account_id)
    if digest == ("" if row is None else row.digest):
        return
    if digest:
        avatars.put(account.account_id, Avatar(account.account_id, digest))
    else:
        avatars.delete(account.account_id)
    for session, shown in context.session_index.available(account.account_id):
        stanza = replace_photo(shown.stanza, digest)
        if stanza != shown.stanza:
            context.presences.put(session.session_id, Presence(session.session_id, shown.priority, stanza))
            presence.show_again(context, session, stanza)


def publish_photo(context: Context, account: Account, photo: Photo) -> Rejected | None:
    """Publish the picture of a card as the account's avatar, if it is another one; return why it cannot be, or None."""
    row = context.pubsub.avatars.get(account.account_id)
    if row is not None and row.digest == photo.digest:
        return None
    if photo.digest:
        refusal = items.publish_item(context, account, DATA_NODE, photo.digest, photo.data, options=_OPEN)
        if refusal is not None:
            return refusal
    elif row is None:
        return None
    refusal = items.publish_item(
        context, account, METADATA_NODE, photo.digest or "current", photo.metadata, options=_OPEN
    )
    if refusal is None:
        change(context, account, photo.digest)
    return refusal
