"""
The turns of a node: what brings its consensus core, log, links and machine forward.

Inputs (frames, durable writes, proposals, time) reach the core at once and ask for a *turn*; however many arrive
before it, one turn follows:

    1. commands without an outcome go to the leader: into its queue here, or as frames over its link
    2. the leader makes an entry of what queued up, unless enough are under way
    3. `Raft.ready`: messages leave, writes go to the log's thread, one write per link
    4. what is committed is applied, in slices; outcomes and events go out right after each entry

Nothing is awaited on this path and nothing costs a task or a future per command. Messages that a write must precede
are kept here until the log reports it durable.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from raftline.cluster.alarm import Alarm
from raftline.cluster.storage import snapshot_mark

if TYPE_CHECKING:
    from raftline.cluster.apply_loop import ApplyLoop
    from raftline.cluster.driver import Driver
    from raftline.cluster.links import PeerLinks
    from raftline.raft.ready import LogWrite, Ready

_APPLY_QUEUE_BYTES: Final = 8 << 20
"""With so much to apply, a node that catches up leaves the rest in its log."""


class Turns:
    """
    Runs the turns of a driver that works; whatever goes wrong in one ends the node.

    Args:
        links, apply: Of the driver.
    """

    def __init__(self, driver: Driver, links: PeerLinks, apply: ApplyLoop) -> None:
        self._driver = driver
        self._links = links
        self._apply = apply
        self._loop = asyncio.get_running_loop()
        self._is_scheduled = False
        self._writes: deque[LogWrite] = deque()
        self._alarm = Alarm(self.request)

    def request(self) -> None:
        """Let a turn follow soon, if none is due anyway."""
        if not self._is_scheduled and self._driver.is_working:
            self._is_scheduled = True
            self._loop.call_soon(self._run)

    def stop(self) -> None:
        """Let time ask for no more turns."""
        self._alarm.cancel()

    def _run(self) -> None:
        self._is_scheduled = False
        driver = self._driver
        if not driver.is_working:
            return
        now_ns = driver.now_ns()
        raft = driver.raft
        try:
            if now_ns >= raft.deadline_ns():
                raft.tick(now_ns)
            driver.forwarding.forward(now_ns)
            driver.forwarding.make_entries(now_ns, has_space=driver.storage.takes_another_entry)
            driver.barriers.ask(raft, now_ns)
            self._carry_out(raft.ready(deliver=self._apply.queue_bytes < _APPLY_QUEUE_BYTES))
            self._arm_deadline()
        except BaseException as error:  # noqa: BLE001  a node in an unknown state must stop, whatever the reason
            driver.fail(error)

    def _carry_out(self, ready: Ready) -> None:
        driver, links = self._driver, self._links
        for message in ready.messages:
            links.send(message.receiver, message)
        for write in ready.io:
            self._writes.append(write)
            mark = snapshot_mark(write.snapshot)
            driver.upkeep.writer.submit(write.sequence, write.hard_state, write.entries, mark)
        if ready.role_changed:
            driver.role_changed()
        if ready.membership_changed:
            driver.follow_membership()
        links.flush()
        driver.barriers.answered(ready)
        driver.upkeep.follow(ready)
        if ready.committed:
            self._apply.enqueue(ready.committed)
        elif ready.reads:
            driver.barriers.release(driver.machine.applied_index)

    def _arm_deadline(self) -> None:
        """Wake up when the core asks for it."""
        deadline_ns = self._driver.raft.deadline_ns()
        now_ns = self._driver.now_ns()
        if deadline_ns <= now_ns:
            # Entries wait to be taken. With enough to apply already, the next slice asks for the turn that takes them.
            if self._apply.queue_bytes < _APPLY_QUEUE_BYTES:
                self.request()
            return
        self._alarm.set(deadline_ns, now_ns)

    def write_durable(self, sequence: int) -> None:
        """Tell the core that the log has a write, and those before, then let go the messages that had to wait."""
        driver = self._driver
        if not driver.is_working:
            return
        try:
            driver.raft.io_completed(sequence, driver.now_ns())
        except BaseException as error:  # noqa: BLE001  as in _run
            driver.fail(error)
            return
        while self._writes and self._writes[0].sequence <= sequence:
            write = self._writes.popleft()
            for message in write.messages:
                self._links.send(message.receiver, message)
            driver.upkeep.snapshots.written(write)
        self.request()
