"""Locks between processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from raftline.server.failures import ExitCode, Failure
from raftline.server.locks import DirectoryLock

HOLD = """
import sys
from pathlib import Path
from raftline.server.locks import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    """The refusal names the process; once that is killed, the lock is free."""
    file = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Failure, match=f"process {holder.pid}") as caught:
            DirectoryLock(file)
        assert caught.value.code is ExitCode.IN_USE
        holder.kill()
        holder.wait(10)
    lock = DirectoryLock(file)
    assert file.read_text(encoding="ascii") == f"{os.getpid()}\n"
    lock.close()


def test_a_lock_is_given_back_by_close(tmp_path: Path) -> None:
    """Closing frees it, and may be done twice."""
    first = DirectoryLock(tmp_path / "lock")
    with pytest.raises(Failure):
        DirectoryLock(tmp_path / "lock")
    first.close()
    first.close()
    DirectoryLock(tmp_path / "lock").close()
