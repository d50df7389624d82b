"""
XEP-0049 Private XML Storage: elements that clients keep on the server, by namespace and name, for their account alone.

An element is written once on its way in and handed out as it was written, but the list of bookmarks, which is kept in
another form (bookmarks.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.limits import PRIVATE_ELEMENT_COUNT_MAX
from raftline.machine.commands import PrivateElement, StorePrivate
from raftline.machine.queries import PrivateOf
from raftline.xmpp.bookmarks import is_storage, read_storage, write_storage
from raftline.xmpp.effects import Ask
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import propose_or_refuse, require_own, stored_element

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

PRIVATE_NAMESPACE: Final = "jabber:iq:private"


def register(modules: Modules) -> None:
    """Handle private storage."""
    modules.declare(
        Declaration(
            number=49,
            title="Private XML Storage",
            version="1.2",
            features=(PRIVATE_NAMESPACE,),
            account_features=(PRIVATE_NAMESPACE,),
        )
    )
    modules.on_iq("account", "get", PRIVATE_NAMESPACE, "query", handle_get)
    modules.on_iq("account", "set", PRIVATE_NAMESPACE, "query", handle_set)


def handle_get(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return the element of the name that is asked for; what was never stored comes back empty (section 2.2).

    Raises:
        Refused: `forbidden` for another account's, `bad-request` for other than one element, `not-acceptable` for one
            without a namespace of its own (section 2.3).
    """
    wanted = _elements_of(context, stanza)
    if len(wanted) != 1:
        raise Refused("bad-request", "modify", "Ask for one element.")
    if is_storage(wanted[0]):
        return Element("query", PRIVATE_NAMESPACE, None, [(yield from read_storage(context))])
    data: bytes | None = yield Ask(PrivateOf(context.jid.local, wanted[0].namespace, wanted[0].name))
    found = Element(wanted[0].name, wanted[0].namespace) if data is None else stored_element(data)
    return Element("query", PRIVATE_NAMESPACE, None, [found])


def handle_set(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Replace elements (section 2.3).

    Raises:
        Refused: `forbidden` for another account's, `not-acceptable` for none, and for one without a namespace of its
            own (section 2.3), `bad-request` for bookmarks beside others; from apply: `not-acceptable` for one that is
            too large, `resource-constraint` for too many.
    """
    elements = _elements_of(context, stanza)
    if not elements:
        raise Refused("not-acceptable", "modify", "There is nothing to store.")
    if len(elements) > PRIVATE_ELEMENT_COUNT_MAX:
        raise Refused("resource-constraint", "cancel", f"At most {PRIVATE_ELEMENT_COUNT_MAX} elements are kept.")
    if any(map(is_storage, elements)):
        if len(elements) > 1:
            raise Refused("bad-request", "modify", "Bookmarks are stored by themselves.")
        yield from write_storage(context, elements[0])
        return
    stored = tuple(PrivateElement(entry.namespace, entry.name, entry.to_bytes("")) for entry in elements)
    yield from propose_or_refuse(StorePrivate(stored))


def _elements_of(context: StreamContext, stanza: Stanza) -> list[Element]:
    require_own(context, stanza)
    query = stanza.element.child("query", PRIVATE_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    elements = list(query.elements())
    if any(entry.namespace in {"", PRIVATE_NAMESPACE} for entry in elements):
        raise Refused("not-acceptable", "modify", "Each element needs a namespace of its own.")
    return elements
