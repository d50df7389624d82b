"""
Read marks: what of how far an account has read no archive holds, written.

A marker to a contact (XEP-0333) is delivered and forgotten, so a row remembers the furthest. Of a room a row remembers
where the account came in, first or again: what was said before is not for it to read.
"""

from __future__ import annotations

from raftline.base.ids import AccountId, Position
from raftline.machine.context import Context
from raftline.machine.conversations.tables import ReadMark
from raftline.machine.records import Session
from raftline.machine.rooms.handovers import MadeMember


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
    key = (owner_id, address.address_id)
    former = context.read_marks.get(key)
    if former is None or former.position < position:
        context.read_marks.put(key, ReadMark(owner_id, address.address_id, position))


def came_to_room(context: Context, owner_id: AccountId, address_id: int) -> None:
    """An account is in a room, which `address_id` stands for; if it never was before, it begins to read here."""
    key = (owner_id, address_id)
    if context.read_marks.get(key) is None:
        context.read_marks.insert(key, ReadMark(owner_id, address_id, context.position))


def made_member(context: Context, made: MadeMember) -> None:
    """The account's side: begin to read here, unless it could do so before."""
    account = context.accounts.get(made.localpart)
    if account is None:
        return
    if made.read_nothing:
        key = (account.account_id, made.address_id)
        context.read_marks.put(key, ReadMark(account.account_id, made.address_id, context.position))
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
