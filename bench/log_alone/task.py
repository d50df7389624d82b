"""What the bench asks of the process that loads a log, and of Raftline's bare nodes: JSON, as with the generator."""

from __future__ import annotations

import enum

import msgspec

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


class NodeAddress(msgspec.Struct, frozen=True):
    """A member."""

    node_id: int
    port: int
    fingerprint: str


class NodeTask(msgspec.Struct, frozen=True, kw_only=True):
    """How to run one node."""

    node_id: int
    folder: str
    front_port: int
    payload_size: int
    nodes: tuple[NodeAddress, ...]
    certificate_file: str
    key_file: str
    authority_file: str
