"""A program in a terminal: what it draws is kept as a screen (pyte), what a person types is written to it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import termios
from collections.abc import Mapping, Sequence

import pyte

COLUMNS, ROWS = 160, 60
READ_BYTES = 65_536
END_TIMEOUT_S = 5.0
END_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""A program that draws without end on a terminal that is gone must not outlive a test run that was killed."""

ENTER, CONTROL_U = "\r", "\x15"


class Terminal:
    """
    One running program.

    Args:
        command: Program and arguments.
        environment: All of it; `TERM` is set here.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._master, slave = os.openpty()
        termios.tcsetwinsize(slave, (ROWS, COLUMNS))
        os.set_blocking(self._master, False)
        self._process = subprocess.Popen(
            [*END_WITH_US, *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, "TERM": "linux"},  # what pyte emulates
            start_new_session=True,
        )
        os.close(slave)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._master, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._master, READ_BYTES)
        except OSError:  # how a pseudo-terminal says that nobody is at the other end
            data = b""
        if data:
            self._stream.feed(data)
        else:
            self._loop.remove_reader(self._master)

    def lines(self) -> list[str]:
        """The screen, top to bottom, without blanks at the ends of lines."""
        return [line.rstrip() for line in self._screen.display]

    def type_line(self, text: str) -> None:
        """Type a line in place of what stands in the input, and press Enter."""
        os.write(self._master, f"{CONTROL_U}{text}{ENTER}".encode())

    @property
    def is_running(self) -> bool:
        """Whether the program has not ended."""
        return self._process.poll() is None

    async def close(self) -> None:
        """End the program."""
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        self._loop.remove_reader(self._master)
        os.close(self._master)
