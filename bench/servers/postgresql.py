"""A PostgreSQL server for an archive, from Debian's package, as it comes: fsync on, synchronous commit on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.processes import Child, find_program, free_port, is_root, run, running

_FOLDERS = tuple(str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
_PACKAGE = "postgresql"
USER = "bench"


class Database(NamedTuple):
    """A running database; anyone on loopback is let in as `USER`."""

    port: int
    pid: int


def version() -> str:
    """
    Return program and version.

    Raises:
        MissingError: It is not installed.
    """
    return run([_program("postgres"), "--version"]).strip()


def _program(name: str) -> str:
    return find_program(name, _PACKAGE, *_FOLDERS)


@contextmanager
def running_database(folder: Path, schema: Path, *, connection_count: int) -> Iterator[Database]:
    """Run a server with one database made by a schema file."""
    account = "postgres" if is_root() else None
    data = folder / "postgresql"
    data.mkdir()
    if account:
        shutil.chown(data, account, account)
        _let_through(folder)
    initdb = [_program("initdb"), "--pgdata", str(data), "--auth", "trust", "--username", USER, "--encoding", "UTF8"]
    run(initdb, user=account, folder=data)
    port = free_port()
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "fsync": "on",
        "synchronous_commit": "on",
        "max_connections": str(connection_count + 10),
    }
    command = [_program("postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with running(Child(command, folder / "postgresql.log", user=account, folder=data)) as child:
        child.wait_port(port)
        address = ["--host", "127.0.0.1", "--port", str(port), "--username", USER]
        child.wait_until(lambda: _accepts(address), "answer of the database")
        run([_program("createdb"), *address, USER])
        run([_program("psql"), *address, "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(schema), USER])
        yield Database(port, child.pid)


def _accepts(address: list[str]) -> bool:
    # pg_isready fails until the server takes connections, and says nothing that would help.
    try:
        run([_program("pg_isready"), *address])
    except Exception:  # noqa: BLE001
        return False
    return True


def _let_through(folder: Path) -> None:
    """Let the database's own user pass through the run's folders, which are the bench's own."""
    for parent in (folder, folder.parent):
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)
