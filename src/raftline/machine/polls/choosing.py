"""
A choice, the end of a question, and its count.

Of each account one choice counts, the last before the end in the order of the log: it is one row, under the account,
which a later choice replaces. The count is kept in the question's row and changed along, so that telling it costs
nothing, however many have chosen. Whether a question has ended is decided by the time of the entry that brings the
choice, even if nobody has carried out yet that it ended (timers/due.py).
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import AccountId, Position
from raftline.base.limits import POLL_VOTER_COUNT_MAX
from raftline.machine.context import Context
from raftline.machine.conversations.participation import Participant, account_with, in_chat, in_room
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.polls import telling
from raftline.machine.polls.commands import Choose, ClosePoll
from raftline.machine.polls.ending import count_without
from raftline.machine.polls.tables import CLOSED, OPEN, OVER, Poll, PollVote
from raftline.machine.polls.terms import PollTerms, decode, decode_counts, encode_counts
from raftline.machine.records import Session

_DONE: Final = Done()
_NOT_THERE: Final = Rejected("item-not-found", "cancel", "Nothing was asked there.")


def choose(context: Context, session: Session, action: Choose) -> Outcome:
    """Let the choice of an account count in place of the one before."""
    found = find(context, session, action.room, action.position, action.kind)
    if isinstance(found, Rejected):
        return found
    poll, _ = found
    terms = decode(poll.terms)
    options = set(action.options)
    if not options <= set(range(1, len(terms.options) + 1)):
        return _refused(terms, "item-not-found", "cancel", "There is no such option.", "unknown-option")
    if len(options) > terms.choice_count_max:
        text = f"At most {terms.choice_count_max} may be chosen."
        return _refused(terms, "not-acceptable", "modify", text, "too-many-choices")
    if not is_open(context, poll):
        return _refused(terms, "not-allowed", "cancel", "It has ended.", "closed")
    key = (poll.poll_id, session.account_id)
    former = context.polls.votes.get(key)
    choices = sum(1 << option - 1 for option in sorted(options))
    if choices == (0 if former is None else former.choices):
        return _DONE
    if former is None and poll.voter_count >= POLL_VOTER_COUNT_MAX:
        return Rejected("resource-constraint", "cancel", f"{POLL_VOTER_COUNT_MAX} have chosen already.")
    counts, voter_count = decode_counts(poll.counts), poll.voter_count
    if former is not None:
        counts, voter_count = count_without(counts, former.choices), voter_count - 1
    if choices:
        counts = tuple(count + (choices >> index & 1) for index, count in enumerate(counts))
        vote = PollVote(poll.poll_id, session.account_id, session.localpart, choices, context.time_ms)
        context.polls.votes.put(key, vote)
        voter_count += 1
    else:
        context.polls.votes.delete(key)
    changed = poll._replace(voter_count=voter_count, counts=encode_counts(counts))
    context.polls.polls.put(poll.position, changed)
    telling.tell_soon(context, changed)
    return _DONE


def close(context: Context, session: Session, action: ClosePoll) -> Outcome:
    """End a question before its time."""
    found = find(context, session, action.room, action.position, action.kind)
    if isinstance(found, Rejected):
        return found
    poll, participant = found
    if poll.author_id != session.account_id and not participant.is_moderator:
        return Rejected("forbidden", "auth", "Who asked may end it, and moderators of a room.")
    if is_open(context, poll):
        _end(context, poll, CLOSED)
    return _DONE


def close_due(context: Context, position: Position) -> None:
    """End a question whose time is over."""
    poll = context.polls.polls.get(position)
    assert poll is not None, position
    _end(context, poll, OVER)


def is_open(context: Context, poll: Poll) -> bool:
    """Whether choices are taken at the time of the command, or of the last entry."""
    return poll.state == OPEN and not 0 < poll.due_ms <= context.time_ms


def find(
    context: Context, session: Session, room: str, position: Position, kind: int
) -> tuple[Poll, Participant] | Rejected:
    """Return a question and how the account of a session takes part where it was asked; or why it may not know."""
    poll = context.polls.polls.get(position)
    if poll is not None and poll.kind != kind:
        poll = None
    if room:
        found = in_room(context, session, room)
        if isinstance(found, Rejected):
            return found
        return _NOT_THERE if poll is None or _of(poll) != found.conversation else (poll, found)
    own_id = session.account_id
    if poll is None or not poll.partner_id or own_id not in _of(poll):
        return _NOT_THERE
    partner = account_with(context, poll.owner_id if poll.partner_id == own_id else poll.partner_id)
    if partner is None:
        return _NOT_THERE
    found = in_chat(context, session, partner)
    return found if isinstance(found, Rejected) else (poll, found)


def _of(poll: Poll) -> tuple[AccountId, AccountId]:
    return poll.owner_id, poll.partner_id


def _end(context: Context, poll: Poll, state: int) -> None:
    ended = poll._replace(state=state, due_ms=0)
    context.polls.polls.put(poll.position, ended)
    telling.tell_now(context, ended)


def _refused(terms: PollTerms, condition: str, kind: str, text: str, detail: str) -> Rejected:
    return Rejected(condition, kind, text, f"{{{terms.namespace}}}{detail}")
