"""
What a later release wrote is refused with a plain sentence, changed in nothing and never taken for damage.

Damage is set aside and had from the peers again (`raftline.cluster.repair`). Whoever starts an old release by mistake
must not lose the data of the new one so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.clusters import CLUSTER_ID, DOMAIN
from cluster.later_formats import LATER, PEERS, REFUSAL, SNAPSHOT, contents, later_identity, write_at
from cluster.test_links import ONE, TWO, Pair, closed_by_peer, farewell_of, open_raw, pair  # noqa: F401 - a fixture
from raftline.base.errors import StorageCorrupt, StorageError
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.cluster.frames import PROTOCOL_VERSION, Hello
from raftline.cluster.identity import new_identity, read_identity, write_identity
from raftline.cluster.snapshot_files import SnapshotFiles
from raftline.cluster.storage import StorageSettings, open_storage
from raftline.raft.messages import Entry, EntryKind, HardState

VOTED = HardState(Term(3), NodeId(2))


def settings_of(data_dir: Path) -> StorageSettings:
    return StorageSettings(
        data_dir=data_dir, cluster_id=CLUSTER_ID, node_id=NodeId(1), domain=DOMAIN, segment_bytes=64 << 10
    )


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """What a node of this release leaves behind: one entry, applied."""
    write_identity(tmp_path, new_identity(CLUSTER_ID, NodeId(1), bytes, founders=PEERS))
    storage = open_storage(settings_of(tmp_path))
    storage.log.append(VOTED, [Entry(LogIndex(1), Term(3), EntryKind.NOOP, b"")])
    storage.log.sync()
    storage.machine.apply_empty(LogIndex(1), Term(3))
    storage.machine.commit()
    storage.log.close()
    storage.machine.close()
    return tmp_path


@pytest.mark.parametrize("make_later", LATER, ids=lambda make_later: make_later.__name__)
def test_a_node_does_not_open_it(data_dir: Path, make_later: Callable[[Path], None]) -> None:
    """No file is another afterwards, and nothing is noted as damage."""
    make_later(data_dir)
    before = contents(data_dir)
    with pytest.raises(StorageError, match=REFUSAL) as caught:
        open_storage(settings_of(data_dir))
    assert not isinstance(caught.value, StorageCorrupt)
    assert contents(data_dir) == before


def test_whose_data_it_is_cannot_be_read(data_dir: Path) -> None:
    """The first file that a start looks at."""
    later_identity(data_dir)
    before = contents(data_dir)
    with pytest.raises(StorageError, match=REFUSAL) as caught:
        read_identity(data_dir)
    assert not isinstance(caught.value, StorageCorrupt)
    assert contents(data_dir) == before


def test_a_bit_of_the_version_is_damage(data_dir: Path) -> None:
    """A version that was not written is none: what says of a snapshot is damaged, not of a later release."""
    files = SnapshotFiles(data_dir)
    part = files.part_path("1-1")
    part.write_bytes(b"a database")
    files.keep(part, SNAPSHOT)
    path = files.directory / "install.meta"
    content = path.read_bytes()
    for bit in range(8):
        write_at(path, 4, bytes((content[4] ^ 1 << bit,)))
        with pytest.raises(StorageCorrupt):
            files.kept()
    write_at(path, 4, content[4:5])
    assert files.kept() is not None


async def test_a_peer_that_speaks_another_protocol(pair: Pair) -> None:  # noqa: F811
    """It is told which versions are understood here, and is not told that it was removed, which would end it."""
    one = await pair.start(pair.config(ONE))
    later = PROTOCOL_VERSION + 1
    raw = await open_raw(pair, Hello(later, "pair", TWO, 1, version_min=later))
    farewell = farewell_of(await closed_by_peer(raw))
    assert f"protocol version {later}, this node speaks" in farewell.reason
    assert not farewell.is_dismissed
    assert one.recorder.reports == []
