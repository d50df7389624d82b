"""
Messages that are owed: by a session that has not acknowledged them, or by an account without a session to take them.

A session with stream management (XEP-0198) has an inbox row for each message it was given, until it acknowledges. When
it ends, rows that carry `Storage.OFFLINE` become offline rows of the account (XEP-0160), unless another session of the
account took the message:

- given to a session without stream management as well: taken at once, inbox rows lose the flag from the start;
- acknowledged by one session, be it as a copy (carbons.py): the rows of the others lose the flag;
- still owed by another session: that one's row keeps the flag and the duty.

A message that is not archived lives only as long as inbox or offline rows refer to it; its `holders` counts them. Of
an account that archives it the archive row is the holder, and its inbox and offline rows are not counted. The two sides
may differ in that (history/preferences.py); whether its own side archives a message, each row tells by
`Storage.ARCHIVE`.

`storage` of a row is the command's `Storage`, less what has been taken off.
"""

from __future__ import annotations

from raftline.base.ids import Cursor, Position
from raftline.base.limits import INBOX_MESSAGE_COUNT_MAX, INBOX_PAGE_ROW_COUNT_MAX
from raftline.machine.carbons import FORM_RECEIVED
from raftline.machine.context import Context
from raftline.machine.conversations.belongings import row_gone
from raftline.machine.message_commands import Storage
from raftline.machine.outcomes import InboxWaiting, MessageArrived
from raftline.machine.records import Account, Owed, Session, StoredMessage

_ARCHIVE = int(Storage.ARCHIVE)
_OFFLINE = int(Storage.OFFLINE)


def acknowledge(context: Context, session: Session, last: Cursor) -> None:
    """
    A session has acknowledged a delivery and all before it.

    The order is that of delivery: a message that came late has a lower position than live ones delivered before it,
    and what was delivered since a mark was written lies after the mark's cursor.
    """
    taken: list[Owed] = []
    for row in context.inboxes.of(session.session_id).values():
        if (row.delivered, row.position) > last:
            break
        taken.append(row)
    if not taken:
        return
    others = [
        other
        for other in context.session_index.of(session.account_id)
        if other.managed and other.session_id != session.session_id
    ]
    for row in taken:
        context.inboxes.remove(session.session_id, row.position)
        for other in others:
            held = context.inboxes.of(other.session_id).get(row.position)
            if held is not None and held.storage & _OFFLINE:
                context.inboxes.change(held._replace(storage=held.storage & ~_OFFLINE))
        if row.form == FORM_RECEIVED:
            _drop_offline(context, session, row)
        if not row.storage & _ARCHIVE:
            release_message(context, row.position)


def _drop_offline(context: Context, session: Session, copy: Owed) -> None:
    """A copy was acknowledged, so the account has taken the message, even if it waits for want of who it was for."""
    if context.offline.get((session.account_id, copy.position)) is not None:
        context.offline_counts.remove(session.account_id, copy.position)
        if not copy.storage & _ARCHIVE:
            release_message(context, copy.position)


def release(context: Context, session: Session, owed: list[Owed], *, keep_messages: bool) -> None:
    """
    A session has ended: find a new owner for what it owes.

    A session of the account that takes messages gets them at once, late; else they wait for one.
    """
    others = [other.session_id for other in context.session_index.of(session.account_id) if other.managed]
    kept = False
    for row in owed:
        context.inboxes.remove(session.session_id, row.position)
        held = (context.inboxes.of(other).get(row.position) for other in others)
        on_others = any(other is not None and other.storage & _OFFLINE for other in held)
        if keep_messages and row.storage & _OFFLINE and not on_others:
            context.offline_counts.add(session.account_id, row.position, row.storage)
            kept = True
        elif not row.storage & _ARCHIVE:
            release_message(context, row.position)
    context.inboxes.closed(session.session_id)
    if kept:
        receivers = context.session_index.receivers(session.account_id)
        if receivers:
            deliver_offline(context, receivers[0])


def deliver_offline(context: Context, session: Session) -> None:
    """
    Give a session that takes messages all offline messages of its account, in log order (XEP-0160 section 3).

    Without stream management that is the end of them. With it they move to its inbox, as many as it has room for.
    """
    account_id = session.account_id
    if not context.offline_counts.of(account_id):
        return
    room = INBOX_MESSAGE_COUNT_MAX - len(context.inboxes.of(session.session_id)) if session.managed else -1
    if room == 0:
        return
    sql = (
        "SELECT offline.position, storage, time_ms, stanza FROM offline JOIN message USING (position)"
        " WHERE account_id = ? ORDER BY offline.position LIMIT ?"
    )
    bare_jid = context.bare_jid(session.localpart)
    found = context.rows.select((context.offline, context.messages), sql, (account_id, room))
    # What fills more than a page is asked for by the session itself, at the pace of its client.
    is_asked_for = session.managed and len(found) > INBOX_PAGE_ROW_COUNT_MAX
    if is_asked_for:
        context.events.append(InboxWaiting(session.node_id, session.session_id))
    for position, storage, time_ms, stanza in found:
        if session.managed and _hand_to_copy(context, session, position, storage):
            continue
        if not is_asked_for:
            owner = bare_jid if storage & _ARCHIVE else ""
            context.events.append(
                MessageArrived(session.node_id, session.session_id, position, stanza, owner, time_ms, context.position)
            )
        context.offline_counts.remove(account_id, position)
        if session.managed:
            context.inboxes.add(Owed(session.session_id, position, storage, context.position))
        elif not storage & _ARCHIVE:
            release_message(context, position)


def clear_archived(context: Context, account: Account) -> None:
    """
    Forget those offline messages that the account has in its archive, from where a client gets them instead.

    The others wait on: XEP-0386 section 3.2 clears them all, on the ground that the archive has them.
    """
    if not context.offline_counts.of(account.account_id):
        return
    sql = "SELECT position, storage FROM offline WHERE account_id = ? ORDER BY position"
    for position, storage in context.rows.select((context.offline,), sql, (account.account_id,)):
        if storage & _ARCHIVE:
            context.offline_counts.remove(account.account_id, position)


def _hand_to_copy(context: Context, session: Session, position: Position, storage: int) -> bool:
    """
    Let a copy that the session owes already (carbons.py) take over the duty of an offline message.

    Returns: False when it owes none.
    """
    copy = context.inboxes.of(session.session_id).get(position)
    if copy is None:
        return False
    context.offline_counts.remove(session.account_id, position)
    context.inboxes.change(copy._replace(storage=storage))
    if not storage & _ARCHIVE:
        release_message(context, position)  # one row refers to it where two did
    return True


def release_message(context: Context, position: Position) -> None:
    """One holder less; the last one takes the message with it."""
    message = context.messages.get(position)
    assert message is not None, position
    if message.holders <= 1:
        context.messages.delete(position)
        row_gone(context, message)
        return
    context.messages.put(
        position,
        StoredMessage(
            position,
            message.time_ms,
            message.sender_id,
            message.from_resource,
            message.to_resource,
            message.holders - 1,
            message.stanza,
        ),
    )
