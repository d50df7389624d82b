"""The words of polls and of events: what differs between the two is this table, and what a message says beside."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from raftline.machine.polls.tables import CLOSED, OPEN, OVER
from raftline.machine.polls.terms import EVENTS_NAMESPACE, POLLS_NAMESPACE, QuestionKind


class Words(NamedTuple):
    """
    Names of elements and attributes.

    Attributes:
        noun: The element that asks, in a message; and the attribute that names one, in everything else.
        heading: The child with the text of the question.
        choose, end: Requests that set something.
        tally, listing: Requests that get something, and their answers.
        people: The attribute that counts who has chosen.
        person: The child that names one of them.
        states: By state of the machine.
    """

    kind: QuestionKind
    namespace: str
    noun: str
    heading: str
    choose: str
    end: str
    tally: str
    listing: str
    people: str
    person: str
    states: Mapping[int, str]


POLL_WORDS: Final = Words(
    QuestionKind.POLL,
    POLLS_NAMESPACE,
    noun="poll",
    heading="question",
    choose="vote",
    end="close",
    tally="tally",
    listing="polls",
    people="voters",
    person="voter",
    states=MappingProxyType({OPEN: "open", CLOSED: "closed", OVER: "closed"}),
)

EVENT_WORDS: Final = Words(
    QuestionKind.EVENT,
    EVENTS_NAMESPACE,
    noun="event",
    heading="title",
    choose="answer",
    end="cancel",
    tally="answers",
    listing="events",
    people="people",
    person="person",
    states=MappingProxyType({OPEN: "open", CLOSED: "cancelled", OVER: "over"}),
)

ALL: Final = (POLL_WORDS, EVENT_WORDS)

OF_KIND: Final[Mapping[int, Words]] = MappingProxyType({int(words.kind): words for words in ALL})
