"""
`PYTHONPATH=tests pytest -p spread.over_nodes tests/xmpp_im`: the XEP tests over three real nodes, with `--kill-leaders`
while leaders die.

The service that the tests of `xmpp_im` open is exchanged before they are imported. What cannot be seen from outside
is skipped there by the mark `one_process`, whose reason says why; the end of the run tells how many tests met the
nodes and how many did not.
"""

from __future__ import annotations

import random
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.cluster_process import RESULTS, keep_logs
from spread.nodes import Nodes
from spread.service import ADMINISTRATOR, Client, Service
from xmpp_im import service as one_process
from xmpp_im.playbook import DOMAIN

MARK = "one_process"
FAULT = re.compile(r"Traceback|\[(critical|error) *\](?! a write has not reached the disk)")
"""A busy machine writes late, and that is no fault of ours."""


class Spread:
    """
    Hooks of a run over nodes.

    Attributes:
        met: How many tests opened a service.
        marked: How many are not for nodes.
    """

    def __init__(self, kill_seed: int | None) -> None:
        self.kill_seed = kill_seed
        self.met = self.marked = 0
        self.findings: list[str] = []
        self._folder = Path(tempfile.mkdtemp(prefix="raftline-spread-"))
        self._nodes: Nodes | None = None

    def pytest_report_header(self) -> str:
        """Say how to have the same again."""
        if self.kill_seed is None:
            return "service: three nodes"
        return f"service: five nodes, and leaders die: --kill-seed={self.kill_seed}"

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Skip what is for one process alone."""
        for item in items:
            mark = item.get_closest_marker(MARK)
            if mark is not None:
                self.marked += 1
                item.add_marker(pytest.mark.skip(reason=mark.kwargs["reason"]))

    def pytest_sessionstart(self) -> None:
        """Start the nodes."""
        Service.opened = []
        self._nodes = Service.nodes = Nodes(
            self._folder, DOMAIN, administrators=(ADMINISTRATOR,), kill_seed=self.kill_seed
        )
        try:
            self._nodes.start()
        except BaseException:
            self._nodes.close()
            raise

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        """End what the test has opened."""
        yield
        opened, Service.opened = Service.opened, []
        self.met += bool(opened)
        for service in opened:
            service.close()

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare the nodes, look for faults in their logs, and end them."""
        nodes = self._nodes
        if nodes is None:
            return
        try:
            nodes.check()
        except (AssertionError, OSError) as error:
            self.findings.append(str(error))
        finally:
            nodes.close()
        self.findings += faults_in(self._folder)
        if self.findings:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if session.exitstatus != pytest.ExitCode.OK:
            keep_logs(self._folder, RESULTS / "spread")
        shutil.rmtree(self._folder, ignore_errors=True)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell how many tests met the nodes, and what was found at the end."""
        terminalreporter.section("spread over nodes")
        share = 100 * self.met // max(self.met + self.marked, 1)
        terminalreporter.line(f"{self.met} tests over nodes, {self.marked} in one process alone: {share} % over nodes")
        if self._nodes is not None and self._nodes.killer is not None:
            killed = len(self._nodes.killer.killed)
            terminalreporter.line(f"{killed} leaders killed, --kill-seed={self.kill_seed}")
        for finding in self.findings:
            terminalreporter.line(finding, red=True)


def faults_in(folder: Path) -> list[str]:
    """Return lines of the nodes' logs that tell of faults of ours."""
    found = []
    for log in sorted(folder.rglob("*.log")):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        found += [f"{log.parent.name}/{log.name}: {line}" for line in lines if FAULT.search(line)]
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let leaders die."""
    group = parser.getgroup("raftline")
    group.addoption("--kill-leaders", action="store_true", help="at moments drawn by chance")
    group.addoption("--kill-seed", type=int, default=None, help="of that chance; printed by each run")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Exchange the service, before any test imports it."""
    one_process.Service, one_process.Client = Service, Client  # type: ignore[misc,assignment]


def pytest_configure(config: pytest.Config) -> None:
    """Watch over the run."""
    kill_seed = config.getoption("--kill-seed")
    if kill_seed is None and config.getoption("--kill-leaders"):
        kill_seed = random.SystemRandom().randrange(1 << 32)
    config.pluginmanager.register(Spread(kill_seed), "spread over nodes")
