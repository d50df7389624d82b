"""
Tokens and links of invitations (XEP-0401, 0445, 0379): what people pass on to each other.

A token is chance in hexadecimal digits, drawn by whoever proposes the invitation. It is told once, to the inviter, and
nothing but its digest is kept.
"""

from __future__ import annotations

import string
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.limits import INVITE_DIGEST_SIZE, INVITE_TOKEN_SIZE_MAX
from raftline.base.timestamps import format_timestamp
from raftline.machine.outcomes import Done, InviteIssued, Outcome, Rejected
from raftline.xmpp.data_forms import make_form
from raftline.xmpp.effects import Execute
from raftline.xmpp.payloads import form_field

if TYPE_CHECKING:
    from raftline.machine.invites.commands import IssueInvite
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.element import Element

PREAUTH_NAMESPACE: Final = "urn:xmpp:pars:0"
"""Of the element that shows a token, `<preauth token='…'/>` (XEP-0379 section 3.4, XEP-0445 section 4)."""

INVITATION_FORM: Final = "urn:xmpp:invite#invitation"
"""Of the form that tells an invitation (XEP-0401 section 5.1)."""

TOKEN_BYTES: Final = 12
"""Bytes of chance in a token: 96 bits, XEP-0379 section 5.1 asks for 80."""

_UNRESERVED: Final = frozenset(string.ascii_letters + string.digits + "-._~")
_IN_LOCALPART: Final = _UNRESERVED | frozenset("!$()*+,=")
_IN_DOMAIN: Final = _UNRESERVED | frozenset(":[]")
"""What stands in a link as it is (RFC 5122 section 2.2); all else is escaped."""


def digest_of(token: str) -> bytes:
    """Return what is kept of a token; empty for one that cannot be a token at all."""
    if not 0 < len(token) <= INVITE_TOKEN_SIZE_MAX:
        return b""
    return blake2b(token.encode(), digest_size=INVITE_DIGEST_SIZE, person=b"raftline-invite").digest()


def registration_link(domain: str, username: str, token: str) -> str:
    """Write the link by which an account is opened (XEP-0401 section 5.4); `username` is empty for any."""
    return f"xmpp:{_address(username, domain)}?register;preauth={token}"


def contact_link(domain: str, inviter: str, token: str, *, registers: bool) -> str:
    """Write the link by which somebody becomes a contact, and may open an account first (XEP-0401 section 5.1)."""
    return f"xmpp:{_address(inviter, domain)}?roster;preauth={token}{';ibr=y' if registers else ''}"


def room_link(rooms_domain: str, room: str, token: str, *, registers: bool) -> str:
    """Write the link by which somebody becomes a member of a room (docs/rooms.md)."""
    return f"xmpp:{_address(room, rooms_domain)}?join;preauth={token}{';ibr=y' if registers else ''}"


def landing_page(page_url: str, link: str) -> str:
    """
    Write the address of a page that shows an invitation to who has no chat app yet (XEP-0379 section 3.3).

    What is behind the # stays in the browser.

    Args:
        page_url: Where browsers reach a node by HTTPS; empty for nowhere, and then there is no page.
    """
    return f"{page_url}/invite/#{link.removeprefix('xmpp:')}" if page_url else ""


def issue(action: IssueInvite) -> Steps:
    """
    Keep an invitation.

    Returns: The cluster time at which it expires.

    Raises:
        Refused: As machine.invites.commands.IssueInvite says.
    """
    outcome: Outcome = yield Execute(action)
    if isinstance(outcome, Rejected):
        raise Refused(*outcome)
    assert isinstance(outcome, Done)
    assert isinstance(outcome.result, InviteIssued)
    return outcome.result.expires_ms


def invitation_form(link: str, landing_url: str, expires_ms: int, **more: str) -> Element:
    """
    Make the form that tells an invitation, the only place where its token is told.

    Args:
        landing_url: Empty for none.
        more: Further fields; a `_` stands for `-`.
    """
    fields = [form_field("uri", "text-single", link)]
    if landing_url:
        fields.append(form_field("landing-url", "text-single", landing_url))
    fields += [form_field(name.replace("_", "-"), "text-single", value) for name, value in more.items()]
    fields.append(form_field("expire", "text-single", format_timestamp(expires_ms)))
    return make_form("result", INVITATION_FORM, fields)


def _address(localpart: str, domain: str) -> str:
    host = _escaped(domain, _IN_DOMAIN)
    return f"{_escaped(localpart, _IN_LOCALPART)}@{host}" if localpart else host


def _escaped(text: str, kept: frozenset[str]) -> str:
    return "".join(chr(byte) if chr(byte) in kept else f"%{byte:02X}" for byte in text.encode())
