"""
The workbench: a session of pytest that has collected all killers and then, in place of running tests, forks.

Each child is a copy of that session: fixtures, parameters and modules are there, and running a test in it takes as
long as the test. Children share nothing, so a fault, and whatever it did to memory, is gone with its child.

What chance there is in tests is fixed: properties draw the same examples each time and do not shrink what they find,
simulated clusters have fixed seeds. So the same fault has the same killer, unless threads decide.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from mutation.children import Task, Tell, Verdict, verdicts
from mutation.faults import PACKAGES, Fault
from mutation.killers import Killer, killers_of, look_in_turn

ROOT: Final = Path(__file__).resolve().parents[2]
PROFILE: Final = "mutation"


class Workbench:
    """Made by `at_workbench`."""

    def __init__(self, session: pytest.Session, process_count: int) -> None:
        self._session = session
        self._killers = {package: list(killers_of(package, session.items)) for package in PACKAGES}
        self._by_name = {killer.name: killer for killers in self._killers.values() for killer in killers}
        self._process_count = process_count

    def examine(self, faults: Iterable[Fault]) -> Iterator[tuple[Fault, Verdict]]:
        """Find out who notices each fault; in order of when that is known."""
        jobs = ((fault, self._task(fault, self._killers[fault.package])) for fault in faults)
        return verdicts(jobs, self._process_count)

    def ask(self, fault: Fault | None, killer: str) -> Verdict:
        """
        Let one killer look at a fault, or at the code as it is.

        Raises:
            KeyError: There is no such killer any more.
        """
        ((_, verdict),) = verdicts(iter([(fault, self._task(fault, [self._by_name[killer]]))]), 1)
        return verdict

    def unsound(self, packages: Iterable[str]) -> list[Verdict]:
        """Let all killers of packages look at the code as it is; returns who noticed something, which nobody should."""
        jobs = ((package, self._task(None, self._killers[package])) for package in packages)
        return [verdict for _, verdict in verdicts(jobs, self._process_count) if verdict.killer]

    def _task(self, fault: Fault | None, killers: Sequence[Killer]) -> Task:
        def task(tell: Tell, directory: Path) -> None:
            self._session.config._tmp_path_factory._given_basetemp = directory / "tests"
            with pytest.MonkeyPatch.context() as patch:
                if fault is not None:
                    fault.switch_on(patch)
                look_in_turn(killers, tell)

        return task


class _InPlaceOfRunning:
    """The plugin that holds the workbench."""

    def __init__(self, work: Callable[[Workbench], None], process_count: int) -> None:
        self._work = work
        self._process_count = process_count
        self.has_worked = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self) -> None:
        """Define the profile before the plugin of hypothesis loads it; pytest wants to import that library first."""
        from hypothesis import HealthCheck, Phase, settings

        settings.register_profile(
            PROFILE,
            phases=(Phase.explicit, Phase.generate),
            database=None,
            derandomize=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Fork instead."""
        if not session.testsfailed:
            gc.freeze()
            self._work(Workbench(session, self._process_count))
            self.has_worked = True
        return True


def at_workbench(work: Callable[[Workbench], None], *, process_count: int = 1) -> None:
    """
    Collect all killers and do some work with them.

    Raises:
        RuntimeError: Tests could not be collected.
    """
    os.environ["SEED"] = "0"
    plugin = _InPlaceOfRunning(work, process_count)
    arguments = [f"--rootdir={ROOT}", f"--hypothesis-profile={PROFILE}", "-q", "-s", "-m", "not long"]
    arguments += ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist"]
    status = pytest.main([*arguments, *(str(ROOT / "tests" / package) for package in PACKAGES)], plugins=[plugin])
    if not plugin.has_worked:
        raise RuntimeError(f"pytest ended with {status} before any work was done")
