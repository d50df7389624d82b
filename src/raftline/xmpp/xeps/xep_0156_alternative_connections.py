"""XEP-0156 Discovering Alternative XMPP Connection Methods: where WebSocket and BOSH are, in the files of host-meta."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from raftline.xmpp.element import escape_attribute
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

WEBSOCKET_RELATION: Final = "urn:xmpp:alt-connections:websocket"
BOSH_RELATION: Final = "urn:xmpp:alt-connections:xbosh"

XRD_NAMESPACE: Final = "http://docs.oasis-open.org/ns/xri/xrd-1.0"


class Link(NamedTuple):
    """One way to connect: what it is and its address."""

    relation: str
    url: str


def register(modules: Modules) -> None:
    """Declare it; web/host_meta.py serves the files."""
    modules.declare(Declaration(number=156, title="Discovering Alternative XMPP Connection Methods", version="1.4.0"))


def write_xrd(links: Iterable[Link]) -> str:
    """Write `/.well-known/host-meta` (section 2.3; RFC 6415 section 3)."""
    written = "".join(f"<Link rel='{link.relation}' href='{escape_attribute(link.url)}'/>" for link in links)
    return f"<?xml version='1.0' encoding='utf-8'?><XRD xmlns='{XRD_NAMESPACE}'>{written}</XRD>\n"


def jrd_links(links: Iterable[Link]) -> list[dict[str, object]]:
    """Return the links of `/.well-known/host-meta.json` (section 2.3; RFC 6415 appendix A)."""
    return [{"rel": link.relation, "href": link.url} for link in links]
