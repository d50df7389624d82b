"""Converse.js as Raftline serves it, in Debian's Chromium, used with mouse and keyboard."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Locator, Page, WebSocket, expect

from browser.conftest import chromium_absence
from browser.person import Person
from clients.device import SHOW_TIMEOUT_S, Account, Client, Door, Security, Surroundings

PACKAGES = Path(__file__).resolve().parents[2] / "package.json"
TIMEOUT_MS = SHOW_TIMEOUT_S * 1000


class ConverseDevice:
    """Implements device.Device on a page in a browser profile of its own."""

    def __init__(self, account: Account, person: Person) -> None:
        self.account = account
        self._person = person
        self._starts: list[str] = []
        person.page.set_default_timeout(TIMEOUT_MS)
        person.page.on("websocket", self._watch)

    @property
    def _page(self) -> Page:
        return self._person.page

    # -- connection

    def _watch(self, socket: WebSocket) -> None:
        def look(frame: str | bytes) -> None:
            for start, how in (("<enabled ", "signs in again"), ("<resumed ", "resumes")):
                if str(frame).startswith(start):
                    self._starts.append(how)

        socket.on("framereceived", look)

    @property
    def returns(self) -> list[str]:
        """As device.Device; seen on the wire, since the page does not show it."""
        return self._starts[1:]

    async def sign_in(self, door: Door, security: Security) -> None:
        """As device.Device; a page knows WebSocket alone."""
        assert security is Security.WEBSOCKET, security
        await self._person.enter(door.http, "#sign-in")

    async def sign_out(self) -> None:
        """As device.Device."""
        await self._person.log_out()

    async def close(self) -> None:
        """As device.Device."""
        await self._page.context.close()

    def state(self) -> str:
        """As device.Device."""
        return f"{self._page.url}, complaints: {self._person.complaints}"

    async def take_picture(self, stem: Path) -> None:
        """As device.Device."""
        await self._page.screenshot(path=stem.with_suffix(".png"))

    # -- contacts

    def _contact(self, jid: str) -> Locator:
        return self._page.locator("converse-roster-contact", has=self._page.locator(f"a[data-jid='{jid}']"))

    async def add_contact(self, jid: str) -> None:
        """As device.Device."""
        await self._page.locator(".dropdown--contacts button").click()
        await self._page.locator(".dropdown--contacts .add-contact").click()
        form = self._page.locator("form.add-xmpp-contact")
        await form.locator("input[name='jid']").fill(jid)
        await form.locator("button[type='submit']").click()
        await expect(form).to_be_hidden(timeout=TIMEOUT_MS)
        await expect(self._contact(jid)).to_be_visible(timeout=TIMEOUT_MS)

    async def accept_contact(self, jid: str) -> None:
        """As device.Device; the page agrees by itself to whom it asked before."""

    async def wait_contact(self, jid: str) -> None:
        """As device.Device."""
        await self._open_details(jid)
        await expect(self._details).to_contain_text("Both of you receive presence updates", timeout=TIMEOUT_MS)
        await self._close(self._details)

    async def wait_presence(self, jid: str, *, is_available: bool) -> None:
        """As device.Device."""
        status = "online" if is_available else "offline"
        await expect(self._contact(jid).locator(f".contact-name--{status}")).to_be_visible(timeout=TIMEOUT_MS)

    # -- conversations

    async def _open(self, jid: str) -> None:
        """Choose somebody on the list of contacts, where who wrote is too."""
        chat = self._person.chat = self._page.locator(f"converse-chat[jid='{jid}']")
        box = chat.locator(".chat-textarea")
        if not await box.is_visible():
            await self._page.locator(f"converse-roster-contact a.open-chat[data-jid='{jid}']").first.click()
        await box.wait_for()

    async def say(self, jid: str, text: str) -> None:
        """As device.Device."""
        await self._open(jid)
        await self._person.say(text)

    async def wait_shown(self, jid: str, text: str) -> None:
        """As device.Device."""
        await self._open(jid)
        await self._person.expect_to_see(text)

    async def shown(self, jid: str) -> list[str]:
        """As device.Device."""
        await self._open(jid)
        return await self._person.messages()

    async def open_history(self, jid: str) -> None:
        """As device.Device; a link opens the first conversation of a page, also with a stranger."""
        await self._person.open_chat(jid)

    def _room(self, room: str) -> Locator:
        return self._page.locator(f"converse-muc[jid='{room}']")

    async def join_room(self, room: str, nick: str) -> None:
        """As device.Device."""
        await self._page.locator("converse-rooms-list converse-dropdown button").first.click()
        await self._page.locator("a.show-add-muc-modal").click()
        form = self._page.locator("form.add-chatroom")
        await form.locator("input[name='chatroom']").fill(room)
        await form.locator("input[name='nickname']").fill(nick)
        await form.locator("input[name='join']").click()
        await self._room(room).locator(".chat-textarea").wait_for()

    async def say_in_room(self, room: str, text: str) -> None:
        """As device.Device."""
        box = self._room(room).locator(".chat-textarea")
        await box.fill(text)
        await box.press("Enter")

    async def wait_shown_in_room(self, room: str, text: str) -> None:
        """As device.Device."""
        message = self._room(room).locator(".chat-msg__text", has_text=text)
        await expect(message.first).to_be_visible(timeout=TIMEOUT_MS)

    # -- the rest

    async def send_file(self, jid: str, file: Path) -> None:
        """As device.Device."""
        await self._open(jid)
        await self._person.chat.locator("input[type='file']").set_input_files(file)
        link = self._person.chat.locator(".chat-msg a[href^='https://']")
        await expect(link.first).to_be_visible(timeout=TIMEOUT_MS)

    async def publish_avatar(self, file: Path) -> None:
        """As device.Device."""
        async with self._profile() as modal:
            await modal.locator("input[name='avatar_image']").set_input_files(file)

    async def wait_avatar(self, jid: str, picture: bytes) -> None:
        """As device.Device."""
        image = self._contact(jid).locator("converse-avatar image")
        source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        await expect(image).to_have_attribute("href", source, timeout=TIMEOUT_MS)

    async def block(self, jid: str) -> None:
        """As device.Device; the page closes the conversation."""
        await self._open(jid)
        await self._choose_item("a.block-user")
        await self._page.locator("converse-confirm-modal button[type='submit']").click()

    async def unblock(self, jid: str) -> None:
        """As device.Device."""
        await self._open_blocklist()
        await self._blocklist.get_by_label(jid).check()
        await self._blocklist.get_by_text("Unblock selected users").click()
        await self._close(self._blocklist)

    async def wait_blocked(self, jids: set[str]) -> None:
        """As device.Device."""
        await self._open_blocklist()
        await expect(self._blocklist.locator("li.list-item")).to_have_count(len(jids), timeout=TIMEOUT_MS)
        for jid in jids:
            await expect(self._blocklist).to_contain_text(jid)
        await self._close(self._blocklist)

    @property
    def _blocklist(self) -> Locator:
        return self._page.locator("converse-blocklist-modal")

    async def _open_blocklist(self) -> None:
        await self._page.locator(".dropdown--contacts button").click()
        await self._page.locator(".dropdown--contacts a", has_text="block list").click()

    async def _choose_item(self, item: str) -> None:
        """Choose from the menu in the heading of the open conversation."""
        heading = self._person.chat.locator("converse-chat-heading")
        await heading.locator("converse-dropdown button").first.click()
        await heading.locator(item).first.click()

    async def _close(self, modal: Locator) -> None:
        await modal.locator(".modal-header button[aria-label='Close']").click()
        await expect(modal).to_be_hidden(timeout=TIMEOUT_MS)

    async def publish_name(self, name: str) -> None:
        """As device.Device."""
        async with self._profile() as modal:
            await modal.locator("input[name='fn']").fill(name)

    @contextlib.asynccontextmanager
    async def _profile(self) -> AsyncIterator[Locator]:
        """Open the own profile, and save it afterwards."""
        await self._page.locator(".show-profile").first.click()
        modal = self._page.locator("converse-profile-modal")
        await modal.locator("#profile-tab").click()
        yield modal
        await modal.locator("button.save-form").click()
        await expect(modal).to_be_hidden(timeout=TIMEOUT_MS)

    async def wait_name(self, jid: str, name: str) -> None:
        """As device.Device."""
        await self._open_details(jid)
        await expect(self._details).to_contain_text(name, timeout=TIMEOUT_MS)
        await self._close(self._details)

    @property
    def _details(self) -> Locator:
        return self._page.locator("converse-user-details-modal")

    async def _open_details(self, jid: str) -> None:
        await self._open(jid)
        await self._choose_item("a.show-user-details-modal")


def version() -> str:
    """As device.Client.version."""
    found: str = json.loads(PACKAGES.read_text(encoding="utf-8"))["dependencies"]["converse.js"]
    return found


async def open_device(account: Account, surroundings: Surroundings) -> ConverseDevice:
    """As device.Client.open."""
    person = await Person.sit_down(await surroundings.browser(), account.username)
    person.password = account.password
    return ConverseDevice(account, person)


CONVERSE = Client(
    name="Converse.js",
    version=version,
    absence=chromium_absence,
    security=Security.WEBSOCKET,
    open=open_device,
    lacks={
        "starttls": "Web pages cannot open TCP connections.",
        "direct_tls": "Web pages cannot open TCP connections.",
    },
)
