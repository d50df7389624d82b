"""Drafts of messages that need nothing but what their request says: text, location, contacts, reaction."""

from __future__ import annotations

import math
import re
from typing import Final

from raftline.base.cloud_limits import (
    CONTACT_COUNT_MAX,
    CONTACT_DETAIL_COUNT_MAX,
    PLACE_LENGTH_MAX,
    TEXT_LENGTH_MAX,
)
from raftline.base.limits import REACTION_SIZE_MAX
from raftline.web.cloud.addressing import localpart_of
from raftline.web.cloud.errors import missing, wrong
from raftline.web.cloud.sending.drafts import COMMENT, HINTS_NAMESPACE, Draft, bounded, element, leaf, required
from raftline.web.cloud.sending.requests import Contact, ContactAddress, Location, Reaction, Text

_GEOLOC: Final = "http://jabber.org/protocol/geoloc"
_REACTIONS: Final = "urn:xmpp:reactions:0"
_VCARD: Final = "vcard-temp"
_PICTURE_SELECTORS: Final = re.compile("[0-9#*]\ufe0f?\u20e3")
_LATITUDE_MAX: Final = 90.0
_LONGITUDE_MAX: Final = 180.0


def draft_text(text: Text) -> Draft:
    """Write a text. Whether its addresses are shown with a picture is a matter of whoever reads it."""
    return Draft(required(text.body, "text.body", TEXT_LENGTH_MAX))


def draft_location(location: Location, where: str = "location") -> Draft:
    """Write a place: a `geo:` address (RFC 5870) as the text, XEP-0080 beside it."""
    return Draft(geo_of(location, where), geoloc_of(location, where), may_quote=False)


def geo_of(location: Location, where: str) -> str:
    """Return the address of a place (RFC 5870)."""
    return "geo:{},{}".format(*_coordinates(location, where))


def geoloc_of(location: Location, where: str) -> str:
    """Write a place as XEP-0080 has it: its name is `description`, its address `text`."""
    latitude, longitude = _coordinates(location, where)
    content = (
        leaf("lat", latitude)
        + leaf("lon", longitude)
        + leaf("description", bounded(location.name, f"{where}.name", PLACE_LENGTH_MAX))
        + leaf("text", bounded(location.address, f"{where}.address", PLACE_LENGTH_MAX))
    )
    return element("geoloc", _GEOLOC, content)


def draft_contacts(contacts: list[Contact], domain: str) -> Draft:
    """Write cards (XEP-0054), with names and addresses as the text (docs/conversations.md)."""
    if not contacts:
        raise missing("contacts")
    if len(contacts) > CONTACT_COUNT_MAX:
        raise wrong("contacts", f"has more than {CONTACT_COUNT_MAX} cards")
    body = "\n\n".join(_card_text(card, f"contacts[{place}]") for place, card in enumerate(contacts))
    return Draft(body, "".join(_card(card, domain) for card in contacts))


def draft_reaction(reaction: Reaction, message_id: str) -> Draft:
    """Write a reaction to the message that its conversation knows by an id, or take it back (XEP-0444)."""
    emoji = (reaction.emoji or "").strip()
    # A remark is told from text by its length (xmpp/reactions.py); letters are what people mistake for emoji.
    is_plain = emoji.isascii() or emoji.replace("\ufe0f", "").isalnum()
    if emoji and (len(emoji.encode()) > REACTION_SIZE_MAX or (is_plain and not _PICTURE_SELECTORS.fullmatch(emoji))):
        raise wrong("reaction.emoji", "is no emoji")
    content = leaf("reaction", emoji)
    payload = element("reactions", _REACTIONS, content, id=message_id) + element("store", HINTS_NAMESPACE)
    return Draft("", payload, COMMENT, may_quote=False, is_message=False)


def _coordinates(location: Location, where: str) -> tuple[str, str]:
    """Return latitude and longitude as they are written."""
    latitude = _degrees(location.latitude, f"{where}.latitude", _LATITUDE_MAX)
    longitude = _degrees(location.longitude, f"{where}.longitude", _LONGITUDE_MAX)
    return f"{latitude:.6f}", f"{longitude:.6f}"


def _degrees(value: float | str, name: str, greatest: float) -> float:
    try:
        degrees = float(value)
    except ValueError as error:
        raise wrong(name, "is no number") from error
    if not math.isfinite(degrees) or abs(degrees) > greatest:
        raise wrong(name, f"is not from -{greatest:.0f} to {greatest:.0f}")
    return degrees


def _card_text(card: Contact, where: str) -> str:
    """Write who is meant, and how they are reached, one thing a line."""
    lines = [required(card.name.formatted_name, f"{where}.name.formatted_name", PLACE_LENGTH_MAX)]
    for kind, details in (("phones", card.phones), ("emails", card.emails), ("urls", card.urls)):
        if details is not None and len(details) > CONTACT_DETAIL_COUNT_MAX:
            raise wrong(f"{where}.{kind}", f"has more than {CONTACT_DETAIL_COUNT_MAX} entries")
    if card.addresses is not None and len(card.addresses) > CONTACT_DETAIL_COUNT_MAX:
        raise wrong(f"{where}.addresses", f"has more than {CONTACT_DETAIL_COUNT_MAX} entries")
    lines += [phone.phone or phone.wa_id or "" for phone in card.phones or ()]
    lines += [email.email or "" for email in card.emails or ()]
    lines += [url.url or "" for url in card.urls or ()]
    return "\n".join(line for line in lines if line)


def _card(card: Contact, domain: str) -> str:
    name = card.name
    parts = (
        ("FAMILY", name.last_name),
        ("GIVEN", name.first_name),
        ("MIDDLE", name.middle_name),
        ("PREFIX", name.prefix),
        ("SUFFIX", name.suffix),
    )
    content = leaf("FN", name.formatted_name)
    if any(text for _, text in parts):
        content += element("N", "", "".join(leaf(part, text) for part, text in parts))
    content += leaf("BDAY", card.birthday)
    for phone in card.phones or ():
        content += _typed("TEL", phone.type, leaf("NUMBER", phone.phone or phone.wa_id))
    for email in card.emails or ():
        content += _typed("EMAIL", email.type, leaf("USERID", email.email))
    for address in card.addresses or ():
        content += _typed("ADR", address.type, _address(address))
    content += "".join(leaf("URL", url.url) for url in card.urls or ())
    if card.org is not None:
        unit = leaf("ORGNAME", card.org.company) + leaf("ORGUNIT", card.org.department)
        content += (element("ORG", "", unit) if unit else "") + leaf("TITLE", card.org.title)
    # Who is here under a number can be written to from the card.
    for phone in card.phones or ():
        localpart = localpart_of(phone.wa_id, domain) if phone.wa_id else None
        content += leaf("JABBERID", f"{localpart}@{domain}" if localpart else None)
    return element("vCard", _VCARD, content)


def _typed(name: str, kind: str | None, content: str) -> str:
    """Write a detail of a card with its kind, of which there are two (XEP-0054 section 4)."""
    if not content:
        return ""
    kinds = {"HOME": "<HOME/>", "WORK": "<WORK/>", "CELL": "<CELL/>" if name == "TEL" else ""}
    return element(name, "", kinds.get((kind or "").upper(), "") + content)


def _address(address: ContactAddress) -> str:
    return (
        leaf("STREET", address.street)
        + leaf("LOCALITY", address.city)
        + leaf("REGION", address.state)
        + leaf("PCODE", address.zip)
        + leaf("CTRY", address.country or address.country_code)
    )
