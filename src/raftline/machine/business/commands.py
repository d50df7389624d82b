"""
Commands of businesses; all of them of machine version 4, none of a session.

What operators and programs change names its `actor` for the audit trail. Ids that chance decides (secrets, digests of
tokens) come with the command; ids that count are given out by apply and come back in `values.Created`.

Refusals are conditions of XMPP as everywhere: `item-not-found` for what is not there, `conflict` for a name that is
taken, `resource-constraint` for too many, `not-acceptable` for what is too long or cannot be.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from raftline.base.business_limits import (
    BUSINESS_ID_LENGTH_MAX,
    BUSINESS_PACE_MAX,
    PROMPT_OPTION_COUNT_MAX,
    SETTLED_EVENT_COUNT_MAX,
)
from raftline.base.ids import Position
from raftline.machine.business.values import Option
from raftline.machine.message_commands import SendMessage
from raftline.machine.tables import NATURAL

_Number = Annotated[int, NATURAL]
_Pace = Annotated[int, msgspec.Meta(ge=0, le=BUSINESS_PACE_MAX)]
_EventKey = tuple[Annotated[Position, NATURAL], Annotated[int, NATURAL]]
_EventKeys = Annotated[tuple[_EventKey, ...], msgspec.Meta(max_length=SETTLED_EVENT_COUNT_MAX)]


class CreateBusiness(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=200):
    """
    Create a business with one application, its first token, and one number with a new account.

    Outcome: `Done(Created)`.

    Attributes:
        localpart: The number's digits, 7 to 15 of them.
        secret: Of the application; BUSINESS_SECRET_SIZE bytes of chance.
        token: SHA-256 of the token.
        scopes: As in tables.Token.
        url, verify_token: Callback of the scope `app`, for all fields; empty for none.
    """

    name: str
    localpart: str
    secret: bytes
    token: bytes
    scopes: str
    actor: str
    url: str = ""
    verify_token: str = ""
    expires_ms: _Number = 0


class DeleteBusiness(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=201):
    """Delete a business with its applications, numbers, events and templates; the numbers' accounts go as well."""

    business_id: _Number
    actor: str


class AddNumber(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=202):
    """Add a number with a new account. Outcome: `Done(Created)`."""

    business_id: _Number
    localpart: str
    verified_name: str
    actor: str


class RemoveNumber(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=203):
    """Remove a number with its account."""

    number_id: _Number
    actor: str


class ChangeNumber(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=204):
    """Change what is not None of a number; see tables.Number. `profile` is a JSON object."""

    number_id: _Number
    actor: str
    verified_name: str | None = None
    profile: bytes | None = None
    per_second: _Pace | None = None
    pair_per_minute: _Pace | None = None
    is_registered: bool | None = None


class CreateApp(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=205):
    """Add an application to a business. Outcome: `Done(Created)`."""

    business_id: _Number
    name: str
    secret: bytes
    actor: str


class DeleteApp(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=206):
    """Delete an application with its tokens, callbacks and events."""

    app_id: _Number
    actor: str


class ChangeApp(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=207):
    """Give an application another secret, or let its events be kept for streams or not; what is None stays."""

    app_id: _Number
    actor: str
    secret: bytes | None = None
    streams: bool | None = None


class IssueToken(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=208):
    """Let a token speak for an application; see tables.Token. Outcome: `Done(Created)`."""

    app_id: _Number
    digest: bytes
    label: str
    scopes: str
    actor: str
    expires_ms: _Number = 0


class RevokeToken(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=209):
    """Forget a token, by its id."""

    token_id: _Number
    actor: str


class SetCallback(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=210):
    """Set a callback of an application, or remove it when `url` is empty; see tables.Callback. Idempotent."""

    app_id: _Number
    scope: str
    url: str
    verify_token: str
    fields: str
    actor: str


class StoreTemplate(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=211):
    """Store a template, or replace the components of one. Outcome: `Done(Created)`."""

    business_id: _Number
    name: str
    language: str
    category: str
    components: bytes
    actor: str


class DeleteTemplate(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=212):
    """Delete a template; in all languages when `language` is empty."""

    business_id: _Number
    name: str
    language: str
    actor: str


class Prompt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a message lets a person choose from; `kind` is a `PromptKind`."""

    kind: Annotated[int, NATURAL]
    options: Annotated[tuple[Option, ...], msgspec.Meta(max_length=PROMPT_OPTION_COUNT_MAX)]


class SendFromNumber(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=213):
    """
    A number sends a message to a person. Under a key: repeated, it happens once.

    Outcome: `Done(Sent)`. Refused with `item-not-found` for a number that is not there, `not-allowed` for one that is
    not registered or has blocked the person, `policy-violation` over a limit of throughput, whose `detail` is `number`
    or `pair`. What the recipient does not take is told by an event (status FAILED), as it may be found out elsewhere.

    Attributes:
        localpart: Of the number.
        message: As a session of the number would send it, from its bare JID; `origin_id` is empty.
        message_id: `id` attribute of `message`; empty when no status is wanted: for markers, reactions, retractions.
        opaque: `biz_opaque_callback_data`.
        fingerprint: Of the request, so that another one under the same key is noticed.
        prompt: What the person may choose from; it takes the place of the last one.
    """

    localpart: str
    message: SendMessage
    message_id: Annotated[str, msgspec.Meta(max_length=BUSINESS_ID_LENGTH_MAX)]
    opaque: Annotated[str, msgspec.Meta(max_length=BUSINESS_ID_LENGTH_MAX)] = ""
    fingerprint: bytes = b""
    prompt: Prompt | None = None


class SettleEvents(msgspec.Struct, frozen=True, array_like=True, tag=214):
    """Receivers have taken these events; what is not waiting is left alone. Idempotent."""

    events: _EventKeys


class ReplayEvents(msgspec.Struct, frozen=True, array_like=True, tag=215):
    """Let dead letters of an application wait again, for as long as new ones; none named for the oldest ones."""

    app_id: _Number
    actor: str
    events: _EventKeys = ()


class DiscardEvents(msgspec.Struct, frozen=True, array_like=True, tag=216):
    """Forget dead letters of an application; none named for the oldest ones."""

    app_id: _Number
    actor: str
    events: _EventKeys = ()


class DeleteNumberFile(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=217):
    """A number deletes a file that it has uploaded. Refused with `item-not-found` for any other."""

    localpart: str
    token: bytes


BUSINESS_ACTIONS: Final = (
    CreateBusiness,
    DeleteBusiness,
    AddNumber,
    RemoveNumber,
    ChangeNumber,
    CreateApp,
    DeleteApp,
    ChangeApp,
    IssueToken,
    RevokeToken,
    SetCallback,
    StoreTemplate,
    DeleteTemplate,
    SendFromNumber,
    SettleEvents,
    ReplayEvents,
    DiscardEvents,
    DeleteNumberFile,
)

BusinessAction = (
    CreateBusiness
    | DeleteBusiness
    | AddNumber
    | RemoveNumber
    | ChangeNumber
    | CreateApp
    | DeleteApp
    | ChangeApp
    | IssueToken
    | RevokeToken
    | SetCallback
    | StoreTemplate
    | DeleteTemplate
    | SendFromNumber
    | SettleEvents
    | ReplayEvents
    | DiscardEvents
    | DeleteNumberFile
)
