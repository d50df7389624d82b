"""What a message is that does nothing but react (XEP-0444)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.limits import REACTION_COUNT_MAX, REACTION_SIZE_MAX
from raftline.xmpp.payloads import HINTS_NAMESPACE, STANZA_ID_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.element import Element

REACTIONS_NAMESPACE: Final = "urn:xmpp:reactions:0"

_BESIDE: Final = frozenset({HINTS_NAMESPACE, STANZA_ID_NAMESPACE})
"""Of what may stand beside a reaction and says nothing to people."""


def is_reaction(message: Element) -> bool:
    """
    Whether a message has reactions and nothing else that a client would show: no text, not even as a fallback.

    Each is as long as an emoji at most (section 3.1), so that nobody talks by reacting.
    """
    children = list(message.elements())
    found = [child for child in children if child.namespace == REACTIONS_NAMESPACE]
    if len(found) != 1 or any(child.namespace not in _BESIDE for child in children if child is not found[0]):
        return False
    texts = [child.text for child in found[0].elements()]
    is_short = all(len(text.encode()) <= REACTION_SIZE_MAX for text in texts)
    return is_short and len(texts) <= REACTION_COUNT_MAX and not found[0].text.strip()
