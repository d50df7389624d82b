"""Bodies that no program should send: whatever is in them, the answer is a refusal or a message, never a failure."""

from __future__ import annotations

import asyncio
import copy
import os
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from raftline.machine.business.ids import media_id
from raftline.machine.business.queries import TemplateNamed
from raftline.machine.business.tables import Template
from raftline.machine.media.queries import UploadOf
from web.cloud.door import ANN_BSUID, CloudDoor
from web.cloud.sent import MESSAGES, body_of, known
from web.cloud.serving import client_of, error_of

TEXTS = st.one_of(
    st.text(max_size=30), st.sampled_from(["", "button", "list", "text", "1" * 40, "wamid.x", "g_x", ANN_BSUID])
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
ROW = {"id": "a", "title": "A", "description": "x"}
HEADER = {"type": "image", "image": {"link": "https://shop.example/a.png"}}
TEMPLATE = (
    b'[{"type":"HEADER","text":"{{1}}"},{"type":"BODY","text":"{{who}}"},'
    b'{"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"A"},{"type":"URL","text":"B","url":"https://x/{{1}}"}]}]'
)
BODIES: tuple[dict[str, Any], ...] = (
    body_of("text", {"body": "x", "preview_url": True}, context={"message_id": "wamid.x"}),
    body_of("image", {"link": "https://shop.example/a.png", "caption": "x"}),
    body_of("document", {"id": media_id(bytes(16)), "filename": "x"}),
    body_of("audio", {"link": "https://shop.example/a.ogg", "voice": True}),
    body_of("location", {"latitude": 1.5, "longitude": "2", "name": "x", "address": None}),
    body_of("contacts", [{"name": {"formatted_name": "x"}, "phones": [{"phone": "1", "wa_id": "1", "type": "HOME"}]}]),
    body_of("reaction", {"message_id": "wamid.x", "emoji": "👍"}),
    body_of(
        "interactive",
        {
            "type": "button",
            "header": HEADER,
            "body": {"text": "x"},
            "footer": {"text": "x"},
            "action": {"buttons": [{"type": "reply", "reply": {"id": "a", "title": "A"}}]},
        },
    ),
    body_of(
        "interactive",
        {
            "type": "list",
            "body": {"text": "x"},
            "action": {"button": "x", "sections": [{"title": "x", "rows": [ROW]}]},
        },
    ),
    body_of(
        "interactive",
        {
            "type": "cta_url",
            "body": {"text": "x"},
            "action": {"name": "cta_url", "parameters": {"display_text": "x", "url": "https://x"}},
        },
    ),
    body_of(
        "template",
        {
            "name": "t",
            "language": {"code": "en"},
            "components": [
                {"type": "header", "parameters": [{"type": "text", "text": "x"}]},
                {"type": "body", "parameters": [{"type": "text", "text": "x", "parameter_name": "who"}]},
                {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "x"}]},
            ],
        },
    ),
    {"messaging_product": "whatsapp", "status": "read", "message_id": "x", "typing_indicator": {"type": "text"}},
)


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place of a body: the container, and the key or the number in it."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places_in(value[key])


def with_message(body: Any, message_id: str) -> Any:
    """Let a body name a message that there is."""
    for container, key in list(places_in(body)):
        if key == "message_id":
            container[key] = message_id
    return body


def system() -> CloudDoor:
    """A system with a template and no files."""
    door = CloudDoor()
    door.answers[TemplateNamed] = lambda _query: Template(10, "t", "en", 5, "UTILITY", TEMPLATE, 1_000)
    door.answers[UploadOf] = lambda _query: None
    return door


async def post(door: CloudDoor, body: Any) -> None:
    """Send a body; the answer is one of those that a program can be given."""
    async with client_of(door, entropy=os.urandom) as cloud:
        response = await cloud.post(MESSAGES, json=body)
    if response.status_code != 200:
        error_of(response, 400)


def test_bodies_as_they_should_be() -> None:
    """What is changed below is good before; but for the file that is not there, each is taken."""
    door = system()
    message_id = known(door, 70_000, "x")
    for body in BODIES:
        if body.get("type") != "document":
            asyncio.run(post(door, with_message(copy.deepcopy(body), message_id)))
    assert len(door.executed) == len(BODIES) - 1


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_part_may_be_anything(data: st.DataObject) -> None:
    """One part of a good body is replaced by something odd, or left out."""
    door = system()
    body = with_message(copy.deepcopy(data.draw(st.sampled_from(BODIES))), known(door, 70_000, "x"))
    container, key = data.draw(st.sampled_from(list(places_in(body))))
    if data.draw(st.booleans()):
        container[key] = data.draw(VALUES)
    else:
        del container[key]
    asyncio.run(post(door, body))
