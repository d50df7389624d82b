"""
XEP-0191 Blocking Command: the block list, and word of its changes.

What a block does is decided where stanzas are routed: in apply for what goes through the log (machine/blocking.py),
by `queries.Reachable` and `queries.BlockBetween` for the rest. What it does in rooms: machine/rooms/blocks.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.limits import BLOCKED_ADDRESS_COUNT_MAX
from raftline.machine.commands import ChangeBlocklist, DeclareBlocklistInterest
from raftline.machine.outcomes import BlocklistChanged
from raftline.machine.queries import BlocklistOf
from raftline.xmpp.effects import AwaitReplicas, ask
from raftline.xmpp.element import Element
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import propose_or_refuse, require_own
from raftline.xmpp.presence import farewells
from raftline.xmpp.reports import report_of, tell_administrators
from raftline.xmpp.stanza import CLIENT_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

BLOCKING_NAMESPACE: Final = "urn:xmpp:blocking"


def register(modules: Modules) -> None:
    """Handle the list."""
    modules.declare(
        Declaration(
            number=191,
            title="Blocking Command",
            version="1.3",
            status="partial",
            note="Of an address in a room all but what it says to everyone is blocked.",
            features=(BLOCKING_NAMESPACE,),
            account_features=(BLOCKING_NAMESPACE,),
        )
    )
    modules.on_iq("account", "get", BLOCKING_NAMESPACE, "blocklist", handle_get)
    modules.on_iq("account", "set", BLOCKING_NAMESPACE, "block", handle_block)
    modules.on_iq("account", "set", BLOCKING_NAMESPACE, "unblock", handle_unblock)
    modules.on_event(BlocklistChanged, render_change)


def handle_get(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return the list, and tell of its changes from here on (section 3.2).

    Raises:
        Refused: `forbidden` for another account's.
    """
    require_own(context, stanza)
    yield from propose_or_refuse(DeclareBlocklistInterest())
    addresses: tuple[str, ...] = yield from ask(BlocklistOf(context.jid.local), tuple)
    return Element("blocklist", BLOCKING_NAMESPACE, None, _items(addresses))


def handle_block(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Block addresses (section 3.3), for reasons that may be reported (XEP-0377). Those that were sent directed presence
    are told that it is over.

    Raises:
        Refused: `bad-request` without items or for a report without a reason, `jid-malformed` for what is no address,
            `not-allowed` for the user's own, `policy-violation` for too many at once, `forbidden` for another account's
            list; from apply: `resource-constraint` when the list is full, `not-acceptable` for a report that is too
            long.
    """
    require_own(context, stanza)
    items = _items_of(stanza, "block")
    addresses = tuple(items)
    if not addresses:
        raise Refused("bad-request", "modify", "There is nothing to block.")
    if any(address.bare == context.jid.bare for address in addresses):
        raise Refused("not-allowed", "cancel", "Your own devices cannot be blocked.")
    texts = tuple(map(str, addresses))
    found = [report_of(item, str(address), context.epochs) for address, item in items.items()]
    reports = tuple(report for report in found if report is not None)
    yield from farewells(context, concerned=lambda jid: _is_among(texts, parse_jid(jid)))
    yield from propose_or_refuse(ChangeBlocklist(blocked=True, addresses=texts, reports=reports))
    yield AwaitReplicas(context.jid.local)
    if reports:
        yield from tell_administrators(context, reports)


def handle_unblock(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Unblock addresses (section 3.4), or all when none is named (section 3.5).

    Raises:
        Refused: As `handle_block`.
    """
    require_own(context, stanza)
    addresses = tuple(map(str, _items_of(stanza, "unblock")))
    yield from propose_or_refuse(ChangeBlocklist(blocked=False, addresses=addresses))
    yield AwaitReplicas(context.jid.local)


def render_change(context: StreamContext, event: BlocklistChanged) -> bytes:
    """Write the push (sections 3.3 to 3.5); nothing waits for the client's answer."""
    change = Element(event.kind, BLOCKING_NAMESPACE, None, _items(event.addresses))
    attributes = {"to": str(context.jid), "type": "set", "id": context.new_id()}
    return Element("iq", CLIENT_NAMESPACE, attributes, [change]).to_bytes()


def _items(addresses: tuple[str, ...]) -> list[Element | str]:
    return [Element("item", BLOCKING_NAMESPACE, {"jid": address}) for address in addresses]


def _items_of(stanza: Stanza, name: str) -> dict[JID, Element]:
    """Read the items of a request, by address; of two for one address the last counts."""
    request = stanza.element.child(name, BLOCKING_NAMESPACE)
    assert request is not None, "dispatch found the payload by this name"
    items = [child for child in request.elements() if child.name == "item" and child.namespace == BLOCKING_NAMESPACE]
    if len(items) > BLOCKED_ADDRESS_COUNT_MAX:
        raise Refused("policy-violation", "modify", f"Name at most {BLOCKED_ADDRESS_COUNT_MAX} addresses.")
    try:
        return {parse_jid(item.get("jid") or ""): item for item in items}
    except ValueError as error:
        raise Refused("jid-malformed", "modify", f"An item's address is none: {error}.") from error


def _is_among(addresses: tuple[str, ...], jid: JID) -> bool:
    """Whether an address of the list stands for a JID (section 2); subdomains have no accounts here."""
    return not {str(jid), str(jid.bare), jid.domain}.isdisjoint(addresses)
