"""
Ad-hoc commands of a room (XEP-0050): what its members, admins and owners do beyond XEP-0045 (docs/rooms.md).

    #invite        a link that makes whoever has it a member
    #invitations   those that are open: all of them to admins, their own to members
    #revoke        take one back
    #requests      who asks to be a member, for admins
    #decide        yes or no to one of them

A client that knows nothing of them shows their forms. Who may execute what is decided by apply; a command is not listed
for whom it would refuse.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.limits import (
    INVITE_LIFETIME_MAX_MS,
    INVITE_LIFETIME_MIN_MS,
    INVITE_LIFETIME_MS,
    ROOM_INVITE_USE_COUNT_MAX,
)
from raftline.base.timestamps import format_timestamp
from raftline.machine.invites.commands import IssueInvite, Purpose, RevokeRoomInvite
from raftline.machine.invites.queries import RoomInvites
from raftline.machine.invites.views import InviteView
from raftline.machine.rooms.commands import DecideJoinRequest
from raftline.machine.rooms.doors import DOORS_NAMESPACE
from raftline.machine.rooms.queries import JoinRequestsFor
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.views import JoinRequestView
from raftline.xmpp.ad_hoc import COMMANDS_NAMESPACE, run_command
from raftline.xmpp.data_forms import boolean_field, make_form, read_boolean, read_count, read_text, table_form
from raftline.xmpp.effects import ask
from raftline.xmpp.invites import digest_of, invitation_form, issue, landing_page, registration_link, room_link
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.module import Command, CommandResult
from raftline.xmpp.payloads import form_field, propose_or_refuse
from raftline.xmpp.rooms.names import address, view_of

if TYPE_CHECKING:
    from raftline.machine.rooms.views import RoomView
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.element import Element
    from raftline.xmpp.jid import JID
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

INVITE_NODE: Final = f"{DOORS_NAMESPACE}#invite"
INVITATIONS_NODE: Final = f"{DOORS_NAMESPACE}#invitations"
REVOKE_NODE: Final = f"{DOORS_NAMESPACE}#revoke"

REQUESTS_NODE: Final = f"{DOORS_NAMESPACE}#requests"
DECIDE_NODE: Final = f"{DOORS_NAMESPACE}#decide"

Fields = dict[str, list[str]]

_LIFETIME_S: Final = (INVITE_LIFETIME_MIN_MS // 1000, INVITE_LIFETIME_MAX_MS // 1000, INVITE_LIFETIME_MS // 1000)


def handle_command(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Begin a command of a room, go on with it, or let it be.

    Raises:
        Refused: `item-not-found` when there is no such room; as `ad_hoc.run_command` and the command itself.
    """
    view: RoomView = yield from view_of(context, stanza)
    return (yield from run_command(context, stanza, commands_of(view, address(stanza))))


def commands_of(view: RoomView, room: JID) -> dict[str, Command]:
    """Return the commands of a room, by node, for who sees it so."""
    is_admin = view.affiliation >= Affiliation.ADMIN
    is_member = view.affiliation == Affiliation.MEMBER and view.settings.invites_open
    may_invite = is_admin or is_member
    commands = (
        Command(INVITE_NODE, "Invite by link", lambda _context: may_invite, partial(_invite, room), _invite_form()),
        Command(
            INVITATIONS_NODE, "Open invitations", lambda _context: may_invite, partial(_list_invitations, view, room)
        ),
        Command(
            REVOKE_NODE, "Take an invitation back", lambda _context: may_invite, partial(_revoke, room), _revoke_form()
        ),
        Command(REQUESTS_NODE, "Who asks to join", lambda _context: is_admin, partial(_list_requests, room)),
        Command(
            DECIDE_NODE, "Let somebody in, or not", lambda _context: is_admin, partial(_decide, room), _decide_form()
        ),
    )
    return {command.node: command for command in commands}


def _invite(room: JID, context: StreamContext, fields: Fields) -> Steps:
    """
    Make a link.

    Raises:
        Refused: `bad-request` for fields that cannot be; from apply: `forbidden`, `resource-constraint`.
    """
    try:
        uses = read_count(fields.get("uses", []), 1, ROOM_INVITE_USE_COUNT_MAX, 1)
        lifetime_s = read_count(fields.get("lifetime", []), *_LIFETIME_S)
        registers = read_boolean(fields.get("register") or ["false"]) and context.modules.users_register
    except ValueError as error:
        raise bad_payload(f"The form cannot be read: {error}.") from error
    purposes = Purpose.JOIN | Purpose.REGISTER if registers else Purpose.JOIN
    token = context.new_id()
    inviter = context.jid.local
    action = IssueInvite(digest_of(token), inviter, "", int(purposes), 1000 * lifetime_s, room.local, uses)
    expires_ms = yield from issue(action)
    link = room_link(room.domain, room.local, token, registers=registers)
    more = {"register_uri": registration_link(context.domain, "", token)} if registers else {}
    return CommandResult(invitation_form(link, landing_page(context.modules.page_url, link), expires_ms, **more))


def _list_invitations(view: RoomView, room: JID, context: StreamContext, _fields: Fields) -> Steps:
    """List open invitations; the id is good for taking one back, and for nothing else."""
    inviter = None if view.affiliation >= Affiliation.ADMIN else context.jid.local
    found: list[InviteView] = yield from ask(RoomInvites(room.local, inviter), list)
    columns = {
        "id": "Id",
        "inviter": "Invited by",
        "uses": "Uses left",
        "register": "Opens accounts",
        "expire": "Until",
    }
    rows = [
        {
            "id": invite.digest.hex(),
            "inviter": f"{invite.inviter}@{context.domain}",
            "uses": str(invite.uses),
            "register": "1" if invite.purposes & Purpose.REGISTER else "0",
            "expire": format_timestamp(invite.expires_ms),
        }
        for invite in found
    ]
    return CommandResult(table_form(INVITATIONS_NODE, columns, rows))


def _revoke(room: JID, _context: StreamContext, fields: Fields) -> Steps:
    """
    Take an invitation back.

    Raises:
        Refused: `item-not-found` for one that is not there, or not the user's.
    """
    try:
        digest = bytes.fromhex(read_text(fields.get("id", [])))
    except ValueError:
        digest = b""  # of no invitation
    yield from propose_or_refuse(RevokeRoomInvite(room.local, digest))
    return CommandResult()


def _list_requests(room: JID, _context: StreamContext, _fields: Fields) -> Steps:
    """List who waits to be let in."""
    found: list[JoinRequestView] = yield from ask(JoinRequestsFor(room.local), list)
    columns = {"jid": "Address", "nick": "Nickname", "since": "Since", "expire": "Until"}
    rows = [
        {
            "jid": request.jid,
            "nick": request.nick,
            "since": format_timestamp(request.asked_ms),
            "expire": format_timestamp(request.due_ms),
        }
        for request in found
    ]
    return CommandResult(table_form(REQUESTS_NODE, columns, rows))


def _decide(room: JID, _context: StreamContext, fields: Fields) -> Steps:
    """
    Let somebody in, or not.

    Raises:
        Refused: `bad-request` for what is no address, or says neither yes nor no; from apply: `item-not-found` for
            somebody who does not wait, `resource-constraint` when the room has no place.
    """
    try:
        jid = parse_jid(read_text(fields.get("jid", []))).bare
        allows = read_boolean(fields.get("allow", []))
    except ValueError as error:
        raise bad_payload(f"The form cannot be read: {error}.") from error
    yield from propose_or_refuse(DecideJoinRequest(room.local, str(jid), allows))
    return CommandResult()


def _decide_form() -> Element:
    jid = labelled(form_field("jid", "jid-single"), "Who")
    return make_form("form", DECIDE_NODE, (jid, labelled(boolean_field("allow", value=False), "Let them in")))


def _invite_form() -> Element:
    """Make the form that is filled in for a link; what is left as it is makes one for one person and a week."""
    least, greatest, usual = _LIFETIME_S
    return make_form(
        "form",
        INVITE_NODE,
        (
            labelled(form_field("uses", "text-single", "1"), f"How many may use it, 1 to {ROOM_INVITE_USE_COUNT_MAX}"),
            labelled(form_field("lifetime", "text-single", str(usual)), f"For how many seconds, {least} to {greatest}"),
            labelled(boolean_field("register", value=False), "Who has no account may open one"),
        ),
    )


def _revoke_form() -> Element:
    return make_form("form", REVOKE_NODE, (labelled(form_field("id", "text-single"), "Id of the invitation"),))


def labelled(field: Element, label: str) -> Element:
    """Give a field its label."""
    field.attributes["label"] = label
    return field


def bad_payload(text: str) -> Refused:
    """Make the refusal of a form that cannot be read (XEP-0050 section 4.4)."""
    return Refused("bad-request", "modify", text, f"{{{COMMANDS_NAMESPACE}}}bad-payload")
