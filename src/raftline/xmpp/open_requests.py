"""
IQ requests of a resumable session whose answers its client may not have.

Whoever counts a stanza (XEP-0198) takes it from the client, which never sends it again; so with the count goes what
is open, once (see raftline.machine.kept_requests). A request is told with the first command or mark that covers it,
unless its answer was acknowledged before. A request that went to another client is answered by that one.
"""

from __future__ import annotations

from raftline.base.limits import OPEN_REQUEST_COUNT_MAX, OPEN_REQUEST_SIZE_MAX
from raftline.machine.commands import OpenRequest
from raftline.xmpp.element import Element
from raftline.xmpp.stanza import Stanza, parse_stanza


class OpenRequests:
    """The open requests of one stream; at most `OPEN_REQUEST_COUNT_MAX`, beyond it the oldest is forgotten."""

    __slots__ = ("_forgotten", "_routed", "_told", "_untold")

    def __init__(self) -> None:
        self._untold: dict[int, OpenRequest] = {}
        self._told: dict[int, None] = {}
        self._routed: dict[tuple[str, str], int] = {}
        self._forgotten: list[int] = []

    def asked(self, number: int, iq: Element) -> None:
        """Take note of a request."""
        request_id, to = iq.attributes.get("id", ""), iq.attributes.get("to", "")
        if len(request_id.encode()) + len(to.encode()) > OPEN_REQUEST_SIZE_MAX:
            return
        self._untold[number] = OpenRequest(number, request_id, to)
        if len(self._untold) + len(self._told) > OPEN_REQUEST_COUNT_MAX:
            oldest = next(iter(self._told or self._untold))
            if self.answered(oldest):
                self._forgotten.append(oldest)

    def routed(self, number: int, stanza: Stanza) -> None:
        """Take note that a request went to another client."""
        if number in self._untold or number in self._told:
            self._routed[stanza.id, str(stanza.to)] = number
            if len(self._routed) > OPEN_REQUEST_COUNT_MAX:
                del self._routed[next(iter(self._routed))]

    def number_of(self, answer: bytes) -> int | None:
        """Return the number of the routed request that a stanza from another client answers; None for any other."""
        if not self._routed or not answer.startswith(b"<iq"):
            return None
        stanza = parse_stanza(answer)
        if stanza.type not in {"result", "error"}:
            return None
        return self._routed.pop((stanza.id, stanza.element.attributes.get("from", "")), None)

    def restored(self, number: int) -> None:
        """Take note of a request that an earlier stream of the session told of."""
        self._told[number] = None

    def to_tell(self, upto: int, *, command: int = 0) -> tuple[OpenRequest, ...]:
        """
        Return those that nobody told of, up to a number, and leave them untold.

        Args:
            command: The request of this number is answered by what its command comes to.
        """
        if not self._untold:
            return ()
        return tuple(
            OpenRequest(number, request.request_id, request.to, is_command=True) if number == command else request
            for number, request in self._untold.items()
            if number <= upto
        )

    def told(self, requests: tuple[OpenRequest, ...]) -> None:
        """Take note that somebody told of these."""
        for request in requests:
            if self._untold.pop(request.number, None) is not None:
                self._told[request.number] = None

    def answered(self, number: int) -> bool:
        """Take note that the client has an answer; return whether the request had been told of."""
        if self._untold.pop(number, None) is not None:
            return False
        if number in self._told:
            del self._told[number]
            return True
        return False

    def take_answered(self, numbers: list[int]) -> tuple[int, ...]:
        """Return which of these, and of those forgotten, are to be told as answered; clears the list."""
        told = [number for number in numbers if self.answered(number)]
        numbers.clear()
        if self._forgotten:
            told += self._forgotten
            self._forgotten.clear()
        return tuple(told)
