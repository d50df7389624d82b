"""
Read marks: what of how far an account has read no archive holds, written.

A marker (XEP-0333) is delivered and forgotten, so a row remembers the furthest, of a contact or a room. Of a room it
remembers as well where the account came in, first or again: what was said before is not for it to read.
"""

from __future__ import annotations

from raftline.base.ids import AccountId, Position
from raftline.machine.context import Context
from raftline.machine.conversations.tables import ReadMark
from raftline.machine.records import Session
from raftline.machine.rooms.handovers import MadeMember
from raftline.machine.rooms.tables import Room


def note_read(context: Context, session: Session, contact: str, position: Position) -> None:
    """
    Remember that a session has told a contact, a bare JID, how far it has read.

    A message that is not of their conversation is ignored, and one before the present mark (XEP-0333 section 5).
    """
    owner_id = session.account_id
    address = context.addresses.get(contact)
    row = context.archive.get((owner_id, position))
    if address is None or row is None or row.contact_id != address.address_id:
        return
    _move(context, owner_id, address.address_id, position)


def note_read_in_room(context: Context, session: Session, room: Room, position: Position) -> Position | None:
    """
    Remember that a session has told a room how far it has read.

    Returns: How far its account had read before; None for what is not in the room's archive, which is ignored.
    """
    if context.archive.get((room.room_id, position)) is None:
        return None
    return _move(context, session.account_id, room.address_id, position)


def came_to_room(context: Context, owner_id: AccountId, address_id: int) -> None:
    """An account is in a room, which `address_id` stands for; if it never was before, it begins to read here."""
    key = (owner_id, address_id)
    if context.read_marks.get(key) is None:
        context.read_marks.insert(key, ReadMark(owner_id, address_id, context.position, context.position))


def made_member(context: Context, made: MadeMember) -> None:
    """The account's side: begin to read here, unless it could do so before."""
    account = context.accounts.get(made.localpart)
    if account is None:
        return
    if made.read_nothing:
        key = (account.account_id, made.address_id)
        row = ReadMark(account.account_id, made.address_id, context.position, context.position)
        context.read_marks.put(key, row)
    else:
        came_to_room(context, account.account_id, made.address_id)


def forget_some(context: Context, owner_id: int, budget: int) -> int:
    """Delete read marks of an account that was deleted, at most `budget`; return how many."""
    if budget <= 0:
        return 0
    sql = "SELECT contact_id FROM read_mark WHERE owner_id = ? ORDER BY contact_id LIMIT ?"
    found = context.rows.select((context.read_marks,), sql, (owner_id, budget))
    for (contact_id,) in found:
        context.read_marks.delete((owner_id, contact_id))
    return len(found)


def _move(context: Context, owner_id: AccountId, address_id: int, position: Position) -> Position:
    """Move a mark forward, and return where it was; it never moves back."""
    key = (owner_id, address_id)
    former = context.read_marks.get(key) or ReadMark(owner_id, address_id, Position(0), Position(0))
    if former.position < position:
        context.read_marks.put(key, former._replace(position=position))
    return former.position
