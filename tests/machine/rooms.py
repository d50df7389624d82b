"""People in rooms, for the tests of machine/rooms."""

from __future__ import annotations

from typing import Any, TypeVar

from machine.world import DOMAIN, Client, World
from raftline.base.ids import CURSOR_START, Cursor
from raftline.machine.commands import EnableManagement
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import CarbonCopied, CommandResult, Done, Event, MessageArrived, Rejected, cursor_of
from raftline.machine.queries import InboxPage
from raftline.machine.rooms.commands import (
    ChangeKind,
    ChangeOccupants,
    ConfigureRoom,
    EnterRoom,
    LeaveRoom,
    OccupantChange,
    SpeakInRoom,
)
from raftline.machine.rooms.events import OccupantShown, RoomMessageArrived
from raftline.machine.rooms.queries import RoomOf
from raftline.machine.rooms.settings import RoomSettings
from raftline.machine.rooms.views import RoomView
from raftline.machine.versions import VERSION_MAX

ROOM = "den"
ADDRESS = f"{ROOM}@conference.{DOMAIN}"
TOKEN = b"t" * 16

EventT = TypeVar("EventT", bound=Event)


def raise_version(world: World) -> None:
    """Let everything count that this release understands."""
    assert world.do(RaiseVersion(VERSION_MAX)).outcome == Done()


def enter(client: Client, nick: str, **changes: Any) -> CommandResult:
    """Enter the room, or whichever is named."""
    fields: dict[str, Any] = {"room": ROOM, "nick": nick, "presence": b"", "joins": True, "secret": b"s" * 16}
    return client.do(EnterRoom(**{**fields, **changes}))


def leave(client: Client, room: str = ROOM) -> CommandResult:
    """Leave the room."""
    return client.do(LeaveRoom(room, b""))


def say(client: Client, body: str, **changes: Any) -> CommandResult:
    """Say something to everyone."""
    stanza = f"<message type='groupchat'><body>{body}</body></message>".encode()
    fields: dict[str, Any] = {
        "room": ROOM,
        "stanza": stanza,
        "is_subject": False,
        "kept": True,
        "origin_id": "",
        "fingerprint": b"",
    }
    return client.do(SpeakInRoom(**{**fields, **changes}))


def configure(client: Client, **settings: Any) -> CommandResult:
    """Replace the room's settings."""
    return client.do(ConfigureRoom(ROOM, RoomSettings(**settings)))


def open_room(owner: Client, nick: str = "owner", **settings: Any) -> None:
    """Make the room and unlock it."""
    assert enter(owner, nick).outcome == Done()
    assert configure(owner, **settings).outcome == Done()


def change_role(client: Client, nick: str, role: int, **changes: Any) -> CommandResult:
    """Change the role of somebody."""
    return client.do(ChangeOccupants(ROOM, (OccupantChange(ChangeKind.ROLE, nick, int(role), **changes),)))


def change_affiliation(client: Client, jid: str, affiliation: int, **changes: Any) -> CommandResult:
    """Change the affiliation of an account, by its name."""
    target = jid if changes.get("by_nick") else f"{jid}@{DOMAIN}"
    change = OccupantChange(ChangeKind.AFFILIATION, target, int(affiliation), **changes)
    return client.do(ChangeOccupants(ROOM, (change,)))


def view(client: Client, room: str = ROOM) -> RoomView | None:
    """The room as a session sees it."""
    found = client.world.machine.answer(RoomOf(room, client.session_id))
    assert found is None or isinstance(found, RoomView)
    return found


def seen(client: Client) -> RoomView:
    """The room as a session sees it, which is there."""
    found = view(client)
    assert found is not None
    return found


def manage(client: Client, timeout_s: int = 300) -> None:
    """Turn stream management on, resumable."""
    client.world.do(EnableManagement(client.session_id, client.epoch, client.number, TOKEN, timeout_s))


def events_for(result: CommandResult, client: Client, kind: type[EventT]) -> list[EventT]:
    """Events of one kind that name a session."""
    found = []
    for event in result.events:
        if isinstance(event, kind):
            session_ids = getattr(event, "session_ids", None) or (getattr(event, "session_id", None),)
            if client.session_id in session_ids:
                found.append(event)
    return found


def shown(result: CommandResult, client: Client) -> list[OccupantShown]:
    """Presence that a session is shown, in order."""
    return events_for(result, client, OccupantShown)


def nicks(result: CommandResult, client: Client) -> list[tuple[str, bool]]:
    """Nicknames that a session is shown come or go."""
    return [(event.nick, event.is_available) for event in shown(result, client)]


def bodies(messages: list[RoomMessageArrived]) -> list[str]:
    """What messages say; the subject of a room without one is empty."""
    texts = [message.stanza.decode() for message in messages]
    return [text.partition("<body>")[2].partition("</body>")[0] for text in texts]


def heard(result: CommandResult, client: Client) -> list[str]:
    """What a session hears from the room by a command."""
    return bodies(events_for(result, client, RoomMessageArrived))


def refusal(result: CommandResult) -> tuple[str, str]:
    """Condition and type of a refusal."""
    assert isinstance(result.outcome, Rejected), result.outcome
    return result.outcome.condition, result.outcome.kind


def pages(client: Client, after: Cursor = CURSOR_START, limit: int = 100) -> list[Event]:
    """All that a session is owed after a cursor, page by page."""
    found: list[Event] = []
    while True:
        page = client.world.machine.answer(InboxPage(client.session_id, after, limit))
        assert isinstance(page, list)
        if not page:
            return found
        assert len(page) <= limit
        for event in page:
            assert isinstance(event, MessageArrived | CarbonCopied | RoomMessageArrived)
            assert cursor_of(event) > after, "deliveries come in the order of their cursors"
            after = cursor_of(event)
            found.append(event)
