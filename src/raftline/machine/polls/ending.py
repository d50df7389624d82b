"""
A question goes with its message, be that taken back, disappeared or in nobody's archive any more; and with its room or
either account of its chat.

Its row goes at once, so that it is found no longer. What was chosen may be thousands of rows: they are deleted as what
a deleted account leaves is (pruning.py), under the id that the question shares the counter with.

A deleted account's choices go too. As long as a question is open they are taken out of its count; the count of one
that has ended stays what it was when everyone was told.
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import AccountId, Position
from raftline.machine.context import Context
from raftline.machine.polls.tables import OPEN, Poll, PollVote
from raftline.machine.polls.terms import EVENTS_NAMESPACE, POLLS_NAMESPACE, decode_counts, encode_counts
from raftline.machine.records import Doomed

_MARKS: Final = (POLLS_NAMESPACE.encode(), EVENTS_NAMESPACE.encode())


def message_gone(context: Context, position: Position, stanza: bytes) -> None:
    """Forget the question that a message asked, if it did; `stanza` is the message as it was."""
    if any(mark in stanza for mark in _MARKS):
        poll = context.polls.polls.get(position)
        if poll is not None:
            _drop(context, poll)


def forget_some(context: Context, owner_id: AccountId, budget: int) -> int:
    """
    Delete some of what an account, a room or a question that is gone has left here.

    Returns: How many rows that were, at most `budget`.
    """
    votes = context.polls.votes
    spent = 0
    for column in ("poll_id", "voter_id"):
        sql = f"SELECT * FROM poll_vote WHERE {column} = ? ORDER BY poll_id, voter_id LIMIT ?"  # noqa: S608 - own names
        for row in context.rows.select((votes,), sql, (owner_id, max(budget - spent, 0))):
            vote = PollVote._make(row)
            votes.delete((vote.poll_id, vote.voter_id))
            _take_out(context, vote)
            spent += 1
    for column in ("owner_id", "partner_id"):
        sql = f"SELECT * FROM poll WHERE {column} = ? AND {column} > 0 ORDER BY position LIMIT ?"  # noqa: S608 - as above
        for row in context.rows.select((context.polls.polls,), sql, (owner_id, max(budget - spent, 0))):
            _drop(context, Poll._make(row))
            spent += 1
    return spent


def count_without(counts: tuple[int, ...], choices: int) -> tuple[int, ...]:
    """Return a count less one choice of so many options."""
    return tuple(count - (choices >> index & 1) for index, count in enumerate(counts))


def _drop(context: Context, poll: Poll) -> None:
    context.polls.polls.delete(poll.position)
    context.polls.news.delete(poll.position)
    context.doomed.insert(poll.poll_id, Doomed(poll.poll_id))


def _take_out(context: Context, vote: PollVote) -> None:
    """Take a choice out of the count of a question that is there, and open."""
    sql = "SELECT * FROM poll WHERE poll_id = ?"
    for row in context.rows.select((context.polls.polls,), sql, (vote.poll_id,)):
        poll = Poll._make(row)
        if poll.state == OPEN:
            counts = encode_counts(count_without(decode_counts(poll.counts), vote.choices))
            context.polls.polls.put(poll.position, poll._replace(voter_count=poll.voter_count - 1, counts=counts))
