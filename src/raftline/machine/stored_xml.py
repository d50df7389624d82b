"""
Reading XML that is stored, piece by piece, without making a tree of it.

The protocol floor parsed and wrote all that is stored, so what cannot be read here was put there by nobody; it is said
all the same, for the caller to decide.
"""

from __future__ import annotations

from typing import Protocol
from xml.parsers import expat


class StoredXmlReader(Protocol):
    """Takes what is met; names are `namespace name`, or the name alone outside of any."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take a start tag."""

    def end(self, name: str) -> None:
        """Take an end tag."""

    def text(self, data: str) -> None:
        """Take text, whole between two tags."""


def read_stored_xml(data: bytes, reader: StoredXmlReader) -> bool:
    """Hand one element to a reader; return False if it is not well-formed, of which the reader has seen a part then."""
    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(data, True)
    except expat.ExpatError:
        return False
    return True
