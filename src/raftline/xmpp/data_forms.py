"""
Data forms (XEP-0004, XEP-0068): fields by type, read and written.

`payloads.parse_form` reads a submitted form into values by name; here these become what a field of its type holds, and
fields become forms again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from raftline.xmpp.element import Element
from raftline.xmpp.payloads import FORM_NAMESPACE, form_field

_DIGITS_MAX: Final = 16

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


def boolean_field(name: str, *, value: bool) -> Element:
    """Make a field of type boolean."""
    return form_field(name, "boolean", "true" if value else "false")


def choice_field(name: str, value: str, choices: Sequence[str]) -> Element:
    """Make a field of type list-single with its options."""
    field = form_field(name, "list-single", value)
    for choice in choices:
        option = Element("value", FORM_NAMESPACE, None, [choice])
        field.children.append(Element("option", FORM_NAMESPACE, None, [option]))
    return field


def read_count(values: Sequence[str], least: int, greatest: int, default: int) -> int:
    """
    Read a field that holds a number; an empty one has the default.

    Raises:
        ValueError: It is none, or out of bounds.
    """
    text = read_text(values)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < _DIGITS_MAX and least <= int(text) <= greatest):
        raise ValueError(f"no number from {least} to {greatest}")
    return int(text)


def table_form(form_type: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> Element:
    """
    Make a form of type `result` that reports several items (XEP-0004 section 3.4).

    Args:
        columns: Label by name of the field.
        rows: Values by name of the field.
    """
    form = make_form("result", form_type, ())
    reported = Element("reported", FORM_NAMESPACE)
    for name, label in columns.items():
        field = form_field(name, "text-single")
        field.attributes["label"] = label
        reported.children.append(field)
    form.children.append(reported)
    for row in rows:
        fields: list[Element | str] = [
            Element("field", FORM_NAMESPACE, {"var": name}, [Element("value", FORM_NAMESPACE, None, [row[name]])])
            for name in columns
        ]
        form.children.append(Element("item", FORM_NAMESPACE, None, fields))
    return form


def make_form(kind: str, form_type: str, fields: Sequence[Element]) -> Element:
    """
    Make a form of a type of its own (XEP-0068 section 3).

    Args:
        kind: `form` to be filled in, `result` for data.
    """
    hidden = form_field("FORM_TYPE", "hidden", form_type)
    return Element("x", FORM_NAMESPACE, {"type": kind}, [hidden, *fields])
