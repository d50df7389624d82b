"""Components over TCP, on real sockets (XEP-0114)."""

from __future__ import annotations

import time

import pytest
import pytest_asyncio

from gateway.conftest import Service, Start
from gateway.raw_client import RawClient, until
from raftline.base.ids import CURSOR_START, NodeId, Position
from raftline.machine.components.commands import SendFromComponent
from raftline.machine.outcomes import MessageArrived
from raftline.xmpp.components.stream import PING_TIMEOUT_NS
from xmpp_core.components import LABEL, SECRET, header, proof

HOST = f"{LABEL}.localhost"
PUPPET = f"bob@{HOST}"
NODE = NodeId(1)


class Clock:
    """Real time, and what a test adds to it."""

    def __init__(self) -> None:
        self.added_ns = 0

    def __call__(self) -> int:
        return time.monotonic_ns() + self.added_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def service(start: Start, clock: Clock) -> Service:
    """A gateway that takes a component."""
    service = await start(component_secrets={LABEL: SECRET}, clock=clock)
    service.port = await service.gateway.listen_for_components("127.0.0.1", 0)
    return service


async def connect(service: Service, secret: str = SECRET) -> RawClient:
    """Open a stream and show a secret."""
    client = await service.connect()
    opened = await client.exchange(header(HOST), b"'>")
    client.send(f"<handshake>{proof(opened, secret)}</handshake>".encode())
    return client


async def connected(service: Service) -> RawClient:
    """A component that was taken."""
    client = await connect(service)
    await client.read_until(b"<handshake/>")
    return client


async def test_a_message_is_submitted(service: Service) -> None:
    """What a component sends becomes a command of its session."""
    client = await connected(service)
    client.send(f"<message from='{PUPPET}' to='alice@localhost' type='chat'><body>hi</body></message>".encode())
    (session,) = service.node.sessions.values()
    await until(lambda: session.submitted)
    [(number, action)] = session.submitted
    assert number == 1
    assert isinstance(action, SendFromComponent)
    assert (action.sender, action.to_localpart) == (PUPPET, "alice")


async def test_a_delivery_is_acknowledged_by_the_answer_to_a_ping(service: Service) -> None:
    """The session's mark moves when the component has answered, and not before."""
    client = await connected(service)
    (session,) = service.node.sessions.values()
    stanza = f"<message from='alice@localhost/r' to='{PUPPET}'><body>hi</body></message>".encode()
    service.node.deliver(session, MessageArrived(NODE, session.session_id, Position(7), stanza, "", None))
    sent = await client.read_until(b"<ping xmlns='urn:xmpp:ping'/></iq>")
    assert b"<body>hi</body>" in sent
    assert session.progress_reports == []
    iq_id = sent.partition(b"<iq ")[2].partition(b" id='")[2].partition(b"'")[0].decode()
    client.send(f"<iq from='{HOST}' to='localhost' type='result' id='{iq_id}'/>".encode())
    await until(lambda: session.progress_reports)
    [(_, cursor)] = session.progress_reports
    assert cursor > CURSOR_START
    assert cursor.position == 7


async def test_bad_credentials_end_the_connection(service: Service) -> None:
    """Not the stream alone."""
    client = await connect(service, "guess")
    assert b"<not-authorized " in await client.read_to_end()
    assert service.node.sessions == {}


async def test_a_second_connection_is_refused(service: Service) -> None:
    """`conflict`; the first one stays."""
    first = await connected(service)
    second = await connect(service)
    assert b"<conflict " in await second.read_to_end()
    assert len(service.node.sessions) == 1
    first.send(b"</stream:stream>")
    assert (await first.read_to_end()).endswith(b"</stream:stream>")
    await until(lambda: not service.node.sessions)


async def test_a_lost_connection_ends_the_session(service: Service) -> None:
    """So that another can be had at once."""
    client = await connected(service)
    client.close()
    await until(lambda: not service.node.sessions)


async def test_without_a_quorum(service: Service) -> None:
    """`resource-constraint`: to be tried again."""
    service.node.is_available = False
    client = await connect(service)
    assert b"<resource-constraint " in await client.read_to_end()


async def test_who_is_drained_takes_none(service: Service) -> None:
    """`system-shutdown`, for those that are there as well."""
    client = await connected(service)
    service.gateway.drain(is_drained=True)
    assert b"<system-shutdown " in await client.read_to_end()
    other = await service.connect()
    assert b"<system-shutdown " in await other.read_to_end()


async def test_a_handshake_does_not_wait_for_ever(service: Service, clock: Clock) -> None:
    """Like any stream that is not authenticated."""
    client = await service.connect()
    await client.exchange(header(HOST), b"'>")
    clock.added_ns = service.gateway.settings.authentication_timeout_ms * 1_000_000
    assert b"<connection-timeout " in await client.read_to_end()


async def test_who_answers_no_more_is_let_go(service: Service, clock: Clock) -> None:
    """`connection-timeout` for one that has answered a ping before."""
    client = await connected(service)
    (session,) = service.node.sessions.values()
    stream = next(iter(service.gateway.sessions())).stream
    for position in (7, 8):
        event = MessageArrived(NODE, session.session_id, Position(position), b"<message/>", "", None)
        service.node.deliver(session, event)
        sent = await client.read_until(b"<ping xmlns='urn:xmpp:ping'/></iq>")
        if position == 7:
            iq_id = sent.partition(b"<iq ")[2].partition(b" id='")[2].partition(b"'")[0].decode()
            client.send(f"<iq from='{HOST}' to='localhost' type='result' id='{iq_id}'/>".encode())
            await until(lambda: session.progress_reports)
    await until(lambda: stream._ping_since_ns is not None)
    clock.added_ns = PING_TIMEOUT_NS
    assert b"<connection-timeout " in await client.read_to_end()
