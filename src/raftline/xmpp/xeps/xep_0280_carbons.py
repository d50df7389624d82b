"""
XEP-0280 Message Carbons: turned on and off, and written.

What is copied is decided in messages.py, for whom in machine/carbons.py. The wrapping message has the type of what it
wraps; the stanza id inside is that of the message in the account's archive, so that a client knows it again there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.machine.commands import SetCarbons
from raftline.machine.outcomes import CarbonCopied
from raftline.xmpp.element import escape_attribute
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import (
    CARBONS_NAMESPACE,
    append_child,
    delay_element,
    propose_or_refuse,
    require_own,
    stanza_id_element,
)
from raftline.xmpp.stanza import with_namespace

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza


def register(modules: Modules) -> None:
    """Handle the switch and write copies."""
    modules.declare(
        Declaration(
            number=280,
            title="Message Carbons",
            version="1.0.1",
            status="partial",
            features=(CARBONS_NAMESPACE,),
            account_features=(CARBONS_NAMESPACE,),
            note="Errors and chat states alone are not copied.",
        )
    )
    modules.on_iq("account", "set", CARBONS_NAMESPACE, "enable", handle_enable)
    modules.on_iq("account", "set", CARBONS_NAMESPACE, "disable", handle_disable)
    modules.on_event(CarbonCopied, render_copy)


def handle_enable(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Turn copies on for this session (section 4); once more makes no difference (section 10.1).

    Raises:
        Refused: `forbidden` for another account.
    """
    require_own(context, stanza)
    yield from propose_or_refuse(SetCarbons(enabled=True))


def handle_disable(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Turn copies off for this session (section 5).

    Raises:
        Refused: `forbidden` for another account.
    """
    require_own(context, stanza)
    yield from propose_or_refuse(SetCarbons(enabled=False))


def render_copy(context: StreamContext, event: CarbonCopied) -> bytes:
    """Write a copy (sections 7, 8); one that comes late says since when it waited (XEP-0297 section 3)."""
    message = event.stanza
    kind = b" type='chat'" if b" type='chat'" in message[: message.index(b">")] else b""
    if event.owner:
        message = append_child(message, stanza_id_element(event.owner, context.epochs, event.position))
    delay = "" if event.delayed_ms is None else delay_element(event.delayed_ms, context.domain)
    addresses = f"from='{escape_attribute(str(context.jid.bare))}' to='{escape_attribute(str(context.jid))}'"
    return b"<message %b%b><%b xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>%b%b%b" % (
        addresses.encode(),
        kind,
        event.direction.encode(),
        delay.encode(),
        with_namespace(message),
        b"</forwarded></%b></message>" % event.direction.encode(),
    )
