"""The process that loads a log: a task as JSON on standard input, what it measured as JSON on standard output."""

from __future__ import annotations

import asyncio
import gc
import sys
from functools import partial

import msgspec
import uvloop

from bench.generator.meter import Meter
from bench.log_alone.connections import EtcdConnection, LogConnection, LogError, NatsConnection, RaftlineConnection
from bench.log_alone.task import LogTask, System
from bench.task import Measured

CONNECTIONS: dict[System, type[LogConnection]] = {
    System.RAFTLINE: RaftlineConnection,
    System.NATS: NatsConnection,
    System.ETCD: EtcdConnection,
}
DRAIN_TIMEOUT_S = 10.0


async def load(task: LogTask) -> Measured:
    """
    Append for the time given.

    Raises:
        LogError: An append was refused or a connection lost.
    """
    loop = asyncio.get_running_loop()
    meter = Meter(task)
    payload = (b"0123456789abcdef" * (task.payload_size // 16 + 1))[: task.payload_size]
    share, rest = divmod(task.client_count, task.connection_count)
    connections = []
    for number in range(task.connection_count):
        make = partial(CONNECTIONS[task.system], share + (number < rest), payload, meter)
        _, connection = await loop.create_connection(make, "127.0.0.1", task.port)
        connections.append(connection)
    for connection in connections:
        connection.start()
    await meter.measure()
    for connection in connections:
        connection.is_sending = False
    deadline = loop.time() + DRAIN_TIMEOUT_S
    while any(each.outstanding for each in connections) and not any(each.failure for each in connections):
        if loop.time() > deadline:
            break
        await asyncio.sleep(0.01)
    for connection in connections:
        if connection.failure:
            raise LogError(connection.failure)
        connection.close()
    return meter.result(undelivered=sum(each.outstanding for each in connections))


def main() -> None:
    """Carry out one task."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=LogTask)
    gc.disable()  # as in the generator
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(msgspec.json.encode(runner.run(load(task))))


if __name__ == "__main__":
    main()
