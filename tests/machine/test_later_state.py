"""A state that was reached by rules which this release does not have: applying on would make replicas differ (P5)."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from raftline.base.errors import StorageCorrupt, StorageError
from raftline.base.ids import LogIndex, Term
from raftline.machine.database import open_database
from raftline.machine.machine import Machine
from raftline.machine.versions import VERSION_MAX

DOMAIN = "example.org"


def state_of_version(path: Path, version: int) -> Path:
    """Make a database that has applied one entry, of a cluster that agreed on a version."""
    machine = Machine(open_database(path), domain=DOMAIN)
    machine.apply_empty(LogIndex(1), Term(1))
    machine.commit()
    machine.close()
    database = open_database(path)
    database.execute("UPDATE machine SET machine_version = ?", (version,))
    database.close()
    return path


def test_it_is_not_opened(tmp_path: Path) -> None:
    """Nor taken for damaged; that of the latest version which is understood here is."""
    later = open_database(state_of_version(tmp_path / "later", VERSION_MAX + 1))
    with pytest.raises(StorageError, match="start a later release") as caught:
        Machine(later, domain=DOMAIN)
    assert not isinstance(caught.value, StorageCorrupt)
    with pytest.raises(apsw.ConnectionClosedError):
        later.execute("SELECT 1")
    latest = open_database(state_of_version(tmp_path / "latest", VERSION_MAX))
    assert Machine(latest, domain=DOMAIN).machine_version == VERSION_MAX


def test_it_is_not_taken_over_from_a_snapshot(tmp_path: Path) -> None:
    """A node that was away while the others raised the version stops, as at the command itself."""
    machine = Machine(open_database(state_of_version(tmp_path / "behind", 1)), domain=DOMAIN)
    later = state_of_version(tmp_path / "later", VERSION_MAX + 1)
    with pytest.raises(StorageError, match="start a later release"):
        machine.replace(lambda: open_database(later))
    with pytest.raises(StorageError):
        machine.apply_empty(LogIndex(2), Term(1))
