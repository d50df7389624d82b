"""Components behind the node door: who holds one, and the questions that nodes ask on their own (XEP-0114)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.clusters import Cluster, until
from cluster.people import Person
from raftline.base.errors import Busy, Refused
from raftline.machine.components.queries import ComponentAt
from raftline.machine.outcomes import Event, SessionEnded
from raftline.machine.queries import SessionRow, SessionsOf
from raftline.machine.versions import FEATURES_SINCE
from raftline.node import questions
from raftline.node.door import Session
from raftline.node.node import LocalNode
from raftline.node.requests import read_iq_head
from raftline.xmpp.components.stanzas import asking_node

DOMAIN = "example.test"
TO = f"push.{DOMAIN}"
PAYLOAD = b"<x xmlns='urn:x'/>"


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three nodes under one leader."""
    nodes = Cluster(tmp_path, 3)
    try:
        await nodes.start()
        await until(lambda: all(node.node.machine_version >= FEATURES_SINCE for node in nodes.running))
        yield nodes
    finally:
        await nodes.stop()


class Push:
    """The edge of a component that answers requests, or keeps them."""

    def __init__(self, node: LocalNode, *, answers: bool = True) -> None:
        self.node = node
        self.answers = answers
        self.ended = ""
        self.requests: list[bytes] = []
        self.session: Session | None = None

    async def connect(self) -> None:
        self.session = await self.node.connect_component("push", self)

    def receive_event(self, event: Event) -> None:
        if isinstance(event, SessionEnded):
            self.ended = event.reason or "ended"

    def receive_progress(self, inbound_count: int) -> None:
        pass

    def receive_stanza(self, stanza: bytes) -> None:
        self.requests.append(stanza)
        head = read_iq_head(stanza)
        assert head is not None
        request = head.request
        node_id = asking_node(request.iq_id.decode())
        assert node_id is not None
        if self.answers:
            answer = b"<iq from='%b' to='%b' type='result' id='%b'/>"
            self.node.route_to_node(node_id, answer % (request.receiver, request.sender, request.iq_id))


def holder(node: LocalNode) -> int | None:
    """Which node holds the component, as a replica has it."""
    row = node.driver.machine.answer(ComponentAt("push"))
    return row.node_id if isinstance(row, SessionRow) else None


class TestConnecting:
    """`connect_component`."""

    async def test_one_at_a_time(self, cluster: Cluster) -> None:
        """Another node is refused while one holds it, and takes it after the end."""
        first, second = Push(cluster[1].node), Push(cluster[2].node)
        await first.connect()
        with pytest.raises(Refused, match="connected already"):
            await second.connect()
        assert first.session is not None
        await first.session.end()
        await second.connect()
        await until(lambda: holder(cluster[3].node) == 2)

    async def test_the_death_of_its_node_frees_it(self, cluster: Cluster) -> None:
        """Once the cluster has buried the node, another takes the component."""
        leader = cluster.leader
        held, other = (node for node in (cluster[1], cluster[2], cluster[3]) if node is not leader)
        await Push(held.node).connect()
        await held.stop()
        await until(lambda: holder(other.node) is None)
        await Push(other.node).connect()


class TestQuestions:
    """`ask_component`."""

    @pytest.mark.parametrize("asker", [1, 2])
    @pytest.mark.parametrize("sender", [DOMAIN, f"alice@{DOMAIN}"])
    async def test_an_answer(self, cluster: Cluster, asker: int, sender: str) -> None:
        """From the server or from an account, on the component's node or another."""
        push = Push(cluster[1].node)
        await push.connect()
        await cluster.caught_up()
        answer = await cluster[asker].node.ask_component(sender, TO, PAYLOAD)
        assert answer.startswith(f"<iq from='{TO}' to='{sender}' type='result' id='n{asker}.".encode())
        [request] = push.requests
        assert request.startswith(f"<iq from='{sender}' to='{TO}' type='set' id='".encode())
        assert PAYLOAD in request

    async def test_nobody_is_connected(self, cluster: Cluster) -> None:
        """`service-unavailable`, at once."""
        answer = await cluster[1].node.ask_component(DOMAIN, TO, PAYLOAD)
        assert b"type='error'" in answer
        assert b"<service-unavailable " in answer

    @pytest.mark.parametrize("to", ["push.elsewhere.example", DOMAIN, "alice@elsewhere.example"])
    async def test_elsewhere(self, cluster: Cluster, to: str) -> None:
        """There is no way to other domains."""
        with pytest.raises(Refused, match="remote-server-not-found"):
            await cluster[1].node.ask_component(DOMAIN, to, PAYLOAD)

    async def test_its_node_dies(self, cluster: Cluster) -> None:
        """`remote-server-timeout` when the link is lost."""
        leader = cluster.leader
        held, other = (node for node in (cluster[1], cluster[2], cluster[3]) if node is not leader)
        push = Push(held.node, answers=False)
        await push.connect()
        await cluster.caught_up()
        asking = asyncio.ensure_future(other.node.ask_component(DOMAIN, TO, PAYLOAD))
        await until(lambda: push.requests)
        await held.stop()
        assert b"<remote-server-timeout " in await asking

    async def test_it_is_silent(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        """`remote-server-timeout` when the time is over; a late answer is dropped."""
        monkeypatch.setattr(questions, "ANSWER_TIMEOUT_S", 0.05)
        push = Push(cluster[1].node, answers=False)
        await push.connect()
        assert b"<remote-server-timeout " in await cluster[1].node.ask_component(DOMAIN, TO, PAYLOAD)
        push.answers = True
        push.receive_stanza(push.requests[0])
        assert b"type='result'" in await cluster[1].node.ask_component(DOMAIN, TO, PAYLOAD)

    async def test_they_are_bounded(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        """The last that fits is sent, the next is not."""
        monkeypatch.setattr(questions, "QUESTION_COUNT_MAX", 1)
        node = cluster[1].node
        push = Push(node, answers=False)
        await push.connect()
        asking = asyncio.ensure_future(node.ask_component(DOMAIN, TO, PAYLOAD))
        await until(lambda: push.requests)
        with pytest.raises(Busy):
            await node.ask_component(DOMAIN, TO, PAYLOAD)
        push.answers = True
        push.receive_stanza(push.requests[0])
        assert b"type='result'" in await asking


async def test_a_request_to_a_session_that_is_gone(cluster: Cluster) -> None:
    """It comes too late, and is refused by the node that held the session, not swallowed."""
    one, two = cluster[1].node, cluster[2].node
    alice, bob = Person("alice"), Person("bob")
    await alice.appear(one)
    await bob.appear(two)
    await cluster.caught_up()
    await one.ask(SessionsOf("bob"))
    await bob.session.end()
    request = f"<iq from='alice@{DOMAIN}/home' to='bob@{DOMAIN}/home' type='get' id='i'/>".encode()
    assert one.route(bob.session.session_id, request)
    await until(lambda: alice.stanzas)
    assert b"<service-unavailable " in alice.stanzas[0]
