"""
What a number says to people whose message its program has taken: that it was received (XEP-0184). Pure.

The program is the number's client, so nothing is received before it was taken; who reads the event stream alone gives
no receipts, since nobody knows when it has read. A repetition, after an outcome that was not known or a change of the
leader, is the same stanza under the same id, which tells clients nothing new.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from raftline.machine.business.commands import SendFromNumber
from raftline.machine.message_commands import MessageKind, SendMessage
from raftline.xmpp.element import escape_attribute
from raftline.xmpp.messages import SIGNAL, storage_of
from raftline.xmpp.stanza import parse_stanza

if TYPE_CHECKING:
    from raftline.machine.business.values import EventView, NumberView

RECEIPTS_NAMESPACE: Final = "urn:xmpp:receipts"

_MARK: Final = RECEIPTS_NAMESPACE.encode()
_STORAGE: Final = storage_of(MessageKind.CHAT, SIGNAL) or 0


def receipt_for(view: EventView, number: NumberView, domain: str) -> SendFromNumber | None:
    """
    Return the receipt for the message of an event that was taken; None where none is due.

    None is due for what asks for none, has no id to name it by, was said in a group, where nobody gives receipts, or
    came from outside of the service.
    """
    event, stanza = view.event, view.stanza
    localpart, _, host = event.peer.partition("@")
    if stanza is None or _MARK not in stanza or event.room or host != domain:
        return None
    message = parse_stanza(stanza).element
    message_id = message.get("id")
    if not message_id or message.child("request", RECEIPTS_NAMESPACE) is None:
        return None
    sender = f"{number.number.localpart}@{domain}"
    own_id = blake2b(f"{number.number.number_id} {event.message}".encode(), digest_size=16).hexdigest()
    receipt = (
        f"<message from='{escape_attribute(sender)}' to='{escape_attribute(event.peer)}' type='chat' id='{own_id}'>"
        f"<received xmlns='{RECEIPTS_NAMESPACE}' id='{escape_attribute(message_id)}'/></message>"
    )
    sent = SendMessage(
        to_localpart=localpart,
        to_resource=None,
        kind=MessageKind.CHAT,
        storage=_STORAGE,
        stanza=receipt.encode(),
        origin_id="",
        fingerprint=b"",
    )
    return SendFromNumber(number.number.localpart, sent, "")
