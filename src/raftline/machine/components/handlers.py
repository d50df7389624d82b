"""Where components enter the common lists of commands, handovers and questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from raftline.machine.components import connections, contacts, messages
from raftline.machine.components.commands import (
    ChangeSubscriptionFromComponent,
    ConnectComponent,
    SendFromComponent,
    SendToComponent,
)
from raftline.machine.components.handovers import ContactTold, MessageForComponent
from raftline.machine.components.queries import ComponentAt
from raftline.machine.context import Context
from raftline.machine.outcomes import Outcome
from raftline.machine.queries import Answer, Query
from raftline.machine.records import Session

HANDLERS: Final[Mapping[type, Callable[[Context, Any], Outcome]]] = MappingProxyType(
    {ConnectComponent: connections.connect_component}
)

SESSION_HANDLERS: Final[Mapping[type, Callable[[Context, Session, Any], Outcome]]] = MappingProxyType(
    {
        SendToComponent: messages.send_to_component,
        SendFromComponent: messages.send_from_component,
        ChangeSubscriptionFromComponent: messages.change_subscription,
    }
)

RECEIVERS: Final[Mapping[type, Callable[[Context, Any], None]]] = MappingProxyType(
    {MessageForComponent: messages.receive_for_component, ContactTold: contacts.receive_told}
)

ANSWERS: Final[Mapping[type[Query], Callable[[Context, Any], Answer]]] = MappingProxyType(
    {ComponentAt: connections.component_row}
)
