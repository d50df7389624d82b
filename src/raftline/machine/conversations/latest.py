"""
The message that is shown beside a conversation: the last instant message, in its latest wording.

What refers to others is passed over, a tombstone too: it says nothing any more. A correction of the message that is
shown stands for it (XEP-0308); one of an earlier message does not.
"""

from __future__ import annotations

from raftline.base.ids import Position
from raftline.base.limits import CONVERSATION_PAGE_BYTES_MAX, LAST_MESSAGE_REACH_MAX
from raftline.machine.archive import archive_row
from raftline.machine.context import Context
from raftline.machine.conversations.listing import last_in, rooms_of, thread_in
from raftline.machine.conversations.payloads import Kind, content_of, kind_of
from raftline.machine.conversations.queries import LastMessagesOf
from raftline.machine.conversations.unread import Said, Thread, said_in
from raftline.machine.queries import ArchiveRow
from raftline.machine.rooms import showing


def last_messages(context: Context, query: LastMessagesOf) -> list[ArchiveRow | None]:
    """Return what is shown beside some conversations; see the query."""
    account = context.accounts.get(query.localpart)
    if account is None:
        return []
    threads: dict[str, Thread | None] = {}
    for room in rooms_of(context, account):
        thread = thread_in(account, room) if last_in(context, room) else None
        threads[showing.address_of(context, room.name)] = thread
    rows: list[ArchiveRow | None] = []
    byte_count = 0
    for jid in query.jids:
        address = context.addresses.get(jid)
        contact = None if address is None else Thread(account.account_id, address.address_id, account.address_id)
        thread = threads.get(jid, contact)
        position = None if thread is None else _shown(context, thread)
        row = None if position is None else archive_row(context, position)
        byte_count += 0 if row is None else len(row.stanza)
        if rows and byte_count > CONVERSATION_PAGE_BYTES_MAX:
            break
        rows.append(row)
    return rows


def _shown(context: Context, thread: Thread) -> Position | None:
    """Return which message of a thread is shown."""
    corrections: list[Said] = []
    for said in said_in(context, thread, LAST_MESSAGE_REACH_MAX):
        kind = kind_of(said.stanza)
        if kind is Kind.CORRECTION:
            corrections.append(said)
        elif kind is Kind.INSTANT:
            if corrections:
                message_id = content_of(said.stanza).id
                for correction in corrections:  # the last first
                    replaces = content_of(correction.stanza).replaces
                    if correction.author_id == said.author_id and replaces == message_id != "":
                        return Position(correction.position)
            return Position(said.position)
    return None
