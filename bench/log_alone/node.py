"""
A node of Raftline with nothing on it: links, consensus and write-ahead log as in the product, and a bare front.

Apply is trivial here: it decodes each command, as the product must to find whose it is, and counts it as done; no row
is written and no state hash computed. An append is answered when the entry that holds it is committed, that is durable
on a majority, and applied.

    {"node_id": 1, "folder": …, "front_port": …, "nodes": [{"node_id", "port", "fingerprint"}…], …}    as first argument
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import cast

import msgspec
import uvloop

from bench.log_alone.connections import FRAME
from bench.log_alone.task import NodeTask
from raftline.base.errors import Busy
from raftline.base.ids import LogIndex, NodeId, SessionId, Term, position_of
from raftline.cluster.config import MILLISECOND_NS, Clocks, ClusterConfig, Peer
from raftline.cluster.driver import Driver
from raftline.cluster.links import LinkContexts
from raftline.cluster.repair import Repair
from raftline.cluster.storage import LOG_DIRECTORY, NodeStorage, StorageSettings
from raftline.machine.commands import decode_command
from raftline.machine.database import open_database
from raftline.machine.entry import decode_entry
from raftline.machine.machine import Machine
from raftline.machine.message_commands import MessageKind, SendMessage
from raftline.machine.outcomes import CommandResult, Done, Event
from raftline.server.certificates import peer_contexts
from raftline.wal.log import WriteAheadLog

SEGMENT_BYTES = 64 << 20
_BUSY_PAUSE_S = 0.005
_DONE = Done()


class LogOnlyMachine(Machine):
    """The state machine, which takes appends as done and applies only what the cluster itself needs."""

    def apply(self, index: LogIndex, term: Term, payload: bytes) -> list[CommandResult]:
        """See `Machine`. An entry of nothing but appends moves the head and yields the outcomes."""
        batch = decode_entry(payload)
        results = []
        first = position_of(index, 0)
        for place, data in enumerate(batch.commands):
            command = decode_command(data)
            if not isinstance(command.action, SendMessage):
                return super().apply(index, term, payload)
            position = type(first)(first + place)
            results.append(CommandResult(command.node_id, command.incarnation, command.ticket, position, _DONE, []))
        assert index == self.applied_index + 1
        self._head = self._head._replace(applied_index=index, applied_term=term)
        return results


class Front(asyncio.Protocol):
    """A client's connection: frames in, appends; frames out, once per slice of what was applied."""

    def __init__(self, driver: Driver, flush: Flush, payload_size: int) -> None:
        self._driver = driver
        self._flush = flush
        self._frame_size = FRAME.size + payload_size
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._answers: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who leads: one byte, 0 for nobody."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(bytes((self._driver.leader_id or 0,)))

    def data_received(self, data: bytes) -> None:
        """Append each whole frame."""
        if self._buffer:
            data = self._buffer + data
        place = 0
        while place + self._frame_size <= len(data):
            self._append(data[place : place + FRAME.size], data[place + FRAME.size : place + self._frame_size])
            place += self._frame_size
        self._buffer = data[place:]

    def _append(self, slot: bytes, payload: bytes) -> None:
        action = SendMessage("log", None, MessageKind.CHAT, 0, payload, "", b"")
        try:
            self._driver.propose(action, None, lambda _result: self._answer(slot))
        except Busy:
            asyncio.get_running_loop().call_later(_BUSY_PAUSE_S, self._append, slot, payload)

    def _answer(self, slot: bytes) -> None:
        if not self._answers:
            self._flush.waiting.append(self)
        self._answers.append(slot)

    def send_answers(self) -> None:
        """Write what was answered in this slice."""
        assert self._transport is not None
        self._transport.write(b"".join(self._answers))
        self._answers.clear()


class Flush:
    """
    The driver's subscriber: one write per connection after each slice.

    Attributes:
        waiting: Connections that have something to write.
    """

    def __init__(self) -> None:
        self.waiting: list[Front] = []

    def slice_applied(self) -> None:
        """See `Subscriber`."""
        waiting, self.waiting = self.waiting, []
        for front in waiting:
            front.send_answers()

    def receive_event(self, event: Event) -> None:
        """See `Subscriber`: appends cause none."""

    def receive_off_log(self, session_id: SessionId, stanza: bytes) -> None:
        """See `Subscriber`: nobody sends any."""

    def unclaimed(self, result: CommandResult) -> None:
        """See `Subscriber`: each append is waited for."""

    def peer_lost(self, node_id: NodeId) -> None:
        """See `Subscriber`: the cluster repairs itself."""

    def drained(self, *, is_drained: bool) -> None:
        """Nobody drains a node of a benchmark."""

    def life_ended(self) -> None:
        """See `Subscriber`: there are no sessions to end."""


async def run(task: NodeTask) -> None:
    """Run the node until SIGTERM."""
    loop = asyncio.get_running_loop()
    folder = Path(task.folder)
    stop = asyncio.Event()
    failures: list[BaseException] = []

    def fatal(error: BaseException) -> None:
        failures.append(error)
        stop.set()

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    node_id = NodeId(task.node_id)
    own = next(each for each in task.nodes if each.node_id == node_id)
    kept = StorageSettings(
        data_dir=folder, cluster_id="bench", node_id=node_id, domain="localhost", segment_bytes=SEGMENT_BYTES
    )
    machine = LogOnlyMachine(open_database(kept.database_path), domain=kept.domain)
    log = WriteAheadLog.open(
        folder / LOG_DIRECTORY,
        cluster_id=kept.cluster_id,
        node_id=node_id,
        applied_index=machine.applied_index,
        segment_bytes=kept.segment_bytes,
    )
    accepting, dialling = peer_contexts(Path(task.certificate_file), Path(task.key_file), Path(task.authority_file))
    driver = Driver(
        ClusterConfig(
            cluster_id="bench",
            node_id=node_id,
            peers={NodeId(each.node_id): Peer("127.0.0.1", each.port, each.fingerprint) for each in task.nodes},
            listen_host="127.0.0.1",
            listen_port=own.port,
        ),
        raft_random=random.Random(os.urandom(16)),  # noqa: S311  spreads timeouts, guards nothing
        clocks=Clocks(time.monotonic_ns, lambda: time.time_ns() // MILLISECOND_NS),
        storage=NodeStorage(
            kept, machine, log, None, Repair(folder, kept.log_directory, kept.database_path, kept.files)
        ),
        contexts=LinkContexts(accepting, dialling),
        entropy=os.urandom,
        fatal=fatal,
    )
    flush = Flush()
    driver.subscribe(flush)
    await driver.start()
    await driver.lives.wait_live()
    server = await loop.create_server(lambda: Front(driver, flush, task.payload_size), "127.0.0.1", task.front_port)
    gc.freeze()
    await stop.wait()
    server.close()
    await driver.stop()
    if failures:
        raise failures[0]


def main() -> None:
    """Run one node."""
    task = msgspec.json.decode(sys.argv[1], type=NodeTask)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(task))


if __name__ == "__main__":
    main()
