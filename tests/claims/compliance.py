"""
The five categories of the compliance suites (XEP-0479 section 3), for servers, computed from what is claimed.

A feature of several providers needs all of them, as nothing says otherwise of servers. Whether history of rooms is
served (Advanced of IM) a claim of XEP-0313 does not tell; the tests of rooms do.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple


class Suite(NamedTuple):
    """A category: what a server must have, and an advanced one beside it."""

    name: str
    server: frozenset[str]
    advanced: frozenset[str]


SUITES: Final = (
    Suite(
        "Core",
        frozenset({"RFC 6120", "RFC 7590", "XEP-0030", "XEP-0114"}),
        frozenset({"XEP-0115", "XEP-0163", "XEP-0368"}),
    ),
    Suite("Web", frozenset({"RFC 7395", "XEP-0206"}), frozenset()),
    Suite(
        "IM",
        frozenset({"RFC 6121", "XEP-0045", "XEP-0054", "XEP-0249", "XEP-0280", "XEP-0363"}),
        frozenset({
            "XEP-0048", "XEP-0049", "XEP-0153", "XEP-0191", "XEP-0198", "XEP-0223", "XEP-0313", "XEP-0398", "XEP-0402",
            "XEP-0410",
        }),
    ),
    Suite("Mobile", frozenset({"XEP-0198", "XEP-0352"}), frozenset({"XEP-0357"})),
    Suite("A/V Calling", frozenset({"XEP-0215"}), frozenset()),
)  # fmt: skip
CORE: Final = SUITES[0]
LEVELS: Final = ("none", "server", "advanced server")


def lacking(claims: Collection[str], suite: Suite, *, advanced: bool) -> list[str]:
    """Tell what is missing of a category by itself, sorted."""
    return sorted((suite.server | suite.advanced if advanced else suite.server) - set(claims))


def level(claims: Collection[str], suite: Suite) -> str:
    """Tell the level that is reached, one of LEVELS; each category needs Core's features of its level as well."""
    reached = "none"
    for name, advanced in zip(LEVELS[1:], (False, True), strict=True):
        if lacking(claims, suite, advanced=advanced) or lacking(claims, CORE, advanced=advanced):
            break
        reached = name
    return reached
