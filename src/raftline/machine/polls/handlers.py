"""Which function carries out a command about polls and events, and which answers a question about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from raftline.machine.context import Context
from raftline.machine.message_commands import SendPoll
from raftline.machine.outcomes import Outcome
from raftline.machine.polls import asking, choosing
from raftline.machine.polls.answers import polls_of
from raftline.machine.polls.commands import AskInRoom, Choose, ClosePoll
from raftline.machine.polls.queries import PollsOf
from raftline.machine.queries import Answer, Query
from raftline.machine.records import Session

POLL_HANDLERS: Final[Mapping[type, Callable[[Context, Session, Any], Outcome]]] = MappingProxyType(
    {
        SendPoll: asking.ask_in_chat,
        AskInRoom: asking.ask_in_room,
        Choose: choosing.choose,
        ClosePoll: choosing.close,
    }
)

POLL_ANSWERS: Final[Mapping[type[Query], Callable[[Context, Any], Answer]]] = MappingProxyType({PollsOf: polls_of})
