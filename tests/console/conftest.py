"""A console for the tests in this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.consoles import ConsoleApplication


@pytest.fixture
def application(tmp_path: Path) -> ConsoleApplication:
    """A console whose page is built."""
    page = tmp_path / "console.html"
    page.write_text("<!doctype html><title>Console</title>", encoding="utf-8")
    return ConsoleApplication(page)
