"""The picture of a card, published as the account's avatar (XEP-0398 section 3.2)."""

from __future__ import annotations

from typing import Final

from raftline.machine.context import Context
from raftline.machine.outcomes import Rejected
from raftline.machine.pubsub import avatars, items
from raftline.machine.pubsub.avatars import DATA_NODE, METADATA_NODE
from raftline.machine.pubsub.commands import NodeOptions, Photo
from raftline.machine.records import Account

_OPEN: Final = NodeOptions(access_model="open")
"""Nodes that a card makes are open, as the card is (xmpp/xeps/xep_0054_vcard.py)."""


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
        avatars.change(context, account, photo.digest)
    return refusal
