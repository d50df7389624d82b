"""
Locations that are published (XEP-0080 section 3): at their node nothing else, and at coordinates that are on Earth.

What is published there goes to every contact's map. In a message a location is between clients, like any content.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raftline.machine.pubsub.location import LOCATION_NODE
from raftline.xmpp.pubsub.vocabulary import refused

if TYPE_CHECKING:
    from raftline.xmpp.element import Element

_DECIMAL: Final = re.compile(r"[ \t\r\n]*[+-]?(?:\d{1,32}(?:\.\d{0,32})?|\.\d{1,32})[ \t\r\n]*", re.ASCII)
_DEGREES_MAX: Final = {"lat": 90, "lon": 180}


def require_location(item: Element) -> None:
    """
    Return when an item's payload is a location, be it an empty one.

    Raises:
        Refused: `bad-request` with `invalid-payload`: it is something else, or has coordinates that are none.
    """
    for payload in item.elements():
        if payload.name != "geoloc" or payload.namespace != LOCATION_NODE:
            raise refused("bad-request", "modify", "invalid-payload", "This node takes locations alone.")
        for child in payload.elements():
            degrees_max = _DEGREES_MAX.get(child.name) if child.namespace == LOCATION_NODE else None
            if degrees_max is None:
                continue
            if not _DECIMAL.fullmatch(child.text) or abs(float(child.text)) > degrees_max:
                text = f"{child.name} is a decimal number of degrees up to {degrees_max}."
                raise refused("bad-request", "modify", "invalid-payload", text)
