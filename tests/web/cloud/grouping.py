"""Groups of a number, and people in them, for tests of the Cloud API over a real state machine."""

from __future__ import annotations

from typing import Any

import httpx2

from raftline.base.ids import LogIndex, Term
from raftline.machine.commands import Action, BindSession, Command, SessionOrigin, encode_command
from raftline.machine.entry import encode_entry
from raftline.machine.outcomes import Bound, CommandResult, Done
from raftline.machine.rooms.commands import EnterRoom, RegisterInRoom, SpeakInRoom
from raftline.xmpp.invites import digest_of
from web.cloud.machine_door import NODE, CloudService
from web.cloud.serving import error_of

PRODUCT = {"messaging_product": "whatsapp"}


class Person:
    """A person with a session, as a node proposes for it."""

    def __init__(self, service: CloudService, localpart: str) -> None:
        self._door = service.door
        self._number = 0
        self.localpart = localpart
        bound = self._apply(BindSession(localpart, "r", NODE, 1), None).outcome
        assert isinstance(bound, Done)
        assert isinstance(bound.result, Bound)
        self._bound = bound.result

    def do(self, action: Action) -> CommandResult:
        """Let the session do something."""
        self._number += 1
        bound = self._bound
        return self._apply(action, SessionOrigin(bound.session_id, bound.epoch, self._number, self._number - 1))

    def enter(self, room: str, token: str = "") -> CommandResult:
        """Enter a room, by a link if there is one."""
        invite = digest_of(token) if token else b""
        return self.do(EnterRoom(room, self.localpart, b"", True, b"s", invite=invite))

    def ask(self, room: str) -> CommandResult:
        """Ask to be let in."""
        return self.do(RegisterInRoom(room, self.localpart))

    def say(self, room: str, body: str) -> CommandResult:
        """Say something in a room."""
        stanza = f"<message type='groupchat' id='p1'><body>{body}</body></message>".encode()
        return self.do(SpeakInRoom(room, stanza, False, True, "", b""))

    def _apply(self, action: Action, origin: SessionOrigin | None) -> CommandResult:
        door = self._door
        index = next(door._index)
        door.time_ms += 1
        command = Command(NODE, 1, index, index.to_bytes(16), origin, action)
        payload = encode_entry(door.time_ms, [encode_command(command)])
        [result] = door.machine.apply(LogIndex(index), Term(1), payload)
        return result


async def make(client: httpx2.AsyncClient, service: CloudService, **fields: Any) -> str:
    """Make a group; return its id."""
    body = PRODUCT | {"subject": "Offers"} | fields
    response = await client.post(f"/{service.number_id}/groups", json=body)
    assert response.status_code == 200, response.text
    group: str = response.json()["id"]
    return group


async def token_of(client: httpx2.AsyncClient, group: str) -> str:
    """Return the token in the group's link."""
    response = await client.get(f"/{group}/invite_link")
    assert response.status_code == 200, response.text
    return str(response.json()["invite_link"].partition(";preauth=")[2])


def code_of(response: httpx2.Response, status: int = 400) -> int:
    """Return the code of a refusal."""
    return int(error_of(response, status)["code"])
