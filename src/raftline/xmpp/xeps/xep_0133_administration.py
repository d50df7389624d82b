"""
XEP-0133 Service Administration: what administrators do from any client that knows ad-hoc commands (XEP-0050).

Who is an administrator is the operator's setting (`xmpp.administrators`), the same on all nodes; nobody becomes one by
a command. What a command changes goes through the log as the same commands that `raftline user` proposes. A command for
several accounts does each by itself, and tells at the end which of them failed and why.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.limits import ACCOUNT_PAGE_ROW_COUNT_MAX, ADMINISTERED_ACCOUNT_COUNT_MAX
from raftline.machine.commands import Action, CreateAccount, Credential, DeleteAccount, EndSessions, SetCredentials
from raftline.machine.outcomes import Outcome, Rejected
from raftline.machine.queries import (
    AccountCounts,
    AccountExists,
    AccountRow,
    Counts,
    ListAccounts,
    OnlineAccounts,
    Roster,
    RosterOf,
    SessionsOf,
)
from raftline.xmpp.data_forms import choice_field, make_form
from raftline.xmpp.effects import DeriveCredentials, Execute, ask
from raftline.xmpp.element import Element
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.module import Command, CommandResult, Declaration
from raftline.xmpp.payloads import FORM_NAMESPACE, form_field
from raftline.xmpp.roster import ROSTER_NAMESPACE, item_element

if TYPE_CHECKING:
    from collections.abc import Callable

    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext

ADMIN: Final = "http://jabber.org/protocol/admin"
COMMANDS: Final = "http://jabber.org/protocol/commands"

Fields = dict[str, list[str]]

_LIMITS: Final = ("25", "100", "1000")


def register(modules: Modules, administrators: Collection[str]) -> None:
    """
    Offer the commands.

    Args:
        administrators: Their bare JIDs; nobody else sees the commands or may execute them.
    """
    modules.declare(
        Declaration(
            number=133,
            title="Service Administration",
            version="1.3.1",
            status="partial",
            note="Accounts, passwords, sessions, rosters and numbers of users, for those in `xmpp.administrators`; no "
            "announcements, lists of the service or restarts.",
        )
    )
    trusted = frozenset(administrators)

    def is_allowed(context: StreamContext) -> bool:
        return str(context.jid.bare) in trusted

    def offer(name: str, title: str, run: Callable[[StreamContext, Fields], Steps], *fields: Element) -> None:
        asked = _asking(title, fields) if fields else None
        node = f"{ADMIN}#{name}"
        modules.commands[node] = Command(node, title, is_allowed, run, asked, ADMIN)

    account = _wanted("accountjid", "jid-single", "Account")
    accounts = _wanted("accountjids", "jid-multi", "Accounts")
    password = _wanted("password", "text-private", "Password")
    again = _wanted("password-verify", "text-private", "Password, once more")
    limit = choice_field("max_items", "100", _LIMITS)
    offer("add-user", "Add an account", add_user, account, password, again)
    offer("delete-user", "Delete accounts", delete_users, accounts)
    offer("end-user-session", "End sessions", end_sessions, accounts)
    offer("change-user-password", "Change a password", change_password, account, password)
    offer("get-user-roster", "Show a roster", show_roster, accounts)
    offer("user-stats", "Show figures of an account", show_figures, account)
    offer("get-registered-users-num", "Count accounts", count_accounts)
    offer("get-online-users-num", "Count accounts that are online", count_online)
    offer("get-registered-users-list", "List accounts", list_accounts, limit)
    offer("get-online-users-list", "List accounts that are online", list_online, limit)


def add_user(context: StreamContext, fields: Fields) -> Steps:
    """
    Make an account (section 4.1).

    Raises:
        Refused: `conflict` when there is one of the name, `not-acceptable` for what cannot be a password,
            `bad-request` for fields that are missing, passwords that differ, or an address of elsewhere.
    """
    account, password = _account(context, fields), _one(fields, "password")
    if _one(fields, "password-verify") != password:
        raise _bad_payload("The passwords differ.")
    credentials: tuple[Credential, ...] = yield DeriveCredentials(password)
    yield from _execute(CreateAccount(account.local, credentials))
    return CommandResult()


def delete_users(context: StreamContext, fields: Fields) -> Steps:
    """Delete accounts with all that is theirs (section 4.2)."""
    accounts = _accounts(context, fields)
    if any(account.resource for account in accounts):
        raise _bad_payload("Name accounts, not devices.")
    return (yield from _for_each(accounts, lambda account: DeleteAccount(account.local)))


def end_sessions(context: StreamContext, fields: Fields) -> Steps:
    """End all sessions of an account, or that of one device (section 4.5)."""
    accounts = _accounts(context, fields)
    return (yield from _for_each(accounts, lambda account: EndSessions(account.local, account.resource)))


def change_password(context: StreamContext, fields: Fields) -> Steps:
    """
    Give an account another password (section 4.7).

    Raises:
        Refused: `item-not-found` when there is no such account, `not-acceptable` for what cannot be a password.
    """
    account = _account(context, fields)
    credentials: tuple[Credential, ...] = yield DeriveCredentials(_one(fields, "password"))
    yield from _execute(SetCredentials(account.local, credentials))
    return CommandResult()


def show_roster(context: StreamContext, fields: Fields) -> Steps:
    """
    Show the roster of one account (section 4.8).

    Raises:
        Refused: `item-not-found` when there is no such account.
    """
    account = _account(context, {"accountjid": fields.get("accountjids", [])})
    yield from _require_account(account)
    roster = yield from ask(RosterOf(account.local), Roster)
    query = Element("query", ROSTER_NAMESPACE, None, [item_element(item) for item in roster.items])
    return _result(form_field("accountjids", "jid-multi", str(account)), query)


def show_figures(context: StreamContext, fields: Fields) -> Steps:
    """
    Show how large an account's roster is, and which of its resources are connected (section 4.10).

    Raises:
        Refused: `item-not-found` when there is no such account.
    """
    account = _account(context, fields)
    yield from _require_account(account)
    roster = yield from ask(RosterOf(account.local), Roster)
    sessions = yield from ask(SessionsOf(account.local), list)
    resources = sorted(session.resource for session in sessions)
    return _result(
        form_field("rostersize", "text-single", str(len(roster.items))),
        form_field("onlineresources", "text-multi", *resources),
    )


def count_accounts(_context: StreamContext, _fields: Fields) -> Steps:
    """Count accounts (section 4.13)."""
    counts = yield from ask(AccountCounts(), Counts)
    return _result(form_field("registeredusersnum", "text-single", str(counts.accounts)))


def count_online(_context: StreamContext, _fields: Fields) -> Steps:
    """Count accounts that have a session which is available (section 4.15)."""
    counts = yield from ask(AccountCounts(), Counts)
    return _result(form_field("onlineusersnum", "text-single", str(counts.online)))


def list_accounts(context: StreamContext, fields: Fields) -> Steps:
    """List accounts by name, the first ones of many (section 4.18)."""
    rows: list[AccountRow] = yield from ask(ListAccounts(limit=_limit(fields)), list)
    return _result(
        form_field("registereduserjids", "jid-multi", *(str(JID(row.localpart, context.domain)) for row in rows))
    )


def list_online(context: StreamContext, fields: Fields) -> Steps:
    """List accounts that are online by name, the first ones of many (section 4.20)."""
    names: list[str] = yield from ask(OnlineAccounts(_limit(fields)), list)
    return _result(form_field("onlineuserjids", "jid-multi", *(str(JID(name, context.domain)) for name in names)))


def _wanted(name: str, kind: str, label: str) -> Element:
    """Make a field that has to be filled in (XEP-0004 section 3.2)."""
    field = form_field(name, kind)
    field.attributes["label"] = label
    field.children.append(Element("required", FORM_NAMESPACE))
    return field


def _asking(title: str, fields: tuple[Element, ...]) -> Element:
    form = make_form("form", ADMIN, fields)
    form.children.insert(0, Element("title", FORM_NAMESPACE, None, [title]))
    return form


def _result(*fields: Element) -> CommandResult:
    return CommandResult(make_form("result", ADMIN, fields))


def _one(fields: Fields, name: str) -> str:
    values = fields.get(name, [])
    if len(values) != 1 or not values[0]:
        raise _bad_payload(f"The field {name} needs one value.")
    return values[0]


def _limit(fields: Fields) -> int:
    """Read how many are wanted; a hundred when it is not said, as many as there may be for what is no number."""
    text = fields.get("max_items", ["100"])[0]
    return min(int(text), ACCOUNT_PAGE_ROW_COUNT_MAX) if text.isdecimal() else ACCOUNT_PAGE_ROW_COUNT_MAX


def _account(context: StreamContext, fields: Fields) -> JID:
    account = _address(context, _one(fields, "accountjid"))
    if account.resource:
        raise _bad_payload("Name an account, not a device.")
    return account


def _accounts(context: StreamContext, fields: Fields) -> list[JID]:
    values = fields.get("accountjids", [])
    if not 0 < len(values) <= ADMINISTERED_ACCOUNT_COUNT_MAX:
        raise _bad_payload(f"Name from one to {ADMINISTERED_ACCOUNT_COUNT_MAX} accounts.")
    return list(dict.fromkeys(_address(context, value) for value in values))


def _address(context: StreamContext, text: str) -> JID:
    try:
        address = parse_jid(text)
    except ValueError as error:
        raise _bad_payload(f"This is no address: {text}") from error
    if not address.local or address.domain != context.domain:
        raise _bad_payload(f"This is no account of {context.domain}: {text}")
    return address


def _require_account(account: JID) -> Steps:
    if not (yield from ask(AccountExists(account.local), bool)):
        raise Refused("item-not-found", "cancel", "There is no such account.")


def _execute(action: Action) -> Steps:
    outcome: Outcome = yield Execute(action)
    if isinstance(outcome, Rejected):
        raise Refused(*outcome)


def _for_each(accounts: list[JID], action_of: Callable[[JID], Action]) -> Steps:
    """Do something to each account; when there is one alone, its refusal is that of the command."""
    failures = []
    for account in accounts:
        try:
            yield from _execute(action_of(account))
        except Refused as refused:
            if len(accounts) == 1:
                raise
            failures.append(f"{account}: {refused}")
    return CommandResult(failures=tuple(failures))


def _bad_payload(text: str) -> Refused:
    return Refused("bad-request", "modify", text, f"{{{COMMANDS}}}bad-payload")
