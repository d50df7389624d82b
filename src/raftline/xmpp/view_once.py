"""
Messages that are viewed once, an extension of our own (docs/view-once.md), over machine/view_once.

What is to be seen stands inside `<view-once/>`. It is taken out before the message enters the log, and travels beside
it; what goes on is the message with the empty element and a text for clients that do not know it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.ids import format_stanza_id
from raftline.base.limits import SEALED_FILE_COUNT_MAX, UPLOAD_TOKEN_SIZE
from raftline.machine.context import ROOMS_LABEL
from raftline.machine.view_once.commands import OpenSealed, SealedContent
from raftline.machine.view_once.ending import MARK, VIEW_ONCE_NAMESPACE
from raftline.machine.view_once.events import SealedOpened
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import HINTS_NAMESPACE, append_child, propose_or_refuse
from raftline.xmpp.places import position_of, room_of
from raftline.xmpp.stanza import CLIENT_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Callable

    from raftline.xmpp.effects import Steps
    from raftline.xmpp.jid import JID
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

FALLBACK_NAMESPACE: Final = "urn:xmpp:fallback:0"
FALLBACK_TEXT: Final = "This message can be viewed once, with a client that knows how."

_TOKEN: Final = re.compile(rb"/upload/([0-9a-f]{%d})/" % (2 * UPLOAD_TOKEN_SIZE))
"""In the address of an uploaded file (XEP-0363)."""


def register(modules: Modules) -> None:
    """Take requests at rooms and at accounts, render news; the host of rooms must be there."""
    modules.hosts[ROOMS_LABEL].on_iq("entity", "set", VIEW_ONCE_NAMESPACE, "open", handle_open)
    modules.on_iq("account", "set", VIEW_ONCE_NAMESPACE, "open", handle_open)
    modules.extensions.append(VIEW_ONCE_NAMESPACE)
    modules.on_event(SealedOpened, render_opened)


def read_sealed(stanza: Stanza) -> SealedContent:
    """
    Return what of a message is to be viewed once.

    Raises:
        Refused: `bad-request` when there is nothing, or it stands in two places; `policy-violation` for too many files.
    """
    found = [child for child in stanza.element.elements() if is_sealed(child)]
    parts = list(found[0].elements())
    if len(found) > 1 or not parts:
        raise Refused("bad-request", "modify", "One element holds what is to be viewed once, and something is in it.")
    content = b"".join(part.to_bytes("") for part in parts)
    tokens = dict.fromkeys(bytes.fromhex(token.decode()) for token in _TOKEN.findall(content))
    if len(tokens) > SEALED_FILE_COUNT_MAX:
        raise Refused("policy-violation", "modify", f"At most {SEALED_FILE_COUNT_MAX} files are viewed once together.")
    return SealedContent(content, tuple(tokens))


def is_sealed(child: Element) -> bool:
    """Whether a child holds what is to be viewed once, or is what is left of one."""
    return (child.name, child.namespace) == ("view-once", VIEW_ONCE_NAMESPACE)


def without_sealed(stanza: Stanza, from_jid: JID | None, to_jid: JID | None, drop: Callable[[Element], bool]) -> bytes:
    """Write a message without what is sealed, as `Stanza.stamped` does, with a text if its sender wrote none."""
    message = stanza.stamped(from_jid, to_jid, drop=lambda child: is_sealed(child) or drop(child))
    added = MARK
    if stanza.element.child("body", CLIENT_NAMESPACE) is None:
        mark = Element("fallback", FALLBACK_NAMESPACE, {"for": VIEW_ONCE_NAMESPACE})
        added += Element("body", CLIENT_NAMESPACE, None, [FALLBACK_TEXT]).to_bytes() + mark.to_bytes()
    return append_child(message, added)


def handle_open(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Have what is sealed in a message given to this client.

    Raises:
        Refused: `item-not-found` for an id that is none; else as `machine.view_once.commands.OpenSealed` says.
    """
    request = stanza.element.child("open", VIEW_ONCE_NAMESPACE)
    assert request is not None, "dispatch found the payload by this name"
    room = room_of(context, stanza)
    stanza_id = request.get("id") or ""
    yield from propose_or_refuse(OpenSealed(room, position_of(context, stanza_id), stanza_id))


def render_opened(context: StreamContext, event: SealedOpened) -> bytes:
    """Write that a message of a chat was opened, by either side's own account."""
    attributes = {"from": str(context.jid.bare), "to": str(context.jid), "type": "headline", "id": context.new_id()}
    named = {"id": format_stanza_id(context.epochs, event.position), "with": event.address}
    children: list[Element | str] = [
        Element("opened", VIEW_ONCE_NAMESPACE, named),
        Element("no-store", HINTS_NAMESPACE),
    ]
    return Element("message", CLIENT_NAMESPACE, attributes, children).to_bytes()
