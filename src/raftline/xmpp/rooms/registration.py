"""
Registration with a room: membership and a nickname that is kept (XEP-0045 section 7.10).

In an open room it is had for the asking; in one for members alone by an invitation (docs/rooms.md), or from its admins,
where the room takes requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.rooms.commands import RegisterInRoom
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.views import RoomView
from raftline.xmpp.element import Element
from raftline.xmpp.jid import prepare_resource
from raftline.xmpp.payloads import FORM_NAMESPACE, form_field, parse_form, propose_or_refuse
from raftline.xmpp.rooms.names import REGISTER_FORM, address, view_of
from raftline.xmpp.rooms.presence import shown_invitation

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

REGISTER_NAMESPACE: Final = "jabber:iq:register"
_NICK: Final = "muc#register_roomnick"


def handle_get(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return the form, or what the user is registered as.

    Raises:
        Refused: `not-allowed` to who may not register and shows no invitation.
    """
    view: RoomView = yield from view_of(context, stanza)
    if view.kept_nick:
        name = Element("username", REGISTER_NAMESPACE, None, [view.kept_nick])
        return Element("query", REGISTER_NAMESPACE, None, [Element("registered", REGISTER_NAMESPACE), name])
    query = stanza.element.child("query", REGISTER_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    if not shown_invitation(query):
        _require_open(view)
    field = form_field(_NICK, "text-single")
    field.children.append(Element("required", FORM_NAMESPACE))
    fields: list[Element | str] = [form_field("FORM_TYPE", "hidden", REGISTER_FORM), field]
    form = Element("x", FORM_NAMESPACE, {"type": "form"}, fields)
    instructions = Element("instructions", REGISTER_NAMESPACE, None, [_instructions(view)])
    return Element("query", REGISTER_NAMESPACE, None, [instructions, form])


def handle_set(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Register, or give it up.

    Raises:
        Refused: `not-allowed` to who may not register and shows no invitation, `bad-request` without a form or a
            nickname; from apply: `conflict` for a nickname that is taken, `not-allowed` for an invitation that is no
            good.
    """
    view: RoomView = yield from view_of(context, stanza)
    query = stanza.element.child("query", REGISTER_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    room = address(stanza).local
    if query.child("remove", REGISTER_NAMESPACE) is not None:
        yield from propose_or_refuse(RegisterInRoom(room, ""))
        return
    invite = shown_invitation(query)
    if not invite:
        _require_open(view)
    form = parse_form(query, REGISTER_FORM)
    if form is None:
        raise Refused("bad-request", "modify", "Submit the form.")
    try:
        nick = prepare_resource("".join(form.get(_NICK, [])))
    except ValueError as error:
        raise Refused("bad-request", "modify", "This cannot be a nickname.") from error
    yield from propose_or_refuse(RegisterInRoom(room, nick, invite))


def _instructions(view: RoomView) -> str:
    if view.waits_for_admins:
        return "You have asked to join; an admin has yet to answer. Send the form again to change your nickname."
    if view.settings.members_only and view.affiliation == Affiliation.NONE:
        return "Choose the nickname to keep for you. An admin will decide whether you may join."
    return "Choose the nickname to keep for you."


def _require_open(view: RoomView) -> None:
    settings = view.settings
    is_closed = settings.members_only and not settings.join_requests and view.affiliation == Affiliation.NONE
    if view.affiliation == Affiliation.OUTCAST or is_closed:
        raise Refused("not-allowed", "cancel", "Members are made by admins here.")
