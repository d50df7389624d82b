"""
Why a process ends: one plain sentence, and an exit code for each kind of failure.

`EXIT_CODES` is the one table of them: help, error messages and the reference are made from it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class ExitCode(enum.IntEnum):
    """Exit codes; programs rely on the numbers. What each means stands in `EXIT_CODES`."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    STORAGE = 3
    ADDRESS = 4
    IN_USE = 5
    UNAVAILABLE = 6
    UNKNOWN = 7
    DISMISSED = 8
    BUG = 70


class Ending(NamedTuple):
    """
    One kind of end.

    Attributes:
        word: In a word or two.
        meaning: In half a sentence.
        remedy: What to do next, in a sentence; `{command}` stands for the command that failed.
    """

    word: str
    meaning: str
    remedy: str = ""


EXIT_CODES: Final[Mapping[ExitCode, Ending]] = MappingProxyType(
    {
        ExitCode.DONE: Ending("done", "it was done"),
        ExitCode.REFUSED: Ending(
            "refused",
            "the cluster or the command says no (name taken, no such account, …)",
            "Correct what is refused, then repeat the command.",
        ),
        ExitCode.USAGE: Ending(
            "usage",
            "wrong arguments or settings, or a token that is not taken",
            "`{command} --help` shows the options, with an example.",
        ),
        ExitCode.STORAGE: Ending(
            "storage",
            "a log, database or file is damaged or cannot be read, or the disk failed",
            "Look at the disk; `raftline verify` tells what is damaged. A node that is lost is replaced with"
            " `raftline cluster replace`.",
        ),
        ExitCode.ADDRESS: Ending(
            "address",
            "a port is in use, or an address cannot be listened on",
            "Look who listens there (`ss -ltnp`), or change the port in the settings.",
        ),
        ExitCode.IN_USE: Ending(
            "in use",
            "another process holds the data directory",
            "Stop the process that runs on it, then repeat the command.",
        ),
        ExitCode.UNAVAILABLE: Ending(
            "unavailable",
            "no node answers, or there is no quorum",
            "`raftline cluster status` tells which nodes answer; start those that are down, then repeat the command.",
        ),
        ExitCode.UNKNOWN: Ending(
            "unknown",
            "the request may or may not have taken effect",
            "Look whether it did (`raftline cluster status`, `raftline user list`) before you repeat it.",
        ),
        ExitCode.DISMISSED: Ending(
            "dismissed",
            "this node was removed from its cluster; starting it again is of no use",
            "`raftline cluster add` invites a new node; what this one kept is not needed any more.",
        ),
        ExitCode.BUG: Ending(
            "bug",
            "a bug of ours (EX_SOFTWARE)",
            "Please report it, with the lines above and what `raftline version` says.",
        ),
    }
)
"""What each exit code means, and what to do then."""


class Failure(Exception):
    """The process cannot do what it was started for; `str()` is the sentence for people."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code
