"""
Requests in the namespace of entities (XEP-0060 sections 5.6, 6, 7, 8.1): what anyone may ask of a node, and what its
publisher does.

The publisher of an account's nodes is the account (XEP-0163 section 2.2): to change a node of another one is forbidden.
What is read of another one's is asked of the local replica, which decides who may (machine/pubsub/access.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.pubsub.avatars import METADATA_NODE
from raftline.machine.pubsub.bookmarks import BOOKMARKS_NODE
from raftline.machine.pubsub.commands import ChangeNodeSubscription, CreateNode, Publish, RetractItem, StoreBookmarks
from raftline.machine.pubsub.location import LOCATION_NODE
from raftline.machine.pubsub.queries import ItemsOf, NodeSubscriptionsOf
from raftline.xmpp.avatars import announced_digest
from raftline.xmpp.bookmarks import first_bookmark, read_unconverted
from raftline.xmpp.effects import ask
from raftline.xmpp.element import Element, Verbatim
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.payloads import (
    RSM_NAMESPACE,
    TRUE,
    concerns_own_account,
    page_element,
    parse_page_request,
    propose_or_refuse,
    require_own,
)
from raftline.xmpp.pubsub.locations import require_location
from raftline.xmpp.pubsub.node_forms import read_config, read_publish_options
from raftline.xmpp.pubsub.vocabulary import (
    PUBSUB_NAMESPACE,
    ask_or_refuse,
    children_of,
    node_name,
    owner_of,
    reader_of,
    refused,
    unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from raftline.machine.pubsub.values import NodeItems, NodeSubscription
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

_LIMIT_DIGITS_MAX: Final = 9
_NO_LIMIT: Final = 1 << 31


def handle_get(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Answer with items or subscriptions.

    Raises:
        Refused: As sections 5.6 and 6.5.9 say; `feature-not-implemented` for what is not supported.
    """
    return (yield from _dispatch(_GETS, context, stanza))


def handle_set(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Publish, retract, subscribe, unsubscribe or create.

    Raises:
        Refused: As sections 6.1.3, 6.2.3, 7.1.3, 7.2.3 and 8.1.1 say.
    """
    return (yield from _dispatch(_SETS, context, stanza))


def _dispatch(
    handlers: Mapping[str, Callable[[StreamContext, Stanza, Element, Element], Steps]],
    context: StreamContext,
    stanza: Stanza,
) -> Steps:
    request = stanza.element.child("pubsub", PUBSUB_NAMESPACE)
    assert request is not None, "dispatch found the payload by this name"
    action = next(request.elements(), None)
    if action is None or action.namespace != PUBSUB_NAMESPACE:
        raise Refused("bad-request", "modify", "The request asks for nothing.")
    handler = handlers.get(action.name)
    if handler is None:
        raise unsupported(_UNSUPPORTED.get(action.name, action.name))
    return (yield from handler(context, stanza, request, action))


def _wrapped(child: Element) -> Element:
    return Element("pubsub", PUBSUB_NAMESPACE, None, [child])


def _get_items(context: StreamContext, stanza: Stanza, request: Element, action: Element) -> Steps:
    """Section 6.5: all items, a page of them, the most recent ones, or some by id; of too many the most recent."""
    node = node_name(action)
    item_ids = tuple(item.attributes.get("id", "") for item in children_of(action, "item"))
    if "" in item_ids:
        raise Refused("bad-request", "modify", "An item is asked for by its id.")
    limit = _limit_of(action)
    if node == BOOKMARKS_NODE and concerns_own_account(context, stanza):
        unconverted, _rest = yield from read_unconverted(context)
        if unconverted:
            return _wrapped(_items_element(node, unconverted, item_ids))
    page = parse_page_request(request)
    is_paged = request.child("set", RSM_NAMESPACE) is not None
    if page.limit is not None:
        limit = min(limit, page.limit)
    question = ItemsOf(
        owner_of(context, stanza),
        reader_of(context),
        node,
        item_ids,
        limit,
        page.after,
        page.before,
        forward=is_paged and not page.backward,
    )
    found: NodeItems = yield from ask_or_refuse(question)
    answer = _wrapped(_items_element(node, {item.item_id: item.payload for item in found.items}))
    is_cut = not item_ids and len(found.items) < min(found.total, limit)
    if is_paged or is_cut:  # section 6.5.4
        first, last = (found.items[0].item_id, found.items[-1].item_id) if found.items else (None, None)
        answer.children.append(page_element(first, last, found.offset, found.total))
    return answer


def _items_element(node: str, payloads: Mapping[str, bytes], item_ids: tuple[str, ...] = ()) -> Element:
    """Make an answer of items; `item_ids` are those to be taken, all if there are none."""
    items: list[Element | str] = [
        Element("item", PUBSUB_NAMESPACE, {"id": item_id}, [Verbatim(payload)] if payload else None)
        for item_id, payload in payloads.items()
        if not item_ids or item_id in item_ids
    ]
    return Element("items", PUBSUB_NAMESPACE, {"node": node}, items)


def _limit_of(action: Element) -> int:
    """Read how many items are asked for (section 6.5.7)."""
    text = action.attributes.get("max_items")
    if text is None:
        return _NO_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= _LIMIT_DIGITS_MAX and int(text)):
        raise Refused("bad-request", "modify", "The number of items is none.")
    return int(text)


def _get_subscriptions(context: StreamContext, stanza: Stanza, _request: Element, action: Element) -> Steps:
    """Section 5.6: the user's own, at all nodes of an account or at one."""
    node = action.attributes.get("node", "")
    question = NodeSubscriptionsOf(owner_of(context, stanza), reader_of(context), node)
    found: list[NodeSubscription] = yield from ask(question, list)
    attributes = {"node": node} if node else None
    entries: list[Element | str] = [_subscription(entry.node, entry.jid, "subscribed") for entry in found]
    return _wrapped(Element("subscriptions", PUBSUB_NAMESPACE, attributes, entries))


def _publish(context: StreamContext, stanza: Stanza, request: Element, action: Element) -> Steps:
    """Section 7.1; the answer tells the id of the item."""
    require_own(context, stanza)
    node = node_name(action)
    items = children_of(action, "item")
    if len(items) > 1:
        raise refused("bad-request", "modify", "max-items-exceeded", "Publish one item at a time.")
    item_id, payload, avatar = "", b"", None
    if items:
        item_id = items[0].attributes.get("id", "") or context.new_id()
        payload = _payload_of(items[0])
        if node == METADATA_NODE:
            avatar = announced_digest(items[0])
        elif node == LOCATION_NODE:
            require_location(items[0])
    options = request.child("publish-options", PUBSUB_NAMESPACE)
    preconditions = None if options is None else read_publish_options(options)
    publication: Publish | StoreBookmarks = Publish(node, item_id, payload, preconditions, avatar)
    if node == BOOKMARKS_NODE and item_id and payload:
        publication = (yield from first_bookmark(context, item_id, payload)) or publication
    yield from propose_or_refuse(publication)
    published: list[Element | str] = [Element("item", PUBSUB_NAMESPACE, {"id": item_id})] if item_id else []
    return _wrapped(Element("publish", PUBSUB_NAMESPACE, {"node": node}, published))


def _payload_of(item: Element) -> bytes:
    """Write the one element of an item; empty when it has none (section 7.1.3.5)."""
    elements = list(item.elements())
    if len(elements) > 1 or any(element.namespace in {"", PUBSUB_NAMESPACE} for element in elements):
        raise refused("bad-request", "modify", "invalid-payload", "An item has one payload with its own namespace.")
    return elements[0].to_bytes("") if elements else b""


def _retract(context: StreamContext, stanza: Stanza, _request: Element, action: Element) -> Steps:
    """Section 7.2."""
    require_own(context, stanza)
    node = node_name(action)
    items = children_of(action, "item")
    if len(items) != 1 or not items[0].get("id"):
        raise refused("bad-request", "modify", "item-required", "Name one item.")
    notify = action.attributes.get("notify", "") in TRUE
    yield from propose_or_refuse(RetractItem(node, items[0].attributes["id"], notify))


def _create(context: StreamContext, stanza: Stanza, request: Element, action: Element) -> Steps:
    """Section 8.1; a node without a name is given one."""
    require_own(context, stanza)
    children = list(request.elements())
    configure = request.child("configure", PUBSUB_NAMESPACE)
    if configure is not None and (children.index(configure) != 1 or configure.get("node") is not None):
        raise Refused("bad-request", "modify", "The configuration follows, and names no node.")
    name = action.attributes.get("node", "")
    node = name or context.new_id()
    options = None if configure is None else read_config(configure)
    yield from propose_or_refuse(CreateNode(node, options))
    return None if name else _wrapped(Element("create", PUBSUB_NAMESPACE, {"node": node}))


def _subscribe(context: StreamContext, stanza: Stanza, _request: Element, action: Element) -> Steps:
    """Section 6.1."""
    node, jid = node_name(action), _subscriber_of(action)
    yield from propose_or_refuse(ChangeNodeSubscription(owner_of(context, stanza), node, jid, subscribed=True))
    return _wrapped(_subscription(node, jid, "subscribed"))


def _unsubscribe(context: StreamContext, stanza: Stanza, _request: Element, action: Element) -> Steps:
    """Section 6.2."""
    node, jid = node_name(action), _subscriber_of(action)
    yield from propose_or_refuse(ChangeNodeSubscription(owner_of(context, stanza), node, jid, subscribed=False))


def _subscriber_of(action: Element) -> str:
    try:
        return str(parse_jid(action.attributes.get("jid", "")))
    except ValueError as error:
        raise refused("bad-request", "modify", "invalid-jid", "Whose subscription?") from error


def _subscription(node: str, jid: str, state: str) -> Element:
    return Element("subscription", PUBSUB_NAMESPACE, {"node": node, "jid": jid, "subscription": state})


_GETS: Final = {"items": _get_items, "subscriptions": _get_subscriptions}
_SETS: Final = {
    "publish": _publish,
    "retract": _retract,
    "create": _create,
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
}
_UNSUPPORTED: Final = {
    "affiliations": "retrieve-affiliations",
    "default": "retrieve-default-sub",
    "options": "subscription-options",
}
"""Names of features (section 10) by the element that asks for them."""
