"""
Commands of operators and programs that change what businesses there are; each leaves a line in the audit trail.

A number's account is made with it and goes with it, and the other way round: who deletes the account removes the
number. Applications take their ids from the accounts' counter, so that their events are buried as archives are: a few
rows with each later entry (pruning.py).
"""

from __future__ import annotations

import re
from typing import Any, Final

from raftline.base.business_limits import (
    BUSINESS_APP_COUNT_MAX,
    BUSINESS_AUDIT_COUNT_MAX,
    BUSINESS_CALLBACK_SIZE_MAX,
    BUSINESS_COUNT_MAX,
    BUSINESS_NAME_SIZE_MAX,
    BUSINESS_NUMBER_COUNT_MAX,
    BUSINESS_PROFILE_SIZE_MAX,
    BUSINESS_SECRET_SIZE,
    BUSINESS_TOKEN_COUNT_MAX,
)
from raftline.base.ids import AccountId
from raftline.machine import accounts
from raftline.machine.business.commands import (
    AddNumber,
    ChangeApp,
    ChangeNumber,
    CreateApp,
    CreateBusiness,
    DeleteApp,
    DeleteBusiness,
    IssueToken,
    RemoveNumber,
    RevokeToken,
    SetCallback,
)
from raftline.machine.business.directory import APP_SCOPE, MESSAGES_FIELD
from raftline.machine.business.ids import GraphKind, graph_id, parse_graph_id
from raftline.machine.business.tables import App, AuditLine, Business, Callback, Number, Token
from raftline.machine.business.values import Created
from raftline.machine.commands import DeleteAccount
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Account, Doomed

_DIGITS: Final = re.compile(r"[1-9][0-9]{6,14}")
_DIGEST_SIZE: Final = 32

_NO_BUSINESS: Final = Rejected("item-not-found", "cancel", "There is no such business.")
_NO_APP: Final = Rejected("item-not-found", "cancel", "There is no such application.")
_NO_NUMBER: Final = Rejected("item-not-found", "cancel", "There is no such number.")
_NO_TOKEN: Final = Rejected("item-not-found", "cancel", "There is no such token.")
_NO_DIGITS: Final = Rejected("not-acceptable", "modify", "A number has 7 to 15 digits, the first of them not 0.")
_TOO_LONG: Final = Rejected("not-acceptable", "modify", "A name is empty, or something is too long.")
_TAKEN_TOKEN: Final = Rejected("conflict", "cancel", "There is such a token already.")
_BAD_SECRET: Final = Rejected("bad-request", "modify", "The secret or the digest of the token has another size.")


def create_business(context: Context, action: CreateBusiness) -> Outcome:
    """Create a business with an application, a token and a number."""
    refusal = (
        _check_names(action.name, action.scopes)
        or _check_secret(action.secret)
        or _check_token(context, action.token)
        or _check_digits(context, action.localpart)
        or _check_callback(action.url, action.verify_token)
        or _check_count(context)
    )
    if refusal is not None:
        return refusal
    business_id = context.next_number("business")
    context.business.businesses.insert(business_id, Business(business_id, action.name, context.time_ms))
    app_id = _add_app(context, business_id, action.name, action.secret)
    number_id = _add_number(context, business_id, action.localpart, action.name)
    _add_token(context, Token(action.token, 0, app_id, action.name, action.scopes, 0, action.expires_ms))
    if action.url:
        _put_callback(context, Callback(app_id, APP_SCOPE, action.url, action.verify_token, MESSAGES_FIELD))
    note(context, business_id, action.actor, "business.create", f"{action.name}: {action.localpart}")
    context.business.directory_changed()
    return Done(Created(business_id, app_id, number_id, context.position))


def delete_business(context: Context, action: DeleteBusiness) -> Outcome:
    """Delete a business with all that belongs to it."""
    business = context.business
    row = business.businesses.get(action.business_id)
    if row is None:
        return _NO_BUSINESS
    for app in business.apps_of(row.business_id):
        _delete_app(context, app)
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
        return _NO_BUSINESS
    refusal = _check_names(action.verified_name) or _check_digits(context, action.localpart)
    if refusal is not None:
        return refusal
    if len(business.numbers_of(action.business_id)) >= BUSINESS_NUMBER_COUNT_MAX:
        return _too_many(f"A business has at most {BUSINESS_NUMBER_COUNT_MAX} numbers.")
    number_id = _add_number(context, action.business_id, action.localpart, action.verified_name)
    note(context, action.business_id, action.actor, "number.add", action.localpart)
    business.directory_changed()
    return Done(Created(action.business_id, number_id=number_id))


def remove_number(context: Context, action: RemoveNumber) -> Outcome:
    """Remove a number with its account."""
    number = context.business.number_of(AccountId(action.number_id))
    if number is None:
        return _NO_NUMBER
    accounts.delete_account(context, DeleteAccount(number.localpart))
    note(context, number.business_id, action.actor, "number.remove", number.localpart)
    return Done()


def change_number(context: Context, action: ChangeNumber) -> Outcome:
    """Change what a number is called, what it says of itself, how fast it may send, whether it may."""
    number = context.business.number_of(AccountId(action.number_id))
    if number is None:
        return _NO_NUMBER
    if action.verified_name is not None and (refusal := _check_names(action.verified_name)) is not None:
        return refusal
    if action.profile is not None and len(action.profile) > BUSINESS_PROFILE_SIZE_MAX:
        return _TOO_LONG
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


def create_app(context: Context, action: CreateApp) -> Outcome:
    """Add an application."""
    business = context.business
    if business.businesses.get(action.business_id) is None:
        return _NO_BUSINESS
    refusal = _check_names(action.name) or _check_secret(action.secret)
    if refusal is not None:
        return refusal
    if len(business.apps_of(action.business_id)) >= BUSINESS_APP_COUNT_MAX:
        return _too_many(f"A business has at most {BUSINESS_APP_COUNT_MAX} applications.")
    app_id = _add_app(context, action.business_id, action.name, action.secret)
    note(
        context, action.business_id, action.actor, "app.create", f"app {graph_id(GraphKind.APP, app_id)}: {action.name}"
    )
    business.directory_changed()
    return Done(Created(action.business_id, app_id))


def delete_app(context: Context, action: DeleteApp) -> Outcome:
    """Delete an application with its tokens and callbacks; its events go in steps."""
    app = context.business.apps.get(action.app_id)
    if app is None:
        return _NO_APP
    _delete_app(context, app)
    note(context, app.business_id, action.actor, "app.delete", f"app {graph_id(GraphKind.APP, app.app_id)}: {app.name}")
    context.business.directory_changed()
    return Done()


def change_app(context: Context, action: ChangeApp) -> Outcome:
    """Rotate an application's secret, or change whether it reads streams."""
    app = context.business.apps.get(action.app_id)
    if app is None:
        return _NO_APP
    changes = []
    if action.secret is not None:
        if (refusal := _check_secret(action.secret)) is not None:
            return refusal
        app = app._replace(secret=action.secret)
        changes.append("another secret")
    if action.streams is not None:
        app = app._replace(streams=int(action.streams))
        changes.append("streams" if action.streams else "no streams")
    context.business.apps.put(app.app_id, app)
    note(
        context,
        app.business_id,
        action.actor,
        "app.change",
        f"app {graph_id(GraphKind.APP, app.app_id)}: {', '.join(changes)}",
    )
    context.business.directory_changed()
    return Done()


def issue_token(context: Context, action: IssueToken) -> Outcome:
    """Let a token speak for an application."""
    app = context.business.apps.get(action.app_id)
    if app is None:
        return _NO_APP
    refusal = _check_names(action.label or app.name, action.scopes) or _check_token(context, action.digest)
    if refusal is not None:
        return refusal
    if len(context.business.tokens_of(app.app_id)) >= BUSINESS_TOKEN_COUNT_MAX:
        _forget_expired(context, app)
    if len(context.business.tokens_of(app.app_id)) >= BUSINESS_TOKEN_COUNT_MAX:
        return _too_many(f"An application has at most {BUSINESS_TOKEN_COUNT_MAX} tokens.")
    _add_token(context, Token(action.digest, 0, app.app_id, action.label, action.scopes, 0, action.expires_ms))
    note(
        context,
        app.business_id,
        action.actor,
        "token.issue",
        f"app {graph_id(GraphKind.APP, app.app_id)}: {action.label}",
    )
    return Done(Created(app.business_id, app.app_id, token_id=context.position))


def revoke_token(context: Context, action: RevokeToken) -> Outcome:
    """Forget a token."""
    business = context.business
    sql = "SELECT digest FROM business_token WHERE token_id = ? ORDER BY digest"
    found = context.rows.select((business.tokens,), sql, (action.token_id,))
    if not found:
        return _NO_TOKEN
    token = business.tokens.delete(found[0][0])
    assert token is not None, action
    app = business.apps.get(token.app_id)
    assert app is not None, token
    note(
        context,
        app.business_id,
        action.actor,
        "token.revoke",
        f"app {graph_id(GraphKind.APP, app.app_id)}: {token.label}",
    )
    return Done()


def set_callback(context: Context, action: SetCallback) -> Outcome:
    """Set or remove a callback of an application."""
    business = context.business
    app = business.apps.get(action.app_id)
    if app is None:
        return _NO_APP
    if action.scope != APP_SCOPE and not _is_scope_of(context, app, action.scope):
        return Rejected(
            "not-acceptable", "modify", "A callback is for the application, its business or a number of it."
        )
    refusal = _check_callback(action.url, action.verify_token + action.fields)
    if refusal is not None:
        return refusal
    if action.url:
        fields = ",".join(sorted({field for field in action.fields.split(",") if field}))
        _put_callback(context, Callback(app.app_id, action.scope, action.url, action.verify_token, fields))
    else:
        business.callbacks.delete((app.app_id, action.scope))
    note(
        context,
        app.business_id,
        action.actor,
        "callback.set",
        f"app {graph_id(GraphKind.APP, app.app_id)}, {action.scope}: {action.url}",
    )
    business.directory_changed()
    return Done()


def note(context: Context, business_id: int, actor: str, action: str, detail: str) -> None:
    """Write a line of the audit trail; where there are too many, the oldest goes. One command writes one line."""
    audit = context.business.audit
    if audit.get(context.position) is None:
        ((count, oldest),) = context.rows.select((audit,), "SELECT count(*), min(position) FROM business_audit")
        if count >= BUSINESS_AUDIT_COUNT_MAX:
            audit.delete(oldest)
    audit.put(context.position, AuditLine(context.position, context.time_ms, business_id, actor, action, detail))


def _add_app(context: Context, business_id: int, name: str, secret: bytes) -> int:
    app_id = context.new_owner_id()
    context.business.apps.insert(app_id, App(app_id, business_id, name, secret, 0, context.time_ms))
    return app_id


def _delete_app(context: Context, app: App) -> None:
    business = context.business
    for token in business.tokens_of(app.app_id):
        business.tokens.delete(token.digest)
    for callback in business.callbacks_of(app.app_id):
        business.callbacks.delete((app.app_id, callback.scope))
    business.apps.delete(app.app_id)
    context.doomed.insert(AccountId(app.app_id), Doomed(AccountId(app.app_id)))


def _add_number(context: Context, business_id: int, localpart: str, verified_name: str) -> AccountId:
    """Add a number whose account can be made; nobody can sign in to it before an operator sets a password."""
    account = accounts.open_account(context, localpart, ())
    assert isinstance(account, Account), account
    account_id = account.account_id
    row = Number(account_id, account_id, business_id, localpart, verified_name, b"{}", 0, 0, 1, context.time_ms)
    context.business.numbers.insert(account_id, row)
    context.room_numbers.drop()  # a room may have listed the address before it was a number's
    return account_id


def _add_token(context: Context, token: Token) -> None:
    row = token._replace(token_id=context.position, created_ms=context.time_ms)
    context.business.tokens.insert(row.digest, row)


def _forget_expired(context: Context, app: App) -> None:
    for token in context.business.tokens_of(app.app_id):
        if 0 < token.expires_ms <= context.time_ms:
            context.business.tokens.delete(token.digest)


def _put_callback(context: Context, row: Callback) -> None:
    context.business.callbacks.put((row.app_id, row.scope), row)


def _is_scope_of(context: Context, app: App, scope: str) -> bool:
    match parse_graph_id(scope):
        case (GraphKind.BUSINESS, business_id):
            return business_id == app.business_id
        case (GraphKind.NUMBER, number_id):
            number = context.business.number_of(AccountId(number_id))
            return number is not None and number.business_id == app.business_id
        case _:
            return False


def _check_names(*names: str) -> Rejected | None:
    return None if all(0 < len(name.encode()) <= BUSINESS_NAME_SIZE_MAX for name in names) else _TOO_LONG


def _check_secret(secret: bytes) -> Rejected | None:
    return None if len(secret) == BUSINESS_SECRET_SIZE else _BAD_SECRET


def _check_token(context: Context, digest: bytes) -> Rejected | None:
    if len(digest) != _DIGEST_SIZE:
        return _BAD_SECRET
    return None if context.business.tokens.get(digest) is None else _TAKEN_TOKEN


def _check_digits(context: Context, localpart: str) -> Rejected | None:
    if _DIGITS.fullmatch(localpart) is None:
        return _NO_DIGITS
    return accounts.name_taken(context, localpart)


def _check_callback(url: str, rest: str) -> Rejected | None:
    return None if len(url.encode()) + len(rest.encode()) <= BUSINESS_CALLBACK_SIZE_MAX else _TOO_LONG


def _check_count(context: Context) -> Rejected | None:
    ((count,),) = context.rows.select((context.business.businesses,), "SELECT count(*) FROM business")
    return None if count < BUSINESS_COUNT_MAX else _too_many(f"There are {BUSINESS_COUNT_MAX} businesses.")


def _too_many(text: str) -> Rejected:
    return Rejected("resource-constraint", "cancel", text)
