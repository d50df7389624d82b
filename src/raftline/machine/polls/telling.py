"""
The count of a question is told to those who are there, not more often than anyone can look.

A thousand choices among a thousand people would else be a million stanzas. The first choice after a quiet time sets a
timer, at whose time the count is told as it is then, with whatever came meanwhile: once a second, in a crowd once in
ten (`POLL_NEWS_INTERVAL_MS`, `POLL_NEWS_CROWD_INTERVAL_MS`). The end of a question is told at once. So people who are
there hear of each question as often as time goes by, however many choose.

Who is not there asks (answers.py): what is told is news, kept by no archive and owed to nobody.
"""

from __future__ import annotations

from raftline.base.ids import Position
from raftline.base.limits import (
    POLL_NEWS_CROWD_INTERVAL_MS,
    POLL_NEWS_INTERVAL_MS,
    ROOM_STATE_AUDIENCE_MAX,
)
from raftline.machine.context import Context
from raftline.machine.conversations.participation import Conversation, audience_of
from raftline.machine.polls.events import PollTold, Tally
from raftline.machine.polls.tables import Poll, PollNews
from raftline.machine.polls.terms import decode, decode_counts
from raftline.machine.rooms.tables import Room


def tell_soon(context: Context, poll: Poll) -> None:
    """The count has changed: tell it when the interval is over that begins now, or has begun."""
    if context.polls.news.get(poll.position) is not None:
        return
    is_crowd = not poll.partner_id and len(context.occupants.of(poll.owner_id)) > ROOM_STATE_AUDIENCE_MAX
    interval_ms = POLL_NEWS_CROWD_INTERVAL_MS if is_crowd else POLL_NEWS_INTERVAL_MS
    context.polls.news.insert(poll.position, PollNews(poll.position, context.time_ms + interval_ms))


def tell_due(context: Context, position: Position) -> None:
    """Tell the count of a question whose interval is over."""
    poll = context.polls.polls.get(position)
    assert poll is not None, position
    tell_now(context, poll)


def tell_now(context: Context, poll: Poll) -> None:
    """Tell everyone who is there how a question stands."""
    context.polls.news.delete(poll.position)
    room = None if poll.partner_id else room_with(context, poll)
    if room is None and not poll.partner_id:
        return  # the room is gone, and its questions go
    tally = tally_of(poll)
    for address, groups in audience_of(context, Conversation(poll.owner_id, poll.partner_id), room):
        for node_id, session_ids in groups:
            context.events.append(PollTold(node_id, session_ids, address, room is not None, tally))


def room_with(context: Context, poll: Poll) -> Room | None:
    """Return the room that a question was asked in."""
    found = context.rows.select((context.rooms,), "SELECT * FROM room WHERE room_id = ?", (poll.owner_id,))
    return Room._make(found[0]) if found else None


def tally_of(poll: Poll, choices: int = 0) -> Tally:
    """Return a question and its count; `choices` are those of the account that asks."""
    counts = decode_counts(poll.counts)
    chosen = tuple(index + 1 for index in range(len(counts)) if choices >> index & 1)
    return Tally(poll.position, decode(poll.terms), poll.state, counts, poll.voter_count, chosen)
