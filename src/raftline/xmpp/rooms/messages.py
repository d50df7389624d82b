"""
Messages to rooms (XEP-0045 sections 7.4, 7.5, 7.8.2, 7.13, 8.1, 8.6).

| message | way |
|---|---|
| groupchat with content, signal or anything that is no state | log; kept by the room's archive unless a hint forbids |
| groupchat, marker alone | log; in a crowd it stays there, as far as it was read is remembered |
| groupchat, chat state alone | off the log, to those there now, unless they are a crowd |
| any type but groupchat, to an occupant | log |
| with an invitation or its refusal, to the room | log |
| request for voice, or a moderator's answer to one | log |
| an admin's answer to who asks to be a member | log |
| type error | nowhere |
| anything else to the room | refused |

Receipts and markers are kept as well: one row for everyone, where each session would need one of its own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import asdict

from raftline.base.errors import Refused
from raftline.base.ids import Position
from raftline.base.limits import ROOM_STATE_AUDIENCE_MAX
from raftline.machine.polls.commands import AskInRoom
from raftline.machine.pubsub.bookmarks import PRIVATE_OPTIONS
from raftline.machine.pubsub.commands import Publish
from raftline.machine.pubsub.displayed import DISPLAYED_NODE
from raftline.machine.queries import SessionRow
from raftline.machine.rooms import markup
from raftline.machine.rooms.commands import (
    ChangeKind,
    ChangeOccupants,
    DecideJoinRequest,
    DeclineInvitation,
    InviteToRoom,
    OccupantChange,
    RequestVoice,
    SpeakInRoom,
    WhisperInRoom,
)
from raftline.machine.rooms.queries import JoinRequestsFor, SessionsUnder
from raftline.machine.rooms.ranks import Role
from raftline.machine.rooms.views import JoinRequestView, RoomView
from raftline.machine.view_once.commands import SealInRoom
from raftline.xmpp.effects import Route, Submit, ask
from raftline.xmpp.ephemeral import timer_of
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.markers import marked_id
from raftline.xmpp.messages import (
    CONTENT,
    DISPLAYED,
    EPHEMERAL,
    MARKER,
    NO_PERMANENT_STORE,
    NO_STORE,
    OTHER,
    QUESTION,
    QUIET,
    SEALED,
    SIGNAL,
    STORE,
    displayed_of,
    fingerprint_of,
    traits_of,
)
from raftline.xmpp.payloads import FORM_NAMESPACE, STANZA_ID_NAMESPACE, TRUE, form_type_of, own_position, parse_form
from raftline.xmpp.polls.reading import read_question, with_text
from raftline.xmpp.reactions import is_reaction
from raftline.xmpp.rooms.names import (
    REGISTER_FORM,
    REQUEST_FORM,
    REQUESTER_FIELD,
    USER_NAMESPACE,
    address,
    require_inside,
    view_of,
)
from raftline.xmpp.stanza import CLIENT_NAMESPACE
from raftline.xmpp.view_once import is_sealed, read_sealed, without_sealed

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.element import Element
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza


def handle_message(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Handle a message to a room or an occupant.

    Raises:
        Refused: `bad-request` for type groupchat to an occupant (section 7.5), `service-unavailable` for the host and
            for what a room does not take, `bad-request` or `policy-violation` for a time to disappear at that cannot
            be kept (XEP-0466). What apply refuses comes as the outcome.
    """
    to = address(stanza)
    if stanza.type == "error":
        return
    if not to.local:
        raise Refused("service-unavailable", "cancel", "The service takes no messages.")
    if to.resource:
        if stanza.type == "groupchat":
            raise Refused("bad-request", "modify", "What is for everyone goes to the room.")
        if any(map(is_sealed, stanza.element.elements())):
            raise Refused("not-acceptable", "modify", "What is viewed once is sent to an account, or to everyone.")
        timer_s = timer_of(stanza.element)
        yield Submit(WhisperInRoom(to.local, to.resource, _without_addresses(stanza, to), timer_s))
    elif stanza.type == "groupchat":
        yield from _speak(context, stanza, to)
    else:
        yield from _ask_room(context, stanza, to)


def _speak(context: StreamContext, stanza: Stanza, to: JID) -> Steps:
    traits, origin_id = traits_of(stanza.element)
    timer_s = timer_of(stanza.element) if traits & EPHEMERAL else 0
    message = _without_addresses(stanza, to)
    displayed = displayed_of(stanza.element) if traits & DISPLAYED else b""
    if not traits & (CONTENT | SIGNAL | OTHER | STORE):
        if displayed:
            yield Submit(Publish(DISPLAYED_NODE, str(to), displayed, PRIVATE_OPTIONS))
        yield from _send_state(context, stanza, message)
        return
    command = SpeakInRoom(
        to.local,
        message,
        is_subject=_is_subject(stanza.element),
        kept=not traits & (NO_STORE | NO_PERMANENT_STORE),
        origin_id=origin_id,
        fingerprint=fingerprint_of(message, origin_id),
        retracts=_retracted(context, stanza.element),
        message_id=stanza.id,
        displayed=displayed,
        timer_s=timer_s,
        marked=_marked(context, stanza.element) if traits & MARKER and not traits & NO_STORE else Position(0),
        marks_only=bool(traits & MARKER) and not traits & (CONTENT | OTHER | STORE),
        reacts=is_reaction(stanza.element) if traits & QUIET else False,
    )
    if traits & SEALED:
        if traits & QUESTION:
            raise Refused("not-acceptable", "modify", "A question is for everyone to see.")
        fields = asdict(command) | {"stanza": without_sealed(stanza, None, None, partial(_is_forged, str(to.bare)))}
        yield Submit(SealInRoom(**fields, sealed=read_sealed(stanza)))
        return
    if traits & QUESTION:
        terms = read_question(stanza)
        fields = {**asdict(command), "stanza": with_text(message, stanza, terms)}
        yield Submit(AskInRoom(**fields, poll=terms))
        return
    yield Submit(command)


def _marked(context: StreamContext, message: Element) -> Position:
    """Return up to which message of the archive a marker says that all is read; 0 for none (XEP-0333 section 4.3)."""
    position = own_position(marked_id(message), context.epochs)
    return Position(0) if position is None else position


def _retracted(context: StreamContext, message: Element) -> Position:
    """Return which message of the archive a message retracts (XEP-0424 section 4); 0 for none."""
    retract = message.child("retract", markup.RETRACT_NAMESPACE)
    position = None if retract is None else own_position(retract.get("id") or "", context.epochs)
    return Position(0) if position is None else position


def _send_state(context: StreamContext, stanza: Stanza, message: bytes) -> Steps:
    """Send a chat state to those who are there now; in a crowd nobody watches who is typing."""
    view: RoomView = yield from view_of(context, stanza)
    require_inside(view)
    if view.role < Role.PARTICIPANT:
        raise Refused("forbidden", "auth", "You have no voice in this room.")
    to = address(stanza)
    question = SessionsUnder(to.local, limit=ROOM_STATE_AUDIENCE_MAX + 1)
    audience: list[SessionRow] = yield from ask(question, list)
    if len(audience) > ROOM_STATE_AUDIENCE_MAX:
        return
    mark = f"<occupant-id xmlns='{markup.OCCUPANT_ID_NAMESPACE}' id='{view.occupant_id}'/>".encode()
    state = markup.with_child(markup.sent_from(message, f"{to}/{view.nick}"), mark)
    for session in audience:
        yield Route(session.session_id, state)


def _ask_room(context: StreamContext, stanza: Stanza, to: JID) -> Steps:
    """Hand on what asks the room itself for something."""
    request = stanza.element.child("x", USER_NAMESPACE)
    if request is not None:
        for name in ("invite", "decline"):
            found = [child for child in request.elements() if child.name == name]
            if found:
                yield Submit(_invitation(context, to, name, found))
                return
    if form_type_of(stanza.element) == REGISTER_FORM:
        yield from _decide(stanza, to)
        return
    form = parse_form(stanza.element, REQUEST_FORM)
    if form is None:
        raise Refused("service-unavailable", "cancel", "A room takes messages of type groupchat.")
    if "muc#request_allow" not in form:
        if form.get("muc#role") != ["participant"]:
            raise Refused("bad-request", "modify", "Voice alone can be asked for.")
        yield Submit(RequestVoice(to.local))
    elif form["muc#request_allow"][:1] and form["muc#request_allow"][0] in TRUE:
        nick = "".join(form.get("muc#roomnick", []))
        change = OccupantChange(ChangeKind.ROLE, nick, int(Role.PARTICIPANT))
        yield Submit(ChangeOccupants(to.local, (change,)))


def _decide(stanza: Stanza, to: JID) -> Steps:
    """Take an admin's answer to who asked to be a member (section 9.9); one that is cancelled decides nothing."""
    form = stanza.element.child("x", FORM_NAMESPACE)
    assert form is not None, "the caller looked"
    if form.get("type") == "cancel":
        return
    fields = parse_form(stanza.element, REGISTER_FORM)
    assert fields is not None, "there is one"
    allows, nick = fields.get("muc#register_allow", []), "".join(fields.get("muc#register_roomnick", []))
    jid = "".join(fields.get(REQUESTER_FIELD, []))
    if len(allows) != 1:
        raise Refused("bad-request", "modify", "The form says neither yes nor no.")
    if not jid:  # a client that sends back what it knows alone
        waiting: list[JoinRequestView] = yield from ask(JoinRequestsFor(to.local), list)
        jid = next((request.jid for request in waiting if request.nick == nick), "")
    yield Submit(DecideJoinRequest(to.local, jid, allows[0] in TRUE))


def _invitation(context: StreamContext, to: JID, name: str, found: list[Element]) -> InviteToRoom | DeclineInvitation:
    """Read an invitation or its refusal; one at a time, as a stanza causes one command at most."""
    if len(found) > 1:
        raise Refused("bad-request", "modify", "Invite one at a time.")
    child = found[0]
    try:
        other = parse_jid(child.get("to") or "")
    except ValueError as error:
        raise Refused("jid-malformed", "modify", "Whom? This is no address.") from error
    if other.domain != context.domain or not other.local:
        raise Refused("remote-server-not-found", "cancel", f"There is no way to {other.domain} from here.")
    reason = child.child("reason", USER_NAMESPACE)
    text = "" if reason is None else reason.text
    if name == "decline":
        return DeclineInvitation(to.local, other.local, text)
    continued = child.child("continue", USER_NAMESPACE)
    thread = "" if continued is None else continued.get("thread") or ""
    return InviteToRoom(to.local, other.local, text, thread)


def _is_subject(message: Element) -> bool:
    """Whether a message sets the subject: it has one, and neither body nor thread (section 8.1)."""
    names = {child.name for child in message.elements() if child.namespace == CLIENT_NAMESPACE}
    return "subject" in names and not names & {"body", "thread"}


def _without_addresses(stanza: Stanza, to: JID) -> bytes:
    return stanza.stamped(None, None, drop=partial(_is_forged, str(to.bare)))


def _is_forged(room: str, child: Element) -> bool:
    """
    Is the child one that occupants do not get?

    What the room alone may write, about the sender or as the message's id in its archive, and what is meant for the
    server (XEP-0490 section 3.2.3).
    """
    if child.namespace == STANZA_ID_NAMESPACE and child.name == "stanza-id":
        try:
            return str(parse_jid(child.attributes.get("by", ""))) == room
        except ValueError:
            return False  # nobody's address, so not the room's
    if child.namespace == DISPLAYED_NODE:
        return child.name == "displayed"
    return child.namespace in {USER_NAMESPACE, markup.OCCUPANT_ID_NAMESPACE}
