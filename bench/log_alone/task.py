"""What the bench asks of the process that loads a log: JSON each way, as with the generator."""

from __future__ import annotations

import enum

from bench.task import Timed


class System(enum.StrEnum):
    """Whose log."""

    RAFTLINE = "raftline-log"
    NATS = "nats-jetstream"
    ETCD = "etcd"


class LogTask(Timed, frozen=True, kw_only=True):
    """
    Appends to a log in a closed loop.

    Attributes:
        port: Of the node that leads, on loopback.
        client_count: Appends under way.
        connection_count: Connections they share; as many as clients, up to a bound.
        payload_size: Bytes of one append.
    """

    system: System
    port: int
    client_count: int
    connection_count: int
    payload_size: int = 256
