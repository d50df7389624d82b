"""
The cluster console in Chromium: sign in, kill the leader, watch the next one, transfer, drain, add and remove a node.

All of it in one cluster and one page, as an administrator's evening: the page must outlive each node that it was
attached to.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal

import pytest
from playwright.async_api import Browser, expect

from browser.person import PHONE
from browser.watcher import TIMEOUT_MS, Watcher
from integration.cluster_process import Cluster, wait_until
from integration.xmpp_raw import RawClient, register

pytestmark = pytest.mark.timeout(240)

ADMINISTRATOR, PASSWORD = "anna", "of anna"
MESSAGE_INTERVAL_S = 0.05


@pytest.fixture(autouse=True)
def administrator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anna is one; the nodes inherit the setting from the test's environment."""
    monkeypatch.setenv("RAFTLINE_XMPP__ADMINISTRATORS", f'["{ADMINISTRATOR}@localhost"]')


async def talk(client: RawClient) -> None:
    """Send messages without end."""
    number = 0
    while True:
        number += 1
        client.send(f"<message to='bert@localhost' type='chat' id='m{number}'><body>{number}</body></message>")
        await asyncio.sleep(MESSAGE_INTERVAL_S)


async def signed_in(browser: Browser, http_port: int) -> Watcher:
    """Anna at the console of a node, after two who had no business there."""
    watcher = await Watcher.sit_down(browser, http_port)
    error = watcher.page.locator(".error")
    await watcher.sign_in("bert", "of bert")
    await expect(error).to_contain_text("not an administrator")
    await watcher.sign_in(ADMINISTRATOR, "a guess")
    await expect(error).to_have_text("The name or the password is wrong.")
    assert await watcher.serious_faults() == []
    await watcher.take_picture("console-sign-in")
    await watcher.sign_in(ADMINISTRATOR, PASSWORD)
    await watcher.wait_watching()
    return watcher


async def watch_somebody_talk(watcher: Watcher, cluster: Cluster) -> None:
    """Messages per second, latency and the connection are seen while somebody talks at a node."""
    page = watcher.page
    async with RawClient() as client, asyncio.TaskGroup() as tasks:
        await client.log_in(cluster.node(2).xmpp, ADMINISTRATOR, PASSWORD)
        client.send("<presence/>")
        talker = tasks.create_task(talk(client))
        moving = page.locator("[data-plot='plotMessages'] figcaption")
        await expect(moving).to_have_text(re.compile(r"[1-9]"), timeout=TIMEOUT_MS)
        await expect(page.locator("[data-plot='plotLatency'] figcaption")).to_have_text(re.compile(r"p50 .*p99 .*m?s"))
        await expect(page.locator(".plot canvas")).to_have_count(3)
        card = watcher.card(2)
        await expect(card.locator("[data-figure='connections']")).to_have_text("1")
        await expect(card.locator("[data-figure='messages']")).to_have_text(re.compile(r"[1-9].* /s"))
        await expect(card.locator("[data-figure='disk']")).to_have_text(re.compile(r"iB"))
        await expect(page.locator("[data-summary='reachable']")).to_have_text("3 / 3")
        assert await watcher.serious_faults() == []
        await watcher.wait_up(2, 3)
        await watcher.take_picture("console")
        talker.cancel()


async def watch_the_leader_die(watcher: Watcher, cluster: Cluster) -> tuple[int, int]:
    """Kill the node that leads and that the page is attached to. Returns: who it was, and who leads now."""
    ports = {node_id: cluster.node(node_id).http for node_id in cluster.node_ids}
    leader = await watcher.watch_from_the_leader(ports)
    await watcher.expect_event("leads", leader)
    await cluster.kill(leader)
    await expect(watcher.page.locator("body")).not_to_have_attribute("data-node", str(leader), timeout=TIMEOUT_MS)
    await watcher.expect_role(leader, "unknown")
    await watcher.expect_event("lost", leader)
    await expect(watcher.page.locator("[data-summary='reachable']")).to_have_text("2 / 3")
    second = await watcher.leader(but=leader)
    await expect(watcher.page.locator("[data-summary='leader']")).to_have_text(re.compile(rf"Node [^{leader}]"))
    await watcher.expect_event("leads", second)
    await watcher.wait_up(second, 4)
    await watcher.take_picture("console-after-the-kill")
    return leader, second


async def watch_a_node_fall_silent(watcher: Watcher, cluster: Cluster) -> None:
    """A node that is stopped keeps its connections open and says nothing: the page goes on at another one."""
    silent = await watcher.watched_node()
    process = cluster.node(silent).pid
    os.kill(process, signal.SIGSTOP)
    try:
        await expect(watcher.page.locator("body")).not_to_have_attribute("data-node", str(silent), timeout=TIMEOUT_MS)
    finally:
        os.kill(process, signal.SIGCONT)
    await expect(watcher.card(silent)).not_to_have_attribute("data-role", "unknown", timeout=TIMEOUT_MS)


async def is_forgotten(cluster: Cluster, node_id: int) -> bool:
    """Whether tools are told of a node no more."""
    return node_id not in cluster.node_ids


async def start_as_told(watcher: Watcher, cluster: Cluster) -> int:
    """Add a node through the page: press, confirm, run what it shows, and see that it votes. Returns: its number."""
    page = watcher.page
    await page.locator("[data-action='add']").click()
    await watcher.confirm()
    invited = page.locator("dialog[data-invited]")
    await expect(invited).to_be_visible()
    node_id = int(await invited.get_attribute("data-invited") or 0)
    command = shlex.split(await invited.locator("[data-copy='command']").inner_text())
    assert command[:4] == ["raftline", "node", "start", str(node_id)]
    settings = invited.locator("[data-copy='settings']")
    assert f"node_id = {node_id}" in (await settings.text_content() or "")
    cluster._spawn(f"node-{node_id}", command[1:])
    await expect(invited.locator(".waiting")).to_have_class(re.compile("done"), timeout=2 * TIMEOUT_MS)
    assert await watcher.serious_faults() == []
    await watcher.take_picture("console-invitation")
    await page.keyboard.press("Escape")
    await expect(invited).to_have_count(0)
    return node_id


async def test_an_evening_at_the_console(cluster: Cluster, browser: Browser) -> None:
    """Kill the leader, see the new one and the entry; transfer, drain, add, remove; nothing is asked elsewhere."""
    for name in (ADMINISTRATOR, "bert"):
        await register(cluster.node(1).xmpp, name, f"of {name}")
    await cluster.wait_version()
    watcher = await signed_in(browser, cluster.node(1).http)
    await watch_somebody_talk(watcher, cluster)
    killed, second = await watch_the_leader_die(watcher, cluster)

    await cluster.start_node(killed)
    await watcher.expect_role(killed, "follower")
    await watcher.expect_event("cameBack", killed)
    reigns = watcher.page.locator(f".event[data-kind='leads'][data-node='{killed}']")
    reign_count = await reigns.count()
    await watcher.act(killed, "transfer")
    await expect(reigns.nth(reign_count)).to_be_visible(timeout=TIMEOUT_MS)  # one more than before

    await watcher.act(second, "drain")
    await expect(watcher.card(second).locator(".badge.drained")).to_be_visible()
    await watcher.act(second, "drain")
    await expect(watcher.card(second).locator(".badge.drained")).to_be_hidden()

    added = await start_as_told(watcher, cluster)
    await watcher.expect_event("joined", added)
    await watcher.act(added, "remove")
    await expect(watcher.card(added)).to_have_count(0, timeout=TIMEOUT_MS)
    await watcher.expect_event("left", added)
    await wait_until("the removed node to be forgotten", lambda: is_forgotten(cluster, added), TIMEOUT_MS / 1000)
    await watch_a_node_fall_silent(watcher, cluster)
    assert not watcher.foreign, watcher.foreign
    assert not watcher.complaints, watcher.complaints
    await look_around(watcher)


async def look_around(watcher: Watcher) -> None:
    """Tabs by keyboard, a reload without a password, Chinese, dark, a phone's width; then sign out for good."""
    page = watcher.page
    await page.locator("#tab-users").focus()
    await expect(page.locator("[role='tabpanel'] tbody tr")).to_have_count(2)
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#tab-rooms")).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("[role='tabpanel']")).to_contain_text("0 files")

    await page.reload()
    await watcher.wait_watching()
    await page.emulate_media(color_scheme="dark")
    await page.locator(".controls select").select_option("zh")
    await expect(page.locator("h1")).to_have_text("Raftline 控制台")
    await expect(page.locator("html")).to_have_attribute("lang", "zh")
    assert await watcher.serious_faults() == []
    await watcher.take_picture("console-dark")
    await page.set_viewport_size(PHONE)
    await page.emulate_media(color_scheme="light")
    await page.locator(".controls select").select_option("en")
    width = await page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    assert await watcher.serious_faults() == []
    await watcher.take_picture("console-phone")

    await page.locator("[data-action='sign-out']").click()
    await expect(page.locator("#username")).to_be_visible()
    await page.reload()
    await expect(page.locator("#username")).to_be_visible()
    assert not watcher.complaints, watcher.complaints
