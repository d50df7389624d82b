"""What the session of a component is told beside messages."""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import NodeId, SessionId


class PresenceForComponent(NamedTuple):
    """
    Presence of a user, for somebody at a component.

    Attributes:
        kind: Type of the presence stanza when the server speaks for the user.
        from_jid: The user: a bare JID, or a full one.
        to_jid: Bare JID at the component.
        stanza: What the user's client sent, with `to` or complete but for it; None when the server speaks.
    """

    node_id: NodeId
    session_id: SessionId
    kind: str
    from_jid: str
    to_jid: str
    stanza: bytes | None
