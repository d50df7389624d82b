"""Messages that a program has read, and that it writes an answer."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from raftline.base.ids import Epochs, NodeId, Position, SessionId
from raftline.machine.business.ids import wamid
from raftline.machine.message_commands import Storage
from raftline.machine.queries import Reachable, SessionRow
from raftline.xmpp.stanza import parse_stanza
from web.cloud.door import NUMBER, CloudDoor
from web.cloud.sent import MESSAGES, children_of, known, last, tree
from web.cloud.serving import error_of


def read(message_id: str | None, **fields: Any) -> dict[str, Any]:
    """Return the body that says that a message was read."""
    return {"messaging_product": "whatsapp", "status": "read", "message_id": message_id, **fields}


async def test_read(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """The author is sent a marker, which counts for the number's own devices as well, and wants no status itself."""
    response = await cloud.post(MESSAGES, json=read(known(door, 70_000, "x")))
    assert response.json() == {"success": True}
    action = last(door)
    assert (action.message.to_localpart, action.message.marked, action.message_id) == ("15551234567", 70_000, "")
    assert action.message.storage == Storage.OFFLINE | Storage.COPY
    marker = tree(action).child("displayed", "urn:xmpp:chat-markers:0")
    assert marker is not None
    assert marker.get("id") == "m70000"
    assert children_of(tree(action)) == {"displayed"}
    assert not door.routed


async def test_typing(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """With a typing indicator, sessions that are there are told at once, beside the log."""
    rows = [
        SessionRow(SessionId(at), NodeId(1), f"r{at}", priority, None) for at, priority in enumerate((0, -1, None, 5))
    ]
    door.answers[Reachable] = lambda query: rows if query.sender == f"{NUMBER}@example.org" else []
    body = read(known(door, 70_000, "x"), typing_indicator={"type": "text"})
    assert (await cloud.post(MESSAGES, json=body)).json() == {"success": True}
    assert [session_id for session_id, _ in door.routed] == [0, 3]
    element = parse_stanza(door.routed[0][1]).element
    assert children_of(element) == {"composing"}
    assert element.attributes["to"] == "15551234567@example.org"
    assert len(door.executed) == 1


async def test_typing_to_who_cannot_be_reached(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Whoever is away or was blocked is told nothing."""
    for answer in (None, []):
        door.answers[Reachable] = lambda _query, answer=answer: answer
        body = read(known(door, 70_000, "x"), typing_indicator={"type": "text"})
        assert (await cloud.post(MESSAGES, json=body)).status_code == 200
    assert not door.routed


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"status": "delivered"}, 131009),
        ({"message_id": None}, 131008),
        ({"message_id": "nothing"}, 131009),
        ({"message_id": wamid(Epochs(1), Position(9))}, 131009),
        ({"typing_indicator": {"type": "audio"}}, 131009),
    ],
)
async def test_what_cannot_be_read(
    door: CloudDoor, cloud: httpx2.AsyncClient, fields: dict[str, object], code: int
) -> None:
    """Another status, no message, one that is not there, another kind of writing."""
    body = read(known(door, 70_000, "x")) | fields
    assert error_of(await cloud.post(MESSAGES, json=body), 400)["code"] == code
    assert not door.executed


async def test_the_own_message_cannot_be_read(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Only what others wrote."""
    body = read(known(door, 70_000, "x", is_own=True))
    assert error_of(await cloud.post(MESSAGES, json=body), 400)["code"] == 131009
