"""The web client in Chromium: two people register, chat, lose the node that one is connected to, and miss nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, ViewportSize, expect

from integration.cluster_process import Cluster

pytestmark = pytest.mark.timeout(240)

SCREENSHOTS = Path(__file__).resolve().parents[2] / "test-results"
DESKTOP: ViewportSize = {"width": 1200, "height": 800}
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
        page.on("request", lambda request: self._note_request(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._note_console(message.text))
        page.set_default_timeout(ONLINE_TIMEOUT_MS)

    @classmethod
    async def sit_down(cls, browser: Browser, username: str, viewport: ViewportSize = DESKTOP) -> Person:
        """Open a browser of one's own."""
        context = await browser.new_context(viewport=viewport)
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

    async def open_chat(self, jid: str) -> None:
        """Follow Converse.js's own link to a chat."""
        await self.page.evaluate("jid => { location.hash = `converse/chat?jid=${jid}` }", jid)
        await self.page.locator("converse-chat .chat-textarea").wait_for()

    async def say(self, text: str) -> None:
        """Type a message and press Enter."""
        box = self.page.locator("converse-chat .chat-textarea")
        await box.fill(text)
        await box.press("Enter")

    async def expect_to_see(self, text: str) -> None:
        """Wait until a message stands in the open chat."""
        message = self.page.locator("converse-chat .chat-msg__text", has_text=text)
        await expect(message.first).to_be_visible(timeout=MESSAGE_TIMEOUT_MS)

    async def messages(self) -> list[str]:
        """The open chat, top to bottom."""
        texts = await self.page.locator("converse-chat .chat-msg__text").all_inner_texts()
        return [text.strip() for text in texts]

    async def websocket_port(self) -> int:
        """The port of the node the page is connected to."""
        return urlsplit(await self.page.locator("body").get_attribute("data-node") or "").port or 0

    async def take_picture(self, name: str) -> None:
        """Keep a screenshot with the results of the run."""
        SCREENSHOTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def _note_request(self, url: str) -> None:
        if urlsplit(url).scheme in {"http", "https", "ws", "wss"} and urlsplit(url).hostname != "127.0.0.1":
            self.foreign.append(url)

    def _note_console(self, text: str) -> None:
        if "Content Security Policy" in text:
            self.complaints.append(text)


async def test_a_page_survives_the_death_of_its_node(cluster: Cluster, browser: Browser) -> None:
    """Register, chat, SIGKILL the node that serves one page: it moves to another node and nothing is missing."""
    anna = await Person.sit_down(browser, "anna")
    bert = await Person.sit_down(browser, "bert", PHONE)
    await anna.page.goto(f"http://127.0.0.1:{cluster.node(1).http}/")
    await expect(anna.page.locator("#create-account")).to_be_visible()
    await anna.take_picture("web-client-entry")
    await anna.enter(cluster.node(1).http, "#create-account")
    await bert.enter(cluster.node(2).http, "#create-account")
    await anna.open_chat("bert@localhost")
    await bert.open_chat("anna@localhost")

    said = ["hello bert", "hello anna", "how is life on a cluster?"]
    await anna.say(said[0])
    await bert.expect_to_see(said[0])
    await bert.say(said[1])
    await anna.expect_to_see(said[1])
    await anna.say(said[2])
    await bert.expect_to_see(said[2])
    await anna.take_picture("web-client-before-the-kill")

    port_before = await anna.websocket_port()
    assert port_before == cluster.node(1).http
    await cluster.kill(1)
    during = ["are you still there?", "i am writing without a link", "and once more", "so am i"]
    await bert.say(during[0])
    await anna.say(during[1])
    await bert.say(during[2])
    await anna.say(during[3])
    await anna.page.locator(f"body[data-state='online']:not([data-node*=':{port_before}/'])").wait_for(state="attached")
    for text in (*during, *said):
        await anna.expect_to_see(text)
        await bert.expect_to_see(text)
    await anna.say("we did not lose a word")
    await bert.expect_to_see("we did not lose a word")
    await anna.take_picture("web-client-after-the-kill")
    await bert.take_picture("web-client-phone")

    expected = Counter([*said, *during, "we did not lose a word"])
    for person in (anna, bert):
        shown = await person.messages()
        assert Counter(shown) == expected, f"{person.username} sees {shown}"
        assert shown[:3] == said

    later = await Person.sit_down(browser, "anna")
    await later.enter(cluster.node(3).http, "#sign-in")
    await later.open_chat("bert@localhost")
    await later.expect_to_see("we did not lose a word")
    assert Counter(await later.messages()) == expected

    for person in (anna, bert, later):
        assert not person.foreign, f"the page asked elsewhere: {person.foreign}"
        assert not person.complaints, person.complaints


async def test_refusals_are_said_on_the_card(cluster: Cluster, browser: Browser) -> None:
    """A taken name and a wrong password are told in words, and the card stays usable."""
    anna = await Person.sit_down(browser, "anna")
    await anna.enter(cluster.node(1).http, "#create-account")

    other = await Person.sit_down(browser, "anna")
    other.password = "another password"
    await other.page.goto(f"http://127.0.0.1:{cluster.node(2).http}/")
    await other.page.locator("#username").fill("anna")
    await other.page.locator("#password").fill(other.password)
    await other.page.locator("#create-account").click()
    await expect(other.page.locator("#entry-error")).to_have_text("This name is taken.")
    await other.page.locator("#sign-in").click()
    await expect(other.page.locator("#entry-error")).to_have_text("The name or the password is wrong.")
    await expect(other.page.locator("#sign-in")).to_be_enabled()

    other.password = anna.password
    await other.page.locator("#password").fill(other.password)
    await other.page.locator("#sign-in").click()
    await other.wait_online()


async def test_a_reload_signs_in_again_and_logging_out_ends_it(cluster: Cluster, browser: Browser) -> None:
    """A reloaded page is online without a password and shows the chat; after logging out the card is back for good."""
    anna = await Person.sit_down(browser, "anna")
    await anna.enter(cluster.node(1).http, "#create-account")
    await anna.open_chat("bert@localhost")
    await anna.say("note to bert, who is not here yet")
    await anna.expect_to_see("note to bert")

    await anna.page.reload()
    await anna.wait_online()
    await anna.open_chat("bert@localhost")
    await anna.expect_to_see("note to bert")
    assert await anna.messages() == ["note to bert, who is not here yet"]

    await anna.page.locator("converse-user-profile a.show-profile, .show-profile").first.click()
    await anna.page.locator("converse-profile-modal button.btn-danger", has_text="Log out").click()
    await anna.page.locator("converse-confirm-modal button[type='submit']").click()
    await anna.page.locator("body[data-state='signed-out']").wait_for(state="attached")
    await anna.page.reload()
    await anna.page.locator("body[data-state='signed-out']").wait_for(state="attached")
    await expect(anna.page.locator("#sign-in")).to_be_enabled()
