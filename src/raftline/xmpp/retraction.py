"""
What a retraction means (XEP-0424): found before the message enters the log, since a conversation may be long.

The message is looked for by its `id` among those that the same account has sent in the same conversation, the last
first, so of two under one id the later is meant (section 7.1 leaves it to the client to make ids unique). Its
corrections (XEP-0308) go with it: they hold the text as well. A retraction is no message that can be retracted, because
archives must keep it (section 6).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from raftline.base.ids import Position
from raftline.base.limits import (
    RETRACTED_MESSAGE_COUNT_MAX,
    RETRACTION_REACH_MAX,
    RETRACTION_SEARCH_ROW_COUNT_MAX,
)
from raftline.machine.history.answers import SentMessages
from raftline.machine.history.commands import Retraction
from raftline.machine.history.queries import FindSent
from raftline.xmpp.effects import Effect, ask
from raftline.xmpp.element import escape_attribute
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.stanza import parse_stanza

if TYPE_CHECKING:
    from raftline.machine.queries import ArchiveRow
    from raftline.xmpp.jid import JID
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

RETRACTION_NAMESPACE: Final = "urn:xmpp:message-retract:1"
CORRECTION_NAMESPACE: Final = "urn:xmpp:message-correct:0"

_STEP_COUNT_MAX: Final = RETRACTION_REACH_MAX // RETRACTION_SEARCH_ROW_COUNT_MAX

Search = Generator[Effect, Any, "tuple[Position, ...]"]


def find_retraction(context: StreamContext, stanza: Stanza, to: JID) -> Generator[Effect, Any, Retraction | None]:
    """
    Return what a message with a `<retract/>` takes back; None for nothing that is known here.

    Nothing is either without an id on the message, which a tombstone has to name (section 5).
    """
    element = stanza.element.child("retract", RETRACTION_NAMESPACE)
    target = None if element is None else element.get("id")
    if not target or not stanza.id:
        return None
    author, contact = str(context.jid.bare), str(to.bare)
    positions: tuple[Position, ...] = ()
    for owner, other in dict.fromkeys([(author, contact), (contact, author)]):  # either may keep no archive
        if not positions and parse_jid(owner).domain == context.domain:  # nobody else has an archive here
            positions = yield from _search(FindSent(owner, other, author, _needles(target)), target)
    if not positions and to.domain == context.domain:
        positions = yield from _search(FindSent(contact, author, author, _needles(target), waiting=True), target)
    if not positions:
        return None
    return Retraction(positions, *tombstone(stanza.id))


def tombstone(retraction_id: str) -> tuple[bytes, bytes]:
    """
    Write what takes the place of the content (section 5), before and after the time.

    Args:
        retraction_id: The `id` of the message that retracts.
    """
    head = f"<retracted xmlns='{RETRACTION_NAMESPACE}' id='{escape_attribute(retraction_id)}' stamp='"
    return head.encode(), b"'/>"


def _search(question: FindSent, target: str) -> Search:
    """Go back through a conversation until the message is found, or far enough."""
    found: list[Position] = []
    before = question.before
    for _ in range(_STEP_COUNT_MAX):
        part = yield from ask(_before(question, before), SentMessages)
        for row in part.rows:
            is_original, is_correction = _compare(row, target)
            if is_original or is_correction:
                found.append(row.position)
            if is_original:
                return tuple(found[-RETRACTED_MESSAGE_COUNT_MAX:])  # the original, and the first corrections
        if part.next is None:
            break
        before = part.next
    return tuple(found[-RETRACTED_MESSAGE_COUNT_MAX:])


def _before(question: FindSent, before: Position | None) -> FindSent:
    return FindSent(
        question.owner, question.contact, question.author, question.needles, before=before, waiting=question.waiting
    )


def _needles(target: str) -> tuple[bytes, bytes]:
    """Write the attribute in both ways: as the server writes start tags, and as clients may."""
    escaped = escape_attribute(target).encode()
    return b" id='%b'" % escaped, b' id="%b"' % escaped


def _compare(row: ArchiveRow, target: str) -> tuple[bool, bool]:
    """Tell whether a message is the one that is meant, and whether it corrects it."""
    message = parse_stanza(row.stanza)
    if message.element.child("retract", RETRACTION_NAMESPACE) is not None:
        return False, False
    replaced = message.element.child("replace", CORRECTION_NAMESPACE)
    return message.id == target, replaced is not None and replaced.get("id") == target
