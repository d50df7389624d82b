"""
Questions to the local replica, as values, and their answers.

They see everything applied so far and change nothing. Reads that must not be stale pass a read barrier first.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

from raftline.base.ids import Cursor, NodeId, Position, SessionId
from raftline.machine.business.group_values import GroupAnswer
from raftline.machine.business.values import BusinessAnswer
from raftline.machine.commands import Credential
from raftline.machine.conversations.values import ConversationSlice, RoomTickSlice, Tick
from raftline.machine.history.answers import ArchivePreferences, Found, ReportRecord, SentMessages
from raftline.machine.invites.views import InviteView
from raftline.machine.media.tables import FileDescription, StoredFile, UndescribedFile, UploadUse
from raftline.machine.media.values import UploadView
from raftline.machine.outcomes import Event, Outcome, RosterItem
from raftline.machine.pins.events import PinView
from raftline.machine.polls.events import TallyPage
from raftline.machine.pubsub.values import NodeDetails, NodeItems, NodeSubscription
from raftline.machine.push.answers import WaitingNotification
from raftline.machine.records import Invitation, NodeProfile
from raftline.machine.retention.tables import RetentionRule
from raftline.machine.rooms.views import RoomAnswer


class Query(msgspec.Struct, frozen=True, array_like=True):
    """Root of all questions."""


class CredentialsOf(Query, frozen=True, array_like=True, tag=1):
    """Answer: `tuple[Credential, ...]`, empty when there is no such account."""

    localpart: str


class AccountExists(Query, frozen=True, array_like=True, tag=2):
    """Answer: `bool`."""

    localpart: str


class ListAccounts(Query, frozen=True, array_like=True, tag=3):
    """Answer: `list[AccountRow]`, by name, at most `limit`, after the name `after`."""

    after: str = ""
    limit: int = 100


class AccountCounts(Query, frozen=True, array_like=True, tag=135):
    """Answer: `Counts`."""


class OnlineAccounts(Query, frozen=True, array_like=True, tag=136):
    """Answer: `list[str]`, names of accounts with a session that is available, sorted, at most `limit`."""

    limit: int = 100


class RosterOf(Query, frozen=True, array_like=True, tag=4):
    """Answer: `Roster`."""

    localpart: str


class SubscriptionOf(Query, frozen=True, array_like=True, tag=5):
    """Does `contact` (bare JID) see `localpart`'s presence? Answer: `bool`."""

    localpart: str
    contact: str


class SessionsOf(Query, frozen=True, array_like=True, tag=6):
    """Answer: `list[SessionRow]`, all sessions of an account, available or not."""

    localpart: str


class SessionAt(Query, frozen=True, array_like=True, tag=7):
    """Answer: `SessionRow | None`."""

    localpart: str
    resource: str


class ArchivePage(Query, frozen=True, array_like=True, tag=8):
    """
    A page of an account's archive (XEP-0313 section 4, XEP-0059). Answer: `Page`.

    Attributes:
        contact: Bare or full JID of the other side, or None for all.
        start_ms, end_ms: Bounds in cluster time, both included.
        after, before: Exclusive bounds by position, of paging and of `after-id`/`before-id` alike (the narrower wins).
        positions: When not empty, just these.
        backward: Take the last `limit` rows rather than the first; the answer is in log order either way.
    """

    owner: str
    contact: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    after: Position | None = None
    before: Position | None = None
    positions: tuple[Position, ...] = ()
    backward: bool = False
    limit: int = 50


class ArchiveEnds(Query, frozen=True, array_like=True, tag=9):
    """Answer: `tuple[ArchiveRow, ArchiveRow] | None`, the first and last row of an archive (XEP-0313 section 5)."""

    owner: str


class InboxPage(Query, frozen=True, array_like=True, tag=20):
    """
    What a session owes acknowledgement for after a cursor, in the order of delivery, as events.

    Answer: `list[Event]`, at most `limit`, at least one while there are any; fewer when stanzas are large.
    """

    session_id: SessionId
    after: Cursor
    limit: int = 100


class PictureOf(Query, frozen=True, array_like=True, tag=21):
    """What a session that was resumed has to be told beside its deliveries. Answer: `Picture`."""

    session_id: SessionId


class NextExpiry(Query, frozen=True, array_like=True, tag=22):
    """Answer: `int | None`, the cluster time at which something is due next (timers/due.py)."""


class NodeProfiles(Query, frozen=True, array_like=True, tag=23):
    """Answer: `list[NodeProfile]`, what nodes have told of themselves, by id."""


class InvitationOf(Query, frozen=True, array_like=True, tag=24):
    """Answer: `Invitation | None`, that of a node that may join, or has joined lately."""

    node_id: NodeId


class OutcomeUnder(Query, frozen=True, array_like=True, tag=46):
    """Answer: `Outcome | None`, what came of the command that carried this key within the last day."""

    key: bytes


class Reachable(Query, frozen=True, array_like=True, tag=40):
    """
    Which sessions of an account may `sender`, a full JID of this domain, reach off the log, as far as block lists say?

    Answer: `list[SessionRow]`, all of the account, available or not; none when the account has blocked the sender or
    does not exist, so that the two look the same; None when the sender has blocked the address (XEP-0191 section 3.3).

    Attributes:
        resource: That of the address the stanza is sent to; None for a bare one.
    """

    localpart: str
    resource: str | None
    sender: str


class BlockBetween(Query, frozen=True, array_like=True, tag=41):
    """
    Does a block list keep `user`, a full JID of this domain, and `contact`, any JID, apart? Answer: `Block`.

    Both see the same of a contact who blocks and of one who does not exist.
    """

    user: str
    contact: str


class BlocklistOf(Query, frozen=True, array_like=True, tag=42):
    """Answer: `tuple[str, ...]`, the addresses that an account has blocked, sorted."""

    localpart: str


class PrivateOf(Query, frozen=True, array_like=True, tag=43):
    """Answer: `bytes | None`, one element of private storage as XML."""

    localpart: str
    namespace: str
    name: str


class VcardOf(Query, frozen=True, array_like=True, tag=44):
    """Answer: `bytes | None`, the vCard of an account as XML."""

    localpart: str


class LastActivityOf(Query, frozen=True, array_like=True, tag=45):
    """Answer: `LastActivity | None`; None when there is no such account."""

    localpart: str


class LoginTokensOf(Query, frozen=True, array_like=True, tag=70):
    """Answer: `list[KnownToken]`, those of a client installation, the one issued last first. Pass a barrier first."""

    localpart: str
    client: bytes


class Block(enum.Enum):
    """Who keeps two apart."""

    NOBODY = "nobody"
    USER = "the user"
    CONTACT = "the contact"


class LastActivity(NamedTuple):
    """
    When an account was last there (XEP-0012).

    Attributes:
        is_available: It is there now.
        time_ms: Cluster time at which its last session left, or at which it was made if it never was there.
        stanza: The unavailable presence it left with; empty for none.
    """

    is_available: bool
    time_ms: int
    stanza: bytes


class KnownToken(NamedTuple):
    """
    What is kept of a login token; fields as in machine.login.tables.LoginToken.

    Attributes:
        is_expired: It is too old.
        is_due: Whoever uses it is to get a new one.
    """

    mechanism: str
    verifier: bytes
    answer: bytes
    is_expired: bool
    is_due: bool


class KeptAnswer(NamedTuple):
    """
    An IQ request whose answer may be lost.

    Attributes:
        to: The address it was sent to, as its client wrote it; empty for none.
        outcome: All that the answer says; None when nothing is known of it.
    """

    number: int
    request_id: str
    to: str
    outcome: Outcome | None


class Picture(NamedTuple):
    """Requests to answer again, in the order they came, and rosters and presence as they are now."""

    answers: list[KeptAnswer]
    events: list[Event]


class AccountRow(NamedTuple):
    """One account. `created_ms` is cluster time; `inviter` names the account it was invited by, if that is there."""

    localpart: str
    created_ms: int
    session_count: int
    inviter: str = ""


class Counts(NamedTuple):
    """How many accounts there are, and how many of them have a session that is available."""

    accounts: int
    online: int


class Roster(NamedTuple):
    """A roster and its version, which grows with each change."""

    version: int
    items: list[RosterItem]


class SessionRow(NamedTuple):
    """
    One session.

    Attributes:
        node_id: Who holds it; 0 while it waits to be resumed.
        priority: None while it is not available.
        presence: Its last broadcast stanza.
    """

    session_id: SessionId
    node_id: NodeId
    resource: str
    priority: int | None
    presence: bytes | None


class ArchiveRow(NamedTuple):
    """One archived message, `stanza` as in SendMessage."""

    position: Position
    time_ms: int
    stanza: bytes


class Page(NamedTuple):
    """
    A page of an archive.

    Attributes:
        complete: Nothing lies beyond the page in the direction it was asked for.
        count: Rows that match in all, paging aside.
        offset: Rows that match before the first of the page.
    """

    rows: list[ArchiveRow]
    complete: bool
    count: int  # type: ignore[assignment]  # hides the method of tuples, which nobody calls on a page
    offset: int


Answer = (
    tuple[Credential, ...]
    | bool
    | list[AccountRow]
    | Roster
    | list[SessionRow]
    | SessionRow
    | Page
    | list[Event]
    | Picture
    | int
    | tuple[ArchiveRow, ArchiveRow]
    | ArchivePreferences
    | SentMessages
    | Found
    | list[ReportRecord]
    | tuple[str, ...]
    | bytes
    | Block
    | LastActivity
    | list[NodeProfile]
    | list[KnownToken]
    | Invitation
    | Counts
    | list[str]
    | NodeItems
    | list[NodeDetails]
    | NodeDetails
    | list[NodeSubscription]
    | str
    | Outcome
    | RoomAnswer
    | UploadView
    | UploadUse
    | list[StoredFile]
    | FileDescription
    | list[UndescribedFile]
    | list[RetentionRule]
    | ConversationSlice
    | list[ArchiveRow | None]
    | list[Tick | None]
    | RoomTickSlice
    | InviteView
    | list[InviteView]
    | list[WaitingNotification]
    | TallyPage
    | list[PinView]
    | BusinessAnswer
    | GroupAnswer
    | None
)
