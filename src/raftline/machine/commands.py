"""
Every replicated command: the schema of the log.

A command carries all that chance and time decided before it entered the log; apply draws nothing. Commands travel as
msgpack arrays, so a field may only ever be added at the end, with a default.

Exactly once. A command of a client's session names the session, its epoch, its own stanza number and the number of
the session's command before it; apply refuses gaps, repeats and stale epochs, so that a retry after an unknown
outcome neither doubles nor overtakes. Any other command that must not happen twice carries a key, under which its
outcome is kept for a day. Commands that are idempotent by nature carry neither.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

import msgspec

from raftline.base.ids import Cursor, NodeId, SessionId
from raftline.base.limits import RESUMPTION_TIMEOUT_S_MAX
from raftline.machine.business.commands import BUSINESS_ACTIONS, BusinessAction
from raftline.machine.business.group_commands import GROUP_ACTIONS, GroupAction
from raftline.machine.components import commands as components
from raftline.machine.components.commands import ComponentAction
from raftline.machine.history.commands import CloseReport, Report, SetArchivePreferences
from raftline.machine.invites.commands import INVITE_ACTIONS, InviteAction
from raftline.machine.login.commands import LogIn
from raftline.machine.media import commands as media
from raftline.machine.message_commands import SendEphemeral, SendMessage, SendPoll, SendSealed
from raftline.machine.node_commands import (
    BuryNode,
    EndFormerCluster,
    ForgetNode,
    InviteNode,
    RaiseVersion,
    RedeemInvitation,
    StartNode,
)
from raftline.machine.pins.commands import PIN_ACTIONS, PinMessage
from raftline.machine.polls.commands import POLL_ACTIONS, PollAction
from raftline.machine.portability.commands import ImportedContact, ImportedMessage
from raftline.machine.pubsub import commands as pubsub
from raftline.machine.push.commands import PUSH_ACTIONS, PushAction
from raftline.machine.retention.commands import SetRetention
from raftline.machine.rooms.commands import ROOM_ACTIONS, RoomAction
from raftline.machine.tables import NATURAL
from raftline.machine.view_once.commands import SEALED_ACTIONS, OpenSealed, SealInRoom


class OpenRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    An IQ request of a resumable session that is handled, while its client may not have the answer yet.

    Attributes:
        number: Stanza number of the request.
        request_id, to: Its attributes, as the client wrote them; `to` is empty when absent.
        is_command: The outcome of the command under the same number is all that its answer says.
    """

    number: Annotated[int, NATURAL]
    request_id: str
    to: str
    is_command: bool = False


class SessionOrigin(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """
    Which stanza of which session caused a command.

    Attributes:
        number: Inbound stanzas of the session so far, this one included; counted from its bind.
        previous: `number` of the session's command before this one; 0 for its first.
        requests: Requests that are covered for the first time: by this command, not by one or a mark before it.
    """

    session_id: Annotated[SessionId, NATURAL]
    epoch: Annotated[int, NATURAL]
    number: Annotated[int, NATURAL]
    previous: Annotated[int, NATURAL]
    requests: tuple[OpenRequest, ...] = ()


class KeyOrigin(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """A key of 16 random bytes under which the outcome is kept."""

    key: bytes


class Credential(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a server keeps of a password (RFC 5802 section 3); the password itself is never kept."""

    mechanism: str
    """`SCRAM-SHA-1` or `SCRAM-SHA-256`."""
    salt: bytes
    iterations: Annotated[int, NATURAL]
    stored_key: bytes
    server_key: bytes


class CreateAccount(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """Create an account. Refused with `conflict` when the name is taken."""

    localpart: str
    credentials: tuple[Credential, ...]


class RegisterByInvite(msgspec.Struct, frozen=True, array_like=True, tag=131):
    """
    Create an account by an invitation, which is used up (XEP-0445 section 4).

    Refused with `item-not-found` when there is no such invitation, `not-acceptable` when it is for another name, and
    as CreateAccount is; then the invitation stays open. That it has expired is no reason: who shows the token is told
    before. So the command is taken for some minutes longer (`INVITE_GRACE_MS`).
    """

    localpart: str
    credentials: tuple[Credential, ...]
    digest: bytes


class SetCredentials(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """Replace an account's credentials. Refused with `item-not-found`."""

    localpart: str
    credentials: tuple[Credential, ...]


class DeleteAccount(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=12):
    """Delete an account with its sessions, roster, archive; its contacts see it unsubscribe. Its id is not reused."""

    localpart: str


class BindSession(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=30):
    """
    Bind a resource (RFC 6120 section 7). A session that holds the same resource ends with `conflict`.

    Outcome: `Done(Bound)`; refused with `item-not-found` when the account is gone, `resource-constraint` when it has
    too many sessions.
    """

    localpart: str
    resource: str
    node_id: Annotated[NodeId, NATURAL]
    incarnation: Annotated[int, NATURAL]


class EndSession(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=31):
    """
    End a session: its contacts see it unavailable, messages it had not acknowledged become offline messages.

    Idempotent. `epoch` fences it: a session that was taken over since is left alone.
    """

    session_id: Annotated[SessionId, NATURAL]
    epoch: Annotated[int, NATURAL]


class EndSessions(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=135):
    """
    An administrator ends an account's sessions, as `EndSession` does. Refused with `item-not-found`. Machine version 3.

    Attributes:
        resource: Which one; empty for all.
    """

    localpart: str
    resource: str = ""


class EnableManagement(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=32):
    """
    Turn stream management on (XEP-0198 section 3): from here on unacknowledged messages are kept. Idempotent.

    Attributes:
        inbound_base: Stanzas of the session before; the client counts from there.
        token: What the client proves by that the session is its own; empty when it cannot be resumed.
        timeout_s: For how long it waits to be resumed once nobody holds it.
    """

    session_id: Annotated[SessionId, NATURAL]
    epoch: Annotated[int, NATURAL]
    inbound_base: Annotated[int, NATURAL] = 0
    token: bytes = b""
    timeout_s: Annotated[int, msgspec.Meta(ge=0, le=RESUMPTION_TIMEOUT_S_MAX)] = 0


class SessionMark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    How far a session has come.

    Attributes:
        inbound_count: Stanzas handled without a gap: each caused no command, or its command is applied.
        acknowledged: The client has this delivery and all before it.
        requests: As in SessionOrigin.
        answered: Numbers of requests whose answers the client has.
        roster_version: The client has the roster's changes up to here; 0 when it has not asked for the roster.
    """

    session_id: Annotated[SessionId, NATURAL]
    epoch: Annotated[int, NATURAL]
    inbound_count: Annotated[int, NATURAL]
    acknowledged: Cursor
    requests: tuple[OpenRequest, ...] = ()
    answered: tuple[Annotated[int, NATURAL], ...] = ()
    roster_version: Annotated[int, NATURAL] = 0


class MarkSessions(msgspec.Struct, frozen=True, array_like=True, tag=33):
    """Progress of all sessions of a node that moved since its last mark. Idempotent."""

    marks: tuple[SessionMark, ...]


class DetachSession(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=34):
    """
    Nobody holds the session any more: it waits to be resumed, and one that cannot be resumed ends. Idempotent.

    It stays bound and available, and takes messages. `epoch` fences as in EndSession.
    """

    session_id: Annotated[SessionId, NATURAL]
    epoch: Annotated[int, NATURAL]


class ResumeSession(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=35):
    """
    Take a session over (XEP-0198 section 5), whoever holds it, under a new epoch.

    Outcome: `Done(Resumed)`; `Done(Gone)` when it is over and known to have belonged to this account; refused with
    `item-not-found` when it is unknown, somebody else's, or the token is another.
    """

    localpart: str
    session_id: Annotated[SessionId, NATURAL]
    token: bytes
    node_id: Annotated[NodeId, NATURAL]
    incarnation: Annotated[int, NATURAL]


class CarryOutDue(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=36):
    """
    Carry out what is due by cluster time: end sessions that nobody resumed, and other timers (timers/due.py).

    Of each kind the longest overdue first, as much as one command may. Idempotent.
    """


class SetPresence(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=40):
    """
    Broadcast presence (RFC 6121 sections 4.2, 4.4, 4.5).

    Attributes:
        stanza: The presence stanza with `from` the full JID and no `to`.
        priority: None when unavailable.
        capabilities: What it says of the client's capabilities (XEP-0115). Machine version 3.
    """

    stanza: bytes
    priority: int | None
    capabilities: pubsub.Capabilities | None = None


class SubscriptionKind(enum.IntEnum):
    """Type of a presence stanza that manages a subscription (RFC 6121 section 3)."""

    SUBSCRIBE = 1
    SUBSCRIBED = 2
    UNSUBSCRIBE = 3
    UNSUBSCRIBED = 4


class ChangeSubscription(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=41):
    """
    Manage a subscription with a contact.

    Attributes:
        contact: Bare JID.
        stanza: The presence stanza with `from` the user's bare JID and `to` the contact's.
        invite: Digest of the token that a request shows (XEP-0379); empty for none. Counts from machine version 3 on.
    """

    kind: SubscriptionKind
    contact: str
    stanza: bytes
    invite: bytes = b""


class SetRosterItem(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=42):
    """Add a roster item or change its name and groups (RFC 6121 sections 2.3, 2.4)."""

    contact: str
    name: str
    groups: tuple[str, ...]


class RemoveRosterItem(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=43):
    """Remove a roster item and end both subscriptions (RFC 6121 section 2.5). Refused with `item-not-found`."""

    contact: str


class DeclareInterest(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=44):
    """The session asked for its roster, so it wants roster pushes (RFC 6121 section 2.2)."""


class SetCarbons(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=60):
    """Turn copies of messages for this session on or off (XEP-0280 sections 4, 5). Idempotent."""

    enabled: bool


class ChangeBlocklist(msgspec.Struct, frozen=True, array_like=True, tag=61):
    """
    Block or unblock addresses (XEP-0191 sections 3.3, 3.4).

    Refused with `resource-constraint` when the list would grow too long.

    Attributes:
        blocked: Whether the addresses are blocked from here on, or no longer.
        addresses: Full or bare JIDs or domains; none unblocks all.
        reports: Why some of them are blocked (XEP-0377). Counts from machine version 3 on.
    """

    blocked: bool
    addresses: tuple[str, ...]
    reports: tuple[Report, ...] = ()


class DeclareBlocklistInterest(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=62):
    """The session asked for the block list, so it wants to hear of its changes (XEP-0191 section 3.2)."""


class PrivateElement(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An element of private storage; `data` is its XML, for a place without a default namespace."""

    namespace: str
    name: str
    data: bytes


class StorePrivate(msgspec.Struct, frozen=True, array_like=True, tag=63):
    """Replace elements of the account's private storage (XEP-0049 section 3). Refused when too large or too many."""

    elements: tuple[PrivateElement, ...]


class SetVcard(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=64):
    """
    Replace the account's vCard (XEP-0054 section 3.2); `data` is its XML. Refused when it is too large.

    `photo` is its picture, which becomes the account's avatar (XEP-0398); None leaves that alone. Machine version 3.
    """

    data: bytes
    photo: pubsub.Photo | None = None


class ActForAccount(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=157):
    """
    An administrator does for an account what an import needs (XEP-0227). Machine version 3.

    Outcome: that of the action, as if a session had sent it; refused with `item-not-found` when there is no account.
    """

    localpart: str
    action: (
        StorePrivate
        | SetVcard
        | ChangeBlocklist
        | pubsub.CreateNode
        | pubsub.ChangeAffiliations
        | pubsub.Publish
        | ImportedContact
        | ImportedMessage
    )


class ActForNumber(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=219):
    """
    A program does for the number of a business what a session of its account could do. Machine version 4.

    Outcome: that of the action; refused with `item-not-found` when there is no such number.

    Attributes:
        localpart: Of the number.
    """

    localpart: str
    action: ChangeBlocklist | SetVcard | pubsub.Publish | media.RequestUploadSlot


Action = (
    CreateAccount
    | RegisterByInvite
    | SetCredentials
    | DeleteAccount
    | StartNode
    | BuryNode
    | InviteNode
    | RedeemInvitation
    | ForgetNode
    | RaiseVersion
    | EndFormerCluster
    | BindSession
    | EndSession
    | EndSessions
    | EnableManagement
    | MarkSessions
    | DetachSession
    | ResumeSession
    | CarryOutDue
    | SetPresence
    | ChangeSubscription
    | SetRosterItem
    | RemoveRosterItem
    | DeclareInterest
    | SendMessage
    | SendEphemeral
    | SendPoll
    | SendSealed
    | SetCarbons
    | ChangeBlocklist
    | DeclareBlocklistInterest
    | StorePrivate
    | SetVcard
    | LogIn
    | SetArchivePreferences
    | CloseReport
    | pubsub.Publish
    | pubsub.RetractItem
    | pubsub.CreateNode
    | pubsub.ConfigureNode
    | pubsub.DeleteNode
    | pubsub.PurgeNode
    | pubsub.ChangeAffiliations
    | pubsub.ChangeNodeSubscription
    | pubsub.LearnCapabilities
    | pubsub.StoreBookmarks
    | ComponentAction
    | ActForAccount
    | RoomAction
    | media.MediaAction
    | InviteAction
    | PushAction
    | PollAction
    | PinMessage
    | SealInRoom
    | OpenSealed
    | SetRetention
    | BusinessAction
    | GroupAction
    | ActForNumber
)
"""What a command does. Tags are never reused."""

SINCE_VERSION: Final[Mapping[type, int]] = MappingProxyType(
    {
        InviteNode: 2,
        RedeemInvitation: 2,
        ForgetNode: 2,
        LogIn: 3,
        EndSessions: 3,
        EndFormerCluster: 3,
        ActForAccount: 3,
        SendEphemeral: 3,
        SendPoll: 3,
        SendSealed: 3,
        SetArchivePreferences: 3,
        CloseReport: 3,
        **dict.fromkeys(pubsub.ACTIONS, 3),
        **dict.fromkeys(components.ACTIONS, 3),
        **dict.fromkeys(ROOM_ACTIONS, 3),
        **dict.fromkeys(media.ACTIONS, 3),
        RegisterByInvite: 3,
        **dict.fromkeys(INVITE_ACTIONS, 3),
        **dict.fromkeys(PUSH_ACTIONS, 3),
        **dict.fromkeys(POLL_ACTIONS, 3),
        **dict.fromkeys(PIN_ACTIONS, 3),
        **dict.fromkeys(SEALED_ACTIONS, 3),
        SetRetention: 3,
        ActForNumber: 4,
        **dict.fromkeys(BUSINESS_ACTIONS, 4),
        **dict.fromkeys(GROUP_ACTIONS, 4),
    }
)
"""Machine version from which on a kind of command is understood; 1 for what is not named."""


class Command(msgspec.Struct, frozen=True, array_like=True):
    """
    One command of the log.

    Attributes:
        node_id: The node that proposes it; with `incarnation` and `ticket` it finds its outcome when it applies the
            command.
        ticket: Number of the proposal in that incarnation.
        salt: 16 random bytes that salt the digest of the command, so that deleting salt and content leaves nothing
            to guess from.
        origin: None for what is idempotent by nature.
    """

    node_id: Annotated[NodeId, NATURAL]
    incarnation: Annotated[int, NATURAL]
    ticket: Annotated[int, NATURAL]
    salt: bytes
    origin: SessionOrigin | KeyOrigin | None
    action: Action


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Command)


def encode_command(command: Command) -> bytes:
    """Return the command as it stands in the log."""
    return _ENCODER.encode(command)


def decode_command(data: bytes | memoryview) -> Command:
    """
    Read a command of the log.

    Raises:
        msgspec.DecodeError, msgspec.ValidationError: No correct proposer wrote it.
    """
    return _DECODER.decode(data)
