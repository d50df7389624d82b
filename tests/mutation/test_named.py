"""
Each named fault is put in again and met by the one who noticed it last: it must notice again, and must be content with
the code as it is.

The killers run in another process, the workbench, which both sides of this test ask by lines of JSON.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property

import msgspec
import pytest

from mutation.__main__ import PAGE, Question
from mutation.children import Verdict
from mutation.named import NAMED
from mutation.records import complaints, read_explanations, read_records
from mutation.table import page
from mutation.workbench import ROOT

RECORDS = read_records()


class Bench:
    """A workbench that answers; started when first asked."""

    def __init__(self) -> None:
        self._content: set[str] = set()

    @cached_property
    def process(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "mutation", "serve"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, fault: str | None, killer: str) -> Verdict:
        self.process.stdin.write(msgspec.json.encode(Question(fault, killer)) + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the workbench knows no {killer}"
        return msgspec.json.decode(answer, type=Verdict)

    def assert_content(self, killer: str) -> None:
        """The killer finds nothing wrong with the code as it is."""
        if killer not in self._content:
            verdict = self.ask(None, killer)
            assert not verdict.killer, verdict
            self._content.add(killer)

    def close(self) -> None:
        if "process" in vars(self):
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait(30)


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.mark.parametrize("name", [fault.key for fault in NAMED])
def test_who_noticed_notices_again(name: str, bench: Bench) -> None:
    """The recorded killer fails with the fault and passes without it."""
    assert name in RECORDS, "run `PYTHONPATH=tests python -m mutation write`"
    killer = RECORDS[name].killer
    if not killer:
        pytest.skip("nobody notices, for the reason given in docs/mutations.md")
    bench.assert_content(killer)
    assert bench.ask(name, killer).killer == killer


def test_the_page_says_what_is_recorded() -> None:
    """Records, explanations and the page belong together, and every survivor is explained."""
    records, explanations = list(RECORDS.values()), read_explanations()
    assert complaints(records, explanations) == []
    assert PAGE.read_text(encoding="utf-8") == page(records, explanations)
