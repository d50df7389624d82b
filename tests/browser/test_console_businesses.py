"""
Businesses at the cluster console in Chromium: created, given numbers, applications, tokens and callbacks, taken away.

What is shown once is compared with what the cluster takes for good; dead letters take a week to come, so those of this
test are put in the place of the list that the node tells.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect

from browser import pictures
from browser.person import DESKTOP, PHONE
from browser.watcher import TIMEOUT_MS, Watcher
from integration.cluster_process import Cluster

pytestmark = pytest.mark.timeout(180)

LETTER = {
    "id": "65536-0",
    "phone_number_id": "",
    "kind": "status",
    "status": "delivered",
    "peer": "ben@localhost",
    "group": None,
    "name": "Ben",
    "message_id": "wamid.x",
    "time_ms": 1_700_000_000_000,
    "died_ms": 1_700_604_800_000,
    "kept_until_ms": 1_703_196_800_000,
    "callback": None,
}


@asynccontextmanager
async def receiver(verify_token: str) -> AsyncIterator[str]:
    """A program that expects us, by a verify token; yields its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        query = parse_qs(urlsplit(request.split(" ")[1]).query)
        is_expected = query.get("hub.verify_token") == [verify_token]
        status, body = ("200 OK", query["hub.challenge"][0]) if is_expected else ("403 Forbidden", "")
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(f"{head}{body}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"


class Desk:
    """The part of the page with the businesses."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator("#businesses")

    def part(self, name: str) -> Locator:
        """A part of it."""
        return self.root.locator(f"[data-part='{name}']")

    async def press(self, action: str) -> None:
        """Press a button, the first one of its kind."""
        await self.root.locator(f"[data-action='{action}']").first.click()

    async def fill_in(self, **values: str) -> None:
        """Fill in the form that is asked for, and send it."""
        dialog = self.page.locator("dialog[open]")
        for name, value in values.items():
            field = dialog.locator(f"[name='{name}']")
            if await field.evaluate("field => field.tagName") == "SELECT":
                await field.select_option(value)
            else:
                await field.fill(value)
        await dialog.locator("[data-action='confirm']").click()

    async def told_once(self, *names: str) -> list[str]:
        """What is shown once, which is then closed and nowhere any more."""
        dialog = self.page.locator("dialog[data-told]")
        told = [await dialog.locator(f"[data-copy='{name}']").inner_text() for name in names]
        await dialog.locator("[data-action='close']").click()
        await expect(dialog).to_have_count(0)
        for secret in told[1:] or told:
            assert secret not in await self.page.content()
        return told

    async def confirm(self) -> None:
        """Say yes."""
        await self.page.locator("dialog[open] [data-action='confirm']").click()


async def test_a_business_from_its_beginning_to_its_end(cluster_folder: Path, browser: Browser) -> None:
    """All that operators do for one."""
    async with Cluster(cluster_folder, 1) as cluster, receiver("xyzzy") as hook:
        watcher = await Watcher.sit_down(browser, cluster.node(1).http)
        await watcher.page.locator("input[type='radio']").nth(1).check()
        await watcher.page.locator("#token").fill(cluster.description()["admin_token"])
        await watcher.page.locator("#token").press("Enter")
        await watcher.wait_watching()
        desk = Desk(watcher.page)
        await expect(desk.root).to_contain_text("There are no businesses")
        await create(desk)
        await change_numbers(desk)
        await change_application(desk, hook)
        assert await watcher.serious_faults() == []
        await look_at_dead_letters(desk, hook)
        await desk.root.locator("summary").click()
        await expect(desk.part("audit")).to_contain_text("business.create")
        await expect(desk.part("audit")).to_contain_text("console")
        await desk.page.locator("a[href='#businesses']").click()
        await look_around(watcher, desk)
        await desk.press("delete-business")
        await desk.confirm()
        await expect(desk.root).to_contain_text("There are no businesses")
        assert not watcher.complaints, watcher.complaints
        assert not watcher.foreign, watcher.foreign


async def create(desk: Desk) -> None:
    """A business; what is shown once is a token that is good. A number that is taken is refused."""
    await desk.press("create-business")
    await desk.fill_in(name="Corner Shop", number="15550001111")
    names = ("phone_number_id", "token", "app_secret")
    number_id, token, secret = await desk.told_once(*names)
    assert re.fullmatch("[0-9a-f]{32}", secret)
    assert re.fullmatch(r"RL[A-Za-z0-9_-]{43}", token)
    await expect(desk.part("numbers")).to_contain_text(number_id)
    own = desk.page.url.removesuffix("/console")
    shown = await desk.page.request.get(f"{own}/v26.0/{number_id}", headers={"Authorization": f"Bearer {token}"})
    assert (await shown.json())["verified_name"] == "Corner Shop"
    await expect(desk.part("tokens")).to_contain_text("Corner Shop")
    await desk.press("create-business")
    await desk.fill_in(name="Another", number="15550001111")
    await expect(desk.page.locator(".notice.failure")).to_contain_text("account of this name", timeout=TIMEOUT_MS)


async def change_numbers(desk: Desk) -> None:
    """Another number, which is named and limited, deregistered, and removed."""
    numbers = desk.part("numbers")
    await desk.press("add-number")
    await desk.fill_in(number="15550002222", verified_name="Orders")
    added = numbers.locator("tbody tr", has_text="15550002222")
    await expect(added).to_contain_text("Orders")
    await added.locator("[data-action='edit-number']").click()
    await desk.fill_in(verified_name="Sales", per_second="80")
    await expect(added).to_contain_text("Sales")
    await expect(added).to_contain_text("80")
    await added.get_by_role("button", name="Deregister").click()
    await expect(added.get_by_role("button", name="Register", exact=True)).to_be_visible()
    await added.locator("[data-action='remove-number']").click()
    await desk.confirm()
    await expect(added).to_have_count(0)


async def change_application(desk: Desk, hook: str) -> None:
    """A token that is shown once and revoked, another secret, a callback whose receiver has to expect us."""
    tokens = desk.part("tokens")
    await desk.press("issue")
    await desk.fill_in(label="order bot", scopes="whatsapp_business_messaging", days="30")
    [token] = await desk.told_once("token")
    assert token.startswith("RL")
    issued = tokens.locator("tbody tr", has_text="order bot")
    await expect(issued).to_contain_text("sending")
    await issued.locator("[data-action='revoke']").click()
    await desk.confirm()
    await expect(issued).to_have_count(0)
    await desk.press("rotate")
    await desk.confirm()
    app_id, _secret = await desk.told_once("app_id", "app_secret")
    await expect(desk.root.locator(f"[data-app='{app_id}']")).to_be_visible()
    await desk.press("callback")
    await desk.fill_in(url=hook, verify_token="a guess")
    await expect(desk.page.locator(".notice.failure")).to_contain_text("callback", timeout=TIMEOUT_MS)
    await expect(desk.part("callbacks")).to_contain_text("no callback")
    await desk.press("callback")
    await desk.fill_in(url=hook, verify_token="xyzzy")
    await expect(desk.part("callbacks")).to_contain_text(hook)


async def look_at_dead_letters(desk: Desk, hook: str) -> None:
    """They are shown, delivered again, and discarded."""
    asked: list[str] = []

    async def answer(route: Route) -> None:
        asked.append(f"{route.request.method} {urlsplit(route.request.url).path.rpartition('/')[2]}")
        if route.request.method == "GET":
            letter = LETTER | {"callback": hook}
            await route.fulfill(body=json.dumps({"dead_letters": [letter], "next": None}))
        else:
            await route.continue_()

    async def count(route: Route) -> None:
        told = await (await route.fetch()).json()
        await route.fulfill(body=json.dumps(told | {"dead_letters": 1}))

    await desk.page.route("**/dead-letters**", answer)
    await desk.page.route(re.compile(r"/apps/\d+$"), count)
    letters = desk.part("dead-letters")
    await desk.root.get_by_role("button", name="Refresh").click()
    await expect(letters).to_contain_text("Dead letters (1)")
    await expect(letters).to_contain_text("status delivered")
    await expect(letters).to_contain_text("ben@localhost")
    await desk.page.set_viewport_size({"width": 1200, "height": 2600})  # all of it in one picture
    await pictures.take_part(desk.root, "console-businesses")
    await desk.page.set_viewport_size(DESKTOP)
    # Each is done before the next: what is asked after the routes are gone passes by unseen.
    async with desk.page.expect_response(lambda response: response.request.method == "POST"):
        await letters.get_by_role("button", name="Deliver again").click()
    async with desk.page.expect_response(lambda response: response.request.method == "POST"):
        await desk.press("replay-all")
    await desk.press("discard-all")
    async with desk.page.expect_response(lambda response: response.request.method == "DELETE"):
        await desk.confirm()
    await expect(letters).to_contain_text("ben@localhost")
    await desk.page.unroute_all()
    await desk.root.get_by_role("button", name="Refresh").click()
    await expect(letters).to_contain_text("There are none")
    assert [one for one in asked if one != "GET dead-letters"] == ["POST replay", "POST replay", "DELETE dead-letters"]


async def look_around(watcher: Watcher, desk: Desk) -> None:
    """In Chinese, dark, and as wide as a phone."""
    page = watcher.page
    await page.locator(".controls select").select_option("zh")
    await expect(desk.root.locator("h2")).to_have_text("商家")
    await desk.press("open")
    await expect(desk.part("tokens")).to_be_visible()
    await page.emulate_media(color_scheme="dark")
    assert await watcher.serious_faults() == []
    await watcher.take_picture("console-businesses-dark")
    await page.set_viewport_size(PHONE)
    assert await page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    assert await watcher.serious_faults() == []
    await page.locator(".controls select").select_option("en")
    await desk.press("open")
    await expect(desk.part("tokens")).to_be_visible()
