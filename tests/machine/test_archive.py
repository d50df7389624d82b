"""Reading archives (XEP-0313, XEP-0059)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from machine.world import DOMAIN, START_MS, World
from raftline.base.limits import ARCHIVE_PAGE_ROW_COUNT_MAX
from raftline.machine.queries import ArchiveEnds, ArchivePage, ArchiveRow, Page

BOB, CAROL = f"bob@{DOMAIN}", f"carol@{DOMAIN}"


@pytest.fixture
def archived(world: World) -> tuple[World, list[ArchiveRow], list[str]]:
    """Alice's archive of twelve messages, one second apart, with bob and carol by turns; rows and contacts."""
    alice, bob, carol = world.online("alice", "phone"), world.online("bob", "b"), world.online("carol", "c")
    rows, contacts = [], []
    for number in range(12):
        world.time_ms = START_MS + 1000 * (number + 1)
        other = bob if number % 3 else carol
        sender, to = (alice, other.localpart) if number % 2 else (other, "alice/phone")
        message = sender.message(to, str(number))
        result = sender.do(message)
        rows.append(ArchiveRow(result.position, world.time_ms, message.stanza))
        contacts.append(other.full_jid)
    return world, rows, contacts


def test_the_whole_archive(archived):
    """All rows in log order, of one's own archive alone."""
    world, rows, _ = archived
    assert world.machine.answer(ArchivePage("alice")) == Page(rows, complete=True, count=12, offset=0)
    assert world.machine.answer(ArchivePage(f"alice@{DOMAIN}")).rows == rows
    assert world.machine.answer(ArchivePage("bob")).count == 8
    assert world.machine.answer(ArchivePage("nobody")) == Page([], complete=True, count=0, offset=0)


def test_paging_forward_and_backward(archived):
    """After, before, and the last page; count and offset tell where a page lies."""
    world, rows, _ = archived
    ask = world.machine.answer
    assert ask(ArchivePage("alice", limit=5)) == Page(rows[:5], complete=False, count=12, offset=0)
    assert ask(ArchivePage("alice", after=rows[4].position, limit=5)) == Page(rows[5:10], False, 12, 5)
    assert ask(ArchivePage("alice", after=rows[9].position, limit=5)) == Page(rows[10:], True, 12, 10)
    assert ask(ArchivePage("alice", backward=True, limit=5)) == Page(rows[7:], False, 12, 7)
    assert ask(ArchivePage("alice", before=rows[7].position, backward=True, limit=5)) == Page(rows[2:7], False, 12, 2)
    assert ask(ArchivePage("alice", before=rows[2].position, backward=True, limit=5)) == Page(rows[:2], True, 12, 0)
    assert ask(ArchivePage("alice", after=rows[2].position, before=rows[5].position)).rows == rows[3:5]
    assert ask(ArchivePage("alice", limit=0)) == Page([], complete=False, count=12, offset=0)


def test_by_contact(archived):
    """A bare JID takes every resource, a full JID its own; either direction."""
    world, rows, contacts = archived
    with_bob = [row for row, contact in zip(rows, contacts, strict=True) if contact.startswith(BOB)]
    assert world.machine.answer(ArchivePage("alice", contact=BOB, limit=3)) == Page(with_bob[:3], False, 8, 0)
    from_bob = [row for row in with_bob if b"from='bob" in row.stanza]
    assert world.machine.answer(ArchivePage("alice", contact=f"{BOB}/b")).rows == from_bob
    assert world.machine.answer(ArchivePage("alice", contact=f"{BOB}/other")).count == 0
    assert world.machine.answer(ArchivePage("alice", contact=f"dora@{DOMAIN}")).count == 0
    to_phone = world.machine.answer(ArchivePage("bob", contact=f"alice@{DOMAIN}/phone"))
    assert to_phone.count == 8


def test_by_full_jid_in_a_conversation_with_oneself(world: World):
    """The resource may be either side's."""
    phone, desk = world.online("alice", "phone"), world.online("alice", "desk")
    phone.send("alice/desk")
    desk.send("alice")
    counts = [
        world.machine.answer(ArchivePage("alice", contact=f"{phone.jid}{r}")).count for r in ("", "/desk", "/phone")
    ]
    assert counts == [2, 2, 1]


def test_by_time(archived):
    """Both bounds are included."""
    world, rows, _ = archived

    def between(start: int | None, end: int | None) -> list[ArchiveRow]:
        return world.machine.answer(ArchivePage("alice", start_ms=start, end_ms=end)).rows

    assert between(rows[3].time_ms, rows[6].time_ms) == rows[3:7]
    assert between(rows[3].time_ms + 1, rows[6].time_ms - 1) == rows[4:6]
    assert between(None, rows[0].time_ms - 1) == []
    assert between(rows[-1].time_ms + 1, None) == []
    assert between(0, None) == rows
    assert World().machine.answer(ArchivePage("alice", start_ms=1)).rows == []


def test_messages_of_one_time_are_not_split(world: World):
    """A bound in time takes all of an entry's messages or none."""
    alice = world.online("alice")
    world.apply(*(world.command(alice.message("bob", str(n)), alice.origin()) for n in range(5)))
    assert world.machine.answer(ArchivePage("alice", start_ms=world.time_ms)).count == 5
    assert world.machine.answer(ArchivePage("alice", start_ms=world.time_ms + 1)).count == 0


def test_by_positions(archived):
    """Just these, in log order, whatever the order asked in; what is not there is not there."""
    world, rows, _ = archived
    wanted = (rows[7].position, rows[2].position, 5, rows[2].position)
    page = world.machine.answer(ArchivePage("alice", positions=wanted))
    assert page == Page([rows[2], rows[7]], complete=True, count=2, offset=0)
    assert world.machine.answer(ArchivePage("bob", positions=(rows[0].position,))).rows == []


def test_a_page_has_a_bound(world: World):
    """However many rows are asked for."""
    alice = world.online("alice")
    commands = [world.command(alice.message("bob"), alice.origin()) for _ in range(ARCHIVE_PAGE_ROW_COUNT_MAX + 1)]
    world.apply(*commands)
    page = world.machine.answer(ArchivePage("alice", limit=1000))
    assert (len(page.rows), page.complete) == (ARCHIVE_PAGE_ROW_COUNT_MAX, False)


def test_ends(archived):
    """XEP-0313 section 5: first and last row; nothing of an empty archive or account."""
    world, rows, _ = archived
    assert world.machine.answer(ArchiveEnds("alice")) == (rows[0], rows[-1])
    world.account("dora")
    assert world.machine.answer(ArchiveEnds("dora")) is None
    assert world.machine.answer(ArchiveEnds("nobody")) is None


bounds = st.none() | st.integers(-1, 12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    contact=st.sampled_from([None, BOB, CAROL, f"{BOB}/b"]),
    start=bounds,
    end=bounds,
    after=bounds,
    before=bounds,
    backward=st.booleans(),
    limit=st.integers(0, 13),
)
def test_pages_agree_with_a_list(archived, contact, start, end, after, before, backward, limit):
    """Any combination of filters gives what a plain filter over the list gives."""
    world, rows, contacts = archived

    def position(number: int | None) -> int | None:
        return None if number is None else rows[max(0, min(number, 11))].position

    def matches(row: ArchiveRow, other: str) -> bool:
        by_contact = contact is None or other.startswith(contact)
        if contact is not None and "/" in contact:
            by_contact = by_contact and b"from='bob" in row.stanza
        after_start = start is None or row.time_ms >= START_MS + 1000 * start
        return by_contact and after_start and (end is None or row.time_ms <= START_MS + 1000 * end)

    matching = [row for row, other in zip(rows, contacts, strict=True) if matches(row, other)]
    low, high = position(after), position(before)
    paged = [r for r in matching if (low is None or r.position > low) and (high is None or r.position < high)]
    expected = paged[-limit:] if backward and limit else paged[:limit]
    page = world.machine.answer(
        ArchivePage(
            "alice",
            contact=contact,
            start_ms=None if start is None else START_MS + 1000 * start,
            end_ms=None if end is None else START_MS + 1000 * end,
            after=low,
            before=high,
            backward=backward,
            limit=limit,
        )
    )
    assert page.rows == expected
    assert (page.complete, page.count) == (len(paged) <= limit, len(matching))
    assert page.offset == (matching.index(expected[0]) if expected else 0)
