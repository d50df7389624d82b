"""
XML elements as values: what the parser makes and the serializer writes.

The tree is small on purpose: names are pairs of namespace and local name, prefixes are gone. Stanzas that are only
passed on are never rebuilt from it; their bytes are kept (see stanza.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

XML_NAMESPACE: Final = "http://www.w3.org/XML/1998/namespace"

_TEXT_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_ATTRIBUTE_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&apos;", '"': "&quot;", "\n": "&#10;", "\t": "&#9;", "\r": "&#13;"}
)


def escape_text(text: str) -> str:
    """Escape character data."""
    if "&" in text or "<" in text or ">" in text:
        return text.translate(_TEXT_ESCAPES)
    return text


def escape_attribute(text: str) -> str:
    """Escape an attribute value for either kind of quote."""
    return text.translate(_ATTRIBUTE_ESCAPES)


class Element:
    """
    One element.

    Attributes:
        name: Local name.
        namespace: Namespace URI; empty for none.
        attributes: By name; a namespaced one as `{uri}name`, so `xml:lang` is `{http://www.w3.org/XML/1998/namespace}lang`.
        children: Elements and character data, in order.
    """

    __slots__ = ("attributes", "children", "name", "namespace")

    def __init__(
        self,
        name: str,
        namespace: str,
        attributes: dict[str, str] | None = None,
        children: list[Element | str] | None = None,
    ) -> None:
        self.name = name
        self.namespace = namespace
        self.attributes = {} if attributes is None else attributes
        self.children = [] if children is None else children

    def __repr__(self) -> str:
        return f"Element({self.serialize('')!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Element):
            return NotImplemented
        return (
            self.name == other.name
            and self.namespace == other.namespace
            and self.attributes == other.attributes
            and self.children == other.children
        )

    __hash__ = None  # type: ignore[assignment]  # mutable while it is built

    def get(self, attribute: str) -> str | None:
        """Return the value of an attribute, or None."""
        return self.attributes.get(attribute)

    def elements(self) -> Iterator[Element]:
        """Yield the child elements."""
        for child in self.children:
            if isinstance(child, Element):
                yield child

    def child(self, name: str, namespace: str) -> Element | None:
        """Return the first child of that name, or None."""
        for child in self.children:
            if isinstance(child, Element) and child.name == name and child.namespace == namespace:
                return child
        return None

    @property
    def text(self) -> str:
        """The character data directly inside."""
        return "".join(child for child in self.children if isinstance(child, str))

    def serialize(self, parent_namespace: str = "jabber:client") -> str:
        """Write the element as XML for a place where `parent_namespace` is the default namespace."""
        parts: list[str] = []
        self._write(parts, parent_namespace)
        return "".join(parts)

    def to_bytes(self, parent_namespace: str = "jabber:client") -> bytes:
        """Write the element as UTF-8 XML for a place where `parent_namespace` is the default namespace."""
        return self.serialize(parent_namespace).encode()

    def _write(self, parts: list[str], parent_namespace: str) -> None:
        parts.append(f"<{self.name}")
        if self.namespace != parent_namespace:
            parts.append(f" xmlns='{escape_attribute(self.namespace)}'")
        for number, (name, value) in enumerate(self.attributes.items()):
            if name.startswith("{"):
                uri, _, local = name[1:].rpartition("}")
                if uri == XML_NAMESPACE:
                    name = f"xml:{local}"  # noqa: PLW2901  # the loop variable is what is written
                else:
                    parts.append(f" xmlns:a{number}='{escape_attribute(uri)}'")
                    name = f"a{number}:{local}"  # noqa: PLW2901
            parts.append(f" {name}='{escape_attribute(value)}'")
        if not self.children:
            parts.append("/>")
            return
        parts.append(">")
        for child in self.children:
            if isinstance(child, str):
                parts.append(escape_text(child))
            else:
                child._write(parts, self.namespace)  # noqa: SLF001  # same class
        parts.append(f"</{self.name}>")


class Verbatim(Element):
    """An element that is written as it was kept, its tree unknown; for places of any default namespace."""

    __slots__ = ("_written",)

    def __init__(self, written: bytes) -> None:
        """Take what `Element.to_bytes("")` wrote of an element that has a namespace."""
        super().__init__("", "")
        self._written = written.decode()

    def _write(self, parts: list[str], parent_namespace: str) -> None:  # it declares its own
        parts.append(self._written)
