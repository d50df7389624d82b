"""
Archive preferences (XEP-0441): with whom an owner's messages are archived.

They count from the command after the one that set them, by the log's order, and each side of a conversation has its
own. A rule for a full JID goes before one for the bare JID, either before the default. Whoever never set any keeps
everything.

A message that one side does not archive is owed to that side's devices like one that nobody archives: what refers to
it are inbox and offline rows (inbox.py).
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import AccountId
from raftline.base.limits import ARCHIVE_RULE_COUNT_MAX, JID_SIZE_MAX
from raftline.machine.context import Context
from raftline.machine.history.answers import ArchivePreferences
from raftline.machine.history.commands import ArchivePolicy, SetArchivePreferences
from raftline.machine.history.queries import ArchivePreferencesOf
from raftline.machine.history.tables import ArchiveDefault, ArchiveRule
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Account, Session

_EVERYTHING: Final = ArchivePreferences(ArchivePolicy.ALWAYS, (), ())


def is_kept(context: Context, owner_id: AccountId, bare_jid: str, resource: str | None) -> bool:
    """
    Tell whether an owner's archive keeps a message to or from an address (section 2.3).

    Args:
        resource: Of the address as it stands on the message; None or empty for a bare one.
    """
    rules = context.archive_preferences.of(owner_id)
    if rules is None:
        return True
    if resource:
        kept = rules.kept.get(f"{bare_jid}/{resource}")
        if kept is not None:
            return bool(kept)
    kept = rules.kept.get(bare_jid)
    if kept is not None:
        return bool(kept)
    if rules.policy == ArchivePolicy.ROSTER:
        return context.roster.get((owner_id, bare_jid)) is not None
    return rules.policy == ArchivePolicy.ALWAYS


def set_preferences(context: Context, session: Session, action: SetArchivePreferences) -> Outcome:
    """Replace the preferences of an account."""
    wanted = {**dict.fromkeys(action.always, 1), **dict.fromkeys(action.never, 0)}  # what is in both is never kept
    if any(not 0 < len(jid.encode()) <= JID_SIZE_MAX for jid in wanted):
        return Rejected("bad-request", "modify", "An address is empty or too long.")
    if len(wanted) > ARCHIVE_RULE_COUNT_MAX:
        text = f"Preferences name at most {ARCHIVE_RULE_COUNT_MAX} addresses."
        return Rejected("resource-constraint", "cancel", text)
    owner_id = session.account_id
    for jid in _listed(context, owner_id):
        if jid not in wanted:
            context.archive_preferences.rules.delete((owner_id, jid))
    for jid, kept in wanted.items():
        context.archive_preferences.rules.put((owner_id, jid), ArchiveRule(owner_id, jid, kept))
    context.archive_preferences.defaults.put(owner_id, ArchiveDefault(owner_id, int(action.policy)))
    context.archive_preferences.changed(owner_id)
    return Done()


def delete_preferences(context: Context, account: Account) -> None:
    """Delete the preferences of an account that is deleted."""
    owner_id = account.account_id
    for jid in _listed(context, owner_id):
        context.archive_preferences.rules.delete((owner_id, jid))
    context.archive_preferences.defaults.delete(owner_id)
    context.archive_preferences.changed(owner_id)


def preferences_of(context: Context, query: ArchivePreferencesOf) -> ArchivePreferences:
    """Return the preferences of an account; those of one that has none, or does not exist, keep everything."""
    account = context.accounts.get(query.localpart)
    rules = None if account is None else context.archive_preferences.of(account.account_id)
    if rules is None:
        return _EVERYTHING
    always, never = (tuple(sorted(jid for jid, kept in rules.kept.items() if kept == of_kind)) for of_kind in (1, 0))
    return ArchivePreferences(ArchivePolicy(rules.policy), always, never)


def _listed(context: Context, owner_id: AccountId) -> list[str]:
    sql = "SELECT jid FROM archive_rule WHERE owner_id = ? ORDER BY jid"
    return [jid for (jid,) in context.rows.select((context.archive_preferences.rules,), sql, (owner_id,))]
