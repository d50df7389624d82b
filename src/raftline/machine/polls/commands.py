"""
Commands that concern polls and events; all of them come from a session, and count from machine version 3 on.

A question is named by the position of its message, and by where it was asked: `room` is the local part of a room's
address, empty for a chat of two.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from raftline.base.ids import Position
from raftline.base.limits import POLL_OPTION_COUNT_MAX
from raftline.machine.polls.terms import PollTerms, QuestionKind
from raftline.machine.rooms.commands import SpeakInRoom
from raftline.machine.tables import NATURAL


class AskInRoom(SpeakInRoom, frozen=True, array_like=True, kw_only=True, gc=False, tag=176):
    """
    Say something to everyone in a room that asks a question.

    Refused as SpeakInRoom is, with `not-acceptable` where no archive keeps it, `resource-constraint` where too many
    questions are open, and for its terms (terms.py).
    """

    poll: PollTerms


class Choose(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=177):
    """
    Choose options in place of what the account has chosen before; none takes the choice back.

    Refused with `item-not-found` for an unknown question or option, `forbidden` to who does not take part in the
    conversation, `not-allowed` when it has ended, `not-acceptable` for too many options.

    Attributes:
        options: Numbers of options, from 1.
        kind: What the question must be.
    """

    room: str
    position: Annotated[Position, NATURAL]
    options: Annotated[tuple[Annotated[int, NATURAL], ...], msgspec.Meta(max_length=POLL_OPTION_COUNT_MAX)]
    kind: QuestionKind = QuestionKind.POLL


class ClosePoll(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=178):
    """
    End a question: a poll is closed, an event is cancelled. Idempotent.

    Refused with `forbidden` to who is neither its author nor a moderator of the room, else as Choose is.
    """

    room: str
    position: Annotated[Position, NATURAL]
    kind: QuestionKind = QuestionKind.POLL


PollAction = AskInRoom | Choose | ClosePoll

POLL_ACTIONS: Final[tuple[type, ...]] = (AskInRoom, Choose, ClosePoll)
