"""
The pages of docs/reference, written from the code: commands, settings, limits, metrics, and what pywa finds.

`make docs` writes them, and a test fails when they say something else than the code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from reference import commands, limits, metrics, pywa, settings

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
MARK = "<!-- Written from the code by `make docs`: changes here are lost. -->\n\n"

PAGES: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "commands.md": commands.render,
        "settings.md": settings.render,
        "limits.md": limits.render,
        "metrics.md": metrics.render,
        "pywa.md": pywa.render,
    }
)


def render(name: str) -> str:
    """Return a page as it is to be on the disk."""
    return MARK + PAGES[name]().rstrip() + "\n"


def write() -> None:
    """Write all pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        (FOLDER / name).write_text(render(name), encoding="utf-8")
