"""What sessions are told of polls and events, and the values of answers about them."""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import NodeId, Position, SessionId
from raftline.machine.polls.terms import PollTerms


class Tally(NamedTuple):
    """
    A question and its count.

    Attributes:
        state: As in tables.py.
        counts: How many have chosen each option.
        voter_count: How many have chosen.
        chosen: Numbers of the options that the account which asks has chosen; none where nobody asks.
    """

    position: Position
    terms: PollTerms
    state: int
    counts: tuple[int, ...]
    voter_count: int
    chosen: tuple[int, ...] = ()


class PollTold(NamedTuple):
    """
    The count of a question is another one, or it has ended.

    Attributes:
        address: Bare JID of the room, or of the other one of the chat.
        is_room: Which of the two it is.
    """

    node_id: NodeId
    session_ids: tuple[SessionId, ...]
    address: str
    is_room: bool
    tally: Tally


class Voter(NamedTuple):
    """
    Whose choice counts.

    Attributes:
        jid: Bare JID; empty where it is not shown.
        occupant_id: In a room; empty elsewhere.
        options: Numbers of the options.
        time_ms: Cluster time of the choice.
    """

    jid: str
    occupant_id: str
    options: tuple[int, ...]
    time_ms: int


class TallyPage(NamedTuple):
    """
    Some questions of a conversation, in log order, and how many there are in all and before them.

    Attributes:
        voters: Who chose what, if that was asked and is told.
    """

    tallies: list[Tally]
    total: int
    offset: int
    voters: list[Voter]
