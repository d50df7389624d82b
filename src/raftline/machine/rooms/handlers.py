"""Which function carries out a command of a room, and which takes what comes through the outbox (apply.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from raftline.machine.context import Context
from raftline.machine.conversations.read_marks import made_member
from raftline.machine.invites.rooms import by_invitation
from raftline.machine.outcomes import Outcome
from raftline.machine.records import Session
from raftline.machine.rooms import (
    administration,
    alerting,
    deliveries,
    entering,
    invitations,
    join_requests,
    moderation,
    ownership,
    speaking,
)
from raftline.machine.rooms.commands import (
    ChangeOccupants,
    ConfigureRoom,
    DecideJoinRequest,
    DeclineInvitation,
    DestroyRoom,
    EnterRoom,
    InviteToRoom,
    LeaveRoom,
    ModerateMessage,
    RegisterInRoom,
    RequestVoice,
    SetRoomVcard,
    SpeakInRoom,
    WhisperInRoom,
)
from raftline.machine.rooms.handovers import (
    MadeMember,
    MemberAlerted,
    MemberGone,
    OccupantGone,
    RoomMail,
    RoomMessageOwed,
    VisitBegun,
    VisitOver,
)

ROOM_HANDLERS: Final[Mapping[type, Callable[[Context, Session, Any], Outcome]]] = MappingProxyType(
    {
        EnterRoom: by_invitation(join_requests.enter_and_hear),
        LeaveRoom: entering.leave_room,
        SpeakInRoom: speaking.speak,
        WhisperInRoom: speaking.whisper,
        RequestVoice: speaking.request_voice,
        ChangeOccupants: administration.change_occupants,
        RegisterInRoom: by_invitation(join_requests.ask_or_register),
        DecideJoinRequest: join_requests.decide,
        ConfigureRoom: ownership.configure,
        DestroyRoom: ownership.destroy,
        SetRoomVcard: ownership.set_vcard,
        InviteToRoom: invitations.invite,
        DeclineInvitation: invitations.decline,
        ModerateMessage: moderation.moderate,
    }
)

ROOM_RECEIVERS: Final[Mapping[type, Callable[[Context, Any], None]]] = MappingProxyType(
    {
        VisitBegun: deliveries.begin_visit,
        VisitOver: deliveries.end_visit,
        OccupantGone: entering.session_gone,
        RoomMessageOwed: deliveries.owe,
        RoomMail: invitations.receive_mail,
        MemberGone: administration.member_gone,
        MadeMember: made_member,
        MemberAlerted: alerting.member_alerted,
    }
)
