"""Stories that a seed is unlikely to tell, driven by hand on whole nodes in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from raftline.base.errors import StorageError
from raftline.base.ids import NodeId
from raftline.machine.commands import CreateAccount
from raftline.machine.outcomes import Done
from raftline.machine.queries import AccountExists, RosterOf
from sim.faults import Faults
from sim.life import Life
from sim.scheduler import MILLISECOND_NS, SECOND_NS
from sim.world import Options, World


class Stage:
    """A world without people, of as many nodes as are asked for."""

    def __init__(self, size: int, seed: int = 1) -> None:
        faults = Faults()
        options = Options.draw(random.Random(seed), faults)
        options.size = size
        self.world = World(seed, faults=faults, options=options)
        for node in self.world.nodes.values():
            node.start()
        self.until(lambda: all(self.life(number).driver.lives.is_live for number in self.world.nodes))

    def life(self, number: int) -> Life:
        life = self.world.nodes[NodeId(number)].life
        assert life is not None
        return life

    def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        def is_so() -> object:
            return all(node.life and node.life.is_serving for node in self.world.nodes.values()) and condition()

        assert self.world.scheduler.run_until(is_so, for_ns=int(seconds * SECOND_NS)), self.world.describe()

    def begin(self, number: int, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self.life(number).loop.create_task(work)

    def run(self, number: int, work: Coroutine[Any, Any, Any]) -> Any:
        task = self.begin(number, work)
        self.until(task.done)
        return task.result()

    def pass_time(self, duration_ns: int) -> None:
        self.world.scheduler.run_for(duration_ns)


@pytest.fixture
def stage() -> Iterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def make(*arguments: Any, **named: Any) -> Stage:
        stages.append(Stage(*arguments, **named))
        return stages[-1]

    yield make
    for made in stages:
        made.world.close()


async def create(life: Life, name: str) -> bool:
    """Create an account and return whether it is there when the outcome is."""
    assert await life.door.execute(CreateAccount(name, ()), key=name.encode().ljust(16, b"-")) == Done()
    return await life.door.ask(AccountExists(name)) is True


@pytest.mark.parametrize("seed", range(6))
def test_outcomes_of_an_earlier_life_are_not_those_of_this_one(stage: Callable[..., Stage], seed: int) -> None:
    """
    A machine loses its power, and its clock with it: it is an hour earlier now.

    The commands of the last life are applied again; none of them may be taken for the outcome of a command that has
    the same number in this life.
    """
    cluster = stage(1, seed)
    node = cluster.world.nodes[NodeId(1)]
    assert all(cluster.run(1, create(cluster.life(1), name)) for name in ("alice", "bob"))
    cluster.pass_time(300 * MILLISECOND_NS)
    node.crash(power=True)
    node.clock.set_wall_error(-3_600_000)
    node.start()
    cluster.until(lambda: True)
    begun = [cluster.begin(1, create(cluster.life(1), name)) for name in ("carol", "dave")]
    cluster.until(lambda: all(task.done() for task in begun))
    assert [task.result() for task in begun] == [True, True]


def test_a_node_whose_database_cannot_be_read_stops_whatever_it_waits_for(stage: Callable[..., Stage]) -> None:
    """
    One of three is gone, another one down, and a question to the third meets an error of its disk.

    It cannot even greet a peer from then on, for which it has to know whose data that has. So it must not wait for an
    entry to apply, or for a leader, to find out that it cannot go on: with it the cluster would stand still for ever.
    """
    cluster = stage(3, 1)
    world = cluster.world
    one, two, three = (world.nodes[NodeId(number)] for number in (1, 2, 3))
    assert cluster.run(1, create(cluster.life(1), "alice"))
    for node in (two, three):
        node.retire()
        node.crash(power=False)
    cluster.pass_time(2 * SECOND_NS)
    life = cluster.life(1)
    life.driver.machine._database.pragma("shrink_memory")
    one.disk.fail_database("read")
    with pytest.raises(StorageError):
        life.driver.machine.answer(RosterOf("alice"))
    two.is_retired = False
    two.start()

    def is_led() -> bool:
        lives = [node.serving_life for node in (one, two)]
        return all(life is not None and life.driver.lives.is_live for life in lives)

    assert world.scheduler.run_until(is_led, for_ns=20 * SECOND_NS), world.describe()
    assert one.life is not life
