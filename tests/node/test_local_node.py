"""The node door in front of one real node: sessions, outcomes, progress and what reaches an edge when."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.clusters import DOMAIN, Cluster, until
from cluster.people import Person, anything, send_to_full_jid
from raftline.base.errors import LocalProtocolError, Refused, Unavailable
from raftline.base.ids import CURSOR_START
from raftline.machine.commands import CreateAccount, DeleteAccount, EndSessions, SetRosterItem
from raftline.machine.history.commands import ArchivePolicy, SetArchivePreferences
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import Done, Event, MessageArrived, Rejected, Repeated, SessionEnded, cursor_of
from raftline.machine.queries import AccountExists, NodeProfiles, SessionRow, SessionsOf
from raftline.machine.versions import FEATURES_SINCE
from raftline.node.node import LocalNode


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """One node that leads itself."""
    nodes = Cluster(tmp_path, 1)
    try:
        await nodes.start()
        yield nodes
    finally:
        await nodes.stop()


@pytest.fixture
def node(cluster: Cluster) -> LocalNode:
    """The door of that node."""
    return cluster[1].node


class TestExecute:
    """Commands of no session."""

    async def test_outcomes(self, node: LocalNode) -> None:
        """The outcome is the machine's, and what it changed is seen at once."""
        assert await node.execute(CreateAccount("alice", ()), key=os.urandom(16)) == Done()
        assert await node.ask(AccountExists("alice"))
        refused = await node.execute(CreateAccount("alice", ()), key=os.urandom(16))
        assert isinstance(refused, Rejected)
        assert refused.condition == "conflict"

    async def test_under_one_key_once(self, node: LocalNode) -> None:
        """A repeat under the key has the first outcome, not that of a second attempt."""
        key = os.urandom(16)
        assert await node.execute(CreateAccount("alice", ()), key=key) == Done()
        assert await node.execute(CreateAccount("alice", ()), key=key) in {Done(), Repeated()}

    async def test_a_cancelled_bind_leaves_no_session(self, node: LocalNode) -> None:
        """An edge that goes away while it binds leaves nobody online."""
        alice = Person("alice")
        await alice.create(node)
        for turns in range(6):
            opening = asyncio.ensure_future(node.open_session(anything("alice", f"r{turns}"), alice))
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            await asyncio.wait([opening])
            assert opening.cancelled()
        # What was proposed in between is applied before this.
        await node.execute(CreateAccount("bob", ()), key=os.urandom(16))
        await until(lambda: node.driver.machine.answer(SessionsOf("alice")) == [])
        assert node.session_count == 0


class TestSessions:
    """Sessions and their edges."""

    async def test_bind(self, node: LocalNode) -> None:
        """A bound session belongs to this node, and unknown accounts are refused."""
        alice = Person("alice")
        await alice.create(node)
        await alice.bind(node)
        rows = await node.ask(SessionsOf("alice"))
        assert isinstance(rows, list)
        (row,) = rows
        assert isinstance(row, SessionRow)
        assert (row.session_id, row.node_id, row.resource) == (alice.session.session_id, 1, "home")
        with pytest.raises(Refused, match="account") as refusal:
            await node.open_session(anything("nobody"), alice)
        assert refusal.value.condition == "item-not-found"

    async def test_outcomes_come_in_order(self, node: LocalNode) -> None:
        """Pipelined submissions have their outcomes once each and in order; age and progress follow."""
        alice = Person("alice")
        await alice.appear(node)
        for number in range(200):
            alice.send("alice", f"{number}")
        assert alice.session.pending_since_ns is not None
        await until(lambda: len(alice.outcomes) == 201)
        assert alice.outcomes == [(number, Done()) for number in range(1, 202)]
        assert alice.session.pending_since_ns is None
        assert alice.bodies == [b"%d" % number for number in range(200)]
        assert alice.progress[-1] == 201
        assert alice.progress == sorted(set(alice.progress))
        assert len(alice.progress) < 100, "told once per slice, not once per command"

    async def test_rejected_commands_count_as_settled(self, node: LocalNode) -> None:
        """A refusal is an outcome; the next command follows it without a gap."""
        alice = Person("alice")
        await alice.appear(node)
        alice.submit(SetRosterItem("not a jid@@", "x" * 5000, ()))
        alice.send("alice", "after")
        await until(lambda: len(alice.outcomes) == 3)
        assert alice.outcomes[2] == (3, Done())
        assert alice.bodies == [b"after"]

    async def test_a_command_that_not_all_members_understand(self, tmp_path: Path) -> None:
        """It is refused here, since apply could tell nobody of it; the session goes on, and so does a later try."""
        cluster = Cluster(tmp_path, 1)
        cluster[1].config = replace(cluster[1].config, machine_version_max=FEATURES_SINCE - 1)
        await cluster.start()
        try:
            alice = Person("alice")
            await alice.appear(cluster[1].node)
            await until(lambda: cluster[1].machine.machine_version == FEATURES_SINCE - 1)
            preferences = SetArchivePreferences(ArchivePolicy.NEVER, (), ())
            with pytest.raises(Unavailable):
                alice.submit(preferences)
            with pytest.raises(Unavailable):
                await cluster[1].node.execute(EndSessions("nobody"))
            await cluster[1].node.execute(RaiseVersion(FEATURES_SINCE))
            alice.submit(preferences)
            alice.send("alice", "after")
            await until(lambda: len(alice.outcomes) == 3)
            assert [outcome for _, outcome in alice.outcomes] == [Done()] * 3
        finally:
            await cluster.stop()

    async def test_numbers_must_grow(self, node: LocalNode) -> None:
        """Two commands for one stanza would look like a repeat, so they are refused here."""
        alice = Person("alice")
        await alice.appear(node)
        alice.number = 0
        with pytest.raises(LocalProtocolError):
            alice.send("alice", "again number one")

    async def test_events_before_open_returns(self, node: LocalNode) -> None:
        """A session that takes another's place is registered before the other hears of its end, and after no event."""
        first, second = Person("alice"), Person("alice")
        await first.appear(node)
        await second.bind(node)
        await until(lambda: first.ended == "conflict")
        assert second.ended is None
        assert node.session_count == 1
        second.send("alice", "still here")
        await until(lambda: second.outcomes == [(1, Done())])

    async def test_end(self, node: LocalNode) -> None:
        """The end comes after all that was submitted, is told once, and may be asked for again."""
        alice, bob = Person("alice"), Person("bob")
        await alice.appear(node)
        await bob.appear(node)
        for number in range(20):
            alice.send("bob", f"{number}")
        await asyncio.gather(alice.session.end(), alice.session.end())
        assert len(alice.outcomes) == 21
        assert alice.ended == ""
        await alice.session.end()
        assert [event for event in alice.events if isinstance(event, SessionEnded)] == [alice.events[-1]]
        await until(lambda: len(bob.bodies) == 20)
        assert node.session_count == 1

    async def test_a_deleted_account_loses_its_sessions(self, node: LocalNode) -> None:
        """The edge hears why, and the registry forgets the session."""
        alice = Person("alice")
        await alice.appear(node)
        await node.execute(DeleteAccount("alice"), key=os.urandom(16))
        await until(lambda: alice.ended == "not-authorized")
        assert node.session_count == 0

    async def test_a_failing_edge_ends_alone(self, node: LocalNode, caplog: pytest.LogCaptureFixture) -> None:
        """An edge that raises loses its session; the others and the node go on."""

        class Fragile(Person):
            def receive_event(self, event: Event) -> None:
                super().receive_event(event)
                if isinstance(event, MessageArrived):
                    raise RuntimeError("this edge is broken")  # noqa: TRY004  it is what it says

        fragile, alice = Fragile("fragile"), Person("alice")
        await fragile.appear(node)
        await alice.appear(node)
        alice.send("fragile", "hello")
        alice.send("alice", "to myself")
        await until(lambda: fragile.ended is not None and len(alice.bodies) == 1)
        assert "this edge is broken" in caplog.text
        assert node.session_count == 1


class TestProgress:
    """Session marks (P1)."""

    @pytest_asyncio.fixture
    async def node(self, node: LocalNode) -> LocalNode:
        """A node that has no more commands of its own, so that those of sessions can be counted."""
        await until(lambda: node.driver.machine.answer(NodeProfiles()))
        return node

    async def test_a_mark_covers_stanzas_without_commands(self, node: LocalNode) -> None:
        """Stanzas that caused no command count once a mark is applied; many tells make few marks."""
        alice = Person("alice")
        await alice.appear(node)
        await until(lambda: alice.progress == [1])
        before = node.driver.metrics().applied_command_count
        for count in range(2, 50):
            alice.session.progress(count, CURSOR_START)
        await until(lambda: alice.progress[-1] == 49)
        assert node.driver.metrics().applied_command_count - before <= 2

    async def test_sessions_share_a_mark(self, node: LocalNode) -> None:
        """All sessions that moved are in one command."""
        people = [Person(f"user{number}") for number in range(20)]
        for person in people:
            await person.appear(node)
        await until(lambda: all(person.progress == [1] for person in people))
        before = node.driver.metrics().applied_command_count
        for person in people:
            person.session.progress(7, CURSOR_START)
        await until(lambda: all(person.progress[-1] == 7 for person in people))
        assert node.driver.metrics().applied_command_count - before == 1

    async def test_no_mark_for_what_commands_say(self, node: LocalNode) -> None:
        """A count that a command carried already needs no mark."""
        alice = Person("alice")
        await alice.appear(node)
        await until(lambda: alice.progress == [1])
        before = node.driver.metrics().applied_command_count
        alice.session.progress(1, CURSOR_START)
        alice.send("alice", "hello")
        await until(lambda: alice.progress[-1] == 2)
        alice.session.progress(2, CURSOR_START)
        await node.execute(CreateAccount("bob", ()), key=os.urandom(16))
        assert node.driver.metrics().applied_command_count - before == 2

    async def test_acknowledged_deliveries_are_marked(self, node: LocalNode) -> None:
        """With stream management on, what the client has not acknowledged outlives its session."""
        alice, bob = Person("alice"), Person("bob")
        await alice.appear(node)
        await bob.appear(node)
        await bob.session.enable_management()
        for number in range(4):
            alice.send("bob", f"{number}")
        await until(lambda: len(bob.bodies) == 4)
        arrivals = [event for event in bob.events if isinstance(event, MessageArrived)]
        bob.session.progress(1, cursor_of(arrivals[1]))
        before = node.driver.metrics().applied_command_count
        await until(lambda: node.driver.metrics().applied_command_count > before)
        await bob.session.end()
        again = Person("bob")
        await again.bind(node)
        again.submit_presence()
        await until(lambda: again.bodies == [b"2", b"3"])

    async def test_late_messages_are_acknowledged_too(self, node: LocalNode) -> None:
        """A message of earlier that comes after a live one lies before it; acknowledging it counts all the same."""
        alice, bob = Person("alice"), Person("bob")
        await alice.appear(node)
        await bob.create(node)
        alice.send("bob", "offline")
        await until(lambda: len(alice.outcomes) == 2)
        await bob.bind(node)
        await bob.session.enable_management()
        alice.submit(send_to_full_jid("alice", "bob", "home", "live"))
        await until(lambda: bob.bodies == [b"live"])
        bob.submit_presence()
        await until(lambda: bob.bodies == [b"live", b"offline"])
        cursors = [cursor_of(event) for event in bob.events if isinstance(event, MessageArrived)]
        assert cursors[1].position < cursors[0].position
        for cursor in cursors:
            before = node.driver.metrics().applied_command_count
            bob.session.progress(1, cursor)
            await until(lambda before=before: node.driver.metrics().applied_command_count > before)  # type: ignore[misc]
        await bob.session.end()
        again = Person("bob")
        await again.bind(node)
        again.submit_presence()
        await until(lambda: len(again.outcomes) == 1)
        assert again.bodies == []


class TestRouting:
    """Off-log stanzas within one node."""

    async def test_to_a_session_here(self, node: LocalNode) -> None:
        """It is handed over soon, not from within the call, and in order."""
        alice = Person("alice")
        await alice.appear(node)
        for number in range(3):
            assert node.route(alice.session.session_id, b"%d" % number)
        assert alice.stanzas == []
        await until(lambda: alice.stanzas == [b"0", b"1", b"2"])
        await alice.session.end()
        assert not node.route(alice.session.session_id, b"late")


async def test_nothing_passes_past_the_log_without_a_quorum(tmp_path: Path) -> None:
    """A replica that may be behind a block list hands nothing over, and says so to who asked; then it goes on."""
    cluster = Cluster(tmp_path, 3)
    await cluster.start()
    node = cluster.followers[0].node
    alice, bob = Person("alice"), Person("bob")
    for person in (alice, bob):
        await person.appear(node)
    for other in cluster.running:
        if other.node is not node:
            await other.stop()
    request = f"<iq from='bob@{DOMAIN}/home' to='alice@{DOMAIN}/home' type='get' id='i'/>".encode()
    answer = f"<iq from='alice@{DOMAIN}/home' to='bob@{DOMAIN}/home' type='result' id='j'/>".encode()
    assert node.route(alice.session.session_id, request)
    assert node.route(bob.session.session_id, answer)
    await until(lambda: len(bob.stanzas) == 2)
    for stanza, iq_id in zip(bob.stanzas, (b"i", b"j"), strict=True):  # an answer is withheld like a request
        assert b" id='%b'" % iq_id in stanza
        assert b"remote-server-timeout" in stanza
    assert alice.stanzas == []
    for other in cluster.nodes.values():
        if other.driver is None:
            await other.start()
    await cluster.settle()
    assert node.route(alice.session.session_id, request)
    await until(lambda: alice.stanzas == [request])
