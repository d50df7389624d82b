"""The landing page of invitations in Chromium (XEP-0401 section 5.2, XEP-0379 section 3.3)."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from browser.modules import ORIGIN, page

__all__ = ["page"]

TOKEN = "0123456789abcdef01234567"


async def show(page: Page, fragment: str) -> dict[str, Any]:
    """What the page shows for what stands behind the #."""
    await page.goto("about:blank")
    await page.goto(f"{ORIGIN}/invite/#{fragment}")
    await page.wait_for_selector("#entry:not([hidden])")
    shown: dict[str, Any] = await page.evaluate(
        """() => ({
            headline: document.getElementById("headline").textContent,
            note: document.getElementById("entry-domain").textContent,
            href: document.getElementById("open").getAttribute("href"),
            register: document.getElementById("register").offsetParent
                ? document.getElementById("register").getAttribute("href") : null,
            isOffered: !document.getElementById("accept").hidden,
            apps: [...document.querySelectorAll("#clients li")].filter((one) => one.offsetParent).length,
        })"""
    )
    return shown


async def test_an_invitation(page: Page) -> None:
    """Who invites, a button with the link for a chat app, and apps for this device."""
    shown = await show(page, f"romeo@example.org?roster;preauth={TOKEN};ibr=y")
    assert shown["headline"] == "romeo@example.org invites you to chat"
    assert shown["href"] == f"xmpp:romeo@example.org?roster;preauth={TOKEN};ibr=y"
    assert "account" in shown["note"]
    assert shown["isOffered"]
    assert shown["apps"] >= 1


async def test_a_group(page: Page) -> None:
    """Who has no account opens one at the service, not at the host of rooms, by the same token."""
    fragment = f"den@conference.example.org?join;preauth={TOKEN};ibr=y"
    shown = await show(page, fragment)
    assert shown["href"] == f"xmpp:{fragment}"
    assert shown["register"] == f"xmpp:example.org?register;preauth={TOKEN}"
    assert (await show(page, fragment.removesuffix(";ibr=y")))["register"] is None


async def test_a_code_for_phones(page: Page) -> None:
    """A picture of the page's own address, that of each invitation another one; without an invitation there is none."""
    pictures = set()
    for fragment in (f"den@conference.example.org?join;preauth={TOKEN}", f"romeo@example.org?roster;preauth={TOKEN}"):
        await show(page, fragment)
        await page.wait_for_function("document.getElementById('code-picture').naturalWidth > 0")
        pictures.add(await page.get_attribute("#code-picture", "src"))
    assert len(pictures) == 2
    await show(page, "example.org")
    assert await page.is_hidden("#code")


@pytest.mark.parametrize(
    ("fragment", "headline", "mentions_account"),
    [
        (f"example.org?register;preauth={TOKEN}", "You are invited to example.org", True),
        (f"juliet@example.org?register;preauth={TOKEN}", "The address juliet@example.org is kept for you", True),
        (f"romeo@example.org?roster;preauth={TOKEN}", "romeo@example.org invites you to chat", False),
        (f"a%3Fb@example.org?roster;preauth={TOKEN}", "a?b@example.org invites you to chat", False),
        (
            f"den@conference.example.org?join;preauth={TOKEN}",
            "You are invited to the group den@conference.example.org",
            False,
        ),
    ],
)
async def test_each_kind(page: Page, fragment: str, headline: str, mentions_account: bool) -> None:
    """An account, an account under a name, a contact; names are shown as they are."""
    shown = await show(page, fragment)
    assert (shown["headline"], bool(shown["note"])) == (headline, mentions_account)
    assert shown["href"] == f"xmpp:{fragment}"


@pytest.mark.parametrize(
    "fragment",
    [
        "",
        "romeo@example.org",
        "romeo@example.org?roster",
        "romeo@example.org?remove;preauth=1",
        "example.org?roster;preauth=1",
        "romeo@example.org?roster;preauth=",
        "javascript:alert(1)?roster;preauth=1",
        "romeo@example.org?roster;preauth=1;body=%22%3E<b>",
        "%@example.org?roster;preauth=1",
    ],
)
async def test_what_is_no_invitation(page: Page, fragment: str) -> None:
    """It is said, and nothing is offered."""
    shown = await show(page, fragment)
    assert shown["headline"] == "This is no invitation"
    assert not shown["isOffered"]
    assert shown["href"] is None


@pytest.mark.parametrize(
    ("user_agent", "touch_points", "kind"),
    [
        ("Mozilla/5.0 (Linux; Android 14) Chrome/120 Mobile", 5, "android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)", 5, "ios"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605", 5, "ios"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605", 0, "mac"),
        ("Mozilla/5.0 (X11; Linux x86_64) Firefox/120", 0, "linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", 0, "desktop"),
    ],
)
async def test_devices(page: Page, user_agent: str, touch_points: int, kind: str) -> None:
    """Each is told apart by what its browser says."""
    found = await page.evaluate(
        """async ([agent, points]) => (await import("/modules/invitation/link.js")).kindOfDevice(agent, points)""",
        [user_agent, touch_points],
    )
    assert found == kind
