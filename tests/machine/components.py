"""A component's connection, for the tests of components in this folder."""

from __future__ import annotations

from typing import Any

from machine.world import DOMAIN, Client, World
from raftline.base.ids import NodeId
from raftline.machine.commands import SubscriptionKind
from raftline.machine.components.commands import (
    ChangeSubscriptionFromComponent,
    ConnectComponent,
    SendFromComponent,
    SendToComponent,
)
from raftline.machine.message_commands import MessageKind, Storage
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import Bound, CommandResult, Done
from raftline.machine.versions import VERSION_MAX

LABEL = "irc"
HOST = f"{LABEL}.{DOMAIN}"
PUPPET = f"bob@{HOST}"
"""Somebody at the component who is called like an account."""

KEPT = int(Storage.ARCHIVE | Storage.OFFLINE)
ALL = KEPT | int(Storage.COPY)


def connect(world: World, label: str = LABEL, *, node_id: int = 1, incarnation: int = 1) -> CommandResult:
    """Connect a component, whatever comes of it."""
    if world.machine.machine_version < VERSION_MAX:
        world.do(RaiseVersion(VERSION_MAX))
    return world.do(ConnectComponent(label, NodeId(node_id), incarnation), node_id=node_id)


class Connection(Client):
    """A component's connection, which counts its stanzas like a client's session."""

    def __init__(self, world: World, label: str = LABEL, *, node_id: int = 1, incarnation: int = 1) -> None:
        self.connected = connect(world, label, node_id=node_id, incarnation=incarnation)
        outcome = self.connected.outcome
        assert isinstance(outcome, Done), outcome
        assert isinstance(outcome.result, Bound)
        super().__init__(world, f"@{label}", "", outcome.result, node_id)
        self.label = label

    def say(self, to: str, body: str = "hi", *, sender: str = PUPPET, **changes: Any) -> CommandResult:
        """Send a message from an address of the component to an account."""
        localpart, _, resource = to.partition("/")
        bare, _, sender_resource = sender.partition("/")
        fields: dict[str, Any] = {
            "sender": bare,
            "sender_resource": sender_resource,
            "to_localpart": localpart,
            "to_resource": resource or None,
            "kind": int(MessageKind.CHAT),
            "storage": ALL,
            "stanza": f"<message from='{sender}' to='{to}'><body>{body}</body></message>".encode(),
            "origin_id": "",
            "fingerprint": b"",
        }
        return self.do(SendFromComponent(**{**fields, **changes}))

    def manage(self, kind: SubscriptionKind, localpart: str, *, sender: str = PUPPET) -> CommandResult:
        """Manage a subscription with an account."""
        stanza = f"<presence type='{kind.name.lower()}' from='{sender}' to='{localpart}@{DOMAIN}'/>".encode()
        return self.do(ChangeSubscriptionFromComponent(int(kind), sender, localpart, stanza))


def write(client: Client, to: str = PUPPET, body: str = "hi", **changes: Any) -> CommandResult:
    """Send a user's message to an address at a component."""
    bare, _, resource = to.partition("/")
    fields: dict[str, Any] = {
        "to": bare,
        "to_resource": resource or None,
        "kind": int(MessageKind.CHAT),
        "storage": ALL,
        "stanza": f"<message from='{client.full_jid}' to='{to}'><body>{body}</body></message>".encode(),
        "origin_id": "",
        "fingerprint": b"",
    }
    return client.do(SendToComponent(**{**fields, **changes}))
