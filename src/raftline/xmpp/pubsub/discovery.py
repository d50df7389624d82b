"""Nodes of accounts and their items in service discovery (XEP-0060 sections 5.2 to 5.5, XEP-0163 section 6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.base.timestamps import format_timestamp
from raftline.machine.pubsub.queries import ItemsOf, NodeOf, NodesOf
from raftline.xmpp.capabilities import INFO_NAMESPACE, ITEMS_NAMESPACE
from raftline.xmpp.effects import ask
from raftline.xmpp.element import Element
from raftline.xmpp.pubsub.node_forms import metadata_form
from raftline.xmpp.pubsub.vocabulary import PUBSUB_NAMESPACE, ask_or_refuse, owner_of, reader_of

if TYPE_CHECKING:
    from raftline.machine.pubsub.values import NodeDetails, NodeItems
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza


def handle_node_info(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Describe a node to who may read it (sections 5.3, 5.4).

    Raises:
        Refused: `item-not-found` when there is none; as the access model says for who may not read it.
    """
    query = stanza.element.child("query", INFO_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    owner, node = owner_of(context, stanza), query.attributes["node"]
    details: NodeDetails = yield from ask_or_refuse(NodeOf(owner, reader_of(context), node))
    children: list[Element | str] = [
        Element("identity", INFO_NAMESPACE, {"category": "pubsub", "type": "leaf"}),
        Element("feature", INFO_NAMESPACE, {"var": PUBSUB_NAMESPACE}),
        metadata_form(f"{owner}@{context.domain}", details.config, format_timestamp(details.created_ms)),
    ]
    return Element("query", INFO_NAMESPACE, {"node": node}, children)


def handle_items(context: StreamContext, stanza: Stanza) -> Steps:
    """
    List the nodes of an account that the user may read (section 5.2), or the items of one node (section 5.5).

    Raises:
        Refused: As `handle_node_info`, for one node.
    """
    query = stanza.element.child("query", ITEMS_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    owner, node = owner_of(context, stanza), query.attributes.get("node", "")
    jid = f"{owner}@{context.domain}"
    if node:
        found: NodeItems = yield from ask_or_refuse(ItemsOf(owner, reader_of(context), node))
        items = [{"jid": jid, "name": item.item_id} for item in found.items]
    else:
        nodes: list[NodeDetails] = yield from ask(NodesOf(owner, reader_of(context)), list)
        items = [
            {"jid": jid, "node": details.node, **({"name": details.config.title} if details.config.title else {})}
            for details in nodes
        ]
    content: list[Element | str] = [Element("item", ITEMS_NAMESPACE, attributes) for attributes in items]
    return Element("query", ITEMS_NAMESPACE, {"node": node} if node else None, content)
