"""
Forked children that meet a fault, each with limits of time, memory and file size.

A child runs one task, which tells its parent what it begins and what it has found, and has a folder of its own. A
mutant may loop for ever, eat all memory, fill the disk, or bring the interpreter down: the parent counts a child that
has begun something and tells nothing for too long as hanging, ends it, and goes on. A fork costs milliseconds, because
all modules are imported.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

HANG_SECONDS: Final = 20.0
"""How long a killer may take that does not say otherwise; the dearest needs a tenth of it."""

MEMORY_BYTES_MAX: Final = 4 << 30
FILE_BYTES_MAX: Final = 1 << 30
_POLL_SECONDS: Final = 0.5

JobT = TypeVar("JobT")
Tell = Callable[..., None]
"""Called in the child with `began` (a killer) and `seconds_max`, or with `noticed` (a killer) and `text`."""

Task = Callable[[Tell, Path], None]
"""What a child does; the path is that of its folder."""


class Verdict(NamedTuple):
    """
    What became of a child.

    Attributes:
        killer: Who noticed; empty if nobody did.
        how: `failing`, `hanging` or `dying`; empty if nobody noticed.
        text: First line of what was said.
        seconds: From the fork to the end.
    """

    killer: str
    how: str
    text: str
    seconds: float


class _Child:
    """A child that runs."""

    def __init__(self, task: Task) -> None:
        self._directory = tempfile.mkdtemp(prefix="mutation-")
        self._started = self._heard = time.monotonic()
        self._current = ""
        self._seconds_max = HANG_SECONDS
        self._noticed: tuple[str, str] | None = None
        self._buffer = b""
        read_end, write_end = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(read_end)
            _be_child(task, Path(self._directory), write_end)
        os.close(write_end)
        self.descriptor = read_end

    def hear(self) -> bool:
        """Take what the child tells; False at its end."""
        data = os.read(self.descriptor, 1 << 16)
        self._heard = time.monotonic()
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            told = json.loads(line)
            if "began" in told:
                self._current, self._seconds_max = told["began"], told["seconds_max"]
            if "noticed" in told:
                self._noticed = (told["noticed"], told["text"])
        return bool(data)

    @property
    def is_late(self) -> bool:
        """Whether it hangs."""
        return time.monotonic() - self._heard > self._seconds_max

    def end(self) -> Verdict:
        """End it, and all that it started, and judge."""
        is_hanging = self.is_late
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)
        os.close(self.descriptor)
        shutil.rmtree(self._directory, ignore_errors=True)
        seconds = time.monotonic() - self._started
        if self._noticed is not None:
            return Verdict(self._noticed[0], "failing", self._noticed[1], seconds)
        if is_hanging:
            return Verdict(self._current, "hanging", f"nothing for {self._seconds_max:.0f} s", seconds)
        if status != 0:
            return Verdict(self._current, "dying", f"wait status {status}", seconds)
        return Verdict("", "", "", seconds)


def verdicts(jobs: Iterator[tuple[JobT, Task]], process_count: int) -> Iterator[tuple[JobT, Verdict]]:
    """Run jobs in so many children at a time; yields each job as its child ends."""
    running: dict[int, tuple[JobT, _Child]] = {}
    is_more = True
    with selectors.DefaultSelector() as selector:
        while is_more or running:
            while is_more and len(running) < process_count:
                job = next(jobs, None)
                if job is None:
                    is_more = False
                    break
                child = _Child(job[1])
                running[child.descriptor] = (job[0], child)
                selector.register(child.descriptor, selectors.EVENT_READ)
            ready = {key.fd for key, _ in selector.select(_POLL_SECONDS)} if running else set()
            for descriptor, (name, child) in list(running.items()):
                if (descriptor in ready and not child.hear()) or child.is_late:
                    selector.unregister(descriptor)
                    del running[descriptor]
                    yield name, child.end()


def _be_child(task: Task, directory: Path, write_end: int) -> None:
    """Run the task in this process, which ends with it."""
    status = 1

    def tell(**told: object) -> None:
        os.write(write_end, json.dumps(told).encode() + b"\n")

    try:
        os.setsid()
        tempfile.tempdir = str(directory)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        task(tell, directory)
        status = 0
    except BaseException:  # noqa: BLE001  whatever it was, the parent must hear of it, and this process must end here
        with contextlib.suppress(BaseException):
            tell(noticed="the workbench", text=traceback.format_exc())
    finally:
        os._exit(status)
