"""
What rooms tell, as stanzas.

What many sessions are told is one event; its bytes are made once and shared, and `to` alone is patched in for each.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from raftline.base.ids import Epochs
from raftline.machine.rooms.events import (
    AffiliationChanged,
    AffiliationsListed,
    AffiliationsRefused,
    JoinRequested,
    OccupantShown,
    RoomMessageArrived,
    RoomNoticed,
    VoiceRequested,
)
from raftline.machine.rooms.markup import OCCUPANT_ID_NAMESPACE
from raftline.xmpp.element import Element, escape_attribute, escape_text
from raftline.xmpp.payloads import FORM_NAMESPACE, append_child, delay_element, form_field, stanza_id_element
from raftline.xmpp.rooms.names import (
    AFFILIATION_NAMES,
    REGISTER_FORM,
    REQUEST_FORM,
    REQUESTER_FIELD,
    ROLE_NAMES,
    USER_NAMESPACE,
    VERSIONS_NAMESPACE,
)
from raftline.xmpp.stanza import CLIENT_NAMESPACE, STANZA_ERROR_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules, StreamContext

SHARED_COUNT: Final = 256
"""Stanzas whose bytes are remembered while their copies are written."""

_MESSAGE: Final = len(b"<message")
_PRESENCE: Final = len(b"<presence")


def register(modules: Modules) -> None:
    """Render events of rooms."""
    modules.on_event(RoomMessageArrived, render_message)
    modules.on_event(OccupantShown, render_occupant)
    modules.on_event(RoomNoticed, render_notice)
    modules.on_event(AffiliationChanged, render_affiliation)
    modules.on_event(AffiliationsListed, render_lists)
    modules.on_event(AffiliationsRefused, render_lists_refusal)
    modules.on_event(VoiceRequested, render_voice_request)
    modules.on_event(JoinRequested, render_join_request)


def render_message(context: StreamContext, event: RoomMessageArrived) -> bytes:
    """Write a message with its id in the room's archive and, for history, since when it is there (section 7.2.13)."""
    shared = _shared_message(event.stanza, event.owner, context.epochs, event.position, event.delayed_ms)
    return shared[:_MESSAGE] + _to(str(context.jid)) + shared[_MESSAGE:]


@lru_cache(maxsize=SHARED_COUNT)
def _shared_message(stanza: bytes, owner: str, epochs: Epochs, position: int, delayed_ms: int | None) -> bytes:
    added = stanza_id_element(owner, epochs, position) if owner else b""  # type: ignore[arg-type]
    if delayed_ms is not None:
        added += delay_element(delayed_ms, owner or None).encode()
    return append_child(stanza, added) if added else stanza


def render_occupant(context: StreamContext, event: OccupantShown) -> bytes:
    """Write presence of an occupant (section 7.2.2)."""
    shared = _shared_presence(event._replace(session_ids=()))
    return shared[:_PRESENCE] + _to(str(context.jid)) + shared[_PRESENCE:]


@lru_cache(maxsize=SHARED_COUNT)
def _shared_presence(event: OccupantShown) -> bytes:
    kind = "" if event.is_available else " type='unavailable'"
    head = f"<presence from='{escape_attribute(f'{event.room}/{event.nick}')}'{kind}>"
    item = f"<item affiliation='{AFFILIATION_NAMES[event.affiliation]}' role='{ROLE_NAMES[event.role]}'"
    if event.jid:
        item += f" jid='{escape_attribute(event.jid)}'"
    if event.new_nick:
        item += f" nick='{escape_attribute(event.new_nick)}'"
    inner = f"<actor nick='{escape_attribute(event.actor)}'/>" if event.actor else ""
    reason = f"<reason>{escape_text(event.reason)}</reason>" if event.reason else ""
    if event.alternate is None:
        inner, reason = inner + reason, ""
    item += f">{inner}</item>" if inner else "/>"
    codes = "".join(f"<status code='{code}'/>" for code in event.statuses)
    destroyed = "" if event.alternate is None else _destroyed(event, reason)
    named = f"<occupant-id xmlns='{OCCUPANT_ID_NAMESPACE}' id='{event.occupant_id}'/>" if event.occupant_id else ""
    versions = _versions(event.list_since, event.list_until)
    mav = "" if versions is None else versions.to_bytes(USER_NAMESPACE).decode()
    tail = f"<x xmlns='{USER_NAMESPACE}'>{mav}{item}{destroyed}{codes}</x>{named}</presence>"
    return b"%b%b%b" % (head.encode(), event.presence, tail.encode())


def _destroyed(event: OccupantShown, reason: str) -> str:
    """Say that the room is gone, and where to go (section 10.9)."""
    to = f" jid='{escape_attribute(event.alternate)}'" if event.alternate else ""
    password = f"<password>{escape_text(event.password)}</password>" if event.password else ""
    return f"<destroy{to}>{reason}{password}</destroy>"


def render_notice(context: StreamContext, event: RoomNoticed) -> bytes:
    """Write that the room changed (section 10.2.1)."""
    codes: list[Element | str] = [Element("status", USER_NAMESPACE, {"code": str(code)}) for code in event.statuses]
    attributes = {"from": event.room, "to": str(context.jid), "type": "groupchat", "id": context.new_id()}
    return Element("message", CLIENT_NAMESPACE, attributes, [Element("x", USER_NAMESPACE, None, codes)]).to_bytes()


def render_affiliation(context: StreamContext, event: AffiliationChanged) -> bytes:
    """Write that somebody outside has another affiliation (section 9.3)."""
    item = {"affiliation": AFFILIATION_NAMES[event.affiliation], "jid": event.jid, "role": "none"}
    if event.nick:
        item["nick"] = event.nick
    attributes = {"from": event.room, "to": str(context.jid), "id": context.new_id()}
    return _lists_message(attributes, event.list_since, event.list_until, [Element("item", USER_NAMESPACE, item)])


def render_lists(context: StreamContext, event: AffiliationsListed) -> bytes:
    """Write the lists, or what changed of them, for who enters (XEP-0463 section 5.2.1)."""
    items = [
        Element("item", USER_NAMESPACE, {"jid": jid, "affiliation": AFFILIATION_NAMES[affiliation]})
        for jid, affiliation in event.items
    ]
    attributes = {"from": event.room, "to": str(context.jid), "id": context.new_id()}
    return _lists_message(attributes, event.list_since, event.list_until, items)


def render_lists_refusal(context: StreamContext, event: AffiliationsRefused) -> bytes:
    """Write that who enters may not read the lists (XEP-0463 section 5.2.3)."""
    condition = Element("forbidden", STANZA_ERROR_NAMESPACE)
    error = Element("error", CLIENT_NAMESPACE, {"by": event.room, "type": "auth"}, [condition])
    attributes = {"from": event.room, "to": str(context.jid), "id": context.new_id(), "type": "error"}
    return Element("message", CLIENT_NAMESPACE, attributes, [error]).to_bytes()


def _lists_message(attributes: dict[str, str], since: str, until: str, items: list[Element]) -> bytes:
    versions = _versions(since, until)
    x = Element("x", USER_NAMESPACE, None, [*([] if versions is None else [versions]), *items])
    return Element("message", CLIENT_NAMESPACE, attributes, [x]).to_bytes()


def _versions(since: str, until: str) -> Element | None:
    """Make the mark that tells versions of lists (XEP-0463 section 5.2); None where nothing is to be told."""
    told = {"since": since, "until": until}
    attributes = {name: version for name, version in told.items() if version}
    return Element("mav", VERSIONS_NAMESPACE, attributes) if attributes else None


def render_voice_request(context: StreamContext, event: VoiceRequested) -> bytes:
    """Write the form by which a moderator answers (section 8.6)."""
    fields: list[Element | str] = [
        form_field("FORM_TYPE", "hidden", REQUEST_FORM),
        form_field("muc#role", "list-single", "participant"),
        form_field("muc#jid", "jid-single", event.jid),
        form_field("muc#roomnick", "text-single", event.nick),
        form_field("muc#request_allow", "boolean", "false"),
    ]
    form = Element("x", FORM_NAMESPACE, {"type": "form"}, fields)
    attributes = {"from": event.room, "to": str(context.jid), "id": context.new_id()}
    return Element("message", CLIENT_NAMESPACE, attributes, [form]).to_bytes()


def render_join_request(context: StreamContext, event: JoinRequested) -> bytes:
    """Write the form by which an admin answers (section 9.9); beside its fields it says whose request it is."""
    allow = form_field("muc#register_allow", "boolean", "0")
    allow.attributes["label"] = "Allow this person to register with the room?"
    fields: list[Element | str] = [
        Element("title", FORM_NAMESPACE, None, [f"{event.jid} asks to join {event.room}"]),
        form_field("FORM_TYPE", "hidden", REGISTER_FORM),
        form_field(REQUESTER_FIELD, "jid-single", event.jid),
        form_field("muc#register_roomnick", "text-single", event.nick),
        allow,
    ]
    form = Element("x", FORM_NAMESPACE, {"type": "form"}, fields)
    attributes = {"from": event.room, "to": str(context.jid), "id": context.new_id()}
    return Element("message", CLIENT_NAMESPACE, attributes, [form]).to_bytes()


@lru_cache(maxsize=8192)
def _to(jid: str) -> bytes:
    return f" to='{escape_attribute(jid)}'".encode()
