"""What a send became: the command, and its stanza as clients read it."""

from __future__ import annotations

from typing import Any

import httpx2

from raftline.base.ids import Epochs, Position
from raftline.machine.business.commands import SendFromNumber
from raftline.machine.business.ids import wamid
from raftline.machine.business.values import KnownMessage
from raftline.xmpp.element import Element
from raftline.xmpp.stanza import parse_stanza
from web.cloud.door import NUMBER, NUMBER_ID, CloudDoor
from web.cloud.serving import error_of

MESSAGES = f"/{NUMBER_ID}/messages"
ANN = "15551234567"
ANN_JID = f"{ANN}@example.org"
OWN_JID = f"{NUMBER}@example.org"


def body_of(kind: str, content: object, **fields: Any) -> dict[str, Any]:
    """Return the body of a request to Ann."""
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": ANN,
        "type": kind,
        kind: content,
        **fields,
    }


async def send(cloud: httpx2.AsyncClient, kind: str, content: object, **fields: Any) -> httpx2.Response:
    """Send a message to Ann."""
    return await cloud.post(MESSAGES, json=body_of(kind, content, **fields))


async def refused(cloud: httpx2.AsyncClient, kind: str, content: object, status: int = 400, **fields: Any) -> int:
    """Send a message that is refused; return the code."""
    code: int = error_of(await send(cloud, kind, content, **fields), status)["code"]
    return code


async def sent(cloud: httpx2.AsyncClient, door: CloudDoor, kind: str, content: object, **fields: Any) -> SendFromNumber:
    """Send a message to Ann; return its command, after a look at the answer."""
    response = await send(cloud, kind, content, **fields)
    assert response.status_code == 200, response.text
    action = last(door)
    shown = response.json()["messages"][0]
    assert shown["id"] == wamid(Epochs(1), len(door.executed) << 16)
    return action


def last(door: CloudDoor) -> SendFromNumber:
    """Return the last command, which sends something."""
    action = door.executed[-1]
    assert isinstance(action, SendFromNumber)
    return action


def tree(action: SendFromNumber) -> Element:
    """Return the stanza of a command."""
    return parse_stanza(action.message.stanza).element


def text_of(element: Element) -> str:
    """Return the text of a message; empty for none."""
    body = element.child("body", "jabber:client")
    return "" if body is None else body.text


def children_of(element: Element) -> set[str]:
    """Return the names of what is in a message."""
    return {child.name for child in element.elements()}


def known(door: CloudDoor, position: int, text: str, *, is_own: bool = False, peer: str = ANN_JID) -> str:
    """Let the number have a message; return its id."""
    sender = OWN_JID if is_own else peer
    stanza = f"<message from='{sender}' to='{OWN_JID}' type='chat' id='m{position}'><body>{text}</body></message>"
    door.messages[Position(position)] = KnownMessage(Position(position), 1_000, peer, is_own, stanza.encode())
    return wamid(Epochs(1), Position(position))
