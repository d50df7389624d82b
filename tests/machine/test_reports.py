"""Reports for the operators (XEP-0377): bounded, and deleted with their reporter."""

from __future__ import annotations

import pytest

from machine.world import Client, World
from raftline.base.limits import (
    ACCOUNT_REPORT_COUNT_MAX,
    REPORT_AGE_MAX_MS,
    REPORT_EXCERPT_CHARACTERS_MAX,
    REPORT_MESSAGE_COUNT_MAX,
    REPORT_PAGE_ROW_COUNT_MAX,
)
from raftline.machine.commands import ChangeBlocklist, DeleteAccount
from raftline.machine.history.answers import ReportRecord
from raftline.machine.history.commands import CloseReport, Report
from raftline.machine.history.queries import ListReports
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import CommandResult, Done, Rejected
from raftline.machine.versions import FEATURES_SINCE

EVE = "eve@example.org"


@pytest.fixture
def world(world: World) -> World:
    """Three accounts, under the version that knows reports."""
    world.do(RaiseVersion(FEATURES_SINCE))
    return world


def report(text: str = "", messages: tuple[int, ...] = ()) -> Report:
    """Make a report."""
    return Report(EVE, "urn:xmpp:reporting:spam", text, messages, 0)


def block(client: Client, *reports: Report) -> CommandResult:
    """Block, with reports."""
    return client.do(ChangeBlocklist(blocked=True, addresses=(EVE,), reports=reports))


def texts(world: World, before: tuple[int, int] | None = None, limit: int = 100) -> list[str]:
    """Texts of a page of reports."""
    return [record.text for record in world.machine.answer(ListReports(before, limit))]  # type: ignore[arg-type]


def test_pages(world: World) -> None:
    """The last first; the next page begins behind a report, also inside of one command's."""
    alice, bob = world.bind("alice"), world.bind("bob")
    block(alice, report("1"), report("2"))
    block(bob, report("3"))
    assert texts(world) == ["3", "2", "1"]
    records = world.machine.answer(ListReports(limit=2))
    assert [record.text for record in records] == ["3", "2"]
    assert texts(world, (records[-1].position, records[-1].number)) == ["1"]


def test_of_one_account(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many of each account; the oldest goes first, and nobody else's."""
    monkeypatch.setattr("raftline.machine.history.reports.ACCOUNT_REPORT_COUNT_MAX", 2)
    alice, bob = world.bind("alice"), world.bind("bob")
    block(bob, report("bob"))
    for number in range(3):
        block(alice, report(str(number)))
    assert texts(world) == ["2", "1", "bob"]
    block(alice, *(report(letter) for letter in "abc"))
    assert texts(world) == ["c", "b", "bob"]


def test_of_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many in all; the oldest goes first, whoever's it is."""
    monkeypatch.setattr("raftline.machine.history.reports.REPORT_COUNT_MAX", 2)
    alice, bob = world.bind("alice"), world.bind("bob")
    block(bob, report("bob"))
    block(alice, report("1"))
    assert texts(world) == ["1", "bob"]
    block(alice, report("2"))
    assert texts(world) == ["2", "1"]


def test_of_a_deleted_account(world: World) -> None:
    """They go with it; those of others about it stay."""
    alice, bob = world.bind("alice"), world.bind("bob")
    block(alice, report("alice"))
    block(bob, report("bob"))
    world.do(DeleteAccount("alice"))
    assert texts(world) == ["bob"]


def close(world: World, number: int, position: int) -> CommandResult:
    return world.do(CloseReport(position, number))


def test_closed(world: World) -> None:
    """An operator closes a report once; it leaves the open ones and is listed among those that are closed."""
    alice = world.bind("alice")
    position = block(alice, report("1"), report("2")).position
    assert close(world, 0, position).outcome == Done()
    again = close(world, 0, position).outcome
    assert isinstance(again, Rejected)
    assert again.condition == "item-not-found"
    assert close(world, 5, position).outcome != Done()
    assert states(world, is_closed=False) == ["2"]
    assert states(world, is_closed=True) == ["1"]
    assert texts(world) == ["2", "1"]


def states(world: World, *, is_closed: bool) -> list[str]:
    """Texts of those reports that are closed, or are not."""
    found = world.machine.answer(ListReports(is_closed=is_closed))
    assert isinstance(found, list)
    return [record.text for record in found]


def test_forgotten_in_time(world: World) -> None:
    """After half a year a report is gone, closed or not, and not a millisecond before."""
    alice = world.bind("alice")
    position = block(alice, report("1"), report("2")).position
    close(world, 1, position)
    world.time_ms += REPORT_AGE_MAX_MS
    world.account("dora")
    assert texts(world) == ["2", "1"]
    world.time_ms += 1
    world.account("emil")
    assert texts(world) == []


def test_a_page_tells_that_there_are_more(world: World) -> None:
    """One more than a page is answered, and no more than that."""
    alice = world.bind("alice")
    block(alice, *(report(str(number)) for number in range(ACCOUNT_REPORT_COUNT_MAX)))
    block(world.bind("bob"), report("a"), report("b"))
    assert ACCOUNT_REPORT_COUNT_MAX + 2 > REPORT_PAGE_ROW_COUNT_MAX + 1
    assert len(texts(world, limit=1_000)) == REPORT_PAGE_ROW_COUNT_MAX + 1


def test_what_the_messages_say(world: World) -> None:
    """Who reported, and what a message begins with, as far as that account's archive has it; never of others' mail."""
    alice, bob = world.online("alice"), world.online("bob")
    long = "x" * (REPORT_EXCERPT_CHARACTERS_MAX + 1)
    own = [bob.send("alice", text).position for text in ("buy this", long)]
    other = bob.send("bob", "private").position
    block(alice, report(messages=(*own, other, 999_999_999)))
    [record] = world.machine.answer(ListReports())  # type: ignore[misc]  # a list
    assert isinstance(record, ReportRecord)
    assert record.reporter == "alice"
    assert record.excerpts == ("buy this", long[:-1], "", "")


def test_number_of_messages(world: World) -> None:
    """A command with a report that names too many is unreadable; the edge refuses it before."""
    alice = world.bind("alice")
    assert block(alice, report(messages=tuple(range(REPORT_MESSAGE_COUNT_MAX)))).outcome == Done()
    assert not isinstance(block(alice, report(messages=tuple(range(REPORT_MESSAGE_COUNT_MAX + 1)))).outcome, Done)


def test_they_count_from_their_version_on() -> None:
    """Before all members know them, the block counts and the report does not."""
    world = World()
    world.account("alice")
    alice = world.bind("alice")
    assert block(alice, report("early")).outcome == Done()
    assert texts(world) == []
    assert world.machine.answer(ListReports()) == []
    world.do(RaiseVersion(FEATURES_SINCE))
    block(alice, report("late"))
    assert texts(world) == ["late"]
