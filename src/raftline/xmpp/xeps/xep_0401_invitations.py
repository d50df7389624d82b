"""
XEP-0401 Ad-hoc Account Invitation Generation: users invite friends, administrators invite users.

    urn:xmpp:invite#invite           any user         a link that makes its reader a contact, after opening an account
    urn:xmpp:invite#create-account   administrators   a link that opens an account, under a name if one was given

The answer is the only place where the token is told. `raftline user invite` makes links of the second kind as well.
Rules and limits are those of machine/invites.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.limits import INVITE_LIFETIME_MS
from raftline.machine.invites.commands import IssueInvite, Purpose
from raftline.xmpp.data_forms import read_boolean, read_text
from raftline.xmpp.element import Element
from raftline.xmpp.invites import contact_link, digest_of, invitation_form, issue, landing_page, registration_link
from raftline.xmpp.jid import prepare_local
from raftline.xmpp.module import Command, CommandResult, Declaration
from raftline.xmpp.payloads import FORM_NAMESPACE, form_field

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext

INVITE_NODE: Final = "urn:xmpp:invite#invite"
CREATE_NODE: Final = "urn:xmpp:invite#create-account"
_COMMANDS: Final = "http://jabber.org/protocol/commands"

Fields = dict[str, list[str]]


def register(modules: Modules, administrators: Collection[str], *, users_register: bool, page_url: str) -> None:
    """
    Offer the commands.

    Args:
        administrators: Bare JIDs of those who may invite people under a name.
        users_register: Who is invited by a user may open an account.
        page_url: Where browsers reach this node by HTTPS; empty for nowhere, and then there is no landing page.
    """
    modules.declare(Declaration(number=401, title="Ad-hoc Account Invitation Generation", version="0.6.0"))
    trusted = frozenset(administrators)

    def invite(context: StreamContext, _fields: Fields) -> Steps:
        link, expires_ms = yield from invite_contact(context, registers=users_register)
        return CommandResult(invitation_form(link, landing_page(page_url, link), expires_ms))

    def create(context: StreamContext, fields: Fields) -> Steps:
        link, expires_ms = yield from invite_user(context, fields)
        return CommandResult(invitation_form(link, landing_page(page_url, link), expires_ms))

    modules.commands[INVITE_NODE] = Command(INVITE_NODE, "Invite somebody", lambda _context: True, invite)
    modules.commands[CREATE_NODE] = Command(
        CREATE_NODE,
        "Invite a new user",
        lambda context: str(context.jid.bare) in trusted,
        create,
        _asking(),
    )


def invite_contact(context: StreamContext, *, registers: bool) -> Steps:
    """
    Make a link by which somebody becomes the user's contact (section 5.1).

    Returns: The link, and the cluster time at which it expires.

    Raises:
        Refused: `resource-constraint` while too many invitations of the user are open.
    """
    purposes = Purpose.SUBSCRIBE | Purpose.REGISTER if registers else Purpose.SUBSCRIBE
    token = context.new_id()
    expires_ms = yield from issue(
        IssueInvite(digest_of(token), context.jid.local, "", int(purposes), INVITE_LIFETIME_MS)
    )
    return contact_link(context.domain, context.jid.local, token, registers=registers), expires_ms


def invite_user(context: StreamContext, fields: Fields) -> Steps:
    """
    Make a link by which an account is opened (section 5.4).

    Returns: As `invite_contact`.

    Raises:
        Refused: `bad-request` for a name that cannot be one, `conflict` for one that is taken or kept,
            `resource-constraint` while too many invitations of the user are open.
    """
    try:
        written = read_text(fields.get("username", []))
        username = prepare_local(written) if written else ""
        is_contact = read_boolean(fields.get("roster-subscription") or ["false"])
    except ValueError as error:
        raise Refused(
            "bad-request", "modify", f"The form cannot be read: {error}", f"{{{_COMMANDS}}}bad-payload"
        ) from error
    purposes = Purpose.REGISTER | Purpose.SUBSCRIBE if is_contact else Purpose.REGISTER
    token = context.new_id()
    expires_ms = yield from issue(
        IssueInvite(digest_of(token), context.jid.local, username, int(purposes), INVITE_LIFETIME_MS)
    )
    return registration_link(context.domain, username, token), expires_ms


def _asking() -> Element:
    """Make the form of section 5.4, which has no FORM_TYPE."""
    username, subscription = form_field("username", "text-single"), form_field("roster-subscription", "boolean")
    username.attributes["label"] = "User name, if it is not theirs to choose"
    subscription.attributes["label"] = "Become contacts"
    title = Element("title", FORM_NAMESPACE, None, ["Invite a new user"])
    return Element("x", FORM_NAMESPACE, {"type": "form"}, [title, username, subscription])
