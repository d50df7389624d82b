"""
What an import writes into an account (XEP-0227).

An administrator acts for the account: most of it is done by the commands that clients have for it, as if a session of
the account had sent them, with all their limits. Two things no client can do: take over how a contact stands to the
account, and put messages of the past into its archive.

Imported messages lie where they were imported, behind everything that was there: positions are places in the log, and
time never falls as they rise, which archives are searched by. When they were sent is told by the stanza itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from raftline.base.ids import NodeId, SessionId
from raftline.base.limits import (
    IMPORT_STANZA_SIZE_MAX,
    JID_SIZE_MAX,
    OFFLINE_MESSAGE_COUNT_MAX,
    RESOURCE_SIZE_MAX,
)
from raftline.machine import blocking, private_storage, rosters, vcards
from raftline.machine.commands import ActForAccount, ChangeBlocklist, SetRosterItem, SetVcard, StorePrivate
from raftline.machine.context import Context
from raftline.machine.message_commands import Storage
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.portability.commands import ImportedContact, ImportedMessage
from raftline.machine.pubsub import items, nodes
from raftline.machine.pubsub.commands import ChangeAffiliations, CreateNode, Publish
from raftline.machine.records import Archived, Request, Session, StoredMessage

_NO_SUCH_ACCOUNT: Final = Rejected("item-not-found", "cancel", "There is no such account.")


def act_for_account(context: Context, action: ActForAccount) -> Outcome:
    """Do what a session of the account could do, or what only an import does."""
    account = context.accounts.get(action.localpart)
    if account is None:
        return _NO_SUCH_ACCOUNT
    # No session has this number; nothing that is done for one here asks which it is.
    stand_in = Session(
        SessionId(0), account.account_id, account.localpart, "", NodeId(0), 0, context.time_ms, 0, 0, 0, 0
    )
    return _HANDLERS[type(action.action)](context, stand_in, action.action)


def import_contact(context: Context, session: Session, action: ImportedContact) -> Outcome:
    """Take over an item of a roster with its subscription, and a request that waits."""
    account = rosters.account_of(context, session)
    key = (account.account_id, action.contact)
    if len(action.request) > IMPORT_STANZA_SIZE_MAX:
        return Rejected("not-acceptable", "modify", f"A request has at most {IMPORT_STANZA_SIZE_MAX} bytes.")
    mark = len(context.rows.journal)
    outcome = rosters.set_roster_item(context, session, SetRosterItem(action.contact, action.name, action.groups))
    if not isinstance(outcome, Done):
        return outcome
    if action.is_listed:
        entry = context.roster.get(key)
        assert entry is not None, action.contact
        entry = entry._replace(subscription=action.subscription, ask=int(action.ask), approved=int(action.approved))
        context.roster.put(key, entry)
        rosters.push(context, account, rosters.item_of(entry))
    else:
        # Only the checks were wanted.
        context.take_back(mark)
    if action.request:
        context.requests.put(key, Request(account.account_id, action.contact, action.request))
    return Done()


def import_message(context: Context, session: Session, action: ImportedMessage) -> Outcome:
    """Put a message of the past into the archive, or among those that wait, or both."""
    account_id, position = session.account_id, context.position
    addresses = (action.contact, action.sender)
    if any(not 0 < len(jid.encode()) <= JID_SIZE_MAX for jid in addresses):
        return Rejected("bad-request", "modify", "An address is empty or too long.")
    if any(len(resource.encode()) > RESOURCE_SIZE_MAX for resource in (action.from_resource, action.to_resource)):
        return Rejected("bad-request", "modify", "A resource is too long.")
    if len(action.stanza) > IMPORT_STANZA_SIZE_MAX:
        return Rejected("not-acceptable", "modify", f"A message has at most {IMPORT_STANZA_SIZE_MAX} bytes.")
    if action.storage & Storage.OFFLINE:
        if context.offline_counts.of(account_id) >= OFFLINE_MESSAGE_COUNT_MAX:
            return Rejected("resource-constraint", "wait", "Too many messages wait for the account.")
        context.offline_counts.add(account_id, position, action.storage)
    if action.storage & Storage.ARCHIVE:
        row = Archived(account_id, position, context.address_id(action.contact))
        context.archive.insert((account_id, position), row)
    # One holder: an offline row of an account that archives the message is not counted (inbox.py).
    context.messages.insert(
        position,
        StoredMessage(
            position,
            context.time_ms,
            context.address_id(action.sender),
            action.from_resource,
            action.to_resource,
            1,
            action.stanza,
        ),
    )
    return Done()


_HANDLERS: Final[Mapping[type, Callable[[Context, Session, Any], Outcome]]] = MappingProxyType(
    {
        StorePrivate: private_storage.store_private,
        SetVcard: vcards.set_vcard,
        ChangeBlocklist: blocking.change_blocklist,
        CreateNode: nodes.create_node,
        ChangeAffiliations: nodes.change_affiliations,
        Publish: items.publish,
        ImportedContact: import_contact,
        ImportedMessage: import_message,
    }
)
