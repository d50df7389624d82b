"""Messages that ask for something: what people see, and what an answer is told by."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from raftline.base.cloud_limits import (
    BUTTON_COUNT_MAX,
    BUTTON_TITLE_LENGTH_MAX,
    CAPTION_LENGTH_MAX,
    HEADER_LENGTH_MAX,
    OPTION_ID_LENGTH_MAX,
    ROW_COUNT_MAX,
    ROW_DESCRIPTION_LENGTH_MAX,
    ROW_TITLE_LENGTH_MAX,
    TEXT_LENGTH_MAX,
)
from raftline.machine.business.commands import Prompt
from raftline.machine.business.tables import PromptKind
from raftline.machine.business.values import Option
from raftline.xmpp.element import Element
from web.cloud.door import CloudDoor
from web.cloud.sent import children_of, refused, sent, text_of, tree

BUSINESS = "urn:raftline:business:0"
FORM = "jabber:x:data"


def buttons(*pairs: tuple[str, str], **fields: Any) -> dict[str, Any]:
    """Return a message with reply buttons."""
    shown = [{"type": "reply", "reply": {"id": option_id, "title": title}} for option_id, title in pairs]
    return {"type": "button", "body": {"text": "Sure?"}, "action": {"buttons": shown}, **fields}


def rows(count: int, **fields: Any) -> list[dict[str, Any]]:
    """Return rows of a list."""
    return [{"id": f"r{number}", "title": f"Row {number}", **fields} for number in range(count)]


def listed(*sections: dict[str, Any], button: str = "Open", **fields: Any) -> dict[str, Any]:
    """Return a message with a list."""
    action = {"button": button, "sections": list(sections)}
    return {"type": "list", "body": {"text": "Which?"}, "action": action, **fields}


def options_of(message: Element) -> list[tuple[str, str]]:
    """Return the options of the form of a message: value and label."""
    form = message.child("x", FORM)
    assert form is not None
    assert form.get("type") == "form"
    field = form.child("field", FORM)
    assert field is not None
    assert (field.get("var"), field.get("type")) == ("choice", "list-single")
    return [(next(option.elements()).text, option.get("label") or "") for option in field.elements()]


async def test_buttons(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Buttons are numbered text, a form, quick responses, and what the program said; apply knows the options."""
    said = buttons(
        ("yes", "Yes"), ("no", "No"), header={"type": "text", "text": "Order"}, footer={"text": "Until noon"}
    )
    action = await sent(cloud, door, "interactive", said)
    element = tree(action)
    assert text_of(element) == "Order\n\nSure?\n\n1. Yes\n2. No\n\nUntil noon"
    assert options_of(element) == [("yes", "Yes"), ("no", "No")]
    responses = [child.attributes for child in element.elements() if child.name == "response"]
    assert responses == [{"value": "yes", "label": "Yes"}, {"value": "no", "label": "No"}]
    mark = element.child("interactive", BUSINESS)
    assert mark is not None
    assert mark.get("type") == "button"
    assert [child.name for child in mark.elements()] == ["header", "body", "footer", "button", "button"]
    assert action.prompt == Prompt(PromptKind.BUTTONS, (Option("yes", "Yes"), Option("no", "No")))
    assert action.message_id


async def test_a_list(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Rows are numbered through all sections, and keep their descriptions."""
    said = listed(
        {"title": "Warm", "rows": [{"id": "s", "title": "Soup", "description": "of the day"}]},
        {"title": "Cold", "rows": [{"id": "i", "title": "Ice", "description": None}]},
    )
    action = await sent(cloud, door, "interactive", said)
    element = tree(action)
    assert text_of(element) == "Which?\n\nWarm\n1. Soup - of the day\n\nCold\n2. Ice"
    assert options_of(element) == [("s", "Soup"), ("i", "Ice")]
    assert "response" not in children_of(element)
    assert action.prompt == Prompt(PromptKind.LIST, (Option("s", "Soup", "of the day"), Option("i", "Ice")))


async def test_an_address_to_open(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """It stands in the text; nothing is chosen."""
    parameters = {"display_text": "Menu", "url": "https://shop.example/menu?a=1&b=2"}
    said = {"type": "cta_url", "body": {"text": "Look"}, "action": {"name": "cta_url", "parameters": parameters}}
    action = await sent(cloud, door, "interactive", said)
    assert text_of(tree(action)) == "Look\n\nMenu: https://shop.example/menu?a=1&b=2"
    assert action.prompt is None
    mark = tree(action).child("interactive", BUSINESS)
    assert mark is not None
    url = mark.child("url", BUSINESS)
    assert url is not None
    assert url.attributes == {"title": "Menu", "href": "https://shop.example/menu?a=1&b=2"}
    for wrong, code in (
        ({"display_text": "Menu", "url": "javascript:x"}, 131009),
        ({"display_text": "x" * (BUTTON_TITLE_LENGTH_MAX + 1), "url": "https://shop.example"}, 131009),
        ({"display_text": "", "url": "https://shop.example"}, 131008),
        ({"url": "https://shop.example"}, 131008),
        ({"display_text": 7, "url": "https://shop.example"}, 131009),
        (None, 131008),
    ):
        bad = said | {"action": {"name": "cta_url", "parameters": wrong}}
        assert await refused(cloud, "interactive", bad) == code, wrong
    assert await refused(cloud, "interactive", said | {"action": {"name": "x", "parameters": parameters}}) == 131009


@pytest.mark.parametrize(
    ("kind", "name"),
    [("location_request_message", "send_location"), ("request_contact_info", "request_contact_info")],
)
async def test_what_is_asked_for(door: CloudDoor, cloud: httpx2.AsyncClient, kind: str, name: str) -> None:
    """A place or a card: people are told in words, clients by our element."""
    said = {"type": kind, "body": {"text": "Where to?"}, "action": {"name": name}}
    action = await sent(cloud, door, "interactive", said)
    assert text_of(tree(action)).startswith("Where to?\n\nPlease answer with a ")
    mark = tree(action).child("interactive", BUSINESS)
    assert mark is not None
    assert mark.get("type") == kind
    assert await refused(cloud, "interactive", said | {"action": {"name": "x"}}) == 131009
    assert await refused(cloud, "interactive", said | {"body": None}) == 131008


async def test_a_picture_above_buttons(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """A header may be a file, shared as in any message."""
    header = {"type": "image", "image": {"link": "https://shop.example/a.png"}}
    element = tree(await sent(cloud, door, "interactive", buttons(("a", "A"), header=header)))
    assert text_of(element).startswith("https://shop.example/a.png\n\nSure?")
    assert "file-sharing" in children_of(element)
    for wrong, code in (
        ({"type": "image"}, 131008),
        ({"type": "image", "image": {}}, 131008),
        ({"type": "image", "image": {"link": "x"}}, 131009),
        ({"type": "sticker"}, 131009),
        ({"type": "text"}, 131008),
    ):
        assert await refused(cloud, "interactive", buttons(("a", "A"), header=wrong)) == code, wrong
    assert await refused(cloud, "interactive", listed({"rows": rows(1)}, header=header)) == 131009


async def test_limits_of_buttons(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Count, titles and ids, on both sides of each limit."""
    full = [(f"b{number}", f"B{number}") for number in range(BUTTON_COUNT_MAX)]
    await sent(cloud, door, "interactive", buttons(*full))
    longest = ("x" * OPTION_ID_LENGTH_MAX, "y" * BUTTON_TITLE_LENGTH_MAX)
    await sent(cloud, door, "interactive", buttons(longest))
    for wrong, code in (
        (buttons(*full, ("more", "More")), 131009),
        (buttons((longest[0] + "x", "t")), 131009),
        (buttons(("i", longest[1] + "y")), 131009),
        (buttons(("a", "A"), ("a", "B")), 131009),
        (buttons(("a", "A"), ("b", "A")), 131009),
        (buttons(("", "A")), 131008),
        (buttons(("a", " ")), 131008),
        (buttons(), 131008),
        (buttons(("a", "A"), body=None), 131008),
        (buttons(("a", "A"), action=None), 131008),
        (buttons(("a", "A"), action={"buttons": [{"type": "url", "reply": {"id": "a", "title": "A"}}]}), 131009),
    ):
        assert await refused(cloud, "interactive", wrong) == code, wrong


async def test_limits_of_lists(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Count, titles, ids and descriptions, on both sides of each limit."""
    halves = (rows(ROW_COUNT_MAX)[:5], rows(ROW_COUNT_MAX)[5:])
    await sent(cloud, door, "interactive", listed(*({"title": f"{len(half)}", "rows": half} for half in halves)))
    longest = {
        "id": "x" * OPTION_ID_LENGTH_MAX,
        "title": "y" * ROW_TITLE_LENGTH_MAX,
        "description": "z" * ROW_DESCRIPTION_LENGTH_MAX,
    }
    said = listed({"title": "t" * ROW_TITLE_LENGTH_MAX, "rows": [longest]}, button="o" * BUTTON_TITLE_LENGTH_MAX)
    await sent(cloud, door, "interactive", said)
    for wrong, code in (
        (listed({"rows": rows(ROW_COUNT_MAX + 1)}), 131009),
        (listed(*({"title": str(n), "rows": rows(1)} for n in range(ROW_COUNT_MAX + 1))), 131009),
        (listed({"rows": rows(1)}, {"title": "b", "rows": rows(1)}), 131008),
        (listed({"title": "a", "rows": rows(1)}, {"title": "b", "rows": rows(1)}), 131009),
        (listed({"rows": []}), 131008),
        (listed(), 131008),
        (listed({"rows": rows(1)}, button=""), 131008),
        (listed({"rows": rows(1)}, button="o" * (BUTTON_TITLE_LENGTH_MAX + 1)), 131009),
        (listed({"title": "t" * (ROW_TITLE_LENGTH_MAX + 1), "rows": rows(1)}), 131009),
        *((listed({"rows": [{**longest, key: value + "x"}]}), 131009) for key, value in longest.items()),
    ):
        assert await refused(cloud, "interactive", wrong) == code, wrong


async def test_limits_of_texts(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Header, body and footer; the body of a list may be longer."""
    for name, length_max in (("body", CAPTION_LENGTH_MAX), ("footer", HEADER_LENGTH_MAX)):
        await sent(cloud, door, "interactive", buttons(("a", "A"), **{name: {"text": "x" * length_max}}))
        too_long = buttons(("a", "A"), **{name: {"text": "x" * (length_max + 1)}})
        assert await refused(cloud, "interactive", too_long) == 131009
    header = {"type": "text", "text": "x" * HEADER_LENGTH_MAX}
    await sent(cloud, door, "interactive", buttons(("a", "A"), header=header))
    header["text"] += "x"
    assert await refused(cloud, "interactive", buttons(("a", "A"), header=header)) == 131009
    await sent(cloud, door, "interactive", listed({"rows": rows(1)}, body={"text": "x" * TEXT_LENGTH_MAX}))
    too_long = listed({"rows": rows(1)}, body={"text": "x" * (TEXT_LENGTH_MAX + 1)})
    assert await refused(cloud, "interactive", too_long) == 131009


async def test_what_is_not_here(cloud: httpx2.AsyncClient) -> None:
    """Shops, flows and calls are refused as unsupported, anything else as wrong."""
    for kind in ("flow", "product", "product_list", "catalog_message", "carousel", "call_permission_request"):
        assert await refused(cloud, "interactive", {"type": kind, "action": {}}) == 131051
    assert await refused(cloud, "interactive", {"type": "dance", "action": {}}) == 131009
    assert await refused(cloud, "interactive", {}) == 131008
    assert await refused(cloud, "interactive", None) == 131008
