"""
Messages between accounts (RFC 6121 section 8.5).

Two sides. The sender's: is it a repeat, its own archive row, copies for its other devices (carbons.py). The
recipient's: which sessions take it, its archive row, what is owed and what waits, copies for those that do not take it.
Each side archives as its preferences say (history/preferences.py); an account that talks to itself has one side.
The sender's side hands over; what cannot be delivered comes back as `MessageReturned`. Either side may have blocked the
other (blocking.py); what a recipient has blocked is not kept for it in any form.

To a bare JID, messages of type normal and chat go to *all* available sessions whose priority is not negative: of the
ways RFC 6121 section 8.5.2.1.1 allows it is the one that lets every device of a person show every message. The rest
follows the table of section 8.5.4. Where it leaves the choice between silence and an error, a message that carries
content (normal, chat, groupchat) is answered with an error, so that nobody believes it arrived.

A message that comes back to its sender is not in the recipient's archive. One that is in the recipient's archive was
delivered in the sense of section 8.5.2.2: it waits there.
"""

from __future__ import annotations

import hashlib
import struct

from raftline.base.ids import AccountId, Position, SessionId
from raftline.base.limits import INBOX_MESSAGE_COUNT_MAX, OFFLINE_MESSAGE_COUNT_MAX, ORIGIN_ID_AGE_MAX_MS
from raftline.machine import carbons
from raftline.machine.blocking import BLOCKED_BY_SENDER
from raftline.machine.business import receiving
from raftline.machine.context import Context
from raftline.machine.conversations.read_marks import note_read
from raftline.machine.history.preferences import is_kept
from raftline.machine.history.retraction import retract_messages
from raftline.machine.message_commands import MessageKind, SendMessage, Storage
from raftline.machine.outbox import MessageHandedOver, MessageReturned, SessionOverdue
from raftline.machine.outcomes import Done, MessageArrived, MessageBounced, Outcome
from raftline.machine.pubsub.displayed import note_displayed
from raftline.machine.push.alerts import alert
from raftline.machine.records import Account, Archived, OriginSeen, Owed, Session, StoredMessage
from raftline.machine.rosters import account_of
from raftline.machine.versions import FEATURES_SINCE

_ARCHIVE = int(Storage.ARCHIVE)
_OFFLINE = int(Storage.OFFLINE)
_COPY = int(Storage.COPY)
_ALERT = int(Storage.ALERT)
_DONE = Done()
_HALVES = struct.Struct("<qq")
_LENGTHS = struct.Struct("<QII")

_ERROR = MessageKind.ERROR
_GROUPCHAT = MessageKind.GROUPCHAT
_HEADLINE = MessageKind.HEADLINE


def send_message(context: Context, session: Session, action: SendMessage) -> Outcome:
    """The sender's side."""
    if context.blocklists.of(session.account_id) and context.blocks(session, _recipient_of(context, action)):
        return BLOCKED_BY_SENDER
    if action.displayed and context.machine_version >= FEATURES_SINCE:
        refusal = note_displayed(
            context, account_of(context, session), _recipient_of(context, action), action.displayed
        )
        if refusal is not None:
            return refusal
    if action.marked and context.machine_version >= FEATURES_SINCE:
        note_read(context, session, context.bare_jid(action.to_localpart), action.marked)
    origin_digest = None
    if action.origin_id:
        recipient = action.to_localpart.encode()
        origin_digest = remember_origin(context, session, recipient, action.fingerprint, action.origin_id)
        if origin_digest is None:
            return _DONE
    account_id = session.account_id
    storage = action.storage
    is_own = action.to_localpart == session.localpart
    if storage & _ARCHIVE:
        contact = f"{action.to_localpart}@{context.domain}"
        storage = archive_sent(context, account_id, contact, action.to_resource, storage)
    if storage & _COPY and not is_own:
        carbons.copy_sent(context, session, action.stanza, storage)
    context.outbox.append(
        MessageHandedOver(
            action.to_localpart,
            action.to_resource,
            action.kind,
            storage if is_own else action.storage,
            action.stanza,
            f"{session.localpart}@{context.domain}",
            session.resource,
            account_id,
            session.session_id,
            origin_digest,
            action.retraction,
        )
    )
    return _DONE


def archive_sent(context: Context, account_id: AccountId, contact: str, resource: str | None, storage: int) -> int:
    """
    Put a message into its sender's archive, unless the sender's preferences are against it.

    Args:
        contact, resource: Whom it is to; `contact` is a bare JID.

    Returns: `storage` as the sender's side has it.
    """
    if context.archive_preferences.of(account_id) is not None and not is_kept(context, account_id, contact, resource):
        return storage & ~_ARCHIVE
    position = context.position
    context.archive.insert((account_id, position), Archived(account_id, position, context.address_id(contact)))
    context.message_holders += 1
    return storage


def receive_message(context: Context, handed: MessageHandedOver) -> None:
    """The recipient's side."""
    account = context.accounts.get(handed.to_localpart)
    if account is None or _is_blocked(context, account, handed):
        _return(context, handed)
        return
    is_own = handed.sender_id == account.account_id
    if (
        not is_own
        and context.archive_preferences.of(account.account_id) is not None
        and not is_kept(context, account.account_id, handed.sender, handed.sender_resource)
    ):
        handed = handed._replace(storage=handed.storage & ~_ARCHIVE)
    number = context.business.number_of(account.account_id)
    if number is not None:
        taken = receiving.take(context, number, handed)
        if taken is None:
            _return(context, handed, "resource-constraint", "wait")
            return
        handed = taken
    kind = handed.kind
    targets: tuple[Session, ...] = ()
    to_bare = handed.to_resource is None
    if handed.to_resource is not None:
        match = context.session_index.at(account.account_id, handed.to_resource)
        if match is not None:
            targets = (match,)
        else:
            to_bare = kind != _HEADLINE
    if to_bare and kind not in {_ERROR, _GROUPCHAT}:
        targets = context.session_index.receivers(account.account_id)
    storage = handed.storage
    reached = deliver(context, account, handed, targets)
    if reached:
        pass
    elif kind == _GROUPCHAT:
        _return(context, handed)
        return
    elif kind not in {_ERROR, _HEADLINE} and number is None:
        if storage & _OFFLINE:
            if context.offline_counts.of(account.account_id) >= OFFLINE_MESSAGE_COUNT_MAX:
                _return(context, handed)
                return
            context.offline_counts.add(account.account_id, context.position, storage)
            if not storage & _ARCHIVE:
                context.message_holders += 1
        elif not storage & _ARCHIVE:
            _return(context, handed)
            return
    given = reached
    if storage & _COPY and reached:
        given = reached + carbons.copy_received(context, account, handed, reached)
    if storage & _ARCHIVE and not is_own:
        _archive_received(context, account, handed)
    if storage & _ALERT and not is_own:
        alert(context, account, _sender_of(handed), given)
    if handed.retraction is not None:
        retract_messages(context, account, handed)


def return_message(context: Context, returned: MessageReturned) -> None:
    """The sender's side again: tell the session, if it is still there, and let it try the same message again."""
    if returned.origin_digest is not None:
        context.origins.delete(returned.origin_digest)
    if not returned.session_id:
        receiving.returned(context, returned)
        return
    session = context.sessions.get(returned.session_id)
    if session is not None:
        context.events.append(
            MessageBounced(session.node_id, session.session_id, returned.stanza, returned.condition, returned.kind)
        )


def store_message(context: Context, session: Session, action: SendMessage) -> None:
    """Store the message of this command once, after every side has said whether it refers to it."""
    position = context.position
    sender_id = context.address_id(f"{session.localpart}@{context.domain}")
    context.messages.insert(
        position,
        StoredMessage(
            position,
            context.time_ms,
            sender_id,
            session.resource,
            action.to_resource or "",
            context.message_holders,
            action.stanza,
        ),
    )


def _recipient_of(context: Context, action: SendMessage) -> str:
    """Return the address of a message as its sender wrote it."""
    bare_jid = context.bare_jid(action.to_localpart)
    return bare_jid if action.to_resource is None else f"{bare_jid}/{action.to_resource}"


def _is_blocked(context: Context, account: Account, handed: MessageHandedOver) -> bool:
    """Tell whether the recipient has blocked the sender (XEP-0191 section 3.3)."""
    if not context.blocklists.of(account.account_id):
        return False
    return context.blocks(account, _sender_of(handed))


def _sender_of(handed: MessageHandedOver) -> str:
    """The full JID, or of somebody at a component what there is of it."""
    return f"{handed.sender}/{handed.sender_resource}" if handed.sender_resource else handed.sender


def deliver(
    context: Context, account: Account, handed: MessageHandedOver, targets: tuple[Session, ...]
) -> list[SessionId]:
    """Give the message to sessions and return which took it. One that owes too much takes none."""
    position = context.position
    storage = handed.storage
    archived = storage & _ARCHIVE
    owner = f"{account.localpart}@{context.domain}" if archived else ""
    managed: list[Session] = []
    reached: list[SessionId] = []
    for session in targets:
        if session.managed:
            if len(context.inboxes.of(session.session_id)) >= INBOX_MESSAGE_COUNT_MAX:
                context.outbox.append(SessionOverdue(session.session_id))
                continue
            managed.append(session)
        reached.append(session.session_id)
        context.events.append(MessageArrived(session.node_id, session.session_id, position, handed.stanza, owner, None))
    if managed:
        # A session that acknowledges nothing has taken the message for the account: no other needs to keep it.
        alone = all(session.managed for session in targets)
        kept = storage if alone and handed.kind not in {_ERROR, _HEADLINE} else storage & ~_OFFLINE
        for session in managed:
            context.inboxes.add(Owed(session.session_id, position, kept, position))
        if not archived:
            context.message_holders += len(managed)
    return reached


def _archive_received(context: Context, account: Account, handed: MessageHandedOver) -> None:
    position: Position = context.position
    contact_id = context.address_id(handed.sender)
    context.archive.insert((account.account_id, position), Archived(account.account_id, position, contact_id))
    context.message_holders += 1


def _return(
    context: Context, handed: MessageHandedOver, condition: str = "service-unavailable", kind: str = "cancel"
) -> None:
    """Send a message back, but never an error: two servers could go on for ever (RFC 6120 section 8.3.1)."""
    if handed.kind in {_ERROR, _HEADLINE}:
        return
    context.outbox.append(
        MessageReturned(
            handed.sender,
            handed.session_id,
            handed.stanza,
            condition,
            kind,
            handed.origin_digest,
        )
    )


def is_known_origin(context: Context, session: Session, recipient: bytes, fingerprint: bytes, origin_id: str) -> bool:
    """Whether `remember_origin` would find that these were seen; writes nothing."""
    digest, verifier = _origin_digests(session, recipient, fingerprint, origin_id)
    seen = context.origins.get(digest)
    return seen is not None and seen.verifier == verifier and context.time_ms - seen.time_ms <= ORIGIN_ID_AGE_MAX_MS


def _origin_digests(session: Session, recipient: bytes, fingerprint: bytes, origin_id: str) -> tuple[int, int]:
    head = _LENGTHS.pack(session.account_id, len(recipient), len(fingerprint))
    block = b"".join((head, recipient, fingerprint, origin_id.encode()))
    digest, verifier = _HALVES.unpack(hashlib.blake2b(block, digest_size=16, person=b"raftline-origin").digest())
    return digest, verifier


def remember_origin(
    context: Context, session: Session, recipient: bytes, fingerprint: bytes, origin_id: str
) -> int | None:
    """
    Remember sender, recipient, origin id and fingerprint under a digest; None if they were seen within seven days.

    Sixteen bytes of digest, eight of them as the key. Where only those eight agree the older message is forgotten: it
    could at worst be stored twice, which is better than to swallow the newer one.
    """
    digest, verifier = _origin_digests(session, recipient, fingerprint, origin_id)
    row = OriginSeen(digest, verifier, context.position, context.time_ms)
    seen = context.origins.get(digest)
    if seen is None:
        context.origins.insert(digest, row)
    elif seen.verifier != verifier or context.time_ms - seen.time_ms > ORIGIN_ID_AGE_MAX_MS:
        context.origins.put(digest, row)
    else:
        return None
    return digest
