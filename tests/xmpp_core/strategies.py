"""Elements of all shapes, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from raftline.xmpp.element import Element

NAMESPACES = st.sampled_from(["jabber:client", "urn:xmpp:receipts", "urn:x"])
NAMES = st.sampled_from(["body", "a", "x1", "\u00e4"])
# What XML can carry as character data; a carriage return would come back as a line feed.
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=12
)
ATTRIBUTE_NAMES = st.sampled_from(["id", "to", "{urn:y}z", "{http://www.w3.org/XML/1998/namespace}lang"])


def _joined(children: list[Element | str]) -> list[Element | str]:
    """Join neighbouring texts, as a parser does."""
    joined: list[Element | str] = []
    for child in children:
        if isinstance(child, str) and joined and isinstance(joined[-1], str):
            joined[-1] += child
        elif child != "":
            joined.append(child)
    return joined


@st.composite
def elements(draw: st.DrawFn, depth: int = 2) -> Element:
    """Draw an element."""
    inner = st.one_of(TEXT, elements(depth - 1)) if depth else TEXT
    return Element(
        draw(NAMES),
        draw(NAMESPACES),
        draw(st.dictionaries(ATTRIBUTE_NAMES, TEXT, max_size=3)),
        _joined(draw(st.lists(inner, max_size=3))),
    )
