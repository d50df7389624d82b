"""A page whose modules are those of the web pages, each built by itself, and the built pages; without a server."""

from __future__ import annotations

import mimetypes
import subprocess
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import urlsplit

import pytest_asyncio
from playwright.async_api import Browser, Page, Route

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "src" / "raftline" / "web" / "static"
ORIGIN = "http://chat.test"
EMPTY = """<!doctype html><title>empty</title>
<script type="importmap">{"imports": {"converse": "/converse.js"}}</script>"""
CONVERSE = "export default { env: { html: () => '' } };"


@cache
def build(name: str) -> bytes:
    """Build one module of `frontend/`, with what it imports of ours."""
    out = Path(mkdtemp()) / "module.js"
    source = ROOT / "frontend" / Path(name).with_suffix(".ts")
    command = [ROOT / "node_modules" / ".bin" / "rolldown", source, "--format", "esm", "--external", "converse"]
    subprocess.run([*command, "--file", out], check=True, capture_output=True, cwd=ROOT)
    return out.read_bytes()


async def serve(route: Route) -> None:
    """Answer a request of the page."""
    path = urlsplit(route.request.url).path
    if path == "/":
        await route.fulfill(body=EMPTY, content_type="text/html")
    elif path == "/converse.js":
        await route.fulfill(body=CONVERSE, content_type="text/javascript")
    elif path.startswith("/modules/"):
        await route.fulfill(body=build(path.removeprefix("/modules/")), content_type="text/javascript")
    else:
        file = STATIC / ("built/invitation/index.html" if path == "/invite/" else path.removeprefix("/static/"))
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        await route.fulfill(body=file.read_bytes(), content_type=kind)


@pytest_asyncio.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """An empty page of an origin whose files are the page's."""
    opened = await browser.new_page()
    await opened.route("**/*", serve)
    await opened.goto(f"{ORIGIN}/")
    yield opened
    await opened.close()
