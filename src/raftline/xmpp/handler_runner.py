"""
The handler at work on a stream, the effect it waits for, and the commands that earlier ones left under way.

Invariants:

- One handler at a time, one effect at a time.
- `Submit` goes through at once; every other effect of a bound stream waits until all earlier submissions have their
  outcome, so that nothing overtakes a message.
- A stanza causes at most one command, under its number. So `handled_count`, the length of the prefix of stanzas that
  are done with, is one below the oldest stanza under way.

Decided against: a task for each stanza, which costs more than handling it.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from raftline.base.errors import LocalProtocolError, Refused, Unavailable
from raftline.machine.outcomes import Outcome, Rejected, Stale
from raftline.xmpp.effects import Effect, Propose, Steps, Submit
from raftline.xmpp.element import Element
from raftline.xmpp.outbound import Outbound
from raftline.xmpp.payloads import ROUTED
from raftline.xmpp.stanza import without_payload

PENDING_COUNT_MAX: Final = 128
"""Commands of one stream that may be under way; beyond, the next stanza waits, and reading stops."""

WAITING: Final = object()
"""What `HandlerRunner.advance` returns while the handler has not ended."""


class HandlerRunner:
    """
    Steps handlers, and replies where they end.

    Attributes:
        number: Stanzas since the bind, the one at work included. Commands go under it.
        stanza: The one at work, which the end of its handler replies to; whoever starts a handler sets it.
        effect: What the handler waits for.
        is_running: The effect was taken and has no answer yet.
    """

    __slots__ = ("_has_proposed", "_outbound", "_pending", "_steps", "effect", "is_running", "number", "stanza")

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._steps: Steps | None = None
        self._has_proposed = False
        self._pending: deque[tuple[int, Element]] = deque()
        self.number = 0
        self.stanza: Element | None = None
        self.effect: Effect | None = None
        self.is_running = False

    # What is under way.

    @property
    def has_pending(self) -> bool:
        """Whether a submission has no outcome yet."""
        return bool(self._pending)

    @property
    def is_full(self) -> bool:
        """Whether as much is under way as may be."""
        return len(self._pending) >= PENDING_COUNT_MAX

    @property
    def handled_count(self) -> int:
        """Stanzas since the bind that are done with, without a gap: their commands, if any, had their outcome."""
        if self._pending:
            return self._pending[0][0] - 1
        return self.number - 1 if self.stanza is not None else self.number

    @property
    def command_number(self) -> int:
        """The IQ request that is answered by what its command comes to, while that is proposed; else 0."""
        is_command = type(self.effect) is Propose and self.stanza is not None and self.stanza.get("type") == "set"
        return self.number if is_command else 0

    def count_stanza(self) -> None:
        """Give the next stanza its number."""
        self.number += 1
        self._has_proposed = False

    def settle(self, number: int, outcome: Outcome) -> bool:
        """Take the outcome of the oldest submission; return False if the session is over."""
        expected, stanza = self._pending.popleft()
        assert number == expected, (number, expected)
        if isinstance(outcome, Stale):
            return False
        if isinstance(outcome, Rejected):
            self._outbound.refuse(stanza, outcome.condition, outcome.kind, outcome.text, detail=outcome.detail)
        self._outbound.management.count_replicated(number)
        return True

    # The handler.

    def begin(self, steps: Steps) -> None:
        """Put a handler to work; `advance` runs it."""
        self._steps = steps

    def advance(self, answer: object, error: Exception | None = None) -> Any:
        """
        Run the handler up to its next effect, or to its end and reply; `error` is thrown into it.

        Returns: `WAITING`, or what the handler returned; None if it failed.

        Raises:
            OutcomeUnknown: It may yet take effect, so there is no reply: to call it failed would be a lie. The stanza
                stays at work.
        """
        steps = self._steps
        assert steps is not None
        try:
            self.effect = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration as stop:
            return self._reply(stop.value)
        except Refused as refused:
            self._refuse(refused.condition, refused.kind, refused.text, refused.detail)
            return None
        except Unavailable:
            self._refuse("resource-constraint", "wait", "The servers cannot agree right now.")
            return None
        return WAITING

    def _reply(self, result: Any) -> Any:
        self._steps = None
        stanza, self.stanza = self.stanza, None
        if stanza is not None and stanza.name == "iq" and result is not ROUTED and is_request(stanza):
            self._outbound.reply(stanza, result, number=self.number)
        return result

    def _refuse(self, condition: str, kind: str, text: str, detail: str = "") -> None:
        self._steps = None
        stanza, self.stanza = self.stanza, None
        if stanza is not None:
            self._outbound.refuse(stanza, condition, kind, text, detail=detail, number=self.number)

    def drop(self) -> None:
        """Forget the handler; its stanza is not handled. Submissions stay under way."""
        self.effect = None
        self.is_running = False
        if self.stanza is not None:
            self.number -= 1
        self.stanza = None
        self._steps = None

    # Its effect.

    def take(self, effect: Effect) -> None:
        """Take note that the effect is being carried out."""
        kind = type(effect)
        if kind is Submit or kind is Propose:
            if self._has_proposed:
                raise LocalProtocolError("a stanza causes at most one command")
            self._has_proposed = True
            if kind is Submit:
                stanza = self.stanza
                assert stanza is not None
                self._pending.append((self.number, without_payload(stanza)))
        self.is_running = True

    def give_back(self, *, has_failed: bool = False) -> Effect | None:
        """Forget the effect that was taken, which has its answer; None when its handler was dropped meanwhile."""
        if not self.is_running:
            return None
        effect, self.effect = self.effect, None
        self.is_running = False
        if has_failed and type(effect) is Submit:
            self._pending.pop()
        return effect


def is_request(iq: Element) -> bool:
    """Whether an IQ is to be answered."""
    return iq.get("type") in {"get", "set"}
