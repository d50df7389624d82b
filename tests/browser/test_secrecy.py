"""Encrypted chats of the page (XEP-0384): keys that both sides can use, and a word on what cannot be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from browser.modules import page
from browser.person import Person
from browser.test_messenger_parts import call
from integration.cluster_process import Cluster
from integration.xmpp_raw import RawClient, register

__all__ = ["page"]

pytestmark = pytest.mark.timeout(120)

LEGACY, CURRENT = "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:2"
PUBSUB = "http://jabber.org/protocol/pubsub"
NOTICE_MS = 10_000
CHOOSING = """
    const device = { get: () => ({ prekeys: a.map((id) => ({ id })) }), getRandomPreKey: () => ({ id: 0 }) };
    m.chooseUsable(device);
    return [...Array(200)].map(() => device.getRandomPreKey().id);
"""


@pytest.mark.parametrize(("offered", "chosen"), [([0, 1, 2], {1, 2}), ([7, 0], {7}), ([0], {0}), ([], {0})])
async def test_a_key_is_chosen(page: Page, offered: list[int], chosen: set[int]) -> None:
    """Never number 0 of a device that has others; of one that has none it is better than nothing."""
    assert set(await call(page, "messenger/prekeys", CHOOSING, offered)) == chosen


async def items(client: RawClient, node: str, name: str) -> list[dict[str, str]]:
    """Attributes of the elements of a name at a node of Anna's, once there are some."""
    found: list[dict[str, str]] = []
    while not found:
        answer: Any = await client.ask(
            "get", f"<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>", "anna@localhost"
        )
        found = [element.attrib for element in answer.iter(name)]
    return found


@pytest_asyncio.fixture
async def anna(cluster: Cluster, browser: Browser) -> Person:
    """Somebody with a new account, at node 1."""
    person = await Person.sit_down(browser, "anna")
    await person.enter(cluster.node(1).http, "#create-account")
    return person


@pytest_asyncio.fixture
async def bert(cluster: Cluster) -> AsyncIterator[RawClient]:
    """Somebody without a page, at node 2."""
    port = cluster.node(2).xmpp
    await register(port, "bert", "secret")
    async with RawClient() as client:
        await client.log_in(port, "bert", "secret")
        yield client


async def test_keys_of_the_page(anna: Person, bert: RawClient) -> None:
    """Both bundles that it publishes have 99 keys, from 1 on."""
    keys = await items(bert, f"{CURRENT}:bundles", f"{{{CURRENT}}}pk")
    assert sorted(int(key["id"]) for key in keys) == list(range(1, 100))
    (device,) = await items(bert, f"{LEGACY}.devicelist", f"{{{LEGACY}}}device")
    keys = await items(bert, f"{LEGACY}.bundles:{device['id']}", f"{{{LEGACY}}}preKeyPublic")
    assert sorted(int(key["preKeyId"]) for key in keys) == list(range(1, 100))


async def test_what_cannot_be_read(anna: Person, bert: RawClient) -> None:
    """That somebody has said something stays in sight; that somebody types does not even if it cannot be read."""
    (device,) = await items(bert, f"{CURRENT}:devices", f"{{{CURRENT}}}device")
    secret = (
        f"<encrypted xmlns='{CURRENT}'><header sid='7'><keys jid='anna@localhost'>"
        f"<key rid='{device['id']}'>CgEA</key></keys></header><payload>AAAA</payload></encrypted>"
    )
    await anna.open_chat("bert@localhost")
    await anna.page.clock.install()
    notices = anna.chat.locator(".chat-error")
    bert.write(f"<message to='anna@localhost' type='chat' id='typed'>{secret}</message>")
    bert.write(f"<message to='anna@localhost' type='chat' id='said'><body>It is secret.</body>{secret}</message>")
    await expect(notices).to_have_count(2)
    # The ten seconds begin when the notice has been seen, a moment after it is there.
    while await notices.count() > 1:
        await anna.page.clock.fast_forward(2 * NOTICE_MS)
    await anna.page.clock.fast_forward(2 * NOTICE_MS)
    await expect(notices).to_have_count(1)
