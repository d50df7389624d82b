"""Somebody in front of the cluster console: what administrators do there with mouse and keyboard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.async_api import Browser, Locator, Page, ViewportSize, expect

from browser import pictures
from browser.person import DESKTOP

TIMEOUT_MS = 20_000
AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")


class Watcher:
    """Somebody in front of the console; notes whatever the page asks of the net and complains about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self._note_request(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._note_console(message.text))
        page.set_default_timeout(TIMEOUT_MS)

    @classmethod
    async def sit_down(cls, browser: Browser, http_port: int, viewport: ViewportSize = DESKTOP, **context: Any) -> Self:
        """Open a browser of one's own and go to the console of a node."""
        opened = await browser.new_context(viewport=viewport, **context)
        watcher = cls(await opened.new_page())
        await watcher.page.goto(f"http://127.0.0.1:{http_port}/console")
        await watcher.page.locator("body:not([data-state='loading'])").wait_for(state="attached")
        return watcher

    async def sign_in(self, username: str, password: str) -> None:
        """Sign in by an account."""
        await self.page.locator("#username").fill(username)
        await self.page.locator("#password").fill(password)
        await self.page.locator("#password").press("Enter")

    async def wait_watching(self) -> None:
        """Wait until frames come."""
        await self.page.locator("body[data-state='watching']").wait_for(state="attached")

    async def watched_node(self) -> int:
        """The node that the frames come from."""
        return int(await self.page.locator("body").get_attribute("data-node") or 0)

    def card(self, node_id: int) -> Locator:
        """The card of a node."""
        return self.page.locator(f".card[data-node='{node_id}']")

    async def expect_role(self, node_id: int, role: str) -> None:
        """Wait until a node's card shows a role."""
        await expect(self.card(node_id)).to_have_attribute("data-role", role, timeout=TIMEOUT_MS)

    async def expect_event(self, kind: str, node_id: int) -> None:
        """Wait until the time line has an entry of this kind about a node."""
        found = self.page.locator(f".event[data-kind='{kind}'][data-node='{node_id}']")
        await expect(found.first).to_be_visible(timeout=TIMEOUT_MS)

    async def leader(self, *, but: int = 0) -> int:
        """Wait until a card is the leader's, another node's than `but`, and return whose."""
        card = self.page.locator(f".card[data-role='leader']:not([data-node='{but}'])")
        return int(await card.get_attribute("data-node") or 0)

    async def watch_from_the_leader(self, http_ports: dict[int, int]) -> int:
        """Open the console of whoever leads, signed in by the cookie; returns who, while the page comes from there."""
        while (leader := await self.leader()) != await self.watched_node():
            await self.page.goto(f"http://127.0.0.1:{http_ports[leader]}/console")
            await self.wait_watching()
        return leader

    async def act(self, node_id: int, action: str) -> None:
        """Press a button of a card, and confirm."""
        await self.card(node_id).locator(f"[data-action='{action}']").click()
        await self.confirm()

    async def confirm(self) -> None:
        """Say yes to what the page asks."""
        await self.page.locator("dialog[open] [data-action='confirm']").click()

    async def serious_faults(self) -> list[str]:
        """What axe-core calls serious or worse, with where it is."""
        if not await self.page.evaluate("() => 'axe' in window"):
            # Past the page's policy, which lets no foreign script in.
            await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = await self.page.evaluate("async () => (await axe.run(document)).violations")
        return [
            f"{fault['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
            for fault in found
            if fault["impact"] in SERIOUS
            for node in fault["nodes"]
        ]

    async def wait_up(self, node_id: int, tens: int) -> None:
        """Where pictures for the documentation are taken, wait until a node is up for that many times ten seconds."""
        if pictures.are_rewritten():
            up = self.card(node_id).locator("[data-figure='up']")
            await expect(up).to_have_text(re.compile(rf"^[{tens}-9]\d s$"), timeout=3 * TIMEOUT_MS)

    async def take_picture(self, name: str) -> None:
        """Keep a screenshot of the whole page with the results of the run."""
        await pictures.take_picture(self.page, name, full_page=True)

    def _note_request(self, url: str) -> None:
        if urlsplit(url).scheme in {"http", "https", "ws", "wss"} and urlsplit(url).hostname != "127.0.0.1":
            self.foreign.append(url)

    def _note_console(self, text: str) -> None:
        if "Content Security Policy" in text:
            self.complaints.append(text)
