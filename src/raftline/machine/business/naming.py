"""What people are called in events: the full name of their vCard, else the local part of their address."""

from __future__ import annotations

import re
from typing import Final
from xml.sax.saxutils import unescape

from raftline.base.ids import AccountId
from raftline.machine.context import Context

NAME_LENGTH_MAX: Final = 128
"""Characters of a name in an event; of a longer one the first."""

_FULL_NAME: Final = re.compile(rb"<FN>([^<]*)</FN>")
_ENTITIES: Final = {"&apos;": "'", "&quot;": '"'}


def name_at(context: Context, jid: str) -> str:
    """Return what somebody at a bare JID is called."""
    localpart = context.account_named(jid)
    account = None if localpart is None else context.accounts.get(localpart)
    if account is None:
        return jid.rpartition("@")[0] or jid
    account_id = account.account_id
    return context.business.name_of(account_id, lambda: _read(context, account_id) or account.localpart)


def _read(context: Context, account_id: AccountId) -> str:
    card = context.vcards.get(account_id)
    match = None if card is None else _FULL_NAME.search(card.data)
    if match is None:
        return ""
    return " ".join(unescape(match[1].decode("utf-8", "replace"), _ENTITIES).split())[:NAME_LENGTH_MAX]
