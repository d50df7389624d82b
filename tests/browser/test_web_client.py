"""The web client in Chromium: two people register, chat, lose the node that one is connected to, and miss nothing."""

from __future__ import annotations

from collections import Counter

import pytest
from playwright.async_api import Browser, expect

from browser.person import PHONE, Person
from integration.cluster_process import Cluster

pytestmark = pytest.mark.timeout(240)


async def test_a_page_survives_the_death_of_its_node(cluster: Cluster, browser: Browser) -> None:
    """Register, chat, SIGKILL the node that serves one page: it moves to another node and nothing is missing."""
    anna = await Person.sit_down(browser, "anna")
    bert = await Person.sit_down(browser, "bert", PHONE)
    await anna.page.goto(f"http://127.0.0.1:{cluster.node(1).http}/")
    await expect(anna.page.locator("#create-account")).to_be_visible()
    await anna.take_picture("web-client-entry")
    await anna.enter(cluster.node(1).http, "#create-account")
    await bert.enter(cluster.node(2).http, "#create-account")
    await anna.add_contact("bert@localhost")
    await bert.accept_contact("anna@localhost")
    await anna.open_chat("bert@localhost")
    await anna.wait_secret()
    await bert.wait_secret()

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

    for person in (anna, bert):
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

    await anna.log_out()
    await anna.page.reload()
    await anna.page.locator("body[data-state='signed-out']").wait_for(state="attached")
    await expect(anna.page.locator("#sign-in")).to_be_enabled()
