"""Somebody in front of Raftline's page: what people do there with mouse and keyboard."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from playwright.async_api import Browser, Geolocation, Page, ViewportSize, expect

from browser import pictures

DESKTOP: ViewportSize = {"width": 1200, "height": 800}
PLACE: Geolocation = {"latitude": 52.520008, "longitude": 13.404954, "accuracy": 12}
PHONE: ViewportSize = {"width": 390, "height": 844}
ONLINE_TIMEOUT_MS = 30_000
MESSAGE_TIMEOUT_MS = 30_000


class Person:
    """Somebody in front of a page; notes whatever the page asks of the net and complains about."""

    def __init__(self, page: Page, username: str, password: str) -> None:
        self.page = page
        self.username = username
        self.password = password
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self.chat = page.locator("converse-chat")
        page.on("request", lambda request: self._note_request(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._note_console(message.text))
        page.set_default_timeout(ONLINE_TIMEOUT_MS)

    @classmethod
    async def sit_down(
        cls, browser: Browser, username: str, viewport: ViewportSize = DESKTOP, locale: str = "en-US"
    ) -> Person:
        """Open a browser of one's own."""
        context = await browser.new_context(
            viewport=viewport, permissions=["geolocation", "microphone"], geolocation=PLACE, locale=locale
        )
        return cls(await context.new_page(), username, f"password of {username}")

    async def enter(self, http_port: int, button: str) -> None:
        """Fill in the card, press a button, and wait until the page is online."""
        await self.page.goto(f"http://127.0.0.1:{http_port}/")
        await self.page.locator("#username").fill(self.username)
        await self.page.locator("#password").fill(self.password)
        await self.page.locator(button).click()
        await self.wait_online()

    async def wait_online(self) -> None:
        """Wait until the page says that it is signed in."""
        await self.page.locator("body[data-state='online']").wait_for(state="attached")

    async def log_out(self) -> None:
        """Log out from the profile, and wait until the card is back."""
        await self.page.locator("converse-user-profile a.show-profile, .show-profile").first.click()
        await self.page.locator("converse-profile-modal button.btn-danger", has_text="Log out").click()
        await self.page.locator("converse-confirm-modal button[type='submit']").click()
        await self.page.locator("body[data-state='signed-out']").wait_for(state="attached")

    async def open_chat(self, jid: str) -> None:
        """Follow Converse.js's own link to the first chat of a page."""
        self.chat = self.page.locator(f"converse-chat[jid='{jid}']")
        await self.page.evaluate("jid => { location.hash = `converse/chat?jid=${jid}` }", jid)
        await self.chat.locator(".chat-textarea").wait_for()

    async def go_to_chat(self, jid: str) -> None:
        """Choose a contact in the list."""
        await self.page.locator(f"a.open-chat[data-jid='{jid}']").click()
        self.chat = self.page.locator(f"converse-chat[jid='{jid}']")

    async def wait_secret(self) -> None:
        """Wait until the open chat is encrypted."""
        await expect(self.chat.locator(".toggle-omemo converse-icon.fa-lock")).to_be_visible()

    async def add_contact(self, jid: str) -> None:
        """Ask somebody, by the button above the list."""
        await self.page.locator(".raftline-new-chat").click()
        form = self.page.locator("form.add-xmpp-contact")
        await form.locator("input[name='jid']").fill(jid)
        await form.locator("button[type='submit']").click()
        await expect(form).to_be_hidden()

    async def accept_contact(self, jid: str) -> None:
        """Open the chat with who asks, and agree."""
        await self.go_to_chat(jid)
        await self.chat.locator("converse-contact-approval-alert .btn-success").click()
        modal = self.page.locator("converse-accept-contact-request-modal")
        await modal.locator("button[type='submit']").click()
        await expect(modal).to_be_hidden()

    async def enter_group(self, name: str) -> None:
        """Begin a group, or enter it, by the button above the list."""
        await self.page.locator(".raftline-new-group").click()
        form = self.page.locator("form.add-chatroom")
        await form.locator("input[name='chatroom']").fill(name)
        await form.locator("input[name='join'], input[type='submit']").first.click()
        self.chat = self.page.locator(f"converse-muc[jid^='{name}@']")
        await self.chat.locator(".chat-textarea").wait_for()

    async def say(self, text: str) -> None:
        """
        Type a message and press Enter.

        While the page moves to another node Converse.js says that it could not be sent, and leaves it in the box; then
        a person closes the warning and presses Enter again.
        """
        box = self.chat.locator(".chat-textarea")
        emptied = self.chat.locator(".chat-textarea:placeholder-shown")
        warning = self.page.locator("converse-alert-modal .btn-close")
        await box.fill(text)
        async with asyncio.timeout(ONLINE_TIMEOUT_MS / 1000):
            await box.press("Enter")
            await expect(emptied.or_(warning).first).to_be_visible()
            while await warning.is_visible():
                await warning.click()
                await expect(warning).to_be_hidden()
                await box.press("Enter")
                await expect(emptied.or_(warning).first).to_be_visible()

    async def expect_to_see(self, text: str) -> None:
        """Wait until a message stands in the open chat."""
        message = self.chat.locator(".chat-msg__text", has_text=text)
        await expect(message.first).to_be_visible(timeout=MESSAGE_TIMEOUT_MS)

    async def messages(self) -> list[str]:
        """The open chat, top to bottom."""
        texts = await self.chat.locator(".chat-msg__text").all_inner_texts()
        return [text.strip() for text in texts]

    async def websocket_port(self) -> int:
        """The port of the node the page is connected to."""
        return urlsplit(await self.page.locator("body").get_attribute("data-node") or "").port or 0

    async def take_picture(self, name: str) -> None:
        """Keep a screenshot with the results of the run."""
        await pictures.take_picture(self.page, name)

    def _note_request(self, url: str) -> None:
        if urlsplit(url).scheme in {"http", "https", "ws", "wss"} and urlsplit(url).hostname != "127.0.0.1":
            self.foreign.append(url)

    def _note_console(self, text: str) -> None:
        if "Content Security Policy" in text:
            self.complaints.append(text)
