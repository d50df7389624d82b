"""
Clients of the three logs, on equal terms: one loop, one read and one write per batch, requests written beforehand.

A connection has some *slots*; each has one append under way and begins the next when the answer came. What counts as an
answer is the system's word that the entry is durable on a majority: a frame of ours, JetStream's publish
acknowledgement, the end of a gRPC call that returned a response.
"""

from __future__ import annotations

import asyncio
import struct
import time
from abc import ABC, abstractmethod
from typing import cast

from bench.generator.meter import Meter


class LogError(Exception):
    """The log refused an append or broke its protocol."""


class LogConnection(asyncio.Protocol, ABC):
    """
    One connection with its slots; what differs between systems is in the subclasses.

    Attributes:
        failure: Why the connection is of no use any more; empty while it is.
        is_sending: An answer lets the next append go.
        outstanding: Appends without answer.
    """

    greeting = b""

    def __init__(self, slot_count: int, payload: bytes, meter: Meter) -> None:
        self._payload = payload
        self._meter = meter
        self._sent_ns = [0] * slot_count
        self._buffer = b""
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self.failure = ""
        self.is_sending = True
        self.outstanding = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)
        self._out.append(self.greeting)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self.is_sending or self.outstanding:
            self.failure = self.failure or f"connection lost: {exc}"

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._buffer:
            data = self._buffer + data
        try:
            self._buffer = data[self.parse(data) :]
        except LogError as error:
            self.failure = str(error)
            return
        self._flush()

    def start(self) -> None:
        """Begin an append in every slot."""
        for slot in range(len(self._sent_ns)):
            self._append(slot)
        self._flush()

    def close(self) -> None:
        """Close the connection."""
        assert self._transport is not None
        self._transport.close()

    def _append(self, slot: int) -> None:
        self._sent_ns[slot] = time.perf_counter_ns()
        self.outstanding += 1
        self._out.append(self.request(slot))

    def _flush(self) -> None:
        if self._out:
            assert self._transport is not None
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def answered(self, slot: int) -> None:
        """Note that a slot's append is durable."""
        self.outstanding -= 1
        if self._meter.is_on:
            self._meter.note(time.perf_counter_ns() - self._sent_ns[slot])
        if self.is_sending:
            self._append(slot)

    @abstractmethod
    def request(self, slot: int) -> bytes:
        """Return the bytes of a slot's next append."""

    @abstractmethod
    def parse(self, data: bytes) -> int:
        """
        Read all whole answers, call `answered` for each; return how many bytes were read.

        Raises:
            LogError: The log refused.
        """


FRAME = struct.Struct("<I")
"""Frames of Raftline's bare log: a slot, followed by the payload in requests and by nothing in answers."""


class RaftlineConnection(LogConnection):
    """To a node of `bench.log_alone.node`."""

    def __init__(self, slot_count: int, payload: bytes, meter: Meter) -> None:
        super().__init__(slot_count, payload, meter)
        self._requests = [FRAME.pack(slot) + payload for slot in range(slot_count)]
        self._has_greeting = False

    def request(self, slot: int) -> bytes:
        """See `LogConnection`."""
        return self._requests[slot]

    def parse(self, data: bytes) -> int:
        """See `LogConnection`. The first byte that a node sends says who leads."""
        place = 0
        if not self._has_greeting:
            self._has_greeting = True
            place = 1
        while place + FRAME.size <= len(data):
            self.answered(FRAME.unpack_from(data, place)[0])
            place += FRAME.size
        return place


class NatsConnection(LogConnection):
    """To a server of NATS: publishes with a reply subject on which JetStream acknowledges."""

    SUBJECT = b"log"

    def __init__(self, slot_count: int, payload: bytes, meter: Meter) -> None:
        super().__init__(slot_count, payload, meter)
        inbox = b"_INBOX.%x" % id(self)
        self.greeting = b'CONNECT {"verbose":false,"pedantic":false,"headers":false}\r\nSUB %s.* 1\r\n' % inbox
        self._requests = [
            b"PUB %s %s.%d %d\r\n%s\r\n" % (self.SUBJECT, inbox, slot, len(payload), payload)
            for slot in range(slot_count)
        ]

    def request(self, slot: int) -> bytes:
        """See `LogConnection`."""
        return self._requests[slot]

    def parse(self, data: bytes) -> int:
        """See `LogConnection`."""
        place = 0
        while (line_end := data.find(b"\r\n", place)) >= 0:
            if not data.startswith(b"MSG ", place):
                self._control(data[place:line_end])
                place = line_end + 2
                continue
            _, subject, *_, size = data[place:line_end].split(b" ")
            end = line_end + 2 + int(size)
            if end + 2 > len(data):
                break
            body = data[line_end + 2 : end]
            if b'"error"' in body or b'"seq"' not in body:
                raise LogError(f"JetStream refused: {body!r}")
            self.answered(int(subject[subject.rindex(b".") + 1 :]))
            place = end + 2
        return place

    def _control(self, line: bytes) -> None:
        if line == b"PING":
            self._out.append(b"PONG\r\n")
        elif line.startswith(b"-ERR"):
            raise LogError(f"NATS refused: {line!r}")


_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 0x1, 0x1, 0x4
_FRAME_HEADER_SIZE = 9
_WINDOW_MAX = (1 << 31) - 1


def _frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """Return an HTTP/2 frame (RFC 9113 section 4.1)."""
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big")
    return head + payload


def _varint(number: int) -> bytes:
    """Return a number as protocol buffers write it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class EtcdConnection(LogConnection):
    """
    To a member of etcd: unary gRPC calls of `Put`, written by hand.

    The header block names no entry of the dynamic table, so it is the same for each call. Of an answer nothing needs to
    be decoded: a call that fails has no message (gRPC over HTTP/2, "Trailers-Only").
    """

    def __init__(self, slot_count: int, payload: bytes, meter: Meter) -> None:
        super().__init__(slot_count, payload, meter)
        window = (_WINDOW_MAX - 65_535).to_bytes(4, "big")
        settings = (4).to_bytes(2, "big") + _WINDOW_MAX.to_bytes(4, "big")  # INITIAL_WINDOW_SIZE
        self.greeting = b"".join(
            (
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                _frame(_SETTINGS, 0, 0, settings),
                _frame(_WINDOW_UPDATE, 0, 0, window),
            )
        )
        # RFC 7541: indexed fields 3 (POST) and 6 (http), then literals without indexing.
        path, authority, grpc = b"/etcdserverpb.KV/Put", b"localhost", b"application/grpc"
        self._header_block = b"".join(
            (
                b"\x83\x86",
                b"\x04%c%s" % (len(path), path),
                b"\x01%c%s" % (len(authority), authority),
                b"\x0f\x10%c%s" % (len(grpc), grpc),
                b"\x00\x02te\x08trailers",
            )
        )
        self._messages = [self._put(b"slot-%x-%d" % (id(self), slot), payload) for slot in range(slot_count)]
        self._next_stream_id = 1
        self._slots: dict[int, int] = {}
        self._responded: set[int] = set()

    @staticmethod
    def _put(key: bytes, value: bytes) -> bytes:
        request = b"\x0a" + _varint(len(key)) + key + b"\x12" + _varint(len(value)) + value
        return b"\x00" + len(request).to_bytes(4, "big") + request

    def request(self, slot: int) -> bytes:
        """See `LogConnection`."""
        stream_id = self._next_stream_id
        self._next_stream_id = stream_id + 2
        self._slots[stream_id] = slot
        return _frame(_HEADERS, _END_HEADERS, stream_id, self._header_block) + _frame(
            _DATA, _END_STREAM, stream_id, self._messages[slot]
        )

    def parse(self, data: bytes) -> int:
        """See `LogConnection`."""
        place = 0
        while place + _FRAME_HEADER_SIZE <= len(data):
            end = place + _FRAME_HEADER_SIZE + int.from_bytes(data[place : place + 3], "big")
            if end > len(data):
                break
            kind, flags = data[place + 3], data[place + 4]
            stream_id = int.from_bytes(data[place + 5 : place + 9], "big")
            if kind == _DATA:
                self._responded.add(stream_id)
            elif kind == _HEADERS:
                if flags & _END_STREAM:
                    self._call_ended(stream_id)
            else:
                self._control(kind, flags, data[place + _FRAME_HEADER_SIZE : end])
            place = end
        return place

    def _call_ended(self, stream_id: int) -> None:
        if stream_id not in self._responded:
            raise LogError("etcd refused a put")
        self._responded.discard(stream_id)
        self.answered(self._slots.pop(stream_id))

    def _control(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == _PING and not flags & _ACK:
            self._out.append(_frame(_PING, _ACK, 0, payload))
        elif kind == _SETTINGS and not flags & _ACK:
            self._out.append(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind in {_RST_STREAM, _GOAWAY}:
            raise LogError(f"etcd ended a call or the connection: {payload!r}")
