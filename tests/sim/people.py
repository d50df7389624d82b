"""
Everybody who uses the cluster: accounts, their devices, their habits, and the loop on which they live.

Each world has a few accounts with one or more devices each. Some devices do without stream management; of their
accounts nothing is demanded that only an acknowledgement could give. At most one pair of accounts has a block list
between them, so that it is known which messages nothing but a fault could keep away.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.channel import Channel
from sim.clocks import NodeClock
from sim.counters import Counters
from sim.devices import Device
from sim.edge import Edge
from sim.histories import Histories
from sim.loop import SimulatedLoop
from sim.promises import Promises
from sim.scheduler import MICROSECOND_NS, MILLISECOND_NS, Scheduler
from sim.talk import Talk

if TYPE_CHECKING:
    from sim.life import Life

_NAMES = ("alice", "bob", "carol", "dave", "erin")
_RESOURCES = ("phone", "desk", "web")


@dataclass
class Habits:
    """
    How people behave.

    Attributes:
        think_seconds: Between two things a device does, on average.
        stay_seconds: After how long it leaves, on average.
        ack_seconds: How long it waits before it acknowledges.
        polite_share: How often it leaves by ending its session.
        unmanaged_share: Devices that do without stream management.
    """

    think_seconds: float = 0.05
    stay_seconds: float = 5.0
    ack_seconds: float = 0.05
    polite_share: float = 0.2
    unmanaged_share: float = 0.0

    @classmethod
    def draw(cls, chance: random.Random) -> Habits:
        """Draw a mix."""
        return cls(
            think_seconds=chance.choice((0.01, 0.05, 0.2)),
            stay_seconds=chance.choice((0.5, 3.0, 20.0)),
            ack_seconds=chance.choice((0.002, 0.05, 1.0)),
            polite_share=chance.choice((0.0, 0.2, 0.6)),
            unmanaged_share=chance.choice((0.0, 0.0, 0.3)),
        )


class People:
    """
    All devices.

    Args:
        choose_life: Chooses a node, and returns the life of it that takes clients now; None if it takes none.

    Attributes:
        known_accounts: Those that are known to exist.
        is_ending: The faults are over; devices come to an end.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        chance: random.Random,
        counters: Counters,
        choose_life: Callable[[random.Random], Life | None],
    ) -> None:
        self._scheduler = scheduler
        self._chance = chance
        self._choose_life = choose_life
        self.counters = counters
        self.promises = Promises(scheduler)
        self.talk = Talk(scheduler)
        self.histories = Histories(scheduler)
        self.habits = Habits.draw(chance)
        self.known_accounts: dict[str, None] = {}
        self.is_ending = False
        self.loop = SimulatedLoop(
            scheduler,
            NodeClock(scheduler, chance),
            name="people",
            iteration_ns=MICROSECOND_NS,
            on_error=self._on_error,
        )
        self._keys: dict[str, bytes] = {}
        self._value = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.accounts = list(_NAMES[: chance.randint(2, len(_NAMES))])
        pair = chance.sample(self.accounts, 2) if chance.random() < 0.5 else []
        self.blocking_pairs = {frozenset(pair)} if pair else set()
        self.devices = [self._device(account, resource, pair) for account, resource in self._draw_devices()]

    def _draw_devices(self) -> list[tuple[str, str]]:
        return [
            (account, resource)
            for account in self.accounts
            for resource in _RESOURCES[: self._chance.choice((1, 1, 2, 3))]
        ]

    def _device(self, account: str, resource: str, pair: list[str]) -> Device:
        chance = self._chance
        return Device(
            self,
            random.Random(chance.randrange(1 << 60)),
            account,
            resource,
            is_managed=chance.random() >= self.habits.unmanaged_share,
            timeout_s=chance.choice((0, 2, 30, 300)),
            blocks=pair[1] if pair and account == pair[0] else "",
        )

    def begin(self) -> None:
        """Let all devices live."""
        for device in self.devices:
            delay_ns = self._chance.randrange(500 * MILLISECOND_NS)
            self._scheduler.after(delay_ns, self._begin, device)

    def _begin(self, device: Device) -> None:
        task = self.loop.create_task(device.live(), name=device.name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.fail("a device failed", task.get_name(), repr(task.exception()))

    def _on_error(self, context: dict[str, Any]) -> None:
        self.fail("a device failed", context.get("message"), repr(context.get("exception")))

    def fail(self, text: str, *values: object) -> None:
        """Fail the world."""
        self._scheduler.fail(text, *values)

    def key_of(self, account: str, key: bytes) -> bytes:
        """Return the key under which an account is created, by whichever of its devices; the first one is kept."""
        return self._keys.setdefault(account, key)

    def next_value(self) -> int:
        """Return a value that no register ever had."""
        self._value += 1
        return self._value

    async def connect(self, device: Device, chance: random.Random) -> Channel:
        """
        Connect to some node.

        Raises:
            ConnectionError: It takes no clients now.
        """
        await asyncio.sleep(chance.uniform(0.001, 0.03))
        life = self._choose_life(chance)
        if life is None:
            raise ConnectionRefusedError("the node takes no clients")
        channel = Channel(self._scheduler, chance, self.loop, device, life)
        channel.edge = Edge(life, channel, device)
        life.add_channel(channel)
        return channel

    @property
    def strict_accounts(self) -> set[str]:
        """Accounts of which each device acknowledges what it gets."""
        unmanaged = {device.account for device in self.devices if not device.is_managed}
        return set(self.accounts) - unmanaged

    @property
    def are_settled(self) -> bool:
        """Nothing is left to be done."""
        return (
            all(device.is_settled for device in self.devices)
            and not self.promises.undelivered(self.strict_accounts)
            and not self.talk.unheard([device.hearing for device in self.devices])
        )
