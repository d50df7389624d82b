"""
Scenarios as text: a log, and what replicas that apply it hold and say; the form of a file is told in
`transcripts.stories`.

Machines and databases are the real ones, on files of which it is known what is durable. Nothing is committed, moved or
synced that the story does not ask for. All replicas apply one log. The first that applies an entry tells its results;
of others, and when it is applied once more, is told that results and state are the same, or what is different.

    log create alice / bind alice phone key=k        one more entry, with these commands
    log empty                                        one without commands, as a new leader writes it
    log time=5000 ...                                by a leader whose clock shows so many ms after the first one's
        create alice | delete alice | bind alice phone | resume 1 alice | junk          each also with key=k, node=2
        send 1 bob hello | present 1 | vcard 1 x*3000           by session 1, under its next number; or number=2
                                                                previous=1 epoch=1; `send` also under an origin, id=x
        manage 1 60 | detach 1 | expire                         session 1 waits 60 s once nobody holds it

    start                                open what is on the disk
    apply [3]                            apply what the log holds, up to this entry
    commit                               write what was applied as one transaction
    checkpoint [restart]                 move it into the database file and sync that; with `restart` all or nothing
    trim                                 forget of the log what checkpoints have told to be durable
    ask archive bob | sessions alice | accounts
    sql SELECT ...                       a statement to the machine's database
    memory 2 | memory                    so many rows may wait for a commit | as many as ever

    stop                                 close as one should, without a last commit
    crash                                the process ends; the kernel keeps what was written
    power                                the power goes, and nothing is left that was not synced
    power 1 [torn]                       but for the first commit since the start, and a half of the next one
    before COMMIT [2]                    the process ends right before a statement that begins so, or the second one
    fail sync                            the next sync of the database fails; also `fail write`, `fail read`
    space 0 | space                      so many bytes are free from now on | as many as anyone wants

    replica B                            go on with another replica, new or as it was left
    compare A B                          compare hashes and rows of two
    reader / reader ends                 another connection reads, and goes on seeing what is committed now
    copy begins / copy ends / copy       make a snapshot of this replica, in two steps or in one
    flip hello / mend                    flip a bit where the database file holds this / flip it back
    flip copy 3                          flip a bit of this page of the snapshot
    fetch [flip=3] [index=9]             get the snapshot and install it; a bit is flipped on the way, or another index
                                         was announced
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import ClassVar

import apsw

from machine.replica import AMPLE_BYTES, Copy, Replica, fetch
from machine.telling import Writer, show_answer, show_ranges, show_result
from machine.world import START_MS
from raft.simulation.telling import read_payload
from raftline.base.errors import RaftlineError
from raftline.base.ids import LogIndex, Term
from raftline.cluster.snapshot_fetch import SnapshotGone
from raftline.machine import rows
from raftline.machine.database import checkpoint, connect
from raftline.machine.entry import encode_entry
from raftline.machine.machine import Machine
from raftline.machine.outcomes import CommandResult
from sim.database_files import VFS_NAME
from transcripts.stories import Stage, play_all
from wal.faulty_files import Crash

TERM = Term(1)
PENDING_ROW_COUNT_MAX = rows.PENDING_ROW_COUNT_MAX

Applied = tuple[list[CommandResult], bytes, bytes]
"""What came of an entry: results, state hash, entry chain."""


class MachineStage(Stage):
    """A log, and the replicas that apply it."""

    told_errors: ClassVar[tuple[type[Exception], ...]] = (RaftlineError, SnapshotGone, apsw.Error)

    def __init__(self) -> None:
        super().__init__()
        self._directory = Path(tempfile.mkdtemp(prefix="raftline-machine-"))
        self._writer = Writer()
        self._entries: list[bytes | None] = []
        self._applied: dict[int, tuple[str, Applied]] = {}
        self._replicas: dict[str, Replica] = {}
        self._connection: apsw.Connection | None = None
        self._snapshot: Copy | None = None
        self._snapshot_count = 0
        self._replica(["A"])

    def play(self, command: str) -> str:
        """As any stage does; a process that ends in the midst of a command is told."""
        try:
            return super().play(command)
        except Crash:
            self._here.crash()
            self._say("the process ends")
            return "\n".join(self._lines)

    def close(self) -> None:
        rows.PENDING_ROW_COUNT_MAX = PENDING_ROW_COUNT_MAX  # type: ignore[misc]  # a story may have changed it
        if self._connection is not None:
            self._connection.close()
        if self._snapshot is not None:
            self._snapshot.close()
        for replica in self._replicas.values():
            replica.close()
        shutil.rmtree(self._directory)

    @property
    def _machine(self) -> Machine:
        machine = self._here.machine
        assert machine is not None, "the replica is down"
        return machine

    def _say_state(self, machine: Machine) -> None:
        self._say(f"applied {machine.applied_index}")

    # The log, and what is done with it

    def _log(self, words: list[str]) -> None:
        time_ms = START_MS
        if words[0].startswith("time="):
            time_ms += int(words.pop(0).removeprefix("time="))
        parts = " ".join(words).split(" / ")
        is_empty = parts == ["empty"]
        self._entries.append(
            None if is_empty else encode_entry(time_ms, [self._writer.write(part.split()) for part in parts])
        )
        self._say(f"entry {len(self._entries)}")

    def _start(self, _: list[str]) -> None:
        self._say_state(self._here.start())

    def _apply(self, words: list[str]) -> None:
        last = int(words[0]) if words else len(self._entries)
        told: list[tuple[int, str]] = []
        machine = self._machine
        first = machine.applied_index + 1
        assert first >= self._here.first_index, f"the log begins at {self._here.first_index}"
        try:
            told.extend((index, self._apply_one(machine, index)) for index in range(first, last + 1))
        finally:
            for line in show_ranges(told):
                self._say(line)

    def _apply_one(self, machine: Machine, index: int) -> str:
        payload = self._entries[index - 1]
        results: list[CommandResult] = []
        if payload is None:
            machine.apply_empty(LogIndex(index), TERM)
        else:
            results = machine.apply(LogIndex(index), TERM, payload)
        applied = (results, machine.state_hash, machine.entry_chain)
        shown = " / ".join(map(show_result, results)) or "no command"
        former, expected = self._applied.setdefault(index, (self._here.name, applied))
        if expected is applied:
            return shown
        when = "the first time" if former == self._here.name else f"on {former}"
        if applied == expected:
            return f"as {when}"
        parts = zip(("results", "state", "chain"), applied, expected, strict=True)
        what = " and ".join(part for part, found, known in parts if found != known)
        return f"other {what} than {when}: {shown}"

    def _commit(self, _: list[str]) -> None:
        self._here.commit()

    def _checkpoint(self, words: list[str]) -> None:
        here = self._here
        result = checkpoint(here.path, restart=words == ["restart"], vfs=VFS_NAME)
        if result.durable_index is None:
            self._say("not everything could be moved")
            return
        here.durable_index = result.durable_index
        self._say(f"everything is moved and durable up to entry {result.durable_index}")

    def _trim(self, _: list[str]) -> None:
        here = self._here
        here.first_index = LogIndex(here.durable_index + 1)
        self._say(f"the log begins at entry {here.first_index}")

    def _ask(self, words: list[str]) -> None:
        self._say(show_answer(self._machine, words))

    def _sql(self, words: list[str]) -> None:
        self._say(f"{self._machine._database.execute(' '.join(words)).fetchall()}")

    def _memory(self, words: list[str]) -> None:
        rows.PENDING_ROW_COUNT_MAX = int(words[0]) if words else PENDING_ROW_COUNT_MAX  # type: ignore[misc]

    # Ends and faults

    def _stop(self, _: list[str]) -> None:
        self._here.stop()

    def _crash(self, _: list[str]) -> None:
        self._here.crash()

    def _power(self, words: list[str]) -> None:
        self._here.lose_power(int(words[0]) if words else 0, is_torn="torn" in words)

    def _before(self, words: list[str]) -> None:
        self._here.end_before(words[0], int(words[1]) if len(words) > 1 else 1)

    def _fail(self, words: list[str]) -> None:
        self._here.files.armed = words[0]

    def _space(self, words: list[str]) -> None:
        files = self._here.files
        free_bytes = int(words[0]) + files.size_bytes() if words else AMPLE_BYTES
        files.is_tight = bool(words)
        files.free_bytes = lambda: free_bytes - files.size_bytes()

    def _flip(self, words: list[str]) -> None:
        if words[0] != "copy":
            self._here.flip(read_payload(words[0]))
            return
        assert self._snapshot is not None
        self._snapshot.flip(int(words[1]))

    def _mend(self, _: list[str]) -> None:
        self._here.mend()

    # Replicas

    def _replica(self, words: list[str]) -> None:
        (name,) = words
        if name not in self._replicas:
            self._replicas[name] = Replica(name, self._directory / name)
        self._here = self._replicas[name]

    def _compare(self, words: list[str]) -> None:
        machines = [replica.machine for replica in map(self._replicas.__getitem__, words)]
        one, other = (machine for machine in machines if machine is not None)
        assert one.applied_index == other.applied_index, "they have not come equally far"
        different = [
            f"rows of {table}" for table in one.scrub_tables if one.scrub_digest(table) != other.scrub_digest(table)
        ]
        different += ["state hash"] * (one.state_hash != other.state_hash)
        different += ["entry chain"] * (one.entry_chain != other.entry_chain)
        self._say(f"different: {', '.join(different)}" if different else "the same hashes and rows")

    def _reader(self, words: list[str]) -> None:
        if words == ["ends"]:
            assert self._connection is not None
            self._connection.close()
            self._connection = None
            return
        self._connection = connect(self._here.path, vfs=VFS_NAME)
        self._connection.execute("BEGIN")
        ((index,),) = self._connection.execute("SELECT applied_index FROM machine").fetchall()
        self._say(f"sees entry {index}")

    def _copy(self, words: list[str]) -> None:
        if words != ["ends"]:
            self._snapshot_count += 1
            self._snapshot = Copy(self._here, self._directory / f"copy-{self._snapshot_count}")
        assert self._snapshot is not None
        if words != ["begins"]:
            self._snapshot.finish()
        self._say(f"a snapshot up to entry {self._snapshot.head.applied_index}")

    def _fetch(self, words: list[str]) -> None:
        copy, here = self._snapshot, self._here
        assert copy is not None
        options = {key: int(value) for key, value in (word.split("=") for word in words)}
        meta = copy.announce(LogIndex(options["index"]) if "index" in options else None)
        part = here.snapshots.part_path(meta.snapshot_id)
        fetch(copy, part, meta, options.get("flip"))
        here.install(part, meta)
        here.first_index = LogIndex(meta.index + 1)
        self._say("installed")
        self._say_state(self._machine)


def perform(text: str) -> str:
    """Play a file and return it with the answers that came."""
    return play_all(text, MachineStage())
