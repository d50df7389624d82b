"""Keys of encrypted chats: the page hands out, and takes, only those that both sides can use (XEP-0384)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from browser.modules import page
from browser.person import Person
from browser.test_messenger_parts import call
from integration.cluster_process import Cluster
from integration.xmpp_raw import RawClient, register

__all__ = ["page"]

pytestmark = pytest.mark.timeout(120)

LEGACY, CURRENT = "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:2"
PUBSUB = "http://jabber.org/protocol/pubsub"
CHOOSING = """
    const device = { get: () => ({ prekeys: a.map((id) => ({ id })) }), getRandomPreKey: () => ({ id: 0 }) };
    m.chooseUsable(device);
    return [...Array(200)].map(() => device.getRandomPreKey().id);
"""


@pytest.mark.parametrize(("offered", "chosen"), [([0, 1, 2], {1, 2}), ([7, 0], {7}), ([0], {0}), ([], {0})])
async def test_a_key_is_chosen(page: Page, offered: list[int], chosen: set[int]) -> None:
    """Never number 0 of a device that has others; of one that has none it is better than nothing."""
    assert set(await call(page, "messenger/prekeys", CHOOSING, offered)) == chosen


async def ids_of_bundle(client: RawClient, jid: str, node: str, key: str, name: str) -> list[int]:
    """Numbers of the one-time keys that a node of somebody has; none while it has none."""
    answer: Any = await client.ask("get", f"<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>", jid)
    return [int(element.get(name, "-1")) for element in answer.iter(key)]


async def test_keys_of_the_page(cluster: Cluster, browser: Browser) -> None:
    """Both bundles that it publishes have 99 keys, from 1 on."""
    anna = await Person.sit_down(browser, "anna")
    await anna.enter(cluster.node(1).http, "#create-account")
    await register(cluster.node(2).xmpp, "bert", "secret")
    async with RawClient() as bert, asyncio.timeout(30):
        await bert.log_in(cluster.node(2).xmpp, "bert", "secret")
        ids: list[int] = []
        while not ids:
            ids = await ids_of_bundle(bert, "anna@localhost", f"{CURRENT}:bundles", f"{{{CURRENT}}}pk", "id")
        assert sorted(ids) == list(range(1, 100))
        devices: Any = await bert.ask(
            "get", f"<pubsub xmlns='{PUBSUB}'><items node='{LEGACY}.devicelist'/></pubsub>", "anna@localhost"
        )
        (device,) = (element.get("id") for element in devices.iter(f"{{{LEGACY}}}device"))
        ids = []
        while not ids:
            ids = await ids_of_bundle(
                bert, "anna@localhost", f"{LEGACY}.bundles:{device}", f"{{{LEGACY}}}preKeyPublic", "preKeyId"
            )
        assert sorted(ids) == list(range(1, 100))
