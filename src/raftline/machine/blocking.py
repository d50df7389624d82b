"""
Block lists (XEP-0191): what an account has blocked, and what follows at the moment it changes.

The list itself is asked by whoever routes: messages.py, presence.py and subscriptions.py ask the list of their own
side, so each side of a conversation decides for itself. What is sent to somebody the sender has blocked is refused;
what somebody blocked sends meets a recipient that looks offline and unwilling.

A list holds full and bare JIDs and domains, and an address is blocked if any of its forms is listed (section 2). A
contact of whom one resource is listed is a contact still: presence goes to its other resources. Who blocks a room
leaves it; what a list means among the people in a room is told in rooms/blocks.py.

A block holds from its place in the log on. What came before stays: it is owed to devices that have not taken it, and
its author can no longer take it back. A device is not notified of it any more (push/alerts.py).
"""

from __future__ import annotations

from typing import Final

from raftline.base.limits import BLOCKED_ADDRESS_COUNT_MAX, JID_SIZE_MAX
from raftline.machine import presence
from raftline.machine.commands import ChangeBlocklist, DeclareBlocklistInterest
from raftline.machine.components import contacts
from raftline.machine.context import Context
from raftline.machine.history.reports import check_reports, keep_reports
from raftline.machine.outbox import PresenceHandedOver
from raftline.machine.outcomes import BlocklistChanged, Done, Outcome, Rejected
from raftline.machine.presence import SUBSCRIBED_FROM, SUBSCRIBED_TO
from raftline.machine.records import Account, Blocked, RosterEntry, Session
from raftline.machine.rooms import deliveries
from raftline.machine.versions import FEATURES_SINCE

BLOCKED_BY_SENDER: Final = Rejected(
    "not-acceptable", "cancel", "You have blocked this address.", "{urn:xmpp:blocking:errors}blocked"
)
"""Answer to whoever writes to an address of the own list (section 3.3)."""


def declare_blocklist_interest(context: Context, session: Session, _action: DeclareBlocklistInterest) -> Outcome:
    """From here on the session hears of changes of the list."""
    context.sessions.put(session.session_id, session._replace(blocklist=1))
    context.session_index.changed(session.account_id)
    return Done()


def change_blocklist(context: Context, session: Session, action: ChangeBlocklist) -> Outcome:
    """Block or unblock addresses; those that are, or are not, on the list already make no difference."""
    if any(not 0 < len(jid.encode()) <= JID_SIZE_MAX for jid in action.addresses):
        return Rejected("bad-request", "modify", "An address is empty or too long.")
    account = context.accounts.get(session.localpart)
    assert account is not None, session.localpart
    listed = context.blocklists.of(account.account_id)
    if not action.blocked:
        gone = sorted(listed.intersection(action.addresses) if action.addresses else listed)
        if gone:
            _unblock(context, account, gone)
            _push(context, account, "unblock", tuple(gone) if action.addresses else ())
        return Done()
    reports = action.reports if context.machine_version >= FEATURES_SINCE else ()
    refusal = check_reports(reports)
    if refusal is not None:
        return refusal
    new = sorted(set(action.addresses) - listed)
    if len(listed) + len(new) > BLOCKED_ADDRESS_COUNT_MAX:
        return Rejected("resource-constraint", "cancel", f"At most {BLOCKED_ADDRESS_COUNT_MAX} addresses are blocked.")
    if new:
        _block(context, account, new)
        for own in context.session_index.of(account.account_id):
            deliveries.leave_blocked(context, own)
        _push(context, account, "block", tuple(new))
    keep_reports(context, account, reports)
    return Done()


def delete_blocklist(context: Context, account: Account) -> None:
    """Delete the list of an account that is deleted."""
    for jid in sorted(context.blocklists.of(account.account_id)):
        context.blocked.delete((account.account_id, jid))
    context.blocklists.changed(account.account_id)


def _block(context: Context, account: Account, addresses: list[str]) -> None:
    """Show the account unavailable to those who see it, while they may still be told, then close the door."""
    for jid in addresses:
        resource = _resource_of(jid)
        for entry in _contacts(context, account, jid):
            if entry.subscription & SUBSCRIBED_FROM and not context.blocks(account, jid if resource else entry.contact):
                _show_unavailable(context, account, entry.contact, resource)
        context.blocked.insert((account.account_id, jid), Blocked(account.account_id, jid))
        context.blocklists.changed(account.account_id)


def _unblock(context: Context, account: Account, addresses: list[str]) -> None:
    """Open the door, then let both sides see each other as they may (section 3.4)."""
    contacts: dict[str, RosterEntry] = {}
    for jid in addresses:
        context.blocked.delete((account.account_id, jid))
        contacts.update((entry.contact, entry) for entry in _contacts(context, account, jid))
    context.blocklists.changed(account.account_id)
    for contact, entry in sorted(contacts.items()):
        if context.blocks(account, contact):
            continue
        if entry.subscription & SUBSCRIBED_FROM:
            presence.send_to_contact(context, account, contact)
        if entry.subscription & SUBSCRIBED_TO:
            for session, _presence in context.session_index.available(account.account_id):
                presence.send_probe(context, session, contact)


def _contacts(context: Context, account: Account, jid: str) -> list[RosterEntry]:
    """Roster items that an address of the list concerns: one for a JID, all of a domain."""
    if "@" in jid or "/" in jid:
        entry = context.roster.get((account.account_id, jid.partition("/")[0]))
        return [] if entry is None else [entry]
    sql = "SELECT * FROM roster WHERE account_id = ? ORDER BY contact"
    entries = map(RosterEntry._make, context.rows.select((context.roster,), sql, (account.account_id,)))
    return [entry for entry in entries if f".{entry.contact.rpartition('@')[2]}".endswith(f".{jid}")]


def _resource_of(jid: str) -> str | None:
    return jid.partition("/")[2] or None


def _show_unavailable(context: Context, account: Account, contact: str, resource: str | None) -> None:
    localpart = context.account_named(contact)
    bare_jid = context.bare_jid(account.localpart)
    hidden = context.blocklists.resources(account.account_id, contact)
    for session, _presence in context.session_index.available(account.account_id):
        full_jid = f"{bare_jid}/{session.resource}"
        if localpart is None:
            contacts.tell(context, contact, "unavailable", full_jid, None)
            continue
        context.outbox.append(PresenceHandedOver(localpart, bare_jid, full_jid, None, resource=resource, hidden=hidden))


def _push(context: Context, account: Account, kind: str, addresses: tuple[str, ...]) -> None:
    for session in context.session_index.of(account.account_id):
        if session.blocklist:
            context.events.append(BlocklistChanged(session.node_id, session.session_id, kind, addresses))
