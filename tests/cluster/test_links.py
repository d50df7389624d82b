"""Peer links over real TLS on loopback: who is let in, who is not, and what happens when they break."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace as replace_struct

from cluster.certificates import Authority, Identity
from cluster.clusters import free_ports, until
from raftline.base.errors import RemoteProtocolError
from raftline.base.ids import LogIndex, NodeId, SessionId, Term
from raftline.cluster.config import ClusterConfig, ClusterLimits, Peer
from raftline.cluster.connections import InboundConnection
from raftline.cluster.frames import (
    PROTOCOL_VERSION,
    PROTOCOL_VERSION_MIN,
    Farewell,
    Frame,
    FrameReader,
    Hello,
    JoinReply,
    JoinRequest,
    OffLogStanza,
    Proposals,
    TransferFrame,
    encode_frame,
)
from raftline.cluster.links import PeerLinks
from raftline.cluster.peer_book import PeerBook, founding_membership

ONE, TWO = NodeId(1), NodeId(2)


class Recorder:
    """Keeps what links report."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, int]] = []
        self.frames: list[tuple[int, Frame]] = []
        self.incarnations: dict[int, int] = {}
        self.farewells: list[tuple[int, Farewell]] = []
        self.joins: list[tuple[int, str, JoinRequest]] = []

    def link_up(self, node_id: NodeId) -> None:
        self.reports.append(("up", node_id))

    def link_down(self, node_id: NodeId) -> None:
        self.reports.append(("down", node_id))

    def peer_arrived(self, node_id: NodeId, hello: Hello) -> None:
        self.incarnations[node_id] = hello.incarnation
        self.reports.append(("arrived", node_id))

    def peer_welcomed(self, node_id: NodeId, hello: Hello) -> None:
        self.reports.append(("welcomed", node_id))

    def peer_gone(self, node_id: NodeId) -> None:
        self.reports.append(("gone", node_id))

    def check_data(self, node_id: NodeId, data_id: bytes) -> None:
        if data_id == b"another":
            raise RemoteProtocolError(f"node {node_id} has lost its data")

    def farewell_heard(self, node_id: NodeId, farewell: Farewell) -> None:
        self.farewells.append((node_id, farewell))

    def join_requested(
        self, connection: InboundConnection, node_id: NodeId, fingerprint: str, request: JoinRequest
    ) -> None:
        self.joins.append((node_id, fingerprint, request))
        connection.send(JoinReply("not now", is_final=False, members=()))
        connection.finish()

    def transfer_requested(self, connection: InboundConnection, request: TransferFrame) -> None:
        raise AssertionError(request)

    def receive_frame(self, node_id: NodeId, frame: Frame) -> None:
        self.frames.append((node_id, frame))

    def count(self, report: str, node_id: int) -> int:
        return self.reports.count((report, node_id))


class End:
    """One node's links, with what they report."""

    def __init__(self, config: ClusterConfig, identity: Identity, incarnation: int = 1) -> None:
        self.config = config
        self.identity = identity
        self.recorder = Recorder()
        self.failures: list[BaseException] = []
        self.incarnation = incarnation
        self.links = PeerLinks(
            config,
            identity.contexts(),
            self.recorder,
            PeerBook(config.node_id, config.peers),
            make_hello=lambda: Hello(PROTOCOL_VERSION, config.cluster_id, config.node_id, self.incarnation),
            random=random.Random(config.node_id),
            monotonic_ns=time.monotonic_ns,
            on_failure=self.failures.append,
        )


class Pair:
    """Certificates and settings of two nodes, and whatever links a test starts with them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        self.identities = {node_id: self.authority.issue(str(node_id)) for node_id in (ONE, TWO)}
        ports = dict(zip((ONE, TWO), free_ports(2), strict=True))
        self.peers = {
            node_id: Peer("127.0.0.1", ports[node_id], self.identities[node_id].fingerprint) for node_id in (ONE, TWO)
        }
        self.ends: list[End] = []
        self.raws: list[Raw] = []

    def config(self, node_id: NodeId, cluster_id: str = "pair", limits: ClusterLimits | None = None) -> ClusterConfig:
        return ClusterConfig(
            cluster_id=cluster_id,
            node_id=node_id,
            peers=self.peers,
            listen_host="127.0.0.1",
            listen_port=self.peers[node_id].port,
            limits=limits or ClusterLimits(),
        )

    async def start(self, config: ClusterConfig, identity: Identity | None = None, incarnation: int = 1) -> End:
        end = End(config, identity or self.identities[config.node_id], incarnation)
        self.ends.append(end)
        await end.links.start()
        return end

    async def start_both(self) -> tuple[End, End]:
        one, two = await self.start(self.config(ONE)), await self.start(self.config(TWO))
        await until(lambda: one.links.is_up(TWO) and two.links.is_up(ONE))
        return one, two


@pytest_asyncio.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Two nodes that know each other; nothing is started."""
    pair = Pair(tmp_path)
    yield pair
    for raw in pair.raws:
        await raw.close()
    for end in pair.ends:
        await end.links.stop()
        assert not end.failures


def stanza(number: int, size: int = 0) -> OffLogStanza:
    return OffLogStanza(LogIndex(number), SessionId(1), b"x" * size)


async def test_frames_pass_in_order_both_ways(pair: Pair) -> None:
    """Frames arrive in the order sent, from whom they were sent, and only after a flush."""
    one, two = await pair.start_both()
    for number in range(100):
        assert one.links.send(TWO, stanza(number, size=number * 100))
    assert two.links.send(ONE, Proposals(Term(1), 1, 1, [b"command"]))
    one.links.flush()
    two.links.flush()
    await until(lambda: len(two.recorder.frames) == 100 and one.recorder.frames)
    assert two.recorder.frames == [(ONE, stanza(number, size=number * 100)) for number in range(100)]
    assert one.recorder.frames == [(TWO, Proposals(Term(1), 1, 1, [b"command"]))]
    assert not two.links.send(NodeId(9), stanza(1)), "nobody has that number"


async def test_incarnations_are_told(pair: Pair) -> None:
    """The hello tells the life of a node, and a later one is announced over the links that are up."""
    one = await pair.start(pair.config(ONE), incarnation=41)
    two = await pair.start(pair.config(TWO), incarnation=77)
    await until(lambda: one.links.is_up(TWO) and two.links.is_up(ONE))
    assert (one.recorder.incarnations, two.recorder.incarnations) == ({TWO: 77}, {ONE: 41})
    one.incarnation = 42
    one.links.announce()
    one.links.flush()
    await until(lambda: two.recorder.frames)
    assert two.recorder.frames == [(ONE, Hello(PROTOCOL_VERSION, "pair", ONE, 42))]


async def test_a_node_that_ends_is_noticed_and_found_again(pair: Pair) -> None:
    """The end of a node's connection is reported at once; when it is back, both links come up again."""
    one, two = await pair.start_both()
    await two.links.stop()
    await until(lambda: one.recorder.count("gone", TWO) and one.recorder.count("down", TWO))
    assert not one.links.is_up(TWO)
    assert not one.links.send(TWO, stanza(1))
    assert one.links.last_heard_ns(TWO) is None
    again = await pair.start(pair.config(TWO))
    await until(lambda: one.links.is_up(TWO) and again.links.is_up(ONE))
    assert one.recorder.count("up", TWO) == 2
    assert one.links.send(TWO, stanza(5))
    one.links.flush()
    await until(lambda: again.recorder.frames)
    assert again.recorder.frames == [(ONE, stanza(5))]


async def test_a_new_connection_takes_the_place_of_the_old(pair: Pair) -> None:
    """A node that dials anew while its old connection lingers is not reported gone."""
    one = await pair.start(pair.config(ONE))
    first, second = await open_raw(pair), await open_raw(pair)
    await until(lambda: one.recorder.count("arrived", TWO) == 2)
    assert await first.reader.read() == b"" or first.reader.at_eof()
    assert one.recorder.count("gone", TWO) == 0
    second.writer.transport.abort()
    await until(lambda: one.recorder.count("gone", TWO) == 1)


class TestBounds:
    """Queues of a link."""

    async def test_a_full_link_takes_no_more(self, pair: Pair) -> None:
        """Beyond its bound a link refuses and counts; the other side gets exactly what was taken."""
        one = await pair.start(pair.config(ONE, limits=ClusterLimits(link_bytes_max=100_000)))
        two = await pair.start(pair.config(TWO))
        await until(lambda: one.links.is_up(TWO))
        taken = [number for number in range(30) if one.links.send(TWO, stanza(number, size=10_000))]
        assert len(taken) == 10
        assert one.links.links[0].dropped_count == 20
        one.links.flush()
        await until(lambda: len(two.recorder.frames) == 10)
        assert [frame.applied_index for _, frame in two.recorder.frames] == taken  # type: ignore[union-attr]
        assert one.links.send(TWO, stanza(99))

    async def test_a_peer_that_does_not_read(self, pair: Pair) -> None:
        """What the system does not take stays within the bound."""
        limits = ClusterLimits(link_bytes_max=1 << 20)
        one = await pair.start(pair.config(ONE, limits=limits))
        silent = await listen_silently(pair)
        await until(lambda: one.links.is_up(TWO))
        refused = 0
        for number in range(2_000):
            refused += not one.links.send(TWO, stanza(number, size=20_000))
            one.links.flush()
        assert refused > 0
        assert one.links.links[0].queued_bytes < 2 << 20
        silent.close()


class Raw:
    """A TLS connection to node one that a test speaks over itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def close(self) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


async def connect_raw(pair: Pair, identity: Identity) -> Raw:
    peer = pair.peers[ONE]
    raw = Raw(*await asyncio.open_connection(peer.host, peer.port, ssl=identity.contexts().client))
    pair.raws.append(raw)
    return raw


async def open_raw(pair: Pair, hello: Frame | None = None) -> Raw:
    """Connect as node two and say hello."""
    raw = await connect_raw(pair, pair.identities[TWO])
    raw.writer.write(encode_frame(hello or Hello(PROTOCOL_VERSION, "pair", TWO, 1)))
    return raw


async def listen_silently(pair: Pair) -> asyncio.Server:
    """Stand in for node two: say hello, then read nothing more."""

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(encode_frame(Hello(PROTOCOL_VERSION, "pair", TWO, 1)))
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        pair.raws.append(Raw(reader, writer))

    return await asyncio.start_server(
        welcome, "127.0.0.1", pair.peers[TWO].port, ssl=pair.identities[TWO].contexts().server
    )


def farewell_of(said: bytes) -> Farewell:
    """Return the only frame that a node said before it closed."""
    reader = FrameReader()
    reader.feed(said)
    frame = reader.next_frame()
    assert isinstance(frame, Farewell)
    assert reader.next_frame() is None
    return frame


async def closed_by_peer(raw: Raw) -> bytes:
    """Return what the peer said before it closed."""
    try:
        return await asyncio.wait_for(raw.reader.read(), 5)
    except (ConnectionError, ssl.SSLError):
        return b""


class TestJoining:
    """Whoever holds a certificate of the authority may ask to be let in, and nothing else."""

    async def test_a_request_is_answered(self, pair: Pair) -> None:
        """With the name and the key of the certificate it came under."""
        one = await pair.start(pair.config(ONE))
        newcomer = pair.authority.issue("7")
        raw = await connect_raw(pair, newcomer)
        request = JoinRequest("pair", b"token", "host:1", b"data", 2)
        raw.writer.write(encode_frame(request))
        said = await closed_by_peer(raw)
        assert said == encode_frame(JoinReply("not now", is_final=False, members=()))
        assert one.recorder.joins == [(7, newcomer.fingerprint, request)]
        assert one.recorder.reports == []

    async def test_nothing_else_is_heard(self, pair: Pair) -> None:
        """Behind its request a node that is not let in yet has nothing to say."""
        one = await pair.start(pair.config(ONE))
        one.recorder.join_requested = lambda *_: None  # type: ignore[method-assign]
        raw = await connect_raw(pair, pair.authority.issue("7"))
        raw.writer.write(encode_frame(JoinRequest("pair", b"token", "host:1", b"data", 2)))
        raw.writer.write(encode_frame(stanza(1)))
        assert await closed_by_peer(raw) == b""
        assert one.recorder.frames == []
        assert one.links.refused_count == 1

    async def test_a_link_carries_no_request(self, pair: Pair) -> None:
        """A peer that asks for chunks, or to be let in, over its link is dropped."""
        one = await pair.start(pair.config(ONE))
        raw = await open_raw(pair)
        await until(lambda: one.recorder.count("arrived", TWO))
        raw.writer.write(encode_frame(JoinRequest("pair", b"token", "host:1", b"data", 2)))
        await closed_by_peer(raw)
        await until(lambda: one.recorder.count("gone", TWO))
        assert one.recorder.joins == []


class TestRefused:
    """Connections that are none of the cluster's."""

    @pytest.mark.parametrize("who", ["wrong authority", "wrong name", "wrong fingerprint", "itself", "no number"])
    async def test_by_certificate(self, pair: Pair, who: str) -> None:
        """A stranger's key, another node's name or a second key under a node's name lets nobody in, and is told."""
        one = await pair.start(pair.config(ONE))
        strangers = Authority(pair.directory, "another authority")
        identity = {
            "wrong authority": lambda: strangers.issue("2"),
            "wrong name": lambda: pair.authority.issue("3"),
            "wrong fingerprint": lambda: pair.authority.issue("2"),
            "itself": lambda: pair.identities[ONE],
            "no number": lambda: pair.authority.issue("two"),
        }[who]()
        identity.authority_path = pair.authority.path  # it knows us, whoever signed it
        raw = await connect_raw(pair, identity)
        raw.writer.write(encode_frame(Hello(PROTOCOL_VERSION, "pair", TWO, 1)))
        said = await closed_by_peer(raw)
        if who in {"wrong authority", "no number"}:
            assert said == b""
        else:
            assert not farewell_of(said).is_dismissed
        assert one.recorder.reports == []
        assert one.links.refused_count == (0 if who == "wrong authority" else 1)  # TLS itself refuses that one

    @pytest.mark.parametrize(
        "first",
        [
            Hello(PROTOCOL_VERSION, "another cluster", TWO, 1),
            Hello(PROTOCOL_VERSION, "pair", NodeId(3), 1),
            Hello(PROTOCOL_VERSION + 1, "pair", TWO, 1, version_min=PROTOCOL_VERSION + 1),
            Hello(PROTOCOL_VERSION_MIN - 1, "pair", TWO, 1),
            Hello(PROTOCOL_VERSION, "pair", TWO, 1, data_id=b"another"),
            stanza(1),
            JoinReply("", is_final=True, members=()),
        ],
        ids=["cluster", "node", "later version", "older version", "data", "no hello", "a reply"],
    )
    async def test_by_hello(self, pair: Pair, first: Frame) -> None:
        """The right key with the wrong hello is told why, and is not heard."""
        one = await pair.start(pair.config(ONE))
        raw = await open_raw(pair, first)
        assert farewell_of(await closed_by_peer(raw)).reason
        assert one.recorder.reports == []
        assert one.recorder.frames == []
        assert one.links.refused_count == 1

    async def test_a_later_version_that_understands_ours(self, pair: Pair) -> None:
        """Two releases talk if each understands what the other speaks."""
        one = await pair.start(pair.config(ONE))
        await open_raw(pair, Hello(PROTOCOL_VERSION + 5, "pair", TWO, 1, version_min=PROTOCOL_VERSION))
        await until(lambda: one.recorder.count("arrived", TWO))

    async def test_the_dialer_hears_a_farewell(self, pair: Pair) -> None:
        """Whoever is refused learns why from whom it knows, and goes on trying."""
        one = await pair.start(pair.config(ONE))
        one.links.book.known = {}
        two = await pair.start(pair.config(TWO))
        await until(lambda: len(two.recorder.farewells) >= 2)
        node_id, farewell = two.recorder.farewells[0]
        assert node_id == ONE
        assert "no peer" in farewell.reason
        assert not two.links.is_up(ONE)

    async def test_a_former_member_is_told(self, pair: Pair) -> None:
        """That it was removed, and not just that it is unknown."""
        one = await pair.start(pair.config(ONE))
        members = founding_membership({ONE: pair.peers[ONE]})
        one.links.book.follow(replace_struct(members, node_id_max=2), LogIndex(5), is_committed=True)
        one.links.follow()
        two = await pair.start(pair.config(TWO))
        await until(lambda: two.recorder.farewells)
        assert two.recorder.farewells[0][1].is_dismissed

    async def test_garbage_ends_the_link(self, pair: Pair) -> None:
        """A peer that breaks the format after its hello is dropped, and reported gone."""
        one = await pair.start(pair.config(ONE))
        raw = await open_raw(pair)
        await until(lambda: one.recorder.count("arrived", TWO))
        raw.writer.write(b"\xff" * 64)
        await closed_by_peer(raw)
        await until(lambda: one.recorder.count("gone", TWO))
        assert one.links.refused_count == 1

    async def test_the_dialer_checks_too(self, pair: Pair) -> None:
        """A node with another key at the right address is not spoken to."""
        one = await pair.start(pair.config(ONE))
        config = replace(pair.config(TWO), cluster_id="pair")
        impostor = await pair.start(config, pair.authority.issue("2"))
        await until(lambda: one.links.refused_count >= 2)
        assert not one.links.is_up(TWO)
        assert not impostor.links.is_up(ONE)
        assert one.recorder.reports == []

    async def test_another_cluster_stays_down(self, pair: Pair) -> None:
        """Nodes of two clusters never get a link, in either direction."""
        one = await pair.start(pair.config(ONE))
        two = await pair.start(pair.config(TWO, cluster_id="another"))
        await until(lambda: one.links.refused_count and two.links.refused_count)
        assert one.recorder.reports == two.recorder.reports == []
