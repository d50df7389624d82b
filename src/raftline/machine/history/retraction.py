"""
Retraction (XEP-0424): the content of messages goes, a tombstone takes its place.

A message is stored once for whoever refers to it, so one change takes the content out of both sides' archives, out of
what devices are owed and what waits offline. Its place in archives stays, and so do its addresses, its type and its
id (XEP-0313 section 3.2). The search index follows the row (search.py), pages that held the content are overwritten
(database.py), and the log forgets the command within a day (cluster/compaction.py).

Which messages are meant is found before the command enters the log, by reading the conversation in slices
(`find_sent`): an archive may be long, and nobody is to wait for that in apply. Apply decides what counts: the sender of
the retraction, by bare JID, must be the one of the message, and the same account still, since a name may have been
given out anew; and the message must belong to the conversation. It takes effect only if the retraction itself is
accepted: whoever has blocked the sender keeps what came before (XEP-0424 section 6 warns of hiding evidence).

`stamp` of the tombstone is cluster time, known here alone, so the protocol floor says what stands before and after it.
"""

from __future__ import annotations

from raftline.base.ids import AccountId, Position
from raftline.base.limits import RETRACTION_SEARCH_ROW_COUNT_MAX
from raftline.base.timestamps import format_timestamp
from raftline.machine.archive import account_name
from raftline.machine.context import Context
from raftline.machine.conversations.belongings import content_gone
from raftline.machine.history.answers import SentMessages
from raftline.machine.history.commands import Retraction
from raftline.machine.history.queries import FindSent
from raftline.machine.outbox import MessageHandedOver
from raftline.machine.queries import ArchiveRow
from raftline.machine.records import Account
from raftline.machine.timers import ephemeral
from raftline.machine.versions import FEATURES_SINCE

_POSITION_END = (1 << 63) - 1
_FOUND_ROW_COUNT_MAX = 32
"""Messages in one answer: some megabytes at most."""


def retract_messages(context: Context, recipient: Account, handed: MessageHandedOver) -> None:
    """Bury the messages that an accepted message takes back."""
    retraction = handed.retraction
    if retraction is None or context.machine_version < FEATURES_SINCE:
        return
    localpart = context.account_named(handed.sender)
    if localpart is None:
        retract_with_component(context, recipient, handed.sender, handed.sender, recipient.account_id, retraction)
        return
    sender = context.accounts.get(localpart)
    assert sender is not None, handed.sender
    for number in sorted(set(retraction.positions)):
        position = Position(number)
        message = context.messages.get(position)
        if (
            message is not None
            and message.sender_id == sender.address_id
            and message.time_ms >= sender.created_ms
            and _is_between(context, position, sender, recipient)
        ):
            bury(context, position, retraction)


def retract_with_component(
    context: Context, account: Account, contact: str, author: str, owed_by: AccountId, retraction: Retraction
) -> None:
    """
    Bury what either side of an account's conversation with somebody at a component takes back.

    Args:
        contact, author: Bare JIDs: of the one at the component; of the side that takes back.
        owed_by: The account, or the component, that the message was for.
    """
    contact_row, author_row = context.addresses.get(contact), context.addresses.get(author)
    if author_row is None:
        return
    for number in sorted(set(retraction.positions)):
        position = Position(number)
        message = context.messages.get(position)
        if message is None or message.sender_id != author_row.address_id or message.time_ms < account.created_ms:
            continue
        row = context.archive.get((account.account_id, position))
        if row is None:
            is_theirs = _is_owed(context, owed_by, position)
        else:
            is_theirs = contact_row is not None and row.contact_id == contact_row.address_id
        if is_theirs:
            bury(context, position, retraction)


def bury(context: Context, position: Position, retraction: Retraction) -> None:
    """Replace the content of a message that is there; who may ask for that is the caller's affair."""
    message = context.messages.get(position)
    assert message is not None, position
    start_tag = message.stanza[: message.stanza.index(b">")].removesuffix(b"/")
    stamp = format_timestamp(context.time_ms).encode()
    tombstone = b"%b>%b%b%b</message>" % (start_tag, retraction.head, stamp, retraction.tail)
    context.messages.put(position, message._replace(stanza=tombstone))
    ephemeral.cancel(context, position)
    content_gone(context, message)


def find_sent(context: Context, query: FindSent) -> SentMessages:
    """Look for messages of an author in a part of a conversation, the last first; see the query."""
    owner = context.accounts.get(account_name(query.owner))
    contact, author = context.addresses.get(query.contact), context.addresses.get(query.author)
    if owner is None or author is None:
        return SentMessages([], None)
    end = _POSITION_END if query.before is None else query.before
    if query.waiting:
        return SentMessages(_find_waiting(context, owner, author.address_id, query.needles), None)
    if contact is None:
        return SentMessages([], None)
    limit = RETRACTION_SEARCH_ROW_COUNT_MAX
    window = (
        "SELECT position FROM archive WHERE owner_id = ? AND contact_id = ? AND position < ?"
        " ORDER BY position DESC LIMIT ?"
    )
    bindings = (owner.account_id, contact.address_id, end, limit)
    tables = (context.archive, context.messages)
    sql = f"SELECT count(*), min(position) FROM ({window})"  # noqa: S608 - own text alone
    ((count, oldest),) = context.rows.select(tables, sql, bindings)
    sql = (
        f"SELECT position, time_ms, stanza FROM ({window}) JOIN message USING (position)"  # noqa: S608 - as above
        f" WHERE sender_id = ? AND ({' OR '.join(['instr(stanza, ?)'] * len(query.needles))})"
        " ORDER BY position DESC LIMIT ?"
    )
    matching = (author.address_id, *query.needles, _FOUND_ROW_COUNT_MAX)
    rows = [ArchiveRow._make(row) for row in context.rows.select(tables, sql, (*bindings, *matching))]
    if len(rows) == _FOUND_ROW_COUNT_MAX:
        return SentMessages(rows, rows[-1].position)
    return SentMessages(rows, Position(oldest) if count == limit else None)


def _find_waiting(context: Context, owner: Account, author_id: int, needles: tuple[bytes, ...]) -> list[ArchiveRow]:
    """Look through what an account has not got yet and does not archive: at most as much as may wait."""
    positions = {
        position
        for session in context.session_index.of(owner.account_id)
        for position in context.inboxes.of(session.session_id)
    }
    sql = "SELECT position FROM offline WHERE account_id = ?"
    positions.update(position for (position,) in context.rows.select((context.offline,), sql, (owner.account_id,)))
    found = []
    for position in sorted(positions, reverse=True):
        message = context.messages.get(position)
        if message is not None and message.sender_id == author_id and any(part in message.stanza for part in needles):
            found.append(ArchiveRow(position, message.time_ms, message.stanza))
    return found


def _is_between(context: Context, position: Position, sender: Account, recipient: Account) -> bool:
    """Tell whether a message belongs to the conversation of two accounts, as the archive of either knows it."""
    archived = False
    for owner, contact in ((sender, recipient), (recipient, sender)):
        row = context.archive.get((owner.account_id, position))
        if row is not None:
            archived = True
            if row.contact_id == contact.address_id:
                return True
    return not archived and _is_owed(context, recipient.account_id, position)


def _is_owed(context: Context, account_id: AccountId, position: Position) -> bool:
    if context.offline.get((account_id, position)) is not None:
        return True
    sessions = context.session_index.of(account_id)
    return any(position in context.inboxes.of(session.session_id) for session in sessions)
