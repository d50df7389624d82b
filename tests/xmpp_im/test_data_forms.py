"""XEP-0004 Data Forms: fields by type, and forms that the server hands out."""

from __future__ import annotations

import pytest

from raftline.xmpp.data_forms import boolean_field, choice_field, make_form, read_boolean, read_choice, read_text
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import form_field, parse_form
from xmpp_im.playbook import tree

X = "{jabber:x:data}"


def test_a_form() -> None:
    """3.1, XEP-0068 3.1: the hidden FORM_TYPE first, then the fields; a choice has its options."""
    fields = [choice_field("a", "1", ("1", "2")), boolean_field("b", value=True), boolean_field("c", value=False)]
    form = tree(make_form("form", "urn:x", fields).serialize())
    assert (form.tag, form.attrib) == (f"{X}x", {"type": "form"})
    hidden, choice, yes, no = form
    assert hidden.attrib == {"type": "hidden", "var": "FORM_TYPE"}
    assert choice.attrib == {"type": "list-single", "var": "a"}
    assert choice.findtext(f"{X}value") == "1"
    assert [option.findtext(f"{X}value") for option in choice.findall(f"{X}option")] == ["1", "2"]
    assert [field.findtext(f"{X}value") for field in (hidden, yes, no)] == ["urn:x", "true", "false"]


def test_what_is_submitted_is_read_back() -> None:
    """Made here, read by `parse_form`."""
    form = make_form("submit", "urn:x", [form_field("a", "text-multi", "1", "2"), form_field("b", "text-single")])
    assert parse_form(Element("query", "urn:z", None, [form]), "urn:x") == {"a": ["1", "2"], "b": []}


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("1", True), (" false ", False), ("0", False)])
def test_booleans(text: str, expected: bool) -> None:
    """3.3: four ways to write them."""
    assert read_boolean([text]) is expected


def test_values() -> None:
    """3.3: of one value there is one at most, of a choice one that is offered; anything else is none."""
    assert (read_text([]), read_text([" a "]), read_choice(["b"], ("a", "b"))) == ("", "a", "b")
    for read in (
        lambda: read_text(["a", "b"]),
        lambda: read_choice(["c"], ("a", "b")),
        lambda: read_boolean(["yes"]),
        lambda: read_boolean([]),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            read()
