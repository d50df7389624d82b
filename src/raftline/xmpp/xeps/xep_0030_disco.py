"""
XEP-0030 Service Discovery: what the server and its accounts can do, made of the modules' declarations.

An account is described to those who may see its presence and to nobody else, so that addresses cannot be harvested
(section 8): to others it looks like one that does not exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.queries import SubscriptionOf
from raftline.xmpp.capabilities import INFO_NAMESPACE, info_element, server_info
from raftline.xmpp.effects import ask
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import concerns_own_account

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

ITEMS_NAMESPACE: Final = "http://jabber.org/protocol/disco#items"


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
        Refused: `item-not-found` for a node; the server has none but those that name its capabilities.
    """
    modules = context.modules
    node = _node_of(stanza, INFO_NAMESPACE)
    if node and node not in {name_of(modules) for name_of in modules.disco_nodes}:
        raise Refused("item-not-found", "cancel", "There is no such node.")
    yield from ()  # a handler that asks for nothing
    info = server_info(modules)
    if node:
        info.attributes["node"] = node
    return info


def handle_server_items(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return the services beside the server, as their modules tell them (section 4.1).

    Raises:
        Refused: `item-not-found` for a node; the server has none.
    """
    _require_no_node(stanza, ITEMS_NAMESPACE)
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
            (section 8), `item-not-found` for a node.
    """
    if not concerns_own_account(context, stanza) and not (yield from _is_seen(context, stanza)):
        raise Refused("service-unavailable", "cancel")
    _require_no_node(stanza, INFO_NAMESPACE)
    features = (feature for declaration in context.modules.declarations for feature in declaration.account_features)
    return info_element("account", "registered", None, features)


def handle_account_items(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return no items: an account has none but its resources, which presence tells to those it concerns (section 8).

    Raises:
        Refused: `item-not-found` for a node of an account that the user may see.
    """
    if concerns_own_account(context, stanza) or (yield from _is_seen(context, stanza)):
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
