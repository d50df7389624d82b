"""
Commands of operators and programs that change what businesses and numbers there are; each leaves a line in the audit
trail. Applications are in applications.py.

A number's account is made with it and goes with it, and the other way round: who deletes the account removes the
number.
"""

from __future__ import annotations

from typing import Any

from raftline.base.business_limits import BUSINESS_COUNT_MAX, BUSINESS_NUMBER_COUNT_MAX, BUSINESS_PROFILE_SIZE_MAX
from raftline.base.ids import AccountId
from raftline.machine import accounts
from raftline.machine.business.applications import add_app, add_token, forget_app, put_callback
from raftline.machine.business.audit import note
from raftline.machine.business.commands import AddNumber, ChangeNumber, CreateBusiness, DeleteBusiness, RemoveNumber
from raftline.machine.business.directory import APP_SCOPE, MESSAGES_FIELD
from raftline.machine.business.refusals import (
    NO_BUSINESS,
    NO_NUMBER,
    TOO_LONG,
    check_callback,
    check_digits,
    check_names,
    check_secret,
    check_token,
    too_many,
)
from raftline.machine.business.tables import Business, Callback, Number, Token
from raftline.machine.business.values import Created
from raftline.machine.commands import DeleteAccount
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Account


def create_business(context: Context, action: CreateBusiness) -> Outcome:
    """Create a business with an application, a token and a number."""
    refusal = (
        check_names(action.name, action.scopes)
        or check_secret(action.secret)
        or check_token(context, action.token)
        or check_digits(context, action.localpart)
        or check_callback(action.url, action.verify_token)
        or _check_count(context)
    )
    if refusal is not None:
        return refusal
    business_id = context.next_number("business")
    context.business.businesses.insert(business_id, Business(business_id, action.name, context.time_ms))
    app_id = add_app(context, business_id, action.name, action.secret).app_id
    number_id = _add_number(context, business_id, action.localpart, action.name)
    add_token(context, Token(action.token, 0, app_id, action.name, action.scopes, 0, action.expires_ms))
    if action.url:
        put_callback(context, Callback(app_id, APP_SCOPE, action.url, action.verify_token, MESSAGES_FIELD))
    note(context, business_id, action.actor, "business.create", f"{action.name}: {action.localpart}")
    context.business.directory_changed()
    return Done(Created(business_id, app_id, number_id, context.position))


def delete_business(context: Context, action: DeleteBusiness) -> Outcome:
    """Delete a business with all that belongs to it."""
    business = context.business
    row = business.businesses.get(action.business_id)
    if row is None:
        return NO_BUSINESS
    for app in business.apps_of(row.business_id):
        forget_app(context, app)
    for number in business.numbers_of(row.business_id):
        accounts.delete_account(context, DeleteAccount(number.localpart))
    sql = "SELECT name, language FROM business_template WHERE business_id = ? ORDER BY name, language"
    for name, language in context.rows.select((business.templates,), sql, (row.business_id,)):
        business.templates.delete((row.business_id, name, language))
    business.businesses.delete(row.business_id)
    note(context, row.business_id, action.actor, "business.delete", row.name)
    business.directory_changed()
    return Done()


def add_number(context: Context, action: AddNumber) -> Outcome:
    """Add a number with a new account."""
    business = context.business
    if business.businesses.get(action.business_id) is None:
        return NO_BUSINESS
    refusal = check_names(action.verified_name) or check_digits(context, action.localpart)
    if refusal is not None:
        return refusal
    if len(business.numbers_of(action.business_id)) >= BUSINESS_NUMBER_COUNT_MAX:
        return too_many(f"A business has at most {BUSINESS_NUMBER_COUNT_MAX} numbers.")
    number_id = _add_number(context, action.business_id, action.localpart, action.verified_name)
    note(context, action.business_id, action.actor, "number.add", action.localpart)
    business.directory_changed()
    return Done(Created(action.business_id, number_id=number_id))


def remove_number(context: Context, action: RemoveNumber) -> Outcome:
    """Remove a number with its account."""
    number = context.business.number_of(AccountId(action.number_id))
    if number is None:
        return NO_NUMBER
    accounts.delete_account(context, DeleteAccount(number.localpart))
    note(context, number.business_id, action.actor, "number.remove", number.localpart)
    return Done()


def change_number(context: Context, action: ChangeNumber) -> Outcome:
    """Change what a number is called, what it says of itself, how fast it may send, whether it may."""
    number = context.business.number_of(AccountId(action.number_id))
    if number is None:
        return NO_NUMBER
    if action.verified_name is not None and (refusal := check_names(action.verified_name)) is not None:
        return refusal
    if action.profile is not None and len(action.profile) > BUSINESS_PROFILE_SIZE_MAX:
        return TOO_LONG
    wanted = {
        "verified_name": action.verified_name,
        "profile": action.profile,
        "per_second": action.per_second,
        "pair_per_minute": action.pair_per_minute,
        "is_registered": None if action.is_registered is None else int(action.is_registered),
    }
    changes: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    context.business.numbers.put(number.account_id, number._replace(**changes))
    note(context, number.business_id, action.actor, "number.change", f"{number.localpart}: {', '.join(changes)}")
    context.business.directory_changed()
    return Done()


def _add_number(context: Context, business_id: int, localpart: str, verified_name: str) -> AccountId:
    """Add a number whose account can be made; nobody can sign in to it before an operator sets a password."""
    account = accounts.open_account(context, localpart, ())
    assert isinstance(account, Account), account
    account_id = account.account_id
    row = Number(account_id, account_id, business_id, localpart, verified_name, b"{}", 0, 0, 1, context.time_ms)
    context.business.numbers.insert(account_id, row)
    context.room_numbers.drop()  # a room may have listed the address before it was a number's
    return account_id


def _check_count(context: Context) -> Rejected | None:
    ((count,),) = context.rows.select((context.business.businesses,), "SELECT count(*) FROM business")
    return None if count < BUSINESS_COUNT_MAX else too_many(f"There are {BUSINESS_COUNT_MAX} businesses.")
