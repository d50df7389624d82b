"""Checkpoints beside a working node."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cluster.clusters import Cluster, until
from cluster.people import Person
from raftline.base.errors import StorageError, StorageFull
from raftline.base.ids import LogIndex
from raftline.cluster import checkpoints
from raftline.machine.database import CheckpointResult
from raftline.machine.queries import NodeProfiles


@pytest.fixture(autouse=True)
def quick_period(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, and find the file large early."""
    monkeypatch.setattr(checkpoints, "RESTART_PAGES", 8)
    monkeypatch.setitem(checkpoints.Checkpoints.__init__.__kwdefaults__, "period_seconds", 0.02)


async def busy_until(alice: Person, condition: object) -> None:
    """Keep a session sending until the condition holds."""
    sent = 0

    def is_done() -> bool:
        nonlocal sent
        if len(alice.outcomes) > sent:
            alice.send("alice", f"{sent}")
            sent += 1
        return bool(condition())  # type: ignore[operator]

    await until(is_done)


async def test_the_file_starts_anew_under_load(tmp_path: Path) -> None:
    """Large files are moved while commands go on; applying pauses for it and goes on, and nothing is lost."""
    cluster = Cluster(tmp_path, 1)
    await cluster.start()
    try:
        alice = Person("alice")
        await alice.appear(cluster[1].node)
        runs = cluster[1].running.upkeep.checkpoints
        await busy_until(alice, lambda: runs.restart_count >= 3)
        await until(lambda: len(alice.bodies) + 1 == len(alice.outcomes) == alice.number)
        assert runs.passive_count >= runs.restart_count
    finally:
        await cluster.stop()


async def test_an_idle_node_runs_none(tmp_path: Path) -> None:
    """Without anything applied there is nothing to sync."""
    cluster = Cluster(tmp_path, 1)
    await cluster.start()
    try:
        node = cluster[1]
        runs = node.running.upkeep.checkpoints
        await until(lambda: node.machine.answer(NodeProfiles()))  # the last that it has to say for itself
        await until(lambda: runs.durable_index == node.machine.applied_index)
        count = runs.passive_count
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert runs.passive_count <= count + 1
    finally:
        await cluster.stop()


class _Apply:
    """An apply loop that is told when to rest."""

    def __init__(self) -> None:
        self.applied_index = LogIndex(1)
        self.indexed_count = 0
        self.is_paused = False

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_nothing_is_written_beside_a_file_that_starts_anew(tmp_path: Path, is_cancelled: bool) -> None:
    """Applying rests until the thread is done; a node that stops meanwhile applies nothing any more."""
    apply = _Apply()
    steps: list[asyncio.Future[CheckpointResult]] = []

    def aside(_function: object) -> asyncio.Future[CheckpointResult]:
        steps.append(asyncio.get_running_loop().create_future())
        return steps[-1]

    runs = checkpoints.Checkpoints(
        tmp_path / "state.db",
        apply,  # type: ignore[arg-type]
        aside=aside,  # type: ignore[arg-type]
        on_durable=lambda _index: None,
        has_room_for=lambda _bytes: True,
    )
    look = asyncio.create_task(runs.look())
    await until(lambda: len(steps) == 1)
    steps[0].set_result(CheckpointResult(busy=True, wal_page_count=checkpoints.RESTART_PAGES, moved_page_count=0))
    await until(lambda: len(steps) == 2)
    assert apply.is_paused
    if is_cancelled:
        look.cancel()
    else:
        steps[1].set_result(CheckpointResult(busy=False, wal_page_count=0, moved_page_count=0))
    await asyncio.wait([look])
    assert look.cancelled() is apply.is_paused is is_cancelled


async def test_no_space_is_no_end_but_damage_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that finds no space is tried again; any other failure stops the node."""
    failing: list[Exception] = [StorageFull("no space"), StorageFull("no space"), StorageError("input/output error")]
    seen = []

    def fail(_path: Path, *, restart: bool = False, vfs: str | None = None) -> CheckpointResult:
        seen.append(restart)
        raise failing[min(len(seen), len(failing)) - 1]

    monkeypatch.setattr(checkpoints, "checkpoint", fail)
    cluster = Cluster(tmp_path, 1)
    await cluster.start()
    node = cluster[1]
    await until(lambda: node.failures)
    assert [str(failure) for failure in node.failures] == ["input/output error"]
    assert len(seen) == 3
    node.failures.clear()
    await cluster.stop()
