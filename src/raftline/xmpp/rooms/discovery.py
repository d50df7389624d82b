"""Service discovery of the host and its rooms (XEP-0045 section 6, 7.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.limits import ROOM_PAGE_ROW_COUNT_MAX
from raftline.machine.rooms.queries import PeopleIn, PublicRooms
from raftline.machine.rooms.settings import RoomSettings
from raftline.machine.rooms.views import OccupantView, RoomNames, RoomView
from raftline.machine.timers.ephemeral import EPHEMERAL_NAMESPACE
from raftline.xmpp.ad_hoc import COMMANDS_NAMESPACE, describe_command, find_command, list_commands, list_element
from raftline.xmpp.avatars import VCARD_NAMESPACE
from raftline.xmpp.capabilities import INFO_NAMESPACE, ITEMS_NAMESPACE
from raftline.xmpp.effects import ask
from raftline.xmpp.element import Element
from raftline.xmpp.invites import PREAUTH_NAMESPACE
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.payloads import FORM_NAMESPACE, form_field, page_element, parse_page_request
from raftline.xmpp.rooms.commands import commands_of
from raftline.xmpp.rooms.forms import ANNOUNCEMENTS_FIELD, JOIN_REQUESTS_FIELD, MESSAGE_TIMER_FIELD, REACTIONS_FIELD
from raftline.xmpp.rooms.names import PING_NAMESPACE, VERSIONS_NAMESPACE, address, view_of
from raftline.xmpp.stanza import CLIENT_NAMESPACE, MUC_NAMESPACE, parse_stanza

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

INFO_FORM: Final = "http://jabber.org/protocol/muc#roominfo"
NICK_NODE: Final = "x-roomuser-item"

HOST_FEATURES: Final = (
    INFO_NAMESPACE,
    ITEMS_NAMESPACE,
    MUC_NAMESPACE,
    "jabber:iq:register",
    VCARD_NAMESPACE,
    "urn:xmpp:occupant-id:0",
    PING_NAMESPACE,
    "http://jabber.org/protocol/rsm",
)
"""What the host itself announces."""

ROOM_FEATURES: Final = (
    INFO_NAMESPACE,
    ITEMS_NAMESPACE,
    MUC_NAMESPACE,
    "http://jabber.org/protocol/muc#stable_id",
    "http://jabber.org/protocol/muc#request",
    "http://jabber.org/protocol/muc#self-ping-optimization",
    "jabber:iq:register",
    VCARD_NAMESPACE,
    "urn:xmpp:occupant-id:0",
    "urn:xmpp:message-moderate:1",
    VERSIONS_NAMESPACE,
    EPHEMERAL_NAMESPACE,
    COMMANDS_NAMESPACE,
    PREAUTH_NAMESPACE,
)
"""What every room announces, whatever its settings."""

ARCHIVE_FEATURES: Final = (
    "urn:xmpp:mam:2",
    "urn:xmpp:mam:2#extended",
    "urn:xmpp:message-retract:1#tombstone",
    "urn:xmpp:sid:0",
)


def handle_host_info(_context: StreamContext, stanza: Stanza) -> Steps:
    """
    Describe the host (section 6.2).

    Raises:
        Refused: `item-not-found` for a node.
    """
    _require_no_node(stanza, INFO_NAMESPACE)
    yield from ()  # a handler that asks for nothing
    return _info("Rooms", HOST_FEATURES)


def handle_host_items(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return the rooms that anyone may find, page by page (section 6.3).

    Raises:
        Refused: `item-not-found` for a node or an item that borders a page and is none of this host.
    """
    _require_no_node(stanza, ITEMS_NAMESPACE)
    query = stanza.element.child("query", ITEMS_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    paging = parse_page_request(query)
    host = address(stanza).domain
    question = PublicRooms(
        "" if paging.after is None else _name_of(paging.after, host),
        None if paging.before is None else _name_of(paging.before, host),
        paging.backward,
        ROOM_PAGE_ROW_COUNT_MAX if paging.limit is None else paging.limit,
    )
    page = yield from ask(question, RoomNames)
    items: list[Element | str] = [
        Element("item", ITEMS_NAMESPACE, {"jid": f"{room.name}@{host}", "name": room.title or room.name})
        for room in page.rooms
    ]
    if len(page.rooms) < page.total:
        ids = [f"{room.name}@{host}" for room in (page.rooms[:1] + page.rooms[-1:])]
        first, last = (ids[0], ids[-1]) if ids else (None, None)
        items.append(page_element(first, last, page.offset, page.total))
    return Element("query", ITEMS_NAMESPACE, None, items)


def handle_host_ping(_context: StreamContext, _stanza: Stanza) -> Steps:
    """Return an empty result (XEP-0199 section 4.2)."""
    yield from ()  # a handler that asks for nothing
    return None


def handle_room_info(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Describe a room (section 6.4), or its commands (XEP-0050), or tell the user's kept nickname (section 7.12).

    Raises:
        Refused: `item-not-found` for a room that does not exist, and for any other node; `forbidden` for a command that
            is not the user's.
    """
    view: RoomView = yield from view_of(context, stanza)
    query = stanza.element.child("query", INFO_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    if query.get("node") == NICK_NODE:
        return _kept_nick(view)
    if query.get("node") == COMMANDS_NAMESPACE:
        return list_element()
    commands = commands_of(view, address(stanza))
    if query.get("node") in commands:
        return describe_command(find_command(context, commands, query.get("node") or ""))
    _require_no_node(stanza, INFO_NAMESPACE)
    settings = view.settings
    features = [*ROOM_FEATURES, *_features_of(settings), *context.modules.extensions]
    if settings.archived:
        features += ARCHIVE_FEATURES
    info = _info(settings.title or address(stanza).local, features)
    info.children.append(_details(view))
    return info


def handle_room_items(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return who is in a room to those who are in it, and nobody to others (section 6.5); or the commands for the user.

    Raises:
        Refused: `item-not-found` for a room that does not exist, or a node.
    """
    view: RoomView = yield from view_of(context, stanza)
    query = stanza.element.child("query", ITEMS_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    if query.get("node") == COMMANDS_NAMESPACE:
        return list_commands(context, commands_of(view, address(stanza)), str(address(stanza).bare))
    _require_no_node(stanza, ITEMS_NAMESPACE)
    items: list[Element | str] = []
    if view.nick:
        people: list[OccupantView] = yield from ask(PeopleIn(address(stanza).local), list)
        room = address(stanza)
        items += [
            Element("item", ITEMS_NAMESPACE, {"jid": str(JID(room.local, room.domain, person.nick))})
            for person in people
            if view.settings.is_broadcast(person.role)
        ]
    return Element("query", ITEMS_NAMESPACE, None, items)


def _features_of(settings: RoomSettings) -> list[str]:
    """Name what kind of room it is (section 15.3)."""
    return [
        "muc_public" if settings.public else "muc_hidden",
        "muc_membersonly" if settings.members_only else "muc_open",
        "muc_moderated" if settings.gives_voice else "muc_unmoderated",
        "muc_nonanonymous" if settings.non_anonymous else "muc_semianonymous",
        "muc_passwordprotected" if settings.password else "muc_unsecured",
        "muc_persistent" if settings.persistent else "muc_temporary",
    ]


def _details(view: RoomView) -> Element:
    """Make the form with more of a room (section 15.5.4, XEP-0486 section 3.3)."""
    settings = view.settings
    fields: list[Element | str] = [
        form_field("FORM_TYPE", "hidden", INFO_FORM),
        form_field("muc#roominfo_description", "text-single", settings.description),
        form_field("muc#roominfo_occupants", "text-single", str(view.occupant_count)),
        form_field("muc#roominfo_subjectmod", "boolean", "1" if settings.subject_open else "0"),
        form_field("muc#roomconfig_changesubject", "boolean", "1" if settings.subject_open else "0"),
        form_field("muc#roomconfig_allowinvites", "boolean", "1" if settings.invites_open else "0"),
        form_field("muc#maxhistoryfetch", "text-single", str(settings.history_count)),
        form_field("muc#roominfo_slow_mode_duration", "text-single", str(settings.slow_mode_s)),
    ]
    if settings.announcements:
        fields.append(form_field(ANNOUNCEMENTS_FIELD, "boolean", "1"))
        fields.append(form_field(REACTIONS_FIELD, "boolean", "1" if settings.announcement_reactions else "0"))
    if settings.members_only and settings.join_requests:
        fields.append(form_field(JOIN_REQUESTS_FIELD, "boolean", "1"))
    if settings.message_timer_s:
        fields.append(form_field(MESSAGE_TIMER_FIELD, "text-single", str(settings.message_timer_s)))
    if settings.language:
        fields.append(form_field("muc#roominfo_lang", "text-single", settings.language))
    if view.subject:
        subject = parse_stanza(view.subject).element.child("subject", CLIENT_NAMESPACE)
        text = "" if subject is None else subject.text
        fields.append(form_field("muc#roominfo_subject", "text-single", text))
    if view.picture_hash:
        fields.append(form_field("muc#roominfo_avatarhash", "text-multi", view.picture_hash))
    return Element("x", FORM_NAMESPACE, {"type": "result"}, fields)


def _kept_nick(view: RoomView) -> Element:
    query = Element("query", INFO_NAMESPACE, {"node": NICK_NODE})
    if view.kept_nick:
        identity = {"category": "conference", "name": view.kept_nick, "type": "text"}
        query.children.append(Element("identity", INFO_NAMESPACE, identity))
    return query


def _info(name: str, features: list[str] | tuple[str, ...]) -> Element:
    identity = {"category": "conference", "name": name, "type": "text"}
    children: list[Element | str] = [Element("identity", INFO_NAMESPACE, identity)]
    children.extend(Element("feature", INFO_NAMESPACE, {"var": feature}) for feature in sorted(features))
    return Element("query", INFO_NAMESPACE, None, children)


def _name_of(item: str, host: str) -> str:
    try:
        jid = parse_jid(item)
    except ValueError as error:
        raise Refused("item-not-found", "cancel", "There is no such room.") from error
    if jid.domain != host or not jid.local or jid.resource:
        raise Refused("item-not-found", "cancel", "There is no such room.")
    return jid.local


def _require_no_node(stanza: Stanza, namespace: str) -> None:
    query = stanza.element.child("query", namespace)
    assert query is not None, "dispatch found the payload by this name"
    if query.get("node"):
        raise Refused("item-not-found", "cancel", "There is no such node.")
