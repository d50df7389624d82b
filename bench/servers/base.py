"""What the bench knows of a server: how to start it, where it listens, what its acknowledgement means."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import msgspec

from bench.task import Endpoint

DOMAIN = "localhost"


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """
    A server that runs.

    Attributes:
        pids: Its processes; with all below them, they are what its CPU time and memory are summed up over.
        databases: Files of SQLite in which it stores, one for each node; empty where it has others.
        http, admin_token: Where programs of businesses speak to it, and how operators do; empty where there is no such.
        profiled_pid: The process to look into with a profiler; None where it is no Python.
    """

    endpoints: tuple[Endpoint, ...]
    pids: tuple[int, ...]
    databases: tuple[str, ...] = ()
    profiled_pid: int | None = None
    http: tuple[Endpoint, ...] = ()
    admin_token: str = ""


class Server(Protocol):
    """
    One configuration of a server.

    Attributes:
        name: In tables and on the command line.
        archives: It keeps history.
        speaks_cloud_api: Programs of businesses may speak to it.
        durability: What a message has reached when the server acknowledges or delivers it, in one phrase.
    """

    name: str
    archives: bool
    speaks_cloud_api: bool
    durability: str

    def version(self) -> str:
        """
        Return program and version.

        Raises:
            MissingError: A program is not installed.
        """

    def running(self, folder: Path) -> AbstractContextManager[Running]:
        """Run it on loopback with all its data below an empty folder, ready for clients; it has no accounts yet."""
