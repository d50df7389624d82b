"""
The one door from the edges into the system.

An edge (client connections, HTTP) opens sessions, submits commands, asks questions and receives events through these
protocols and knows nothing of logs, leaders or links. They do not assume that both sides share a process: all that
crosses is values.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from raftline.base.ids import Cursor, Epochs, SessionId
from raftline.machine.commands import Action, BindSession, OpenRequest
from raftline.machine.login.commands import LogIn
from raftline.machine.outcomes import Event, Gone, LoggedIn, Outcome, Resumed
from raftline.machine.queries import Answer, Query


class SessionReceiver(Protocol):
    """What a session's edge must take. Calls come from the node's loop, in order, and must not block."""

    def receive_event(self, event: Event) -> None:
        """Take an event for this session; it follows from a committed entry. SessionEnded is the last one."""

    def receive_stanza(self, stanza: bytes) -> None:
        """Take a stanza that travelled off the log: an IQ, a chat state, directed presence."""

    def receive_progress(self, inbound_count: int) -> None:
        """All stanzas up to this number of the session are settled on a majority (a session mark was applied)."""


class Session(Protocol):
    """A bound session, as its edge holds it."""

    @property
    def session_id(self) -> SessionId:
        """Unique in the cluster."""

    @property
    def epoch(self) -> int:
        """Fences the session against take-overs."""

    @property
    def pending_since_ns(self) -> int | None:
        """Monotonic time at which the oldest unsettled submission was made; None when all are settled."""

    def submit(
        self,
        number: int,
        action: Action,
        on_outcome: Callable[[Outcome], None],
        requests: tuple[OpenRequest, ...] = (),
    ) -> None:
        """
        Propose the command that stanza `number` caused; pipelined, in order, never reordered.

        `on_outcome` is called once, in the order of submissions, when this node has applied the command. Retries
        after a change of leader happen inside and are not seen. `requests` are those that nobody told of yet, up to
        this stanza; the command covers them (commands.SessionOrigin).

        Raises:
            Busy: Too much is under way; the command certainly entered no log.
            Unavailable: It did not, because not all members understand it yet: apply could answer nobody.
        """

    def progress(
        self,
        inbound_count: int,
        acknowledged: Cursor,
        requests: tuple[OpenRequest, ...] = (),
        answered: tuple[int, ...] = (),
        roster_version: int = 0,
    ) -> None:
        """
        Tell how far the session has come; it becomes part of the node's next session mark (within 50 ms).

        `inbound_count` covers stanza `n` only when all commands of stanzas up to `n` have had their outcome.
        `requests` and `answered` say what was not said before (commands.SessionMark).
        """

    async def enable_management(self, inbound_base: int = 0, token: bytes = b"", timeout_s: int = 0) -> None:
        """Turn stream management on; returns once applied (XEP-0198 section 3). See commands.EnableManagement."""

    async def detach(self) -> None:
        """
        Let the session wait to be resumed, after everything submitted before; returns once applied. Idempotent.

        One that cannot be resumed ends. The receiver hears of nothing any more.
        """

    async def end(self) -> None:
        """End the session, after everything submitted before; returns once applied. Idempotent."""


class FileDraft(Protocol):
    """A file that is being uploaded; whoever began it discards it in the end, kept or not."""

    async def write(self, data: bytes) -> None:
        """
        Write what follows; returns once the disk has taken it, so that whoever sends is no faster than the disk.

        Raises:
            StorageFull: There is no room for the rest.
            StorageError: The disk failed.
        """

    async def keep(self) -> bytes:
        """
        Make the file durable on a majority of the nodes; returns its SHA-256.

        It stays for long enough that a command may refer to it (base/limits.py). Nothing can be written any more.

        Raises:
            Unavailable: A majority did not take it.
            StorageError: The disk failed.
        """

    async def discard(self) -> None:
        """Remove what was written, unless it was kept."""


class Files(Protocol):
    """Uploaded files, by SHA-256 and size. Which there are is a matter of the replicated state."""

    async def begin(self, size: int) -> FileDraft:
        """
        Begin a file of so many bytes.

        Raises:
            StorageFull: This node has no room for it.
            StorageError: The disk failed.
            Stopping: The node is shutting down.
        """

    async def ensure(self, digest: bytes, size: int) -> None:
        """
        Return once a file can be read here; it is fetched from another node if need be.

        Raises:
            Unavailable: No node that can be reached has it.
            StorageFull: This node has no room for it.
            StorageError: The disk failed.
        """

    async def read(self, digest: bytes, offset: int, size: int) -> bytes:
        """
        Return a part of a file that `ensure` has seen; fewer bytes only where it ends.

        Raises:
            StorageError: The disk failed, or the file went meanwhile.
        """

    def stream(self, digest: bytes, size: int, start: int, end: int) -> AsyncIterator[bytes]:
        """
        Yield the bytes of a file of `size` from `start` up to, not including, `end`; `ensure` has seen it.

        What is found to be damaged is not yielded to its end.

        Raises:
            Unavailable, StorageError: The rest cannot be read.
        """

    def describe(self, digest: bytes, size: int) -> None:
        """Begin to find out what a file is like that the state refers to; what comes of it is in the state as well."""


class Node(Protocol):
    """The system, as an edge sees it."""

    @property
    def domain(self) -> str:
        """The domain all accounts live in."""

    @property
    def epochs(self) -> Epochs:
        """First parts of stanza ids."""

    @property
    def machine_version(self) -> int:
        """Version of the replicated state machine that all members agreed on, as far as this replica has come."""

    @property
    def files(self) -> Files:
        """Uploaded files. Only a node that was set up to keep them has any."""

    async def barrier(self) -> None:
        """
        Wait until this replica has applied everything committed before the call (batched ReadIndex).

        Raises:
            Unavailable: There is no quorum now; waited at most 5 s.
        """

    async def await_replicas(self, localpart: str) -> None:
        """
        Wait until each node that holds sessions of an account has applied all that is applied here.

        A node that cannot be reached, or does not answer within a second, is waited for no longer.
        """

    async def ask(self, query: Query) -> Answer:
        """Answer from the local replica; see machine/queries.py."""

    async def execute(self, action: Action, *, key: bytes | None = None) -> Outcome:
        """
        Propose a command that belongs to no session and wait for its outcome.

        `key` (16 bytes) makes it happen at most once, and a repeat under the same key gets the first outcome;
        None for actions that are idempotent by nature.

        Raises:
            Unavailable: It certainly entered no log.
            OutcomeUnknown: No outcome within 5 s; it may yet take effect. Retry under the same key.
        """

    async def open_session(self, bind: BindSession, receiver: SessionReceiver) -> Session:
        """
        Bind a resource; events may reach `receiver` before this returns, none before it is applied.

        Raises:
            Refused: With the condition of RFC 6120 section 7.
            Unavailable, OutcomeUnknown: As `execute`.
        """

    async def resume_session(
        self, localpart: str, session_id: SessionId, token: bytes, receiver: SessionReceiver
    ) -> tuple[Session, Resumed] | Gone:
        """
        Take over a session of any node (XEP-0198 section 5); events may reach `receiver` before this returns.

        Returns: Gone when it is over.

        Raises:
            Refused: `item-not-found` when it is unknown, another account's, or the token is wrong.
            Unavailable, OutcomeUnknown: As `execute`.
        """

    async def log_in(self, action: LogIn, receiver: SessionReceiver) -> tuple[Session | None, LoggedIn]:
        """
        Use and issue tokens, resume a session or bind one, by one command (machine.login.commands.LogIn).

        Node and incarnation are this node's own, whatever the action says. Events may reach `receiver` before this
        returns. Without a session to resume or bind there is none in the answer.

        Raises:
            Refused: With a condition of SASL (RFC 6120 section 6.5).
            Unavailable, OutcomeUnknown: As `execute`.
        """

    async def connect_component(self, label: str, receiver: SessionReceiver) -> Session:
        """
        Hold a component's connection (XEP-0114); events may reach `receiver` before this returns.

        Raises:
            Refused: With a condition of stream errors: `conflict` while another connection is held.
            Unavailable, OutcomeUnknown: As `execute`.
        """

    def route(self, session_id: SessionId, stanza: bytes) -> bool:
        """
        Send an off-log stanza to a session on any node, at most once and unordered against other senders.

        It carries this node's applied index, and the receiver's node waits for that index first. An IQ request whose
        link drops before its answer is answered `<remote-server-timeout/>`.

        Returns: False when no such session is known here.
        """
