"""
The roster: get, set, remove, push (RFC 6121 section 2).

A client that asks for its roster wants to hear of every later change, and must not miss one in between: interest is
declared first, through the log, and the roster is read after that was applied here. A change that falls between comes
twice, in the roster and as a push, which is harmless.

Versions (section 2.6) are those of the replicated roster, the same on every node. A client that has the current one is
told so, and any other gets the whole roster: what was removed since an older version is not remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.limits import ROSTER_GROUP_COUNT_MAX, ROSTER_GROUP_SIZE_MAX, ROSTER_NAME_SIZE_MAX
from raftline.machine.commands import DeclareInterest, RemoveRosterItem, SetRosterItem
from raftline.machine.outcomes import RosterItem
from raftline.machine.queries import Roster, RosterOf
from raftline.xmpp.effects import ask
from raftline.xmpp.element import Element
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.payloads import concerns_own_account, propose_or_refuse

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

ROSTER_NAMESPACE: Final = "jabber:iq:roster"
VERSIONS_FEATURE: Final = "urn:xmpp:features:rosterver"
PRE_APPROVAL_FEATURE: Final = "urn:xmpp:features:pre-approval"


def register(modules: Modules) -> None:
    """Handle the roster; offer versions and pre-approval (RFC 6121 sections 2.6.1, 3.4)."""
    modules.stream_features.append(lambda _modules: Element("ver", VERSIONS_FEATURE))
    modules.stream_features.append(lambda _modules: Element("sub", PRE_APPROVAL_FEATURE))
    modules.on_iq("account", "get", ROSTER_NAMESPACE, "query", handle_get)
    modules.on_iq("account", "set", ROSTER_NAMESPACE, "query", handle_set)


def handle_get(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return the roster and be told of its changes from here on (RFC 6121 sections 2.1.3, 2.2).

    To a client that has this version of it, return nothing (section 2.6.3).

    Raises:
        Refused: `forbidden` for another account's.
    """
    _require_own(context, stanza)
    yield from propose_or_refuse(DeclareInterest())
    roster = yield from ask(RosterOf(context.jid.local), Roster)
    query = stanza.element.child("query", ROSTER_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    known, version = query.get("ver"), str(roster.version)
    if known == version:
        return None
    attributes = {} if known is None else {"ver": version}
    return Element("query", ROSTER_NAMESPACE, attributes, [item_element(item) for item in roster.items])


def handle_set(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Add, change or remove one item (RFC 6121 sections 2.1.5, 2.3 to 2.5).

    Raises:
        Refused: `forbidden` for another account's roster, `bad-request` for other than one item, for an item without a
            bare address and for doubled groups, `jid-malformed` for one that is no address, `not-allowed` for the
            user's own, `not-acceptable` for names too long, empty groups and too many of them; from apply:
            `item-not-found` for removing what is not there.
    """
    _require_own(context, stanza)
    query = stanza.element.child("query", ROSTER_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    items = list(query.elements())
    if len(items) != 1 or items[0].name != "item" or items[0].namespace != ROSTER_NAMESPACE:
        raise Refused("bad-request", "modify", "A roster set has one item.")
    item = items[0]
    contact = contact_of(item)
    if item.get("subscription") == "remove":
        yield from propose_or_refuse(RemoveRosterItem(str(contact)))
        return
    if contact == context.jid.bare:
        raise Refused("not-allowed", "cancel", "An account is not its own contact.")
    # Any other value of subscription, and ask and approved, are the server's to say (section 2.1.2).
    name = item.get("name") or ""
    if len(name.encode()) > ROSTER_NAME_SIZE_MAX:
        raise Refused("not-acceptable", "modify", f"A name has at most {ROSTER_NAME_SIZE_MAX} bytes.")
    yield from propose_or_refuse(SetRosterItem(str(contact), name, groups_of(item)))


def item_element(item: RosterItem) -> Element:
    """Write an item as clients see it (RFC 6121 section 2.1.2)."""
    attributes = {"jid": item.contact}
    if item.name:
        attributes["name"] = item.name
    attributes["subscription"] = item.subscription
    if item.ask:
        attributes["ask"] = "subscribe"
    if item.approved:
        attributes["approved"] = "true"
    return Element(
        "item", ROSTER_NAMESPACE, attributes, [Element("group", ROSTER_NAMESPACE, None, [name]) for name in item.groups]
    )


def _require_own(context: StreamContext, stanza: Stanza) -> None:
    if not concerns_own_account(context, stanza):
        raise Refused("forbidden", "auth", "This roster is somebody else's.")


def contact_of(item: Element) -> JID:
    """
    Return whom an item is about.

    Raises:
        Refused: `bad-request` for no address, or one of a resource; `jid-malformed` for none at all.
    """
    text = item.get("jid")
    if not text:
        raise Refused("bad-request", "modify", "The item has no address.")
    try:
        contact = parse_jid(text)
    except ValueError as error:
        raise Refused("jid-malformed", "modify", f"The item's address is none: {error}.") from error
    if not contact.is_bare:
        raise Refused("bad-request", "modify", "A contact is an account, not one of its resources.")
    return contact


def groups_of(item: Element) -> tuple[str, ...]:
    """
    Return the groups of an item.

    Raises:
        Refused: `bad-request` for one that comes twice, `not-acceptable` for too many, or a name that cannot be.
    """
    groups = tuple(
        child.text for child in item.elements() if child.name == "group" and child.namespace == ROSTER_NAMESPACE
    )
    if len(set(groups)) != len(groups):
        raise Refused("bad-request", "modify", "A group comes twice.")
    if len(groups) > ROSTER_GROUP_COUNT_MAX:
        raise Refused("not-acceptable", "modify", f"An item is in at most {ROSTER_GROUP_COUNT_MAX} groups.")
    for group in groups:
        if not 0 < len(group.encode()) <= ROSTER_GROUP_SIZE_MAX:
            raise Refused("not-acceptable", "modify", f"A group's name has 1 to {ROSTER_GROUP_SIZE_MAX} bytes.")
    return groups
