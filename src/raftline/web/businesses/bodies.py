"""Bodies of requests about businesses. What is wrong with a text of its own is told by the checks below."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from raftline.base.business_limits import (
    BUSINESS_CALLBACK_SIZE_MAX,
    BUSINESS_FIELD_COUNT_MAX,
    BUSINESS_NAME_SIZE_MAX,
    BUSINESS_PACE_MAX,
    BUSINESS_TOKEN_LIFETIME_MAX_S,
    SETTLED_EVENT_COUNT_MAX,
)
from raftline.web.replies import BadRequest

Scope = Literal["whatsapp_business_management", "whatsapp_business_messaging"]
SCOPES: Final[tuple[Scope, ...]] = ("whatsapp_business_management", "whatsapp_business_messaging")
"""What a token may be good for, sorted: managing (templates, profile, subscriptions), and sending."""

FIELDS_DEFAULT: Final = ("messages",)

Pace = Annotated[int, Meta(ge=0, le=BUSINESS_PACE_MAX, description="0 for no limit.")]
Number = Annotated[
    str, Meta(pattern=r"^\+?[1-9][0-9]{6,14}$", description="Digits of the number, such as 15550001111.")
]
Name = Annotated[str, Meta(min_length=1, max_length=BUSINESS_NAME_SIZE_MAX)]
Lifetime = Annotated[int, Meta(ge=1, le=BUSINESS_TOKEN_LIFETIME_MAX_S, description="Seconds; without it for ever.")]
Field = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
CallbackText = Annotated[str, Meta(max_length=BUSINESS_CALLBACK_SIZE_MAX)]
EventId = Annotated[str, Meta(pattern="^[0-9]{1,18}-[0-9]{1,9}$")]

_EVENT_ID: Final = re.compile(r"(\d{1,18})-(\d{1,9})", re.ASCII)


class NewBusiness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A business with one application, its first token, and one number, whose account is new."""

    name: Name
    number: Number
    callback_url: CallbackText = ""
    verify_token: CallbackText = ""
    scopes: tuple[Scope, ...] = SCOPES
    expires_s: Lifetime | None = None


class NewNumber(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number; without a name of its own people see it by that of the business."""

    number: Number
    verified_name: Name | None = None


class NumberChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not named stays as it is."""

    verified_name: Name | None = None
    per_second: Pace | None = None
    pair_per_minute: Pace | None = None
    registered: bool | None = None


class NewApp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An application."""

    name: Name


class Streams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether events are kept for a while for whoever reads them as a stream."""

    streams: bool


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token; `label` tells operators what for."""

    label: Annotated[str, Meta(max_length=BUSINESS_NAME_SIZE_MAX)] = ""
    scopes: tuple[Scope, ...] = SCOPES
    expires_s: Lifetime | None = None


class NewCallback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A callback; `scope` is `app`, or the id of a business or a number, for which it counts instead."""

    url: Annotated[str, Meta(min_length=1, max_length=BUSINESS_CALLBACK_SIZE_MAX)]
    verify_token: CallbackText
    scope: Annotated[str, Meta(max_length=32)] = "app"
    fields: Annotated[tuple[Field, ...], Meta(min_length=1, max_length=BUSINESS_FIELD_COUNT_MAX)] = FIELDS_DEFAULT


class DeadLetters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters; without ids all of them."""

    ids: Annotated[tuple[EventId, ...], Meta(min_length=1, max_length=SETTLED_EVENT_COUNT_MAX)] | None = None


def checked_name(text: str, what: str) -> str:
    """
    Return a name without the blanks around it.

    Raises:
        BadRequest: It is empty, too long, or has characters that cannot be seen.
    """
    name = text.strip()
    if not name or not name.isprintable():
        raise BadRequest(400, "bad-request", f"{what} is empty, or has characters that cannot be seen.")
    _check_size(name, BUSINESS_NAME_SIZE_MAX, what)
    return name


def checked_label(text: str) -> str:
    """Return the label of a token, which may be empty; raises as `checked_name`."""
    return checked_name(text, "label") if text.strip() else ""


def checked_callback(url: str, verify_token: str) -> None:
    """
    Look whether a callback can be one.

    Raises:
        BadRequest: Its address is none of HTTP; both are too long together, or have characters that cannot be seen.
    """
    _check_size(url + verify_token, BUSINESS_CALLBACK_SIZE_MAX, "a callback")
    if not (url + verify_token).isprintable():
        raise BadRequest(400, "bad-request", "A callback has characters that cannot be seen.")
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is none
        is_address = False
    if not is_address or " " in url:
        raise BadRequest(400, "bad-request", "The address of a callback must begin with https:// or http://.")
    if not verify_token:
        raise BadRequest(400, "bad-request", "A callback needs a verify_token.")


def localpart_of(number: str) -> str:
    """Return the local part of the account of a number that was checked: its digits."""
    return number.removeprefix("+")


def parse_event_id(text: str) -> tuple[int, int] | None:
    """Return the key of an event; None for what names none."""
    found = _EVENT_ID.fullmatch(text)
    return None if found is None else (int(found[1]), int(found[2]))


def _check_size(text: str, size_max: int, what: str) -> None:
    if len(text.encode()) > size_max:
        raise BadRequest(400, "bad-request", f"{what} is longer than {size_max} bytes.")
