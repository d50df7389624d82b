"""
Who takes part in a conversation, be it a room or the chat of two accounts, as what they share in it is kept.

What people share in a conversation, a poll or a pinned message, belongs to neither of them: it is kept under the pair
`owner_id`, `partner_id`. Of a room these are its id and 0; of two accounts their ids, the lower one first, so that
either side finds the same; of an account's chat with itself twice the same.

Taking part in a room is to be on its list of members or above, or to be in it; who is banned takes no part. In a chat
of two it is to be one of them, as long as neither has blocked the other (XEP-0191). Contacts of other services keep
their side elsewhere, so there is nothing to share with them.
"""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import AccountId, NodeId, SessionId
from raftline.machine.blocking import BLOCKED_BY_SENDER
from raftline.machine.context import Context
from raftline.machine.outcomes import Rejected
from raftline.machine.records import Account, Session
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.ranks import Affiliation, Role
from raftline.machine.rooms.tables import Room

_NO_ACCOUNT = AccountId(0)
_NO_SUCH_ROOM = Rejected("item-not-found", "cancel", "There is no such room.")
_NOT_A_MEMBER = Rejected("forbidden", "auth", "You are not a member of this room, and not in it.")
_UNAVAILABLE = Rejected("service-unavailable", "cancel")


class Conversation(NamedTuple):
    """Under what is kept what people share."""

    owner_id: AccountId
    partner_id: AccountId


class Participant(NamedTuple):
    """
    Somebody who takes part.

    Attributes:
        room: None in a chat of two.
        is_moderator: Of the room: an admin or owner, or whoever has the role.
        sees_addresses: Is told the real addresses of others in the room.
    """

    conversation: Conversation
    room: Room | None
    is_moderator: bool
    sees_addresses: bool


def conversation_of(one: AccountId, other: AccountId) -> Conversation:
    """Return what the chat of two accounts is kept under."""
    return Conversation(min(one, other), max(one, other))


def chat_taken(context: Context, session: Session, to_localpart: str) -> Conversation | None:
    """Return the chat in which an account takes what a session sends it; None for nobody, and for who blocks it."""
    partner = context.accounts.get(to_localpart)
    if partner is None or context.blocks(partner, f"{context.bare_jid(session.localpart)}/{session.resource}"):
        return None
    return conversation_of(session.account_id, partner.account_id)


def conversation_in(room: Room) -> Conversation:
    """Return what a room's is kept under."""
    return Conversation(room.room_id, _NO_ACCOUNT)


def in_room(context: Context, session: Session, name: str) -> Participant | Rejected:
    """Return how the account of a session takes part in a room, or why it does not."""
    room = context.rooms.get(name)
    if room is None:
        return _NO_SUCH_ROOM
    jid = context.bare_jid(session.localpart)
    row = context.room_affiliations.get((room.room_id, jid))
    affiliation = int(Affiliation.NONE) if row is None else row.affiliation
    inside = context.occupants.of_account(room.room_id, jid)
    if affiliation == Affiliation.OUTCAST or (affiliation < Affiliation.MEMBER and not inside):
        return _NOT_A_MEMBER
    is_moderator = affiliation >= Affiliation.ADMIN or any(row.role == Role.MODERATOR for row in inside)
    sees_addresses = is_moderator or room_settings.decode(room.settings).non_anonymous
    return Participant(conversation_in(room), room, is_moderator, sees_addresses)


def in_chat(context: Context, session: Session, partner: Account) -> Participant | Rejected:
    """Return how the account of a session takes part in a chat with another account, or why it does not."""
    if context.blocks(session, context.bare_jid(partner.localpart)):
        return BLOCKED_BY_SENDER
    if context.blocks(partner, f"{context.bare_jid(session.localpart)}/{session.resource}"):
        return _UNAVAILABLE
    conversation = conversation_of(session.account_id, partner.account_id)
    return Participant(conversation, None, is_moderator=False, sees_addresses=True)


def account_with(context: Context, account_id: AccountId) -> Account | None:
    """Return the account of an id, if it is still there."""
    sql = "SELECT * FROM account WHERE account_id = ?"
    found = context.rows.select((context.accounts,), sql, (account_id,))
    return Account._make(found[0]) if found else None


def audience_of(
    context: Context, conversation: Conversation, room: Room | None
) -> list[tuple[str, list[tuple[NodeId, tuple[SessionId, ...]]]]]:
    """
    Return whom to tell what happens in a conversation: its address as they know it, and their sessions by node.

    Of a chat of two these are the sessions that are available, with the other one's address; nobody while one of the
    two has blocked the other.
    """
    if room is not None:
        return [(f"{room.name}@{context.rooms_domain}", context.occupants.groups(room.room_id))]
    one = account_with(context, conversation.owner_id)
    other = account_with(context, conversation.partner_id)
    if one is None or other is None:
        return []
    pairs = [(one, other), (other, one)] if one != other else [(one, one)]
    if any(context.blocks(account, context.bare_jid(peer.localpart)) for account, peer in pairs):
        return []
    return [
        (
            context.bare_jid(peer.localpart),
            context.occupants.grouped(
                [session.session_id for session, _ in context.session_index.available(account.account_id)]
            ),
        )
        for account, peer in pairs
    ]
