"""A recipient with a device that is told by push, for the tests of notifications."""

from __future__ import annotations

from typing import Any

from machine.test_resumption import TIMEOUT_S, TOKEN, detach, resume
from machine.world import DOMAIN, Client, World
from raftline.base.ids import Position
from raftline.machine.commands import EnableManagement
from raftline.machine.message_commands import Storage
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import CommandResult
from raftline.machine.push.answers import WaitingNotification
from raftline.machine.push.commands import AnswerNotification, DisablePush, EnablePush
from raftline.machine.push.queries import PushNotifications
from raftline.machine.versions import VERSION_MAX

__all__ = ["detach", "resume"]

ALERTING = int(Storage.ARCHIVE | Storage.OFFLINE | Storage.ALERT)
SERVICE = f"maker@{DOMAIN}/app"


def begin(world: World) -> tuple[World, Client]:
    """Let all that is new count; return a sender."""
    world.do(RaiseVersion(VERSION_MAX))
    return world, world.online("alice", "desk")


def phone(world: World, localpart: str = "bob", *, resource: str = "phone", node: str = "n1") -> Client:
    """Bind a device that can be resumed, and enable push for it."""
    client = world.bind(localpart, resource)
    world.do(EnableManagement(client.session_id, client.epoch, client.number, TOKEN, TIMEOUT_S))
    client.present()
    enable(client, node)
    return client


def enable(client: Client, node: str = "n1", options: bytes = b"", service: str = SERVICE) -> CommandResult:
    return client.do(EnablePush(service, node, options))


def disable(client: Client, node: str | None = None, service: str = SERVICE) -> CommandResult:
    return client.do(DisablePush(service, node))


def text(alice: Client, to: str = "bob", body: str = "hi", **changes: Any) -> Position:
    """Send something that alerts; return its position."""
    return alice.send(to, body, **{"storage": ALERTING, **changes}).position


def waiting(world: World, service: str = SERVICE, *, now_ms: int | None = None, **changes: Any) -> list[Any]:
    """Return what may be published to a service."""
    found = world.machine.answer(
        PushNotifications(service, world.time_ms if now_ms is None else now_ms, **{"limit": 1000, **changes})
    )
    assert isinstance(found, list)
    return found


def positions(world: World, service: str = SERVICE) -> list[int]:
    return [row.position for row in waiting(world, service)]


def reply(world: World, row: WaitingNotification, error_type: str = "", service: str = SERVICE) -> CommandResult:
    """Let a service answer."""
    return world.do(AnswerNotification(service, row.position, row.registration_id, error_type))
