"""Answers to questions about polls and events (queries.py)."""

from __future__ import annotations

from typing import Final

from raftline.base.limits import POLL_NAMED_VOTER_COUNT_MAX, POLL_PAGE_ROW_COUNT_MAX
from raftline.machine.context import Context
from raftline.machine.conversations.participation import Participant, in_chat, in_room
from raftline.machine.outcomes import Rejected
from raftline.machine.polls.choosing import find, is_open
from raftline.machine.polls.events import Tally, TallyPage, Voter
from raftline.machine.polls.queries import PollsOf
from raftline.machine.polls.tables import OPEN, OVER, Poll, PollVote
from raftline.machine.polls.telling import tally_of
from raftline.machine.polls.terms import decode
from raftline.machine.records import Session
from raftline.machine.rooms.markup import occupant_id

_POSITION_END: Final = (1 << 63) - 1
_NOT_THERE: Final = Rejected("item-not-found", "cancel", "There is nobody there to have asked anything.")


def polls_of(context: Context, query: PollsOf) -> TallyPage | Rejected:
    """Return a question, or a page of those of a conversation."""
    session = context.sessions.get(query.session_id)
    if session is None:
        return _NOT_THERE
    if query.position:
        found = find(context, session, query.room, query.position, query.kind)
        if isinstance(found, Rejected):
            return found
        poll, participant = found
        voters = (
            [] if decode(poll.terms).is_anonymous or not query.names_voters else _voters(context, poll, participant)
        )
        return TallyPage([_tally(context, session, poll)], 1, 0, voters)
    place = _place_of(context, session, query)
    return place if isinstance(place, Rejected) else _page(context, session, place, query)


def _place_of(context: Context, session: Session, query: PollsOf) -> Participant | Rejected:
    if query.room:
        return in_room(context, session, query.room)
    partner = context.accounts.get(query.partner)
    return _NOT_THERE if partner is None else in_chat(context, session, partner)


def _page(context: Context, session: Session, place: Participant, query: PollsOf) -> TallyPage:
    tables = (context.polls.polls,)
    conditions = "owner_id = ? AND partner_id = ? AND kind = ?"
    bindings = (*place.conversation, query.kind)
    limit = min(max(query.limit, 0), POLL_PAGE_ROW_COUNT_MAX)
    low = 0 if query.after is None else query.after
    high = _POSITION_END if query.before is None else query.before
    sql = (
        f"SELECT * FROM poll WHERE {conditions} AND position > ? AND position < ?"  # noqa: S608 - own text alone
        f" ORDER BY position {'DESC' if query.backward else 'ASC'} LIMIT ?"
    )
    page = sorted(map(Poll._make, context.rows.select(tables, sql, (*bindings, low, high, limit))))
    first = page[0].position if page else 0
    sql = f"SELECT count(*), coalesce(sum(position < ?), 0) FROM poll WHERE {conditions}"  # noqa: S608 - as above
    ((total, offset),) = context.rows.select(tables, sql, (first, *bindings))
    return TallyPage([_tally(context, session, poll) for poll in page], total, offset, [])


def _tally(context: Context, session: Session, poll: Poll) -> Tally:
    vote = context.polls.votes.get((poll.poll_id, session.account_id))
    if poll.state == OPEN and not is_open(context, poll):
        poll = poll._replace(state=OVER)  # though nobody has carried that out yet
    return tally_of(poll, 0 if vote is None else vote.choices)


def _voters(context: Context, poll: Poll, participant: Participant) -> list[Voter]:
    """Return who chose what, in the order of their choices, as far as an answer names them."""
    sql = "SELECT * FROM poll_vote WHERE poll_id = ? ORDER BY time_ms, voter_id LIMIT ?"
    found = context.rows.select((context.polls.votes,), sql, (poll.poll_id, POLL_NAMED_VOTER_COUNT_MAX))
    voters = []
    for vote in map(PollVote._make, found):
        jid = context.bare_jid(vote.localpart)
        room = participant.room
        options = tuple(index + 1 for index in range(vote.choices.bit_length()) if vote.choices >> index & 1)
        shown_id = "" if room is None else occupant_id(room.secret, jid)
        voters.append(Voter(jid if participant.sees_addresses else "", shown_id, options, vote.time_ms))
    return voters
