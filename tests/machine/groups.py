"""A group with members who are away, for the tests of machine/rooms."""

from __future__ import annotations

from collections.abc import Iterable

from machine.pushing import enable, reply, waiting
from machine.rooms import ROOM, open_room, raise_version
from machine.world import DOMAIN, Client, World
from raftline.base.limits import ROOM_CHANGE_COUNT_MAX
from raftline.machine.commands import CarryOutDue
from raftline.machine.conversations.queries import ConversationsOf
from raftline.machine.conversations.values import Conversation, ConversationSlice
from raftline.machine.outcomes import Done
from raftline.machine.pubsub.bookmarks import BOOKMARKS_NODE, PRIVATE_OPTIONS
from raftline.machine.pubsub.commands import Publish
from raftline.machine.push.answers import WaitingNotification
from raftline.machine.queries import NextExpiry
from raftline.machine.rooms.commands import ChangeKind, ChangeOccupants, OccupantChange
from raftline.machine.rooms.ranks import Affiliation

ADDRESS = f"{ROOM}@conference.{DOMAIN}"
GROUP = {"persistent": True, "members_only": True, "non_anonymous": True, "public": False}
"""Settings of a private group."""


def open_group(world: World, **settings: bool) -> Client:
    """Alice in a group of hers."""
    raise_version(world)
    alice = world.online("alice")
    open_room(alice, "alice", **{**GROUP, **settings})
    return alice


def add_members(admin: Client, names: Iterable[str], affiliation: int = Affiliation.MEMBER) -> None:
    """Put accounts on the list, as many at a time as one request may."""
    changes = [OccupantChange(ChangeKind.AFFILIATION, f"{name}@{DOMAIN}", int(affiliation)) for name in names]
    for first in range(0, len(changes), ROOM_CHANGE_COUNT_MAX):
        part = tuple(changes[first : first + ROOM_CHANGE_COUNT_MAX])
        assert admin.do(ChangeOccupants(ROOM, part)).outcome == Done()


def leave_phone(world: World, name: str, *, node: str = "") -> None:
    """Let somebody enable push on a phone, and go away."""
    phone = world.bind(name, "phone")
    assert enable(phone, node or name).outcome == Done()
    phone.end()


def told(world: World) -> list[tuple[str, int, int, str]]:
    """What waits for the service: node, position, messages, sender; the service answers all of it."""
    found: list[tuple[str, int, int, str]] = []
    for row in waiting(world):
        assert isinstance(row, WaitingNotification)
        found.append((row.node, row.position, row.message_count, row.sender))
        reply(world, row)
    return sorted(found)


def who_is_told(world: World) -> list[str]:
    """Nodes, which `leave_phone` names like their accounts."""
    return [node for node, *_ in told(world)]


def take_steps(world: World, seconds: float = 0) -> int:
    """Let what is due be carried out, as the leader does; return how many commands that took."""
    world.time_ms += round(1000 * seconds)
    count = 0
    while isinstance(due_ms := world.machine.answer(NextExpiry()), int) and due_ms <= world.time_ms:
        world.do(CarryOutDue())
        count += 1
    return count


def want(client: Client, level: str) -> None:
    """Set what the account wants to be alerted of in the group (XEP-0492)."""
    notify = f"<notify xmlns='urn:xmpp:notification-settings:1'><{level}/></notify>"
    payload = f"<conference xmlns='{BOOKMARKS_NODE}'><extensions>{notify}</extensions></conference>".encode()
    assert client.do(Publish(BOOKMARKS_NODE, ADDRESS, payload, PRIVATE_OPTIONS)).outcome == Done()


def conversation(world: World, localpart: str) -> Conversation | None:
    """The group in the list of conversations of an account."""
    found = world.machine.answer(ConversationsOf(localpart, 1))
    assert isinstance(found, ConversationSlice)
    return next((entry for entry in found.conversations if entry.jid == ADDRESS), None)
