"""Polls as people ask them and vote, in the open chat."""

from __future__ import annotations

import re

from playwright.async_api import Locator, expect

from browser.person import MESSAGE_TIMEOUT_MS, Person


async def write_poll(person: Person, question: str, *options: str, several: bool = False, end: str = "") -> Locator:
    """Open the dialog and fill it in, `end` as a local time; returns it, not yet sent."""
    await person.chat.locator(".raftline-ask").click()
    dialog = person.page.locator(".raftline-dialog")
    await dialog.get_by_label("Question", exact=True).fill(question)
    for number, option in enumerate(options, 1):
        await dialog.get_by_label(f"Option {number}", exact=True).fill(option)
    await dialog.get_by_label("Several may be chosen").set_checked(several)
    await dialog.get_by_label("Ends at").fill(end)
    return dialog


def card(person: Person, question: str) -> Locator:
    """The poll in the open chat."""
    return person.chat.locator("raftline-poll", has_text=question)


def box(person: Person, question: str, option: str) -> Locator:
    """What is clicked to vote for an option."""
    return card(person, question).get_by_label(re.compile(f"^{re.escape(option)}: "))


async def vote(person: Person, question: str, option: str) -> None:
    """Click an option, once the poll is open."""
    await expect(card(person, question)).to_have_attribute("data-state", "open", timeout=MESSAGE_TIMEOUT_MS)
    await box(person, question, option).check()


async def expect_counts(person: Person, question: str, counts: dict[str, int]) -> None:
    """Wait until somebody sees these counts; they can be heard too, as the names of the boxes."""
    for option, votes in counts.items():
        named = card(person, question).get_by_label(f"{option}: {votes} vote{'s' * (votes != 1)}", exact=True)
        await expect(named).to_be_attached(timeout=MESSAGE_TIMEOUT_MS)
