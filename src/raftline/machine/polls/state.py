"""The tables of polls and events, as a context has them."""

from __future__ import annotations

from typing import Final

from raftline.machine.polls.tables import POLL, POLL_NEWS, POLL_VOTE, Poll, PollNews, PollVote
from raftline.machine.rows import RowStore


class PollState:
    """Questions by position, choices by question and account, and what is to be told."""

    __slots__ = ("news", "polls", "votes")

    def __init__(self, rows: RowStore) -> None:
        self.polls: Final = rows.table(POLL, Poll._make)
        self.votes: Final = rows.table(POLL_VOTE, PollVote._make)
        self.news: Final = rows.table(POLL_NEWS, PollNews._make)
