"""
XEP-0030 Service Discovery: what the server and its accounts can do, made of the modules' declarations.

An account is described to those who may see its presence and to nobody else, so that addresses cannot be harvested
(section 8): to others it looks like one that does not exist. A business's number may be seen by everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.base.errors import Refused
from raftline.machine.queries import SubscriptionOf
from raftline.xmpp.businesses import describe_number
from raftline.xmpp.capabilities import INFO_NAMESPACE, ITEMS_NAMESPACE, info_element, server_info
from raftline.xmpp.effects import ask
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import concerns_own_account

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza


def register(modules: Modules) -> None:
    """Answer service discovery for the server and for accounts."""
    features = (INFO_NAMESPACE, ITEMS_NAMESPACE)
    modules.declare(
        Declaration(number=30, title="Service Discovery", version="2.5.0", features=features, account_features=features)
    )
    modules.on_iq("server", "get", INFO_NAMESPACE, "query", handle_server_info)
    modules.on_iq("server", "get", ITEMS_NAMESPACE, "query", handle_server_items)
    modules.on_iq("account", "get", INFO_NAMESPACE, "query", handle_account_info)
    modules.on_iq("account", "get", ITEMS_NAMESPACE, "query", handle_account_items)


def handle_server_info(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return identity and features of the server (section 3.1).

    Raises:
        Refused: `item-not-found` for a node that nobody knows: neither does it name the server's capabilities, nor
            does a module answer for it; what that module refuses.
    """
    modules = context.modules
    yield from ()  # a handler that asks for nothing
    node = _node_of(stanza, INFO_NAMESPACE)
    if not node:
        return server_info(modules)
    if node in {name_of(modules) for name_of in modules.disco_nodes}:
        info = server_info(modules)
    else:
        answers = (describe(context, node) for describe in modules.info_nodes)
        found = next((answer for answer in answers if answer is not None), None)
        if found is None:
            raise Refused("item-not-found", "cancel", "There is no such node.")
        info = found
    info.attributes["node"] = node
    return info


def handle_server_items(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return the services beside the server, as their modules tell them (section 4.1), or the items of a node.

    Raises:
        Refused: `item-not-found` for a node that no module knows.
    """
    node = _node_of(stanza, ITEMS_NAMESPACE)
    if node:
        answers = (list_items(context, node) for list_items in context.modules.item_nodes)
        found = next((answer for answer in answers if answer is not None), None)
        if found is None:
            raise Refused("item-not-found", "cancel", "There is no such node.")
        return Element("query", ITEMS_NAMESPACE, {"node": node}, [*found])
    items: list[Element | str] = []
    for host in context.modules.hosts.values():
        attributes = {"jid": f"{host.label}.{context.domain}", "name": host.name}
        items.append(Element("item", ITEMS_NAMESPACE, attributes))
    for items_of in context.modules.disco_items:
        items.extend(items_of(context, context.jid))
    yield from ()  # a handler that asks for nothing
    return Element("query", ITEMS_NAMESPACE, None, items)


def handle_account_info(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return identity and features of an account (section 3.1).

    Raises:
        Refused: `service-unavailable` for one that does not share its presence with the user, or does not exist
            (section 8); for a node, as whoever keeps it says to those who may see the account.
    """
    by_node = context.modules.account_node_info
    if by_node is not None and _node_of(stanza, INFO_NAMESPACE):
        try:
            return (yield from by_node(context, stanza))
        except Refused:
            if concerns_own_account(context, stanza) or (yield from _is_seen(context, stanza)):
                raise
            raise Refused("service-unavailable", "cancel") from None
    if not concerns_own_account(context, stanza) and not (yield from _is_seen(context, stanza)):
        raise Refused("service-unavailable", "cancel")
    _require_no_node(stanza, INFO_NAMESPACE)
    features = [feature for declaration in context.modules.declarations for feature in declaration.account_features]
    features += context.modules.extensions
    info = info_element("account", "registered", None, features)
    info.children[1:1] = [
        Element("identity", INFO_NAMESPACE, {"category": category, "type": kind})
        for category, kind in context.modules.account_identities
    ]
    yield from describe_number((stanza.to or context.jid).local, info)
    return info


def handle_account_items(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return the nodes of an account that the user may read; its resources are told by presence, to those it concerns
    (section 8).

    Raises:
        Refused: `item-not-found` for a node of an account that the user may see.
    """
    items_of = context.modules.account_items
    is_seen = concerns_own_account(context, stanza) or (yield from _is_seen(context, stanza))
    if items_of is not None and (is_seen or _node_of(stanza, ITEMS_NAMESPACE)):
        try:
            return (yield from items_of(context, stanza))
        except Refused:
            if is_seen:
                raise
    elif is_seen:
        _require_no_node(stanza, ITEMS_NAMESPACE)
    return Element("query", ITEMS_NAMESPACE)


def _is_seen(context: StreamContext, stanza: Stanza) -> Steps:
    assert stanza.to is not None
    return (yield from ask(SubscriptionOf(stanza.to.local, str(context.jid.bare)), bool))


def _node_of(stanza: Stanza, namespace: str) -> str | None:
    query = stanza.element.child("query", namespace)
    assert query is not None, "dispatch found the payload by this name"
    return query.get("node")


def _require_no_node(stanza: Stanza, namespace: str) -> None:
    if _node_of(stanza, namespace):
        raise Refused("item-not-found", "cancel", "There is no such node.")
