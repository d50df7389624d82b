"""
What client and server agree on when a BOSH session begins (XEP-0124 section 7), and the form of what is answered.

A client asks, the server lowers what is too much, and both keep to it; xeps/xep_0124_bosh.py sees to that.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from raftline.xmpp.bosh_body import BindingFailed, Body, write_body

VERSION: Final = (1, 11)
"""Of the protocol, as the text that is implemented numbers it."""

WAIT_S_MAX: Final = 60
"""Longest time a request is held: proxies cut requests off that take longer."""

HOLD_COUNT_MAX: Final = 4
"""Requests that are held at once; clients ask for one. Who asks for more than this may also make no more."""

INACTIVITY_S: Final = 30
"""Longest time without a request: a round trip over a bad network."""

POLLING_INACTIVITY_S: Final = 60
"""The same for a client that polls; more than the polling interval, as section 12 asks."""

POLLING_S: Final = 5
"""Shortest time between two empty requests of a client that has no need to make them."""

PAUSE_S_MAX: Final = 120
"""Longest pause a client may announce."""

CONTENT_TYPE: Final = "text/xml; charset=utf-8"

_CONTENT_TYPE: Final = re.compile(r"[A-Za-z0-9.+-]{1,40}/[A-Za-z0-9.+-]{1,60}(?:; ?charset=[A-Za-z0-9-]{1,20})?")
_LEGACY_STATUS: Final = {"bad-request": 400, "policy-violation": 403, "item-not-found": 404}


class Reply(NamedTuple):
    """An HTTP response."""

    body: bytes
    status: int = 200
    content_type: str = CONTENT_TYPE


class Terms(NamedTuple):
    """
    What client and server agreed on (section 7).

    Attributes:
        wait_s: A request is answered after so long at the latest.
        hold: Requests that are kept waiting at once.
        version: Of the protocol; empty for a client that told none, which reads HTTP status codes (section 17.1).
        content_type: Of every response.
    """

    wait_s: int
    hold: int
    version: str = ""
    content_type: str = CONTENT_TYPE

    @property
    def request_count(self) -> int:
        """Requests the client may have under way at once."""
        return self.hold + 1

    @property
    def is_polling(self) -> bool:
        """Whether requests are answered at once (section 12)."""
        return not self.wait_s or not self.hold

    @property
    def inactivity_s(self) -> int:
        """Longest time the client may be without a request."""
        return POLLING_INACTIVITY_S if self.is_polling else INACTIVITY_S

    def attributes(self) -> dict[str, str]:
        """Return what the session creation response says of them (section 7.2)."""
        told = {
            "wait": str(self.wait_s),
            "hold": str(self.hold),
            "requests": str(self.request_count),
            "inactivity": str(self.inactivity_s),
            "polling": str(POLLING_S),
            "maxpause": str(PAUSE_S_MAX),
        }
        if self.version:
            told["ver"] = self.version
        return told


def agree(body: Body) -> Terms:
    """
    Answer what a session creation request asks for.

    Raises:
        BindingFailed: `bad-request`: an attribute is not what it has to be.
    """
    attributes = body.attributes
    content_type = attributes.get("content", CONTENT_TYPE)
    if _CONTENT_TYPE.fullmatch(content_type) is None or body.number("rid") < 1:
        raise BindingFailed("bad-request")
    return Terms(
        wait_s=min(body.number("wait", WAIT_S_MAX), WAIT_S_MAX),
        hold=min(body.number("hold", 1), HOLD_COUNT_MAX),
        version=_lower_version(attributes.get("ver", "")),
        content_type=content_type,
    )


def _lower_version(text: str) -> str:
    """Return the client's version or ours, whichever is lower; minor numbers are numbers, not digits."""
    if not text:
        return ""
    match = re.fullmatch(r"([0-9]{1,6})\.([0-9]{1,6})", text)
    if match is None:
        raise BindingFailed("bad-request")
    major, minor = min((int(match[1]), int(match[2])), VERSION)
    return f"{major}.{minor}"


def failure(condition: str, *, content_type: str = CONTENT_TYPE, is_legacy: bool = False) -> Reply:
    """Write a terminal binding error; a client of before version 1.6 gets an HTTP status in its place (section 17)."""
    status = _LEGACY_STATUS.get(condition, 200) if is_legacy else 200
    return Reply(write_body({"type": "terminate", "condition": condition}, []), status, content_type)
