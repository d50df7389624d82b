"""
The error tree, split by who is at fault.

    RaftlineError
    ├── LocalProtocolError      our own caller misused a core
    ├── RemoteProtocolError     a peer or client broke the protocol: drop the link
    ├── Refused                 a rule says no; carries the stanza error to send
    ├── Unavailable             try again: the request certainly entered no log
    │   ├── NotLeader           this node does not lead; may name who does
    │   ├── Busy                a bounded queue is full
    │   └── Stopping            this node is shutting down
    ├── Dismissed               this node is no member of its cluster any more
    ├── OutcomeUnknown          the request may or may not take effect: retry under the same key
    ├── StorageError            the disk or what is on it
    │   ├── StorageFull         no space: refused, nothing damaged
    │   └── StorageCorrupt      what was durable is damaged or gone: the node stops
    └── ConfigError             a setting is wrong; carries its path

Programmer errors are assertions. Each edge has one function that turns these into its wire form.
"""

from __future__ import annotations


class RaftlineError(Exception):
    """Root of all errors of this package."""


class LocalProtocolError(RaftlineError):
    """Our own caller misused a core."""


class RemoteProtocolError(RaftlineError):
    """The other side broke the protocol; its link is dropped."""


class Refused(RaftlineError):
    """
    A rule says no.

    Attributes:
        condition: Stanza error condition, such as `item-not-found` (RFC 6120 section 8.3.3).
        kind: Stanza error type: `auth`, `cancel`, `continue`, `modify` or `wait` (RFC 6120 section 8.3.2).
        text: A sentence for people, in English.
        detail: An application's own condition as `{namespace}name` (RFC 6120 section 8.3.4); empty for none.
    """

    def __init__(self, condition: str, kind: str, text: str = "", detail: str = "") -> None:
        super().__init__(text or condition)
        self.condition = condition
        self.kind = kind
        self.text = text
        self.detail = detail


class Unavailable(RaftlineError):
    """Try again: the request certainly entered no log."""


class NotLeader(Unavailable):
    """This node does not lead; `leader_id` is who does, if known."""

    def __init__(self, leader_id: int | None = None) -> None:
        super().__init__("this node does not lead")
        self.leader_id = leader_id


class Busy(Unavailable):
    """A bounded queue is full."""


class Stopping(Unavailable):
    """This node is shutting down."""


class Dismissed(RaftlineError):
    """This node is no member of its cluster any more: it stops."""


class OutcomeUnknown(RaftlineError):
    """The request may or may not take effect; retry it under the same key."""


class StorageError(RaftlineError):
    """The disk, or what is on it, failed us."""


class StorageFull(StorageError):
    """There is no space left; the write was refused and nothing is damaged."""


class StorageCorrupt(StorageError):
    """What was durable is damaged or gone. Never served, never repaired by guessing."""


class ConfigError(RaftlineError):
    """A setting is wrong; `path` names it, such as `http.port`."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
