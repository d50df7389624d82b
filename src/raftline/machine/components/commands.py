"""Commands of components (XEP-0114), and of users who write to them. Machine version 3."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from raftline.base.ids import NodeId
from raftline.base.limits import EPHEMERAL_TIMER_S_MAX
from raftline.machine.history.commands import Retraction
from raftline.machine.tables import NATURAL

_Timer = Annotated[int, msgspec.Meta(ge=0, le=EPHEMERAL_TIMER_S_MAX)]


class ConnectComponent(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=113):
    """
    A component has proved who it is: a node holds its connection from here on, until `EndSession` or that node's death.

    Outcome: `Done(Bound)`; refused with `conflict` while another connection holds it, `resource-constraint` when there
    are too many components.
    """

    label: str
    node_id: Annotated[NodeId, NATURAL]
    incarnation: Annotated[int, NATURAL]


class SendToComponent(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=114):
    """
    A user sends a message to an address at a component.

    It comes back with `service-unavailable` when that was never connected, and with `resource-constraint` when too much
    waits for it.

    Attributes:
        to: Bare JID.
        kind: A `MessageKind`.
        storage, stanza, origin_id, fingerprint, to_resource, retraction, displayed: As in SendMessage.
        timer_s: Seconds after which the content is gone (XEP-0466); 0 for never.
    """

    to: str
    to_resource: str | None
    kind: Annotated[int, NATURAL]
    storage: Annotated[int, NATURAL]
    stanza: bytes
    origin_id: str
    fingerprint: bytes
    retraction: Retraction | None = None
    displayed: bytes = b""
    timer_s: _Timer = 0


class SendFromComponent(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=115):
    """
    A component, which the session is of, sends a message to an account.

    Attributes:
        sender, sender_resource: Whom it is from: a bare JID at the component, and the rest of the full one, if any.
        to_localpart, to_resource, storage, stanza, origin_id, fingerprint, retraction: As in SendMessage.
        kind: A `MessageKind`.
        timer_s: As in SendToComponent.
    """

    sender: str
    sender_resource: str
    to_localpart: str
    to_resource: str | None
    kind: Annotated[int, NATURAL]
    storage: Annotated[int, NATURAL]
    stanza: bytes
    origin_id: str
    fingerprint: bytes
    retraction: Retraction | None = None
    timer_s: _Timer = 0


class ChangeSubscriptionFromComponent(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=116):
    """
    Somebody at a component, which the session is of, manages a subscription with an account.

    Attributes:
        kind: A `SubscriptionKind`.
        sender: Bare JID at the component.
        localpart: The account.
        stanza: The presence stanza with `from` the sender and `to` the account's bare JID.
    """

    kind: Annotated[int, NATURAL]
    sender: str
    localpart: str
    stanza: bytes


ACTIONS: Final = (ConnectComponent, SendToComponent, SendFromComponent, ChangeSubscriptionFromComponent)

ComponentAction = ConnectComponent | SendToComponent | SendFromComponent | ChangeSubscriptionFromComponent
