"""Components on three nodes (XEP-0114), with a library's own stack, and through the deaths of nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import slixmpp
from slixmpp import JID

from integration.archive import check_exactly_once, read_archive
from integration.cluster_process import Cluster, wait_until
from integration.xmpp_client import CONNECT_TIMEOUT_S, Chatter, Client
from integration.xmpp_raw import RawClient, register

pytestmark = pytest.mark.timeout(180)

PASSWORD = "behind-the-scenes"
SECRET = "stage:door"
NS_COMPONENT = "jabber:component:accept"
PUBSUB = "http://jabber.org/protocol/pubsub"
HOST = "echo.localhost"
ECHO = f"echo@{HOST}"
PATIENCE_S = 20.0
SETTLE_TIMEOUT_S = 40.0
WRITE_INTERVAL_S = 0.02
COUNT_BETWEEN = 40


class Echo(slixmpp.ComponentXMPP):
    """
    One connection of a component that answers every message, and accepts and seeks every contact.

    An answer's origin-id is made of the id of what it answers: one that is asked for again is the same.
    """

    def __init__(self, seen: dict[str, str], *, secret: str = SECRET) -> None:
        super().__init__(HOST, secret)
        for name in ("xep_0030", "xep_0199", "xep_0203", "xep_0359"):
            self.register_plugin(name)
        self.seen = seen
        self.condition = ""
        self.ended = asyncio.Event()
        self.started = asyncio.Event()
        self.presences: list[tuple[str, str]] = []
        self.add_event_handler("session_start", lambda _: self.started.set())
        self.add_event_handler("stream_error", self._on_stream_error)
        self.add_event_handler("disconnected", lambda _: self.ended.set())
        self.add_event_handler("connection_failed", lambda _: self.ended.set())
        self.add_event_handler("message", self._on_message)
        self.add_event_handler("presence_subscribe", self._on_subscribe)
        for kind in ("available", "unavailable"):
            self.add_event_handler(f"presence_{kind}", self._on_presence)

    async def open(self, port: int) -> bool:
        """Connect to a node; return whether it took the component."""
        self.connect("127.0.0.1", port)
        waits = [asyncio.ensure_future(event.wait()) for event in (self.started, self.ended)]
        _, pending = await asyncio.wait(waits, timeout=CONNECT_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        if not self.started.is_set() or self.ended.is_set():
            await self.close()
            return False
        return True

    async def close(self) -> None:
        """End the stream, and what the library leaves behind."""
        self.end_session_on_disconnect = True
        self.cancel_connection_attempt()
        if self.transport is not None and not self.ended.is_set():
            await self.disconnect(wait=2.0)
            await self.ended.wait()
        if self._run_out_filters is not None:
            self._run_out_filters.cancel()

    def _on_stream_error(self, error: object) -> None:
        self.condition = error["condition"]  # type: ignore[index]

    def _on_message(self, message: slixmpp.Message) -> None:
        if not message["body"] or message["type"] == "error":
            return
        stanza_id = message["stanza_id"]["id"]
        assert self.seen.setdefault(stanza_id, message["body"]) == message["body"]
        reply = self.make_message(mto=message["from"].bare, mfrom=message["to"], mbody=message["body"], mtype="chat")
        reply["id"] = reply["origin_id"]["id"] = f"re-{stanza_id}"
        reply.send()

    def _on_subscribe(self, presence: slixmpp.Presence) -> None:
        for kind in ("subscribed", "subscribe"):
            self.send_presence(pto=presence["from"].bare, pfrom=presence["to"], ptype=kind)

    def _on_presence(self, presence: slixmpp.Presence) -> None:
        self.presences.append((presence["from"].full, presence["type"]))


class EchoService:
    """
    The program behind the connections: when one ends it goes to the next node.

    Attributes:
        seen: Body by stanza id of every message that arrived, in the order of their first arrival.
    """

    def __init__(self, cluster: Cluster, node_id: int) -> None:
        self.cluster = cluster
        self.node_id = node_id
        self.seen: dict[str, str] = {}
        self.connection: Echo | None = None
        self._is_closing = False

    async def run(self) -> None:
        """Stay connected until `close`."""
        while not self._is_closing:
            echo = Echo(self.seen)
            if not await echo.open(self.cluster.component_port(self.node_id)):
                self.node_id = self.node_id % 3 + 1
                await asyncio.sleep(0.1)  # a pause between attempts, as every program makes
                continue
            self.connection = echo
            await echo.ended.wait()
            self.connection = None
            await echo.close()

    async def wait_connected(self) -> None:
        """Wait until some node has it."""
        await wait_until("the component to be connected", lambda: _holds(self.connection is not None), PATIENCE_S)

    async def close(self) -> None:
        """Go for good."""
        self._is_closing = True
        if self.connection is not None:
            await self.connection.close()


@pytest_asyncio.fixture
async def cluster(cluster_folder: Path) -> AsyncIterator[Cluster]:
    """Three nodes that know the component."""
    async with Cluster(cluster_folder, options=("--component", f"echo:{SECRET}")) as running:
        yield running


async def test_a_library_and_its_component(cluster: Cluster) -> None:
    """
    Messages, requests, subscriptions and presence both ways, with users on the two other nodes.

    Who guesses the secret sees `not-authorized` and the end of the connection, a second connection `conflict`.
    """
    echo, guess, second = Echo({}), Echo({}, secret="guess"), Echo({})
    anna, bert = Client("anna", PASSWORD), Client("bert", PASSWORD)
    try:
        assert not await guess.open(cluster.component_port(1))
        assert guess.condition == "not-authorized"
        assert await echo.open(cluster.component_port(1))
        assert not await second.open(cluster.component_port(2))
        assert second.condition == "conflict"
        await anna.register_account(cluster.node(2).xmpp)
        await bert.register_account(cluster.node(3).xmpp)
        items = await anna.plugin["xep_0030"].get_items(jid=JID("localhost"))
        assert (HOST, None, "echo") in items["disco_items"]["items"]
        for user in (anna, bert):
            user.say(ECHO, f"hello from {user.account}", user.account)
            received = await user.wait_received(f"hello from {user.account}")
            assert received.sender == ECHO
            await user.plugin["xep_0199"].ping(JID(HOST), timeout=PATIENCE_S)
            await echo.plugin["xep_0199"].ping(user.boundjid, ifrom=JID(HOST), timeout=PATIENCE_S)

        await anna.add_contact(ECHO)
        full_jid = anna.boundjid.full
        await wait_until(
            "the component sees anna", lambda: _holds((full_jid, "available") in echo.presences), PATIENCE_S
        )
        echo.send_presence(pto="anna@localhost", pfrom=ECHO, pstatus="on stage")
        seen = anna.client_roster[ECHO].resources
        await wait_until("anna sees the component", lambda: _holds(bool(seen)), PATIENCE_S)
        await anna.log_out()
        await wait_until("anna goes", lambda: _holds((full_jid, "unavailable") in echo.presences), PATIENCE_S)
    finally:
        for user in (anna, bert):
            await user.log_out()
        await echo.close()


async def test_nothing_is_lost_or_doubled_by_deaths(cluster: Cluster) -> None:
    """
    The leader is killed while the component is elsewhere, then the component's own node, while users write.

    Each message reaches the component under one stanza id, and has one answer, in order, in the user's archive.
    """
    leader = await cluster.leader()
    followers = [node_id for node_id in cluster.node_ids if node_id != leader]
    for name in ("anna", "bert"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    service = EchoService(cluster, followers[0])
    users = [Chatter(cluster, name, PASSWORD, ECHO, followers[1]) for name in ("anna", "bert")]
    tasks = [asyncio.create_task(each.run()) for each in (service, *users)]
    try:
        await service.wait_connected()
        await _write(users)
        await cluster.kill(leader)
        await _write(users)
        await cluster.start_node(leader)
        await service.wait_connected()
        own_node = service.node_id
        await cluster.kill(own_node)
        await _write(users)
        await service.wait_connected()
        assert service.node_id != own_node
        await cluster.start_node(own_node)
        await _write(users)
        for user in users:
            await wait_until(
                f"{user.username} has all answers",
                lambda user=user: _holds(len(set(user.shown.values())) == len(user.numbers)),  # type: ignore[misc]
                SETTLE_TIMEOUT_S,
            )
        await cluster.wait_equal_hashes()
        for user in users:
            await _check(cluster, user, service)
    finally:
        await service.close()
        for user in users:
            await user.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_component_is_a_push_service(cluster: Cluster) -> None:
    """It is told of a message for who is away, whichever node holds it, and its answer is the last word (XEP-0357)."""
    echo = Echo({})
    published: list[str] = []

    def take(request: slixmpp.Iq) -> None:
        published.extend(item.get("id", "") for item in request.xml.iter(f"{{{PUBSUB}}}item"))
        request.reply().send()

    publish = slixmpp.xmlstream.matcher.MatchXPath(f"{{{NS_COMPONENT}}}iq/{{{PUBSUB}}}pubsub/{{{PUBSUB}}}publish")
    echo.register_handler(slixmpp.xmlstream.handler.Callback("publish", publish, take))
    for name in ("anna", "bert"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    try:
        assert await echo.open(cluster.component_port(1))
        async with RawClient() as anna:
            await anna.log_in(cluster.node(2).xmpp, "anna", PASSWORD)
            async with RawClient() as phone:
                await phone.log_in(cluster.node(3).xmpp, "bert", PASSWORD, resource="phone")
                answer = await phone.ask("set", f"<enable xmlns='urn:xmpp:push:0' jid='{HOST}' node='bert'/>")
                assert answer.get("type") == "result"
            for number in range(3):
                await anna.wait_acked(anna.send_chat("bert@localhost", f"message {number}", f"p{number}"))
        async with RawClient() as reader:
            await reader.log_in(cluster.node(1).xmpp, "bert", PASSWORD, resource="reader")
            ids = [row.stanza_id for row in await read_archive(reader)]
        await wait_until("all are published", lambda: _holds(set(ids) <= set(published)), SETTLE_TIMEOUT_S)
        assert sorted(published) == sorted(ids)
    finally:
        await echo.close()


async def _write(users: list[Chatter]) -> None:
    for _ in range(COUNT_BETWEEN):
        for user in users:
            user.write()
        await asyncio.sleep(WRITE_INTERVAL_S)  # the pace of people, not a wait


async def _check(cluster: Cluster, user: Chatter, service: EchoService) -> None:
    """Compare what a user wrote with what the component got, and with the archive."""
    written = [f"{user.username} says {number}" for number in range(len(user.numbers))]
    assert user.acknowledged == set(user.numbers)
    assert [body for body in service.seen.values() if body in set(written)] == written
    async with RawClient() as reader:
        await reader.log_in(cluster.node(1).xmpp, user.username, PASSWORD)
        rows = await read_archive(reader)
    check_exactly_once([row for row in rows if row.sender.startswith(user.username)], user.numbers, user.username)
    assert [row.body for row in rows if row.sender.startswith(ECHO)] == written


async def _holds(condition: bool) -> bool:
    return condition
