"""How far a user has read each conversation, for their other devices (XEP-0490)."""

from __future__ import annotations

from typing import Final

from raftline.machine.context import Context
from raftline.machine.outcomes import Rejected
from raftline.machine.pubsub import items
from raftline.machine.pubsub.bookmarks import PRIVATE_OPTIONS
from raftline.machine.records import Account

DISPLAYED_NODE: Final = "urn:xmpp:mds:displayed:0"


def note_displayed(context: Context, account: Account, conversation: str, payload: bytes) -> Rejected | None:
    """
    Publish what a message said of its conversation (section 3.2.3); return why it cannot be, or None.

    Args:
        conversation: The address that the message was sent to.
    """
    return items.publish_item(context, account, DISPLAYED_NODE, conversation, payload, options=PRIVATE_OPTIONS)
