"""
Broadcast presence (RFC 6121 section 4): who sees an account come, change and go.

Contacts with a subscription from the account see it; the account's own available sessions see it too, the one that
sent it included (sections 4.2.2, 4.4.2). A session that becomes available is told the presence of its contacts and of
its account's other sessions, the subscription requests that wait for an answer, and its offline messages.

The number of a business is there without a session (business/contact.py).
"""

from __future__ import annotations

from raftline.machine import departures, inbox, records
from raftline.machine.business import contact as numbers
from raftline.machine.commands import SetPresence, SubscriptionKind
from raftline.machine.components import contacts
from raftline.machine.context import Context
from raftline.machine.outbox import (
    PresenceAnswered,
    PresenceHandedOver,
    PresenceProbed,
    SubscriptionHandedOver,
)
from raftline.machine.outcomes import ContactUnavailable, Done, Outcome, PresenceArrived, Rejected
from raftline.machine.pubsub import notifications as pubsub
from raftline.machine.pubsub.capabilities import forget_capabilities, set_capabilities
from raftline.machine.pubsub.photos import add_photo, digest_of
from raftline.machine.records import Account, Presence, Session
from raftline.machine.rooms import deliveries
from raftline.machine.versions import FEATURES_SINCE

SUBSCRIBED_TO = records.SUBSCRIBED_TO
SUBSCRIBED_FROM = records.SUBSCRIBED_FROM


def set_presence(context: Context, session: Session, action: SetPresence) -> Outcome:
    """Broadcast initial presence, a change of it, or its end."""
    previous = context.presences.get(session.session_id)
    if action.priority is None:
        if previous is not None:
            context.presences.delete(session.session_id)
            context.session_index.changed(session.account_id)
            forget_capabilities(context, session)
            departures.note(context, session, action.stanza)
            departures.note_left(context, session)
            _tell_contacts(context, session, action.stanza)
            _tell_own_sessions(context, session, action.stanza)
        deliveries.leave_all(context, session, _inside(action.stanza))
        return Done()
    if not -128 <= action.priority <= 127:  # RFC 6121 section 4.7.2.3
        return Rejected("bad-request", "modify", "The priority is out of range.")
    stanza = add_photo(action.stanza, digest_of(context, session.account_id))
    context.presences.put(session.session_id, Presence(session.session_id, action.priority, stanza))
    context.session_index.changed(session.account_id)
    _tell_contacts(context, session, stanza, probe=previous is None)
    _tell_own_sessions(context, session, stanza)
    if previous is None:
        departures.forget_left(context, session)
        _greet(context, session)
    if action.priority >= 0:
        inbox.deliver_offline(context, session)
    gained = set_capabilities(context, session, action.capabilities, is_initial=previous is None)
    pubsub.ask_for_last_items(context, session, gained)
    return Done()


def show_again(context: Context, session: Session, stanza: bytes) -> None:
    """Show a session's presence, which was changed, to those who saw it."""
    _tell_contacts(context, session, stanza)
    _tell_own_sessions(context, session, stanza)


def broadcast_loss(context: Context, session: Session) -> None:
    """A session that was available is gone without a farewell."""
    departures.note(context, session, b"")
    departures.note_left(context, session)
    _tell_contacts(context, session, None)
    _tell_own_sessions(context, session, None)


def send_to_contact(context: Context, account: Account, contact: str) -> None:
    """Send the presence of all available sessions to one contact that is subscribed from now on."""
    if context.blocks(account, contact):
        return
    for session, presence in context.session_index.available(account.account_id):
        _hand_over(context, session, session.resource, contact, presence.stanza)
    if numbers.is_number(context, account):
        _hand_over(context, account, numbers.RESOURCE, contact, numbers.presence_of(context, account))
    localpart = context.account_named(contact)
    if localpart is not None and context.machine_version >= FEATURES_SINCE:
        pubsub.offer_last_items(context, account, localpart)


def withdraw_from_contact(context: Context, account: Account, contact: str, *, checked: bool) -> None:
    """Show one contact all available sessions unavailable, as its subscription ends; one that is blocked saw it."""
    if context.blocks(account, contact):
        return
    for session, _presence in context.session_index.available(account.account_id):
        _hand_over(context, session, session.resource, contact, None, checked=checked)
    if numbers.is_number(context, account):
        _hand_over(context, account, numbers.RESOURCE, contact, None, checked=checked)


def show_number(context: Context, account: Account) -> None:
    """Show the presence of a number, which was changed, to those who see it."""
    stanza = numbers.presence_of(context, account)
    sql = "SELECT contact, subscription FROM roster WHERE account_id = ? AND subscription <> 0 ORDER BY contact"
    for contact, subscription in context.rows.select((context.roster,), sql, (account.account_id,)):
        if subscription & SUBSCRIBED_FROM and not context.blocks(account, contact):
            _hand_over(context, account, numbers.RESOURCE, contact, stanza)


def send_probe(context: Context, session: Session, contact: str) -> None:
    """Ask for the presence of one contact on behalf of a session."""
    localpart = context.account_named(contact)
    if localpart is None:
        contacts.tell(context, contact, "probe", context.bare_jid(session.localpart), None)
    else:
        context.outbox.append(PresenceProbed(localpart, session.localpart, session.resource, session.session_id))


def receive_presence(context: Context, handed: PresenceHandedOver) -> None:
    """The contact's side: all its available sessions see it, if it is subscribed (section 4.2.3)."""
    account = context.accounts.get(handed.to_localpart)
    if account is None:
        return
    available = context.session_index.available(account.account_id)
    if not available or context.blocks(account, handed.full_jid):
        return
    if handed.checked:
        entry = context.roster.get((account.account_id, handed.from_jid))
        if entry is None or not entry.subscription & SUBSCRIBED_TO:
            return
    for session, _presence in available:
        resource = session.resource
        if resource not in handed.hidden and handed.resource in {None, resource}:
            _show(context, session, handed.full_jid, handed.stanza)


def answer_probe(context: Context, probed: PresenceProbed) -> None:
    """The contact's side of a probe (section 4.3.2); who is blocked gets no answer (XEP-0191 section 3.3)."""
    account = context.accounts.get(probed.to_localpart)
    if account is not None:
        prober = context.bare_jid(probed.from_localpart)
        if context.blocks(account, f"{prober}/{probed.from_resource}"):
            return
        entry = context.roster.get((account.account_id, prober))
        is_number = numbers.is_number(context, account)
        if is_number or (entry is not None and entry.subscription & SUBSCRIBED_FROM):
            shown = [
                (session.resource, presence.stanza)
                for session, presence in context.session_index.available(account.account_id)
            ]
            if is_number:
                shown.append((numbers.RESOURCE, numbers.presence_of(context, account)))
            bare_jid = context.bare_jid(probed.to_localpart)
            for resource, stanza in shown:
                full_jid = f"{bare_jid}/{resource}"
                context.outbox.append(PresenceAnswered(probed.from_localpart, probed.session_id, full_jid, stanza))
            return
    context.outbox.append(
        SubscriptionHandedOver(
            probed.from_localpart, SubscriptionKind.UNSUBSCRIBED, context.bare_jid(probed.to_localpart), None
        )
    )


def receive_answer(context: Context, answered: PresenceAnswered) -> None:
    """A contact's presence comes back to the session that probed."""
    session = context.sessions.get(answered.session_id)
    if session is not None and not context.blocks(session, answered.full_jid):
        context.events.append(PresenceArrived(session.node_id, session.session_id, answered.stanza))


def _tell_contacts(context: Context, session: Session, stanza: bytes | None, *, probe: bool = False) -> None:
    sql = "SELECT contact, subscription FROM roster WHERE account_id = ? AND subscription <> 0 ORDER BY contact"
    for contact, subscription in context.rows.select((context.roster,), sql, (session.account_id,)):
        if context.blocks(session, contact):
            continue
        if subscription & SUBSCRIBED_FROM:
            _hand_over(context, session, session.resource, contact, stanza)
        if probe and subscription & SUBSCRIBED_TO:
            send_probe(context, session, contact)


def _tell_own_sessions(context: Context, session: Session, stanza: bytes | None) -> None:
    full_jid = f"{context.bare_jid(session.localpart)}/{session.resource}"
    for other, _presence in context.session_index.available(session.account_id):
        _show(context, other, full_jid, stanza)


def _greet(context: Context, session: Session) -> None:
    """Tell a session that became available who of its account is there, and who waits for an answer (3.1.3)."""
    for other, presence in context.session_index.available(session.account_id):
        if other.session_id != session.session_id:
            context.events.append(PresenceArrived(session.node_id, session.session_id, presence.stanza))
    sql = "SELECT contact, stanza FROM request WHERE account_id = ? ORDER BY contact"
    for contact, stanza in context.rows.select((context.requests,), sql, (session.account_id,)):
        if context.blocks(session, contact):
            continue
        context.events.append(PresenceArrived(session.node_id, session.session_id, stanza))


def _hand_over(
    context: Context,
    owner: Account | Session,
    resource: str,
    contact: str,
    stanza: bytes | None,
    *,
    checked: bool = True,
) -> None:
    """Show the presence of a resource to a contact, a bare JID: to an account, or to somebody at a component."""
    bare_jid = context.bare_jid(owner.localpart)
    full_jid = f"{bare_jid}/{resource}"
    localpart = context.account_named(contact)
    if localpart is None:
        contacts.tell(context, contact, "unavailable", full_jid, stanza)
        return
    hidden = context.blocklists.resources(owner.account_id, contact)
    context.outbox.append(PresenceHandedOver(localpart, bare_jid, full_jid, stanza, checked, hidden=hidden))


def _inside(stanza: bytes) -> bytes:
    """Return what stands between the tags of a presence stanza; brackets in attributes are escaped."""
    start, _, rest = stanza.partition(b">")
    return b"" if start.endswith(b"/") else rest[: rest.rindex(b"</")]


def _show(context: Context, session: Session, full_jid: str, stanza: bytes | None) -> None:
    if stanza is None:
        context.events.append(ContactUnavailable(session.node_id, session.session_id, full_jid))
    else:
        context.events.append(PresenceArrived(session.node_id, session.session_id, stanza))
