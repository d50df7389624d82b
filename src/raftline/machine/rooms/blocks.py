"""
Block lists in rooms (XEP-0191 section 3.3), where somebody has two addresses: a real one, and one in the room.

What somebody says to everyone is the room's message, and whoever is in a room has chosen to hear it. What passes
between two of its people passes the list of each:

- the address in the room is blocked like any full JID;
- the real address counts as well, wherever everyone sees it: a room is no way round a block.

Where real addresses are hidden an error would tell who is behind a nickname: to somebody who knows that they are
blocked, or to somebody who blocks one suspect after the other. So there the sender's list is not asked for the real
address of the recipient, and what the recipient's list stops vanishes (`UNSEEN`); of requests, which people do not see,
it stops none.

A room that is blocked itself has nobody inside who blocked it: whoever does so leaves (deliveries.leave_blocked), and
enters no more.
"""

from __future__ import annotations

from raftline.machine.context import Context
from raftline.machine.records import Account
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms import showing
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.tables import Occupant, Room
from raftline.machine.rooms.views import RoomBlock


def block_between(context: Context, room: Room, sender: Occupant, recipient: Occupant) -> RoomBlock:
    """Tell whether what one occupant sends another passes the lists of both; the sender's is looked at first."""
    own_list, other_list = (context.blocklists.of(occupant.account_id) for occupant in (sender, recipient))
    if not own_list and not other_list:
        return RoomBlock.NOBODY
    address = showing.address_of(context, room.name)
    is_hidden = not room_settings.decode(room.settings).non_anonymous
    if _has_blocked(context, sender, f"{address}/{recipient.nick}"):
        return RoomBlock.SENDER
    if _has_blocked(context, recipient, f"{address}/{sender.nick}"):
        return RoomBlock.RECIPIENT
    if not is_hidden and _has_blocked(context, sender, f"{recipient.jid}/{recipient.resource}"):
        return RoomBlock.SENDER
    if _has_blocked(context, recipient, f"{sender.jid}/{sender.resource}"):
        return RoomBlock.UNSEEN if is_hidden else RoomBlock.RECIPIENT
    return RoomBlock.NOBODY


def is_unwanted(context: Context, account: Account, room: Room, *, is_chosen: bool) -> bool:
    """
    Whether a room that may be read is none of an account's conversations, because of its block list.

    Either the room is blocked itself, or somebody who is blocked leads it and may have put the account on its list,
    which is no way to reach somebody. Whoever has chosen the room by themselves is in it all the same.

    Args:
        is_chosen: The account has bookmarked the room, or is there.
    """
    if not context.blocklists.of(account.account_id):
        return False
    if context.blocks(account, showing.address_of(context, room.name)):
        return True
    if is_chosen:
        return False
    sql = "SELECT jid FROM room_affiliation WHERE room_id = ? AND affiliation >= ? ORDER BY jid"
    leaders = context.rows.select((context.room_affiliations,), sql, (room.room_id, int(Affiliation.ADMIN)))
    return any(context.blocks(account, jid) for (jid,) in leaders)


def _has_blocked(context: Context, owner: Occupant, jid: str) -> bool:
    is_own = jid.partition("/")[0] == owner.jid
    return not is_own and context.blocklists.match(owner.account_id, jid)
