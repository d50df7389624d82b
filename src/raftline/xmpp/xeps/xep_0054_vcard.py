"""
XEP-0054 vcard-temp: a card for each account, which everyone with an account here may read.

Open to all, because a client shows name and picture of whoever writes to it, before they are contacts (section 6
leaves it so). To somebody the account has blocked, it looks like an account without a card, and so does one that does
not exist. Its picture is the account's avatar (avatars.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.base.errors import Refused
from raftline.machine.commands import SetVcard
from raftline.machine.queries import VcardOf
from raftline.xmpp.avatars import VCARD_NAMESPACE, give_photo, take_photo
from raftline.xmpp.effects import Ask
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import concerns_own_account, propose_or_refuse, require_own, stored_element

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza


def register(modules: Modules) -> None:
    """Handle cards."""
    modules.declare(
        Declaration(
            number=54,
            title="vcard-temp",
            version="1.3.0",
            features=(VCARD_NAMESPACE,),
            account_features=(VCARD_NAMESPACE,),
        )
    )
    modules.on_iq("account", "get", VCARD_NAMESPACE, "vCard", handle_get)
    modules.on_iq("account", "set", VCARD_NAMESPACE, "vCard", handle_set)


def handle_get(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return a card: the user's own, empty if it never was set (section 3.1), or another account's (section 3.3).

    Raises:
        Refused: `service-unavailable` for another account that has none, or does not exist.
    """
    is_own = concerns_own_account(context, stanza)
    owner = context.jid.local if stanza.to is None else stanza.to.local
    data: bytes | None = yield Ask(VcardOf(owner))
    card = yield from give_photo(context, owner, None if data is None else stored_element(data))
    if card is None and not is_own:
        raise Refused("service-unavailable", "cancel")
    return card or Element("vCard", VCARD_NAMESPACE)


def handle_set(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Replace the user's own card (section 3.2).

    Raises:
        Refused: `forbidden` for another account's; from apply: `not-acceptable` when it is too large.
    """
    require_own(context, stanza)
    card = stanza.element.child("vCard", VCARD_NAMESPACE)
    assert card is not None, "dispatch found the payload by this name"
    yield from propose_or_refuse(SetVcard(card.to_bytes(""), take_photo(card)))
