"""
The mutants of the consensus core, which are functions, in the form of faults: those of every module of
`raft.simulation` whose name ends in `mutants`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from raft.simulation import mutants
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


def _core_faults() -> Iterator[CoreFault]:
    for path in sorted(Path(mutants.__file__).parent.glob("*mutants.py")):
        module = importlib.import_module(f"raft.simulation.{path.stem}")
        for name, value in vars(module).items():
            if callable(value) and getattr(value, "__module__", "") == module.__name__ and name != "Mutant":
                yield CoreFault(value)


CORE: Final = tuple(_core_faults())
