"""A number that leads a group, and what its applications are told, for the tests of groups."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

from machine.rooms import enter, raise_version
from machine.world import DOMAIN, Client, World
from raftline.base.ids import Position
from raftline.machine.business.commands import CreateBusiness, SettleEvents
from raftline.machine.business.group_commands import (
    ChangeGroup,
    CreateGroup,
    DeleteGroup,
    RemoveFromGroup,
    ShareGroup,
    SpeakFromNumber,
)
from raftline.machine.business.group_queries import GroupLinkOf, GroupOf
from raftline.machine.business.group_values import GroupLinkView, GroupNews, GroupView
from raftline.machine.business.queries import WaitingEvents
from raftline.machine.business.tables import EventKind
from raftline.machine.business.values import Created, EventView, Sent, StatusDetail
from raftline.machine.outcomes import CommandResult, Done
from raftline.machine.rooms.commands import SpeakInRoom

NUMBER = "15550001111"
NAME = "The Shop"
GROUP = "gg1"
GROUP_ADDRESS = f"{GROUP}@conference.{DOMAIN}"
NUMBER_JID = f"{NUMBER}@{DOMAIN}"


def digest_of(token: str) -> bytes:
    """What stands for a token."""
    return blake2b(token.encode(), digest_size=32).digest()


def make_business(world: World, number: str = NUMBER, name: str = NAME) -> Created:
    """A business with a number, and an application that has a callback."""
    raise_version(world)
    action = CreateBusiness(
        name,
        number,
        bytes(16),
        digest_of(number),
        "whatsapp_business_messaging",
        "test",
        url="http://bot.example/hook",
        verify_token="v",
    )
    outcome = world.do(action).outcome
    assert isinstance(outcome, Done), outcome
    assert isinstance(outcome.result, Created)
    return outcome.result


def create(world: World, room: str = GROUP, **changes: Any) -> CommandResult:
    """Make a group."""
    fields: dict[str, Any] = {"localpart": NUMBER, "secret": b"s" * 16, "subject": "Offers", "request_id": "r1"}
    return world.do(CreateGroup(**{**fields, "room": room, **changes}))


def change(world: World, **changes: Any) -> CommandResult:
    """Change the group."""
    fields: dict[str, Any] = {"localpart": NUMBER, "room": GROUP, "request_id": "r2"}
    return world.do(ChangeGroup(**{**fields, **changes}))


def delete(world: World, localpart: str = NUMBER) -> CommandResult:
    """Delete the group."""
    return world.do(DeleteGroup(localpart, GROUP, "r3"))


def remove(world: World, *names: str) -> CommandResult:
    """Take accounts out of the group."""
    return world.do(RemoveFromGroup(NUMBER, GROUP, tuple(f"{name}@{DOMAIN}" for name in names), "r4"))


def share(world: World, token: str, *, resets: bool = False) -> CommandResult:
    """Let the group have a link."""
    return world.do(ShareGroup(NUMBER, GROUP, token, digest_of(token), resets))


def speak(world: World, body: str = "hi", message_id: str = "m1", **changes: Any) -> CommandResult:
    """Let the number say something, with `inner` beside the text; changes are of `SpeakInRoom`, or of the command."""
    own = {key: changes.pop(key) for key in ("localpart", "opaque", "fingerprint", "prompt") if key in changes}
    inner = f"<body>{body}</body>{changes.pop('inner', '')}"
    stanza = f"<message type='groupchat' id='{message_id}'>{inner}</message>".encode()
    fields: dict[str, Any] = {
        "room": GROUP,
        "stanza": stanza,
        "is_subject": False,
        "kept": True,
        "origin_id": "",
        "fingerprint": b"",
    }
    message = SpeakInRoom(**{**fields, **changes})
    return world.do(SpeakFromNumber(**{"localpart": NUMBER, **own}, message=message, message_id=message_id))


def sent(result: CommandResult) -> Position:
    """Where the message is that was sent."""
    assert isinstance(result.outcome, Done), result.outcome
    assert isinstance(result.outcome.result, Sent)
    return result.outcome.result.position


def group(world: World, business_id: int) -> GroupView | None:
    """The group as the business sees it."""
    found = world.machine.answer(GroupOf(business_id, GROUP))
    assert found is None or isinstance(found, GroupView)
    return found


def link(world: World) -> GroupLinkView | None:
    """The group's link."""
    found = world.machine.answer(GroupLinkOf(GROUP))
    assert found is None or isinstance(found, GroupLinkView)
    return found


def come_in(client: Client, token: str, nick: str = "") -> CommandResult:
    """Enter the group by its link."""
    return enter(client, nick or client.localpart, room=GROUP, invite=digest_of(token))


def events(world: World) -> list[EventView]:
    """What applications are told since they were asked last."""
    found = world.machine.answer(WaitingEvents())
    assert isinstance(found, list)
    if found:
        world.do(SettleEvents(tuple(view.event[:2] for view in found)))
    return found


def news(world: World) -> list[tuple[int, str, list[str]]]:
    """What has become of groups: kind, request, people."""
    told = [view.event for view in events(world) if view.event.kind == EventKind.GROUP]
    decoded = [msgspec.msgpack.decode(event.detail, type=GroupNews) for event in told]
    return [(one.kind, one.request_id, [person.localpart for person in one.people]) for one in decoded]


def said(world: World) -> list[tuple[str, str, Position]]:
    """What was said in the group: by whom, text, what it refers to."""
    found = []
    for view in events(world):
        if view.event.kind == EventKind.MESSAGE:
            assert view.event.room == GROUP
            assert view.stanza is not None
            text = view.stanza.decode().partition("<body>")[2].partition("</body>")[0]
            found.append((view.event.peer.partition("@")[0], text, view.event.target))
    return found


def statuses(world: World) -> list[tuple[str, Position, int, str]]:
    """How far messages came: with whom, which message, status, what is handed back."""
    told = [view.event for view in events(world) if view.event.kind == EventKind.STATUS]
    found = []
    for event in told:
        assert event.room == GROUP
        detail = msgspec.msgpack.decode(event.detail, type=StatusDetail)
        found.append((event.peer.partition("@")[0], event.message, detail.status, detail.opaque))
    return found
