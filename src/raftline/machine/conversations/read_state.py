"""
How far an account has read its conversations: what its devices have said of it, whichever way.

- A displayed state (XEP-0490), an item of the account's own node. It counts when it names a message that was there
  when it was published, by who gives ids in that conversation.
- A marker (XEP-0333) that the account has sent becomes a read mark (read_marks.py).
- A message of its own: who answers has read (unread.py).
- Of a room, where the account came in: a read mark, too.

The furthest counts. Nothing moves back.
"""

from __future__ import annotations

import re
from typing import Final

from raftline.base.ids import Epochs, Position, parse_stanza_id
from raftline.base.limits import UNREAD_REACH_MAX
from raftline.machine.context import Context
from raftline.machine.conversations.queries import MessageNamed
from raftline.machine.pubsub.displayed import DISPLAYED_NODE
from raftline.machine.records import Account

_STANZA_ID: Final = re.compile(rb"<stanza-id [^>]*>")
_BY: Final = re.compile(rb" by='([^']*)'")
_ID: Final = re.compile(rb" id='([^']*)'")


class ReadState:
    """What displayed states and read marks say of all conversations of an account."""

    def __init__(self, context: Context, account: Account, epochs: Epochs) -> None:
        self._jid = context.bare_jid(account.localpart)
        self._epochs = epochs
        sql = "SELECT item_id, position, payload FROM pubsub_item WHERE account_id = ? AND node = ?"
        bindings = (account.account_id, DISPLAYED_NODE)
        found = context.rows.select((context.pubsub.items,), sql, bindings)
        self._displayed: dict[str, tuple[int, bytes]] = {row[0]: row[1:] for row in found}
        sql = "SELECT contact_id, position FROM read_mark WHERE owner_id = ?"
        self._marks = dict(context.rows.select((context.read_marks,), sql, (account.account_id,)))

    def floor(self, jid: str, address_id: int, *, is_room: bool) -> int:
        """Return the position up to which a conversation is read; 0 when nothing is known."""
        marked: int = self._marks.get(address_id, 0)
        state = self._displayed.get(jid)
        if state is None:
            return marked
        published, payload = state
        position = _named_position(payload, jid if is_room else self._jid, self._epochs)
        return marked if position is None or position >= published else max(marked, position)


def position_named(context: Context, query: MessageNamed) -> Position | None:
    """Return where the message is that a marker names."""
    account, address = context.accounts.get(query.owner), context.addresses.get(query.contact)
    if account is None or address is None:
        return None
    owner_id, contact_id = account.account_id, address.address_id
    sql = (
        "SELECT archive.position FROM archive JOIN message USING (position)"
        " WHERE owner_id = ?1 AND contact_id = ?2 AND archive.position >= coalesce((SELECT position FROM archive"
        " WHERE owner_id = ?1 AND contact_id = ?2 ORDER BY position DESC LIMIT 1 OFFSET ?3), 0)"
        " AND sender_id = ?2 AND instr(stanza, ?4) BETWEEN 1 AND instr(stanza, X'3E')"  # within the start tag
        " ORDER BY archive.position DESC LIMIT 1"
    )
    bindings = (owner_id, contact_id, UNREAD_REACH_MAX - 1, query.id_attribute)
    found = context.rows.select((context.archive, context.messages), sql, bindings)
    return Position(found[0][0]) if found else None


def _named_position(payload: bytes, by: str, epochs: Epochs) -> int | None:
    """Return the message that a displayed state names; its payload is as `Element.to_bytes` writes it."""
    element = _STANZA_ID.search(payload)
    if element is None:
        return None
    named_by, named_id = _BY.search(element[0]), _ID.search(element[0])
    if named_by is None or named_id is None or named_by[1] != by.encode():
        return None
    parsed = parse_stanza_id(named_id[1].decode())
    return parsed[1] if parsed is not None and parsed[0] == epochs.of(parsed[1]) else None
