"""XEP-0124 over a network that loses requests and responses: both directions stay whole and in order."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from raftline.xmpp.bosh_body import Body
from xmpp_core.bosh_requests import Client, body

LOSS_COUNT_MAX = 5
"""Losses of one request; the server bears ten repeats."""

MOVES = st.lists(st.tuples(st.sampled_from(["send", "repeat", "write", "cut"]), st.booleans()), min_size=1, max_size=60)


class Unlucky(Client):
    """
    A client that keeps the rules, and repeats what it lost.

    Attributes:
        heard: Numbers of the stanzas it got, in order.
    """

    def __init__(self, hold: int) -> None:
        super().__init__(hold=hold)
        self.request_count = int(self.greeting["requests"])
        self.heard: list[int] = []
        self.sent_count = self.written_count = 0
        self._requests: dict[int, Body] = {}  # without a response yet, by id
        self._tickets: dict[int, int] = {}  # whose connection is up, by id
        self._losses: dict[int, int] = {}
        self._responses: dict[int, bytes] = {}  # that came before those of lower ids

    def say(self, *, is_lost: bool) -> None:
        """
        Make a new request, if one may be made.

        That is within reach of the oldest without a response, too: the server keeps the responses of as many requests
        as may be open (section 14.3), so who goes on without repeating what was lost finds it forgotten.
        """
        reach = self.rid - min(self._requests, default=self.rid)
        if len(self._requests) < self.request_count and reach < self.request_count:
            self.rid += 1
            self.sent_count += 1
            self._requests[self.rid] = body(f"<n xmlns='{self.sent_count}'/>".encode(), rid=self.rid, sid="s")
            self._dial(self.rid, is_lost=is_lost)

    def repeat(self, *, is_lost: bool) -> None:
        """Repeat the oldest request whose connection broke."""
        lost = [rid for rid in sorted(self._requests) if rid not in self._tickets]
        if lost:
            self._dial(lost[0], is_lost=is_lost)

    def _dial(self, rid: int, *, is_lost: bool) -> None:
        if not self._may_lose(rid, is_lost=is_lost):
            self._tickets[rid] = self.post(self._requests[rid])

    def _may_lose(self, rid: int, *, is_lost: bool) -> bool:
        self._losses[rid] = self._losses.get(rid, 0) + is_lost
        return is_lost and self._losses[rid] <= LOSS_COUNT_MAX

    def cut(self, *, is_noticed: bool) -> None:
        """Break the oldest connection, whether the server notices or not."""
        for rid, ticket in sorted(self._tickets.items())[:1]:
            if self._may_lose(rid, is_lost=True):
                del self._tickets[rid]
                if is_noticed:
                    self.session.leave(ticket, self.now_ns)

    def hear(self, *, is_lost: bool) -> None:
        """Take responses, or lose them on the way."""
        for rid, ticket in sorted(self._tickets.items()):
            reply = self.got.get(ticket)
            if reply is None:
                continue
            del self._tickets[rid]
            if not self._may_lose(rid, is_lost=is_lost):
                self._responses[rid] = reply.body
                del self._requests[rid]
        while (rid := self.rid_heard + 1) in self._responses:
            self.rid_heard = rid
            self.heard += [int(child.tag[1:].partition("}")[0]) for child in ET.fromstring(self._responses.pop(rid))]

    rid_heard = Client(hold=1).rid

    def tell(self) -> None:
        """Have the server write."""
        self.written_count += 1
        self.write(f"<m xmlns='{self.written_count}'/>".encode())

    @property
    def said(self) -> list[int]:
        """What the server took, in order."""
        return [int(raw.split(b"'")[1]) for raw in self.taken]


@settings(max_examples=300)
@given(hold=st.integers(0, 3), moves=MOVES)
def test_nothing_is_lost_or_doubled(hold: int, moves: list[tuple[str, bool]]) -> None:
    """Whatever breaks, once the network is well again both sides have all, in order."""
    client = Unlucky(hold)
    for move, is_unlucky in moves:
        match move:
            case "send":
                client.say(is_lost=is_unlucky)
            case "repeat":
                client.repeat(is_lost=is_unlucky)
            case "write":
                client.tell()
            case "cut":
                client.cut(is_noticed=is_unlucky)
        client.hear(is_lost=is_unlucky)
        assert client.said == list(range(1, len(client.said) + 1))
        assert client.heard == list(range(1, len(client.heard) + 1))
    for _ in range(8):
        for _ in range(client.request_count):
            client.repeat(is_lost=False)
        client.hear(is_lost=False)
        client.say(is_lost=False)
        client.hear(is_lost=False)
    assert not client.session.is_over
    assert client.said == list(range(1, client.sent_count + 1))
    assert client.heard == list(range(1, client.written_count + 1))
