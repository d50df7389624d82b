"""
Pictures of what people see: with the results of each run, and some of them in the documentation.

`REWRITE=1` writes the latter into docs/images/; look at them then.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from playwright.async_api import Locator, Page

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "test-results"
IMAGES = ROOT / "docs" / "images"
IN_THE_DOCS = {
    "business-chat",
    "console",
    "console-after-the-kill",
    "console-businesses",
    "messenger-chat",
    "messenger-dark",
    "messenger-group",
    "messenger-group-phone",
}
IMAGE_SIZE_MAX = 150_000


def are_rewritten() -> bool:
    """Whether the documentation's pictures are written: then it is worth waiting until there is more to see."""
    return "REWRITE" in os.environ


async def take_picture(page: Page, name: str, *, full_page: bool = False) -> None:
    """Keep a screenshot."""
    _keep(name, await page.screenshot(full_page=full_page))


async def take_part(part: Locator, name: str) -> None:
    """Keep a screenshot of a part of a page."""
    _keep(name, await part.screenshot())


def _keep(name: str, content: bytes) -> None:
    """Keep a picture; one that the documentation shows must stay small enough for a repository."""
    SCREENSHOTS.mkdir(exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    path.write_bytes(content)
    if are_rewritten() and name in IN_THE_DOCS:
        assert path.stat().st_size <= IMAGE_SIZE_MAX, f"{name}: {path.stat().st_size} bytes"
        IMAGES.mkdir(exist_ok=True)
        shutil.copy(path, IMAGES)
