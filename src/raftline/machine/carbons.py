"""
Copies of messages for the other sessions of an account (XEP-0280).

Whether a message is copied at all is decided before it enters the log (`Storage.COPY`). Who gets a copy is decided
here: of a message that the account sends, every session that asked for copies but the sending one; of a message that
one of its sessions is given, every other one that asked. It makes no difference whether they are available (sections
7, 8), so a device that wants no messages, of negative priority, still shows the conversation. What waits offline is
not copied: it is given, late and once, to the session it waits for.

A message that an account sends to itself is copied as one it gets, once, and never to the session that sent it.

A session with stream management owes a copy like a message, by a row of its inbox that says in which form. The row
carries no `Storage.OFFLINE`: the duty to keep a message lies with the session it was for. If that one ends, and the
next to take its messages owes a copy already, the copy takes the duty over (see inbox.py), and the message is not sent
there twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from raftline.base.ids import SessionId
from raftline.base.limits import INBOX_MESSAGE_COUNT_MAX
from raftline.machine.commands import SetCarbons
from raftline.machine.context import Context
from raftline.machine.message_commands import Storage
from raftline.machine.outbox import MessageHandedOver
from raftline.machine.outcomes import CarbonCopied, Done, MessageArrived, Outcome
from raftline.machine.records import Account, Owed, Session, StoredMessage

FORM_PLAIN: Final = 0
FORM_RECEIVED: Final = 1
FORM_SENT: Final = 2
DIRECTIONS: Final = ("", "received", "sent")
"""By the form of a row."""

_ARCHIVE = int(Storage.ARCHIVE)
_ALERT = int(Storage.ALERT)


def set_carbons(context: Context, session: Session, action: SetCarbons) -> Outcome:
    """Turn copies on or off (sections 4, 5)."""
    context.sessions.put(session.session_id, session._replace(carbons=int(action.enabled)))
    context.session_index.changed(session.account_id)
    return Done()


def copy_sent(context: Context, session: Session, stanza: bytes, storage: int) -> None:
    """Copy a message to the other sessions of its sender (section 8); `storage` is as the sender's side has it."""
    for other in context.session_index.copied(session.account_id):
        if other.session_id != session.session_id:
            _copy(context, other, stanza, storage, FORM_SENT)


def copy_received(
    context: Context, account: Account, handed: MessageHandedOver, reached: Iterable[SessionId]
) -> list[SessionId]:
    """Copy a message to those sessions of its recipient that were not given it (section 7); return which took one."""
    return [
        session.session_id
        for session in context.session_index.copied(account.account_id)
        if session.session_id != handed.session_id
        and session.session_id not in reached
        and _copy(context, session, handed.stanza, handed.storage, FORM_RECEIVED)
    ]


def event_of(
    context: Context, session: Session, row: Owed, message: StoredMessage, *, delayed_ms: int | None
) -> MessageArrived | CarbonCopied:
    """Return what a session is told of a message that it owes, in the form in which it owes it."""
    owner = context.bare_jid(session.localpart) if row.storage & _ARCHIVE else ""
    if row.form == FORM_PLAIN:
        node_id, session_id = session.node_id, session.session_id
        return MessageArrived(node_id, session_id, row.position, message.stanza, owner, delayed_ms, row.delivered)
    return CarbonCopied(
        session.node_id,
        session.session_id,
        row.position,
        message.stanza,
        DIRECTIONS[row.form],
        owner,
        row.delivered,
        delayed_ms,
    )


def _copy(context: Context, session: Session, stanza: bytes, storage: int, form: int) -> bool:
    """Give one session its copy; one that owes too much gets none, as with messages, and False is returned."""
    position = context.position
    archived = storage & _ARCHIVE
    if session.managed:
        if len(context.inboxes.of(session.session_id)) >= INBOX_MESSAGE_COUNT_MAX:
            return False
        alerting = storage & _ALERT if form == FORM_RECEIVED else 0
        context.inboxes.add(Owed(session.session_id, position, archived | alerting, position, form))
        if not archived:
            context.message_holders += 1
    owner = context.bare_jid(session.localpart) if archived else ""
    event = CarbonCopied(session.node_id, session.session_id, position, stanza, DIRECTIONS[form], owner, position)
    context.events.append(event)
    return True
