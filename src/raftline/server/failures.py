"""
Why a process ends: one plain sentence and an exit code for each kind of failure.

    0  done
    1  refused: the cluster says no (name taken, no such account, ...)
    2  usage: wrong arguments or settings
    3  storage: the log or database is damaged, or the disk failed; the node must not go on
    4  address: a port is in use or an address cannot be listened on
    5  in use: another process holds the data directory
    6  unavailable: no node answers, or there is no quorum; try again
    7  unknown: the request may or may not have taken effect
    8  dismissed: this node was removed from its cluster; starting it again is of no use
    70 a bug of ours (EX_SOFTWARE)
"""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """Exit codes; see the head of this module."""

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


class Failure(Exception):
    """The process cannot do what it was started for; `str()` is the sentence for people."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code
