"""
Rosters (RFC 6121 section 2): items, their version, pushes to the sessions that asked for the roster.

The version of a roster grows by one with each change, whichever side of a subscription caused it. Each item knows the
version of its last change, and what was removed is remembered with its version, so that the changes since a version can
be told (`changes_since`): the last of each contact, in order. The memory is bounded; what it has lost are the oldest
removals, of interest to none but a session that slept through a thousand later ones.
"""

from __future__ import annotations

import msgspec

from raftline.base.limits import (
    JID_SIZE_MAX,
    ROSTER_GROUP_COUNT_MAX,
    ROSTER_GROUP_SIZE_MAX,
    ROSTER_ITEM_COUNT_MAX,
    ROSTER_NAME_SIZE_MAX,
    ROSTER_REMOVAL_COUNT_MAX,
)
from raftline.machine import presence
from raftline.machine.commands import DeclareInterest, RemoveRosterItem, SetRosterItem, SubscriptionKind
from raftline.machine.components import contacts
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected, RosterItem, RosterPushed
from raftline.machine.presence import SUBSCRIBED_FROM, SUBSCRIBED_TO
from raftline.machine.pubsub import subscribers
from raftline.machine.records import Account, RemovedContact, RosterEntry, Session

SUBSCRIPTION_NAMES = ("none", "to", "from", "both")
"""By the bits `SUBSCRIBED_TO` and `SUBSCRIBED_FROM`."""

NO_GROUPS = msgspec.msgpack.encode(())

_ENCODER = msgspec.msgpack.Encoder()
_GROUPS_DECODER = msgspec.msgpack.Decoder(tuple[str, ...])


def set_roster_item(context: Context, session: Session, action: SetRosterItem) -> Outcome:
    """Add an item, or change name and groups; its subscription is left alone (sections 2.3, 2.4)."""
    refusal = _check_item(context, session, action)
    if refusal is not None:
        return refusal
    account = account_of(context, session)
    key = (account.account_id, action.contact)
    entry = context.roster.get(key)
    if entry is None:
        if is_full(context, account):
            return Rejected("resource-constraint", "wait", "The roster is full.")
        entry = RosterEntry(account.account_id, action.contact, "", 0, 0, NO_GROUPS, 0, 0)
    context.roster.put(key, entry._replace(name=action.name, groups=_ENCODER.encode(action.groups)))
    subscribers.cancel_lost(context, account, contact=action.contact)
    push(context, account, item_of(context.roster.get(key) or entry))
    return Done()


def remove_roster_item(context: Context, session: Session, action: RemoveRosterItem) -> Outcome:
    """Remove an item; both subscriptions end, and what is pending is called back or denied (section 2.5)."""
    account = account_of(context, session)
    entry = context.roster.get((account.account_id, action.contact))
    if entry is None:
        return Rejected("item-not-found", "cancel", "There is no such item in the roster.")
    _sever(context, account, entry.contact, entry)
    push(context, account, removal_of(entry.contact))
    return Done()


def declare_interest(context: Context, session: Session, _action: DeclareInterest) -> Outcome:
    """From here on the session gets roster pushes."""
    if not session.interested:
        context.sessions.put(session.session_id, session._replace(interested=1))
        context.session_index.changed(session.account_id)
    return Done()


def dissolve_roster(context: Context, account: Account) -> None:
    """End all subscriptions of an account that is deleted, and its roster with them; nobody is left to push to."""
    for entry in entries(context, account):
        _sever(context, account, entry.contact, entry)
    sql = "SELECT contact FROM request WHERE account_id = ? ORDER BY contact"
    for (contact,) in context.rows.select((context.requests,), sql, (account.account_id,)):
        _sever(context, account, contact, None)
    sql = "SELECT contact FROM removed_contact WHERE account_id = ? ORDER BY contact"
    for (contact,) in context.rows.select((context.removed_contacts,), sql, (account.account_id,)):
        context.removed_contacts.delete((account.account_id, contact))


def account_of(context: Context, session: Session) -> Account:
    """Return the account of a session; sessions end before their account does."""
    account = context.accounts.get(session.localpart)
    assert account is not None, session.localpart
    return account


def entries(context: Context, account: Account) -> list[RosterEntry]:
    """All items of a roster, by contact."""
    sql = "SELECT * FROM roster WHERE account_id = ? ORDER BY contact"
    return [RosterEntry._make(row) for row in context.rows.select((context.roster,), sql, (account.account_id,))]


def item_of(entry: RosterEntry) -> RosterItem:
    """Return an item as clients see it."""
    name = SUBSCRIPTION_NAMES[entry.subscription]
    groups = _GROUPS_DECODER.decode(entry.groups)
    return RosterItem(entry.contact, entry.name, name, bool(entry.ask), groups, bool(entry.approved))


def is_full(context: Context, account: Account) -> bool:
    """Tell whether a roster has room for no more items."""
    sql = "SELECT count(*) FROM roster WHERE account_id = ?"
    (count,) = context.rows.select((context.roster,), sql, (account.account_id,))[0]
    return bool(count >= ROSTER_ITEM_COUNT_MAX)


def push(context: Context, account: Account, item: RosterItem) -> None:
    """Count a change of the roster and tell the sessions that asked for it (section 2.1.6)."""
    current = context.accounts.get(account.localpart)
    assert current is not None, account.localpart
    version = current.roster_version + 1
    context.accounts.put(account.localpart, current._replace(roster_version=version))
    key = (account.account_id, item.contact)
    entry = context.roster.get(key)
    if entry is None:
        context.removed_contacts.put(key, RemovedContact(account.account_id, item.contact, version))
        _forget_removals(context, account)
    else:
        context.roster.put(key, entry._replace(version=version))
        context.removed_contacts.delete(key)
    for session in context.session_index.of(account.account_id):
        if session.interested:
            context.events.append(RosterPushed(session.node_id, session.session_id, item, version))


def changes_since(context: Context, account: Account, version: int) -> list[tuple[RosterItem, int]]:
    """Return what a client that knows a version has to be told, each with its version: items as now, removals."""
    tables = (context.roster, context.removed_contacts)
    sql = "SELECT * FROM roster WHERE account_id = ? AND version > ?"
    found = context.rows.select(tables, sql, (account.account_id, version))
    changes = [(item_of(entry), entry.version) for entry in map(RosterEntry._make, found)]
    sql = "SELECT contact, version FROM removed_contact WHERE account_id = ? AND version > ?"
    for contact, removed in context.rows.select(tables, sql, (account.account_id, version)):
        changes.append((removal_of(contact), removed))
    return sorted(changes, key=lambda change: change[1])


def removal_of(contact: str) -> RosterItem:
    """Return what tells clients that a contact is gone (section 2.5.2)."""
    return RosterItem(contact, "", "remove", ask=False, groups=())


def _forget_removals(context: Context, account: Account) -> None:
    """Keep the memory of removals bounded: the oldest go."""
    sql = "SELECT contact FROM removed_contact WHERE account_id = ? ORDER BY version DESC LIMIT -1 OFFSET ?"
    bindings = (account.account_id, ROSTER_REMOVAL_COUNT_MAX)
    for (contact,) in context.rows.select((context.removed_contacts,), sql, bindings):
        context.removed_contacts.delete((account.account_id, contact))


def _check_item(context: Context, session: Session, action: SetRosterItem) -> Rejected | None:
    contact = action.contact
    if not 0 < len(contact.encode()) <= JID_SIZE_MAX:
        return Rejected("bad-request", "modify", "The address is empty or too long.")
    if contact == context.bare_jid(session.localpart):
        return Rejected("not-allowed", "cancel", "Nobody is a contact of their own.")
    if len(action.name.encode()) > ROSTER_NAME_SIZE_MAX:
        return Rejected("not-acceptable", "modify", "The name is too long.")
    if len(set(action.groups)) != len(action.groups):
        return Rejected("bad-request", "modify", "A group is named twice.")
    if len(action.groups) > ROSTER_GROUP_COUNT_MAX:
        return Rejected("not-acceptable", "modify", "There are too many groups.")
    if any(not 0 < len(group.encode()) <= ROSTER_GROUP_SIZE_MAX for group in action.groups):
        return Rejected("not-acceptable", "modify", "The name of a group is empty or too long.")
    return None


def _sever(context: Context, account: Account, contact: str, entry: RosterEntry | None) -> None:
    """Delete item and request of a contact and tell the contact what that ends."""
    key = (account.account_id, contact)
    requested = context.requests.delete(key) is not None
    context.roster.delete(key)
    subscribers.cancel_lost(context, account, contact=contact)
    own_jid = context.bare_jid(account.localpart)
    if entry is not None and (entry.ask or entry.subscription & SUBSCRIBED_TO):
        contacts.hand_subscription(context, contact, SubscriptionKind.UNSUBSCRIBE, own_jid, None)
    seen = entry is not None and bool(entry.subscription & SUBSCRIBED_FROM)
    if seen:
        presence.withdraw_from_contact(context, account, contact, checked=True)
    if seen or requested:
        contacts.hand_subscription(context, contact, SubscriptionKind.UNSUBSCRIBED, own_jid, None)
