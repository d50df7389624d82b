"""
What belongs to a message beside its row, and goes along with it: the poll that it asks, what is sealed in it, its pin.

Whoever takes the content out of a message, be it a retraction, a moderator or its timer, tells it here; and whoever
deletes its row. What finds its way by a mark in the message's bytes costs other messages nothing.
"""

from __future__ import annotations

from raftline.machine.context import Context
from raftline.machine.pins import ending as pins
from raftline.machine.polls import ending as polls
from raftline.machine.records import StoredMessage
from raftline.machine.view_once import ending as view_once


def content_gone(context: Context, message: StoredMessage) -> None:
    """The content of a message is gone, its row stays; `message` is as it was."""
    row_gone(context, message)
    pins.content_gone(context, message.position)


def row_gone(context: Context, message: StoredMessage) -> None:
    """
    The row of a message is gone, as nobody holds it any more.

    Pins are not looked for: what is pinned was archived, and archives go with their owners, who take pins along.
    """
    polls.message_gone(context, message.position, message.stanza)
    view_once.message_gone(context, message.position, message.stanza)
