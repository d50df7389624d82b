"""A part of what `make spread` does, so that `make test` notices when it no longer works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.timeout(300)
def test_a_part_of_it_while_leaders_die() -> None:
    """One module of the XEP tests, over real nodes; all of its tests meet them, and leaders die."""
    command = [sys.executable, "-m", "pytest", "-p", "spread.over_nodes", "--kill-leaders", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, str(TESTS / "xmpp_im" / "test_service.py")],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    met = re.search(r"(\d+) tests over nodes, (\d+) in one process alone", done.stdout)
    killed = re.search(r"(\d+) leaders killed", done.stdout)
    assert met is not None
    assert killed is not None
    assert int(met[1]) >= 20
    assert int(killed[1]) >= 1
