"""
A number as people see it in their lists: a contact that is always there.

Programs that speak for a number have no session, so it is shown as available under a resource of its own, to whoever
asked for its presence; it grants that to everybody, at once, and asks nobody in turn. Its roster says who was granted
it, so that they learn of another picture and of the number's end. A roster that is full keeps nobody away: who is in
none is answered all the same when asking again.
"""

from __future__ import annotations

from typing import Final

from raftline.machine.business.queries import NumberPresence
from raftline.machine.context import Context
from raftline.machine.pubsub.photos import add_photo, digest_of
from raftline.machine.records import Account

RESOURCE: Final = "business"


def is_number(context: Context, account: Account) -> bool:
    """Tell whether programs speak for an account."""
    return context.business.number_of(account.account_id) is not None


def presence_of(context: Context, account: Account) -> bytes:
    """Return the presence of a number, which says that it is there and what picture it has (XEP-0153)."""
    stanza = f"<presence from='{context.bare_jid(account.localpart)}/{RESOURCE}'/>".encode()
    return add_photo(stanza, digest_of(context, account.account_id))


def number_presence(context: Context, query: NumberPresence) -> bytes | None:
    """Return the presence of the number at an account; None if there is none."""
    account = context.accounts.get(query.localpart)
    return presence_of(context, account) if account is not None and is_number(context, account) else None
