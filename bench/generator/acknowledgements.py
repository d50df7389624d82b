"""
Stream management: how long until the server answers for a message (XEP-0198).

Each sender writes a message and `<r/>` and waits for an `<a/>` whose `h` covers the message before it writes the next.
What an acknowledgement means is the server's own affair and is said beside its figures. Receivers answer the server's
requests with a true count, as clients do.
"""

from __future__ import annotations

import re
import time
from functools import partial

from bench.generator.accounts import LOGIN_CONCURRENCY, in_parallel
from bench.generator.chat import Conversation, Pair, message_numbers
from bench.generator.meter import Meter
from bench.generator.stream import Stream
from bench.task import Measured, Task

REQUEST = b"<r xmlns='urn:xmpp:sm:3'/>"
_STANZA_OR_REQUEST = re.compile(rb"<(?:message|presence|iq)[ />]|<r[ />]")
_ACKNOWLEDGED = re.compile(rb"<a [^>]*\bh=['\"](\d+)['\"]")


class StanzaCounter:
    """Counts a stream's inbound stanzas and answers requests for the count at their place."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._count = 0

    def take(self, block: bytes) -> None:
        """Look through what came in."""
        asked = -1
        for found in _STANZA_OR_REQUEST.finditer(block):
            if block.startswith(b"<r", found.start()):
                asked = self._count
            else:
                self._count += 1
        if asked >= 0:
            self._answer(asked)

    def answer(self) -> None:
        """Acknowledge all so far, unasked."""
        self._answer(self._count)

    def _answer(self, count: int) -> None:
        self._stream.write(b"<a xmlns='urn:xmpp:sm:3' h='%d'/>" % count)


class AcknowledgedSender:
    """
    A sender of a pair: one message under way until it is acknowledged.

    Attributes:
        is_sending: Another message follows the one acknowledged.
    """

    def __init__(self, pair: Pair, meter: Meter) -> None:
        self._pair = pair
        self._meter = meter
        self._counter = StanzaCounter(pair.sender)
        self._sent_ns = 0
        self._sent_count = 0
        self.is_waiting = False
        self.is_sending = True

    def send(self) -> None:
        """Write a message and ask for acknowledgement, in one write."""
        self._sent_ns = time.perf_counter_ns()
        number = self._pair.ledger.start(self._sent_ns)
        self._sent_count += 1
        self.is_waiting = True
        self._pair.sender.write(self._pair.text.stanza(number) + REQUEST)

    def take(self, block: bytes) -> None:
        """Look for the acknowledgement."""
        self._counter.take(block)
        for found in _ACKNOWLEDGED.finditer(block):
            if self.is_waiting and int(found[1]) >= self._sent_count:
                self.is_waiting = False
                if self._meter.is_on:
                    self._meter.note(time.perf_counter_ns() - self._sent_ns)
                if self.is_sending:
                    self.send()


async def acknowledgements(task: Task) -> Measured:
    """Measure acknowledgement latency; arrivals are checked, not measured."""
    meter = Meter(task)
    conversation = Conversation(task, meter)
    await conversation.connect()
    streams = [stream for pair in conversation.pairs for stream in (pair.sender, pair.receiver)]
    await in_parallel(len(streams), LOGIN_CONCURRENCY, lambda place: streams[place].enable_management())
    senders = []
    counters = []
    for pair in conversation.pairs:
        sender = AcknowledgedSender(pair, meter)
        counter = StanzaCounter(pair.receiver)
        senders.append(sender)
        pair.sender.take_traffic(sender.take)
        pair.receiver.take_traffic(partial(_receive, pair, counter))
        counters.append(counter)
    for sender in senders:
        sender.send()
    await meter.measure()
    for sender in senders:
        sender.is_sending = False
    undelivered = await conversation.drain()
    if not conversation.failures:
        # What is not acknowledged when its stream ends becomes an offline message.
        for counter in counters:
            counter.answer()
    return conversation.result(undelivered)


def _receive(pair: Pair, counter: StanzaCounter, block: bytes) -> None:
    counter.take(block)
    for number in message_numbers(block):
        pair.ledger.arrive(number)
