"""What answers of `/admin/v1` look like where the endpoints write them without a struct. For the document alone."""

from __future__ import annotations

from typing import Any

import msgspec


class ErrorText(msgspec.Struct, frozen=True):
    """A condition of XMPP (RFC 6120 section 8.3.3), and a sentence for people."""

    condition: str
    text: str


class Error(msgspec.Struct, frozen=True):
    """The body of every error."""

    error: ErrorText


class User(msgspec.Struct, frozen=True):
    """An account; `inviter` is the name of the account that invited it."""

    name: str
    jid: str
    created_ms: int
    session_count: int
    inviter: str | None


class UserPage(msgspec.Struct, frozen=True):
    """Some accounts, by name; `next` is the `after` of the next page, if there is one."""

    users: list[User]
    next: str | None


class Address(msgspec.Struct, frozen=True):
    """The address of a new account."""

    jid: str


class Imported(msgspec.Struct, frozen=True):
    """The address of a new account, and what could not be taken over."""

    jid: str
    left: list[str]


class ImportedPieces(msgspec.Struct, frozen=True):
    """How many of each kind were taken over, and what could not be."""

    done: dict[str, int]
    left: list[str]


class ExportPage(msgspec.Struct, frozen=True):
    """XML for the inside of `<user/>` (XEP-0227); name and domain stand on the first page."""

    section: str
    xml: str
    next: str | None
    name: str | msgspec.UnsetType = msgspec.UNSET
    domain: str | msgspec.UnsetType = msgspec.UNSET


class OpenInvitation(msgspec.Struct, frozen=True):
    """An invitation that nobody has used up."""

    id: str
    inviter: str | None
    username: str | None
    registers: bool
    room: str | None
    uses: int
    expires_ms: int


class InvitationList(msgspec.Struct, frozen=True):
    """All open invitations."""

    invitations: list[OpenInvitation]


class InvitationLink(msgspec.Struct, frozen=True):
    """A link that is told once."""

    uri: str
    landing_url: str | None
    username: str | None
    expires_ms: int


class ReportedMessage(msgspec.Struct, frozen=True):
    """A message that was reported; its text is null where the service cannot read it."""

    id: str
    text: str | None


class Report(msgspec.Struct, frozen=True):
    """What somebody reported of somebody."""

    id: str
    reporter: str
    reported: str
    reason: str
    text: str
    time_ms: int
    closed_ms: int | None
    messages: list[ReportedMessage]
    may_tell_origin: bool
    may_tell_others: bool


class ReportPage(msgspec.Struct, frozen=True):
    """Some reports, the last first; `next` is the `before` of the next page, if there is one."""

    reports: list[Report]
    next: str | None


class Totals(msgspec.Struct, frozen=True):
    """How many accounts there are, how many of them are online, and how many public rooms."""

    accounts: int
    online: int
    rooms: int


class Room(msgspec.Struct, frozen=True):
    """A room that anyone may find."""

    name: str
    jid: str
    title: str
    people: int


class RoomPage(msgspec.Struct, frozen=True):
    """Some rooms, by name, and how many there are."""

    rooms: list[Room]
    next: str | None
    total: int


class FileTotals(msgspec.Struct, frozen=True):
    """Uploaded files; when `is_complete` is false there are more."""

    files: int
    bytes: int
    is_complete: bool


class FilesOfAccount(msgspec.Struct, frozen=True):
    """The files of an account."""

    name: str
    files: int
    bytes: int


class FilesPage(msgspec.Struct, frozen=True):
    """Some accounts, by name."""

    accounts: list[FilesOfAccount]
    next: str | None


class NodeAddress(msgspec.Struct, frozen=True):
    """Where a node's HTTP listener is."""

    id: int
    http_url: str


class NodeAddresses(msgspec.Struct, frozen=True):
    """Where the nodes are, the one that was asked first."""

    nodes: list[NodeAddress]


class Transferring(msgspec.Struct, frozen=True):
    """Who is to lead; null when the leader chooses."""

    to: int | None


class Reloaded(msgspec.Struct, frozen=True):
    """Settings that changed."""

    changed: list[str]


class Removing(msgspec.Struct, frozen=True):
    """The node that leaves."""

    removed: int


class Draining(msgspec.Struct, frozen=True):
    """A node, and whether it serves no clients."""

    node: int
    drained: bool


class BackupInfo(msgspec.Struct, frozen=True):
    """How far a backup has come; `header` is how its file begins, once it is ready."""

    name: str
    state: str
    reason: str
    copied_bytes: int
    expected_bytes: int
    is_current: bool
    header: dict[str, Any] | None


ClusterStatus = dict[str, Any]
"""As `raftline cluster status --json` prints it."""
