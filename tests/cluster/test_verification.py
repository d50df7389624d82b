"""Looking through the data of stopped nodes: what is whole is found whole and left as it is, what is not is found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from cluster.clusters import CLUSTER_ID, DOMAIN
from raftline.base.errors import StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.cluster.config import Peer
from raftline.cluster.identity import new_identity, write_identity
from raftline.cluster.repair import Repair
from raftline.cluster.storage import StorageSettings, open_storage
from raftline.cluster.verification import Findings, compare, verify_node
from raftline.machine.commands import Command, CreateAccount, Credential, encode_command
from raftline.machine.database import connect
from raftline.machine.entry import encode_entry
from raftline.raft.messages import Entry, EntryKind, HardState
from raftline.wal.files import OperatingSystemFiles

ENTRY_COUNT = 12
APPLIED = 9
PEERS = {NodeId(node_id): Peer("127.0.0.1", 9000 + node_id, "ab" * 32) for node_id in (1, 2)}


def payload(number: int, tag: str = "") -> bytes:
    credential = Credential("SCRAM-SHA-256", b"salt", 4096, b"k" * 32, b"s" * 32)
    action = CreateAccount(f"user{number}{tag}", (credential,))
    return encode_entry(1_000 + number, [encode_command(Command(NodeId(1), 1, number, b"n" * 16, None, action))])


def make_node(
    directory: Path, node_id: int = 1, *, applied: int = APPLIED, commit: int = APPLIED, term: int = 2, tag: str = ""
) -> Path:
    """Make the data of a node that has applied some of its log; `tag` makes another history."""
    data_dir = directory / f"node{node_id}" / "data"
    data_dir.mkdir(parents=True)
    identity = new_identity(CLUSTER_ID, NodeId(node_id), bytes, founders=PEERS)
    write_identity(data_dir, identity)
    storage = open_storage(
        StorageSettings(
            data_dir=data_dir, cluster_id=CLUSTER_ID, node_id=NodeId(node_id), domain=DOMAIN, segment_bytes=64 << 10
        )
    )
    entries = [
        Entry(LogIndex(n), Term(term), EntryKind.DATA, payload(n, tag if n == 5 else ""))
        for n in range(1, ENTRY_COUNT + 1)
    ]
    storage.log.append(HardState(Term(term), None), entries)
    storage.log.sync()
    for entry in entries[:applied]:
        storage.machine.apply(entry.index, entry.term, entry.payload)
        if entry.index == commit:
            storage.machine.commit()
    storage.log.close()
    storage.machine.close()
    return data_dir


def content_of(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def verify(data_dir: Path) -> Findings:
    """Verify with a fresh place for copies; nothing in the directory may change."""
    scratch = data_dir.parent / "scratch"
    scratch.mkdir()
    before = content_of(data_dir)
    try:
        return verify_node(data_dir, scratch)
    finally:
        shutil.rmtree(scratch)
        assert content_of(data_dir) == before


class TestOneNode:
    """Database, log, and both together."""

    def test_a_whole_node_is_whole(self, tmp_path: Path) -> None:
        """And told of: how far it has come, and what its log holds."""
        found = verify(make_node(tmp_path))
        assert found.complaints == []
        assert found.head is not None
        assert (found.node_id, found.head.applied_index) == (1, APPLIED)
        assert (found.first_index, found.last_index, len(found.digests)) == (1, ENTRY_COUNT, ENTRY_COUNT)
        assert found.row_count >= 2 * APPLIED

    def test_a_node_that_was_killed_is_whole(self, tmp_path: Path) -> None:
        """What its write-ahead file holds counts, and stays where it is."""
        data_dir = make_node(tmp_path)
        database = data_dir / "state.db"
        connection = connect(database)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.execute("UPDATE machine SET cluster_time_ms = 77")
        connection.close()
        assert database.with_name("state.db-wal").stat().st_size
        found = verify(data_dir)
        assert found.complaints == []
        assert found.head is not None
        assert found.head.cluster_time_ms == 77

    def test_no_data_are_told_as_such(self, tmp_path: Path) -> None:
        """Nothing was looked at, so nothing is whole."""
        with pytest.raises(StorageError, match="holds no node's data"):
            verify_node(tmp_path, tmp_path)

    def test_a_node_that_is_to_be_repaired_says_so(self, tmp_path: Path) -> None:
        """What it lacks is not in its files."""
        data_dir = make_node(tmp_path)
        repair = Repair(data_dir, data_dir / "log", data_dir / "state.db", OperatingSystemFiles())
        repair.record("a bad disk", HardState(Term(2), None))
        assert any("a bad disk" in complaint for complaint in verify(data_dir).complaints)


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 0x10
    path.write_bytes(content)


def segment_of(data_dir: Path) -> Path:
    return next((data_dir / "log").glob("wal-*"))


class TestDamage:
    """Each kind by itself."""

    def test_each_page_of_the_database_counts(self, tmp_path: Path) -> None:
        """One bit anywhere in a page; SQLite uses all pages here."""
        data_dir = make_node(tmp_path)
        whole = (data_dir / "state.db").read_bytes()
        missed = []
        for page in range(len(whole) // 4096):
            flip(data_dir / "state.db", page * 4096 + 50)
            if not verify(data_dir).complaints:
                missed.append(page)
            (data_dir / "state.db").write_bytes(whole)
        assert missed == []

    def test_each_record_of_the_log_counts(self, tmp_path: Path) -> None:
        """A bit anywhere in a record that was durable, or in the header of its segment."""
        data_dir = make_node(tmp_path)
        segment = segment_of(data_dir)
        whole = segment.read_bytes()
        end = len(whole.rstrip(b"\0"))
        missed = []
        for offset in [*range(12, 60, 12), *range(4096, end, 97)]:
            flip(segment, offset)
            if not verify(data_dir).complaints:
                missed.append(offset)
            segment.write_bytes(whole)
        assert missed == []

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda data_dir: segment_of(data_dir).unlink(),
            lambda data_dir: (data_dir / "log" / "mark").unlink(),
            lambda data_dir: (data_dir / "identity.json").write_bytes(b"{"),
            lambda data_dir: (data_dir / "repair.json").write_bytes(b"{"),
            lambda data_dir: (data_dir / "state.db").write_bytes(b"no database"),
        ],
        ids=["segment", "mark", "identity", "repair", "database"],
    )
    def test_what_is_gone_or_unreadable_is_found(self, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
        """Each file that a node needs."""
        data_dir = make_node(tmp_path)
        spoil(data_dir)
        assert verify(data_dir).complaints

    def test_a_log_of_another_history_is_found(self, tmp_path: Path) -> None:
        """Database and log must have been of one mind."""
        data_dir = make_node(tmp_path)
        shutil.rmtree(data_dir / "log")
        shutil.copytree(make_node(tmp_path / "other", term=1) / "log", data_dir / "log")
        assert any("of term 1, the database has applied one of term 2" in told for told in verify(data_dir).complaints)


class TestCluster:
    """Nodes beside each other."""

    def test_replicas_agree(self, tmp_path: Path) -> None:
        """However far each of them has come."""
        nodes = [
            verify(make_node(tmp_path, 1)),
            verify(make_node(tmp_path, 2, applied=APPLIED - 2, commit=APPLIED - 2)),
        ]
        assert compare(nodes) == []

    def test_another_state_at_the_same_entry_is_found(self, tmp_path: Path) -> None:
        """By hash, and by the entry in which the logs differ."""
        nodes = [verify(make_node(tmp_path, 1)), verify(make_node(tmp_path, 2, tag="x"))]
        complaints = compare(nodes)
        assert any("differ in their state" in complaint for complaint in complaints)
        assert any("differ in entry 5" in complaint for complaint in complaints)

    def test_what_nobody_has_applied_may_differ(self, tmp_path: Path) -> None:
        """An entry that was never committed is replaced some day."""
        nodes = [
            verify(make_node(tmp_path, 1, applied=4, commit=4)),
            verify(make_node(tmp_path, 2, applied=4, commit=4, tag="x")),
        ]
        assert compare(nodes) == []

    def test_another_cluster_is_found(self, tmp_path: Path) -> None:
        """Two directories were mixed up."""
        one, other = Findings(tmp_path, 1, "a"), Findings(tmp_path, 2, "b")
        assert "of different clusters" in compare([one, other])[0]
