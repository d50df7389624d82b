"""
Which conversations an account has, in slices, so that no long list holds up what is applied in between.

Contacts come first, by the numbers of their addresses: the archive's index by contact is skipped through, two seeks a
contact, however long the conversations are. Then come rooms, by id: those that have the account on their list of
members or above, those it has bookmarked, and those it is in, if it may read them and no block list is against it
(rooms/blocks.py). A room that keeps no archive has no
messages. Anybody may put anybody on the list of a room, so of rooms that are neither bookmarked nor entered those made
last count. What rooms have sent to the account itself, such as an invitation, makes a conversation of its own, until
the room is on the list.

What is unread is counted on the way (unread.py); a slice ends when that took many rows.
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import Position
from raftline.base.limits import (
    CONVERSATION_ROOM_COUNT_MAX,
    CONVERSATION_SLICE_COUNT_MAX,
    CONVERSATION_SLICE_ROW_COUNT_MAX,
)
from raftline.machine.context import Context
from raftline.machine.conversations.mentions import Mentions
from raftline.machine.conversations.payloads import Kind, kind_of
from raftline.machine.conversations.queries import ConversationsOf
from raftline.machine.conversations.read_state import ReadState
from raftline.machine.conversations.unread import Said, Thread, count_unread, nicks_of
from raftline.machine.conversations.values import Conversation, ConversationSlice, SliceEnd
from raftline.machine.pubsub.bookmarks import BOOKMARKS_NODE
from raftline.machine.records import Account
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms import showing
from raftline.machine.rooms.blocks import is_unwanted
from raftline.machine.rooms.entering import affiliation_of
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.tables import Room

_CONTACTS_SQL: Final = """
WITH RECURSIVE peer (contact_id) AS (
    SELECT min(contact_id) FROM archive WHERE owner_id = ?1 AND contact_id > ?2
    UNION ALL
    SELECT (SELECT min(contact_id) FROM archive WHERE owner_id = ?1 AND contact_id > peer.contact_id)
    FROM peer WHERE peer.contact_id IS NOT NULL
    LIMIT ?3
)
SELECT contact_id, address.jid, message.position, sender_id, stanza
FROM peer CROSS JOIN address ON address_id = contact_id CROSS JOIN message ON message.position = (
    SELECT max(position) FROM archive WHERE owner_id = ?1 AND archive.contact_id = peer.contact_id
)
"""
"""Contacts after a number, and the last message with each."""

_FIRST: Final = SliceEnd(in_rooms=False, number=0)


class _Slice:
    """Fills a slice until it is full or took too many rows."""

    def __init__(self, context: Context, account: Account, query: ConversationsOf) -> None:
        self._context = context
        self._account = account
        self._jid = context.bare_jid(account.localpart)
        self._query = query
        self._state = ReadState(context, account, query.epochs)
        self._row_count = 0
        self.conversations: list[Conversation] = []

    @property
    def is_full(self) -> bool:
        return (
            len(self.conversations) >= CONVERSATION_SLICE_COUNT_MAX
            or self._row_count >= CONVERSATION_SLICE_ROW_COUNT_MAX
        )

    def add_contact(self, contact_id: int, jid: str, last: Said) -> None:
        account = self._account
        floor = self._state.floor(jid, contact_id, is_room=False)
        if last.author_id == account.address_id and kind_of(last.stanza) is Kind.INSTANT:
            floor = last.position  # found out without a look at the archive, as it is so of many
        thread = Thread(account.account_id, contact_id, account.address_id)
        self._add(jid, last.position, thread, floor, None)

    def add_room(self, room: Room) -> None:
        context = self._context
        jid = showing.address_of(context, room.name)
        thread = thread_in(self._account, room)
        last = last_in(context, room)
        floor = self._state.floor(jid, room.address_id, is_room=True)
        mentions = None
        if last > floor:
            mentions = Mentions(self._jid, jid, nicks_of(context, self._account, room, jid))
        self._add(jid, last, thread, floor, mentions)

    def _add(self, jid: str, last: int, thread: Thread, floor: int, mentions: Mentions | None) -> None:
        count = mention_count = 0
        if last > floor:
            unread = count_unread(self._context, thread, floor, mentions, reach=self._query.reach)
            count, mention_count, row_count = unread
            self._row_count += row_count
        self.conversations.append(Conversation(jid, Position(last), count, mention_count))


def conversations_of(context: Context, query: ConversationsOf) -> ConversationSlice:
    """Return the next slice of an account's conversations; see the head of this module."""
    account = context.accounts.get(query.localpart)
    if account is None:
        return ConversationSlice([], None)
    found = _Slice(context, account, query)
    rooms = rooms_of(context, account)
    after = query.after or _FIRST
    if not after.in_rooms:
        room_address_ids = {room.address_id for room in rooms}
        bindings = (account.account_id, after.number, CONVERSATION_SLICE_COUNT_MAX + 1)
        tables = (context.archive, context.messages, context.addresses)
        contacts = context.rows.select(tables, _CONTACTS_SQL, bindings)
        for count, (contact_id, jid, *last) in enumerate(contacts, 1):
            if contact_id not in room_address_ids:
                found.add_contact(contact_id, jid, Said(*last))
            if found.is_full or count == CONVERSATION_SLICE_COUNT_MAX:
                return ConversationSlice(found.conversations, SliceEnd(in_rooms=False, number=contact_id))
        after = SliceEnd(in_rooms=True, number=0)
    for room in rooms:
        if room.room_id > after.number:
            if found.is_full:
                return ConversationSlice(found.conversations, after)
            found.add_room(room)
            after = SliceEnd(in_rooms=True, number=room.room_id)
    return ConversationSlice(found.conversations, None)


def rooms_of(context: Context, account: Account) -> list[Room]:
    """Return the rooms that make conversations of an account, by id."""
    jid = context.bare_jid(account.localpart)
    sql = (
        "SELECT room.name FROM room_affiliation JOIN room USING (room_id)"
        " WHERE room_affiliation.jid = ? AND affiliation >= ? ORDER BY room_id DESC LIMIT ?"
    )
    tables = (context.rooms, context.room_affiliations)
    names = [
        name
        for (name,) in context.rows.select(tables, sql, (jid, int(Affiliation.MEMBER), CONVERSATION_ROOM_COUNT_MAX))
    ]
    listed_count = len(names)
    sql = "SELECT item_id FROM pubsub_item WHERE account_id = ? AND node = ? ORDER BY item_id"
    for (item_id,) in context.rows.select((context.pubsub.items,), sql, (account.account_id, BOOKMARKS_NODE)):
        name, _, domain = item_id.rpartition("@")
        if domain == context.rooms_domain:
            names.append(name)
    for session in context.session_index.of(account.account_id):
        names += [visit.room for visit in context.visits.open(session.session_id)]
    chosen = frozenset(names[listed_count:])
    found = [room for name in dict.fromkeys(names) if (room := context.rooms.get(name)) is not None]
    wanted = (
        room
        for room in found
        if may_read(context, room, jid) and not is_unwanted(context, account, room, is_chosen=room.name in chosen)
    )
    return sorted(wanted, key=lambda room: room.room_id)


def may_read(context: Context, room: Room, jid: str) -> bool:
    """Whether an account may read what was said in a room, as its archive has it (xmpp/rooms/archive.py)."""
    settings, standing = room_settings.decode(room.settings), affiliation_of(context, room, jid)
    if standing == Affiliation.OUTCAST or (settings.members_only and standing == Affiliation.NONE):
        return False
    if settings.password and standing == Affiliation.NONE:
        return bool(context.occupants.of_account(room.room_id, jid))
    return True


def last_in(context: Context, room: Room) -> int:
    """Return the position of the last message that a room's archive shows; 0 for none."""
    if not room_settings.decode(room.settings).archived:
        return 0
    sql = "SELECT coalesce(max(position), 0) FROM archive WHERE owner_id = ?"
    ((last,),) = context.rows.select((context.archive,), sql, (room.room_id,))
    return int(last)


def thread_in(account: Account, room: Room) -> Thread:
    """Return the messages of a room, as an account sees them."""
    return Thread(room.room_id, None, account.address_id)
