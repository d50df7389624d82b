"""
The DOAP file: what the project is and which specifications it implements, in RDF/XML (XEP-0453).

Its reader at xmpp.org takes RFCs from the address in `implements`, and XEPs from `SupportedXep` unless their status
says that they are planned or not wanted; this one has only those that are `complete` or `partial`.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from typing import Final
from xml.sax.saxutils import escape

from raftline.xmpp.module import Declaration
from raftline.xmpp.rfcs import Rfc

DOAP: Final = "{http://usefulinc.com/ns/doap#}"
XMPP: Final = "{https://linkmauve.fr/ns/xmpp-doap#}"
RESOURCE: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"

HEAD: Final = """\
<?xml version='1.0' encoding='UTF-8'?>
<!-- Written by `make claims` from the declarations of the modules. -->
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'
         xmlns='http://usefulinc.com/ns/doap#'
         xmlns:xmpp='https://linkmauve.fr/ns/xmpp-doap#'>
  <Project xml:lang='en'>
    <name>Raftline</name>
    <shortdesc xml:lang='en'>A self-hosted messenger whose servers agree through Raft</shortdesc>
    <description xml:lang='en'>An XMPP server that runs as a cluster of equal nodes: a message is acknowledged when a \
majority of them has it on disk, any node serves any client, and none needs a database beside it.</description>
    <license rdf:resource='https://www.apache.org/licenses/LICENSE-2.0'/>
    <language>en</language>
    <programming-language>Python</programming-language>
    <os>Linux</os>
    <category rdf:resource='https://linkmauve.fr/ns/xmpp-doap#category-server'/>
"""
TAIL: Final = "  </Project>\n</rdf:RDF>\n"


def doap_of(rfcs: Sequence[Rfc], declarations: Sequence[Declaration]) -> str:
    """Write the file; declarations in the order of their numbers."""
    implemented = [f"    <implements rdf:resource='https://www.rfc-editor.org/rfc/rfc{rfc.number}'/>\n" for rfc in rfcs]
    return "".join([HEAD, *implemented, *map(_supported, declarations), TAIL])


def claims_of(doap: str) -> set[str]:
    """Read from a DOAP file what it claims, as `RFC 6120` and `XEP-0030`."""
    project = ET.fromstring(doap)
    addresses = [entry.get(RESOURCE, "") for entry in project.iter(f"{DOAP}implements")]
    for supported in project.iter(f"{XMPP}SupportedXep"):
        if supported.findtext(f"{XMPP}status") in {"complete", "partial"}:
            addresses += [entry.get(RESOURCE, "") for entry in supported.iter(f"{XMPP}xep")]
    return set(_names(addresses))


def _names(addresses: Iterable[str]) -> Iterable[str]:
    for address in addresses:
        if found := re.search(r"rfc(\d+)", address):
            yield f"RFC {found[1]}"
        elif found := re.search(r"xep-(\d{4})", address):
            yield f"XEP-{found[1]}"


def _supported(declaration: Declaration) -> str:
    note = f"        <xmpp:note xml:lang='en'>{escape(declaration.note)}</xmpp:note>\n" if declaration.note else ""
    return (
        "    <implements>\n      <xmpp:SupportedXep>\n"
        f"        <xmpp:xep rdf:resource='https://xmpp.org/extensions/xep-{declaration.number:04}.html'/>\n"
        f"        <xmpp:status>{declaration.status}</xmpp:status>\n"
        f"        <xmpp:version>{declaration.version}</xmpp:version>\n"
        f"{note}      </xmpp:SupportedXep>\n    </implements>\n"
    )
