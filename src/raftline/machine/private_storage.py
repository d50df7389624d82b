"""Private XML storage (XEP-0049): elements that an account's clients keep for themselves, by their qualified name."""

from __future__ import annotations

from raftline.base.limits import PRIVATE_ELEMENT_COUNT_MAX, PRIVATE_ELEMENT_SIZE_MAX
from raftline.machine.commands import StorePrivate
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Account, PrivateData, Session


def store_private(context: Context, session: Session, action: StorePrivate) -> Outcome:
    """Replace elements; all of them, or none when one is refused."""
    account_id = session.account_id
    if any(len(element.data) > PRIVATE_ELEMENT_SIZE_MAX for element in action.elements):
        return Rejected("not-acceptable", "modify", f"An element has at most {PRIVATE_ELEMENT_SIZE_MAX} bytes.")
    keys = {(account_id, element.namespace, element.name) for element in action.elements}
    new_count = sum(context.private.get(key) is None for key in keys)
    if new_count:
        sql = "SELECT count(*) FROM private WHERE account_id = ?"
        (count,) = context.rows.select((context.private,), sql, (account_id,))[0]
        if count + new_count > PRIVATE_ELEMENT_COUNT_MAX:
            return Rejected("resource-constraint", "cancel", f"At most {PRIVATE_ELEMENT_COUNT_MAX} elements are kept.")
    for element in action.elements:
        row = PrivateData(account_id, element.namespace, element.name, element.data)
        context.private.put((account_id, element.namespace, element.name), row)
    return Done()


def delete_private(context: Context, account: Account) -> None:
    """Delete all elements of an account that is deleted."""
    sql = "SELECT namespace, name FROM private WHERE account_id = ? ORDER BY namespace, name"
    for namespace, name in context.rows.select((context.private,), sql, (account.account_id,)):
        context.private.delete((account.account_id, namespace, name))
