"""
When a message is to disappear (XEP-0466 section 3.2), read from what a client sent.

Whoever gives a message a time does not want it kept, so nothing that is meant as one is taken for none: what cannot be
read, or is not within the limits, is refused, and the message with it. A timer inside an encrypted wrapper (section 5)
is none the server knows of.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.limits import EPHEMERAL_TIMER_S_MAX, EPHEMERAL_TIMER_S_MIN
from raftline.machine.timers.ephemeral import EPHEMERAL_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.element import Element

_UNSIGNED_INT: Final = re.compile(r"[ \t\r\n]*\+?0*(\d{1,10})[ \t\r\n]*", re.ASCII)
_UNSIGNED_INT_END: Final = 1 << 32


def timer_of(message: Element) -> int:
    """
    Return the seconds after which a message is to be discarded; 0 when it says nothing of it.

    Raises:
        Refused: `bad-request` for a timer that is no `xs:unsignedInt`, or two that differ; `policy-violation` for one
            that is too short or too long.
    """
    found = {
        child.get("timer") or ""
        for child in message.elements()
        if child.name == "ephemeral" and child.namespace == EPHEMERAL_NAMESPACE
    }
    if not found:
        return 0
    match = _UNSIGNED_INT.fullmatch(found.pop())
    if found or match is None or int(match[1]) >= _UNSIGNED_INT_END:
        raise Refused("bad-request", "modify", "The timer of the message cannot be read.")
    timer_s = int(match[1])
    if not EPHEMERAL_TIMER_S_MIN <= timer_s <= EPHEMERAL_TIMER_S_MAX:
        text = f"A message disappears after {EPHEMERAL_TIMER_S_MIN} to {EPHEMERAL_TIMER_S_MAX} seconds."
        raise Refused("policy-violation", "modify", text)
    return timer_s
