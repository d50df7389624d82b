"""What the owner of a room does to the room: configure, destroy, give it a picture (XEP-0045 section 10, XEP-0486)."""

from __future__ import annotations

from typing import Final

from raftline.base.limits import ROOM_REASON_SIZE_MAX, ROOM_VCARD_SIZE_MAX
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Session
from raftline.machine.rooms import ranks, showing
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.administration import remove, show_change
from raftline.machine.rooms.commands import ConfigureRoom, DestroyRoom, SetRoomVcard
from raftline.machine.rooms.deliveries import DESTROYED
from raftline.machine.rooms.entering import NO_SUCH_ROOM, affiliation_of, erase, release
from raftline.machine.rooms.events import RoomNoticed
from raftline.machine.rooms.ranks import Affiliation, Role
from raftline.machine.rooms.settings import RoomSettings
from raftline.machine.rooms.showing import News
from raftline.machine.rooms.tables import Room, RoomVcard

STATUS_CONFIGURED: Final = 104
STATUS_LOGGED: Final = 170
STATUS_NOT_LOGGED: Final = 171
STATUS_NON_ANONYMOUS: Final = 172
STATUS_SEMI_ANONYMOUS: Final = 173

_DONE: Final = Done()
_FORBIDDEN: Final = Rejected("forbidden", "auth", "The owners of the room alone may do this.")


def configure(context: Context, session: Session, action: ConfigureRoom) -> Outcome:
    """Replace the settings; who may not stay by the new ones is removed (sections 10.1.2, 10.2)."""
    room = _find_owned(context, session, action.room)
    if isinstance(room, Rejected):
        return room
    before = room_settings.decode(room.settings)
    listed = int(action.settings.public)
    changed = room._replace(settings=room_settings.encode(action.settings), locked=0, listed=listed)
    context.rooms.put(room.name, changed)
    if action.settings.members_only and not before.members_only:
        for occupant in list(context.occupants.of(room.room_id).values()):
            if occupant.affiliation == Affiliation.NONE:
                remove(context, changed, occupant, News(statuses=(showing.STATUS_MEMBERS_ONLY,)))
    if before.announcements != action.settings.announcements:
        _change_voices(context, changed)
    if before.broadcast_roles != action.settings.broadcast_roles:
        _show_roles(context, changed, before)
    if not room.locked:
        notify(context, changed, _statuses(before, action.settings))
    is_empty = not context.occupants.of(room.room_id)
    if is_empty and not action.settings.persistent and context.rooms.get(room.name) is not None:
        erase(context, changed)
    return _DONE


def destroy(context: Context, session: Session, action: DestroyRoom) -> Outcome:
    """Tell everyone that the room is gone, and where to go instead (section 10.9)."""
    room = _find_owned(context, session, action.room)
    if isinstance(room, Rejected):
        return room
    if len(action.reason.encode()) > ROOM_REASON_SIZE_MAX:
        return Rejected("policy-violation", "modify", f"A reason has at most {ROOM_REASON_SIZE_MAX} bytes.")
    if action.is_cancelled and not room.locked:
        return _DONE
    news = News(reason=action.reason, alternate=action.alternate, password=action.password)
    for occupant in list(context.occupants.of(room.room_id).values()):
        # To itself alone: the others learn the same of themselves.
        showing.show_farewell(context, room, occupant._replace(presence=b""), [occupant], news)
        release(context, room, occupant, DESTROYED)
    erase(context, room)
    return _DONE


def set_vcard(context: Context, session: Session, action: SetRoomVcard) -> Outcome:
    """Replace the room's vCard and tell everyone that something changed (XEP-0486 section 3.2)."""
    room = _find_owned(context, session, action.room)
    if isinstance(room, Rejected):
        return room
    if len(action.data) > ROOM_VCARD_SIZE_MAX:
        return Rejected("not-acceptable", "modify", f"A vCard has at most {ROOM_VCARD_SIZE_MAX} bytes.")
    if action.data:
        context.room_vcards.put(room.room_id, RoomVcard(room.room_id, action.data, action.picture_hash))
    else:
        context.room_vcards.delete(room.room_id)
    notify(context, room, (STATUS_CONFIGURED,))
    return _DONE


def notify(context: Context, room: Room, statuses: tuple[int, ...]) -> None:
    """Tell everyone inside that something about the room changed (section 10.2.1)."""
    for node_id, session_ids in context.occupants.groups(room.room_id):
        address = showing.address_of(context, room.name)
        context.events.append(RoomNoticed(node_id, session_ids, address, statuses))


def _find_owned(context: Context, session: Session, name: str) -> Room | Rejected:
    """Return the room of a name, which the session's account owns; or why there is nothing."""
    room = context.rooms.get(name)
    if room is None:
        return NO_SUCH_ROOM
    affiliation = affiliation_of(context, room, context.bare_jid(session.localpart))
    return room if affiliation == Affiliation.OWNER else _FORBIDDEN


def _statuses(before: RoomSettings, after: RoomSettings) -> tuple[int, ...]:
    """Codes that tell what changed (section 10.2.1)."""
    codes = [STATUS_CONFIGURED]
    if after.archived != before.archived:
        codes.append(STATUS_LOGGED if after.archived else STATUS_NOT_LOGGED)
    if after.non_anonymous != before.non_anonymous:
        codes.append(STATUS_NON_ANONYMOUS if after.non_anonymous else STATUS_SEMI_ANONYMOUS)
    return tuple(codes)


def _change_voices(context: Context, room: Room) -> None:
    """Give everyone who is no moderator the role of who enters now: voice is a matter of the room, not of the visit."""
    settings = room_settings.decode(room.settings)
    for occupant in list(context.occupants.of(room.room_id).values()):
        role = ranks.initial_role(occupant.affiliation, moderated=settings.moderated, announces=settings.announcements)
        if occupant.role < Role.MODERATOR and role != occupant.role:
            show_change(context, room, occupant, occupant._replace(role=role), showing.NO_NEWS)


def _show_roles(context: Context, room: Room, before: RoomSettings) -> None:
    """Let occupants appear or vanish whose roles are broadcast from now on, or no longer."""
    settings = room_settings.decode(room.settings)
    everyone = list(context.occupants.of(room.room_id).values())
    for occupant in showing.people(context, room):
        others = [other for other in everyone if other.nick != occupant.nick]
        was_shown, is_shown = before.is_broadcast(occupant.role), settings.is_broadcast(occupant.role)
        if is_shown and not was_shown:
            showing.show(context, room, occupant, others)
        elif was_shown and not is_shown:
            showing.show_farewell(context, room, occupant, others)
