"""
The replicated state machine: entries of the log in, results out, the same on every node.

The machine is driven by one thread. `apply` begins a SQLite transaction when none is open; it stays open over several
entries until `commit`, which writes the rows together with how far the database has come: a crash loses whole
transactions, and the log has them still. Reads through the same machine see the open transaction.

How the answer to a question, or a state hash, depends on when `commit` was called: not at all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import apsw

from raftline.base.errors import RemoteProtocolError, StorageError
from raftline.base.ids import LogIndex, NodeId, Position, Term, position_of
from raftline.machine import answers, chain
from raftline.machine.apply import CommandRunner, Fault
from raftline.machine.context import Context
from raftline.machine.database import storage_error
from raftline.machine.entry import ENTRY_COMMAND_COUNT_MAX, EntryBatch, decode_entry
from raftline.machine.outcomes import CommandResult, Rejected
from raftline.machine.pruning import Pruner
from raftline.machine.queries import Answer, Query
from raftline.machine.versions import FIRST_VERSION, require_understood

DIGEST_COUNT_MAX: Final = 1024
"""Entries whose state hash is remembered for comparison between nodes."""

_UNREADABLE_ENTRY: Final = Rejected("bad-request", "cancel", "The entry cannot be read.")
_TIME_MS_END: Final = 1 << 62


class _Head(NamedTuple):
    """How far the database has come: the row of the table `machine`."""

    applied_index: LogIndex
    applied_term: Term
    cluster_time_ms: int
    machine_version: int
    state_hash: bytes
    entry_chain: bytes


class Machine:
    """
    Replicated state over one database connection, which it owns from here on: a start that fails closes it.

    An error raised by a method means that this node cannot go on: every later call but `close` fails.

    Raises:
        VersionNotUnderstood: The cluster has gone on without this release.
    """

    def __init__(self, database: apsw.Connection, *, domain: str) -> None:
        self._domain = domain
        try:
            self._begin_from(database)
        except BaseException:
            database.close(True)
            raise

    def _begin_from(self, database: apsw.Connection) -> None:
        """Start from what a database holds, with nothing in memory."""
        self._database = database
        self._digests: OrderedDict[LogIndex, bytes] = OrderedDict()
        self._failure: StorageError | None = None
        with self._storage():
            self._context = Context(database, self._domain)
            self._runner = CommandRunner(self._context)
            self._pruner = Pruner(self._context)
            self._head = _read_head(database)
            require_understood(self._head.machine_version)
            self._context.search.begin()
        self._context.machine_version = self._head.machine_version
        if self._head.applied_index:
            self._digests[self._head.applied_index] = self._head.state_hash

    @property
    def applied_index(self) -> LogIndex:
        """Index of the last entry applied, committed to the database or not; 0 for none."""
        return self._head.applied_index

    @property
    def applied_term(self) -> Term:
        """Term of the last entry applied."""
        return self._head.applied_term

    @property
    def cluster_time_ms(self) -> int:
        """Greatest leader time of all entries applied."""
        return self._head.cluster_time_ms

    @property
    def state_hash(self) -> bytes:
        """Hash over all changes so far; equal on two nodes at the same index if they are replicas."""
        return self._head.state_hash

    @property
    def entry_chain(self) -> bytes:
        """Head of the chain over all entries so far."""
        return self._head.entry_chain

    @property
    def machine_version(self) -> int:
        """Version of apply's behaviour that the cluster has agreed on."""
        return self._head.machine_version

    @property
    def push_change_count(self) -> int:
        """Grows whenever notifications may have become fit to be published; says nothing across starts."""
        return self._context.push.change_count

    @property
    def former_epochs(self) -> tuple[tuple[Position, int], ...]:
        """Up to which position stanza ids have which epoch of a former cluster, the oldest first."""
        context = self._context
        sql = "SELECT last_position, epoch FROM former_epoch ORDER BY last_position"
        return tuple(context.rows.select((context.former_epochs,), sql))

    @property
    def business_change_count(self) -> int:
        """Grows whenever events of businesses may have become fit to be delivered; says nothing across starts."""
        return self._context.business.change_count

    @property
    def lost_event_count(self) -> int:
        """Events that applications of businesses were not told of since the start, because too many waited."""
        return self._context.business.lost_event_count

    @property
    def has_open_transaction(self) -> bool:
        """Entries were applied that `commit` has not written."""
        return self._database.in_transaction

    @property
    def failure(self) -> StorageError | None:
        """The error after which this node cannot go on, whoever met it; None while all is well."""
        return self._failure

    def digest_at(self, index: LogIndex) -> bytes | None:
        """Return the state hash after an entry, if it is among the last 1,024 applied since the start."""
        return self._digests.get(index)

    def apply(self, index: LogIndex, term: Term, payload: bytes) -> list[CommandResult]:
        """
        Apply an entry with commands; `index` follows the last.

        A payload that cannot be read yields one refusal that names no node.

        Raises:
            StorageError: The disk failed.
        """
        self._check_next(index)
        with self._storage():
            self._begin()
            batch = _read_entry(payload)
            if batch is None:
                self._advance(index, term, 0, [chain.command_digest(payload, b"")], [b"unreadable"])
                return [CommandResult(NodeId(0), 0, 0, position_of(index, 0), _UNREADABLE_ENTRY, [])]
            context = self._context
            context.time_ms = max(self._head.cluster_time_ms, batch.time_ms)
            results: list[CommandResult] = []
            digests: list[bytes] = []
            journals: list[bytes] = []
            first = position_of(index, 0)
            run, digest = self._runner.run, chain.command_digest
            for place, data in enumerate(batch.commands):
                applied = run(Position(first + place), data)
                results.append(applied.result)
                digests.append(digest(data, applied.salt))
                journals.append(applied.journal)
            count = len(batch.commands)
            journals.append(self._runner.run_step(first, lambda: self._pruner.prune(count)))
            self._advance(index, term, batch.time_ms, digests, journals)
            if context.rows.flush_due:
                context.rows.flush()
            return results

    def apply_empty(self, index: LogIndex, term: Term) -> None:
        """
        Apply an entry without commands, such as the first of a term; `index` follows the last.

        Raises:
            StorageError: The disk failed.
        """
        self._check_next(index)
        with self._storage():
            self._begin()
            self._advance(index, term, 0, [], [])

    def commit(self) -> None:
        """
        Write what was applied since the last commit, if anything, as one transaction.

        Raises:
            StorageError: The disk failed.
        """
        if not self._database.in_transaction:
            return
        with self._storage():
            self._context.rows.flush()
            self._database.execute(
                "UPDATE machine SET applied_index = ?, applied_term = ?, cluster_time_ms = ?, machine_version = ?,"
                " state_hash = ?, entry_chain = ?",
                self._head,
            )
            self._database.execute("COMMIT")
            self._context.trim()

    def index_some(self, limit: int) -> int:
        """
        Make the next messages searchable, at most so many, in the transaction that is open then; return how many.

        Opens none when all are.

        Raises:
            StorageError: The disk failed.
        """
        with self._storage():
            return self._context.search.index_some(limit, self._begin)

    def answer(self, query: Query) -> Answer:
        """
        Answer a question about all that is applied so far.

        Raises:
            StorageError: The disk failed.
        """
        with self._storage():
            return answers.answer(self._context, query)

    def scrub_digest(self, table: str) -> bytes:
        """
        Hash the rows that SQLite holds of a table, for comparison with other nodes at the same index.

        Reads the whole table. `scrub_tables` names them.

        Raises:
            StorageError: The disk failed.
        """
        with self._storage():
            return self._context.rows.scrub_digest(table)

    @property
    def scrub_tables(self) -> tuple[str, ...]:
        """Names of all replicated tables."""
        return tuple(table.definition.name for table in self._context.rows.tables)

    def take_faults(self) -> list[Fault]:
        """Hand over, once, the faults in the code that commands have met; the node writes them to its log."""
        faults, self._runner.faults = self._runner.faults, []
        return faults

    def replace(self, open_other: Callable[[], apsw.Connection]) -> None:
        """
        Go on from another database: that of a snapshot.

        What was applied and not committed is dropped, and the old file is left as it is, its write-ahead file unmoved:
        the snapshot contains it all.

        Args:
            open_other: Called once the old database is closed; puts the other in its place and opens it.

        Raises:
            StorageError: The disk failed, or the other database is damaged; the machine is closed then.
        """
        self._failure = StorageError("the database is being replaced")
        try:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._database.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            self._database.close()
        except apsw.Error as error:
            raise storage_error(error) from error
        self._begin_from(open_other())

    def close(self) -> None:
        """
        Close the database; entries that were not committed are applied again after the next start.

        Raises:
            StorageError: The disk failed.
        """
        self._failure = StorageError("the database is closed")
        try:
            try:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
            finally:
                self._database.close()
        except apsw.Error as error:
            raise storage_error(error) from error

    @contextmanager
    def _storage(self) -> Iterator[None]:
        """Say in this package's words what SQLite met, and from then on nothing else: memory and disk may differ."""
        if self._failure is not None:
            raise self._failure
        try:
            yield
        except apsw.Error as error:
            self._failure = storage_error(error)
            raise self._failure from error
        except BaseException as error:
            self._failure = error if isinstance(error, StorageError) else StorageError(f"the machine failed: {error!r}")
            raise

    def _check_next(self, index: LogIndex) -> None:
        assert index == self._head.applied_index + 1, (index, self._head.applied_index)

    def _begin(self) -> None:
        if not self._database.in_transaction:
            self._database.execute("BEGIN IMMEDIATE")

    def _advance(self, index: LogIndex, term: Term, time_ms: int, digests: list[bytes], journals: list[bytes]) -> None:
        """Move the head over an entry; the database follows with the next commit."""
        head = self._head
        state_hash = chain.extend_state_hash(head.state_hash, index, term, journals)
        self._head = _Head(
            index,
            term,
            max(head.cluster_time_ms, time_ms),
            self._context.machine_version,
            state_hash,
            chain.extend_entry_chain(head.entry_chain, index, term, time_ms, digests),
        )
        self._digests[index] = state_hash
        if len(self._digests) > DIGEST_COUNT_MAX:
            self._digests.popitem(last=False)


def _read_head(database: apsw.Connection) -> _Head:
    """Return how far the database has come; a new one gets its row."""
    sql = "SELECT applied_index, applied_term, cluster_time_ms, machine_version, state_hash, entry_chain FROM machine"
    found: Any = database.execute(sql).fetchone()
    if found is not None:
        return _Head._make(found)
    head = _Head(LogIndex(0), Term(0), 0, FIRST_VERSION, chain.CHAIN_START, chain.CHAIN_START)
    database.execute(
        "INSERT INTO machine (id, applied_index, applied_term, cluster_time_ms, machine_version, state_hash,"
        " entry_chain) VALUES (1, ?, ?, ?, ?, ?, ?)",
        head,
    )
    return head


def _read_entry(payload: bytes) -> EntryBatch | None:
    """Split a payload; None if no correct leader wrote it."""
    try:
        batch = decode_entry(payload)
    except RemoteProtocolError:
        return None
    if len(batch.commands) > ENTRY_COMMAND_COUNT_MAX or batch.time_ms >= _TIME_MS_END:
        return None
    return batch
