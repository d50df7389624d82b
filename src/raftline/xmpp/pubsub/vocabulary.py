"""Namespaces of XEP-0060, what all its requests have in common, and refusals that name its conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.outcomes import Rejected
from raftline.machine.pubsub.config import ERRORS
from raftline.xmpp.effects import ask

if TYPE_CHECKING:
    from raftline.machine.queries import Query
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.element import Element
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

PUBSUB_NAMESPACE: Final = "http://jabber.org/protocol/pubsub"
OWNER_NAMESPACE: Final = "http://jabber.org/protocol/pubsub#owner"
EVENT_NAMESPACE: Final = "http://jabber.org/protocol/pubsub#event"


def refused(condition: str, kind: str, detail: str, text: str = "") -> Refused:
    """Make a refusal with a condition of XEP-0060 section 17 beside that of the stanza."""
    return Refused(condition, kind, text, f"{{{ERRORS}}}{detail}")


def unsupported(feature: str) -> Refused:
    """Make the refusal of what this service does not do, by the name of the feature (section 10)."""
    return refused("feature-not-implemented", "cancel", f"unsupported feature={feature}")


def owner_of(context: StreamContext, stanza: Stanza) -> str:
    """Return the name of the account whose nodes a request is about."""
    return context.jid.local if stanza.to is None else stanza.to.local


def reader_of(context: StreamContext) -> str:
    """Return the user's bare JID, by which access is decided."""
    return str(context.jid.bare)


def node_name(element: Element) -> str:
    """
    Return the node that an element names.

    Raises:
        Refused: `bad-request` with `nodeid-required` when it names none.
    """
    name = element.attributes.get("node", "")
    if not name:
        raise refused("bad-request", "modify", "nodeid-required", "Which node?")
    return name


def children_of(element: Element, name: str) -> list[Element]:
    """Return the children of that name in the element's own namespace."""
    return [child for child in element.elements() if child.name == name and child.namespace == element.namespace]


def ask_or_refuse(query: Query) -> Steps:
    """Ask, and raise Refused where the answer is a refusal."""
    answer: object = yield from ask(query, object)
    if isinstance(answer, Rejected):
        raise Refused(*answer)
    return answer
