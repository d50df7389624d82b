"""Runs the worker on one file, for so long and no longer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Final

import msgspec

from raftline.base.errors import StorageError
from raftline.cluster.media.describing.findings import Findings

WORKER: Final = "raftline.cluster.media.describing.worker"
PATIENCE_SECONDS: Final = 60.0
"""More than the processor time that the worker and what it runs may take, on a machine that has other things to do."""

OUTPUT_BYTES_MAX: Final = 1 << 20
NICENESS: Final = 10
"""Messages come first."""

_KEPT_VARIABLES: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")


async def look_into(path: Path, *, patience_seconds: float = PATIENCE_SECONDS) -> Findings:
    """
    Return what the worker found out of a file.

    A worker that fails has met a file that its decoder could not bear.

    Raises:
        StorageError: The worker could not be run.
    """
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            *("nice", "-n", str(NICENESS), sys.executable, "-P", "-m", WORKER, str(path)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise StorageError(f"uploaded files cannot be looked into: {error}") from error
    assert process.stdout is not None
    output = b""
    try:
        async with asyncio.timeout(patience_seconds):
            while (part := await process.stdout.read(OUTPUT_BYTES_MAX)) and len(output) <= OUTPUT_BYTES_MAX:
                output += part
            if len(output) > OUTPUT_BYTES_MAX:
                return Findings(lack="unreadable")
            status = await process.wait()
    except TimeoutError:
        return Findings(lack="too-slow")
    finally:
        # What the worker runs belongs to its session, and goes along.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # To its end, so that the pipe is closed; there is no more to come than a pipe holds.
        await process.stdout.read()
        await process.wait()
    if status in {-signal.SIGKILL, -signal.SIGXCPU}:
        return Findings(lack="too-slow")
    try:
        return msgspec.json.decode(output, type=Findings)
    except msgspec.DecodeError:
        return Findings(lack="unreadable")
