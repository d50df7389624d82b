"""
Faults: mistakes that are put into the code on purpose, for tests to notice.

Three kinds, of one form. *Named* faults were written by people: a mistake somebody could make, or has made, told in a
sentence. *Core* faults are those of `raft.simulation.mutants` and `membership_mutants`, which came first and are
functions. *Drawn* faults are small changes that nobody chose (`mutation.draw`).

To add a named fault: write one into the module of its place (`named_wal`, `named_business`, …), with an old text that
is short, stands once in the function, and is unlikely to be rewritten for other reasons. Then
`python -m mutation run NAME` says who notices; if nobody does, a test is missing.
"""

from __future__ import annotations

from types import CodeType
from typing import Final, NamedTuple, Protocol

import pytest

from mutation import switch

PACKAGES: Final = ("raft", "wal", "machine")

CATALOGUE_MUTANT_ROWS: Final = frozenset({"D1", "D2", "D3", "D4", "R1", "E1", "E2", "E3", "E4", "M1"})
"""Rows of the catalogue of others' bugs that must have a mutant; `docs/bug-catalogue.md`."""


class Fault(Protocol):
    """What the workbench asks of a fault."""

    @property
    def key(self) -> str:
        """What it is called, the same as long as it is the same change."""

    @property
    def package(self) -> str:
        """One of `PACKAGES`, whose tests have to notice."""

    def switch_on(self, patch: pytest.MonkeyPatch) -> None:
        """Put it into this process; raises `UnfitFaultError` if the source has no place for it."""


class NamedFault(NamedTuple):
    """
    A mistake of one line.

    Attributes:
        name: In the manner of a function.
        mistake: What is wrong, in one sentence.
        row: Of the catalogue; empty if it has none.
        module: Below the package, such as `wal.log`.
        function: Its name in the module, such as `WriteAheadLog.append`.
        old: A piece of its source that is there once.
        new: What stands there instead.
    """

    name: str
    mistake: str
    row: str
    module: str
    function: str
    old: str
    new: str

    @property
    def key(self) -> str:
        """Its name."""
        return self.name

    @property
    def package(self) -> str:
        """From the module."""
        return self.module.partition(".")[0]

    @property
    def code(self) -> CodeType:
        """The faulty function."""
        return switch.text_replaced(self.module, self.function, self.old, self.new)

    def switch_on(self, patch: pytest.MonkeyPatch) -> None:
        """See `Fault`."""
        switch.put(patch, self.module, self.function, self.code)
