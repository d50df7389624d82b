"""
Commands of operators and programs about applications: their secrets, their tokens, and where they are told of events.

Applications take their ids from the accounts' counter, so that their events are buried as archives are: a few rows
with each later entry (pruning.py). Each command leaves a line in the audit trail.
"""

from __future__ import annotations

from raftline.base.business_limits import BUSINESS_APP_COUNT_MAX, BUSINESS_TOKEN_COUNT_MAX
from raftline.base.ids import AccountId
from raftline.machine.business.audit import note, note_app
from raftline.machine.business.commands import ChangeApp, CreateApp, DeleteApp, IssueToken, RevokeToken, SetCallback
from raftline.machine.business.directory import APP_SCOPE
from raftline.machine.business.ids import GraphKind, graph_id, parse_graph_id
from raftline.machine.business.refusals import (
    NO_APP,
    NO_BUSINESS,
    NO_TOKEN,
    check_callback,
    check_names,
    check_secret,
    check_token,
    too_many,
)
from raftline.machine.business.tables import App, Callback, Token
from raftline.machine.business.values import Created
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Doomed


def create_app(context: Context, action: CreateApp) -> Outcome:
    """Add an application."""
    business = context.business
    if business.businesses.get(action.business_id) is None:
        return NO_BUSINESS
    refusal = check_names(action.name) or check_secret(action.secret)
    if refusal is not None:
        return refusal
    if len(business.apps_of(action.business_id)) >= BUSINESS_APP_COUNT_MAX:
        return too_many(f"A business has at most {BUSINESS_APP_COUNT_MAX} applications.")
    app = add_app(context, action.business_id, action.name, action.secret)
    note_app(context, app, action.actor, "app.create", app.name)
    business.directory_changed()
    return Done(Created(app.business_id, app.app_id))


def delete_app(context: Context, action: DeleteApp) -> Outcome:
    """Delete an application with its tokens and callbacks; its events go in steps."""
    app = context.business.apps.get(action.app_id)
    if app is None:
        return NO_APP
    forget_app(context, app)
    note_app(context, app, action.actor, "app.delete", app.name)
    context.business.directory_changed()
    return Done()


def change_app(context: Context, action: ChangeApp) -> Outcome:
    """Rotate an application's secret, or change whether it reads streams."""
    app = context.business.apps.get(action.app_id)
    if app is None:
        return NO_APP
    changes = []
    if action.secret is not None:
        if (refusal := check_secret(action.secret)) is not None:
            return refusal
        app = app._replace(secret=action.secret)
        changes.append("another secret")
    if action.streams is not None:
        app = app._replace(streams=int(action.streams))
        changes.append("streams" if action.streams else "no streams")
    context.business.apps.put(app.app_id, app)
    note_app(context, app, action.actor, "app.change", ", ".join(changes))
    context.business.directory_changed()
    return Done()


def issue_token(context: Context, action: IssueToken) -> Outcome:
    """Let a token speak for an application."""
    app = context.business.apps.get(action.app_id)
    if app is None:
        return NO_APP
    refusal = check_names(action.label or app.name, action.scopes) or check_token(context, action.digest)
    if refusal is not None:
        return refusal
    if len(context.business.tokens_of(app.app_id)) >= BUSINESS_TOKEN_COUNT_MAX:
        _forget_expired(context, app)
    if len(context.business.tokens_of(app.app_id)) >= BUSINESS_TOKEN_COUNT_MAX:
        return too_many(f"An application has at most {BUSINESS_TOKEN_COUNT_MAX} tokens.")
    add_token(context, Token(action.digest, 0, app.app_id, action.label, action.scopes, 0, action.expires_ms))
    note_app(context, app, action.actor, "token.issue", action.label)
    return Done(Created(app.business_id, app.app_id, token_id=context.position))


def revoke_token(context: Context, action: RevokeToken) -> Outcome:
    """Forget a token."""
    business = context.business
    sql = "SELECT digest FROM business_token WHERE token_id = ? ORDER BY digest"
    found = context.rows.select((business.tokens,), sql, (action.token_id,))
    if not found:
        return NO_TOKEN
    token = business.tokens.delete(found[0][0])
    assert token is not None, action
    app = business.apps.get(token.app_id)
    assert app is not None, token
    note_app(context, app, action.actor, "token.revoke", token.label)
    return Done()


def set_callback(context: Context, action: SetCallback) -> Outcome:
    """Set or remove a callback of an application."""
    business = context.business
    app = business.apps.get(action.app_id)
    if app is None:
        return NO_APP
    if action.scope != APP_SCOPE and not _is_scope_of(context, app, action.scope):
        return Rejected(
            "not-acceptable", "modify", "A callback is for the application, its business or a number of it."
        )
    refusal = check_callback(action.url, action.verify_token + action.fields)
    if refusal is not None:
        return refusal
    if action.url:
        fields = ",".join(sorted({field for field in action.fields.split(",") if field}))
        put_callback(context, Callback(app.app_id, action.scope, action.url, action.verify_token, fields))
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


def add_app(context: Context, business_id: int, name: str, secret: bytes) -> App:
    """Add an application to a business that has room for one."""
    app = App(context.new_owner_id(), business_id, name, secret, 0, context.time_ms)
    context.business.apps.insert(app.app_id, app)
    return app


def forget_app(context: Context, app: App) -> None:
    """Delete an application with all that belongs to it but its events, which are doomed."""
    business = context.business
    for token in business.tokens_of(app.app_id):
        business.tokens.delete(token.digest)
    for callback in business.callbacks_of(app.app_id):
        business.callbacks.delete((app.app_id, callback.scope))
    business.apps.delete(app.app_id)
    context.doomed.insert(AccountId(app.app_id), Doomed(AccountId(app.app_id)))


def add_token(context: Context, token: Token) -> None:
    """Add a token; its id and its time are those of the command."""
    row = token._replace(token_id=context.position, created_ms=context.time_ms)
    context.business.tokens.insert(row.digest, row)


def _forget_expired(context: Context, app: App) -> None:
    for token in context.business.tokens_of(app.app_id):
        if 0 < token.expires_ms <= context.time_ms:
            context.business.tokens.delete(token.digest)


def put_callback(context: Context, row: Callback) -> None:
    """Set a callback, in the place of one of the same scope."""
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
