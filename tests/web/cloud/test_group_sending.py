"""Messages to groups over the Cloud API: contract, section 5.4 with `recipient_type` group."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from raftline.base.ids import Epochs, format_stanza_id
from raftline.machine.business.commands import ChangeNumber, SendFromNumber
from raftline.machine.business.group_commands import PinFromNumber, SpeakFromNumber
from raftline.machine.business.ids import GraphKind, graph_id, group_id, parse_group_id, parse_wamid, wamid
from raftline.machine.business.tables import PromptKind
from raftline.machine.rooms.queries import RoomArchivePage
from raftline.xmpp.element import Element
from raftline.xmpp.stanza import parse_stanza
from web.cloud.grouping import PRODUCT, Person, code_of, make, token_of
from web.cloud.machine_door import ANN, OTHER_NUMBER, OTHER_TOKEN, CloudService

TEXT: dict[str, Any] = {"type": "text", "text": {"body": "Hello & <welcome>"}}


@pytest.fixture
def service() -> CloudService:
    """Two businesses, Ann with a number, Ben without."""
    return CloudService(ANN, "ben")


@pytest_asyncio.fixture
async def client(service: CloudService) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the token of Shop."""
    async with service.client() as client:
        yield client


@pytest_asyncio.fixture
async def group(service: CloudService, client: httpx2.AsyncClient) -> str:
    """A group of the number."""
    return await make(client, service)


async def send(
    service: CloudService, client: httpx2.AsyncClient, group: str, fields: dict[str, Any], **headers: str
) -> httpx2.Response:
    """Send something to the group."""
    body = PRODUCT | {"recipient_type": "group", "to": group} | fields
    return await client.post(f"/{service.number_id}/messages", json=body, headers=headers)


async def sent(service: CloudService, client: httpx2.AsyncClient, group: str, fields: dict[str, Any]) -> str:
    """Send something to the group; return its id."""
    response = await send(service, client, group, fields)
    assert response.status_code == 200, response.text
    message: str = response.json()["messages"][0]["id"]
    return message


def said(service: CloudService, group: str) -> list[Element]:
    """What the room's archive has."""
    page = service.door.machine.answer(RoomArchivePage(parse_group_id(group) or ""))
    return [parse_stanza(row.stanza).element for row in page.rows]  # type: ignore[union-attr]


def stanza_id(message: str) -> str:
    """The id by which people in the room know a message."""
    parsed = parse_wamid(message)
    assert parsed is not None
    return format_stanza_id(Epochs(parsed[0]), parsed[1])


async def test_text(service: CloudService, client: httpx2.AsyncClient, group: str) -> None:
    """It is said in the room under the business's name; the answer names the group and the message."""
    response = await send(service, client, group, TEXT | {"biz_opaque_callback_data": "mine"})
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["contacts"] == [{"input": group, "wa_id": group}]
    [element] = said(service, group)
    assert element.get("from") == f"{parse_group_id(group)}@conference.example.org/Shop"
    assert element.get("to") is None
    assert element.get("type") == "groupchat"
    names = {child.name for child in element.elements()}
    assert names == {"body", "origin-id", "markable", "nick", "occupant-id"}, "nobody is asked for receipts"
    action = service.door.executed[-1]
    assert isinstance(action, SpeakFromNumber)
    assert (action.opaque, action.message_id) == ("mine", element.get("id"))


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "location", "location": {"latitude": 1.5, "longitude": 2.5, "name": "Here"}},
        {"type": "contacts", "contacts": [{"name": {"formatted_name": "Ann"}, "phones": [{"phone": "1"}]}]},
        {"type": "image", "image": {"link": "https://files.example.org/a.jpg", "caption": "Look"}},
        {"type": "document", "document": {"link": "https://files.example.org/a.pdf", "filename": "a.pdf"}},
        {"type": "interactive", "interactive": {"type": "location_request_message", "body": {"text": "Where?"},
                                                "action": {"name": "send_location"}}},
    ],
    ids=lambda fields: fields["type"],
)  # fmt: skip
async def test_types(service: CloudService, client: httpx2.AsyncClient, group: str, fields: dict[str, Any]) -> None:
    """What can be sent to people can be sent to groups."""
    await sent(service, client, group, fields)
    assert len(said(service, group)) == 1


async def test_buttons(service: CloudService, client: httpx2.AsyncClient, group: str) -> None:
    """What people may choose from is remembered for the group."""
    buttons = [{"type": "reply", "reply": {"id": name, "title": name.title()}} for name in ("yes", "no")]
    content = {"type": "button", "body": {"text": "Well?"}, "action": {"buttons": buttons}}
    await sent(service, client, group, {"type": "interactive", "interactive": content})
    action = service.door.executed[-1]
    assert isinstance(action, SpeakFromNumber)
    assert action.prompt is not None
    assert action.prompt.kind == PromptKind.BUTTONS


async def test_reply_and_reaction(service: CloudService, client: httpx2.AsyncClient, group: str) -> None:
    """They name a message by the id that the room gave it, a reply its author's address there as well."""
    room = parse_group_id(group) or ""
    ben = Person(service, "ben")
    ben.enter(room, await token_of(client, group))
    asked = wamid(Epochs(1), ben.say(room, "What?").position)
    await sent(service, client, group, TEXT | {"context": {"message_id": asked}})
    await sent(service, client, group, {"type": "reaction", "reaction": {"message_id": asked, "emoji": "👍"}})
    _, reply, reaction = said(service, group)
    found = reply.child("reply", "urn:xmpp:reply:0")
    assert found is not None
    assert found.attributes == {"to": f"{room}@conference.example.org/ben", "id": stanza_id(asked)}
    named = reaction.child("reactions", "urn:xmpp:reactions:0")
    assert named is not None
    assert named.get("id") == stanza_id(asked)
    elsewhere = await make(client, service, subject="Other")
    for fields in (
        TEXT | {"context": {"message_id": asked}},
        {"type": "reaction", "reaction": {"message_id": asked, "emoji": "👍"}},
        {"type": "pin", "pin": {"type": "pin", "message_id": asked}},
    ):
        assert code_of(await send(service, client, elsewhere, fields)) == 131009


async def test_by_way_of_the_author(service: CloudService, client: httpx2.AsyncClient, group: str) -> None:
    """
    Libraries answer and react to what was said in a group by writing to its author.

    The reaction is where the message is; the answer is a word in private, and answers nothing there.
    """
    room = parse_group_id(group) or ""
    ann = Person(service, ANN)
    ann.enter(room, await token_of(client, group))
    asked = wamid(Epochs(1), ann.say(room, "What?").position)
    reaction = {"type": "reaction", "reaction": {"message_id": asked, "emoji": "👍"}}
    response = await send(service, client, ANN, reaction)
    assert response.status_code == 200, response.text
    assert response.json()["contacts"] == [{"input": ANN, "wa_id": ANN}]
    assert len(said(service, group)) == 2
    response = await send(service, client, ANN, TEXT | {"context": {"message_id": asked}})
    assert response.status_code == 200, response.text
    action = service.door.executed[-1]
    assert isinstance(action, SendFromNumber)
    assert b"urn:xmpp:reply:0" not in action.message.stanza


async def test_pin(service: CloudService, client: httpx2.AsyncClient, group: str) -> None:
    """A message is pinned, and not any more; the answer has the form of one to a message."""
    message = await sent(service, client, group, TEXT)
    for kind, is_pinned in (("pin", True), ("unpin", False)):
        pin = {"type": kind, "message_id": message, "expiration_days": 7}
        await sent(service, client, group, {"type": "pin", "pin": pin})
        action = service.door.executed[-1]
        assert isinstance(action, PinFromNumber)
        assert (action.position, action.is_pinned) == (parse_wamid(message)[1], is_pinned)  # type: ignore[index]
    assert code_of(await send(service, client, group, {"type": "pin"})) == 131008
    pin = {"type": "nail", "message_id": message}
    assert code_of(await send(service, client, group, {"type": "pin", "pin": pin})) == 131009
    pin = {"type": "pin", "message_id": "wamid.x"}
    assert code_of(await send(service, client, group, {"type": "pin", "pin": pin})) == 131009


async def test_once(service: CloudService, client: httpx2.AsyncClient, group: str) -> None:
    """Under a key it is said once, and another request under it is refused."""
    headers = {"Idempotency-Key": "k"}
    answers = [(await send(service, client, group, TEXT, **headers)).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(said(service, group)) == 1
    other = {"type": "text", "text": {"body": "Other"}}
    assert code_of(await send(service, client, group, other, **headers)) == 131009


async def test_refusals(service: CloudService, client: httpx2.AsyncClient, group: str) -> None:
    """No group, none that the number is in, not registered, too fast."""
    assert code_of(await send(service, client, group_id("nowhere"), TEXT)) == 131041
    async with service.client(OTHER_TOKEN) as other:
        body = PRODUCT | {"to": group} | TEXT
        path = f"/{graph_id(GraphKind.NUMBER, service.other.number_id)}/messages"
        assert code_of(await other.post(path, json=body)) == 131041
        Person(service, OTHER_NUMBER).enter(parse_group_id(group) or "", await token_of(client, group))
        assert (await other.post(path, json=body)).status_code == 200
    service.door.do(ChangeNumber(service.shop.number_id, "test", pair_per_minute=1))
    await sent(service, client, group, TEXT)
    assert code_of(await send(service, client, group, TEXT), 429) == 131056
    service.door.do(ChangeNumber(service.shop.number_id, "test", is_registered=False))
    assert code_of(await send(service, client, group, TEXT)) == 133010


async def test_mark_read(service: CloudService, client: httpx2.AsyncClient, group: str) -> None:
    """A message of the group, and all before it, are read; what the number said itself is not."""
    room = parse_group_id(group) or ""
    ben = Person(service, "ben")
    ben.enter(room, await token_of(client, group))
    position = ben.say(room, "Read this").position
    body = PRODUCT | {"status": "read", "message_id": wamid(Epochs(1), position), "typing_indicator": {"type": "text"}}
    response = await client.post(f"/{service.number_id}/messages", json=body)
    assert response.json() == {"success": True}
    marker = said(service, group)[-1].child("displayed", "urn:xmpp:chat-markers:0")
    assert marker is not None
    assert marker.get("id") == format_stanza_id(Epochs(1), position)
    action = service.door.executed[-1]
    assert isinstance(action, SpeakFromNumber)
    assert (action.message.marked, action.message_id) == (position, "")
    own = await sent(service, client, group, TEXT)
    body = PRODUCT | {"status": "read", "message_id": own}
    assert code_of(await client.post(f"/{service.number_id}/messages", json=body)) == 131009
