"""
Which picture an account announces (XEP-0084), since presence carries its hash (XEP-0398 section 4).

The picture itself lives at the two nodes of XEP-0084, whether a client published it there or put it into a card
(cards.py). Publishing metadata announces it; what ends is announced no longer.
"""

from __future__ import annotations

import re
from typing import Final

from raftline.machine import presence
from raftline.machine.business.contact import is_number
from raftline.machine.context import Context
from raftline.machine.pubsub.photos import replace_photo
from raftline.machine.pubsub.tables import Avatar, Node
from raftline.machine.records import Account, Presence

DATA_NODE: Final = "urn:xmpp:avatar:data"
METADATA_NODE: Final = "urn:xmpp:avatar:metadata"

_DIGEST: Final = re.compile(r"[0-9a-f]{40}", re.ASCII)


def change(context: Context, account: Account, digest: str) -> None:
    """
    Announce another picture, or none, and show available sessions, and the number of a business, with its hash.

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
    if is_number(context, account):
        presence.show_number(context, account)


def item_went(context: Context, account: Account, node: Node, item_id: str = "") -> None:
    """
    Take note that an item of a node went, or all: the picture that it announced is announced no longer.

    Args:
        node: As it is after that.
        item_id: Empty for all.
    """
    if node.node != METADATA_NODE:
        return
    row = context.pubsub.avatars.get(account.account_id)
    if row is not None and (not node.item_count or item_id == row.digest):
        change(context, account, "")
