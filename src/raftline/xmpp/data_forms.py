"""
Data forms (XEP-0004, XEP-0068): fields by type, read and written.

`payloads.parse_form` reads a submitted form into values by name; here these become what a field of its type holds.
Forms that the server hands out, to be filled in or with results, are made of fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from raftline.xmpp.element import Element
from raftline.xmpp.payloads import FORM_NAMESPACE

_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}


def read_boolean(values: Sequence[str]) -> bool:
    """
    Read a field of type boolean (XEP-0004 section 3.3).

    Raises:
        ValueError: It is none.
    """
    value = _BOOLEANS.get(read_text(values))
    if value is None:
        raise ValueError("neither true nor false")
    return value


def read_text(values: Sequence[str]) -> str:
    """
    Read a field of one value; a field without any is empty.

    Raises:
        ValueError: It has more.
    """
    if len(values) > 1:
        raise ValueError("more than one value")
    return values[0].strip() if values else ""


def read_choice(values: Sequence[str], choices: Sequence[str]) -> str:
    """
    Read a field of type list-single.

    Raises:
        ValueError: It is none of the choices.
    """
    value = read_text(values)
    if value not in choices:
        raise ValueError(f"none of {', '.join(choices)}")
    return value


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


def boolean_field(name: str, *, value: bool) -> Element:
    """Make a field of type boolean."""
    return field(name, "true" if value else "false", kind="boolean")


def choice_field(name: str, value: str, choices: Sequence[str]) -> Element:
    """Make a field of type list-single with its options."""
    return field(name, value, kind="list-single", options=choices)


def _value(text: str) -> Element:
    return Element("value", FORM_NAMESPACE, None, [text])
