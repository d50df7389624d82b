"""What answers questions about conversations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from raftline.machine.context import Context
from raftline.machine.conversations.latest import last_messages
from raftline.machine.conversations.listing import conversations_of
from raftline.machine.conversations.queries import (
    ConversationsOf,
    LastMessagesOf,
    MessageNamed,
    RoomTicks,
    TicksWith,
)
from raftline.machine.conversations.read_state import position_named
from raftline.machine.conversations.ticks import room_ticks, ticks_with
from raftline.machine.queries import Answer, Query

ANSWERS: Final[Mapping[type[Query], Callable[[Context, Any], Answer]]] = MappingProxyType(
    {
        ConversationsOf: conversations_of,
        LastMessagesOf: last_messages,
        MessageNamed: position_named,
        TicksWith: ticks_with,
        RoomTicks: room_ticks,
    }
)
