"""
Scenarios as text: commands to a log on a disk that fails, and what the log holds then; the form of a file is told in
`transcripts.stories`.

The log is the real one, on `wal.faulty_files`. Nothing is synced that the story does not sync. Files are called
`segment-1`, `segment-2` and `mark`, records are counted within their segment, sectors within their file.

    open [applied=4] [snapshot=40/7] [must]   open the log as a start does, or begin it unless there must be one
    append 1 term=1 a b [promise=7/2]    write entries from index 1 on, with a term and vote; `x*3000` is a letter many
                                         times
    promise 7/2 | promise 7              write a term, with or without a vote
    sync                                 make durable what was written
    rest                                 and the mark, as when nothing else is to be done
    close                                stop as one should
    submit 1 ...                         queue a job, which is said as for `append` or `promise`
    round                                one round of group commit: write what is queued, sync, tell whose jobs are done
    trim 9 / install 40/7                forget entries up to 9 / all of them, and go on behind a snapshot
    read 1 3                             read entries
    spare                                fill the next segment with zeros ahead of time

    kill                                 the process dies; the kernel keeps what was written
    power [keep=8,9] [spoil=10]          the power goes; of what is not synced, these sectors of the last segment stay,
                                         or hold garbage; `keep=mark` keeps the mark, `keep=all` everything
    power names=all | names=last         and all changes of names stay, or the last one
    power seed=5                         the same, by chance
    before fdatasync [2]                 the process ends right before the next such operation, or the second one
    fail fdatasync [mark]                the next one fails, on a file whose name holds this
    space 0 | space                      so many bytes are free from now on | as many as anyone wants

    flip segment-1 record 2              flip a bit; also `flip segment-1 header`, `flip mark 0` for one of its slots
    zero segment-1 record 2              zeros from that record on
    shorten segment-1 / lose segment-1 / swap segment-1 segment-2
    misdirect segment-1 record 1 2       write the first record where the second one is
    disk B                               go on with another disk, new or as it was left
    bring A segment-1 [record 2]         put that file of another disk, or one record of it, in the place of ours
    salvage                              find term and vote in what is left
    files                                the files, and what is readable of each
"""

from __future__ import annotations

import errno
from typing import ClassVar

from raft.simulation.telling import read_payload, show_entries
from raftline.base.errors import RaftlineError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.messages import Entry, EntryKind, HardState
from raftline.wal import record as records
from raftline.wal import segment as segments
from raftline.wal.directory import LogIdentity
from raftline.wal.index import SnapshotMark
from raftline.wal.log import WriteAheadLog
from raftline.wal.mark import SLOT_SPACING_BYTES
from raftline.wal.rounds import WriteRounds
from raftline.wal.salvage import salvage_hard_state
from transcripts.stories import Stage, play_all
from wal import damage
from wal.faulty_files import Crash, FaultyFiles
from wal.log_model import CLUSTER_ID, DIRECTORY, NODE_ID

SEGMENT_BYTES = 16_384
AMPLE_BYTES = 1 << 40
MEMBERSHIP = b"members of the snapshot"


def show_hard_state(state: HardState) -> str:
    """Write a term and vote."""
    return f"term {state.term} vote {state.vote or 'none'}"


def read_hard_state(word: str) -> HardState:
    """Make a term and vote of `7/2`, or of `7`."""
    term, _, vote = word.partition("/")
    return HardState(Term(int(term)), NodeId(int(vote)) if vote else None)


def read_place(word: str) -> tuple[LogIndex, Term]:
    """Make an index and a term of `40/7`."""
    index, _, term = word.partition("/")
    return LogIndex(int(index)), Term(int(term))


def read_append(words: list[str]) -> tuple[HardState | None, list[Entry]]:
    """Make of the words of `append` or `promise` what the log is to write."""
    if words[0] == "promise":
        return read_hard_state(words[1]), []
    options = dict(word.split("=") for word in words if "=" in word)
    first, *payloads = [word for word in words if "=" not in word]
    term = Term(int(options["term"]))
    entries = [
        Entry(LogIndex(index), term, EntryKind.DATA, read_payload(word))
        for index, word in enumerate(payloads, start=int(first))
    ]
    return read_hard_state(options["promise"]) if "promise" in options else None, entries


class LogStage(Stage):
    """A log, and the disks it may lie on."""

    told_errors: ClassVar[tuple[type[Exception], ...]] = (RaftlineError,)

    def __init__(self) -> None:
        super().__init__()
        self.disks = {"A": FaultyFiles(damage.Decided([]))}
        self.files = self.disks["A"]
        self._log: WriteAheadLog | None = None
        self._rounds: WriteRounds | None = None
        self._told_number = 0

    @property
    def log(self) -> WriteAheadLog:
        assert self._log is not None, "the log is not open"
        return self._log

    def play(self, command: str) -> str:
        """As any stage does; a process that ends in the midst of a command is told."""
        try:
            return super().play(command)
        except Crash:
            self._log = None
            self._say("the process ends")
            return "\n".join(self._lines)

    # The log

    def _open(self, words: list[str]) -> None:
        options = dict(word.split("=") for word in words if "=" in word)
        snapshot = SnapshotMark(*read_place(options["snapshot"]), MEMBERSHIP) if "snapshot" in options else None
        self._log = WriteAheadLog.open(
            DIRECTORY,
            cluster_id=CLUSTER_ID,
            node_id=NODE_ID,
            applied_index=LogIndex(int(options.get("applied", 0))),
            files=self.files,
            segment_bytes=SEGMENT_BYTES,
            snapshot=snapshot,
            must_exist="must" in words,
        )
        self._rounds = WriteRounds(self._log, lambda: 0)
        self._told_number = self._log._number
        if self._log.recovered_cut_bytes:
            self._say("a torn tail was wiped")
        self._say_state()

    def _say_state(self) -> None:
        """Tell what is durable, and which record the mark names, on the disk or not yet."""
        log = self.log
        held = log.last_index >= log.first_index
        entries = show_entries(log.entries(log.first_index, log.last_index, 1 << 30)) if held else "no entries"
        behind = f" behind {log.first_index - 1}/{log.term_at(LogIndex(log.first_index - 1))}"
        self._say(f"durable: {show_hard_state(log.hard_state)}, {entries}{behind if log.first_index > 1 else ''}")
        self._say(f"mark: record {log._mark.mark.number}{', not synced' if log.is_mark_dirty else ''}")

    def _say_writes(self) -> None:
        """Tell which records were written since the last time, and where."""
        log = self.log
        for sequence, segment in sorted(log._segments.items()):
            content = memoryview(self.files.content(segment.path))
            for place in damage.places_of(bytes(content)):
                record = records.decode_record(content, place.offset, segment.seed)
                if isinstance(record, records.Record) and record.number > self._told_number:
                    self._say(f"writes record {record.number}, segment-{sequence} {place.sectors}: {_shown(record)}")
        self._told_number = log._number

    def _append(self, words: list[str]) -> None:
        self.log.append(*read_append(words))
        self._say_writes()

    def _promise(self, words: list[str]) -> None:
        self._append(["promise", *words])

    def _sync(self, _: list[str]) -> None:
        self.log.sync()
        self._say_state()

    def _rest(self, _: list[str]) -> None:
        self.log.sync_mark()
        self._say_state()

    def _close(self, _: list[str]) -> None:
        self.log.close()
        self._log = None

    def _submit(self, words: list[str]) -> None:
        assert self._rounds is not None
        hard_state, entries = read_append(words[1:])
        self._rounds.submit(int(words[0]), hard_state, entries, None)

    def _round(self, _: list[str]) -> None:
        rounds = self._rounds
        assert rounds is not None
        rounds.begin()
        count = rounds.append()
        self._say_writes()
        self.log.sync()
        if count:
            self._say(f"told: everything up to job {rounds.finish(count)} is durable")
        if rounds.is_short:
            self._say(f"{rounds.count} jobs wait for space")

    def _trim(self, words: list[str]) -> None:
        self._say(f"{self.log.trim(LogIndex(int(words[0])))} segments removed")
        self._say_state()

    def _install(self, words: list[str]) -> None:
        self.log.install_snapshot(*read_place(words[0]), MEMBERSHIP)
        self._say_writes()
        self._say_state()

    def _read(self, words: list[str]) -> None:
        low, high = (LogIndex(int(word)) for word in words)
        self._say(show_entries(self.log.entries(low, high, 1 << 30)))

    def _spare(self, _: list[str]) -> None:
        try:
            self.log.prepare_spare()
        finally:
            self._say(f"has {'space' if self.log.has_space else 'no space'} for what comes after this segment")

    # Ends and faults

    def _kill(self, _: list[str]) -> None:
        self._log = None
        self.files.process_death()

    def _power(self, words: list[str]) -> None:
        options = dict(word.split("=") for word in words)
        self._log = None
        failure = damage.PowerFailure(self.files)
        if "seed" in options:
            chance = damage.Random(int(options["seed"]))
        else:
            self._decide(options)
            count = len(self.files._changes)
            kept = {"all": [True] * count, "last": [place == count - 1 for place in range(count)]}
            chance = damage.Decided(kept.get(options.get("names", ""), []))
        for line in failure.happen(chance):
            self._say(line)

    def _decide(self, options: dict[str, str]) -> None:
        """Let the sectors that the story names reach the disk, or be spoilt on the way."""
        kept = options.get("keep", "").split(",")
        names = self.files._names
        sectors = [int(word) for word in kept if word.isdigit()]
        last = damage.segments_of(self.files)[-1:]
        for path, inode in names.items():
            if "all" in kept or damage.short_name(path) in kept:
                damage.keep_sectors(inode, set(inode.dirty))
            elif path in last:
                damage.keep_sectors(inode, sectors)
                damage.spoil_sectors(inode, [int(word) for word in options.get("spoil", "").split(",") if word])

    def _before(self, words: list[str]) -> None:
        self.files.crash_after(int(words[1]) - 1 if len(words) > 1 else 0, words[0])

    def _fail(self, words: list[str]) -> None:
        self.files.fail(words[0], errno.EIO, name_part=words[1] if len(words) > 1 else "wal-")

    def _space(self, words: list[str]) -> None:
        used = AMPLE_BYTES - self.files.free_bytes(DIRECTORY) if self.files.capacity_bytes == AMPLE_BYTES else 0
        self.files.capacity_bytes = used + int(words[0]) if words else AMPLE_BYTES

    # Damage

    def _flip(self, words: list[str]) -> None:
        path = damage.file_named(self.files, words[0])
        if words[0] == "mark":
            offset = int(words[1]) * SLOT_SPACING_BYTES + 20
        elif words[1] == "header":
            offset = 100
        else:
            place = damage.places_of(self.files.content(path))[int(words[2]) - 1]
            offset = place.offset + place.size // 2
        self.files.flip(path, offset, 0x10)

    def _zero(self, words: list[str]) -> None:
        path = damage.file_named(self.files, words[0])
        content = self.files.content(path)
        begin = damage.places_of(content)[int(words[2]) - 1].offset
        damage.put(self.files, path, begin, bytes(len(content) - begin))

    def _shorten(self, words: list[str]) -> None:
        path = damage.file_named(self.files, words[0])
        content = self.files.content(path)
        self.files.replace_content(path, content[: damage.places_of(content)[-1].offset + 20])

    def _lose(self, words: list[str]) -> None:
        self.files.lose(damage.file_named(self.files, words[0]))

    def _swap(self, words: list[str]) -> None:
        one, other = (damage.file_named(self.files, word) for word in words)
        content = self.files.content(one)
        self.files.replace_content(one, self.files.content(other))
        self.files.replace_content(other, content)

    def _misdirect(self, words: list[str]) -> None:
        path = damage.file_named(self.files, words[0])
        content = self.files.content(path)
        source, target = (damage.places_of(content)[int(word) - 1] for word in words[2:])
        damage.put(self.files, path, target.offset, content[source.offset : source.offset + source.size])

    def _disk(self, words: list[str]) -> None:
        assert self._log is None, "the log is open"
        self.files = self.disks.setdefault(words[0], FaultyFiles(damage.Decided([])))

    def _bring(self, words: list[str]) -> None:
        source = self.disks[words[0]]
        path = damage.file_named(self.files, words[1])
        content = source.content(damage.file_named(source, words[1]))
        if len(words) == 2:
            self.files.replace_content(path, content)
            return
        place = damage.places_of(content)[int(words[3]) - 1]
        damage.put(self.files, path, place.offset, content[place.offset : place.offset + place.size])

    def _salvage(self, _: list[str]) -> None:
        state = salvage_hard_state(self.files, DIRECTORY, LogIdentity(CLUSTER_ID, NODE_ID))
        self._say(f"found {show_hard_state(state)}")

    def _files(self, _: list[str]) -> None:
        for name in self.files.names(DIRECTORY):
            parsed = segments.parse_segment_name(name)
            told = f"segment-{parsed[0]}, from entry {parsed[1]}" if parsed else name
            count = len(damage.places_of(self.files.content(DIRECTORY / name))) if parsed else 0
            self._say(f"{told}, {count} records" if parsed else told)


def _shown(record: records.Record) -> str:
    """Write what a record says."""
    if record.kind == records.RecordKind.ENTRIES:
        return show_entries(records.decode_entries(record.body))
    if record.kind == records.RecordKind.HARD_STATE:
        return show_hard_state(records.decode_hard_state(record.body))
    if record.kind == records.RecordKind.TRUNCATE:
        index, term = records.decode_truncate(record.body)
        return f"cut behind {index}/{term}"
    index, term, _ = records.decode_snapshot_mark(record.body)
    return f"snapshot {index}/{term}"


def perform(text: str) -> str:
    """Play a file and return it with the answers that came."""
    return play_all(text, LogStage())
