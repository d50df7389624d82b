"""
One simulated node over all its lives: its machine, disk and clocks, and how its processes begin and end.

    down ── start ──> running ── crash, power failure, its own failure, a polite stop ──> down, and a start is due

While it is down the machine may be up (a process died) or not (the power went). Dead lives are kept until the world
ends, so that no destructor runs code of theirs in the middle of somebody else's turn.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import apsw

from raftline.base.errors import StorageCorrupt, StorageError
from raftline.base.ids import NodeId
from raftline.cluster.config import ClusterConfig, Peer
from sim.clocks import NodeClock
from sim.disk import SimulatedDisk
from sim.life import Life
from sim.scheduler import MILLISECOND_NS, Scheduled

if TYPE_CHECKING:
    from pathlib import Path

    from sim.network import Host
    from sim.world import World

_RESTART_NS_MIN: Final = MILLISECOND_NS


class SimulatedNode:
    """
    One member of a cluster.

    Attributes:
        life: Of the process that runs; None while none does.
        lives: All of them, for the end of the world.
        token: Of the invitation by which it joins; empty for a founder, and once it was let in.
        is_retired: It never starts again: it is no member any more, or has lost its data.
        has_begun: It has had a log, which may not be missing from then on.
    """

    def __init__(self, world: World, config: ClusterConfig, host: Host, directory: Path, *, token: bytes = b"") -> None:
        self.world = world
        self.config = config
        self.node_id: NodeId = config.node_id
        self.host = host
        self.chance = random.Random(world.chance.randrange(1 << 60))
        self.clock = NodeClock(world.scheduler, self.chance)
        self.disk = SimulatedDisk(world.scheduler, self.chance, directory)
        self.life: Life | None = None
        self.lives: list[Life] = []
        self._restart: Scheduled | None = None
        self.token = token
        self.is_retired = False
        self.has_begun = False

    # Beginning

    def start(self) -> None:
        """Begin a life, if none runs."""
        if self._restart is not None:
            self.world.scheduler.cancel(self._restart)
            self._restart = None
        if self.life is not None or self.is_retired:
            return
        if not self.host.is_up:
            self.world.network.powered_on(self.host)
        life = Life(self, len(self.lives) + 1)
        self.life = life
        self.lives.append(life)
        self.host.on_write = self.world.watcher_of(life)
        self.world.scheduler.note("start", life.name)
        try:
            life.begin()
        except StorageCorrupt as error:
            life.fatal(error)
            if self.node_id in self.world.nemesis.damaged:
                self.world.operator.given_up(self)
        except (StorageError, apsw.Error) as error:
            life.fatal(error)

    def start_later(self, delay_ns_max: int) -> None:
        """Begin a life within this time."""
        if self._restart is None and not self.is_retired:
            delay_ns = self.chance.randrange(_RESTART_NS_MIN, max(delay_ns_max, 2 * _RESTART_NS_MIN))
            self._restart = self.world.scheduler.after(delay_ns, self._start_now)

    def _start_now(self) -> None:
        self._restart = None
        self.start()

    def let_in(self, peers: Mapping[NodeId, Peer]) -> None:
        """The cluster has let this node in; that is written down, durably."""
        own = self.config.peers[self.node_id]
        self.config = replace(self.config, peers={**peers, self.node_id: own})
        self.token = b""

    @property
    def serving_life(self) -> Life | None:
        """The life that takes clients now."""
        life = self.life
        return life if life is not None and life.is_serving and not life.is_dying else None

    # Ends

    def retire(self) -> None:
        """Start never again."""
        self.is_retired = True
        if self._restart is not None:
            self.world.scheduler.cancel(self._restart)
            self._restart = None

    def lose(self) -> None:
        """Lose everything, for good."""
        self.retire()
        self.crash(power=True)

    def promised(self, life: Life, kind: str) -> None:
        """Something left this node that others rely on; it may be its last deed."""
        faults = self.world.faults
        if faults.aimed_crash and life is self.life and self.chance.random() < faults.aimed_crash:
            self.world.scheduler.note("aimed", life.name, kind)
            self.world.counters.aimed_crash_count += 1
            self.die_soon(life, power=self.chance.random() < faults.aimed_power)

    def die_soon(self, life: Life, *, power: bool) -> None:
        """End a life from within: what its present callback still does has no effect."""
        if life.loop.is_dying:
            return
        life.loop.is_dying = True
        self.disk.cut_off()
        self.world.scheduler.after(0, self._die, life, power)

    def _die(self, life: Life, power: bool) -> None:
        if life is self.life:
            self.crash(power=power)

    def crash(self, *, power: bool) -> None:
        """End the life that runs, now; with the power, what was not synced may be lost."""
        world = self.world
        life = self.life
        if life is None:
            if power and self.host.is_up:
                self._lose_power(None)
            return
        world.counters.crash_count += 1
        world.scheduler.note("crash", life.name, "power" if power else "process")
        self._end(life)
        if power:
            self._lose_power(life)
        else:
            world.network.process_died(self.host)
            self.disk.process_died(life.database)
        self._tell_clients(life, is_silent=power)
        self.start_later(world.faults.restart_ns_max)

    def _lose_power(self, life: Life | None) -> None:
        self.world.counters.power_failure_count += 1
        self.world.network.power_failed(self.host)
        self.disk.power_failed(None if life is None else life.database)

    def _end(self, life: Life) -> None:
        life.loop.kill()
        life.is_serving = False
        self.life = None
        self.host.on_write = None

    @staticmethod
    def _tell_clients(life: Life, *, is_silent: bool) -> None:
        for channel in life.channels:
            channel.process_died(is_silent=is_silent)

    def stop_politely(self) -> None:
        """Stop as an operator does; the next life begins after a while."""
        life = self.life
        if life is None:
            return

        def done() -> None:
            self.world.scheduler.after(0, self._stopped, life)

        life.stop_politely(done)

    def _stopped(self, life: Life) -> None:
        if life is not self.life:
            return
        self.world.counters.graceful_stop_count += 1
        self.world.scheduler.note("stopped", life.name)
        self._end(life)
        self.world.network.process_died(self.host)
        self.disk.process_died(life.database)
        self._tell_clients(life, is_silent=False)
        self.start_later(self.world.faults.restart_ns_max)

    def pause(self, duration_ns: int) -> None:
        """Stop the process for a while."""
        if self.life is not None:
            self.world.counters.pause_count += 1
            self.life.loop.pause(self.world.scheduler.now_ns + duration_ns)

    def wake(self) -> None:
        """Let the process go on."""
        if self.life is not None:
            self.life.loop.wake()

    def jump_clock(self, jump_ns: int) -> None:
        """Let the monotonic clock jump ahead."""
        self.clock.jump(jump_ns)
        if self.life is not None:
            self.life.loop.clock_jumped()

    def close(self) -> None:
        """End everything; of no use afterwards."""
        if self.life is not None:
            life = self.life
            self._end(life)
            self.disk.process_died(life.database)
        for life in self.lives:
            life.loop.close()
        self.disk.database.forget()
