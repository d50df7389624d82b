"""The vCard of an account (XEP-0054)."""

from __future__ import annotations

from raftline.base.limits import VCARD_SIZE_MAX
from raftline.machine.commands import SetVcard
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Session, Vcard


def set_vcard(context: Context, session: Session, action: SetVcard) -> Outcome:
    """Replace the account's vCard."""
    if len(action.data) > VCARD_SIZE_MAX:
        return Rejected("not-acceptable", "modify", f"A vCard has at most {VCARD_SIZE_MAX} bytes.")
    context.vcards.put(session.account_id, Vcard(session.account_id, action.data))
    return Done()
