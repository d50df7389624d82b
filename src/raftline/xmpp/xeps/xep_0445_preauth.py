"""
XEP-0445 Pre-Authenticated In-Band Registration: who was invited shows a token, then registers (XEP-0077).

    ── <preauth token='…'/> ──> looked up after a barrier ── <query xmlns='jabber:iq:register'/> ──> RegisterByInvite

Whether a token has expired is asked here and not again (section 4): the stream remembers it, and the command that uses
it up is taken for longer than a stream may take. Two streams may show the same token; the state machine lets one of
them register.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.invites.commands import Purpose
from raftline.machine.invites.queries import InviteOf
from raftline.machine.invites.views import InviteView
from raftline.xmpp.effects import Ask, Barrier
from raftline.xmpp.element import Element
from raftline.xmpp.invites import PREAUTH_NAMESPACE, digest_of
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules

TOKEN_FEATURE: Final = "urn:xmpp:ibr-token:0"  # noqa: S105 - a namespace


def register(modules: Modules) -> None:
    """Declare the extension; login.py takes the token."""
    modules.declare(Declaration(number=445, title="Pre-Authenticated In-Band Registration", version="0.2.0"))


def preauth_feature() -> Element:
    """Make the stream feature (section 3)."""
    return Element("register", TOKEN_FEATURE)


def is_preauth(iq: Element) -> bool:
    """Whether an IQ shows a token."""
    return iq.get("type") == "set" and iq.child("preauth", PREAUTH_NAMESPACE) is not None


def handle_preauth(iq: Element) -> Steps:
    """
    Look a token up; it is not used by that.

    Returns: The InviteView of its invitation.

    Raises:
        Refused: `item-not-found` for a token that is unknown, expired, used, or not for registration (section 4).
    """
    preauth = iq.child("preauth", PREAUTH_NAMESPACE)
    assert preauth is not None, "the caller looked"
    digest = digest_of(preauth.get("token") or "")
    yield Barrier()  # it may have been issued by another node a moment ago
    view: InviteView | None = yield Ask(InviteOf(digest))
    if view is None or view.is_expired or not view.purposes & Purpose.REGISTER:
        raise Refused("item-not-found", "cancel", "The provided token is invalid or expired.")
    return view
