"""What businesses are asked about is answered with, and what events carry. They cross the door to the edges."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from raftline.base.ids import AccountId, Position
from raftline.machine.business.tables import (
    App,
    AuditLine,
    Business,
    BusinessEvent,
    Callback,
    Number,
    Template,
    Token,
)


class Option(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A button or a row that a person may choose; `option_id` is the program's own name for it."""

    option_id: str
    title: str
    description: str = ""


class Choice(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`BusinessEvent.detail` of kind ANSWER; `kind` is a `PromptKind`."""

    kind: int
    option: Option


class StatusDetail(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    `BusinessEvent.detail` of kind STATUS.

    Attributes:
        status: A `MessageStatus`.
        opaque: `biz_opaque_callback_data`; empty for none.
        error: Code of the Cloud API for a status FAILED, else 0.
        text: Why it failed, for people.
    """

    status: int
    opaque: str = ""
    error: int = 0
    text: str = ""


class Sent(NamedTuple):
    """
    Result of SendFromNumber and of what speaks in a group.

    Attributes:
        position: Of the message; of the first one when the command was a repeat under its key.
        fingerprint: Of the request that was carried out, as it came with the command.
    """

    position: Position
    fingerprint: bytes


class Created(NamedTuple):
    """
    Result of CreateBusiness and of whatever makes something; 0 for what was not made.

    Attributes:
        business_id, app_id, number_id, token_id, template_id: As in the tables.
    """

    business_id: int
    app_id: int = 0
    number_id: int = 0
    token_id: int = 0
    template_id: int = 0


class BusinessView(NamedTuple):
    """A business with all that belongs to it."""

    business: Business
    apps: list[App]
    numbers: list[Number]
    callbacks: list[Callback]


class TokenView(NamedTuple):
    """Who a token speaks for. `is_expired` by cluster time."""

    token: Token
    app: App
    is_expired: bool


class NumberView(NamedTuple):
    """A number, and the business it belongs to."""

    number: Number
    business: Business


class AppView(NamedTuple):
    """An application, its callbacks, and how many of its events wait and are dead letters."""

    app: App
    callbacks: list[Callback]
    waiting_count: int
    dead_count: int


class Identity(NamedTuple):
    """
    An account as businesses see it.

    Attributes:
        name: What it calls itself: the full name of its vCard; its local part when there is none.
    """

    localpart: str
    account_id: AccountId
    name: str


class KnownMessage(NamedTuple):
    """
    A message of a number's archive, or of a room that it is in.

    Attributes:
        peer: Bare JID of the other side, or of the room.
        is_own: The number sent it.
        stanza: As in SendMessage; of a room, as the room sent it.
    """

    position: Position
    time_ms: int
    peer: str
    is_own: bool
    stanza: bytes


class EventView(NamedTuple):
    """
    An event and the message it is about.

    Attributes:
        stanza: Of the message `event.message`; None when it is gone, or no kind of event shows it.
        message_ms: Cluster time of that message; 0 when it is gone.
    """

    event: BusinessEvent
    stanza: bytes | None
    message_ms: int


BusinessAnswer = (
    list[BusinessView]
    | TokenView
    | NumberView
    | AppView
    | Identity
    | KnownMessage
    | list[EventView]
    | list[Token]
    | list[AuditLine]
    | list[Template]
    | Template
    | tuple[int, ...]
)
