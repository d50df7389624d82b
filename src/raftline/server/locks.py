"""Locks between processes: a file held with flock(2), which the kernel gives back when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from raftline.server.failures import ExitCode, Failure


class DirectoryLock:
    """
    Sole use of a directory by one process, until closed or until the process ends.

    Raises:
        Failure: IN_USE, naming the process that holds it.
    """

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise Failure(
                ExitCode.IN_USE,
                f"{file.parent} is in use by process {holder}; stop it first (two processes on one directory would"
                " destroy it)",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Give the directory free. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextlib.contextmanager
def unused(file: Path) -> Iterator[None]:
    """
    Make sure that nobody takes the lock of a directory meanwhile, and leave its file as it is.

    Raises:
        Failure: IN_USE: a process holds it.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield  # nobody ever ran there
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(ExitCode.IN_USE, f"{file.parent} is in use; stop its node first.") from None
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def waiting_lock(file: Path) -> Iterator[None]:
    """Hold a lock over a short change of files; waits for whoever holds it now."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
