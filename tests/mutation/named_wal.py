"""Named faults of the write-ahead log: what is durable, what a start believes, what may be forgotten."""

from __future__ import annotations

from typing import Final

from mutation.faults import NamedFault

_LOG, _RECOVERY, _INDEX = "wal.log", "wal.recovery", "wal.index"

WRITING: Final = (
    NamedFault(
        "sync_without_a_sync",
        "What was appended is called durable although nobody asked the disk.",
        "D1", _LOG, "WriteAheadLog._sync",
        "self._active.file.fdatasync()", "pass",
    ),
    NamedFault(
        "readers_see_entries_before_the_sync",
        "Entries are shown to readers, and so sent to others, before they are durable.",
        "D1", _LOG, "WriteAheadLog._sync",
        "self._active.file.fdatasync()\n        self._index.publish(self._unpublished)",
        "self._index.publish(self._unpublished)\n        self._active.file.fdatasync()",
    ),
    NamedFault(
        "mark_runs_ahead_of_the_sync",
        "The mark names a record that is not durable: after a power failure a torn tail is taken for corruption.",
        "D6", _LOG, "WriteAheadLog._sync",
        "self._active.file.fdatasync()\n",
        "self._mark.write(Mark(self._number, self._chain, self._last_index, self._hard_state))\n"
        "        self._active.file.fdatasync()\n",
    ),
    NamedFault(
        "round_is_told_before_its_sync",
        "The writer acknowledges a round before it syncs it.",
        "D1", "wal.writer", "LogWriter._write_round",
        "            self._log.sync()\n",
        "            self._on_durable(self._rounds._round[count - 1].sequence)\n            self._log.sync()\n",
    ),
    NamedFault(
        "jobs_without_space_are_told",
        "A round that found space for some of its jobs acknowledges all of them.",
        "D1", "wal.rounds", "WriteRounds.finish",
        "self._round[count - 1].sequence", "self._round[-1].sequence",
    ),
    NamedFault(
        "entries_are_written_before_their_term",
        "Term and vote follow the entries, so a torn write can leave entries without the term they came in.",
        "D4", _LOG, "WriteAheadLog.append",
        "drafts = self._draft(hard_state, entries)",
        "drafts = sorted(self._draft(hard_state, entries), key=lambda draft: isinstance(draft.change, HardState))",
    ),
    NamedFault(
        "vote_of_the_same_term_is_not_written",
        "A hard state counts as unchanged when its term is, though the vote is new.",
        "D3", _LOG, "WriteAheadLog._draft",
        "hard_state != self._hard_state:", "hard_state.term != self._hard_state.term:",
    ),
    NamedFault(
        "vote_is_durable_in_one_place",
        "The mark file, which repeats the vote in case the log is damaged, is not synced when it changes.",
        "D3", _LOG, "WriteAheadLog._sync",
        "if self._hard_state != self._mark_hard_state or self._number", "if self._number",
    ),
    NamedFault(
        "new_segment_forgets_the_vote",
        "The header of a new segment repeats the term without the vote, which is lost with the older segments.",
        "D3", _LOG, "WriteAheadLog._roll",
        "hard_state=self._hard_state,", "hard_state=HardState(self._hard_state.term, None),",
    ),
    NamedFault(
        "segment_is_begun_before_the_last_one_is_durable",
        "The next segment gets its header and name while the end of the one before may still be lost.",
        "D7", _LOG, "WriteAheadLog._roll",
        "        self._sync()\n", "",
    ),
    NamedFault(
        "segment_is_begun_before_the_mark_is_durable",
        "A segment is begun with an old mark on disk, so the mark may name a record of a segment long gone.",
        "", _LOG, "WriteAheadLog._roll",
        "self._sync_mark()", "pass",
    ),
    NamedFault(
        "segment_begins_where_the_append_began",
        "The base of a new segment is the last index before the append that fills it, not before the segment.",
        "D12", _LOG, "WriteAheadLog._roll",
        "last_index = self._index.last_index", "last_index = self._last_index",
    ),
    NamedFault(
        "header_repeats_one_membership",
        "A new segment repeats the last membership alone, which may yet be cut.",
        "R6", _LOG, "WriteAheadLog._roll",
        "[-segments.MEMBERSHIP_COUNT_MAX :]", "[-1:]",
    ),
    NamedFault(
        "log_goes_on_after_an_error",
        "After a failed sync the log takes more, and the next sync succeeds over pages that never reached the disk.",
        "D9", _LOG, "WriteAheadLog._fails_for_good",
        "self._failure = error", "pass",
    ),
    NamedFault(
        "header_is_not_synced_before_the_name",
        "A segment gets its name before its header is durable.",
        "D10", "wal.segment", "begin_segment",
        "file.fdatasync()", "pass",
    ),
    NamedFault(
        "new_segment_has_no_durable_name",
        "Nobody syncs the directory after a segment was renamed, and a crash loses it with all its records.",
        "D10", "wal.segment", "begin_segment",
        "files.fsync_directory(directory)", "pass",
    ),
    NamedFault(
        "record_vouches_for_itself",
        "A record says that everything before it was durable, though it was written in the same round.",
        "D6", "wal.record", "encode_record",
        "previous_chain, durable_upto)", "previous_chain, number - 1)",
    ),
    NamedFault(
        "reads_back_what_was_cut",
        "A batch that was cut is read to the end of its record.",
        "D5", _LOG, "WriteAheadLog._read_batch",
        "min(high, place.last_index) - place.first_index + 1", "high - place.first_index + 1",
    ),
    NamedFault(
        "mark_overwrites_the_slot_it_synced",
        "Every mark goes to the same slot, so that one torn write leaves none.",
        "", "wal.mark", "MarkFile.sync",
        "self._dirty_slot = 1 - self._dirty_slot", "pass",
    ),
)  # fmt: skip
"""What is written, in which order, and when it is called durable."""

STARTING: Final = (
    NamedFault(
        "damage_at_the_mark_is_a_torn_tail",
        "A damaged record that the mark names is cut off, as if it had never been acknowledged.",
        "D7", _RECOVERY, "Recovery._check_tail",
        "self._mark.number >= due", "self._mark.number > due",
    ),
    NamedFault(
        "witnesses_behind_damage_are_not_heard",
        "A record behind the damage says that it was durable, and the log is cut nevertheless.",
        "D7", _RECOVERY, "Recovery._check_tail",
        "later.durable_upto >= due", "later.durable_upto > due",
    ),
    NamedFault(
        "any_later_record_is_a_witness",
        "A whole record behind a torn one makes it corruption, though unsynced sectors land in any order.",
        "D6", _RECOVERY, "Recovery._check_tail",
        "later.durable_upto >= due", "later.number >= due",
    ),
    NamedFault(
        "records_out_of_the_chain_are_taken",
        "A record with the right number is taken wherever it comes from.",
        "D13", _RECOVERY, "Recovery._replay",
        "record.number != log.number + 1 or record.previous_chain != log.chain", "record.number != log.number + 1",
    ),
    NamedFault(
        "segments_need_not_continue_each_other",
        "A segment is taken by its number, though its chain does not continue the one before.",
        "D13", _RECOVERY, "Recovery._check_header",
        "header.first_number != self._log.number + 1 or header.chain != self._log.chain",
        "header.first_number != self._log.number + 1",
    ),
    NamedFault(
        "recovered_tail_is_not_written_again",
        "What was read back above the mark is synced without being written, though its pages may count as clean.",
        "D9", _RECOVERY, "Recovery._check_mark",
        "if log.number <= self._mark.number:", "if log.number >= 0:",
    ),
    NamedFault(
        "recovered_tail_is_not_synced",
        "What was read back above the mark is called durable without a sync.",
        "D1", _RECOVERY, "Recovery._settle_tail",
        "segment.file.fdatasync()", "pass",
    ),
    NamedFault(
        "torn_tail_stays_behind_the_end",
        "The torn tail is not overwritten, and a record of it may continue a later log.",
        "D6", _RECOVERY, "Recovery._settle_tail",
        "segment.file.pwrite(kept + bytes(log.cut_bytes), self._rewrite_from)",
        "segment.file.pwrite(kept, self._rewrite_from)",
    ),
    NamedFault(
        "log_behind_its_database_is_opened",
        "A log that ends before what the database has applied is taken for whole.",
        "R1", _RECOVERY, "Recovery._check_applied",
        "if self._applied_index > log.index.last_index:", "if self._applied_index > log.index.last_index + 1:",
    ),
    NamedFault(
        "gap_between_database_and_log_is_opened",
        "A log that begins behind the next entry of the database is taken for whole.",
        "R4", _RECOVERY, "Recovery._check_applied",
        "self._applied_index < log.index.base_index", "self._applied_index < log.index.base_index - 1",
    ),
    NamedFault(
        "lost_mark_file_is_begun_anew",
        "A log whose mark file is gone is opened with a new one, which knows of nothing.",
        "D7", "wal.directory", "_check_whole",
        "        if mark is None:", "        if mark is None and applied_index > 0:",
    ),
    NamedFault(
        "mark_is_not_synced_by_a_start",
        "A start moves the mark to the end of the log and does not sync it.",
        "", "wal.directory", "open_directory",
        "        mark.sync()\n", "",
    ),
    NamedFault(
        "older_slot_of_the_mark_wins",
        "Of two whole slots the older one is believed.",
        "D7", "wal.mark", "MarkFile.open",
        "mark.number > best.number", "mark.number < best.number",
    ),
    NamedFault(
        "one_slot_of_the_mark_is_a_witness",
        "Out of a damaged log, term and vote are taken from one slot of the mark, though the lost one may be newer.",
        "D3", "wal.salvage", "salvage_hard_state",
        "marked is not None and is_certain", "marked is not None",
    ),
    NamedFault(
        "older_copy_of_the_vote_wins",
        "Of the two copies of term and vote the older one is believed.",
        "D3", "wal.salvage", "salvage_hard_state",
        "return max(marked", "return min(marked",
    ),
)  # fmt: skip
"""What a start takes for the log."""

FORGETTING: Final = (
    NamedFault(
        "trim_looks_at_where_a_segment_begins",
        "A segment is removed when it begins at or below the bound, with all the entries behind it.",
        "R4", _LOG, "WriteAheadLog.trim",
        "segment.last_index_max > upto", "segment.header.base_index > upto",
    ),
    NamedFault(
        "trim_before_the_mark_is_durable",
        "Segments go while the mark on disk may still be older than what is left.",
        "", _LOG, "WriteAheadLog.trim",
        "            self._sync_mark()\n", "",
    ),
    NamedFault(
        "removals_are_not_durable_one_by_one",
        "Several segments are removed with no sync of the directory between, and a crash leaves a gap.",
        "D10", _LOG, "WriteAheadLog._remove",
        "self._files.fsync_directory(self._directory)", "pass",
    ),
    NamedFault(
        "trailing_log_ignores_the_checkpoint",
        "The log is trimmed by its size alone, past what the database has on disk.",
        "R4", "wal.retention", "trim_index",
        "return min(older.last_index, checkpoint_index)", "return older.last_index",
    ),
    NamedFault(
        "trailing_log_counts_the_segment_it_drops",
        "The bytes of the segment to be dropped count as kept.",
        "", "wal.retention", "trim_index",
        "left -= newer.byte_count", "left -= older.byte_count",
    ),
    NamedFault(
        "old_log_goes_before_the_snapshot_mark_is_synced",
        "The segments before a snapshot are removed although its mark may still be lost.",
        "R5", _LOG, "WriteAheadLog.install_snapshot",
        "            self._sync()\n", "",
    ),
    NamedFault(
        "old_log_goes_before_the_mark_file",
        "The segments before a snapshot are removed while the mark file still names one of their records.",
        "R5", _LOG, "WriteAheadLog.install_snapshot",
        "            self._sync_mark()\n", "",
    ),
    NamedFault(
        "newest_segment_goes_first",
        "A crash while the segments before a snapshot are removed leaves older ones behind a gap.",
        "R4", _LOG, "WriteAheadLog.install_snapshot",
        "sorted(self._segments.items())", "sorted(self._segments.items(), reverse=True)",
    ),
    NamedFault(
        "snapshot_leaves_the_term_behind",
        "A snapshot of a later term does not raise the term, so a restart may vote in a term that is over.",
        "D3", _LOG, "WriteAheadLog.install_snapshot",
        "if self._hard_state.term < term:", "if self._hard_state.term > term:",
    ),
    NamedFault(
        "snapshot_is_compared_by_length",
        "A start tells the log of a snapshot only if it is shorter, though it may hold another entry in that place.",
        "R2", _RECOVERY, "lacks_snapshot",
        "index.term_at(snapshot.last_index) != snapshot.last_term", "index.last_index < snapshot.last_index",
    ),
    NamedFault(
        "snapshot_is_installed_again",
        "A job that is tried again after a stall installs its snapshot a second time.",
        "R5", "wal.rounds", "WriteRounds._append",
        "if self._log.first_index <= job.snapshot.last_index:", "if job.snapshot is not None:",
    ),
    NamedFault(
        "snapshot_brings_no_membership",
        "The membership of a snapshot does not replace those of the log before it.",
        "R6", _INDEX, "EntryIndex._install",
        "self._memberships = [(mark.last_index, mark.membership)]", "pass",
    ),
    NamedFault(
        "trim_forgets_the_membership_in_force",
        "The membership goes with its entry, though no later one has come.",
        "R6", _INDEX, "EntryIndex.trim",
        "while len(self._memberships) > 1 and self._memberships[1][0] <= base:",
        "while self._memberships and self._memberships[0][0] <= base:",
    ),
    NamedFault(
        "membership_outlives_its_entry",
        "A membership whose entry is cut stays.",
        "M5", _INDEX, "EntryIndex._truncate",
        "self._memberships[-1][0] > last_index", "self._memberships[-1][0] > last_index + 1",
    ),
    NamedFault(
        "trim_forgets_the_term_of_the_base",
        "The run of terms that reaches over the bound is forgotten with what lies before it.",
        "R8", _INDEX, "EntryIndex.trim",
        "self._run_firsts[drop] > base + 1", "self._run_firsts[drop] > base + 2",
    ),
)  # fmt: skip
"""What is removed behind a checkpoint or a snapshot."""

WAL: Final = WRITING + STARTING + FORGETTING
