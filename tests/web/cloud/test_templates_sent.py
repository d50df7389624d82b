"""Stored templates with their parameters, as people get them."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec
import pytest
import pytest_asyncio

from raftline.base.cloud_limits import CAPTION_LENGTH_MAX, OPTION_ID_LENGTH_MAX
from raftline.machine.business.commands import Prompt
from raftline.machine.business.queries import TemplateNamed
from raftline.machine.business.tables import PromptKind, Template
from raftline.machine.business.values import Option
from web.cloud.door import CloudDoor
from web.cloud.sent import children_of, refused, send, sent, text_of, tree
from web.cloud.serving import client_of

BODY = {"type": "BODY", "text": "Dear {{1}}, order {{2}} is ready."}
QUICK = {"type": "QUICK_REPLY", "text": "Thanks"}


def store(door: CloudDoor, *components: dict[str, Any]) -> None:
    """Let the business have the template `ready` in `en_US`."""
    row = Template(10, "ready", "en_US", 5, "UTILITY", msgspec.json.encode(components), 1_000)
    door.answers[TemplateNamed] = lambda query: row if query == TemplateNamed(10, "ready", "en_US") else None


@pytest_asyncio.fixture
async def cloud(door: CloudDoor) -> Any:
    """A client, and a template with two places."""
    store(door, BODY)
    async with client_of(door) as client:
        yield client


def use(*components: dict[str, Any], name: str = "ready", language: str = "en_US") -> dict[str, Any]:
    """Return the use of a template."""
    return {"name": name, "language": {"code": language}, "components": list(components)}


def texts(kind: str, *values: str, **fields: Any) -> dict[str, Any]:
    """Return texts as parameters of a part."""
    return {"type": kind, "parameters": [{"type": "text", "text": value} for value in values], **fields}


async def test_parameters_by_number(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Texts go to their places; what they say is not read as a template again. The answer says it was accepted."""
    response = await send(cloud, "template", use(texts("body", "Ann {{2}}", "7")))
    assert response.json()["messages"][0]["message_status"] == "accepted"
    action = await sent(cloud, door, "template", use(texts("body", "Ann {{2}}", "7")))
    assert text_of(tree(action)) == "Dear Ann {{2}}, order 7 is ready."
    assert action.prompt is None


async def test_parameters_by_name(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """In any order; money and time are told as the program writes them."""
    store(door, {"type": "BODY", "text": "{{who}} owes {{sum}} by {{day}}, {{who}}!"})
    parameters = [
        {"type": "date_time", "date_time": {"fallback_value": "May 1"}, "parameter_name": "day"},
        {"type": "currency", "currency": {"fallback_value": "7 €", "code": "EUR"}, "parameter_name": "sum"},
        {"type": "text", "text": "Ann", "parameter_name": "who"},
    ]
    action = await sent(cloud, door, "template", use({"type": "body", "parameters": parameters}))
    assert text_of(tree(action)) == "Ann owes 7 € by May 1, Ann!"
    parameters[0]["parameter_name"] = "night"
    assert await refused(cloud, "template", use({"type": "body", "parameters": parameters})) == 132012


async def test_all_parts(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Header, body, footer and buttons; quick replies are options like others."""
    store(
        door,
        {"type": "HEADER", "format": "TEXT", "text": "Hello {{1}}"},
        {"type": "BODY", "text": "It is ready."},
        {"type": "FOOTER", "text": "Your shop"},
        {
            "type": "BUTTONS",
            "buttons": [
                QUICK,
                {"type": "QUICK_REPLY", "text": "Later"},
                {"type": "URL", "text": "Track", "url": "https://shop.example/{{1}}"},
                {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+1555"},
                {"type": "COPY_CODE", "example": "X"},
            ],
        },
    )
    said = use(
        texts("header", "Ann"),
        {
            "type": "button",
            "sub_type": "quick_reply",
            "index": "0",
            "parameters": [{"type": "payload", "payload": "thanks-7"}],
        },
        texts("button", "7?x=1", sub_type="url", index=2),
        {
            "type": "button",
            "sub_type": "copy_code",
            "index": 4,
            "parameters": [{"type": "coupon_code", "coupon_code": "SAVE"}],
        },
    )
    action = await sent(cloud, door, "template", said)
    assert text_of(tree(action)) == (
        "Hello Ann\n\nIt is ready.\n\nYour shop\n\n1. Thanks\n2. Later\n"
        "Track: https://shop.example/7?x=1\nCall: +1555\nSAVE"
    )
    expected = (Option("thanks-7", "Thanks"), Option("Later", "Later"))
    assert action.prompt == Prompt(PromptKind.QUICK_REPLIES, expected)
    assert {"x", "response", "interactive"} <= children_of(tree(action))


async def test_a_file_or_a_place_above(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Headers of other formats take one parameter of theirs."""
    for kind in ("image", "video", "document"):
        store(door, {"type": "HEADER", "format": kind.upper()}, {"type": "BODY", "text": "Look"})
        link = f"https://shop.example/{kind}"
        parameter = {"type": kind, kind: {"link": link}}
        element = tree(await sent(cloud, door, "template", use({"type": "header", "parameters": [parameter]})))
        assert text_of(element) == f"{link}\n\nLook"
        assert "file-sharing" in children_of(element)
        assert await refused(cloud, "template", use(texts("header", "x"))) == 132012
        assert await refused(cloud, "template", use({"type": "header", "parameters": [{"type": kind}]})) == 132012
        assert await refused(cloud, "template", use()) == 132000
    store(door, {"type": "HEADER", "format": "LOCATION"}, {"type": "BODY", "text": "Here"})
    parameter = {"type": "location", "location": {"latitude": 1, "longitude": 2, "name": "Shop", "address": "Lane"}}
    element = tree(await sent(cloud, door, "template", use({"type": "header", "parameters": [parameter]})))
    assert text_of(element) == "geo:1.000000,2.000000\n\nHere"
    assert "geoloc" in children_of(element)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (use(texts("body", "Ann", "7"), name="unready"), 132001),
        (use(texts("body", "Ann", "7"), language="de"), 132001),
        (use(texts("body", "Ann", "7"), name=""), 131008),
        (use(texts("body", "Ann")), 132000),
        (use(texts("body", "Ann", "7", "8")), 132000),
        (use(), 132000),
        (use(texts("body", "Ann", "7"), texts("header", "x")), 132000),
        (use({"type": "body", "parameters": [{"type": "text"}, {"type": "text", "text": "x"}]}), 132012),
        (use({"type": "body", "parameters": [{"type": "image"}, {"type": "text", "text": "x"}]}), 132012),
        (use(texts("body", "Ann", "7"), texts("button", "x", index=0)), 132000),
        ({"name": "ready"}, 131008),
        (None, 131008),
    ],
)
async def test_what_does_not_fit(cloud: httpx2.AsyncClient, said: object, code: int) -> None:
    """Templates that are not there, and parameters too few, too many, or of another kind."""
    assert await refused(cloud, "template", said) == code


async def test_buttons_that_do_not_fit(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Payloads and codes of another kind, too many, too long, and buttons that are not here."""

    def button(*parameters: dict[str, Any], index: Any = 0) -> dict[str, Any]:
        return {"type": "button", "sub_type": "quick_reply", "index": index, "parameters": list(parameters)}

    payload = {"type": "payload", "payload": "x" * OPTION_ID_LENGTH_MAX}
    store(door, {"type": "BODY", "text": "Well?"}, {"type": "BUTTONS", "buttons": [QUICK]})
    await sent(cloud, door, "template", use(button(payload)))
    await sent(cloud, door, "template", use(button(payload, index=None)))
    for said, code in (
        (button({**payload, "payload": payload["payload"] + "x"}), 131009),
        (button({"type": "payload"}), 131008),
        (button({"type": "text", "text": "x"}), 132012),
        (button(payload, payload), 132000),
        (button(payload, index=1), 132000),
        (button(payload, index="first"), 131009),
    ):
        assert await refused(cloud, "template", use(said)) == code, said
    store(door, {"type": "BODY", "text": "Well?"}, {"type": "BUTTONS", "buttons": [{"type": "COPY_CODE"}]})
    assert await refused(cloud, "template", use()) == 132000
    assert await refused(cloud, "template", use(button({"type": "coupon_code"}))) == 132012
    store(door, {"type": "BODY", "text": "Well?"}, {"type": "BUTTONS", "buttons": [{"type": "FLOW", "text": "x"}]})
    assert await refused(cloud, "template", use()) == 131051
    address = {"type": "URL", "text": "Go", "url": "https://shop.example/{{1}}"}
    store(door, {"type": "BODY", "text": "Well?"}, {"type": "BUTTONS", "buttons": [address]})
    assert await refused(cloud, "template", use(texts("button", "a b", index=0))) == 132012
    assert await refused(cloud, "template", use()) == 132000


async def test_the_length_with_parameters(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """What parameters make of a text may be as long as any caption."""
    store(door, {"type": "BODY", "text": "{{1}}"})
    await sent(cloud, door, "template", use(texts("body", "x" * CAPTION_LENGTH_MAX)))
    assert await refused(cloud, "template", use(texts("body", "x" * (CAPTION_LENGTH_MAX + 1)))) == 132005
