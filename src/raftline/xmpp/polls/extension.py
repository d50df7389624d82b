"""Polls and events, registered and announced: on accounts for chats of two, by rooms for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.machine.context import ROOMS_LABEL
from raftline.machine.polls.events import PollTold
from raftline.xmpp.polls.render import render_told
from raftline.xmpp.polls.requests import register_requests
from raftline.xmpp.polls.words import ALL

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Take requests, render news; the host of rooms must be there."""
    for words in ALL:
        register_requests(modules, modules.hosts[ROOMS_LABEL], words)
        modules.extensions.append(words.namespace)
    modules.on_event(PollTold, render_told)
