"""
The card of a number (XEP-0054): what people are shown of a business, whatever client they have.

It says the verified name from the first day on, and what the profile says as soon as there is one.
"""

from __future__ import annotations

from typing import Final

import msgspec

from raftline.machine.business.tables import Number
from raftline.machine.commands import ActForNumber, SetVcard
from raftline.node.door import Node
from raftline.web.replies import require_done
from raftline.xmpp.avatars import VCARD_NAMESPACE
from raftline.xmpp.element import Element

NO_VERTICAL: Final = "UNDEFINED"
"""What a business is in that has not said."""


class Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    A profile as it is kept with the number (tables.Number).

    Attributes:
        picture: Token of the file in hexadecimal digits, and its name; empty for none.
    """

    about: str = ""
    address: str = ""
    description: str = ""
    email: str = ""
    vertical: str = NO_VERTICAL
    websites: tuple[str, ...] = ()
    picture: tuple[str, ...] = ()


async def write_card(node: Node, number: Number) -> None:
    """
    Let the card say what the number's name and profile say; its picture stays as it is.

    Raises:
        Refused: The number was removed meanwhile.
        Unavailable, OutcomeUnknown: As door.Node.execute; to do it again does no harm.
    """
    card = card_of(number, profile_of(number))
    require_done(await node.execute(ActForNumber(number.localpart, SetVcard(card.to_bytes("")))))


def profile_of(number: Number) -> Profile:
    """Return the profile of a number; an empty one if it never was set."""
    return msgspec.json.decode(number.profile, type=Profile) if number.profile else Profile()


def card_of(number: Number, profile: Profile) -> Element:
    """Return the card of a number, without a picture (XEP-0054 section 3.1)."""
    fields: list[Element | str] = [text_element("FN", number.verified_name)]
    fields.append(holder("ORG", text_element("ORGNAME", number.verified_name)))
    fields.append(holder("TEL", text_element("WORK"), text_element("NUMBER", f"+{number.localpart}")))
    if profile.address:
        fields.append(holder("ADR", text_element("WORK"), text_element("STREET", profile.address)))
    if profile.email:
        fields.append(holder("EMAIL", text_element("INTERNET"), text_element("USERID", profile.email)))
    fields += [text_element("URL", website) for website in profile.websites]
    if profile.description:
        fields.append(text_element("DESC", profile.description))
    if profile.about:
        fields.append(text_element("NOTE", profile.about))
    return Element("vCard", VCARD_NAMESPACE, None, fields)


def text_element(name: str, text: str = "") -> Element:
    """Make a part of a card that holds a text, or nothing."""
    return Element(name, VCARD_NAMESPACE, None, [text] if text else [])


def holder(name: str, *children: Element) -> Element:
    """Make a part of a card that holds others."""
    return Element(name, VCARD_NAMESPACE, None, [*children])
