"""What requests about businesses are answered with: shapes of JSON, and how the state's rows become them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from raftline.base.business_limits import DEAD_EVENT_AGE_MAX_MS
from raftline.base.ids import Epochs
from raftline.machine.business.ids import GraphKind, graph_id, wamid
from raftline.machine.business.tables import (
    App,
    AuditLine,
    Business,
    Callback,
    EventKind,
    MessageStatus,
    Number,
    Token,
)
from raftline.machine.business.values import AppView, BusinessView, EventView, StatusDetail

_decode_status = msgspec.msgpack.Decoder(StatusDetail).decode


class CreatedBusiness(msgspec.Struct, frozen=True):
    """What programs need to speak for a business; secret and token are told here and never again."""

    app_id: str
    app_secret: str
    waba_id: str
    phone_number_id: str
    token: str
    jid: str


class CallbackInfo(msgspec.Struct, frozen=True):
    """A callback; its verify token is not told."""

    scope: str
    url: str
    fields: list[str]


class AppInfo(msgspec.Struct, frozen=True):
    """An application."""

    app_id: str
    waba_id: str
    name: str
    streams: bool
    created_ms: int
    callbacks: list[CallbackInfo]


class AppDetails(AppInfo, frozen=True):
    """An application, and how many of its events wait and are dead letters."""

    waiting_events: int
    dead_letters: int


class NumberInfo(msgspec.Struct, frozen=True):
    """A number; a limit of 0 is none."""

    phone_number_id: str
    waba_id: str
    number: str
    jid: str
    verified_name: str
    per_second: int
    pair_per_minute: int
    registered: bool
    created_ms: int


class BusinessInfo(msgspec.Struct, frozen=True):
    """A business with its applications and numbers."""

    waba_id: str
    name: str
    created_ms: int
    apps: list[AppInfo]
    numbers: list[NumberInfo]


class BusinessPage(msgspec.Struct, frozen=True):
    """Some businesses; `next` is the `after` of the next page, if there is one."""

    businesses: list[BusinessInfo]
    next: str | None


class CreatedApp(msgspec.Struct, frozen=True):
    """A new application, or one with another secret, which is told here and never again."""

    app_id: str
    app_secret: str


class TokenInfo(msgspec.Struct, frozen=True):
    """A token, without itself; it does not expire when `expires_ms` is null."""

    token_id: str
    label: str
    scopes: list[str]
    created_ms: int
    expires_ms: int | None


class IssuedToken(TokenInfo, frozen=True):
    """A new token; itself is told here and never again."""

    token: str


class TokenList(msgspec.Struct, frozen=True):
    """All tokens of an application, by when they were issued."""

    tokens: list[TokenInfo]


class CallbackList(msgspec.Struct, frozen=True):
    """All callbacks of an application."""

    callbacks: list[CallbackInfo]


class DeadLetter(msgspec.Struct, frozen=True):
    """
    An event that no receiver took for seven days.

    Attributes:
        kind: `message`, `answer`, `group` or `status`; then `status` says which.
        peer: Bare JID of whom it is about; `group`, the local part of the room it happened in.
        message_id: Of the message it is about, as the Cloud API has it.
        time_ms, died_ms, kept_until_ms: When it happened, was given up, and will be forgotten.
        callback: Where it was to go, as far as the application has a callback now.
    """

    id: str
    phone_number_id: str
    kind: str
    status: str | None
    peer: str
    group: str | None
    name: str
    message_id: str
    time_ms: int
    died_ms: int
    kept_until_ms: int
    callback: str | None


class DeadLetterPage(msgspec.Struct, frozen=True):
    """Some dead letters, the oldest first; `next` is the `after` of the next page, if there is one."""

    dead_letters: list[DeadLetter]
    next: str | None


class DeadLettersLeft(msgspec.Struct, frozen=True):
    """How many dead letters the application has now; more than one request may be needed for all."""

    left: int


class AuditEntry(msgspec.Struct, frozen=True):
    """A line of the audit trail; `waba_id` is null for what is of no business."""

    id: str
    time_ms: int
    waba_id: str | None
    actor: str
    action: str
    detail: str


class AuditPage(msgspec.Struct, frozen=True):
    """Some lines, the latest first; `next` is the `before` of the next page, if there is one."""

    lines: list[AuditEntry]
    next: str | None


def business_id_of(business_id: int) -> str:
    """Write the id of a business."""
    return graph_id(GraphKind.BUSINESS, business_id)


def app_id_of(app_id: int) -> str:
    """Write the id of an application."""
    return graph_id(GraphKind.APP, app_id)


def number_id_of(number_id: int) -> str:
    """Write the id of a number."""
    return graph_id(GraphKind.NUMBER, number_id)


def show_callback(callback: Callback) -> CallbackInfo:
    """Show a callback."""
    return CallbackInfo(callback.scope, callback.url, [field for field in callback.fields.split(",") if field])


def show_app(app: App, callbacks: Iterable[Callback]) -> AppInfo:
    """Show an application; of the callbacks those that are its own."""
    own = [show_callback(callback) for callback in callbacks if callback.app_id == app.app_id]
    return AppInfo(
        app_id_of(app.app_id), business_id_of(app.business_id), app.name, bool(app.streams), app.created_ms, own
    )


def show_app_details(view: AppView) -> AppDetails:
    """Show an application with what waits for it."""
    shown = show_app(view.app, view.callbacks)
    return AppDetails(**msgspec.structs.asdict(shown), waiting_events=view.waiting_count, dead_letters=view.dead_count)


def show_number(number: Number, domain: str) -> NumberInfo:
    """Show a number of this domain."""
    return NumberInfo(
        phone_number_id=number_id_of(number.number_id),
        waba_id=business_id_of(number.business_id),
        number=number.localpart,
        jid=f"{number.localpart}@{domain}",
        verified_name=number.verified_name,
        per_second=number.per_second,
        pair_per_minute=number.pair_per_minute,
        registered=bool(number.is_registered),
        created_ms=number.created_ms,
    )


def show_business(view: BusinessView, domain: str) -> BusinessInfo:
    """Show a business of this domain."""
    business: Business = view.business
    return BusinessInfo(
        business_id_of(business.business_id),
        business.name,
        business.created_ms,
        [show_app(app, view.callbacks) for app in view.apps],
        [show_number(number, domain) for number in view.numbers],
    )


def show_token(token: Token) -> TokenInfo:
    """Show a token."""
    return TokenInfo(str(token.token_id), token.label, token.scopes.split(), token.created_ms, token.expires_ms or None)


def show_dead_letter(view: EventView, callbacks: Iterable[Callback], business_id: int, epochs: Epochs) -> DeadLetter:
    """Show a dead letter of an application of a business; `epochs` as `door.Node` has them."""
    event = view.event
    number_id = number_id_of(event.number_id)
    kind = EventKind(event.kind)
    status = MessageStatus(_decode_status(event.detail).status).name.lower() if kind is EventKind.STATUS else None
    urls = {callback.scope: callback.url for callback in callbacks}
    return DeadLetter(
        id=f"{event.position}-{event.ordinal}",
        phone_number_id=number_id,
        kind=kind.name.lower(),
        status=status,
        peer=event.peer,
        group=event.room or None,
        name=event.name,
        message_id=wamid(epochs, event.message),
        time_ms=event.time_ms,
        died_ms=event.due_ms - DEAD_EVENT_AGE_MAX_MS,
        kept_until_ms=event.due_ms,
        callback=urls.get(number_id) or urls.get(business_id_of(business_id)) or urls.get("app"),
    )


def show_audit_line(line: AuditLine) -> AuditEntry:
    """Show a line of the audit trail."""
    business = business_id_of(line.business_id) if line.business_id else None
    return AuditEntry(str(line.position), line.time_ms, business, line.actor, line.action, line.detail)
