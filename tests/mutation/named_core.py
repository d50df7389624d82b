"""The mutants of the consensus core, which are functions, in the form of faults."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import pytest

from raft.simulation import membership_mutants, mutants
from raft.simulation.mutants import Mutant

_ROW = re.compile(r"([A-Z]\d+): (.*)", re.DOTALL)


class CoreFault(NamedTuple):
    """A mutant of the core; row and mistake are in its docstring."""

    mutant: Mutant

    @property
    def key(self) -> str:
        """Its name."""
        return self.mutant.__name__

    @property
    def name(self) -> str:
        """The same."""
        return self.mutant.__name__

    @property
    def package(self) -> str:
        """The core's."""
        return "raft"

    @property
    def row(self) -> str:
        """Of the catalogue; empty if it has none."""
        match = _ROW.match(self.mutant.__doc__ or "")
        return match[1] if match else ""

    @property
    def mistake(self) -> str:
        """What is wrong, in one sentence."""
        text = " ".join((self.mutant.__doc__ or "").split())
        match = _ROW.match(text)
        text = match[2] if match else text
        return text[0].upper() + text[1:]

    def switch_on(self, patch: pytest.MonkeyPatch) -> None:
        """See `Fault`."""
        self.mutant(patch)


CORE: Final = tuple(
    CoreFault(value)
    for module in (mutants, membership_mutants)
    for name, value in vars(module).items()
    if callable(value) and getattr(value, "__module__", "") == module.__name__ and name != "Mutant"
)
