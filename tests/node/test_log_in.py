"""`log_in`: sessions and tokens by one command, the node door on real nodes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.clusters import Cluster, until
from cluster.people import Person
from raftline.base.errors import Refused
from raftline.machine.commands import SetCredentials
from raftline.machine.login.commands import BindAsked, LogIn, ResumptionAsked, TokenIssue, TokenUse
from raftline.machine.node_commands import BuryNode
from raftline.machine.outcomes import Done, Gone, LoggedIn
from raftline.machine.queries import KnownToken, LoginTokensOf, SessionRow, SessionsOf
from raftline.machine.versions import VERSION_MAX
from raftline.node.node import LocalNode

TOKEN = bytes(range(16))
BIND = BindAsked("app/1", client="1", managed=True, token=TOKEN, timeout_s=60)
ISSUE = TokenIssue(b"phone", "HT-SHA-256-NONE", b"verifier", b"answer")


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three nodes under one leader, with the account alice, that have agreed on the latest version."""
    nodes = Cluster(tmp_path, 3)
    try:
        await nodes.start()
        await until(lambda: all(node.machine.machine_version == VERSION_MAX for node in nodes.running))
        await Person("alice").create(nodes.leader.node)
        await nodes.caught_up()
        yield nodes
    finally:
        await nodes.stop()


async def log_in(node: LocalNode, action: LogIn) -> tuple[Person, LoggedIn]:
    """Log in; the person holds the session, if there is one."""
    person = Person(action.localpart)
    person._session, logged_in = await node.log_in(action, person)
    return person, logged_in


def holders(node: LocalNode) -> list[int]:
    """Nodes that hold alice's sessions, as this replica has them."""
    found = node.driver.machine.answer(SessionsOf("alice"))
    assert isinstance(found, list)
    return [row.node_id for row in found if isinstance(row, SessionRow)]


def known(node: LocalNode) -> list[KnownToken]:
    found = node.driver.machine.answer(LoginTokensOf("alice", ISSUE.client))
    assert isinstance(found, list)
    return [token for token in found if isinstance(token, KnownToken)]


async def test_bound_by_a_follower(cluster: Cluster) -> None:
    """The session belongs to the node that was asked and works there; the token is known everywhere."""
    node = cluster.followers[0].node
    alice, logged_in = await log_in(node, LogIn("alice", bind=BIND, issue=ISSUE))
    assert logged_in.bound is not None
    assert logged_in.token_expires_ms > 0
    assert holders(node) == [node.driver.node_id]
    alice.submit_presence()
    alice.send("alice", "to myself")
    await until(lambda: alice.bodies == [b"to myself"])
    await cluster.caught_up()
    assert [[token.verifier for token in known(other.node)] for other in cluster.running] == [[b"verifier"]] * 3


async def test_no_session(cluster: Cluster) -> None:
    """Without a session to hold there is none, and nobody is online."""
    node = cluster.leader.node
    person, logged_in = await log_in(node, LogIn("alice", issue=ISSUE))
    assert person._session is None
    assert (logged_in.bound, logged_in.resumed) == (None, None)
    assert node.session_count == 0


async def test_resumed_on_another_node(cluster: Cluster) -> None:
    """The former edge hears of a conflict, and the session goes on with a token used by the same command."""
    one, two = cluster.leader.node, cluster.followers[0].node
    alice, first = await log_in(one, LogIn("alice", bind=BIND, issue=ISSUE))
    assert first.bound is not None
    asked = ResumptionAsked(first.bound.session_id, TOKEN)
    use = TokenUse(ISSUE.client, ISSUE.verifier, count=1)
    again, second = await log_in(two, LogIn("alice", resume=asked, bind=BIND, use=use))
    assert second.bound is None
    assert second.resumed is not None
    assert second.resumed.resource == "app/1"
    await until(lambda: alice.ended == "conflict")
    assert again.session.session_id == alice.session.session_id
    assert holders(two) == [two.driver.node_id]
    with pytest.raises(Refused) as refusal:
        await two.log_in(LogIn("alice", use=use), Person("alice"))
    assert refusal.value.condition == "not-authorized"


async def test_gone(cluster: Cluster) -> None:
    """A session that is over is told of, and another one is bound."""
    node = cluster.leader.node
    alice, first = await log_in(node, LogIn("alice", bind=BIND))
    assert first.bound is not None
    await alice.session.end()
    asked = ResumptionAsked(first.bound.session_id, TOKEN)
    again, second = await log_in(node, LogIn("alice", resume=asked, bind=BIND))
    assert second.gone == Gone(0)
    assert second.bound is not None
    assert again.session.session_id == second.bound.session_id != alice.session.session_id


async def test_a_token_is_gone_with_the_password(cluster: Cluster) -> None:
    """What one node has changed is so on every other, whatever its replica knew before (promise P4)."""
    one, two = cluster.leader.node, cluster.followers[0].node
    await log_in(one, LogIn("alice", issue=ISSUE))
    await one.execute(SetCredentials("alice", ()), key=os.urandom(16))
    with pytest.raises(Refused) as refusal:
        await two.log_in(LogIn("alice", use=TokenUse(ISSUE.client, ISSUE.verifier), bind=BIND), Person("alice"))
    assert refusal.value.condition == "not-authorized"
    assert holders(two) == []


async def test_a_cancelled_login_leaves_no_session(cluster: Cluster) -> None:
    """An edge that goes away while it binds leaves nobody online; what can be resumed waits."""
    node = cluster.leader.node
    for turns in range(6):
        action = LogIn("alice", bind=BindAsked(f"r{turns}"))
        binding = asyncio.ensure_future(node.log_in(action, Person("alice")))
        for _ in range(turns):
            await asyncio.sleep(0)
        binding.cancel()
        await asyncio.wait([binding])
        assert binding.cancelled()
    await Person("bob").create(node)  # applied behind what was proposed in between
    await until(lambda: holders(node) == [])
    assert node.session_count == 0


async def test_a_life_that_is_over(cluster: Cluster) -> None:
    """A node that was declared dead binds in its next life, and a counter is not taken for a replay then."""
    node, other = cluster.followers[0], cluster.leader.node
    await log_in(other, LogIn("alice", issue=ISSUE))
    await cluster.caught_up()
    assert await other.execute(BuryNode(node.node.driver.node_id, node.running.lives.incarnation)) == Done()
    use = TokenUse(ISSUE.client, ISSUE.verifier, count=1)
    alice, logged_in = await log_in(node.node, LogIn("alice", bind=BIND, use=use))
    assert logged_in.bound is not None
    alice.submit_presence()
    alice.send("alice", "alive")
    await until(lambda: alice.bodies == [b"alive"])
