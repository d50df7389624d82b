"""XEP-0004 Data Forms: those that the server hands out."""

from __future__ import annotations

from raftline.xmpp import data_forms
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import parse_form
from xmpp_im.playbook import tree

X = "{jabber:x:data}"


def test_a_form_to_fill_in() -> None:
    """3.1 to 3.3: title and instructions first, then the hidden FORM_TYPE and the fields with all they have."""
    fields = [
        data_forms.field("a", "1", kind="list-single", label="A & b", required=True, options=("1", "2")),
        data_forms.field("b", kind="text-private"),
    ]
    form = tree(data_forms.form("form", "urn:x", fields, title="T", instructions="I").serialize())
    assert (form.tag, form.attrib) == (f"{X}x", {"type": "form"})
    assert [child.tag for child in form] == [f"{X}title", f"{X}instructions", *[f"{X}field"] * 3]
    hidden, first, second = form.findall(f"{X}field")
    assert hidden.attrib == {"var": "FORM_TYPE", "type": "hidden"}
    assert first.attrib == {"var": "a", "type": "list-single", "label": "A & b"}
    assert [child.tag for child in first] == [f"{X}{name}" for name in ("required", "value", "option", "option")]
    assert [option.findtext(f"{X}value") for option in first.findall(f"{X}option")] == ["1", "2"]
    assert (second.attrib, len(second)) == ({"var": "b", "type": "text-private"}, 0)


def test_a_result() -> None:
    """3.2: all values of a field, whose type may be left out; elements of other protocols stand beside fields."""
    other = Element("query", "urn:y")
    form = tree(data_forms.form("result", "urn:x", [data_forms.field("a", "1", "2"), other]).serialize())
    assert [child.tag for child in form] == [f"{X}field", f"{X}field", "{urn:y}query"]
    assert form[1].attrib == {"var": "a"}
    assert [value.text for value in form[1]] == ["1", "2"]


def test_what_is_submitted_is_read_back() -> None:
    """Made here, read by `parse_form`."""
    form = data_forms.form("submit", "urn:x", [data_forms.field("a", "1", "2"), data_forms.field("b")])
    assert parse_form(Element("query", "urn:z", None, [form]), "urn:x") == {"a": ["1", "2"], "b": []}
