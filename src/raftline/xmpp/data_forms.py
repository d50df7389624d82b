"""
Data forms that the server hands out (XEP-0004): to be filled in, or with results. Submitted ones are read by
`payloads.parse_form`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from raftline.xmpp.element import Element
from raftline.xmpp.payloads import FORM_NAMESPACE


def field(
    name: str,
    *values: str,
    kind: str = "",
    label: str = "",
    required: bool = False,
    options: Sequence[str] = (),
) -> Element:
    """
    Make a field (section 3.2).

    Args:
        kind: Its type, as `text-single` or `jid-multi`; empty where the receiver of a result needs none.
        options: Values to choose from (section 3.2.1), each its own label.
    """
    attributes = {"var": name, "type": kind, "label": label}
    children: list[Element | str] = [Element("required", FORM_NAMESPACE)] if required else []
    children += [_value(value) for value in values]
    children += [Element("option", FORM_NAMESPACE, {"label": option}, [_value(option)]) for option in options]
    return Element("field", FORM_NAMESPACE, {key: text for key, text in attributes.items() if text}, children)


def form(
    kind: str, form_type: str, fields: Iterable[Element | str], *, title: str = "", instructions: str = ""
) -> Element:
    """
    Make a form of type `form` or `result`, of a FORM_TYPE (XEP-0068 section 3.1).

    Args:
        fields: Made by `field`, or elements of another protocol that a result consists of.
    """
    texts = {"title": title, "instructions": instructions}
    children: list[Element | str] = [
        Element(name, FORM_NAMESPACE, None, [text]) for name, text in texts.items() if text
    ]
    children.append(field("FORM_TYPE", form_type, kind="hidden"))
    return Element("x", FORM_NAMESPACE, {"type": kind}, [*children, *fields])


def _value(text: str) -> Element:
    return Element("value", FORM_NAMESPACE, None, [text])
