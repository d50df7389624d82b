"""
How a component's stream lies on TCP: as a client's, under a namespace of its own.

What is stored and passed on is written for places where `jabber:client` is the default namespace, and takes on the
default namespace of the stream that it is written to. So nothing is rewritten on the way to a component. On the way
from it trees are renamed, so that everything behind this file knows one namespace of stanzas; bytes that name the
namespace themselves are written anew from the tree (`Stanza.stamped`).
"""

from __future__ import annotations

from typing import Final

from raftline.xmpp.element import Element
from raftline.xmpp.framing import TCPFraming
from raftline.xmpp.stanza import CLIENT_NAMESPACE, STANZA_KINDS
from raftline.xmpp.xmlstream import ElementReceived, XMLEvent

COMPONENT_NAMESPACE: Final = "jabber:component:accept"


class ComponentFraming(TCPFraming):
    """One XML document in each direction (XEP-0114 section 3)."""

    __slots__ = ()

    namespace = COMPONENT_NAMESPACE

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """As Framing: what keeps the bytes of a stanza from standing on their own."""
        return (*super().prefixes, COMPONENT_NAMESPACE.encode())

    def receive(self, data: bytes) -> list[XMLEvent]:
        """As Framing; stanzas come in the namespace of clients."""
        events = super().receive(data)
        for event in events:
            if type(event) is ElementReceived and event.element.name in STANZA_KINDS:
                _rename(event.element)
        return events


def _rename(element: Element) -> None:
    if element.namespace == COMPONENT_NAMESPACE:
        element.namespace = CLIENT_NAMESPACE
    for child in element.elements():
        _rename(child)
