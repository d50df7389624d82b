"""Questions about businesses; see machine/queries.py. Unless it says otherwise, None answers for what is not there."""

from __future__ import annotations

from raftline.base.ids import AccountId, Position
from raftline.machine.queries import Query


class Businesses(Query, frozen=True, array_like=True, tag=200):
    """Answer: `list[BusinessView]`, by id, after `after`, at most `limit`."""

    after: int = 0
    limit: int = 100


class TokenAccess(Query, frozen=True, array_like=True, tag=201):
    """Answer: `TokenView | None`, who the token with this SHA-256 speaks for."""

    digest: bytes


class NumberNamed(Query, frozen=True, array_like=True, tag=202):
    """Answer: `NumberView | None`, a number by its id."""

    number_id: int


class NumberAt(Query, frozen=True, array_like=True, tag=203):
    """Answer: `NumberView | None`, a number by the local part of its account."""

    localpart: str


class AppNamed(Query, frozen=True, array_like=True, tag=204):
    """Answer: `AppView | None`."""

    app_id: int


class TokensOf(Query, frozen=True, array_like=True, tag=205):
    """Answer: `list[Token]`, those of an application, by when they were issued."""

    app_id: int


class IdentityOf(Query, frozen=True, array_like=True, tag=206):
    """Answer: `Identity | None`, of an account by its local part."""

    localpart: str


class IdentityBy(Query, frozen=True, array_like=True, tag=207):
    """Answer: `Identity | None`, of an account by its id."""

    account_id: AccountId


class MessageOf(Query, frozen=True, array_like=True, tag=208):
    """
    Answer: `KnownMessage | None`, a message of a number's conversations, or of a room that it is a member of.

    Attributes:
        localpart: Of the number.
    """

    localpart: str
    position: Position


class WaitingEvents(Query, frozen=True, array_like=True, tag=209):
    """
    Answer: `list[EventView]`, events that wait, of all applications, in the order they were caused.

    Attributes:
        after: Key of the last one that is known; (0, 0) for the first.
    """

    after: tuple[int, int] = (0, 0)
    limit: int = 256


class WaitingEventsOf(Query, frozen=True, array_like=True, tag=210):
    """Answer: `list[EventView]`, events of an application about one peer that wait, in order, after a key."""

    app_id: int
    peer: str
    after: tuple[int, int] = (0, 0)
    limit: int = 64


class WaitingHeads(Query, frozen=True, array_like=True, tag=211):
    """Answer: `list[EventView]`, the first event that waits about each peer of an application; by peer, after one."""

    app_id: int
    after: str = ""
    limit: int = 256


class DeadEvents(Query, frozen=True, array_like=True, tag=212):
    """Answer: `list[EventView]`, dead letters of an application, in order, after a key."""

    app_id: int
    after: tuple[int, int] = (0, 0)
    limit: int = 100


class EventsOf(Query, frozen=True, array_like=True, tag=213):
    """Answer: `list[EventView]`, whatever is there of an application, in order, after a key: for streams."""

    app_id: int
    after: tuple[int, int] = (0, 0)
    limit: int = 100


class BusinessAudit(Query, frozen=True, array_like=True, tag=214):
    """Answer: `list[AuditLine]`, the latest first, before a position; of all businesses when the id is 0."""

    business_id: int = 0
    before: Position | None = None
    limit: int = 100


class TemplatesOf(Query, frozen=True, array_like=True, tag=215):
    """Answer: `list[Template]`, by name and language, after a pair of them; only those of a name when one is given."""

    business_id: int
    name: str = ""
    after: tuple[str, str] = ("", "")
    limit: int = 100


class TemplateNamed(Query, frozen=True, array_like=True, tag=216):
    """Answer: `Template | None`."""

    business_id: int
    name: str
    language: str


class AppsWaiting(Query, frozen=True, array_like=True, tag=217):
    """Answer: `tuple[int, ...]`, ids of applications that events wait of, sorted."""


class NumberPresence(Query, frozen=True, array_like=True, tag=230):
    """Answer: `bytes | None`, the presence of a number, to be addressed, by the local part of its account."""

    localpart: str
