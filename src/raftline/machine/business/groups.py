"""
Groups that numbers lead: rooms like those that people make with a client, made and led by a program.

What is done is what a session of the account could do, with all its limits, by the rooms' own functions and for a
session that is none (sending.stand_in). A number is never inside: it has no client that is shown presence, and reads
what is said as events. People see it on the room's lists, as an owner.

A group's link is an invitation as docs/rooms.md has it, but one that can be asked for again: when it has lost half of
its uses or of its time it is good for all of them again (`ShareGroup`). Where people ask to be let in, who opens it has
asked (invites/rooms.py).

What becomes of a group is told to the number's applications (group_events.py); what a program itself has done with the
id of its request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from raftline.base.limits import INVITE_LIFETIME_MAX_MS, ROOM_INVITE_USE_COUNT_MAX
from raftline.machine.business import group_speaking
from raftline.machine.business.group_commands import (
    ChangeGroup,
    CreateGroup,
    DecideInGroup,
    DeleteGroup,
    PinFromNumber,
    RemoveFromGroup,
    ShareGroup,
    SpeakFromNumber,
)
from raftline.machine.business.group_handovers import GroupChanged
from raftline.machine.business.group_tables import GroupLink
from raftline.machine.business.group_values import GroupNews, GroupNewsKind, GroupPerson
from raftline.machine.business.sending import NO_NUMBER, number_named, stand_in
from raftline.machine.business.tables import Number
from raftline.machine.context import Context
from raftline.machine.invites.commands import Purpose
from raftline.machine.invites.issuing import leads_into_room
from raftline.machine.invites.tables import NOBODY, Invite
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.rooms import doors, entering, join_requests, ownership
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.administration import change_occupants
from raftline.machine.rooms.commands import (
    ChangeKind,
    ChangeOccupants,
    ConfigureRoom,
    DecideJoinRequest,
    DestroyRoom,
    OccupantChange,
    SetRoomVcard,
)
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.settings import RoomSettings
from raftline.machine.rooms.tables import Room

_DONE: Final = Done()
_TAKEN: Final = Rejected("conflict", "cancel", "There is a room of this name.")


def create_group(context: Context, action: CreateGroup) -> Outcome:
    """Make a group, and let its link be there."""
    number = number_named(context, action.localpart)
    if number is None:
        return NO_NUMBER
    if context.rooms.get(action.room) is not None:
        return _TAKEN
    settings = RoomSettings(
        title=action.subject,
        description=action.description,
        persistent=True,
        public=False,
        members_only=True,
        non_anonymous=True,
        subject_open=False,
        invites_open=False,
        join_requests=action.join_requests,
    )
    refusal = entering.founding_refusal(context, number.localpart, action.secret)
    if refusal is not None:
        return refusal
    made = entering.found_room(context, number.localpart, action.room, action.secret)
    context.rooms.put(made.name, made._replace(settings=room_settings.encode(settings), locked=0))
    news = GroupNews(
        int(GroupNewsKind.CREATED),
        action.request_id,
        action.subject,
        action.description or None,
        join_requests=action.join_requests,
    )
    _tell(context, number, made, news)
    return _DONE


def change_group(context: Context, action: ChangeGroup) -> Outcome:
    """Give a group another name, description or picture."""
    found = _find(context, action.localpart, action.room)
    if isinstance(found, Rejected):
        return found
    number, room = found
    session = stand_in(context, number)
    settings = room_settings.decode(room.settings)
    changes = {"title": action.subject, "description": action.description}
    settings = msgspec.structs.replace(settings, **{key: value for key, value in changes.items() if value is not None})
    outcome = ownership.configure(context, session, ConfigureRoom(room.name, settings))
    if isinstance(outcome, Done) and action.card is not None:
        outcome = ownership.set_vcard(context, session, SetRoomVcard(room.name, action.card, action.picture_hash))
    if not isinstance(outcome, Done):
        return outcome
    news = GroupNews(
        int(GroupNewsKind.CHANGED),
        action.request_id,
        action.subject,
        action.description,
        picture=action.card is not None,
    )
    _tell(context, number, room, news)
    return _DONE


def delete_group(context: Context, action: DeleteGroup) -> Outcome:
    """Destroy a group."""
    found = _find(context, action.localpart, action.room)
    if isinstance(found, Rejected):
        return found
    number, room = found
    outcome = ownership.destroy(context, stand_in(context, number), DestroyRoom(room.name))
    if isinstance(outcome, Done):
        _tell(context, number, room, GroupNews(int(GroupNewsKind.DELETED), action.request_id))
    return outcome


def remove_from_group(context: Context, action: RemoveFromGroup) -> Outcome:
    """Take people off the lists, and out of the room; what others hear of each, the number hears of all together."""
    found = _find(context, action.localpart, action.room)
    if isinstance(found, Rejected):
        return found
    number, room = found
    listed = [
        jid for jid in dict.fromkeys(action.jids) if entering.affiliation_of(context, room, jid) > Affiliation.NONE
    ]
    changes = tuple(OccupantChange(ChangeKind.AFFILIATION, jid, int(Affiliation.NONE)) for jid in listed)
    before = len(context.outbox)
    outcome = change_occupants(context, stand_in(context, number), ChangeOccupants(room.name, changes))
    if not isinstance(outcome, Done):
        return outcome
    people: list[GroupPerson] = []
    others = []
    for handed in context.outbox[before:]:
        if isinstance(handed, GroupChanged) and handed.account_id == number.account_id:
            people += handed.news.people
        else:
            others.append(handed)
    context.outbox[before:] = others
    _tell(context, number, room, GroupNews(int(GroupNewsKind.LEFT), action.request_id, people=tuple(people)))
    return outcome


def share_group(context: Context, action: ShareGroup) -> Outcome:
    """Let the link of a group be good, by itself or as another one."""
    number = number_named(context, action.localpart)
    if number is None:
        return NO_NUMBER
    room = doors.find_inviting(context, action.room, number.localpart)
    if isinstance(room, Rejected):
        return room
    link = context.business.group_links.get(room.room_id)
    invite = None if link is None else context.invites.get(link.digest)
    if link is not None and invite is not None:
        if not action.resets and leads_into_room(context, invite):
            context.invites.put(link.digest, _renewed(context, number, room, link.digest))
            return _DONE
        context.invites.delete(link.digest)
    if context.invites.get(action.digest) is not None:
        return Rejected("conflict", "cancel", "There is an invitation with this token.")
    context.invites.insert(action.digest, _renewed(context, number, room, action.digest))
    context.business.group_links.put(room.room_id, GroupLink(room.room_id, action.token, action.digest))
    return _DONE


def decide_in_group(context: Context, action: DecideInGroup) -> Outcome:
    """Let somebody in who asks, or not."""
    found = _find(context, action.localpart, action.room)
    if isinstance(found, Rejected):
        return found
    number, room = found
    decision = DecideJoinRequest(room.name, action.jid, action.allows)
    return join_requests.decide(context, stand_in(context, number), decision)


def _find(context: Context, localpart: str, name: str) -> tuple[Number, Room] | Rejected:
    """Return a number and a room; or which of them is not there."""
    number = number_named(context, localpart)
    if number is None:
        return NO_NUMBER
    room = context.rooms.get(name)
    return entering.NO_SUCH_ROOM if room is None else (number, room)


def _renewed(context: Context, number: Number, room: Room, digest: bytes) -> Invite:
    """Return the invitation behind a link, with all its uses and its time."""
    expires_ms = context.time_ms + INVITE_LIFETIME_MAX_MS
    purposes, uses = int(Purpose.JOIN), ROOM_INVITE_USE_COUNT_MAX
    return Invite(
        digest, number.account_id, number.localpart, "", purposes, expires_ms, NOBODY, room.name, room.room_id, uses
    )


def _tell(context: Context, number: Number, room: Room, news: GroupNews) -> None:
    address = f"{room.name}@{context.rooms_domain}"
    context.outbox.append(GroupChanged(number.account_id, room.name, address, news))


GROUP_HANDLERS: Final[Mapping[type, Callable[[Context, Any], Outcome]]] = MappingProxyType(
    {
        CreateGroup: create_group,
        ChangeGroup: change_group,
        DeleteGroup: delete_group,
        RemoveFromGroup: remove_from_group,
        ShareGroup: share_group,
        DecideInGroup: decide_in_group,
        SpeakFromNumber: group_speaking.speak_from_number,
        PinFromNumber: group_speaking.pin_from_number,
    }
)
