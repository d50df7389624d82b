"""
What sessions are told of rooms.

What many sessions are told is one event for each node, which names those of its sessions: a message to a thousand
people is one value, rendered once (DESIGN.md). `SHARED_EVENTS` are of this kind.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import NodeId, Position, SessionId
from raftline.machine.pins.events import PinTold
from raftline.machine.polls.events import PollTold
from raftline.machine.view_once.events import SealedOpened


class RoomMessageArrived(NamedTuple):
    """
    A message of a room, or one that tells its subject.

    Attributes:
        stanza: Complete but for `to`.
        position: Of the message; of a subject, of the command by which the session entered.
        owner: Bare JID of the room, whose archive the stanza id belongs to; empty when it is not archived.
        delayed_ms, delivered: As in outcomes.MessageArrived; history is delivered by the command that entered.
    """

    node_id: NodeId
    session_ids: tuple[SessionId, ...]
    position: Position
    stanza: bytes
    owner: str
    delayed_ms: int | None = None
    delivered: Position = Position(0)


class OccupantShown(NamedTuple):
    """
    Presence of an occupant.

    Attributes:
        room: Bare JID.
        is_available: False when it left the nickname, or the room.
        presence: What is inside the presence, beside what the room adds.
        jid: The real address; empty where it is not shown.
        statuses: Codes (XEP-0045 section 15.6.2).
        new_nick: The nickname that was taken instead; empty for none.
        actor: Nickname of who did this; empty for nobody.
        alternate: A destroyed room says where to go instead; None unless destroyed.
        password: Of the other room.
        list_since, list_until: Versions of the room's lists before and after what is shown (list_versions.py); empty
            where it does not change them. Who enters is told `list_until` alone.
    """

    node_id: NodeId
    session_ids: tuple[SessionId, ...]
    room: str
    nick: str
    is_available: bool
    presence: bytes
    affiliation: int
    role: int
    jid: str
    occupant_id: str
    statuses: tuple[int, ...] = ()
    new_nick: str = ""
    actor: str = ""
    reason: str = ""
    alternate: str | None = None
    password: str = ""
    list_since: str = ""
    list_until: str = ""


class RoomNoticed(NamedTuple):
    """Something about the room itself changed: a message with status codes (XEP-0045 section 10.2.1)."""

    node_id: NodeId
    session_ids: tuple[SessionId, ...]
    room: str
    statuses: tuple[int, ...]


class AffiliationChanged(NamedTuple):
    """
    The affiliation of somebody who is not in the room changed (XEP-0045 section 9.3).

    Attributes:
        jid: Bare.
        list_since, list_until: Versions of the lists before and after.
    """

    node_id: NodeId
    session_ids: tuple[SessionId, ...]
    room: str
    jid: str
    affiliation: int
    nick: str
    list_since: str
    list_until: str


class AffiliationsListed(NamedTuple):
    """
    What somebody who enters is told of the room's lists (XEP-0463 section 5.2.1).

    Attributes:
        list_since: The version since which these are changes; empty when they are whole lists.
        items: Bare JIDs and their affiliations.
    """

    node_id: NodeId
    session_ids: tuple[SessionId, ...]
    room: str
    list_since: str
    list_until: str
    items: tuple[tuple[str, int], ...]


class AffiliationsRefused(NamedTuple):
    """Somebody who enters may not read the room's lists (XEP-0463 section 5.2.3)."""

    node_id: NodeId
    session_ids: tuple[SessionId, ...]
    room: str


class VoiceRequested(NamedTuple):
    """A visitor asks the moderators for voice (XEP-0045 section 8.6)."""

    node_id: NodeId
    session_ids: tuple[SessionId, ...]
    room: str
    jid: str
    nick: str


class JoinRequested(NamedTuple):
    """Somebody asks to be a member; admins are shown it (XEP-0045 section 9.9)."""

    node_id: NodeId
    session_ids: tuple[SessionId, ...]
    room: str
    jid: str
    nick: str


RoomEvent = (
    RoomMessageArrived
    | OccupantShown
    | RoomNoticed
    | AffiliationChanged
    | AffiliationsListed
    | AffiliationsRefused
    | VoiceRequested
    | JoinRequested
)

SHARED_EVENTS: Final = (
    RoomMessageArrived,
    OccupantShown,
    RoomNoticed,
    AffiliationChanged,
    AffiliationsListed,
    AffiliationsRefused,
    VoiceRequested,
    JoinRequested,
    PollTold,
    PinTold,
    SealedOpened,
)
