"""
What a template may be made of: a body, and perhaps a head, a foot and buttons. Pure functions.

    [{"type": "HEADER", "format": "TEXT", "text": "…"}, {"type": "BODY", "text": "Hi {{1}}, …"},
     {"type": "FOOTER", "text": "…"}, {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "…"}]}]

Only what can be shown to people here is stored: carousels, flows, catalogs and one-time codes are refused when the
template is made, not when it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Any, Final

from raftline.web.cloud.bodies import has_forbidden
from raftline.web.cloud.errors import Code, GraphError, missing, wrong

CATEGORIES: Final = frozenset({"AUTHENTICATION", "MARKETING", "UTILITY"})
"""What a template can be for."""

NAME_LENGTH_MAX: Final = 512
BODY_LENGTH_MAX: Final = 1_024
HEADER_LENGTH_MAX: Final = 60
FOOTER_LENGTH_MAX: Final = 60
BUTTON_COUNT_MAX: Final = 10
BUTTON_TEXT_LENGTH_MAX: Final = 25
URL_LENGTH_MAX: Final = 2_000
PHONE_LENGTH_MAX: Final = 20
COPY_CODE_LENGTH_MAX: Final = 15

Fields = dict[str, Any]

_NAME: Final = re.compile(r"[a-z0-9_]+")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(_[A-Za-z]{2,4})?")
_PLACE: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_PLACE_NAME: Final = re.compile(r"[a-z][a-z0-9_]*|[1-9][0-9]?")
_HEADERS: Final = frozenset({"TEXT", "IMAGE", "VIDEO", "GIF", "DOCUMENT", "LOCATION"})


def require_name(name: str) -> None:
    """
    Check the name of a template.

    Raises:
        GraphError: 131009.
    """
    if len(name) > NAME_LENGTH_MAX or not _NAME.fullmatch(name):
        raise wrong("name", f"must be up to {NAME_LENGTH_MAX} small letters, digits and _")


def require_language(language: str) -> None:
    """
    Check the code of a language, such as `en_US`.

    Raises:
        GraphError: 131009.
    """
    if not _LANGUAGE.fullmatch(language):
        raise wrong("language", "must be the code of a language, such as en_US")


def require_category(category: str) -> None:
    """
    Check what a template is for.

    Raises:
        GraphError: 131009.
    """
    if category not in CATEGORIES:
        raise wrong("category", f"must be one of {', '.join(sorted(CATEGORIES))}")


def require_components(components: list[Any]) -> None:
    """
    Check what a template is made of.

    Raises:
        GraphError: 100 for a component that is not there, is there twice, or cannot be shown here; 131008 for a part of
            one that is missing, 131009 for one that cannot be.
    """
    found: dict[str, Fields] = {}
    for component in components:
        fields = _object(component, "components")
        kind = _word(fields, "type")
        check = _COMPONENTS.get(kind)
        if check is None:
            raise _unsupported("components", kind)
        if kind in found:
            raise GraphError(Code.INVALID_PARAMETER, f"A template has one {kind} at most.")
        found[kind] = fields
        check(fields)
    if "BODY" not in found:
        raise GraphError(Code.INVALID_PARAMETER, "A template needs a component of type BODY.")
    styles = {_is_numbered(place) for fields in found.values() for place in _places_within(fields)}
    if len(styles) > 1:
        raise wrong("components", "have places by number and by name; a template has those of one kind")


def parameter_format(components: list[Any]) -> str:
    """Return whether the places of a template that was checked have numbers or names."""
    places = (place for fields in components for place in _places_within(fields))
    return "POSITIONAL" if all(_is_numbered(place) for place in places) else "NAMED"


def places_of(text: str) -> list[str]:
    """Return the places of a text, in order, each once."""
    return list(dict.fromkeys(_PLACE.findall(text)))


def _places_within(fields: Fields) -> Iterable[str]:
    return places_of(fields["text"]) if isinstance(fields.get("text"), str) else []


def _is_numbered(place: str) -> bool:
    return place.isdigit()


def _header(fields: Fields) -> None:
    form = _word(fields, "format")
    if form not in _HEADERS:
        raise _unsupported("format", form)
    if form == "TEXT":
        text = _text(fields, "text", HEADER_LENGTH_MAX)
        if len(_checked_places(text)) > 1:
            raise wrong("text", "of a header has more than one place")


def _body(fields: Fields) -> None:
    _checked_places(_text(fields, "text", BODY_LENGTH_MAX))


def _footer(fields: Fields) -> None:
    if places_of(_text(fields, "text", FOOTER_LENGTH_MAX)):
        raise wrong("text", "of a footer has a place, which it cannot")


def _buttons(fields: Fields) -> None:
    buttons = fields.get("buttons")
    if not isinstance(buttons, list) or not buttons:
        raise missing("buttons")
    if len(buttons) > BUTTON_COUNT_MAX:
        raise wrong("buttons", f"has more than {BUTTON_COUNT_MAX} entries")
    for button in buttons:
        about = _object(button, "buttons")
        kind = _word(about, "type")
        check = _BUTTONS.get(kind)
        if check is None:
            raise _unsupported("buttons", kind)
        check(about)


def _quick_reply(fields: Fields) -> None:
    _text(fields, "text", BUTTON_TEXT_LENGTH_MAX)


def _url(fields: Fields) -> None:
    _text(fields, "text", BUTTON_TEXT_LENGTH_MAX)
    url = _text(fields, "url", URL_LENGTH_MAX)
    if not url.lower().startswith(("http://", "https://")):
        raise wrong("url", "must begin with https:// or http://")
    if len(_checked_places(url)) > 1:
        raise wrong("url", "has more than one place")


def _phone_number(fields: Fields) -> None:
    _text(fields, "text", BUTTON_TEXT_LENGTH_MAX)
    _text(fields, "phone_number", PHONE_LENGTH_MAX)


def _copy_code(fields: Fields) -> None:
    example = fields.get("example")
    for code in example if isinstance(example, list) else [example]:
        if code is not None and not (isinstance(code, str) and len(code) <= COPY_CODE_LENGTH_MAX):
            raise wrong("example", f"of a code has more than {COPY_CODE_LENGTH_MAX} characters")


_COMPONENTS: Final[MappingProxyType[str, Callable[[Fields], None]]] = MappingProxyType(
    {"HEADER": _header, "BODY": _body, "FOOTER": _footer, "BUTTONS": _buttons}
)
_BUTTONS: Final[MappingProxyType[str, Callable[[Fields], None]]] = MappingProxyType(
    {"QUICK_REPLY": _quick_reply, "URL": _url, "PHONE_NUMBER": _phone_number, "COPY_CODE": _copy_code}
)


def _checked_places(text: str) -> list[str]:
    places = places_of(text)
    for place in places:
        if not _PLACE_NAME.fullmatch(place):
            raise wrong("text", f"has the place {place[:50]!r}, which is neither a number nor a name in small letters")
    numbers = sorted(int(place) for place in places if _is_numbered(place))
    if numbers != list(range(1, len(numbers) + 1)):
        raise wrong("text", "has places whose numbers do not count from 1 on")
    return places


def _object(value: object, name: str) -> Fields:
    if not isinstance(value, dict):
        raise wrong(name, "must be a list of objects")
    return value


def _word(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if value is None:
        raise missing(name)
    if not isinstance(value, str):
        raise wrong(name, "must be a text")
    return value.upper()


def _text(fields: Fields, name: str, length_max: int) -> str:
    value = fields.get(name)
    if value is None or value == "":
        raise missing(name)
    if not isinstance(value, str):
        raise wrong(name, "must be a text")
    if len(value) > length_max:
        raise wrong(name, f"has more than {length_max} characters")
    if has_forbidden(value):
        raise wrong(name, "has characters that no message may have")
    return value


def _unsupported(name: str, kind: str) -> GraphError:
    return GraphError(Code.INVALID_PARAMETER, f"Raftline has no {kind[:50]!r} in {name} of templates.")
