"""
XEP-0077 In-Band Registration: make an account, change its password, delete it.

    <query xmlns='jabber:iq:register'><username>bill</username><password>Calliope</password></query>

Before authentication the stream calls `handle_registration`, if the service is open to everyone (section 3.1) or the
client is invited (XEP-0445). Afterwards a user may change the password (section 3.3) and cancel the account (section
3.2), whatever the service's openness. Section 3.2 has the server end all streams of a deleted account with
`not-authorized`; deleting it does so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.commands import CreateAccount, Credential, DeleteAccount, RegisterByInvite, SetCredentials
from raftline.machine.outcomes import Outcome, Rejected
from raftline.xmpp.effects import DeriveCredentials, Execute, Steps
from raftline.xmpp.element import Element
from raftline.xmpp.jid import prepare_local
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.machine.invites.views import InviteView
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

NAMESPACE: Final = "jabber:iq:register"
INSTRUCTIONS: Final = "Choose a username and a password."
REGISTERED_INSTRUCTIONS: Final = "You have an account here; you may change its password."


def register(modules: Modules) -> None:
    """Declare the extension and handle requests of bound streams."""
    modules.declare(
        Declaration(
            number=77,
            title="In-Band Registration",
            version="2.4",
            status="partial",
            features=(NAMESPACE,),
            note="Open to everyone where the operator opened it, else by invitation. Errors bear no numeric codes, "
            "which XMPP no longer has.",
        )
    )
    modules.on_iq("server", "get", NAMESPACE, "query", handle_get)
    modules.on_iq("server", "set", NAMESPACE, "query", handle_set)
    modules.on_iq("account", "get", NAMESPACE, "query", handle_get)
    modules.on_iq("account", "set", NAMESPACE, "query", handle_set)


def handle_registration(iq: Element, invite: InviteView | None = None) -> Steps:
    """
    Handle an IQ of a stream that has not authenticated and may register.

    Args:
        invite: The invitation that the client has shown the token of.

    Returns: The payload of the result.

    Raises:
        Refused: `conflict` for a name that is taken, `not-acceptable` for what is missing or cannot be used (section
            3.1), or for a name other than that of the invitation, `registration-required` for a removal,
            `item-not-found` for an invitation that was used meanwhile.
    """
    query = iq.child("query", NAMESPACE)
    assert query is not None, "the caller looked"
    if iq.get("type") == "get":
        return Element(
            "query",
            NAMESPACE,
            {},
            [
                Element("instructions", NAMESPACE, {}, [INSTRUCTIONS]),
                Element("username", NAMESPACE, {}, [invite.username] if invite is not None and invite.username else []),
                Element("password", NAMESPACE),
            ],
        )
    if query.child("remove", NAMESPACE) is not None:
        raise Refused("registration-required", "auth", "Authenticate first.")
    localpart = _username(query)
    credentials = yield from _derive(_text(query, "password"))
    if invite is None:
        yield from _execute(CreateAccount(localpart, credentials))
    else:
        yield from _execute(RegisterByInvite(localpart, credentials, invite.digest))
    return None


def handle_get(context: StreamContext, stanza: Stanza) -> Steps:
    """Tell a user that the account is registered (section 3.1, example 4)."""
    _check_own(context, stanza)
    yield from ()
    children: list[Element | str] = [
        Element("registered", NAMESPACE),
        Element("instructions", NAMESPACE, {}, [REGISTERED_INSTRUCTIONS]),
        Element("username", NAMESPACE, {}, [context.jid.local]),
        Element("password", NAMESPACE),
    ]
    return Element("query", NAMESPACE, {}, children)


def handle_set(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Change the password of the user's account, or delete it.

    Raises:
        Refused: `bad-request` for what is incomplete, `not-allowed` for another's account (sections 3.2, 3.3).
    """
    _check_own(context, stanza)
    query = next(stanza.element.elements())
    if query.child("remove", NAMESPACE) is not None:
        if sum(1 for _ in query.elements()) > 1:
            raise Refused("bad-request", "modify", "A removal stands alone.")
        yield from _execute(DeleteAccount(context.jid.local))
        return
    if _username(query) != context.jid.local:
        raise Refused("not-allowed", "cancel", "This is not your account.")
    credentials = yield from _derive(_text(query, "password"))
    yield from _execute(SetCredentials(context.jid.local, credentials))


def _check_own(context: StreamContext, stanza: Stanza) -> None:
    if stanza.to is not None and stanza.to.local and stanza.to != context.jid.bare:
        raise Refused("forbidden", "auth", "This is not your account.")


def _derive(password: str) -> Steps:
    credentials: tuple[Credential, ...] = yield DeriveCredentials(password)
    return credentials


def _execute(action: CreateAccount | RegisterByInvite | DeleteAccount | SetCredentials) -> Steps:
    outcome: Outcome = yield Execute(action)
    if isinstance(outcome, Rejected):
        raise Refused(outcome.condition, outcome.kind, outcome.text)


def _username(query: Element) -> str:
    try:
        return prepare_local(_text(query, "username"))
    except ValueError as error:
        raise Refused("not-acceptable", "modify", "This cannot be a username.") from error


def _text(query: Element, name: str) -> str:
    child = query.child(name, NAMESPACE)
    if child is None or not child.text:
        raise Refused("not-acceptable", "modify", f"The {name} is missing.")
    return child.text
