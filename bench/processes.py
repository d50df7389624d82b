"""Child processes of the bench: started with a log file of their own, ended by their id."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 20.0
LOOK_INTERVAL_S = 0.05
LOG_TAIL_BYTES = 3000


class BenchError(Exception):
    """The bench cannot go on; the text says why and what to do."""


class MissingError(BenchError):
    """A program of a peer is not installed; the text names its package."""


def find_program(name: str, package: str, *more_folders: str) -> str:
    """
    Return the path of a program, sought in `more_folders` first.

    Raises:
        MissingError: It is not there.
    """
    path = shutil.which(name, path=os.pathsep.join((*more_folders, os.environ.get("PATH", ""))))
    if path is None:
        raise MissingError(f"{name} is missing: install Debian's package {package}")
    return path


def free_port() -> int:
    """Return a port on loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def free_port_range(offsets: Sequence[int]) -> int:
    """Return a base port such that base plus each offset is free at the moment."""
    for base in range(21_000, 31_000, 50):
        with contextlib.ExitStack() as stack:
            try:
                for offset in offsets:
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", base + offset))
            except OSError:
                continue
            return base
    raise BenchError("no free range of ports on loopback")


class Child:
    """
    One child process.

    Args:
        user: Name of the user it runs as, where the bench is root and the program refuses root.
        log_file: Takes its standard output and error.
    """

    def __init__(
        self,
        command: Sequence[str],
        log_file: Path,
        *,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = Path(command[0]).name
        self._log_file = log_file
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  programs of the bench's own choice
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                user=user,
                group=user,
                extra_groups=[] if user else None,
                cwd=folder or log_file.parent,
            )

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    @property
    def log_tail(self) -> str:
        """The end of what it wrote."""
        return self._log_file.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")

    def wait_until(self, is_ready: Callable[[], bool], what: str) -> None:
        """
        Look again and again until it is ready.

        Raises:
            BenchError: It ended, or was not ready after a minute and a half; with the end of its log.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while not is_ready():
            if self._process.poll() is not None:
                raise BenchError(f"{self.name} ended with {self._process.returncode}:\n{self.log_tail}")
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name}: no {what} after {START_TIMEOUT_S} s:\n{self.log_tail}")
            time.sleep(LOOK_INTERVAL_S)

    def wait_port(self, port: int) -> None:
        """Wait until it listens on loopback; raises as `wait_until`."""
        self.wait_until(lambda: is_listening(port), f"listener on port {port}")

    def wait(self) -> int:
        """
        Wait until it ends by itself; return its exit code.

        Raises:
            BenchError: It did not, for a minute and a half.
        """
        try:
            return self._process.wait(START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{self.name} does not end:\n{self.log_tail}") from None

    def stop(self) -> None:
        """End it with SIGTERM, with SIGKILL after 20 s."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def is_listening(port: int) -> bool:
    """Tell whether a connection on loopback is taken."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(child: Child) -> Iterator[Child]:
    """End the child on the way out."""
    try:
        yield child
    finally:
        child.stop()


def run(command: Sequence[str], *, user: str | None = None, folder: Path | None = None) -> str:
    """
    Run a program to its end; return its output.

    Raises:
        BenchError: It failed; with what it wrote.
    """
    done = subprocess.run(  # noqa: S603  as in Child
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        cwd=folder,
    )
    if done.returncode != 0:
        raise BenchError(f"{command[0]} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def is_root() -> bool:
    """Tell whether the bench runs as root, which some programs refuse to."""
    return os.geteuid() == 0


def end_children_with_the_bench() -> None:
    """Let SIGTERM end the bench as an exception does, so that its children are ended on the way out."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


def lift_file_limit() -> None:
    """Let the bench and its children open as many files as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
