"""
The form by which an owner configures a room (XEP-0045 sections 10.1.3, 10.2, 15.5.3), as data.

A field that is not submitted stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from raftline.base.errors import Refused
from raftline.base.limits import ROOM_OCCUPANT_COUNT_MAX, SLOW_MODE_S_MAX
from raftline.machine.rooms.ranks import Role
from raftline.machine.rooms.settings import PrivateMessages, RoomSettings
from raftline.xmpp.data_forms import read_boolean, read_choice, read_count, read_text
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import FORM_NAMESPACE, VALIDATE_NAMESPACE
from raftline.xmpp.rooms.names import ROLES

CONFIG_FORM: Final = "http://jabber.org/protocol/muc#roomconfig"
MESSAGE_TIMER_FIELD: Final = "{urn:raftline:rooms}message_timer"
"""XEP-0045 has no field for what XEP-0466 brought, so its name says whose it is (XEP-0068 section 3.4)."""
JOIN_REQUESTS_FIELD: Final = "{urn:raftline:rooms}join_requests"
ANNOUNCEMENTS_FIELD: Final = "{urn:raftline:rooms}announcements"
REACTIONS_FIELD: Final = "{urn:raftline:rooms}announcement_reactions"
_PREFIX: Final = "muc#roomconfig_"

_WHISPERERS: Final = {
    "anyone": PrivateMessages.ANYONE,
    "participants": PrivateMessages.PARTICIPANTS,
    "moderators": PrivateMessages.MODERATORS,
    "none": PrivateMessages.NOBODY,
}
_COUNTS: Final = ("10", "20", "50", "100", "200", "500", "1000", "2000", str(ROOM_OCCUPANT_COUNT_MAX))
_SEERS: Final = ("moderators", "anyone")
_ROLE_NAMES: Final = ("moderator", "participant", "visitor")


class _Kind(NamedTuple):
    """How values of one type of field are written and read; `read` raises ValueError for what is none."""

    name: str
    write: Callable[[Any], list[str]]
    read: Callable[[list[str]], Any]
    options: tuple[str, ...] = ()
    greatest: int | None = None
    """Of a number from 0 on, for clients to check (XEP-0122)."""


class _Field(NamedTuple):
    """A field of the form and the setting it shows."""

    name: str
    label: str
    setting: str
    kind: _Kind


def _read_count(values: list[str]) -> int:
    text = read_text(values)
    if text in {"", "none"}:
        return ROOM_OCCUPANT_COUNT_MAX
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError("is a number")
    return int(text)


def _read_timer(values: list[str]) -> int:
    text = read_text(values)
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError("is a number of seconds, or empty for never")
    return int(text)


def _read_pace(values: list[str]) -> int:
    return read_count(values, 0, SLOW_MODE_S_MAX, 0)


def _read_roles(values: list[str]) -> int:
    if not set(values) <= set(_ROLE_NAMES):
        raise ValueError("names roles")
    return sum(1 << ROLES[name] for name in set(values))


def _read_whisperers(values: list[str]) -> PrivateMessages:
    return _WHISPERERS[read_choice(values, tuple(_WHISPERERS))]


def _read_whois(values: list[str]) -> bool:
    return read_choice(values, _SEERS) == "anyone"


_BOOLEAN: Final = _Kind("boolean", lambda value: ["1" if value else "0"], read_boolean)
_TEXT: Final = _Kind("text-single", lambda value: [value] if value else [], read_text)
_NUMBER: Final = _Kind("text-single", lambda value: [str(value)], _read_count)
_TIMER: Final = _Kind("text-single", lambda value: [str(value)] if value else [], _read_timer)
_PACE: Final = _Kind("text-single", lambda value: [str(value)], _read_pace, greatest=SLOW_MODE_S_MAX)
_CROWD: Final = _Kind("list-single", lambda value: [str(value)], _read_count, _COUNTS)
_SET_OF_ROLES: Final = _Kind(
    "list-multi", lambda value: [name for name in _ROLE_NAMES if value >> ROLES[name] & 1], _read_roles, _ROLE_NAMES
)
_WHISPER: Final = _Kind(
    "list-single",
    lambda value: [name for name, found in _WHISPERERS.items() if found == value],
    _read_whisperers,
    tuple(_WHISPERERS),
)
_WHOIS: Final = _Kind("list-single", lambda value: ["anyone" if value else "moderators"], _read_whois, _SEERS)

_FIELDS: Final = (
    _Field(f"{_PREFIX}roomname", "Name of the room", "title", _TEXT),
    _Field(f"{_PREFIX}roomdesc", "Description", "description", _TEXT),
    _Field(f"{_PREFIX}lang", "Language", "language", _TEXT),
    _Field(f"{_PREFIX}persistentroom", "The room stays when nobody is there", "persistent", _BOOLEAN),
    _Field(f"{_PREFIX}publicroom", "Anyone can find the room", "public", _BOOLEAN),
    _Field(f"{_PREFIX}membersonly", "For members alone", "members_only", _BOOLEAN),
    _Field(f"{_PREFIX}moderatedroom", "Newcomers have no voice", "moderated", _BOOLEAN),
    _Field(f"{_PREFIX}whois", "Who sees real addresses", "non_anonymous", _WHOIS),
    _Field(f"{_PREFIX}maxusers", "How many may be there at once", "occupant_count_max", _CROWD),
    _Field(f"{_PREFIX}changesubject", "Participants may set the subject", "subject_open", _BOOLEAN),
    _Field(f"{_PREFIX}allowinvites", "Everyone may invite", "invites_open", _BOOLEAN),
    _Field(f"{_PREFIX}allowpm", "Who may write to single occupants", "private_messages", _WHISPER),
    _Field(f"{_PREFIX}enablelogging", "Messages are archived", "archived", _BOOLEAN),
    _Field(f"{_PREFIX}presencebroadcast", "Roles whose presence is shown to all", "broadcast_roles", _SET_OF_ROLES),
    _Field(f"{_PREFIX}getmemberlist", "Roles that may read the lists of members", "list_roles", _SET_OF_ROLES),
    _Field("muc#maxhistoryfetch", "Messages of history for newcomers", "history_count", _NUMBER),
    _Field(f"{_PREFIX}allowvoicerequests", "Visitors may ask for voice", "voice_requests", _BOOLEAN),
    _Field(f"{_PREFIX}slow_mode_duration", "Seconds between two messages of one person", "slow_mode_s", _PACE),
    _Field(ANNOUNCEMENTS_FIELD, "Admins and owners alone have voice", "announcements", _BOOLEAN),
    _Field(REACTIONS_FIELD, "Others may react to announcements", "announcement_reactions", _BOOLEAN),
    _Field(JOIN_REQUESTS_FIELD, "Who is no member may ask to be one", "join_requests", _BOOLEAN),
    _Field(MESSAGE_TIMER_FIELD, "Seconds after which messages disappear", "message_timer_s", _TIMER),
)
_PROTECTED: Final = f"{_PREFIX}passwordprotectedroom"
_SECRET: Final = f"{_PREFIX}roomsecret"
_BY_NAME: Final = {field.name: field for field in _FIELDS}
assert {role for role in ROLES.values() if role != Role.NONE} == {ROLES[name] for name in _ROLE_NAMES}


def config_form(room: str, settings: RoomSettings) -> Element:
    """Make the form with the settings as they are."""
    children: list[Element | str] = [
        Element("title", FORM_NAMESPACE, None, [f"Configuration of {room}"]),
        _field("FORM_TYPE", "hidden", "", [CONFIG_FORM]),
    ]
    for field in _FIELDS:
        values = field.kind.write(getattr(settings, field.setting))
        shown = _field(field.name, field.kind.name, field.label, values, field.kind.options)
        if field.kind.greatest is not None:
            bounds = Element("range", VALIDATE_NAMESPACE, {"min": "0", "max": str(field.kind.greatest)})
            shown.children.append(Element("validate", VALIDATE_NAMESPACE, {"datatype": "xs:integer"}, [bounds]))
        children.append(shown)
    password = settings.password
    children.append(_field(_PROTECTED, "boolean", "A password is asked for", ["1" if password else "0"]))
    children.append(_field(_SECRET, "text-private", "Password", [password] if password else []))
    return Element("x", FORM_NAMESPACE, {"type": "form"}, children)


def changed_settings(settings: RoomSettings, form: dict[str, list[str]]) -> RoomSettings:
    """
    Return the settings as a submitted form has them; fields of other services are ignored.

    Raises:
        Refused: `not-acceptable` for a value that a room cannot have, such as an empty password for a room that is to
            ask for one (section 10.1.3).
    """
    values: dict[str, Any] = {name: getattr(settings, name) for name in settings.__struct_fields__}
    for name, submitted in form.items():
        field = _BY_NAME.get(name)
        if field is None:
            continue
        try:
            values[field.setting] = field.kind.read(submitted)
        except ValueError as error:
            raise Refused("not-acceptable", "modify", f"{name}: {error}.") from error
    values["password"] = _password(settings, form)
    try:
        return msgspec.convert([values[name] for name in settings.__struct_fields__], RoomSettings)
    except msgspec.ValidationError as error:
        raise Refused("not-acceptable", "modify", f"The room cannot be so: {error}.") from error


def _password(settings: RoomSettings, form: dict[str, list[str]]) -> str:
    secret = "".join(form.get(_SECRET, [settings.password]))
    protected = form.get(_PROTECTED)
    if protected is None:
        return secret
    try:
        is_protected = read_boolean(protected)
    except ValueError as error:
        raise Refused("not-acceptable", "modify", f"{_PROTECTED}: {error}.") from error
    if is_protected and not secret:
        raise Refused("not-acceptable", "modify", "A password is not empty.")
    return secret if is_protected else ""


def _field(name: str, kind: str, label: str, values: list[str], options: tuple[str, ...] = ()) -> Element:
    attributes = {"type": kind, "var": name}
    if label:
        attributes["label"] = label
    children: list[Element | str] = [Element("value", FORM_NAMESPACE, None, [value]) for value in values]
    for option in options:
        value = Element("value", FORM_NAMESPACE, None, [option])
        children.append(Element("option", FORM_NAMESPACE, {"label": option}, [value]))
    return Element("field", FORM_NAMESPACE, attributes, children)
