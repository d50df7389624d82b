"""
What of a conversation is unread.

An archive is read backwards from the end of a conversation: what others have said counts, up to the first message
that is known to be read, or that the user has said, since who answers has read (XEP-0430 section 4). So a
conversation costs as many rows as it has unread messages, and one more. No further than `UNREAD_REACH_MAX` rows: a
count that reaches it says "at least". Rows that do not count take part in it.

What of it mentions the user (mentions.py) is counted of rooms alone. Nicknames are those of their sessions in the room,
the one kept for them, the one under which they were there last, that of their bookmark and the one under which they
spoke last; who has none is called by the local part of their address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple
from xml.sax.saxutils import unescape

from raftline.machine.context import Context
from raftline.machine.conversations.mentions import Mentions
from raftline.machine.conversations.payloads import Kind, kind_of
from raftline.machine.pubsub.bookmarks import BOOKMARKS_NODE
from raftline.machine.records import Account
from raftline.machine.rooms.tables import Room

_POSITION_END: Final = (1 << 63) - 1
_FIRST_CHUNK: Final = 4
_CHUNK_GROWTH: Final = 8
_BOOKMARKED_NICK: Final = re.compile(rb"<nick>([^<]*)</nick>")

_CONTACT_SQL: Final = (
    "SELECT archive.position, sender_id, stanza FROM archive JOIN message USING (position)"
    " WHERE owner_id = ? AND contact_id = ? AND archive.position < ? ORDER BY archive.position DESC LIMIT ?"
)
_ROOM_SQL: Final = (
    "SELECT archive.position, contact_id, stanza FROM archive JOIN message USING (position)"
    " WHERE owner_id = ? AND archive.position < ? ORDER BY archive.position DESC LIMIT ?"
)


class Thread(NamedTuple):
    """
    The messages of one conversation.

    Attributes:
        owner_id: Of the archive: the account's own, or the room's.
        contact_id: Address of the contact; None in a room.
        user_id: Address of the account.
    """

    owner_id: int
    contact_id: int | None
    user_id: int


class Said(NamedTuple):
    """A message of a thread; `author_id` is the address of who sent it, even in a room."""

    position: int
    author_id: int
    stanza: bytes


class Unread(NamedTuple):
    """How many messages are unread, how many of them mention the user, and how many rows were read to know."""

    message_count: int
    mention_count: int
    row_count: int


def said_in(context: Context, thread: Thread, reach: int) -> Iterator[Said]:
    """Yield the last messages of a thread, the last first, at most `reach`."""
    before, limit = _POSITION_END, _FIRST_CHUNK
    tables = (context.archive, context.messages)
    while reach > 0:
        limit = min(limit, reach)
        if thread.contact_id is None:
            found = context.rows.select(tables, _ROOM_SQL, (thread.owner_id, before, limit))
        else:
            found = context.rows.select(tables, _CONTACT_SQL, (thread.owner_id, thread.contact_id, before, limit))
        yield from map(Said._make, found)
        if len(found) < limit:
            return
        before = found[-1][0]
        reach -= limit
        limit *= _CHUNK_GROWTH


def count_unread(context: Context, thread: Thread, floor: int, mentions: Mentions | None, *, reach: int) -> Unread:
    """
    Count what is unread in a thread.

    Args:
        floor: Position up to which everything is read.
        mentions: Of the account in the room; None with a contact.
        reach: So many messages from the end.
    """
    count = mention_count = row_count = 0
    for said in said_in(context, thread, reach):
        if said.position <= floor:
            break
        row_count += 1
        is_instant = kind_of(said.stanza) is Kind.INSTANT
        if said.author_id == thread.user_id:
            if is_instant:
                break
        elif is_instant:
            count += 1
            mention_count += mentions is not None and mentions.are_in(said.stanza)
    return Unread(count, mention_count, row_count)


def nicks_of(context: Context, account: Account, room: Room, room_jid: str) -> list[str]:
    """Return the nicknames under which an account is known in a room."""
    jid = context.bare_jid(account.localpart)
    nicks = [occupant.nick for occupant in context.occupants.of_account(room.room_id, jid)]
    kept = context.room_affiliations.get((room.room_id, jid))
    if kept is not None:
        nicks += [kept.nick, kept.known_as]
    bookmark = context.pubsub.items.get((account.account_id, BOOKMARKS_NODE, room_jid))
    written = None if bookmark is None else _BOOKMARKED_NICK.search(bookmark.payload)
    if written is not None:
        nicks.append(unescape(written[1].decode()))
    sql = "SELECT max(position) FROM archive WHERE owner_id = ? AND contact_id = ?"
    ((spoken,),) = context.rows.select((context.archive,), sql, (room.room_id, account.address_id))
    message = None if spoken is None else context.messages.get(spoken)
    if message is not None:
        nicks.append(message.from_resource)
    return [nick for nick in dict.fromkeys(nicks) if nick] or [account.localpart]
