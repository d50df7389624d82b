"""What questions about invitations of people are answered by."""

from __future__ import annotations

from typing import NamedTuple


class InviteView(NamedTuple):
    """An open invitation; fields as in tables.Invite. `is_expired` says that it is good for nothing any more."""

    digest: bytes
    inviter: str
    username: str
    purposes: int
    expires_ms: int
    is_expired: bool
    room: str = ""
    uses: int = 1
