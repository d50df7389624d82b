"""Roles and affiliations, listed and changed (XEP-0045 sections 8, 9, 10.3 to 10.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.rooms.commands import ChangeKind, ChangeOccupants, OccupantChange
from raftline.machine.rooms.queries import AffiliatedTo, PeopleIn
from raftline.machine.rooms.ranks import Affiliation, Role, may_read_list
from raftline.machine.rooms.views import AffiliationView, OccupantView, RoomView
from raftline.xmpp.effects import ask
from raftline.xmpp.element import Element
from raftline.xmpp.jid import parse_jid, prepare_resource
from raftline.xmpp.payloads import propose_or_refuse
from raftline.xmpp.rooms.names import (
    ADMIN_NAMESPACE,
    AFFILIATION_NAMES,
    AFFILIATIONS,
    ROLE_NAMES,
    ROLES,
    address,
    view_of,
)

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

_BAD_ITEM: Final = Refused("bad-request", "modify", "An item names one role or one affiliation, and whose.")


def handle_get(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return a list: by role or by affiliation (sections 8.5, 9.2, 9.5, 9.8, 10.5, 10.8).

    Raises:
        Refused: `forbidden` to whom it is not shown, `bad-request` when no list is named.
    """
    view: RoomView = yield from view_of(context, stanza)
    items = _items_of(stanza)
    if len(items) != 1:
        raise _BAD_ITEM
    role, affiliation = items[0].get("role"), items[0].get("affiliation")
    room = address(stanza).local
    found: list[Element | str] = []
    if affiliation in AFFILIATIONS and role is None:
        _require_list(view, AFFILIATIONS[affiliation])
        listed: list[AffiliationView] = yield from ask(AffiliatedTo(room, int(AFFILIATIONS[affiliation])), list)
        found += [_affiliation_item(entry) for entry in listed]
    elif role in ROLES and affiliation is None:
        if view.role < Role.MODERATOR and view.affiliation < Affiliation.ADMIN:
            raise Refused("forbidden", "auth", "Moderators alone read this list.")
        people: list[OccupantView] = yield from ask(PeopleIn(room), list)
        found += [_role_item(person) for person in people if person.role == ROLES[role]]
    else:
        raise _BAD_ITEM
    return Element("query", ADMIN_NAMESPACE, None, found)


def handle_set(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Change roles or affiliations, all items or none.

    Raises:
        Refused: `bad-request` for an item that makes no sense, `jid-malformed`; from apply: `forbidden`,
            `not-allowed` for somebody out of reach, `item-not-found` for nobody of that name, `conflict` for the last
            owner, oneself, and a nickname that is taken.
    """
    yield from view_of(context, stanza)
    changes = tuple(_change(item) for item in _items_of(stanza))
    if not changes:
        raise _BAD_ITEM
    yield from propose_or_refuse(ChangeOccupants(address(stanza).local, changes))


def _items_of(stanza: Stanza) -> list[Element]:
    query = stanza.element.child("query", ADMIN_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    return [child for child in query.elements() if child.name == "item" and child.namespace == ADMIN_NAMESPACE]


def _change(item: Element) -> OccupantChange:
    role, affiliation = item.get("role"), item.get("affiliation")
    nick, jid = item.get("nick"), item.get("jid")
    reason_element = item.child("reason", ADMIN_NAMESPACE)
    reason = "" if reason_element is None else reason_element.text
    try:
        nick = None if nick is None else prepare_resource(nick)
        target = None if jid is None else str(parse_jid(jid).bare)
    except ValueError as error:
        raise Refused("jid-malformed", "modify", "This is no address.") from error
    if role in ROLES and affiliation is None and nick is not None:
        return OccupantChange(ChangeKind.ROLE, nick, int(ROLES[role]), reason)
    if affiliation not in AFFILIATIONS or role is not None:
        raise _BAD_ITEM
    value = int(AFFILIATIONS[affiliation])
    if target is not None:
        return OccupantChange(ChangeKind.AFFILIATION, target, value, reason, nick or "")
    if nick is None:
        raise _BAD_ITEM
    return OccupantChange(ChangeKind.AFFILIATION, nick, value, reason, by_nick=True)


def _require_list(view: RoomView, affiliation: Affiliation) -> None:
    """Refuse who may not read a list."""
    settings = view.settings
    may_read = may_read_list(
        affiliation,
        view.affiliation,
        view.role if view.nick else Role.NONE,
        sees_addresses=settings.non_anonymous,
        list_roles=settings.list_roles,
    )
    if not may_read:
        raise Refused("forbidden", "auth", "You may not read this list.")


def _affiliation_item(entry: AffiliationView) -> Element:
    attributes = {"affiliation": AFFILIATION_NAMES[entry.affiliation], "jid": entry.jid}
    if entry.nick:
        attributes["nick"] = entry.nick
    item = Element("item", ADMIN_NAMESPACE, attributes)
    if entry.reason:
        item.children.append(Element("reason", ADMIN_NAMESPACE, None, [entry.reason]))
    return item


def _role_item(person: OccupantView) -> Element:
    attributes = {
        "affiliation": AFFILIATION_NAMES[person.affiliation],
        "jid": person.jid,
        "nick": person.nick,
        "role": ROLE_NAMES[person.role],
    }
    return Element("item", ADMIN_NAMESPACE, attributes)
