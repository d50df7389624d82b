"""Requests of a node's owner (XEP-0060 section 8), who is the account that it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.pubsub.commands import Affiliation, ChangeAffiliations, ConfigureNode, DeleteNode, PurgeNode
from raftline.machine.pubsub.config import DEFAULTS
from raftline.machine.pubsub.nodes import AFFILIATIONS
from raftline.machine.pubsub.queries import NodeOf
from raftline.xmpp.element import Element
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.payloads import FORM_NAMESPACE, propose_or_refuse, require_own
from raftline.xmpp.pubsub.node_forms import config_form, read_config
from raftline.xmpp.pubsub.vocabulary import (
    OWNER_NAMESPACE,
    ask_or_refuse,
    children_of,
    node_name,
    reader_of,
    unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from raftline.machine.pubsub.values import NodeDetails
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

_OTHER_AFFILIATIONS: Final = frozenset({"owner", "publisher", "publish-only"})


def handle_get(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Answer with configuration, affiliations or subscriptions of a node.

    Raises:
        Refused: As sections 8.2.3, 8.3.3, 8.8.1 and 8.9.1 say.
    """
    return (yield from _dispatch(_GETS, context, stanza))


def handle_set(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Configure, purge or delete a node, or change its affiliations.

    Raises:
        Refused: As sections 8.2.5, 8.4.3, 8.5.3 and 8.9.2 say.
    """
    return (yield from _dispatch(_SETS, context, stanza))


def _dispatch(
    handlers: Mapping[str, Callable[[StreamContext, Element], Steps]], context: StreamContext, stanza: Stanza
) -> Steps:
    request = stanza.element.child("pubsub", OWNER_NAMESPACE)
    assert request is not None, "dispatch found the payload by this name"
    action = next(request.elements(), None)
    if action is None or action.namespace != OWNER_NAMESPACE:
        raise Refused("bad-request", "modify", "The request asks for nothing.")
    require_own(context, stanza)
    handler = handlers.get(action.name)
    if handler is None:
        raise unsupported("manage-subscriptions" if action.name == "subscriptions" else action.name)
    return (yield from handler(context, action))


def _wrapped(name: str, node: str, content: list[Element | str]) -> Element:
    attributes = {"node": node} if node else None
    return Element("pubsub", OWNER_NAMESPACE, None, [Element(name, OWNER_NAMESPACE, attributes, content)])


def _details(context: StreamContext, action: Element) -> Steps:
    return (yield from ask_or_refuse(NodeOf(context.jid.local, reader_of(context), node_name(action))))


def _get_config(context: StreamContext, action: Element) -> Steps:
    """Section 8.2.1."""
    details: NodeDetails = yield from _details(context, action)
    return _wrapped("configure", details.node, [config_form(details.config)])


def _get_default(_context: StreamContext, _action: Element) -> Steps:
    """Section 8.3."""
    yield from ()  # a handler that asks for nothing
    return _wrapped("default", "", [config_form(DEFAULTS)])


def _get_affiliations(context: StreamContext, action: Element) -> Steps:
    """Section 8.9.1; the owner is among them."""
    details: NodeDetails = yield from _details(context, action)
    entries = ((reader_of(context), "owner"), *details.affiliations)
    content: list[Element | str] = [
        Element("affiliation", OWNER_NAMESPACE, {"jid": jid, "affiliation": affiliation})
        for jid, affiliation in entries
    ]
    return _wrapped("affiliations", details.node, content)


def _get_subscriptions(context: StreamContext, action: Element) -> Steps:
    """Section 8.8.1; those by name."""
    details: NodeDetails = yield from _details(context, action)
    content: list[Element | str] = [
        Element("subscription", OWNER_NAMESPACE, {"jid": jid, "subscription": "subscribed"})
        for jid in details.subscriptions
    ]
    return _wrapped("subscriptions", details.node, content)


def _configure(context: StreamContext, action: Element) -> Steps:
    """Section 8.2.4; a form that is cancelled changes nothing."""
    node = node_name(action)
    form = action.child("x", FORM_NAMESPACE)
    if form is not None and form.get("type") == "cancel":
        return
    options = read_config(action)
    if options is None:
        raise Refused("bad-request", "modify", "There is no form.")
    yield from propose_or_refuse(ConfigureNode(node, options))


def _delete(_context: StreamContext, action: Element) -> Steps:
    """Section 8.4."""
    yield from propose_or_refuse(DeleteNode(node_name(action)))


def _purge(_context: StreamContext, action: Element) -> Steps:
    """Section 8.5."""
    yield from propose_or_refuse(PurgeNode(node_name(action)))


def _change_affiliations(_context: StreamContext, action: Element) -> Steps:
    """Section 8.9.2; an entry that names no affiliation changes nothing."""
    node = node_name(action)
    entries: list[Affiliation] = []
    for entry in children_of(action, "affiliation"):
        affiliation = entry.get("affiliation")
        if affiliation in _OTHER_AFFILIATIONS:
            raise unsupported("multi-owner" if affiliation == "owner" else f"{affiliation}-affiliation")
        if affiliation is None:
            continue
        if affiliation not in AFFILIATIONS:
            raise Refused("bad-request", "modify", "There is no such affiliation.")
        try:
            jid = parse_jid(entry.attributes.get("jid", "")).bare
        except ValueError as error:
            raise Refused("bad-request", "modify", f"An address is none: {error}.") from error
        entries.append(Affiliation(str(jid), affiliation))
    yield from propose_or_refuse(ChangeAffiliations(node, tuple(entries)))


_GETS: Final = {
    "configure": _get_config,
    "default": _get_default,
    "affiliations": _get_affiliations,
    "subscriptions": _get_subscriptions,
}
_SETS: Final = {
    "configure": _configure,
    "delete": _delete,
    "purge": _purge,
    "affiliations": _change_affiliations,
}
