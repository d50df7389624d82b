"""
When a device is owed a notification (XEP-0357 section 7), decided by apply alone and so the same on every node.

That a message alerts at all is decided before it enters the log (`Storage.ALERT`). A registration's device is notified
of it unless it is given it: a session holds its resource, takes the message or a copy (XEP-0280), and does not wait to
be resumed (XEP-0198). There are three moments at which a device is to be told:

    a message comes for the account     and the device is not given it: `alert`
    the device's session begins to wait and owes messages: `device_left`
    the device's session ends           and owed messages: `device_left`

Nobody is told of somebody whom they have blocked since it came (XEP-0191).

The last two are for what was given to a connection that was dead already, which nobody knew. So no device with stream
management misses a message between its coming and its acknowledgement. Each registration remembers the latest message
that its device was notified of, so that one message makes one notification, however often its session comes and goes.

What a client says of its own activity (XEP-0352) is not replicated, on purpose: an inactive client that is connected
gets its messages by its connection and shows them itself. One that is frozen by its system acknowledges nothing, its
connection is found dead, and then it is notified. Decided against a command for each change of that state: phones
change it with every look at the screen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple
from xml.sax.saxutils import unescape

from raftline.base.ids import AccountId, Position, SessionId
from raftline.base.limits import PUSH_WAITING_COUNT_MAX
from raftline.machine.context import Context
from raftline.machine.message_commands import Storage
from raftline.machine.pubsub.alerts import alert_of
from raftline.machine.push import outbox
from raftline.machine.push.tables import Notification, Registration
from raftline.machine.records import Account, Owed, Session

_ALERT: Final = int(Storage.ALERT)
_SENDER: Final = re.compile(rb"<message from='([^'<]*)'")
_ENTITIES: Final = {"&apos;": "'", "&quot;": '"'}


class Chat(NamedTuple):
    """
    What kind of chat something was said in (XEP-0492).

    Attributes:
        is_public: In a room that is no private group chat.
        is_mention: It speaks to the user.
    """

    is_public: bool = False
    is_mention: bool = False


_PRIVATE: Final = Chat()


def alert(
    context: Context,
    account: Account,
    sender: str,
    given: Collection[SessionId],
    *,
    chat: Chat = _PRIVATE,
    position: Position | None = None,
    count: int = 1,
) -> None:
    """
    There is something for an account to be told of: notify its devices that are not given it.

    Whoever finds out that an account is concerned may call it, once or more often for one message.

    Args:
        sender: Full JID of who sent it: of a contact, or of an occupant of a room.
        given: Sessions of the account that take it, connected or not.
        position: Of the message; None for that of the command that runs.
        count: So many messages are told of together, this one the last.
    """
    registrations = context.push.of(account.account_id)
    if not registrations or not _is_wanted(context, account.account_id, sender, chat):
        return
    for registration in registrations:
        holder = context.session_index.at(account.account_id, registration.resource)
        if holder is None or holder.session_id not in given or _is_waiting(context, holder):
            _notify(context, registration, position or context.position, sender, count)


def device_left(context: Context, session: Session, owed: Iterable[Owed]) -> None:
    """The session of a device is over, or waits: notify the device of what it may never have got."""
    registrations = [row for row in context.push.of(session.account_id) if row.resource == session.resource]
    if not registrations:
        return
    alerting = sorted(row.position for row in owed if row.storage & _ALERT)[-PUSH_WAITING_COUNT_MAX:]
    if not alerting:
        return
    senders = {position: _sender_of(context, position) for position in alerting}
    wanted = {
        sender
        for sender in senders.values()
        if _is_wanted(context, session.account_id, sender) and not context.blocks(session, sender)
    }
    for registration in registrations:
        latest = registration
        for position, sender in senders.items():
            if sender in wanted:
                latest = _notify(context, latest, position, sender)


def _is_wanted(context: Context, account_id: AccountId, sender: str, chat: Chat = _PRIVATE) -> bool:
    """Whether the account wants to be alerted of what is said in a chat (XEP-0492)."""
    wanted = alert_of(context, account_id, sender.partition("/")[0], is_public=chat.is_public)
    return wanted.covers(is_mention=chat.is_mention)


def _is_waiting(context: Context, session: Session) -> bool:
    row = context.resumptions.get(session.session_id)
    return row is not None and row.due_ms > 0


def _notify(
    context: Context, registration: Registration, position: Position, sender: str, count: int = 1
) -> Registration:
    """Write a notification, unless there was one of this message or a later one; return the registration as it is."""
    if position <= registration.alerted:
        return registration
    registration = registration._replace(alerted=position, unread=registration.unread + count)
    context.push.put(registration)
    sql = "SELECT count(*) FROM request WHERE account_id = ?"
    ((request_count,),) = context.rows.select((context.requests,), sql, (registration.account_id,))
    outbox.write(
        context,
        Notification(
            position,
            registration.registration_id,
            registration.account_id,
            registration.service,
            context.time_ms,
            registration.unread,
            request_count,
            sender,
        ),
    )
    return registration


def _sender_of(context: Context, position: Position) -> str:
    """Return who sent a message that is stored, as its start tag says."""
    message = context.messages.get(position)
    match = None if message is None else _SENDER.match(message.stanza)
    return "" if match is None else unescape(match[1].decode(), _ENTITIES)
