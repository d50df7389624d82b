"""The vCard of an account (XEP-0054)."""

from __future__ import annotations

from raftline.base.limits import VCARD_SIZE_MAX
from raftline.machine.commands import SetVcard
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.pubsub import cards
from raftline.machine.records import Session, Vcard
from raftline.machine.rosters import account_of
from raftline.machine.versions import FEATURES_SINCE


def set_vcard(context: Context, session: Session, action: SetVcard) -> Outcome:
    """Replace the account's vCard."""
    if len(action.data) > VCARD_SIZE_MAX:
        return Rejected("not-acceptable", "modify", f"A vCard has at most {VCARD_SIZE_MAX} bytes.")
    mark = len(context.rows.journal)
    context.vcards.put(session.account_id, Vcard(session.account_id, action.data))
    if action.photo is not None and context.machine_version >= FEATURES_SINCE:
        context.vcards.put(session.account_id, Vcard(session.account_id, action.photo.card))
        refusal = cards.publish_photo(context, account_of(context, session), action.photo)
        if refusal is not None:
            context.take_back(mark)
            return refusal
    context.business.name_changed(session.account_id)
    return Done()
