"""What accounts tell each other of invitations (see machine/outbox.py)."""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import AccountId


class NewcomerCame(NamedTuple):
    """An account was opened by an invitation of `to_localpart`, who had this id then."""

    to_localpart: str
    inviter_id: AccountId
    newcomer: str


class NewcomerWelcomed(NamedTuple):
    """The inviter has the newcomer, `to_localpart`, as a contact."""

    to_localpart: str
    inviter: str


class NewcomerBrought(NamedTuple):
    """An account was opened by an invitation to a room, which had this id then."""

    room: str
    room_id: AccountId
    newcomer: str


InviteHandover = NewcomerCame | NewcomerWelcomed | NewcomerBrought
