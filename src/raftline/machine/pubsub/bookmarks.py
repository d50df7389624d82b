"""
Bookmarks as one list, whichever form a client speaks (XEP-0402 section 5.4).

They are kept as items of one node, in the form of XEP-0402. What a client of the older form stores is taken apart:
rooms become items, those that are listed no more are retracted, those that did not change are left alone; whatever
else it stored stays in private storage. What it asks for is put together again by xmpp/xeps/xep_0402_bookmarks.py.
"""

from __future__ import annotations

from typing import Final

from raftline.base.limits import PUBSUB_ITEM_COUNT_MAX
from raftline.machine import private_storage
from raftline.machine.commands import PrivateElement, StorePrivate
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.pubsub import items
from raftline.machine.pubsub.commands import NodeOptions, StoreBookmarks
from raftline.machine.records import Session
from raftline.machine.rosters import account_of

BOOKMARKS_NODE: Final = "urn:xmpp:bookmarks:1"
STORAGE: Final = ("storage:bookmarks", "storage")
"""Namespace and name of the older form in private storage (XEP-0048 section 3)."""

PRIVATE_OPTIONS: Final = NodeOptions(
    access_model="whitelist", persist_items=True, max_items=0, send_last_published_item="never"
)
"""How a node is made that nobody else is to read (XEP-0223 section 3)."""


def store_bookmarks(context: Context, session: Session, action: StoreBookmarks) -> Outcome:
    """Replace all bookmarks; whoever wants to hear of them hears of each that changed."""
    account = account_of(context, session)
    wanted = {bookmark.room: bookmark.payload for bookmark in action.bookmarks}
    if action.first and context.pubsub.nodes.get(account.account_id, BOOKMARKS_NODE) is not None:
        payload = wanted.get(action.first, b"")
        published = items.publish_item(context, account, BOOKMARKS_NODE, action.first, payload, options=PRIVATE_OPTIONS)
        return published or Done()
    if len(wanted) > PUBSUB_ITEM_COUNT_MAX:
        return Rejected("resource-constraint", "cancel", f"At most {PUBSUB_ITEM_COUNT_MAX} bookmarks are kept.")
    mark = len(context.rows.journal)
    rest = StorePrivate((PrivateElement(*STORAGE, action.rest),))
    outcome = private_storage.store_private(context, session, rest)
    if isinstance(outcome, Rejected):
        return outcome
    sql = "SELECT item_id, payload FROM pubsub_item WHERE account_id = ? AND node = ? ORDER BY item_id"
    bindings = (account.account_id, BOOKMARKS_NODE)
    kept: dict[str, bytes] = dict(context.rows.select((context.pubsub.items,), sql, bindings))
    for room in kept:
        node = context.pubsub.nodes.get(account.account_id, BOOKMARKS_NODE)
        if room not in wanted and node is not None:
            items.retract_item(context, account, node, room, notify=True)
    for room, payload in wanted.items():
        if kept.get(room) != payload:
            refusal = items.publish_item(context, account, BOOKMARKS_NODE, room, payload, options=PRIVATE_OPTIONS)
            if refusal is not None:
                context.take_back(mark)
                return refusal
    return Done()
