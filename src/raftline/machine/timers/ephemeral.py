"""
Messages that disappear (XEP-0466): at a time that their sender set, the content is gone, wherever it was kept.

A message is stored once, so one write takes the content out of the archives of both sides or of the room, out of what
devices are owed and what waits offline; the search index follows the row, and pages that held it are overwritten: the
way of retractions (history/retraction.py). What remains is the start tag and the timer. So a device that reads the
archive can say that a message was here and has disappeared, as section 5 asks of clients, and still learns the timer
of the conversation, which is nowhere but in its messages (section 3.3); to a client that does not know the extension
it is a message without text, which shows nothing.

Time counts from cluster time of the command, whatever was read by then: the server does not see what is read. Section
5 lets clients count from there, which for who reads at once is the same.

A message that was taken back before has no timer any more: its tombstone says more.
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import Position
from raftline.machine.context import Context
from raftline.machine.conversations.belongings import content_gone
from raftline.machine.timers.tables import MessageTimer

EPHEMERAL_NAMESPACE: Final = "urn:xmpp:ephemeral:0"


def ephemeral_element(timer_s: int) -> bytes:
    """Write the element that gives a message its time (section 3.2)."""
    return f"<ephemeral xmlns='{EPHEMERAL_NAMESPACE}' timer='{timer_s}'/>".encode()


def begin(context: Context, timer_s: int, kept: bytes = b"") -> None:
    """
    Let the message of this command disappear so many seconds from now.

    Args:
        kept: What of its content stays beside the timer, as XML.
    """
    position = context.position
    due_ms = context.time_ms + 1000 * timer_s
    context.message_timers.insert(position, MessageTimer(position, due_ms, ephemeral_element(timer_s) + kept))


def cancel(context: Context, position: Position) -> None:
    """Forget when a message disappears, whose content is gone before."""
    context.message_timers.delete(position)


def expire_message(context: Context, position: Position) -> None:
    """Put what remains in the place of a message, if anyone holds it still."""
    timer = context.message_timers.delete(position)
    assert timer is not None, position
    message = context.messages.get(position)
    if message is not None:
        start_tag = message.stanza[: message.stanza.index(b">")].removesuffix(b"/")
        remains = b"%b>%b</message>" % (start_tag, timer.remains)
        context.messages.put(position, message._replace(stanza=remains))
        content_gone(context, message)
