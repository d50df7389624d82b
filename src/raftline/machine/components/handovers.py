"""What an account hands to a component (see outbox.py)."""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import SessionId
from raftline.machine.history.commands import Retraction


class MessageForComponent(NamedTuple):
    """
    A message for somebody at a component; the fields are those of SendToComponent, and who sent it.

    Attributes:
        origin_digest: As in MessageHandedOver.
    """

    to: str
    kind: int
    stanza: bytes
    sender: str
    session_id: SessionId
    origin_digest: int | None
    retraction: Retraction | None


class ContactTold(NamedTuple):
    """Presence, or the management of a subscription, for a contact at a component: as events.PresenceForComponent."""

    label: str
    kind: str
    from_jid: str
    to_jid: str
    stanza: bytes | None


ComponentHandover = MessageForComponent | ContactTold
