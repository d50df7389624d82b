"""
Who has got a message of one's own, and who has read it; told of what is there, nothing is written for it.

To a contact:

- it is *read* when the contact has marked it, or a later one (XEP-0333);
- it is *received* when it is read, when a receipt for it (XEP-0184) is in the user's archive, or when no device of the
  contact's is to be given it any more (XEP-0198). That last one tells that a device was there, so it counts only for
  those who see the contact's presence (XEP-0184 section 8).

In a room it is read by everyone who has marked it or a later one, or has said something since; of many markers of one
person the furthest is kept. Who counts are those on the list of members or above and those who are there, as far as
they came before it was said, but for the author. Receipts are not sent in rooms (XEP-0184 section 5.3), and what
devices were given there is not kept for long, so nothing is said of it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import Position
from raftline.base.limits import READER_REACH_MAX, READER_SLICE_COUNT_MAX, UNREAD_REACH_MAX
from raftline.machine.context import Context
from raftline.machine.conversations.listing import may_read
from raftline.machine.conversations.payloads import RECEIPTS_NAMESPACE, Kind, content_of, kind_of
from raftline.machine.conversations.queries import RoomTicks, TicksWith
from raftline.machine.conversations.unread import Thread, said_in
from raftline.machine.conversations.values import Reader, RoomTick, RoomTickSlice, Tick
from raftline.machine.message_commands import Storage
from raftline.machine.presence import SUBSCRIBED_FROM
from raftline.machine.records import Account
from raftline.machine.rooms import markup
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.entering import affiliation_of
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.tables import Room

_OFFLINE: Final = int(Storage.OFFLINE)
_RECEIPT: Final = RECEIPTS_NAMESPACE.encode()


class _Person(NamedTuple):
    """Somebody in a room: where they came in, and up to where they have read; 0 for nowhere."""

    address_id: int
    since: int
    read_to: int


def ticks_with(context: Context, query: TicksWith) -> list[Tick | None]:
    """Return how far messages to a contact have come; None for what the user did not send there."""
    account = context.accounts.get(query.localpart)
    address = context.addresses.get(query.contact)
    if account is None or address is None:
        return [None] * len(query.positions)
    contact_id = address.address_id
    localpart = context.account_named(query.contact)
    contact = None if localpart is None else context.accounts.get(localpart)
    sent = [position for position in query.positions if _is_sent(context, account, contact_id, position)]
    mark = None if contact is None else context.read_marks.get((contact.account_id, account.address_id))
    read_to = 0 if mark is None else mark.position
    receipts = _receipts(context, account, contact_id, min(sent)) if sent and read_to < max(sent) else set()
    ticks: list[Tick | None] = []
    for position in query.positions:
        if position not in sent:
            ticks.append(None)
            continue
        is_read = position <= read_to
        is_received = is_read or (
            contact is not None
            and (_id_of(context, position) in receipts or _was_given(context, account, contact, position))
        )
        ticks.append(Tick(is_received, is_read))
    return ticks


def room_ticks(context: Context, query: RoomTicks) -> RoomTickSlice | None:
    """Return by how many people messages of a room are read, a slice of the people at a time; see the query."""
    account, room = context.accounts.get(query.localpart), context.rooms.get(query.room)
    if account is None or room is None:
        return None
    jid = context.bare_jid(account.localpart)
    if not may_read(context, room, jid):
        return None
    authors = [_author_of(context, room, position) for position in query.positions]
    people = _people(context, room, query.after)
    part = people[:READER_SLICE_COUNT_MAX]
    sees_addresses = (
        room_settings.decode(room.settings).non_anonymous or affiliation_of(context, room, jid) >= Affiliation.ADMIN
    )
    states: list[_Person] = []
    readers: list[Reader] = []
    for person in part:
        state = _person(context, room, person)
        states.append(state)
        if state.read_to:
            occupant_id = markup.occupant_id(room.secret, person)
            readers.append(Reader(occupant_id, person if sees_addresses else "", Position(state.read_to)))
    ticks = [
        None if author is None else _count(states, position, author)
        for position, author in zip(query.positions, authors, strict=True)
    ]
    return RoomTickSlice(ticks, readers, part[-1] if len(people) > len(part) else None)


def _count(people: list[_Person], position: int, author: int) -> RoomTick:
    others = [person for person in people if person.address_id != author and person.since < position]
    return RoomTick(sum(person.read_to >= position for person in others), len(others))


def _is_sent(context: Context, account: Account, contact_id: int, position: Position) -> bool:
    row = context.archive.get((account.account_id, position))
    if row is None or row.contact_id != contact_id:
        return False
    message = context.messages.get(position)
    return message is not None and message.sender_id == account.address_id


def _id_of(context: Context, position: Position) -> str:
    message = context.messages.get(position)
    assert message is not None, position
    return content_of(message.stanza).id


def _receipts(context: Context, account: Account, contact_id: int, since: int) -> set[str]:
    """Return ids that receipts of a contact name, as far back as a message, in what the archive has kept of them."""
    thread = Thread(account.account_id, contact_id, account.address_id)
    found: set[str] = set()
    for said in said_in(context, thread, UNREAD_REACH_MAX):
        if said.position <= since:
            break
        if said.author_id == contact_id and _RECEIPT in said.stanza:
            found.add(content_of(said.stanza).received)
    return found - {""}


def _was_given(context: Context, account: Account, contact: Account, position: Position) -> bool:
    """Whether a device of a contact has taken a message, if the account may know."""
    jid = context.bare_jid(account.localpart)
    entry = context.roster.get((contact.account_id, jid))
    if account.account_id != contact.account_id and (entry is None or not entry.subscription & SUBSCRIBED_FROM):
        return False
    if context.archive.get((contact.account_id, position)) is None:
        return False
    if context.offline.get((contact.account_id, position)) is not None:
        return False
    for session in context.session_index.of(contact.account_id):
        owed = context.inboxes.of(session.session_id).get(position)
        if owed is not None and owed.storage & _OFFLINE:
            return False
    return True


def _author_of(context: Context, room: Room, position: Position) -> int | None:
    row = context.archive.get((room.room_id, position))
    return None if row is None else row.contact_id


def _people(context: Context, room: Room, after: str) -> list[str]:
    """Return who counts in a room, after an address: one more than fits a slice, sorted."""
    sql = "SELECT jid FROM room_affiliation WHERE room_id = ? AND jid > ? AND affiliation >= ? ORDER BY jid LIMIT ?"
    bindings = (room.room_id, after, int(Affiliation.MEMBER), READER_SLICE_COUNT_MAX + 1)
    listed = {jid for (jid,) in context.rows.select((context.room_affiliations,), sql, bindings)}
    inside = {occupant.jid for occupant in context.occupants.of(room.room_id).values() if occupant.jid > after}
    return sorted(listed | inside)[: READER_SLICE_COUNT_MAX + 1]


def _person(context: Context, room: Room, jid: str) -> _Person:
    """Return how somebody stands to a room, by their mark and by what they have said there last."""
    address = context.addresses.get(jid)
    if address is None:
        return _Person(0, 0, 0)
    localpart = context.account_named(jid)
    account = None if localpart is None else context.accounts.get(localpart)
    mark = None if account is None else context.read_marks.get((account.account_id, room.address_id))
    read_to, since = (0, 0) if mark is None else (mark.position, mark.since)
    if read_to == since:
        read_to = 0
    own = Thread(room.room_id, address.address_id, address.address_id)  # their messages alone
    for said in said_in(context, own, READER_REACH_MAX):
        if said.position <= read_to:
            break
        if kind_of(said.stanza) is Kind.INSTANT:
            read_to = said.position
            break
    return _Person(address.address_id, since, read_to)
