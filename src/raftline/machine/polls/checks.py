"""What may be asked: the bounds of a question's terms, each refused with a condition and a reason of its own."""

from __future__ import annotations

from raftline.base.limits import (
    POLL_DURATION_MAX_MS,
    POLL_OPTION_COUNT_MAX,
    POLL_OPTION_COUNT_MIN,
    POLL_OPTION_SIZE_MAX,
    POLL_TITLE_SIZE_MAX,
)
from raftline.machine.outcomes import Rejected
from raftline.machine.polls.terms import PollTerms


def refusal_of(terms: PollTerms, time_ms: int) -> Rejected | None:
    """Say why nobody may ask this at a cluster time, if so."""
    found = _problem_of(terms, time_ms)
    if found is None:
        return None
    condition, text, detail = found
    return Rejected(condition, "modify", text, f"{{{terms.namespace}}}{detail}")


def _problem_of(terms: PollTerms, time_ms: int) -> tuple[str, str, str] | None:
    count = len(terms.options)
    if not terms.title.strip() or not all(option.strip() for option in terms.options):
        return "bad-request", "A question and its options have a text.", "no-text"
    if count < POLL_OPTION_COUNT_MIN:
        return "bad-request", f"A question has at least {POLL_OPTION_COUNT_MIN} options.", "too-few-options"
    if count > POLL_OPTION_COUNT_MAX:
        return "policy-violation", f"A question has at most {POLL_OPTION_COUNT_MAX} options.", "too-many-options"
    if len(terms.title.encode()) > POLL_TITLE_SIZE_MAX:
        return "policy-violation", f"A question has at most {POLL_TITLE_SIZE_MAX} bytes.", "too-long"
    if len(terms.message_id.encode()) > POLL_TITLE_SIZE_MAX:
        return "policy-violation", f"The id of such a message has at most {POLL_TITLE_SIZE_MAX} bytes.", "too-long"
    if any(len(option.encode()) > POLL_OPTION_SIZE_MAX for option in terms.options):
        return "policy-violation", f"An option has at most {POLL_OPTION_SIZE_MAX} bytes.", "too-long"
    if len(set(terms.options)) < count:
        return "bad-request", "No two options are the same.", "same-options"
    if not 1 <= terms.choice_count_max <= count:
        return "bad-request", "From one to all options may be chosen.", "bad-choice-count"
    if terms.closes_ms and not time_ms < terms.closes_ms <= time_ms + POLL_DURATION_MAX_MS:
        return "not-acceptable", "It ends before it begins, or only after years.", "bad-end"
    return None
