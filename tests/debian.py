"""Programs of Debian's packages that tests need: without one a test skips by name, or fails where all are required."""

from __future__ import annotations

import os
import shutil

import pytest

REQUIRE_ALL = "RAFTLINE_REQUIRE_ALL_TESTS"
"""Set by `.ci/run`, which has installed everything."""


def skip_for(absence: str) -> None:
    """Skip a test for what is absent, told in a sentence without its dot; go on if it is empty."""
    if absence and os.environ.get(REQUIRE_ALL):
        pytest.fail(f"{absence}, and all tests are required here")
    if absence:
        pytest.skip(absence)


def program(name: str, package: str) -> str:
    """Return the path of a program, or skip."""
    path = shutil.which(name)
    skip_for("" if path else f"{name} is not installed (Debian package {package})")
    assert path is not None
    return path
