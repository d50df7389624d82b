"""
A file of XEP-0227 in pieces: bytes in, what belongs to users out, one after the other.

    server-data / host jid= / user name=      told as `UserBegun`
      query (roster) / item                   a piece for each item ...
      archive / result                        ... and each message, however long the archive is
      pubsub / items node= / item
      vCard                                   a piece by itself

Files come from anywhere, so the XML is restricted as that of streams (RFC 6120 section 11.1), a piece has a greatest
size, and nothing but the piece at hand is held. XInclude (section 4) is not followed: a file that names others is
refused, since what is in them would be missed.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from xml.parsers import expat

from raftline.xmpp.element import Element
from raftline.xmpp.portability.vocabulary import (
    CONTAINERS,
    ITEM,
    ITEMS,
    PIE_NAMESPACE,
    SINGLES,
    XINCLUDE_NAMESPACE,
)
from raftline.xmpp.xmlstream import ELEMENT_COUNT_MAX, ELEMENT_DEPTH_MAX

PIECE_CHARACTERS_MAX: Final = 1 << 20
"""Of text and attributes of one piece."""

_SEPARATOR: Final = "}"
_FRAME: Final = ("server-data", "host", "user")
_USER_DEPTH: Final = len(_FRAME)
_ITEMS_DEPTH: Final = _USER_DEPTH + 2
"""Inside of `<items/>` of `<pubsub/>`."""


class UserBegun(NamedTuple):
    """
    The data of a user begin.

    Attributes:
        password: In plain text; empty if it is not told.
    """

    host: str
    name: str
    password: str


class Piece(NamedTuple):
    """
    Something of the user that has begun.

    Attributes:
        kind: As in vocabulary; `unknown` for what this release does not know.
        node: Of an item.
    """

    kind: str
    node: str
    element: Element


class BadFile(ValueError):
    """The file is none of XEP-0227, or breaks a rule; `str()` says where and why."""


class PortableReader:
    """
    Reads one file.

    Order: `feed` all bytes, then `close`.

    Raises:
        BadFile: From both.
    """

    def __init__(self) -> None:
        parser = self._parser = expat.ParserCreate("UTF-8", _SEPARATOR)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        self._found: list[UserBegun | Piece] = []
        self._outer: list[Element] = []
        self._stack: list[Element] = []
        self._kind = ""
        self._element_count = 0
        self._character_count = 0

    def feed(self, data: bytes) -> list[UserBegun | Piece]:
        """Take bytes, and return what they complete."""
        return self._parse(data, is_last=False)

    def close(self) -> list[UserBegun | Piece]:
        """Say that there are no more."""
        return self._parse(b"", is_last=True)

    def _parse(self, data: bytes, *, is_last: bool) -> list[UserBegun | Piece]:
        self._found = []
        try:
            self._parser.Parse(data, is_last)
        except expat.ExpatError as error:
            raise BadFile(f"line {error.lineno}: {expat.ErrorString(error.code)}") from error
        return self._found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(_SEPARATOR)
        named = {f"{{{key}" if _SEPARATOR in key else key: value for key, value in attributes.items()}
        element = Element(local, namespace, named, [])
        if self._stack:
            self._count(element)
            self._stack[-1].children.append(element)
            self._stack.append(element)
            return
        if namespace == XINCLUDE_NAMESPACE:
            raise self._bad("parts in other files (XInclude) are not read: join them into one")
        if not self._is_outer(element):
            self._element_count = self._character_count = 0
            self._count(element)
            self._stack.append(element)
            return
        self._outer.append(element)
        if len(self._outer) == 3:
            host = self._outer[1].get("jid") or ""
            self._found.append(UserBegun(host, element.get("name") or "", element.get("password") or ""))

    def _is_outer(self, element: Element) -> bool:
        """Whether an element only holds others that are read one by one; if not, `_kind` says what it is."""
        depth = len(self._outer)
        key = (element.namespace, element.name)
        if depth < 3:
            expected = ("server-data", "host", "user")[depth]
            if key == (PIE_NAMESPACE, expected):
                return True
            if depth == 0:
                raise self._bad("the file does not begin with <server-data/> of XEP-0227")
            self._kind = "unknown"
            return False
        if depth == 3:
            self._kind = SINGLES.get(key, "unknown")
            return key in CONTAINERS
        container = self._outer[_USER_DEPTH]
        kind = CONTAINERS[container.namespace, container.name]
        if kind == ITEMS:
            if depth == 4 and element.name == "items":
                return True
            self._kind = ITEM if depth == 5 and element.name == "item" else "unknown"
            return False
        self._kind = kind
        return False

    def _count(self, element: Element) -> None:
        self._element_count += 1
        self._add(sum(len(name) + len(value) for name, value in element.attributes.items()))
        if self._element_count > ELEMENT_COUNT_MAX or len(self._stack) >= ELEMENT_DEPTH_MAX:
            raise self._bad("a part has too many elements, or too deep ones")

    def _add(self, count: int) -> None:
        self._character_count += count
        if self._character_count > PIECE_CHARACTERS_MAX:
            raise self._bad(f"a part has more than {PIECE_CHARACTERS_MAX} characters")

    def _text(self, data: str) -> None:
        if self._stack:
            self._add(len(data))
            children = self._stack[-1].children
            if children and isinstance(children[-1], str):
                children[-1] += data
            else:
                children.append(data)
        elif data.strip():
            raise self._bad("text in a place where elements are expected")

    def _end(self, _name: str) -> None:
        if not self._stack:
            self._outer.pop()
            return
        element = self._stack.pop()
        if not self._stack and len(self._outer) >= _USER_DEPTH:
            node = self._outer[_ITEMS_DEPTH - 1].get("node") or "" if self._kind == ITEM else ""
            self._found.append(Piece(self._kind, node, element))

    def _bad(self, reason: str) -> BadFile:
        return BadFile(f"line {self._parser.CurrentLineNumber}: {reason}")


def _refuse(*_: object) -> None:
    raise BadFile("the file declares a document type or entities")
