"""The hand-written clients of the replicated logs: answers cut anywhere, refusals, what HTTP/2 asks of a client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.generator.meter import Meter
from bench.log_alone.connections import FRAME, EtcdConnection, LogConnection, NatsConnection, RaftlineConnection
from bench.task import Timed

PAYLOAD = b"p" * 256


class FakeTransport:
    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


def connected(kind: type[LogConnection], slot_count: int) -> tuple[LogConnection, FakeTransport]:
    connection, transport = kind(slot_count, PAYLOAD, Meter(Timed(server_pids=()))), FakeTransport()
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.start()
    return connection, transport


def http2_frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload


def etcd_answer(stream_id: int) -> bytes:
    """Headers, a response, trailers."""
    return (
        http2_frame(1, 0x4, stream_id, b"\x88")
        + http2_frame(0, 0, stream_id, b"\x00\x00\x00\x00\x02\x0a\x00")
        + http2_frame(1, 0x5, stream_id, b"\xbf")
    )


ANSWERS: dict[type[LogConnection], tuple[bytes, list[bytes]]] = {
    RaftlineConnection: (b"\x01", [FRAME.pack(slot) for slot in range(3)]),
    NatsConnection: (
        b'INFO {"server_id":"x"}\r\nPING\r\n',
        [b'MSG _INBOX.a.%d 1 26\r\n{"stream":"LOG","seq":%d23}\r\n' % (slot, slot) for slot in range(3)],
    ),
    EtcdConnection: (http2_frame(4, 0, 0), [etcd_answer(1 + 2 * slot) for slot in range(3)]),
}


@given(st.sampled_from(list(ANSWERS)), st.permutations(range(3)), st.data())
def test_answers_are_found_however_they_are_cut(
    kind: type[LogConnection], order: list[int], data: st.DataObject
) -> None:
    """Each answer frees its slot once, in any order and any chunking, and no further append is sent at the end."""
    connection, _ = connected(kind, 3)
    connection.is_sending = False
    assert connection.outstanding == 3
    greeting, answers = ANSWERS[kind]
    arriving = greeting + b"".join(answers[slot] for slot in order)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arriving)), max_size=6)))
    for start, end in zip([0, *cuts], [*cuts, len(arriving)], strict=True):
        connection.data_received(arriving[start:end])
    assert not connection.failure
    assert connection.outstanding == 0


@pytest.mark.parametrize("kind", list(ANSWERS))
def test_an_answer_lets_the_next_append_go(kind: type[LogConnection]) -> None:
    """A slot has one append under way all the time."""
    connection, transport = connected(kind, 3)
    before = transport.written.count(PAYLOAD)
    greeting, answers = ANSWERS[kind]
    connection.data_received(greeting + answers[0] + answers[1])
    assert (before, transport.written.count(PAYLOAD)) == (3, 5)
    assert connection.outstanding == 3


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        (NatsConnection, b'MSG _INBOX.a.0 1 24\r\n{"error":{"code":503}...}\r\n'),
        (NatsConnection, b"-ERR 'Authorization Violation'\r\n"),
        (EtcdConnection, http2_frame(1, 0x5, 1, b"\x88")),
        (EtcdConnection, http2_frame(7, 0, 0, bytes(8))),
        (EtcdConnection, http2_frame(3, 0, 1, bytes(4))),
    ],
)
def test_a_refusal_is_a_failure(kind: type[LogConnection], refusal: bytes) -> None:
    """What a log refuses is never counted as durable."""
    connection, _ = connected(kind, 1)
    connection.data_received(refusal)
    assert connection.failure
    assert connection.outstanding == 1


def test_pings_are_answered() -> None:
    """A server that hears no answer drops the connection."""
    nats, nats_transport = connected(NatsConnection, 1)
    nats.data_received(b"PING\r\n")
    assert nats_transport.written.endswith(b"PONG\r\n")
    etcd, etcd_transport = connected(EtcdConnection, 1)
    etcd.data_received(http2_frame(6, 0, 0, b"12345678") + http2_frame(6, 1, 0, b"87654321"))
    assert etcd_transport.written.endswith(http2_frame(6, 1, 0, b"12345678"))


def test_a_lost_connection_is_a_failure() -> None:
    """Unless everything was answered and nothing more is to be sent."""
    connection, _ = connected(RaftlineConnection, 1)
    connection.connection_lost(None)
    assert connection.failure
    done, _ = connected(RaftlineConnection, 1)
    done.is_sending = False
    done.data_received(b"\x01" + FRAME.pack(0))
    done.connection_lost(None)
    assert not done.failure
