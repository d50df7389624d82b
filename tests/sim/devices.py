"""
The devices of people: clients with stream management that want their messages to arrive, whatever happens.

    away ── connect to some node ──> connected ── resume, else bind and enable ──> online
     ^                                   │                                            │
     └── the connection is lost, dropped or closed; the session waits or is over ─────┘

What a device has sent and has no `h` for, it keeps. After a resumption it sends the rest again, in order, under the
same numbers. When the session is over it binds a new one and sends the messages again under their origin ids, which
must not double them. What it believes of its messages it tells to `Promises`, what it does to registers to `Histories`.

All devices run on one loop of their own, which never fails. In the end phase a device goes online for good, says one
last thing to everybody, and is *settled* when all it ever sent is safe and all it was sent is acknowledged.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from raftline.base.ids import SessionId
from raftline.machine.outcomes import Delivery
from raftline.machine.rooms.events import RoomMessageArrived
from raftline.machine.versions import FEATURES_SINCE
from sim.channel import Channel
from sim.edge import Edge
from sim.stanzas import (
    Stanza,
    answer_to,
    block_stanza,
    interest_stanza,
    message_stanza,
    minor_stanza,
    presence_stanza,
    register_key,
    register_stanza,
    room_stanzas,
    serial_of,
)

if TYPE_CHECKING:
    from sim.people import People
    from sim.promises import Message

PENDING_COUNT_MAX: Final = 100
"""Stanzas without an `h`; a device waits beyond it, as the gateway's reading does."""

_TOKEN_BYTES: Final = 16
_RETRY_SECONDS: Final = 0.2
_REGRET_SHARE: Final = 0.05
_EPHEMERAL_EVERY: Final = 8
"""Every so many messages are given a time after which they disappear."""
_NOTHING: Final = Stanza("nothing")
"""In the place of a stanza that was refused and is not to be said again."""


class Device:
    """
    One client of one account.

    Args:
        is_managed: It uses stream management; its sessions wait `timeout_s` to be resumed, 0 for not at all.
        blocks: An account that it blocks now and then; messages between the two are not strict.

    Attributes:
        is_settled: Nothing is left to be done; see the head of this module.
        hearing: What its session hears in the room.
    """

    def __init__(
        self,
        people: People,
        chance: random.Random,
        account: str,
        resource: str,
        *,
        is_managed: bool,
        timeout_s: int,
        blocks: str = "",
    ) -> None:
        self._people = people
        self._chance = chance
        self.account = account
        self.resource = resource
        self.name = f"{account}/{resource}"
        self.is_managed = is_managed
        self._timeout_s = timeout_s
        self._blocks = blocks
        self._channel: Channel | None = None
        self._edge: Edge | None = None
        self._replies: set[asyncio.Future[Any]] = set()
        self._session_id: SessionId | None = None
        self._token = b""
        self._last_node_id = 0
        self._unacked: deque[Stanza] = deque()
        self._to_repeat: list[Stanza] = []
        self._h = 0
        self._received_count = 0
        self._acked_count = 0
        self._ack_is_due = False
        self._is_counting = False
        self._is_online = False
        self._has_said_last = False
        self.hearing = people.talk.listens(self.name)

    # Life

    async def live(self) -> None:
        """Be a client, for as long as the world goes on."""
        loop = asyncio.get_running_loop()
        key = self._chance.randbytes(_TOKEN_BYTES)
        has_account = False
        backoff = 0.05
        while True:
            try:
                await self._connect()
                if not has_account:
                    reply = await self._ask("create_account", self.account, self._people.key_of(self.account, key))
                    has_account = reply[0] == "done"
                    if has_account:
                        self._people.known_accounts[self.account] = None
                if has_account and await self._go_online():
                    backoff = 0.05
                    self._is_online = True
                    await self._be_online(loop)
            except ConnectionError:
                pass
            self._go_away()
            await asyncio.sleep(backoff * self._chance.uniform(0.5, 1.5))
            backoff = min(2 * backoff, 1.0)

    async def _connect(self) -> None:
        channel = await self._people.connect(self, self._chance)
        self._channel = channel
        self._edge = channel.edge

    def _go_away(self) -> None:
        if self._channel is not None:
            self._channel.leave()
            self.connection_lost(self._channel)

    def connection_lost(self, channel: Channel) -> None:
        """The connection is gone; the node says so, or the net."""
        if self._channel is not channel:
            return
        self._channel = self._edge = None
        self._is_online = False
        for reply in self._replies:
            if not reply.done():
                reply.set_exception(ConnectionResetError("the connection is lost"))
        self._replies.clear()

    async def _ask(self, method: str, *arguments: object) -> tuple[Any, ...]:
        """
        Call a method of the edge and wait for its reply.

        Raises:
            ConnectionError: The connection was lost before.
        """
        channel, edge = self._channel, self._edge
        if channel is None or edge is None:
            raise ConnectionResetError("not connected")
        future: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()
        self._replies.add(future)

        def reply(*values: object) -> None:
            if not future.done():
                future.set_result(values)

        channel.to_edge(getattr(edge, method), reply, *arguments)
        try:
            return await future
        finally:
            self._replies.discard(future)

    # Sessions

    async def _go_online(self) -> bool:
        """Resume the session, or begin a new one; False if neither is to be just now."""
        if self._session_id is not None and await self._resume():
            return True
        if self._session_id is not None:
            return False
        return await self._bind()

    async def _resume(self) -> bool:
        channel = self._channel
        kind, value = await self._ask("resume", self._session_id, self._token, self._received_count)
        if kind == "resumed":
            assert channel is not None
            if channel.life.node.node_id != self._last_node_id:
                self._people.counters.take_over_count += 1
            self._last_node_id = channel.life.node.node_id
            self.settled(value)
            self._acked_count = self._received_count
            self._unacked = deque(_NOTHING if stanza.refusal_is_known else stanza for stanza in self._unacked)
            for stanza in self._unacked:
                self._send(stanza)
            return True
        if kind == "gone":
            # What lies beyond had no effect, and will have none: the session is over.
            self.settled(value)
            for stanza in self._unacked:
                if stanza.attempt is not None:
                    self._people.histories.void(stanza.attempt)
        self._session_over()
        return False

    def _session_over(self) -> None:
        """Begin anew: messages are sent again, what else was under way is forgotten."""
        self._session_id = None
        for stanza in self._unacked:
            if stanza.message is not None and not stanza.is_refused:
                stanza.message.is_uncertain = True
                self._to_repeat.append(stanza)
            elif stanza.said is not None and not stanza.is_refused:
                stanza.said.is_uncertain = True  # it is not said again: the next session is not in the room
        self._unacked.clear()
        self.hearing = self._people.talk.listens(self.name)

    async def _bind(self) -> bool:
        channel = self._channel
        assert channel is not None
        self._session_over()
        self._h = 0
        self._is_counting = False
        kind, value = await self._ask("bind", self.resource)
        if kind != "bound":
            return False
        if self.is_managed:
            if self._chance.random() < 0.3:
                # Counted from the bind, but not from here on; no presence, which would bring messages too early.
                self._send(interest_stanza())
            self._token = self._chance.randbytes(_TOKEN_BYTES) if self._timeout_s else b""
            if (await self._ask("enable", self._token, self._timeout_s))[0] != "enabled":
                return False
            if self._timeout_s:
                self._session_id = value
                self._last_node_id = channel.life.node.node_id
        self.send(presence_stanza(self.account, self.resource))
        repeat, self._to_repeat = self._to_repeat, []
        for stanza in repeat:
            self.send(stanza)
        return True

    # Saying things

    def send(self, stanza: Stanza) -> None:
        """Send a stanza, and keep it until it is safe; without management nobody says so of what is no command."""
        if self.is_managed or stanza.action is not None:
            self._unacked.append(stanza)
        self._send(stanza)

    def _send(self, stanza: Stanza) -> None:
        if self._channel is not None and self._edge is not None:
            self._people.counters.client_operation_count += 1
            self._channel.to_edge(self._edge.stanza, stanza)

    async def _be_online(self, loop: asyncio.AbstractEventLoop) -> None:
        people, chance = self._people, self._chance
        leave_at = loop.time() + chance.expovariate(1 / people.habits.stay_seconds)
        while self._channel is not None:
            self._acknowledge_soon()
            if people.is_ending:
                await self._say_last()
            elif loop.time() > leave_at and chance.random() < 0.5:
                if chance.random() < people.habits.polite_share:
                    await self._end_politely()
                return
            elif len(self._unacked) < PENDING_COUNT_MAX:
                await self._do_something()
            await asyncio.sleep(chance.expovariate(1 / people.habits.think_seconds))

    async def _end_politely(self) -> None:
        """Wait for what is under way, then end session and stream."""
        for _ in range(20):
            if not self._unacked or self._channel is None:
                break
            await asyncio.sleep(0.1)
        if self._channel is not None and self._edge is not None and not self._unacked:
            self._channel.to_edge(self._edge.leave)
            self._session_id = None
            await asyncio.sleep(0.1)

    async def _do_something(self) -> None:
        people, chance = self._people, self._chance
        draw = chance.random()
        if draw < 0.55:
            for _ in range(chance.choice((1, 1, 1, 2, 5, 20))):
                self._send_message(chance.choice(list(people.known_accounts)))
        elif draw < 0.65:
            self._do_in_room()
        elif draw < 0.75:
            key = register_key(self.account, chance)
            attempt = people.histories.begin_set(key, b"<value>%d</value>" % people.next_value())
            self.send(register_stanza(attempt))
        elif draw < 0.88:
            await self._read(register_key(chance.choice(people.accounts), chance))
        elif draw < 0.91 and self._blocks:
            self.send(block_stanza(self._blocks, is_blocked=chance.random() < 0.5))
        else:
            self.send(minor_stanza(self.account, self.resource, chance.choice(people.accounts), chance))

    def _do_in_room(self) -> None:
        talk, hearing = self._people.talk, self.hearing
        for stanza in room_stanzas(self.name, talk, self._chance, is_inside=hearing.is_inside):
            if stanza.kind == "enter":
                hearing.enters()
            elif stanza.kind == "leave":
                hearing.leaves()
            self.send(stanza)

    def _send_message(self, recipient: str) -> None:
        people = self._people
        is_strict = frozenset((self.account, recipient)) not in people.blocking_pairs
        message = people.promises.meant(self.name, self.account, recipient, is_strict=is_strict)
        if self._chance.random() < _REGRET_SHARE and self._are_features_known():
            regretted = people.promises.regretted(self.account, recipient)
            message.retracts = 0 if regretted is None else regretted.serial
        if message.serial % _EPHEMERAL_EVERY == 0 and self._are_features_known():
            message.timer_s = 1 + message.serial % 5
        self.send(self._written(message))

    def _written(self, message: Message) -> Stanza:
        regretted = self._people.promises.messages.get(message.retracts)
        return message_stanza(message, self.resource, self._chance, regretted)

    def _are_features_known(self) -> bool:
        """Whether all members agreed on the version that knows retraction and timers; then they have for good."""
        return self._edge is not None and self._edge.machine_version >= FEATURES_SINCE

    async def _read(self, key: str) -> None:
        attempt = self._people.histories.begin_get(key)
        kind, value = await self._ask("read", key)
        if kind == "value":
            self._people.histories.end_get(attempt, value)

    async def _say_last(self) -> None:
        """Say one last thing to everybody, in the end phase, and read what is to be read."""
        people = self._people
        if self._has_said_last or self._unacked or len(people.known_accounts) < len(people.accounts):
            return
        self._has_said_last = True
        # Its first presence may have been refused, and the error lost with the stream.
        self.send(presence_stanza(self.account, self.resource))
        self._do_in_room()
        for account in people.accounts:
            self._send_message(account)
            for name in ("vcard", "one", "two"):
                await self._read(f"{account}:{name}")

    @property
    def is_settled(self) -> bool:
        """See the head of this module."""
        return (
            self._has_said_last
            and self._channel is not None
            and not self._unacked
            and not self._to_repeat
            and (not self._is_counting or self._acked_count == self._received_count)
        )

    def describe(self) -> str:
        """Say what is left to be done."""
        return (
            f"{self.name}: {'away' if self._channel is None else 'connected'}, {len(self._unacked)} without h, "
            f"{len(self._to_repeat)} to repeat, {self._acked_count} of {self._received_count} acknowledged, "
            f"has said its last: {self._has_said_last}"
        )

    # What the edge says

    def management_enabled(self) -> None:
        """From here on stanzas count."""
        self._is_counting = True
        self._received_count = self._acked_count = 0

    def settled(self, h: int) -> None:
        """The first `h` stanzas since management was turned on are safe."""
        while self._h < h:
            self._h += 1
            if not self._unacked:
                self._people.fail("more is acknowledged than was sent", self.name, h)
                return
            self._is_safe(self._unacked.popleft())

    def room_opened(self) -> None:
        """The room was opened by this device; a node has applied it, so it stays open whoever learns of it."""
        self._people.talk.is_open = True

    def settled_alone(self, stanza: Stanza) -> None:
        """A stanza of an unmanaged session had its outcome."""
        if stanza in self._unacked:
            self._unacked.remove(stanza)
            self._is_safe(stanza)

    def _is_safe(self, stanza: Stanza) -> None:
        if stanza.is_refused:
            # The error was lost with a stream, and the count says nothing of it.
            self._people.counters.lost_refusal_count += not stanza.refusal_is_known
            return
        if stanza.message is not None:
            self._people.promises.acknowledged(stanza.message)
        if stanza.said is not None:
            self._people.talk.acknowledged(stanza.said)
        if stanza.attempt is not None:
            self._people.histories.end_set(stanza.attempt)

    def refused(self, stanza: Stanza, condition: str) -> None:
        """An error came back: the stanza had no effect."""
        self._count()
        stanza.refusal_is_known = True
        if not self.is_managed and stanza in self._unacked:
            self._unacked.remove(stanza)
        if stanza.attempt is not None:
            self._people.histories.void(stanza.attempt)
        if stanza.said is not None:
            self._people.talk.refused(stanza.said)
        if stanza.kind == "enter":
            self.hearing.leaves()
        message = stanza.message
        if message is None:
            if stanza.kind == "presence":
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._appear_again)
            return
        self._people.promises.refused(message)
        if condition == "resource-constraint":
            # Too much was under way; it is said again behind what was said meanwhile.
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._try_again, message)

    def _appear_again(self) -> None:
        if self._is_online:
            self.send(presence_stanza(self.account, self.resource))

    def _try_again(self, message: Any) -> None:
        if self._is_online:
            self._people.promises.meant_again(message)
            self.send(self._written(message))

    def delivered(self, event: Delivery) -> None:
        """A message has arrived, perhaps not for the first time."""
        if isinstance(event, RoomMessageArrived):
            self._people.talk.hears(self.hearing, event)
            self._count()
            return
        self._people.promises.seen(serial_of(event.stanza), event.position, self.account)
        self._count()

    def told(self, _kind: str) -> None:
        """Something else has arrived that counts."""
        self._count()

    def off_log_arrived(self, stanza: bytes) -> None:
        """A question or an answer has arrived that travelled off the log."""
        self._count()
        answer = answer_to(stanza)
        if answer is not None and self._is_online:
            self.send(answer)

    def _count(self) -> None:
        if not self._is_counting:
            return
        self._received_count += 1
        self._acknowledge_soon()

    def _acknowledge_soon(self) -> None:
        if not self._ack_is_due and self._acked_count < self._received_count:
            self._ack_is_due = True
            delay_seconds = self._chance.expovariate(1 / self._people.habits.ack_seconds)
            asyncio.get_running_loop().call_later(delay_seconds, self._acknowledge)

    def _acknowledge(self) -> None:
        self._ack_is_due = False
        if not self._is_online or not self._is_counting or self._channel is None or self._edge is None:
            return
        if self._acked_count < self._received_count:
            self._acked_count = self._received_count
            self._channel.to_edge(self._edge.acknowledge, self._acked_count)
