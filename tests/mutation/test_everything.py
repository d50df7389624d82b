"""Every fault, named or drawn, is met by all killers anew; `docs/mutations.md` must tell what comes of it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mutation.faults import PACKAGES
from mutation.workbench import ROOT


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("package", PACKAGES)
def test_the_page_is_up_to_date(package: str) -> None:
    """Nothing differs but times and seeds, and no survivor is without explanation."""
    done = subprocess.run(
        [sys.executable, "-m", "mutation", "check", "--package", package],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
