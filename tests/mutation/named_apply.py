"""Named faults of apply: what a command does to rows, hashes and answers, and what is left of one that failed."""

from __future__ import annotations

from typing import Final

from mutation.faults import NamedFault

_APPLY, _CONTEXT, _MACHINE, _ROWS = "machine.apply", "machine.context", "machine.machine", "machine.rows"

TRANSACTIONS: Final = (
    NamedFault(
        "applied_index_is_committed_after_the_rows",
        "Rows are committed first and the applied index in a transaction of its own: a crash applies them twice.",
        "R1", _MACHINE, "Machine.commit",
        "            self._context.rows.flush()\n",
        "            self._context.rows.flush()\n"
        '            self._database.execute("COMMIT")\n'
        '            self._database.execute("BEGIN IMMEDIATE")\n',
    ),
    NamedFault(
        "applied_index_is_committed_before_the_rows",
        "The applied index is committed before the rows it stands for: a crash skips them.",
        "R1", _MACHINE, "Machine.commit",
        "            self._context.rows.flush()\n",
        '            self._database.execute("UPDATE machine SET applied_index = ?", (self._head.applied_index,))\n'
        '            self._database.execute("COMMIT")\n'
        '            self._database.execute("BEGIN IMMEDIATE")\n'
        "            self._context.rows.flush()\n",
    ),
    NamedFault(
        "each_entry_has_a_transaction_for_its_rows",
        "Rows that are flushed early, for want of memory, are committed early.",
        "R1", _MACHINE, "Machine.apply",
        "                context.rows.flush()\n",
        '                context.rows.flush()\n                self._database.execute("COMMIT")\n',
    ),
    NamedFault(
        "entries_may_be_skipped",
        "An entry that does not follow the last one applied is applied.",
        "R1", _MACHINE, "Machine._check_next",
        "index == self._head.applied_index + 1", "index > self._head.applied_index",
    ),
    NamedFault(
        "time_follows_the_leader",
        "Cluster time is that of the entry, so a new leader with a slower clock turns it back.",
        "R7", _MACHINE, "Machine.apply",
        "context.time_ms = max(self._head.cluster_time_ms, batch.time_ms)", "context.time_ms = batch.time_ms",
    ),
    NamedFault(
        "time_is_not_remembered",
        "The greatest time so far is not part of the head, so a restart may turn cluster time back.",
        "R7", _MACHINE, "Machine._advance",
        "max(head.cluster_time_ms, time_ms)", "time_ms",
    ),
    NamedFault(
        "refusals_are_no_part_of_the_hash",
        "Two nodes that disagree whether a command was refused have the same state hash.",
        "R7", _APPLY, "CommandRunner.run",
        "if type(outcome) is not Done:", "if type(outcome) is None:",
    ),
    NamedFault(
        "state_hash_forgets_the_past",
        "The state hash covers the last entry alone.",
        "R7", "machine.chain", "extend_state_hash",
        "(head, _ENTRY.pack(", "(_ENTRY.pack(",
    ),
    NamedFault(
        "entry_chain_leaves_out_the_term",
        "Two entries at one index from different leaders have the same place in the chain.",
        "", "machine.chain", "extend_entry_chain",
        "_ENTRY.pack(index, term, time_ms,", "_ENTRY.pack(index, 0, time_ms,",
    ),
    NamedFault(
        "digests_are_not_salted",
        "The digest of a deleted message can be compared with guesses of what was said.",
        "", _MACHINE, "Machine.apply",
        "digests.append(digest(data, applied.salt))", 'digests.append(digest(data, b""))',
    ),
)  # fmt: skip
"""What belongs together, and what the hashes cover."""

UNDOING: Final = (
    NamedFault(
        "disk_errors_are_refusals",
        "A command that met a full or broken disk is refused on this node, and carried out on the others.",
        "R7", _APPLY, "CommandRunner._guard",
        "if not isinstance(error, _DETERMINISTIC):", "if error is None:",
    ),
    NamedFault(
        "lack_of_memory_is_a_refusal",
        "A command for which this node had no memory is refused here, and carried out on the others.",
        "R7", _APPLY, "CommandRunner._guard",
        "MemoryError", "KeyboardInterrupt",
    ),
    NamedFault(
        "failed_command_leaves_its_outbox",
        "What a failed command had to tell others goes out with the next one.",
        "", _CONTEXT, "Context.take_back",
        "        self.outbox.clear()\n", "",
    ),
    NamedFault(
        "failed_command_leaves_its_events",
        "Sessions are told what was undone.",
        "", _CONTEXT, "Context.take_back",
        "        self.events.clear()\n", "",
    ),
    NamedFault(
        "failed_command_leaves_what_it_derived",
        "Memory that was derived from rows keeps what was undone.",
        "", _CONTEXT, "Context.take_back",
        "        self.drop_derived()\n", "",
    ),
    NamedFault(
        "failed_command_leaves_its_message",
        "The count of who refers to the message of a failed command is added to the next message.",
        "", _CONTEXT, "Context.take_back",
        "        self.message_holders = 0\n", "",
    ),
    NamedFault(
        "changes_are_undone_in_order",
        "A row that was changed twice is put back to what it was between.",
        "", _ROWS, "RowStore.undo_to",
        "journal.pop()", "journal.pop(mark)",
    ),
    NamedFault(
        "undo_forgets_the_cache",
        "A row that was put back is read from the cache as the failed command had left it.",
        "", _ROWS, "Table.undo",
        "            self._cache[key] = row", "            pass",
    ),
    NamedFault(
        "deletion_is_undone_by_nobody",
        "A row that a failed command had made stays.",
        "", _ROWS, "Table.undo",
        "            self._forget(key)\n", "",
    ),
)  # fmt: skip
"""What is left of a command that failed."""

ROWS: Final = (
    NamedFault(
        "ranges_do_not_see_what_waits",
        "A range is read from the database while rows of it wait in memory.",
        "", _ROWS, "RowStore.select",
        "            table.flush()\n", "            pass\n",
    ),
    NamedFault(
        "deleted_rows_are_found_again",
        "A row whose deletion waits in memory is read from the database.",
        "", _ROWS, "Table.get",
        "if known is not _MISSING:", "if known is not _MISSING and known is not None:",
    ),
    NamedFault(
        "row_in_place_of_a_deleted_one_counts_as_new",
        "A row that was deleted, made anew and deleted again stays in the database.",
        "", _ROWS, "Table.insert",
        "if key not in self._pending:", "if self._pending.get(key) is None:",
    ),
    NamedFault(
        "journal_forgets_the_old_row",
        "The state hash does not part ways when a command meets a row that was altered.",
        "R7", _ROWS, "Table.put",
        "self._journal.append((self.number, key, old, row))", "self._journal.append((self.number, key, None, row))",
    ),
    NamedFault(
        "cache_keeps_deleted_rows",
        "A deleted row of a cached table is found again.",
        "", _ROWS, "Table._forget",
        "self._cache.pop(key, None)", "pass",
    ),
)  # fmt: skip
"""How rows are read and written."""

KEYS: Final = (
    NamedFault(
        "retries_are_carried_out_again",
        "A command whose key is known is carried out a second time.",
        "C1", _APPLY, "CommandRunner._admit_and_perform",
        "if kept is not None:", "if kept is None and session is not None:",
    ),
    NamedFault(
        "outcomes_of_keys_are_not_kept",
        "Nobody writes down what became of a command with a key.",
        "C1", _APPLY, "CommandRunner._admit_and_perform",
        "idempotency.keep_outcome(context, origin, outcome)", "pass",
    ),
    NamedFault(
        "refusals_are_not_kept",
        "A retry of a refused command is carried out, though its first outcome was another.",
        "C1", _APPLY, "CommandRunner._admit_and_perform",
        "        if type(origin) is KeyOrigin:\n            idempotency.keep",
        "        if type(origin) is KeyOrigin and type(outcome) is Done:\n            idempotency.keep",
    ),
    NamedFault(
        "keys_never_grow_old",
        "A key that is a day old is still answered with its first outcome.",
        "", "machine.idempotency", "kept_outcome",
        "context.time_ms - row.time_ms > IDEMPOTENCY_AGE_MAX_MS", "context.time_ms < row.time_ms",
    ),
    NamedFault(
        "pruning_takes_the_youngest",
        "A row that is not over yet is deleted.",
        "", "machine.pruning", "Pruner._expire",
        "context.time_ms - time_ms <= age_max_ms", "context.time_ms - time_ms < age_max_ms",
    ),
    NamedFault(
        "pruning_remembers_an_undone_step",
        "After a step that was undone the pruner believes that nothing is due.",
        "", "machine.pruning", "Pruner.prune",
        "self.forget()  #", "pass  #",
    ),
    NamedFault(
        "pruning_takes_a_whole_account_at_once",
        "The budget of an entry holds for each table of a deleted account, not for all.",
        "", "machine.pruning", "Pruner._bury_doomed",
        "budget - len(waiting)", "budget",
    ),
    NamedFault(
        "deleted_account_is_forgotten_too_soon",
        "Rows of a deleted account stay when their number is just the budget.",
        "", "machine.pruning", "Pruner._bury_doomed",
        "if budget > 0:", "if budget >= 0:",
    ),
)  # fmt: skip
"""Commands with a key, and what is deleted in time."""

SNAPSHOTS: Final = (
    NamedFault(
        "snapshot_says_another_index",
        "The index of a snapshot is read before the transaction that is copied begins.",
        "R2", "machine.snapshot", "SnapshotCopy.__init__",
        'self._source.execute("BEGIN")', "pass",
    ),
    NamedFault(
        "old_rows_get_into_the_snapshot",
        "The write-ahead file of the database that a snapshot replaces stays, and fits any of that name.",
        "R5", "machine.snapshot", "adopt",
        "path.with_name(path.name + suffix).unlink(missing_ok=True)", "pass",
    ),
    NamedFault(
        "snapshot_takes_a_name_it_can_lose",
        "Nobody syncs the directory between the removal of the old rows and the renaming of the snapshot.",
        "R5", "machine.snapshot", "adopt",
        "        _sync_directory(path.parent)\n        snapshot.rename(path)", "        snapshot.rename(path)",
    ),
)  # fmt: skip
"""How a copy of the database is made, and takes a database's place."""

APPLY: Final = TRANSACTIONS + UNDOING + ROWS + KEYS + SNAPSHOTS
